//! The database file as another program sees it: what a call stored, and what it did not.

use std::collections::BTreeSet;
use std::path::Path;

use medorder::audit::AuditKeys;
use medorder::phi::key::context;
use medorder::{KeyProvider, OrderId, TestKey};
use rusqlite::{Connection, OpenFlags, Row};

/// Everything but the log; head rows move with the log, so only what else they say counts. The seal of an order
/// binds its ciphertexts, which are long.
const STATE: &[&str] = &[
    "SELECT * FROM meta",
    "SELECT * FROM keys ORDER BY 1, 2, 3",
    "SELECT pk, territory_id, epoch, active FROM territories ORDER BY pk",
    "SELECT pk, territory_pk, order_id, patient_id, provider_id, status, version, created_at, updated_at, wrapped, \
     seal FROM orders ORDER BY pk",
    "SELECT * FROM idempotency ORDER BY 1, 2",
    "SELECT * FROM relationships ORDER BY 1, 2, 3",
    "SELECT * FROM checkpoints ORDER BY 1, 2",
];

/// A second connection to a database that is in use.
pub struct Ledger {
    conn: Connection,
}

/// What was stored at some moment.
pub struct Mark {
    state: Vec<String>,
    log: BTreeSet<String>,
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
    /// Looks at the file of a running service.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database");
        conn.busy_timeout(std::time::Duration::from_secs(5)).expect("a timeout");
        Self { conn }
    }

    /// What is stored now.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let state = STATE.iter().map(|query| self.dump(query).join("\n")).collect();
        Mark { state, log: self.dump("SELECT pk, hash FROM audit_entries ORDER BY pk").into_iter().collect() }
    }

    /// The entries written since `mark`.
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
        let pk = |line: &String| line.split('|').next().expect("a key").parse().expect("a number");
        let mut new: Vec<i64> = now.log.difference(&mark.log).map(pk).collect();
        new.sort_unstable();
        new.into_iter().map(|pk| self.line(pk)).collect()
    }

    fn dump(&self, query: &str) -> Vec<String> {
        let mut statement = self.conn.prepare(query).expect("a statement");
        let columns = statement.column_count();
        let text = |row: &Row<'_>| {
            let cells = (0..columns).map(|n| row.get_ref(n).map(|cell| cell_text(&cell)));
            cells.collect::<Result<Vec<_>, _>>().map(|cells| cells.join("|"))
        };
        statement.query_map([], text).expect("rows").map(|row| row.expect("a row")).collect()
    }

    fn line(&self, pk: i64) -> Line {
        let query = "SELECT t.territory_id, e.* FROM audit_entries e JOIN territories t ON t.pk = e.pk >> 40 \
                     WHERE e.pk = ?1";
        let read = |row: &Row<'_>| {
            let (order, mac): ([u8; 16], [u8; 32]) = (row.get("order_id")?, row.get("row_mac")?);
            let line = Line {
                chain: row.get("territory_id")?,
                user_id: row.get("user_id")?,
                role: row.get("role")?,
                purpose: row.get("purpose")?,
                order_id: Some(OrderId::from_bytes(order)).filter(|id| !id.is_nil()),
                action: row.get("action")?,
                outcome: row.get("outcome")?,
                old_status: row.get("old_status")?,
                new_status: row.get("new_status")?,
                row_version: row.get("row_version")?,
                row_mac: mac != [0; 32],
                fields: row.get("fields")?,
                request_id: row.get("request_id")?,
                source: row.get("source")?,
                details: String::new(),
            };
            Ok((line, order, row.get::<_, Vec<u8>>("details")?))
        };
        let (mut line, order, sealed) = self.conn.query_row(query, [pk], read).expect("the entry");
        let version = u64::try_from(line.row_version).expect("a version");
        let opened = self.keys(&line.chain).open_details(&order, version, &line.action, &sealed);
        if let Some(json) = opened.expect("details of this entry") {
            line.details = String::from_utf8(json.to_vec()).expect("text");
        }
        line
    }

    fn keys(&self, chain: &str) -> AuditKeys {
        let query = "SELECT blob FROM keys WHERE purpose = 'audit' AND territory_id = ?1";
        let blob: Vec<u8> = self.conn.query_row(query, [chain], |row| row.get(0)).expect("a key row");
        let key = TestKey::new().unwrap(&blob, &context("audit", chain, 1)).expect("the test's root key");
        AuditKeys::new(chain, &key)
    }
}

fn cell_text(cell: &rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef;
    match cell {
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ValueRef::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}
