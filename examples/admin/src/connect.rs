//! Opening a database as somebody.

use std::fs::File;
use std::path::Path;

use medorder::access::role;
use medorder::keys::Zeroizing;
use medorder::{
    Actor, AnchorCallback, AnchorFile, AnchorSink, EnvKey, Error, ErrorCode, KeyError, KeyFile, KeyProvider,
    OrderService, Purpose, Result, RoleName, Rule, TerritoryId, audit::checkpoint,
};

use crate::cli::{Access, Database, NewRoot, Root};

/// A root key from either place.
pub(crate) enum RootKey {
    File(KeyFile),
    Env(EnvKey),
}

impl RootKey {
    fn new(file: Option<&Path>, variable: Option<&str>) -> Result<Self> {
        match (file, variable) {
            (Some(file), _) => KeyFile::open(file).map(Self::File),
            (None, Some(variable)) => EnvKey::from_var(variable).map(Self::Env),
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

/// Makes a database; one that is there is not touched.
pub(crate) async fn init(database: &Database) -> Result<()> {
    let key = RootKey::try_from(&database.access.root)?;
    if database.db.exists() {
        return Err(Error::fault("--db", Rule::Duplicate));
    }
    let mut builder = OrderService::builder(&database.db, key);
    if let Some(anchor) = &database.access.anchor {
        builder = builder.anchor(AnchorFile::open(anchor)?);
    }
    builder.open().await?.close().await
}

/// Opens a database that exists.
pub(crate) async fn open(db: &Path, access: &Access) -> Result<OrderService> {
    let builder = OrderService::builder(db, RootKey::try_from(&access.root)?).create(false);
    match &access.anchor {
        Some(anchor) => builder.anchor(AnchorFile::open(anchor)?).open().await,
        None => builder.open().await,
    }
}

/// Opens a database that exists, beside notes that are read and never written.
pub(crate) async fn open_beside(database: &Database, notes: &Path) -> Result<OrderService> {
    let key = RootKey::try_from(&database.access.root)?;
    OrderService::builder(&database.db, key).create(false).anchor(read_only(notes)?).open().await
}

fn read_only(path: &Path) -> Result<impl AnchorSink> {
    let text = std::fs::read_to_string(path).map_err(|e| file_error(path, "read", &e))?;
    let notes = notes(&text);
    if notes.is_empty() {
        return Err(Error::fault("--checkpoint", Rule::Format));
    }
    Ok(AnchorCallback::new(
        |_: &str| Err(Error::new(ErrorCode::StorageUnavailable, "the notes are only read")),
        move |chain: &str| {
            Ok(notes.iter().rev().find(|note| checkpoint::chain_of(note) == Some(chain)).cloned())
        },
    ))
}

/// Notes one after the other; each ends with its signature's line.
fn notes(text: &str) -> Vec<String> {
    let mut notes = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if let Some(note) = notes.last_mut() {
            note.push_str(line);
        }
        if line.starts_with("\u{2014} ") {
            notes.push(String::new());
        }
    }
    notes.retain(|note| !note.trim().is_empty());
    notes
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

/// A file of the caller that cannot be used.
pub(crate) fn file_error(path: &Path, what: &str, error: &std::io::Error) -> Error {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_told_apart() {
        let one = "medorder/g/a\n1\nh\n\n\u{2014} medorder/g sig\n";
        let two = "medorder/g/b\n2\nh\n\n\u{2014} medorder/g sig\n";
        assert_eq!(notes(&format!("{one}{two}")), [one, two]);
        assert!(notes("\n").is_empty());
    }
}
