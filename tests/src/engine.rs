//! Which engine a suite runs on, and databases of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use medorder::env::Env;
use medorder::service::Builder;
use medorder::storage::postgres::{PostgresInit, PostgresOptions, PostgresStorage};
use medorder::storage::sqlite::{SqliteOptions, SqliteStorage};
use medorder::storage::{Initial, Storage};
use medorder::{KeyProvider, OrderService, Synchronous, TestKey};
use tokio::sync::OnceCell;

use crate::postgres::{Database, OWNER, RUNTIME, Server};
use crate::{World, root};

/// What keeps the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the suites run on both")]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A database of [`Server::shared`].
    Postgres,
}

impl Engine {
    /// What `MEDORDER_TEST_ENGINE` says; SQLite if it says nothing. `cargo xtask test` runs the suites that are
    /// about neither engine with each.
    ///
    /// # Panics
    /// If it names no engine: a misspelt one must not pass for the other.
    #[must_use]
    pub fn asked() -> Self {
        match std::env::var("MEDORDER_TEST_ENGINE").as_deref() {
            Ok("postgres") => Self::Postgres,
            Ok("sqlite") | Err(std::env::VarError::NotPresent) => Self::Sqlite,
            other => panic!("MEDORDER_TEST_ENGINE is {other:?}, and that is no engine"),
        }
    }

    /// Where a new database is that a service with [`TestKey::new`] can open: a path in `folder`, where there is
    /// none yet, or the URL of an empty one.
    pub async fn place(self, folder: &Path) -> PathBuf {
        match self {
            Self::Sqlite => folder.join("orders.db"),
            Self::Postgres => database().await.url(RUNTIME).into(),
        }
    }
}

/// A database with the schema and its first keys. All are copies of one, which takes less time than to make each.
pub async fn database() -> Database {
    static TEMPLATE: OnceCell<Database> = OnceCell::const_new();
    let make = || async {
        let template = Server::shared().database();
        made(&template).await;
        template
    };
    Server::shared().database_like(&TEMPLATE.get_or_init(make).await.name)
}

/// Makes the schema in an empty database.
///
/// # Panics
/// If the engine cannot.
pub async fn made(database: &Database) {
    let builder = OrderService::builder(database.url(OWNER), TestKey::new());
    builder.init(&PostgresInit::new(RUNTIME)).await.expect("the schema is made");
}

/// The engine alone on a database that [`Engine::place`] gave, new or not.
///
/// # Panics
/// If it does not open.
pub async fn storage(place: &Path) -> Arc<dyn Storage> {
    if let Some(url) = place.to_str().filter(|text| Database::of(text).is_some()) {
        let engine = PostgresStorage::connect(url, PostgresOptions::default()).await;
        return Arc::new(engine.expect("the database opens"));
    }
    let keys: Arc<dyn KeyProvider> = Arc::new(TestKey::new());
    let (generation, keys) = Builder::initial(&keys, &Env::system()).await.expect("keys are made");
    let mut options = SqliteOptions::default();
    options.synchronous = Synchronous::Normal;
    // Of a database that is there already, the keys are its own.
    let engine = SqliteStorage::open(place, options, Some(Initial { generation, keys }));
    Arc::new(engine.expect("the file opens").expect("it is made"))
}

/// A copy of a world's database as it is now, taken as its operator takes one: by the service, or by the server's
/// own tools.
///
/// # Panics
/// If there is none.
pub async fn copied(world: &World, name: &str) -> PathBuf {
    match world.path.to_str().and_then(Database::of) {
        Some(database) => Server::shared().database_from(&database).url(RUNTIME).into(),
        None => {
            let path = world.folder().join(name);
            world.service.admin(root()).backup(&path).await.expect("a copy");
            path
        }
    }
}
