//! Opening a database as somebody.

use std::fs::File;
use std::path::Path;

use medorder::access::role;
use medorder::keys::Zeroizing;
use medorder::{
    Actor, AnchorFile, EnvKey, Error, ErrorCode, KeyError, KeyFile, KeyProvider, OrderService, Purpose,
    Result, RoleName, Rule, TerritoryId, service::Builder, storage::postgres::PostgresInit,
};

use crate::cli::{Access, Database, NewRoot, Root, Schema};
use crate::notes::Notes;

/// A root key from either place.
pub(crate) enum RootKey {
    File(KeyFile),
    Env(EnvKey),
}

impl RootKey {
    fn new(file: Option<&Path>, variable: Option<&str>) -> Result<Self> {
        match (file, variable) {
            (Some(file), _) => KeyFile::open(file).map(Self::File).map_err(|error| key_trouble(file, error)),
            (None, Some(variable)) => {
                EnvKey::from_var(variable).map(Self::Env).map_err(|error| variable_trouble(variable, error))
            }
            (None, None) => Err(Error::fault("key_file", Rule::Required)),
        }
    }
}

impl TryFrom<&Root> for RootKey {
    type Error = Error;

    fn try_from(root: &Root) -> Result<Self> {
        Self::new(root.key_file.as_deref(), root.key_env.as_deref())
    }
}

impl TryFrom<&NewRoot> for RootKey {
    type Error = Error;

    fn try_from(root: &NewRoot) -> Result<Self> {
        Self::new(root.new_key_file.as_deref(), root.new_key_env.as_deref())
    }
}

impl KeyProvider for RootKey {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::File(root) => root.wrap(key, context),
            Self::Env(root) => root.wrap(key, context),
        }
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        match self {
            Self::File(root) => root.unwrap(blob, context),
            Self::Env(root) => root.unwrap(blob, context),
        }
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// True for a database on a server.
pub(crate) fn is_url(db: &Path) -> bool {
    db.to_str().is_some_and(|text| text.contains("://") && !text.starts_with("sqlite://"))
}

/// A database's name to print: of a url neither the password nor the options.
pub(crate) fn shown(db: &Path) -> String {
    let text = db.display().to_string();
    let Some((scheme, rest)) = text.split_once("://").filter(|_| is_url(db)) else { return text };
    let place = rest.split_once('?').map_or(rest, |(place, _)| place);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    format!("{scheme}://{place}")
}

/// Makes a database; one that is there is not touched.
pub(crate) async fn init(database: &Database, schema: &Schema) -> Result<()> {
    let key = RootKey::try_from(&database.access.root)?;
    if is_url(&database.db) {
        return OrderService::builder(&database.db, key).init(&settings(schema)?).await;
    }
    if schema.role.is_some() {
        return Err(Error::fault("role", Rule::NotAllowed));
    }
    if database.db.exists() {
        return Err(exists("--db", &database.db));
    }
    let mut builder = OrderService::builder(&database.db, key);
    if let Some(anchor) = &database.access.anchor {
        builder = builder.anchor(AnchorFile::open(anchor)?);
    }
    builder.open().await?.close().await
}

/// How the schema is to be made.
pub(crate) fn settings(schema: &Schema) -> Result<PostgresInit> {
    let Some(role) = &schema.role else { return Err(Error::fault("role", Rule::Required)) };
    Ok(PostgresInit::new(role).partitions(schema.partitions).row_security(!schema.no_row_security))
}

/// Opens a database that exists.
pub(crate) async fn open(db: &Path, access: &Access) -> Result<OrderService> {
    let builder = existing(db, access)?;
    match &access.anchor {
        Some(anchor) => builder.anchor(AnchorFile::open(anchor)?).open().await,
        None => builder.open().await,
    }
}

/// Opens a database that exists, beside notes that are read and never written; or alone.
pub(crate) async fn open_beside(db: &Path, access: &Access, notes: Option<Notes>) -> Result<OrderService> {
    let builder = existing(db, access)?;
    match notes {
        Some(notes) => builder.anchor(notes.sink()).open().await,
        None => builder.open().await,
    }
}

fn existing(db: &Path, access: &Access) -> Result<Builder> {
    let key = RootKey::try_from(&access.root)?;
    if !is_url(db) {
        std::fs::metadata(db).map_err(|e| file_error(db, "opened", &e))?;
    }
    Ok(OrderService::builder(db, key).create(false))
}

/// For commands that read: an anchor is written, as the reading is in the audit, but none is made.
pub(crate) fn anchor_exists(access: &Access) -> Result<()> {
    match &access.anchor {
        Some(anchor) => std::fs::metadata(anchor).map(|_| ()).map_err(|e| file_error(anchor, "read", &e)),
        None => Ok(()),
    }
}

/// Runs `act` on an open database and closes it, whatever became of it.
pub(crate) async fn with<T>(
    database: &Database,
    act: impl AsyncFnOnce(&OrderService) -> Result<T>,
) -> Result<T> {
    let service = open(&database.db, &database.access).await?;
    let done = act(&service).await;
    let closed = service.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

/// Who keeps directory and keys.
pub(crate) fn administrator(access: &Access) -> Result<Actor> {
    actor(access, role::administrator())
}

/// Who reads the audit.
pub(crate) fn auditor(access: &Access) -> Result<Actor> {
    actor(access, role::auditor())
}

/// Who creates orders.
pub(crate) fn requester(access: &Access) -> Result<Actor> {
    actor(access, role::requester())
}

/// Whoever can read the key file and write the database may do everything anyway: the roles say what for.
fn actor(access: &Access, role: RoleName) -> Result<Actor> {
    let user = access.user.clone().or_else(|| std::env::var("USER").ok().filter(|user| !user.is_empty()));
    Ok(Actor::new(user.as_deref().unwrap_or("admin").parse()?, Purpose::Operations)
        .role(role)
        .all_territories()
        .source("admin-cli".parse()?))
}

/// The territory given, or all.
pub(crate) async fn territories(
    service: &OrderService,
    access: &Access,
    given: Option<&str>,
) -> Result<Vec<TerritoryId>> {
    match given {
        Some(territory) => Ok(vec![territory.parse()?]),
        None => service.admin(administrator(access)?).territories().await,
    }
}

/// A file that is there already and stays as it is.
pub(crate) fn exists(option: &str, path: &Path) -> Error {
    let message = format!("{option} {} exists: choose another", path.display());
    Error::new(ErrorCode::ValidationError, message)
}

/// What to do about a key file.
pub(crate) fn key_trouble(path: &Path, error: Error) -> Error {
    let file = path.display();
    let message = match error.faults().first() {
        Some(fault) if fault.path == "key_file.mode" => {
            format!("others than its owner may use the key file {file}: chmod 600 {file}")
        }
        Some(_) => format!("{file} is no key file: keygen makes one"),
        None if error.code() == ErrorCode::KeyUnavailable => match File::open(path) {
            Err(e) => format!("the key file {file} cannot be opened: {}", e.kind()),
            Ok(_) => return error,
        },
        None => return error,
    };
    Error::new(error.code(), message)
}

fn variable_trouble(variable: &str, error: Error) -> Error {
    let message = match error.faults().first().map(|fault| fault.rule) {
        Some(Rule::Required) => format!("--key-env {variable}: the variable is not set"),
        Some(_) => format!("--key-env {variable}: the variable does not hold the line of a key file"),
        None => return error,
    };
    Error::new(error.code(), message)
}

/// A file of the caller that cannot be used.
pub(crate) fn file_error(path: &Path, what: &str, error: &std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::AlreadyExists {
        let message = format!("{} exists: choose another", path.display());
        return Error::new(ErrorCode::ValidationError, message);
    }
    let message = format!("{} cannot be {what}: {}", path.display(), error.kind());
    Error::new(ErrorCode::StorageUnavailable, message)
}

/// A new file that only its owner can read.
pub(crate) fn create_private(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| file_error(path, "made", &e))
}
