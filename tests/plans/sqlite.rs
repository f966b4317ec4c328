//! SQLite, judged by its own counters of each run and by its explanation of each text.

use std::collections::BTreeSet;
use std::path::Path;

use medorder::storage::Initial;
use medorder::storage::sqlite::trace::{self, Cost};
use medorder::storage::sqlite::{SqliteOptions, SqliteStorage, Synchronous};
use rusqlite::Connection;
use tokio::runtime::Runtime;

use super::acts::{self, Drive};
use super::{model, postgres::register};

/// Steps of the virtual machine that a statement may take beside those for its rows, and for each row.
const STEPS: (u64, u64) = (600, 80);
/// Rows of the small tables: heads and keys are read whole.
const SMALL: u64 = 300;

fn open(path: &Path) -> SqliteStorage {
    let mut options = SqliteOptions::default();
    options.synchronous = Synchronous::Normal;
    let initial = Initial {
        generation: medorder::storage::contract::generation(),
        keys: medorder::storage::contract::keys(),
    };
    SqliteStorage::open(path, options, Some(initial)).expect("a file opens").expect("it is made")
}

fn filled(path: &Path, runtime: &Runtime) {
    let storage = open(path);
    register(&Drive { engine: &storage, runtime, turn: 0 });
    drop(storage);
    let raw = Connection::open(path).expect("a file");
    raw.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN").expect("a file");
    for statement in model::filling(&model::SQLITE) {
        raw.execute_batch(&statement).unwrap_or_else(|fault| panic!("{fault}: {statement}"));
    }
    raw.execute_batch("COMMIT").expect("it fits");
}

/// What is wrong with the runs of a call that may read so many rows.
fn judge(costs: &[Cost], rows: u64, explained: &Connection) -> Result<u64, String> {
    let mut steps = 0;
    for cost in costs {
        let sql = cost.sql.trim_start();
        if !["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"].iter().any(|word| sql.starts_with(word)) {
            continue;
        }
        if sql.contains("sqlite_schema") {
            continue;
        }
        let plan = plan(explained, sql);
        let shown = || format!("{cost:?}\n{}", plan.join("\n"));
        if let Some(line) = plan.iter().find(|line| scans(line)) {
            return Err(format!("{line}: {}", shown()));
        }
        if cost.full_scan > SMALL || cost.auto_index > 0 {
            return Err(format!("full scan or automatic index: {}", shown()));
        }
        steps += cost.steps;
        if cost.steps > STEPS.0 + STEPS.1 * rows {
            return Err(format!("{} steps for {rows} rows: {}", cost.steps, shown()));
        }
    }
    Ok(steps)
}

fn plan(explained: &Connection, sql: &str) -> Vec<String> {
    let mut statement = explained.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("it was run before");
    let count = statement.parameter_count();
    let none = vec![rusqlite::types::Null; count];
    let lines = statement.query_map(rusqlite::params_from_iter(none), |row| row.get(3)).expect("a plan");
    lines.collect::<Result<_, _>>().expect("text")
}

/// True for a line that walks a big table without a bound. `o` and `e` alone are tables of `strays`, of one
/// row a territory.
fn scans(line: &str) -> bool {
    let Some(table) = line.strip_prefix("SCAN ") else { return false };
    let table = table.split(' ').next().unwrap_or_default();
    ["orders", "audit_entries", "idempotency", "relationships", "a"].contains(&table)
        || (["o", "e"].contains(&table) && line.contains(" USING "))
}

fn drive(path: &Path, runtime: &Runtime, turn: &mut u64, texts: &mut BTreeSet<String>) -> Vec<String> {
    trace::count();
    let storage = open(path);
    let explained = Connection::open(path).expect("a file");
    let mut faults = Vec::new();
    let all = [acts::pages(), acts::reads(), acts::commits(), acts::locked(), acts::commits()];
    for act in all.iter().flatten() {
        *turn += 1;
        let _ = trace::costs();
        act.run(&Drive { engine: &storage, runtime, turn: *turn });
        let costs = trace::costs();
        assert!(!costs.is_empty(), "{}: nothing was counted", act.name);
        texts.extend(costs.iter().map(|cost| cost.sql.clone()));
        if let (None, Err(fault)) = (act.walks, judge(&costs, act.rows, &explained)) {
            faults.push(format!("{}: {fault}", act.name));
        }
    }
    faults
}

#[test]
fn sqlite_reads_what_it_answers() {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("plans.db");
    filled(&path, &runtime);
    let (mut turn, mut texts) = (0, BTreeSet::new());
    // Without statistics, as hosts run it, and with those that an operator's ANALYZE leaves.
    let mut faults = drive(&path, &runtime, &mut turn, &mut texts);
    let raw = Connection::open(&path).expect("a file");
    raw.execute_batch("ANALYZE").expect("it is not locked");
    faults.extend(
        drive(&path, &runtime, &mut turn, &mut texts).iter().map(|fault| format!("analyzed, {fault}")),
    );
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n\n"));
    // The judge itself can fail: a scan, and rows that are thrown away behind an index.
    let bad = |sql: &str| {
        let cost = Cost::of(&raw, sql).expect("a statement");
        judge(&[cost], 10, &raw)
    };
    assert!(bad("SELECT * FROM orders WHERE territory_pk = 2 ORDER BY order_id DESC LIMIT 5").is_ok());
    let scan = bad("SELECT pk FROM orders WHERE version = 2").expect_err("a scan");
    assert!(scan.starts_with("SCAN orders"), "{scan}");
    let walk = bad(
        "SELECT pk FROM orders INDEXED BY sqlite_autoindex_orders_1 WHERE territory_pk = 2 AND version = 7",
    )
    .expect_err("a walk");
    assert!(walk.contains("steps for 10 rows"), "{walk}");
}
