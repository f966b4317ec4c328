//! The floor's statements, entries and chain.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row as Columns, params};
use sha2::{Digest, Sha256};

use crate::seal::{Keys, Row, TERRITORY, now};

/// Where the floor's chain ends.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pub(crate) pk: i64,
    pub(crate) seq: i64,
    pub(crate) hash: [u8; 32],
    pub(crate) at: i64,
}

/// What an entry says beside its constants.
pub(crate) struct Said<'a> {
    pub(crate) order: [u8; 16],
    pub(crate) action: &'a str,
    pub(crate) old: &'a str,
    pub(crate) new: &'a str,
    pub(crate) version: i64,
    pub(crate) mac: &'a [u8],
    pub(crate) fields: u32,
    pub(crate) user: &'a str,
    pub(crate) role: &'a str,
}

/// A connection with the engine's settings.
pub(crate) fn connect(path: &Path, full: bool) -> Connection {
    let conn = Connection::open(path).expect("the database opens");
    conn.busy_timeout(Duration::from_secs(5)).expect("a timeout");
    conn.set_prepared_statement_cache_capacity(64);
    let synchronous = if full { "FULL" } else { "NORMAL" };
    conn.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous}; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 8000;
         PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4096;
         PRAGMA trusted_schema = OFF;"
    ))
    .expect("the settings hold");
    conn
}

pub(crate) fn run(conn: &Connection, sql: &str) {
    conn.prepare_cached(sql).and_then(|mut statement| statement.execute([])).expect("a statement");
}

const COLUMNS: &str = "order_id, patient_id, provider_id, status, version, created_at, updated_at, wrapped, seal, \
     f1, f2, f3, f4, f5";

fn columns(row: &Columns<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        patient: row.get(1)?,
        provider: row.get(2)?,
        status: row.get(3)?,
        version: row.get(4)?,
        created: row.get(5)?,
        updated: row.get(6)?,
        wrapped: row.get(7)?,
        seal: row.get(8)?,
        fields: [row.get(9)?, row.get(10)?, row.get(11)?, row.get(12)?, row.get(13)?],
    })
}

pub(crate) fn order(conn: &Connection, pk: i64, id: &[u8; 16]) -> Option<Row> {
    let sql = const_format("WHERE territory_pk = ?1 AND order_id = ?2");
    let mut statement = conn.prepare_cached(&sql).expect("a statement");
    statement.query_row(params![pk, id], columns).optional().expect("a row")
}

pub(crate) fn newest(conn: &Connection, pk: i64) -> Vec<Row> {
    page(conn, "WHERE territory_pk = ?1 AND order_id > ?2 ORDER BY order_id DESC LIMIT 50", pk, &[])
}

pub(crate) fn after(conn: &Connection, pk: i64, id: &[u8]) -> Vec<Row> {
    page(conn, "WHERE territory_pk = ?1 AND order_id > ?2 ORDER BY order_id LIMIT 500", pk, id)
}

fn page(conn: &Connection, condition: &str, pk: i64, id: &[u8]) -> Vec<Row> {
    let mut statement = conn.prepare_cached(&const_format(condition)).expect("a statement");
    let rows = statement.query_map(params![pk, id], columns).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

fn const_format(condition: &str) -> String {
    format!("SELECT {COLUMNS} FROM orders {condition}")
}

pub(crate) fn insert(conn: &Connection, pk: i64, row: &Row) {
    let [f1, f2, f3, f4, f5] = &row.fields;
    conn.prepare_cached(
        "INSERT INTO orders (territory_pk, order_id, patient_id, provider_id, status, version, created_at, \
         updated_at, wrapped, seal, f1, f2, f3, f4, f5) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )
    .and_then(|mut statement| {
        statement.execute(params![
            pk,
            row.id,
            row.patient,
            row.provider,
            row.status,
            row.version,
            row.created,
            row.updated,
            row.wrapped,
            row.seal,
            f1,
            f2,
            f3,
            f4,
            f5
        ])
    })
    .expect("an order");
}

pub(crate) fn replace(conn: &Connection, pk: i64, row: &Row) {
    conn.prepare_cached(
        "UPDATE orders SET status = ?3, version = ?4, updated_at = ?5, seal = ?6 \
         WHERE territory_pk = ?1 AND order_id = ?2 AND version = ?4 - 1",
    )
    .and_then(|mut statement| {
        statement.execute(params![pk, row.id, row.status, row.version, row.updated, row.seal])
    })
    .expect("an update");
}

fn lp(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

impl Head {
    pub(crate) fn read(conn: &Connection) -> Self {
        conn.query_row(
            "SELECT pk, seq, hash, at FROM territories WHERE territory_id = ?1",
            [TERRITORY],
            |row| Ok(Self { pk: row.get(0)?, seq: row.get(1)?, hash: row.get(2)?, at: row.get(3)? }),
        )
        .expect("the territory")
    }

    /// Moves the head in memory by one entry, and answers that entry's MAC.
    pub(crate) fn link(&mut self, keys: &Keys, said: &Said<'_>) -> [u8; 32] {
        self.seq += 1;
        self.at = self.at.max(now());
        let mut text = Vec::with_capacity(512);
        lp(&mut text, "medorder/v1/audit");
        lp(&mut text, TERRITORY);
        text.extend_from_slice(&self.seq.to_be_bytes());
        text.extend_from_slice(&self.hash);
        text.extend_from_slice(&self.at.to_be_bytes());
        lp(&mut text, said.user);
        lp(&mut text, said.role);
        lp(&mut text, "treatment");
        text.extend_from_slice(&said.order);
        lp(&mut text, said.action);
        lp(&mut text, "success");
        lp(&mut text, said.old);
        lp(&mut text, said.new);
        text.extend_from_slice(&said.version.to_be_bytes());
        text.extend_from_slice(said.mac);
        text.extend_from_slice(&said.fields.to_be_bytes());
        lp(&mut text, "");
        lp(&mut text, "");
        text.extend_from_slice(&Sha256::digest(b""));
        self.hash = Sha256::digest(&text).into();
        keys.entry_mac(&self.hash)
    }

    /// Writes one entry and moves the head in memory.
    pub(crate) fn say(&mut self, conn: &Connection, keys: &Keys, said: &Said<'_>) {
        let mac = self.link(keys, said);
        let empty: &[u8] = &[];
        conn.prepare_cached(
            "INSERT INTO audit_entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
             ?16, ?17, ?18)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                self.pk << 40 | self.seq,
                self.at,
                said.user,
                said.role,
                "treatment",
                said.order,
                said.action,
                "success",
                said.old,
                said.new,
                said.version,
                said.mac,
                said.fields,
                "",
                "",
                empty,
                self.hash,
                mac
            ])
        })
        .expect("an entry");
    }

    /// Stores the head and commits.
    pub(crate) fn commit(&self, conn: &Connection) {
        conn.prepare_cached("UPDATE territories SET seq = ?2, hash = ?3, at = ?4 WHERE pk = ?1")
            .and_then(|mut statement| statement.execute(params![self.pk, self.seq, self.hash, self.at]))
            .expect("the head");
        run(conn, "COMMIT");
    }
}

/// Recomputes the whole chain from the stored columns; returns how many entries it has.
pub(crate) fn verify_chain(conn: &Connection, keys: &Keys, pk: i64) -> usize {
    let mut statement = conn
        .prepare_cached(
            "SELECT pk, at, user_id, role, purpose, order_id, action, outcome, old_status, new_status, row_version, \
             row_mac, fields, request_id, source, details, hash, mac FROM audit_entries \
             WHERE pk > ?1 << 40 AND pk < (?1 + 1) << 40 ORDER BY pk",
        )
        .expect("a statement");
    let mut rows = statement.query([pk]).expect("entries");
    let mut prev = genesis_hash();
    let (mut count, mut text) = (0, Vec::with_capacity(512));
    while let Some(row) = rows.next().expect("an entry") {
        let number = |n: usize| row.get_ref(n).and_then(|v| Ok(v.as_i64()?)).expect("a number");
        let words = |n: usize| row.get_ref(n).and_then(|v| Ok(v.as_str()?)).expect("a text");
        let bytes = |n: usize| row.get_ref(n).and_then(|v| Ok(v.as_blob()?)).expect("bytes");
        prev = entry_hash(&mut text, &prev, number(0) & ((1 << 40) - 1), number, words, bytes);
        assert!(prev == bytes(16) && keys.entry_mac(&prev) == bytes(17), "entry {count}");
        count += 1;
    }
    count
}

/// What the first entry follows.
pub(crate) fn genesis_hash() -> [u8; 32] {
    let mut genesis = Vec::new();
    lp(&mut genesis, "medorder/v1/genesis");
    lp(&mut genesis, TERRITORY);
    Sha256::digest(&genesis).into()
}

/// The hash of an entry read back, its columns as both engines have them; `text` is room to work in.
pub(crate) fn entry_hash<'r>(
    text: &mut Vec<u8>,
    prev: &[u8; 32],
    seq: i64,
    number: impl Fn(usize) -> i64,
    words: impl Fn(usize) -> &'r str,
    bytes: impl Fn(usize) -> &'r [u8],
) -> [u8; 32] {
    text.clear();
    lp(text, "medorder/v1/audit");
    lp(text, TERRITORY);
    text.extend_from_slice(&seq.to_be_bytes());
    text.extend_from_slice(prev);
    text.extend_from_slice(&number(1).to_be_bytes());
    for n in 2..5 {
        lp(text, words(n));
    }
    text.extend_from_slice(bytes(5));
    for n in 6..10 {
        lp(text, words(n));
    }
    text.extend_from_slice(&number(10).to_be_bytes());
    text.extend_from_slice(bytes(11));
    text.extend_from_slice(&(number(12) as u32).to_be_bytes());
    lp(text, words(13));
    lp(text, words(14));
    text.extend_from_slice(&Sha256::digest(bytes(15)));
    Sha256::digest(&*text).into()
}
