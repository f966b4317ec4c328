//! Opening a service with settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Duration;

use moka::future::Cache;

use super::callback::Background;
use super::committer::Committer;
use super::keyring::Keyring;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "test-util"))]
use super::keyring::initial_keys;
use super::{Core, OrderService};
use crate::access::AccessPolicy;
use crate::anchor::{AnchorFile, AnchorSink};
use crate::directory::CareDirectory;
use crate::env::Env;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::KeyProvider;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::storage::Initial;
use crate::storage::Storage;
#[cfg(feature = "postgres")]
use crate::storage::postgres::{self, PostgresInit, PostgresOptions, PostgresStorage};
#[cfg(feature = "sqlite")]
use crate::storage::sqlite::{SqliteOptions, SqliteStorage, Synchronous};
use crate::wire::OpenOptions;
use crate::workflow::{Workflow, WorkflowPolicy};

/// Settings of a service; made by [`OrderService::builder`].
#[must_use = "a builder does nothing until `open`"]
pub struct Builder {
    url: PathBuf,
    keys: Arc<dyn KeyProvider>,
    storage: Option<Arc<dyn Storage>>,
    directory: Option<Arc<dyn CareDirectory>>,
    anchor: Option<Arc<dyn AnchorSink>>,
    policy: AccessPolicy,
    workflow: Workflow,
    env: Env,
    key_cache_ttl: Duration,
    commit_timeout: Duration,
    #[cfg(feature = "sqlite")]
    sqlite: SqliteOptions,
    #[cfg(feature = "postgres")]
    postgres: PostgresOptions,
}

impl Builder {
    pub(super) fn new(url: &Path, keys: Arc<dyn KeyProvider>) -> Self {
        Self {
            url: url.to_owned(),
            keys,
            storage: None,
            directory: None,
            anchor: None,
            policy: AccessPolicy::default(),
            workflow: Workflow::standard(),
            env: Env::system(),
            key_cache_ttl: Duration::from_secs(300),
            commit_timeout: Duration::from_secs(30),
            #[cfg(feature = "sqlite")]
            sqlite: SqliteOptions::default(),
            #[cfg(feature = "postgres")]
            postgres: PostgresOptions::default(),
        }
    }

    /// Whether a missing database is made; on by default.
    #[cfg(feature = "sqlite")]
    pub fn create(mut self, create: bool) -> Self {
        self.sqlite.create = create;
        self
    }

    /// What a commit on SQLite waits for; [`Synchronous::Full`] by default.
    #[cfg(feature = "sqlite")]
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.sqlite.synchronous = synchronous;
        self
    }

    /// How to use a PostgreSQL server.
    #[cfg(feature = "postgres")]
    pub fn postgres(mut self, options: PostgresOptions) -> Self {
        self.postgres = options;
        self
    }

    /// Asks the host's directory instead of the stored registry.
    pub fn directory(mut self, directory: impl CareDirectory) -> Self {
        self.directory = Some(Arc::new(directory));
        self
    }

    /// Keeps signed checkpoints in `anchor`: at close, and at least every 10 minutes while there is activity.
    pub fn anchor(mut self, anchor: impl AnchorSink) -> Self {
        self.anchor = Some(Arc::new(anchor));
        self
    }

    /// Roles and rules of access.
    pub fn access(mut self, policy: AccessPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The workflow's table.
    pub fn workflow(mut self, workflow: Workflow) -> Self {
        self.workflow = workflow;
        self
    }

    /// How long unwrapped territory keys and positive answers of the directory are kept; 300 seconds by
    /// default.
    pub const fn key_cache_ttl(mut self, ttl: Duration) -> Self {
        self.key_cache_ttl = ttl;
        self
    }

    /// How long a change waits for room in the queue; 30 seconds by default.
    pub const fn commit_timeout(mut self, timeout: Duration) -> Self {
        self.commit_timeout = timeout;
        self
    }

    /// Settings as a face reads them with [`wire::open_options`](crate::wire::open_options). Those of an engine that
    /// this build does not have are ignored.
    ///
    /// # Errors
    /// As [`AnchorFile::open`](crate::AnchorFile::open), if there is an `anchor_file`.
    pub fn options(mut self, options: OpenOptions) -> Result<Self> {
        #[cfg(feature = "sqlite")]
        {
            self.sqlite.create = options.create.unwrap_or(self.sqlite.create);
            if let Some(wait) = options.wait_for_disk {
                self.sqlite.synchronous = if wait { Synchronous::Full } else { Synchronous::Normal };
            }
        }
        #[cfg(feature = "postgres")]
        {
            self.postgres.connections = options.connections.unwrap_or(self.postgres.connections);
            self.postgres.listen_url = options.listen_url.or(self.postgres.listen_url);
            self.postgres.patience = options.patience.unwrap_or(self.postgres.patience);
        }
        self.key_cache_ttl = options.key_cache_ttl.unwrap_or(self.key_cache_ttl);
        self.commit_timeout = options.commit_timeout.unwrap_or(self.commit_timeout);
        self.policy = options.access.unwrap_or(self.policy);
        if options.cancel_before_start == Some(true) {
            self.workflow = Workflow::new(WorkflowPolicy::default().cancel_before_start(true));
        }
        if let Some(path) = options.anchor_file {
            self.anchor = Some(Arc::new(AnchorFile::open(path)?));
        }
        Ok(self)
    }

    /// Another clock and randomness, for tests.
    #[cfg(any(test, feature = "test-util"))]
    pub fn env(mut self, env: Env) -> Self {
        self.env = env;
        self
    }

    /// Another engine, for tests; the URL is not looked at. The engine is asked for its keys, so make it with
    /// [`Builder::initial`].
    #[cfg(any(test, feature = "test-util"))]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Opens the service.
    ///
    /// # Errors
    /// As [`OrderService::open`].
    pub async fn open(self) -> Result<OrderService> {
        super::callback::refuse_inside()?;
        let background = Background::default();
        let storage = match &self.storage {
            Some(storage) => Arc::clone(storage),
            None => self.engine(&background).await?,
        };
        let ttl = self.key_cache_ttl;
        let keyring = Keyring::new(Arc::clone(&storage), self.keys, self.env.clone(), ttl, 1_000);
        if let Err(error) = keyring.check(&background).await {
            storage.close().await?;
            return Err(error);
        }
        let core = Core {
            committer: Committer::start(Arc::clone(&storage), self.commit_timeout)?,
            keyring,
            storage,
            directory: self.directory,
            relationships: Cache::builder().time_to_live(ttl).max_capacity(10_000).build(),
            territories: Cache::builder().time_to_live(ttl).max_capacity(10_000).build(),
            anchor: self.anchor,
            policy: self.policy,
            workflow: self.workflow,
            checkpointed: AtomicI64::new(self.env.clock.now_micros()),
            env: self.env,
            background,
            closed: AtomicBool::new(false),
            pid: std::process::id(),
        };
        Ok(OrderService { core: Arc::new(core) })
    }

    /// Makes the schema in PostgreSQL with the owner's url, so that the runtime role can open it. Where there is
    /// one, only the role's grants are brought up to date.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` if the url is malformed; `STORAGE_UNAVAILABLE` if the server can't be reached or the role is none that may be used;
    /// `SCHEMA_UNSUPPORTED` if the url is not PostgreSQL's or the schema is of another format; `KEY_MISMATCH` if
    /// the schema that is there has another root key; `KEY_UNAVAILABLE`.
    #[cfg(feature = "postgres")]
    pub async fn init(self, settings: &PostgresInit) -> Result<()> {
        super::callback::refuse_inside()?;
        match self.place()? {
            Place::Postgres(url) => {
                let initial = self.first(&Background::default()).await?;
                let keys = postgres::make(&url, settings, &initial).await?;
                Keyring::check_row(&keys, &self.keys, &Background::default()).await
            }
            Place::File(_) => Err(Error::new(
                ErrorCode::SchemaUnsupported,
                "only a PostgreSQL database is made in advance; a file is made when it is opened",
            )),
        }
    }

    async fn engine(&self, background: &Background) -> Result<Arc<dyn Storage>> {
        match self.place()? {
            #[cfg(feature = "sqlite")]
            Place::File(path) => self.file(&path, background).await,
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => {
                Ok(Arc::new(PostgresStorage::connect(&url, self.postgres.clone()).await?))
            }
            #[cfg(not(feature = "sqlite"))]
            Place::File(_) => {
                let _ = background;
                Err(no_engine())
            }
            #[cfg(not(feature = "postgres"))]
            Place::Postgres => Err(no_engine()),
        }
    }

    #[cfg(feature = "sqlite")]
    async fn file(&self, path: &Path, background: &Background) -> Result<Arc<dyn Storage>> {
        let open = |initial| SqliteStorage::open(path, self.sqlite.clone(), initial);
        // The keys of a new database are wrapped before anything is locked; for one that exists the provider
        // is not asked.
        let storage = match open(None)? {
            Some(storage) => Some(storage),
            None => open(Some(self.first(background).await?))?,
        };
        storage
            .map(|storage| Arc::new(storage) as Arc<dyn Storage>)
            .ok_or_else(|| super::internal("no engine"))
    }

    /// What a new database is born with.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    async fn first(&self, background: &Background) -> Result<Initial> {
        let keys = initial_keys(&self.keys, &self.env, background).await?;
        // A provider that is refused leaves no database behind that nobody can open.
        Keyring::check_row(&keys, &self.keys, background).await?;
        Ok(Initial { generation: self.env.random()?, keys })
    }

    /// What the url names. Another scheme is refused, not taken for a file name.
    fn place(&self) -> Result<Place> {
        let Some(text) = self.url.to_str() else { return Ok(Place::File(self.url.clone())) };
        match text.split_once("://") {
            Some(("sqlite", path)) => Ok(Place::File(PathBuf::from(path))),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => Ok(Place::Postgres(text.to_owned())),
            #[cfg(not(feature = "postgres"))]
            Some(("postgres" | "postgresql", _)) => Ok(Place::Postgres),
            Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) => {
                Err(no_engine())
            }
            _ => Ok(Place::File(self.url.clone())),
        }
    }
}

/// Where a database is.
enum Place {
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "there is no engine for it"))]
    File(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(String),
    #[cfg(not(feature = "postgres"))]
    Postgres,
}

fn no_engine() -> Error {
    Error::new(ErrorCode::SchemaUnsupported, "this build has no engine for the url")
}

/// The wrapped keys a test engine must be born with.
#[cfg(any(test, feature = "test-util"))]
impl Builder {
    /// Key rows and generation for an engine that is made outside, as [`Builder::open`] makes them.
    ///
    /// # Errors
    /// `KEY_UNAVAILABLE`.
    pub async fn initial(
        keys: &Arc<dyn KeyProvider>,
        env: &Env,
    ) -> Result<([u8; 16], Vec<crate::storage::KeyRow>)> {
        Ok((env.random()?, initial_keys(keys, env, &Background::default()).await?))
    }
}
