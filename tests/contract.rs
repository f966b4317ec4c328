//! Every engine keeps every promise of the storage contract.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use libtest_mimic::{Arguments, Trial};
use medorder::storage::contract::{cases, generation, keys};
use medorder::storage::memory::MemoryStorage;
use medorder::storage::postgres::{PostgresInit, PostgresOptions, PostgresStorage};
use medorder::storage::sqlite::{SqliteOptions, SqliteStorage};
use medorder::storage::{Initial, Storage};
use medorder_tests::pooler::Pooler;
use medorder_tests::postgres::{Database, OWNER, RUNTIME, Server};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// What must outlive an engine.
#[expect(dead_code, reason = "kept, not looked at")]
enum Home {
    Nowhere,
    Folder(TempDir),
    Server(Made),
}

/// A database that the next case takes over, as if nobody had used it: that is faster than to make another one.
struct Made(&'static str, Database);

/// What was made and is in no case's hands, by schema.
static FREE: Mutex<Vec<Made>> = Mutex::new(Vec::new());

impl Drop for Made {
    fn drop(&mut self) {
        // After a failure somebody may want to look at it.
        if !std::thread::panicking() {
            let database = self.1.clone();
            database.put_back();
            free().push(Self(self.0, database));
        }
    }
}

fn free() -> MutexGuard<'static, Vec<Made>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes an engine that nobody has used.
type Make = fn() -> (Arc<dyn Storage>, Home);

/// The engines that are judged, each made anew for every case.
const ENGINES: &[(&str, Make)] = &[
    ("memory", memory),
    ("sqlite", sqlite),
    ("postgres", || postgres("plain", "")),
    ("postgres_partitioned", || postgres("partitioned", "")),
    ("postgres_without_row_security", || postgres("open", "")),
    ("postgres_pooled", || postgres("plain", "&pooler=transaction")),
];

fn memory() -> (Arc<dyn Storage>, Home) {
    (Arc::new(MemoryStorage::new(generation(), keys())), Home::Nowhere)
}

fn initial() -> Initial {
    Initial { generation: generation(), keys: keys() }
}

/// On a file, with every commit waiting for the disk, as hospitals run it.
fn sqlite() -> (Arc<dyn Storage>, Home) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("contract.db");
    let engine = SqliteStorage::open(&path, SqliteOptions::default(), Some(initial()));
    let engine = engine.expect("a new file opens").expect("it is made");
    (Arc::new(engine), Home::Folder(folder))
}

/// On a copy of a database with this schema, through pgbouncer if the url says so.
fn postgres(schema: &'static str, more: &str) -> (Arc<dyn Storage>, Home) {
    let known = {
        let mut free = free();
        free.iter().position(|made| made.0 == schema).map(|at| free.swap_remove(at))
    };
    let made = known.unwrap_or_else(|| Made(schema, Server::shared().database_like(template(schema))));
    let database = made.1.clone();
    let port = if more.is_empty() { database.port } else { pooler().port() };
    let url = database.url_at(port, RUNTIME, more);
    let engine = runtime().block_on(PostgresStorage::connect(&url, PostgresOptions::default()));
    (Arc::new(engine.expect("a database that was made opens")), Home::Server(made))
}

/// Databases with a schema and nobody connected, to be copied.
fn template(schema: &str) -> &'static str {
    static TEMPLATES: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    let templates = TEMPLATES.get_or_init(|| {
        let settings = PostgresInit::new(RUNTIME);
        let schemas = [
            ("plain", settings.clone()),
            ("partitioned", settings.clone().partitions(8)),
            ("open", settings.row_security(false)),
        ];
        let make = |(name, settings): (&'static str, PostgresInit)| {
            let database = Server::shared().database();
            let url = database.url(OWNER);
            let made = async { medorder::storage::postgres::init(&url, &settings, &initial()).await };
            runtime().block_on(made).expect("the owner makes the schema");
            database.remember();
            (name, database.name)
        };
        schemas.into_iter().map(make).collect()
    });
    templates
        .iter()
        .find(|(name, _)| *name == schema)
        .map(|(_, database)| &**database)
        .expect("a known schema")
}

fn pooler() -> &'static Pooler {
    static POOLER: OnceLock<Pooler> = OnceLock::new();
    POOLER.get_or_init(|| Pooler::before(Server::shared().port(), 20))
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (name, make) in ENGINES {
        for case in cases() {
            trials.push(Trial::test(format!("{name}::{}", case.name), move || {
                let (engine, _home) = make();
                case.run(engine);
                Ok(())
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
