//! The database as another program sees it: what a call stored, and what it did not.

use std::collections::BTreeSet;
use std::path::Path;

use medorder::audit::AuditKeys;
use medorder::phi::key::context;
use medorder::{KeyProvider, OrderId, TestKey};

use crate::sql::{Sql, unhex};

/// Everything but the log; head rows move with the log, so only what else they say counts. The seal of an order
/// binds its ciphertexts, which are long.
const STATE: &[&str] = &[
    "SELECT * FROM meta",
    "SELECT * FROM keys ORDER BY 1, 2, 3",
    "SELECT territory_id, epoch, active FROM territories ORDER BY 1",
    "SELECT order_id, {territory}, patient_id, provider_id, status, version, created_at, updated_at, wrapped, seal \
     FROM orders ORDER BY 1, 2",
    "SELECT * FROM idempotency ORDER BY 1, 2",
    "SELECT * FROM relationships ORDER BY 1, 2, 3",
    "SELECT * FROM checkpoints ORDER BY 1, 2",
];

/// Every entry by its chain and its place there, `{entries}`, which SQLite keeps as one number.
const LOG: &str = "SELECT e.chain, e.seq, e.hash FROM ({entries}) e ORDER BY e.chain, e.seq";
const LINE: &str = "SELECT e.user_id, e.role, e.purpose, e.order_id, e.action, e.outcome, e.old_status, e.new_status, \
     e.row_version, e.row_mac, e.fields, e.request_id, e.source, e.details FROM ({entries}) e \
     WHERE e.chain = '{chain}' AND e.seq = {seq}";
const FILE_ENTRIES: &str = "SELECT t.territory_id AS chain, l.pk & 0xffffffffff AS seq, l.* FROM audit_entries l \
     JOIN territories t ON t.pk = l.pk >> 40";
const SERVER_ENTRIES: &str = "SELECT l.territory_id AS chain, l.* FROM audit_entries l";

/// A second connection to a database that is in use.
pub struct Ledger {
    sql: Sql,
}

/// What was stored at some moment.
pub struct Mark {
    state: Vec<String>,
    log: BTreeSet<(String, i64, String)>,
}

/// One entry of the log, its details opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of FORMAT section 3, by their names there")]
pub struct Line {
    pub chain: String,
    pub user_id: String,
    pub role: String,
    pub purpose: String,
    pub order_id: Option<OrderId>,
    pub action: String,
    pub outcome: String,
    pub old_status: String,
    pub new_status: String,
    pub row_version: i64,
    pub row_mac: bool,
    pub fields: i64,
    pub request_id: String,
    pub source: String,
    pub details: String,
}

impl Ledger {
    /// Looks at the database of a running service.
    #[must_use]
    pub fn open(place: &Path) -> Self {
        Self { sql: Sql::open(place) }
    }

    /// What is stored now.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let territory = self.sql.either("territory_pk", "territory_id");
        let mut state: Vec<_> = STATE.iter().map(|query| query.replace("{territory}", territory)).collect();
        if self.sql.is_server() {
            // One trip instead of seven: the suites look thousands of times.
            let whole = |query| format!("SELECT coalesce(string_agg(t::text, '|'), '') FROM ({query}) t");
            let all: Vec<_> = state.into_iter().map(whole).collect();
            state = self.dump(&all.join(" UNION ALL "));
        } else {
            state = state.iter().map(|query| self.dump(query).join("\n")).collect();
        }
        let log = self.sql.rows(&LOG.replace("{entries}", self.entries()));
        let log = log.into_iter().map(|row| match <[_; 3]>::try_from(row) {
            Ok([Some(chain), Some(seq), Some(hash)]) => (chain, seq.parse().expect("a number"), hash),
            other => panic!("{other:?} is no entry"),
        });
        Mark { state, log: log.collect() }
    }

    /// The entries written since `mark`, chain by chain.
    ///
    /// # Panics
    /// If anything else was written.
    #[must_use]
    pub fn entries_since(&self, mark: &Mark) -> Vec<Line> {
        let now = self.mark();
        for (query, (before, after)) in STATE.iter().zip(mark.state.iter().zip(&now.state)) {
            assert_eq!(before, after, "{query}");
        }
        assert!(mark.log.is_subset(&now.log), "an entry was changed or taken away");
        now.log.difference(&mark.log).map(|(chain, seq, _)| self.line(chain, *seq)).collect()
    }

    fn entries(&self) -> &'static str {
        self.sql.either(FILE_ENTRIES, SERVER_ENTRIES)
    }

    fn dump(&self, query: &str) -> Vec<String> {
        let text = |row: Vec<Option<String>>| {
            let cells: Vec<_> =
                row.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())).collect();
            cells.join("|")
        };
        self.sql.rows(query).into_iter().map(text).collect()
    }

    fn line(&self, chain: &str, seq: i64) -> Line {
        let query = LINE.replace("{entries}", self.entries());
        let query = query.replace("{chain}", chain).replace("{seq}", &seq.to_string());
        let row = self.sql.rows(&query).swap_remove(0).into_iter().collect::<Option<Vec<_>>>();
        let row: [String; 14] = row.and_then(|row| row.try_into().ok()).expect("an entry");
        let number = |at: usize| row[at].parse::<i64>().expect("a number");
        let order: [u8; 16] = unhex(&row[3]).try_into().expect("16 bytes");
        let mut line = Line {
            chain: chain.to_owned(),
            user_id: row[0].clone(),
            role: row[1].clone(),
            purpose: row[2].clone(),
            order_id: Some(OrderId::from_bytes(order)).filter(|id| !id.is_nil()),
            action: row[4].clone(),
            outcome: row[5].clone(),
            old_status: row[6].clone(),
            new_status: row[7].clone(),
            row_version: number(8),
            row_mac: row[9].bytes().any(|digit| digit != b'0'),
            fields: number(10),
            request_id: row[11].clone(),
            source: row[12].clone(),
            details: String::new(),
        };
        let version = u64::try_from(line.row_version).expect("a version");
        let opened = self.keys(chain).open_details(&order, version, &line.action, &unhex(&row[13]));
        if let Some(json) = opened.expect("details of this entry") {
            line.details = String::from_utf8(json.to_vec()).expect("text");
        }
        line
    }

    fn keys(&self, chain: &str) -> AuditKeys {
        let query = format!("SELECT blob FROM keys WHERE purpose = 'audit' AND territory_id = '{chain}'");
        let blob = self.sql.bytes(&query);
        let key = TestKey::new().unwrap(&blob, &context("audit", chain, 1)).expect("the test's root key");
        AuditKeys::new(chain, &key)
    }
}
