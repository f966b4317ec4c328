//! Every scenario in every language on every engine, and databases that one language wrote in the hands of another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use medorder::storage::postgres::PostgresInit;
use medorder::{ErrorCode, KeyFile, OrderService, OrderStatus, generate_key_file};
use medorder_tests::postgres::{Database, OWNER, RUNTIME, Server};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The faces beside Rust, and how each is called in `skip`.
const FACES: &[&str] = &["c", "python", "python-async", "node"];
/// The same face under the eyes of a tool that notices faults of memory. Valgrind is forty times slower, and sees the same
/// on either engine.
const WATCHED: [(&str, &[&str]); 2] = [("c-asan", &ENGINES), ("c-valgrind", &["sqlite"])];
const ENGINES: [&str; 2] = ["sqlite", "postgresql"];
/// What only a fault of an engine or of the library, or a gateway, brings about.
const NOT_HERE: [ErrorCode; 3] = [ErrorCode::Unauthenticated, ErrorCode::OutcomeUnknown, ErrorCode::Internal];

/// Where the key files of this run are.
static KEYS: OnceLock<TempDir> = OnceLock::new();
fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A run keeps a core busy, and its server another.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let mut trials = vec![Trial::test("the scenarios reach all there is", reach)];
    for engine in ENGINES {
        for face in std::iter::once("rust").chain(FACES.iter().copied()) {
            trials.push(Trial::test(format!("every scenario: {face} on {engine}"), move || {
                every(face, engine)
            }));
        }
        trials
            .push(Trial::test(format!("a database goes from language to language on {engine}"), move || {
                relay(engine)
            }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(folder) = KEYS.get() {
        // Nothing drops a static.
        let _ = std::fs::remove_dir_all(folder.path());
    }
    conclusion.exit_code()
}

/// Each error code, status, call, role and field stands in a scenario.
fn reach() -> Result<(), Failed> {
    let mut names = BTreeSet::new();
    let mut all = String::new();
    for path in scenarios() {
        let scenario = read(&path);
        let name = scenario["name"].as_str().unwrap_or_default().to_owned();
        if !names.insert(name.clone()) {
            return Err(format!("two scenarios are called `{name}`").into());
        }
        all += &scenario.to_string();
    }
    if names.len() < 60 {
        return Err(format!("only {} scenarios", names.len()).into());
    }
    let schema = read(&folder().join("scenario.schema.json"));
    let calls = schema["properties"]["steps"]["items"]["properties"]["do"]["enum"].as_array();
    let calls = calls.ok_or("no calls")?.iter().filter_map(Value::as_str);
    let codes = ErrorCode::ALL.iter().filter(|code| !NOT_HERE.contains(code)).map(|code| code.name());
    let words = calls.chain(codes).chain(OrderStatus::ALL.iter().map(|status| status.name()));
    let missing: Vec<&str> = words.filter(|word| !all.contains(&format!("\"{word}\""))).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("in no scenario: {missing:?}").into()) }
}

/// A face plays them all, but for those that the engine has a reason against: so all play as many.
fn every(face: &str, engine: &'static str) -> Result<(), Failed> {
    let mut place = Place::new(engine);
    let jobs: Vec<Value> = scenarios().iter().map(|scenario| place.job(scenario)).collect();
    let apart = scenarios().iter().filter(|path| read(path)["skip"].get(engine).is_some()).count();
    let ran = play(face, &place, &jobs)?;
    if ran == jobs.len() - apart {
        Ok(())
    } else {
        Err(format!("{face} ran {ran} of {} scenarios, {apart} of them for another engine", jobs.len())
            .into())
    }
}

/// Whatever one face has written, every other reads, advances and verifies.
fn relay(engine: &'static str) -> Result<(), Failed> {
    let faces: Vec<&str> = std::iter::once("rust").chain(FACES.iter().copied()).collect();
    let relay = folder().join("relay");
    let mut place = Place::new(engine);
    let databases: Vec<Value> =
        (0..faces.len() * faces.len()).map(|_| place.job(&relay.join("write.json"))).collect();
    let advance = |job: &Value| {
        let mut job = job.clone();
        job["scenario"] = json!(relay.join("advance.json"));
        job
    };
    for (at, face) in faces.iter().enumerate() {
        play(face, &place, &databases[at * faces.len()..][..faces.len()])?;
    }
    for (at, face) in faces.iter().enumerate() {
        let theirs: Vec<Value> =
            (0..faces.len()).map(|n| advance(&databases[n * faces.len() + at])).collect();
        play(face, &place, &theirs)?;
    }
    Ok(())
}

/// Lets a face play the jobs; answers how many it ran.
fn play(face: &str, place: &Place, jobs: &[Value]) -> Result<usize, Failed> {
    let list = place.folder.path().join("jobs.json");
    std::fs::write(&list, json!({ "jobs": jobs }).to_string()).map_err(|_| "the jobs cannot be written")?;
    let program = match face {
        "rust" => PathBuf::from(env!("CARGO_BIN_EXE_conformance-rust")),
        face => target().join("faces").join(face).join("run"),
    };
    if !program.is_file() {
        return Err(format!("the face `{face}` is not built: `cargo xtask faces` does that").into());
    }
    let output =
        Command::new(&program).arg(&list).output().map_err(|e| format!("{face} does not start: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    let ran = last.strip_prefix("ran ").and_then(|rest| rest.split(',').next()).and_then(|n| n.parse().ok());
    let notes: Vec<&str> = text.lines().filter(|line| !line.starts_with("ok ")).collect();
    if !output.status.success() || ran.is_none() || last.contains("failed 0") != output.status.success() {
        return Err(format!("{face}: {}\n{}\n{errors}", output.status, notes.join("\n")).into());
    }
    if !errors.trim().is_empty() {
        return Err(format!("{face} complains: {errors}").into());
    }
    let settled = text.lines().filter(|line| line.starts_with("ok ") || line.starts_with("skipped ")).count();
    if settled != jobs.len() {
        return Err(format!("{face} was given {} jobs and settled {settled}", jobs.len()).into());
    }
    ran.ok_or_else(|| "no number".into())
}

/// Databases of one engine, with the keys and files that jobs name.
struct Place {
    folder: TempDir,
    engine: &'static str,
    jobs: usize,
    made: Vec<Database>,
}

impl Place {
    fn new(engine: &'static str) -> Self {
        let folder = TempDir::new().expect("a folder");
        Self { folder, engine, jobs: 0, made: Vec::new() }
    }

    fn job(&mut self, scenario: &Path) -> Value {
        self.jobs += 1;
        let folder = self.folder.path().join(self.jobs.to_string());
        std::fs::create_dir(&folder).expect("a folder");
        let url = match self.engine {
            "sqlite" => folder.join("orders.db").display().to_string(),
            _ => {
                let template = &template().name;
                let database = free().pop().unwrap_or_else(|| server().database_like(template));
                let url = database.url(RUNTIME);
                self.made.push(database);
                url
            }
        };
        json!({
            "scenario": scenario, "engine": self.engine, "url": url,
            "keys": { "a": key("a"), "b": key("b") },
            "paths": { "backup": folder.join("backup.db"), "anchor": folder.join("anchor") },
            "actors": self::folder().join("actors.json"),
            "damage": [env!("CARGO_BIN_EXE_conformance-rust"), "damage"],
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for database in self.made.drain(..) {
            database.put_back();
            free().push(database);
        }
    }
}

/// Databases that nobody uses.
fn free() -> MutexGuard<'static, Vec<Database>> {
    static FREE: Mutex<Vec<Database>> = Mutex::new(Vec::new());
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn server() -> &'static Server {
    Server::shared()
}

/// A database with the schema and the keys of file `a`, that all others are copies of.
fn template() -> &'static Database {
    static MADE: OnceLock<Database> = OnceLock::new();
    MADE.get_or_init(|| {
        let database = server().database();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let keys = KeyFile::open(key("a")).expect("a key");
        let settings = PostgresInit::new(RUNTIME);
        let made = OrderService::builder(database.url(OWNER), keys).init(&settings);
        runtime.block_on(made).expect("a schema");
        database.remember();
        database
    })
}

/// A key file of this run.
fn key(name: &str) -> PathBuf {
    let folder = KEYS.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        for name in ["a", "b"] {
            generate_key_file(folder.path().join(name)).expect("a key file");
        }
        folder
    });
    folder.path().join(name)
}

fn scenarios() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder().join("scenarios")).expect("scenarios").flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).expect("the file is readable");
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}
