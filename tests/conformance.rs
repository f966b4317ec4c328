//! Every scenario in every language on every engine, and databases that one language wrote in the hands of another.

#![expect(
    clippy::print_stdout,
    reason = "how many scenarios ran, and which were skipped, is for people to see"
)]

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

/// The faces beside Rust.
const FACES: &[&str] = &["c", "python", "python-async", "node", "kotlin"];
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
        let watched = WATCHED.iter().filter(|(_, on)| on.contains(&engine)).map(|(face, _)| *face);
        for face in std::iter::once("rust").chain(FACES.iter().copied()).chain(watched) {
            let name = format!("every scenario: {face} on {engine}");
            trials.push(Trial::test(name, move || every(face, engine)));
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

/// The scenarios have the form of the schema, and between them each call is made, each error provoked, each step of the
/// workflow taken or refused, each role allowed and denied something, each field shown and withheld.
fn reach() -> Result<(), Failed> {
    let schema = read(&folder().join("scenario.schema.json"));
    let step_schema = &schema["properties"]["steps"]["items"];
    let calls = step_schema["properties"]["do"]["enum"].as_array().ok_or("no calls")?;
    let common = read(&folder().join("actors.json"));
    let (mut names, mut reached) = (BTreeSet::new(), BTreeSet::new());
    for path in scenarios() {
        let scenario = read(&path);
        let of = |what: &str| format!("{}: {what}", path.display());
        known(&scenario, &schema).map_err(|what| of(&what))?;
        let name = scenario["name"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() || !names.insert(name) {
            return Err(of("no name, or that of another").into());
        }
        for step in scenario["steps"].as_array().ok_or_else(|| of("no steps"))? {
            known(step, step_schema).map_err(|what| of(&what))?;
            if !calls.contains(&step["do"]) || (step.get("expect").is_some() && step.get("error").is_some()) {
                return Err(of("a step with an unknown call, or with `expect` beside `error`").into());
            }
            let who = step["as"].as_str().unwrap_or("root");
            let actor = scenario["actors"].get(who).unwrap_or(&common[who]);
            reached.extend(reached_by(step, actor));
        }
    }
    if names.len() < 60 {
        return Err(format!("only {} scenarios", names.len()).into());
    }
    let calls = calls.iter().filter_map(Value::as_str).map(|call| format!("call {call}"));
    let codes = ErrorCode::ALL.iter().filter(|code| !NOT_HERE.contains(code));
    let codes = codes.map(|code| format!("code {}", code.name()));
    let pairs = OrderStatus::ALL.iter().flat_map(|from| OrderStatus::ALL.iter().map(move |to| (from, to)));
    let steps = pairs.map(|(from, to)| match (from.name(), to.name()) {
        pair if STEPS.contains(&pair) => format!("to {}", pair.1),
        (from, to) => format!("no step from {from} to {to}"),
    });
    let roles = ROLES.iter().flat_map(|role| [format!("{role} may"), format!("{role} may not")]);
    // Whoever may see a field at all may see the type of service.
    let fields = FIELDS.iter().map(|field| format!("{field} is shown"));
    let withheld = FIELDS[1..].iter().map(|field| format!("{field} is withheld"));
    let all = calls.chain(codes).chain(steps).chain(roles).chain(fields).chain(withheld);
    let missing: Vec<String> = all.filter(|one| !reached.contains(one)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("in no scenario: {missing:?}").into()) }
}

/// The steps of the workflow, the roles and the fields, as DESIGN has them.
const STEPS: [(&str, &str); 5] = [
    ("pending_verification", "verified"),
    ("pending_verification", "rejected"),
    ("verified", "in_progress"),
    ("in_progress", "completed"),
    ("in_progress", "cancelled"),
];
const ROLES: [&str; 5] = ["requester", "verifier", "fulfiller", "auditor", "administrator"];
const FIELDS: [&str; 5] = ["service_type", "diagnosis_codes", "notes", "insurance", "insurance_verification"];

/// Members that the schema does not name are a fault.
fn known(value: &Value, schema: &Value) -> Result<(), String> {
    let members = value.as_object().ok_or("not an object")?;
    match members.keys().find(|name| schema["properties"].get(name).is_none()) {
        Some(name) => Err(format!("unknown member `{name}`")),
        None => Ok(()),
    }
}

/// What one step shows.
fn reached_by(step: &Value, actor: &Value) -> Vec<String> {
    let call = step["do"].as_str().unwrap_or_default();
    let (expect, error) = (&step["expect"], &step["error"]);
    let mut reached = vec![format!("call {call}")];
    // The table names every code and provokes none.
    if call != "service.error_table" {
        codes(expect, &mut reached);
        codes(error, &mut reached);
    }
    let details = &error["details"];
    if details["why"] == "state"
        && let (Some(from), Some(to)) =
            (details["current_status"].as_str(), details["requested_status"].as_str())
    {
        reached.push(format!("no step from {from} to {to}"));
    }
    if call == "update_status"
        && error.is_null()
        && let Some(to) = step["with"]["status"].as_str()
    {
        reached.push(format!("to {to}"));
    }
    let words = |list: &Value| -> Vec<String> {
        let words = list.as_array().into_iter().flatten();
        words.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if call == "order" {
        reached.extend(words(&expect["disclosed"]).iter().map(|field| format!("{field} is shown")));
        reached.extend(words(&expect["withheld"]).iter().map(|field| format!("{field} is withheld")));
    }
    // Of an actor with one role it is known what let it in or kept it out.
    if let [role] = words(&actor["roles"]).as_slice() {
        if error.is_null() {
            reached.push(format!("{role} may"));
        } else if error["code"] == "ACCESS_DENIED" {
            reached.push(format!("{role} may not"));
        }
    }
    reached
}

/// Every code that stands in what is expected.
fn codes(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("code").and_then(Value::as_str).map(|code| format!("code {code}")));
            members.values().for_each(|value| codes(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| codes(item, found)),
        _ => {}
    }
}

/// A face plays them all, but for those that the engine has a reason against: so all play as many.
fn every(face: &str, engine: &'static str) -> Result<(), Failed> {
    let mut place = Place::new(engine);
    let jobs: Vec<Value> = scenarios().iter().map(|scenario| place.job(scenario)).collect();
    let apart = scenarios().iter().filter(|path| read(path)["skip"].get(engine).is_some()).count();
    let ran = play(face, &place, &jobs)?;
    if ran == jobs.len() - apart {
        println!("{face} on {engine}: ran {ran} of {} scenarios", jobs.len());
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
    for skipped in text.lines().filter(|line| line.starts_with("skipped ")) {
        println!("{face} on {}: {skipped}", place.engine);
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
