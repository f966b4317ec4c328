//! The disk, the memory and the bytes: what is not a rate.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rusqlite::Connection;

use crate::table::median;

/// p50 in microseconds of writing 4 KiB in place and waiting for the disk.
pub(crate) fn fsync_p50(folder: &Path) -> f64 {
    let path = folder.join("fsync");
    let mut file = std::fs::File::create(&path).expect("a file");
    file.write_all(&[0; 1 << 20]).and_then(|()| file.sync_all()).expect("room");
    let laps: Vec<f64> = (0..300_u64)
        .map(|n| {
            let begun = Instant::now();
            file.seek(SeekFrom::Start(n % 256 * 4096)).expect("a place");
            file.write_all(&[n as u8; 4096]).and_then(|()| file.sync_data()).expect("a write");
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    median(laps.into_iter())
}

/// The most memory this process has had, in MB.
pub(crate) fn peak_rss() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kb.map_or(f64::NAN, |kb| kb / 1024.0)
}

/// Runs this program again for one measure of memory and returns what it prints.
pub(crate) fn child(arguments: &[&str]) -> String {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(arguments).output().expect("a child process");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Bytes of the database after a checkpoint, and its orders.
fn bytes(conn: &Connection) -> (f64, f64) {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number") as f64;
    let pages = number("PRAGMA page_count") - number("PRAGMA freelist_count");
    (pages * number("PRAGMA page_size"), number("SELECT count(*) FROM orders"))
}

pub(crate) fn bytes_per_order(path: &Path) -> f64 {
    let (bytes, orders) = bytes(&Connection::open(path).expect("the database opens"));
    bytes / orders
}

/// What each index costs, in bytes an order: the pages that go when it does.
pub(crate) fn index_prices(path: &Path) -> String {
    let conn = Connection::open(path).expect("the database opens");
    let names: Vec<String> = {
        let mut statement = conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
            .expect("a statement");
        let names = statement.query_map([], |row| row.get(0)).expect("names");
        names.map(|name| name.expect("a name")).collect()
    };
    let mut text = String::from("| index | bytes an order |\n|---|---|\n");
    for name in names {
        let (before, orders) = bytes(&conn);
        conn.execute_batch(&format!("DROP INDEX {name}")).expect("it goes");
        let (after, _) = bytes(&conn);
        text.push_str(&format!("| {name} | {:.0} |\n", (before - after) / orders));
    }
    let (rest, orders) = bytes(&conn);
    text.push_str(&format!("| the rest (rows, entries, primary keys) | {:.0} |\n", rest / orders));
    text
}

/// Rewrites a database with pages of another size.
pub(crate) fn repage(path: &Path, page_size: u32) {
    let conn = Connection::open(path).expect("the database opens");
    conn.execute_batch(&format!(
        "PRAGMA journal_mode = DELETE; PRAGMA page_size = {page_size}; VACUUM; PRAGMA journal_mode = WAL;"
    ))
    .expect("new pages");
}
