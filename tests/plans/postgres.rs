//! PostgreSQL, judged by the plans that `auto_explain` logs with what each node really read.

use std::collections::BTreeSet;

use medorder::storage::Storage;
use medorder::storage::postgres::{self, PostgresInit, PostgresOptions, PostgresStorage};
use medorder::storage::{Initial, Write};
use medorder_tests::postgres::{Database, OWNER, RUNTIME, Server, Setup};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::acts::{self, Act, Drive};
use super::model::{self, RUNS};

const TABLES: [&str; 4] = ["orders", "audit_entries", "idempotency", "relationships"];

/// Pieces of the engine's statements: each must have been driven, so that no judgement is passed on a path that
/// the acts have missed. A look after a lost connection is not among them; it is one primary key.
const DRIVEN: &[&str] = &[
    "WITH h AS (UPDATE medorder.territories",
    "WITH l AS MATERIALIZED",
    "WHERE territory_id = $1 ORDER BY territory_id FOR NO KEY UPDATE",
    "WHERE territory_id = ANY($1) ORDER BY territory_id FOR NO KEY UPDATE",
    "medorder.territories ORDER BY territory_id FOR NO KEY UPDATE",
    "o AS (INSERT INTO medorder.orders",
    "u AS (UPDATE medorder.orders",
    "i AS (INSERT INTO medorder.idempotency",
    "a AS (INSERT INTO medorder.audit_entries",
    "(SELECT $8::",
    "unnest($8::",
    "w(o) JOIN medorder.orders o ON o.territory_id = $1",
    "w(t, o) JOIN medorder.orders o ON o.territory_id = w.t",
    "JOIN medorder.idempotency i",
    "SET wrapped = w.n",
    "wrapped = NULL",
    "INSERT INTO medorder.keys",
    "UPDATE medorder.keys",
    "UPDATE medorder.meta",
    "INSERT INTO medorder.relationships",
    "DELETE FROM medorder.relationships",
    "INSERT INTO medorder.checkpoints",
    "SET epoch = $2, active = $3",
    "medorder.order_exists",
    "medorder.strays",
    "substr(wrapped",
    "SELECT count(*) FROM medorder.orders",
    "CROSS JOIN LATERAL",
    "LEFT JOIN LATERAL",
    "UNION ALL",
];

fn server() -> Server {
    let setup = [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_buffers = on",
        "auto_explain.log_timing = off",
        "auto_explain.log_nested_statements = on",
        "auto_explain.log_format = json",
        // The load is no part of the judgement.
        "fsync = off",
        "max_wal_size = '4GB'",
        "checkpoint_timeout = '1h'",
        "autovacuum = off",
        "max_parallel_workers_per_gather = 0",
    ];
    Server::start(&setup.iter().fold(Setup::new(), |setup, line| setup.setting(line)))
}

/// A database with the territories and nothing in them.
fn empty(server: &Server, runtime: &Runtime, partitions: u16) -> Database {
    let database = server.database();
    run(&database, "ALTER DATABASE {} SET auto_explain.log_min_duration = -1");
    let initial = Initial {
        generation: medorder::storage::contract::generation(),
        keys: medorder::storage::contract::keys(),
    };
    let settings = PostgresInit::new(RUNTIME).partitions(partitions);
    runtime.block_on(postgres::init(&database.url(OWNER), &settings, &initial)).expect("the schema is made");
    let storage = open(&database, runtime, DIRECT);
    register(&Drive { engine: &storage, runtime, turn: 0 });
    drop(storage);
    run(&database, "ALTER DATABASE {} RESET auto_explain.log_min_duration");
    database
}

fn fill(database: &Database) {
    run(database, &model::filling(&model::POSTGRES).join(";"));
}

/// A filled database with statistics.
fn filled(server: &Server, runtime: &Runtime, partitions: u16) -> Database {
    let database = empty(server, runtime, partitions);
    fill(&database);
    run(&database, "VACUUM ANALYZE");
    database
}

/// Statements of the superuser, who is not held by row-level security; `{}` is the database.
fn run(database: &Database, statements: &str) {
    let _ = database.rows(&statements.replace("{}", &database.name));
}

pub(crate) fn register(drive: &Drive<'_>) {
    for (territory, ..) in RUNS {
        let mut unit = medorder::storage::Unit::new(acts::place(territory).into(), 1);
        unit.writes.push(Write::Territory);
        assert_eq!(drive.done(vec![unit]), 1);
    }
}

fn open(database: &Database, runtime: &Runtime, mode: &str) -> PostgresStorage {
    let mut options = PostgresOptions::default();
    options.allow_fsync_off = true;
    let url = database.url_at(database.port, RUNTIME, &format!("&listen=off{mode}"));
    runtime.block_on(PostgresStorage::connect(&url, options)).expect("the database opens")
}

/// A plan that was run.
struct Run {
    text: String,
    plan: Value,
}

/// The plans in a piece of the server's log.
fn runs(log: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.ends_with("plan:") {
            continue;
        }
        let mut json = String::new();
        while let Some(more) = lines.next_if(|line| line.starts_with('\t')) {
            json.push_str(more);
        }
        let parsed: Value = serde_json::from_str(&json).unwrap_or_else(|fault| panic!("{fault}: {json}"));
        let text = parsed["Query Text"].as_str().unwrap_or_default().to_owned();
        runs.push(Run { text, plan: parsed["Plan"].clone() });
    }
    runs
}

/// What the nodes of a plan read of the big tables, and the first of them that scans one from end to end.
fn read(node: &Value, scanned: &mut Option<String>) -> f64 {
    let number = |name: &str| node[name].as_f64().unwrap_or(0.0);
    let relation = node["Relation Name"].as_str().unwrap_or_default();
    let of_big = TABLES.iter().any(|table| relation.starts_with(table));
    let mut rows = 0.0;
    let writes = node["Node Type"] == "ModifyTable";
    if of_big && !writes {
        let removed = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
        rows = (number("Actual Rows") + removed) * number("Actual Loops");
        // A partition that holds next to nothing is best read whole.
        if node["Node Type"] == "Seq Scan" && rows > 500.0 {
            scanned.get_or_insert_with(|| relation.to_owned());
        }
    }
    let below = node["Plans"].as_array().into_iter().flatten();
    rows + below.map(|node| read(node, scanned)).sum::<f64>()
}

/// What is wrong with the plans of a call that may read so many rows.
fn judge(runs: &[Run], rows: u64) -> Result<f64, String> {
    let (mut total, mut blocks) = (0.0, 0.0);
    for run in runs {
        let mut scanned = None;
        total += read(&run.plan, &mut scanned);
        blocks += run.plan["Shared Hit Blocks"].as_f64().unwrap_or(0.0);
        blocks += run.plan["Shared Read Blocks"].as_f64().unwrap_or(0.0);
        if let Some(table) = scanned {
            return Err(format!("a scan of {table}: {}\n{:#}", run.text, run.plan));
        }
    }
    // An index that is read from end to end for one row shows in pages alone.
    let most = 400.0 + 8.0 * rows as f64;
    if total > rows as f64 || blocks > most {
        let shown: Vec<String> = runs.iter().map(|run| format!("{}\n{:#}", run.text, run.plan)).collect();
        return Err(format!("{total} rows of {rows}, {blocks} pages of {most}\n{}", shown.join("\n")));
    }
    Ok(total)
}

/// A connection to the server plans each statement once, without its values.
const DIRECT: &str = "";
/// Through a pooler each statement is planned each time, for its values.
const POOLED: &str = "&pooler=transaction";

/// Drives a database in one mode of planning.
struct Judge<'a> {
    server: &'a Server,
    database: &'a Database,
    runtime: &'a Runtime,
    turn: u64,
    texts: BTreeSet<String>,
    /// A plan was made for the values of its statement.
    valued: bool,
    faults: Vec<String>,
}

impl<'a> Judge<'a> {
    const fn new(server: &'a Server, database: &'a Database, runtime: &'a Runtime) -> Self {
        Self { server, database, runtime, turn: 0, texts: BTreeSet::new(), valued: false, faults: Vec::new() }
    }

    fn drive(&mut self, mode: &str, all: &[Vec<Act>]) {
        let storage = open(self.database, self.runtime, mode);
        self.drive_on(&storage, mode, all);
    }

    fn drive_on(&mut self, storage: &dyn Storage, mode: &str, all: &[Vec<Act>]) {
        self.valued = false;
        for act in all.iter().flatten() {
            self.once(mode, storage, act);
        }
        assert_eq!(self.valued, mode == POOLED, "plans with values are made for a pooler, and there alone");
    }

    fn once(&mut self, mode: &str, storage: &dyn Storage, act: &Act) {
        self.turn += 1;
        let mut from = self.server.log_length();
        act.run(&Drive { engine: storage, runtime: self.runtime, turn: self.turn });
        let runs = runs(&self.server.log_from(&mut from));
        assert!(!runs.is_empty(), "{}: no plan was logged", act.name);
        self.valued |= runs.iter().any(|run| run.plan.to_string().contains("territory_id = 'big'"));
        self.texts.extend(runs.iter().map(|run| run.text.clone()));
        if act.walks.is_some() {
            return;
        }
        if let Err(fault) = judge(&runs, act.rows) {
            self.faults.push(format!("{} ({mode}): {fault}", act.name));
        }
    }
}

fn judged(partitions: u16) {
    let runtime = Runtime::new().expect("a runtime");
    let server = server();
    let database = filled(&server, &runtime, partitions);
    let mut judge = Judge::new(&server, &database, &runtime);
    // Partitions change how a plan is made, not what a list asks for: a part of the lists is enough.
    let all = |step: usize| {
        let pages = acts::pages().into_iter().step_by(step).collect();
        [pages, acts::reads(), acts::commits(), acts::locked(), acts::commits()]
    };
    judge.drive(DIRECT, &all(if partitions == 0 { 1 } else { 11 }));
    judge.drive(POOLED, &all(if partitions == 0 { 5 } else { 11 }));
    for piece in DRIVEN {
        let driven = judge.texts.iter().any(|text| text.contains(piece));
        assert!(driven, "no statement with `{piece}` was driven");
    }
    assert!(judge.faults.is_empty(), "{} faults\n{}", judge.faults.len(), judge.faults.join("\n\n"));
    if partitions == 0 {
        bad_plans_are_caught(&server, &database);
    }
}

/// The judge itself can fail: a scan, a filter that throws rows away, an index that is read from end to end.
fn bad_plans_are_caught(server: &Server, database: &Database) {
    let judged = |statement: &str| {
        let mut from = server.log_length();
        run(database, statement);
        judge(&runs(&server.log_from(&mut from)), 10)
    };
    let good =
        judged("SELECT * FROM medorder.orders WHERE territory_id = 'big' ORDER BY order_id DESC LIMIT 5");
    assert_eq!(good, Ok(5.0));
    let by_index =
        "SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT order_id FROM medorder.orders";
    for (statement, fault) in [
        ("SELECT * FROM medorder.orders WHERE version = 7", "a scan of orders"),
        (
            &*format!("{by_index} WHERE territory_id = 'mid' AND version = 7 ORDER BY order_id DESC LIMIT 5"),
            " rows of 10",
        ),
        (&*format!("{by_index} WHERE order_id = '\\x00' ORDER BY territory_id"), "0 rows of 10"),
    ] {
        let found = judged(statement).expect_err(statement);
        assert!(found.contains(fault), "{statement}: {found}");
    }
}

#[test]
fn postgres_reads_what_it_answers() {
    judged(0);
}

/// Plans that were made for an empty table, and no statistics since: what a hospital's first load meets.
#[test]
fn postgres_forgets_the_plans_of_an_empty_database() {
    let runtime = Runtime::new().expect("a runtime");
    let server = server();
    let database = empty(&server, &runtime, 0);
    let storage = open(&database, &runtime, DIRECT);
    let mut judge = Judge::new(&server, &database, &runtime);
    judge.drive_on(&storage, DIRECT, &[acts::firsts()]);
    // To make room for the model's own; a TRUNCATE would tell the server that plans are old.
    for table in TABLES {
        run(&database, &format!("DELETE FROM medorder.{table} WHERE territory_id = 'big'"));
    }
    fill(&database);
    std::thread::sleep(std::time::Duration::from_millis(10_500));
    judge.drive_on(&storage, DIRECT, &[acts::commits()]);
    assert!(judge.faults.is_empty(), "{} faults\n{}", judge.faults.len(), judge.faults.join("\n\n"));
}

#[test]
fn postgres_with_partitions_reads_what_it_answers() {
    judged(4);
}
