//! A database file read without the engine, to compare with what the engine says.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use medorder::OrderId;
use rusqlite::{Connection, OpenFlags, Row};

/// Everything that the suites compare.
pub struct RawFile {
    /// Orders by id.
    pub orders: HashMap<OrderId, RawOrder>,
    /// The log, by territory and position.
    pub entries: Vec<RawEntry>,
    /// Patients of the registered relationships.
    pub patients: HashSet<String>,
    /// The newest version of each territory's key.
    pub keys: HashMap<String, u32>,
    /// The head rows: territory and position.
    pub heads: HashMap<String, u64>,
}

/// A row of `orders`.
pub struct RawOrder {
    /// Where.
    pub territory: String,
    /// The status' name.
    pub status: String,
    /// Its version.
    pub version: u64,
    /// The version of the territory's key it is wrapped under; `None` for a skeleton.
    pub key: Option<u32>,
    /// True if no key, seal or ciphertext is left.
    pub bare: bool,
}

/// A row of `audit_entries`.
pub struct RawEntry {
    /// The chain.
    pub territory: String,
    /// The place in it.
    pub seq: u64,
    /// The order, all zero if none.
    pub order: OrderId,
    /// The action's name.
    pub action: String,
    /// The outcome's name.
    pub outcome: String,
    /// The status after.
    pub new_status: String,
    /// The version of the order.
    pub version: u64,
    /// The id of the request.
    pub request: String,
}

impl RawEntry {
    /// True for what is an event too.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.outcome == "success" && matches!(&*self.action, "create" | "update_status" | "delete")
    }
}

impl RawFile {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Self {
        let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("it opens");
        let snapshot = conn.unchecked_transaction().expect("a snapshot");
        let orders = all(
            &snapshot,
            "SELECT o.order_id, t.territory_id, o.status, o.version, o.wrapped, \
             coalesce(o.wrapped, o.seal, o.f1, o.f2, o.f3, o.f4, o.f5) IS NULL \
             FROM orders o JOIN territories t ON t.pk = o.territory_pk",
            |row| {
                let wrapped: Option<Vec<u8>> = row.get(4)?;
                // FORMAT section 2: the version stands behind two bytes.
                let key = wrapped.map(|w| u32::from_be_bytes([w[2], w[3], w[4], w[5]]));
                let order = RawOrder {
                    territory: row.get(1)?,
                    status: row.get(2)?,
                    version: number(row, 3)?,
                    key,
                    bare: row.get(5)?,
                };
                Ok((OrderId::from_bytes(row.get(0)?), order))
            },
        );
        let entries = all(
            &snapshot,
            "SELECT t.territory_id, e.pk & 0xffffffffff, e.order_id, e.action, e.outcome, e.new_status, \
             e.row_version, e.request_id FROM audit_entries e JOIN territories t ON t.pk = e.pk >> 40 \
             ORDER BY e.pk",
            |row| {
                Ok(RawEntry {
                    territory: row.get(0)?,
                    seq: number(row, 1)?,
                    order: OrderId::from_bytes(row.get(2)?),
                    action: row.get(3)?,
                    outcome: row.get(4)?,
                    new_status: row.get(5)?,
                    version: number(row, 6)?,
                    request: row.get(7)?,
                })
            },
        );
        Self {
            orders: orders.into_iter().collect(),
            entries,
            patients: all(&snapshot, "SELECT patient_id FROM relationships", |row| row.get(0))
                .into_iter()
                .collect(),
            keys: all(
                &snapshot,
                "SELECT territory_id, max(version) FROM keys WHERE purpose = 'data' GROUP BY territory_id",
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .into_iter()
            .collect(),
            heads: all(&snapshot, "SELECT territory_id, seq FROM territories", |row| {
                Ok((row.get(0)?, number(row, 1)?))
            })
            .into_iter()
            .collect(),
        }
    }

    /// Says what is not whole: a chain with a gap, a change without its row, a row without its changes.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut ends: HashMap<&str, u64> = self.heads.keys().map(|t| (t.as_str(), 0)).collect();
        let mut changes: HashMap<OrderId, Vec<&RawEntry>> = HashMap::new();
        for entry in &self.entries {
            let end = ends.entry(&entry.territory).or_default();
            if entry.seq != *end + 1 {
                faults.push(format!("{} has {} after {end}", entry.territory, entry.seq));
            }
            *end = entry.seq;
            if entry.is_change() {
                changes.entry(entry.order).or_default().push(entry);
            }
        }
        for (territory, seq) in &self.heads {
            if ends.get(territory.as_str()) != Some(seq) {
                faults.push(format!("the head of {territory} is {seq}, its chain ends elsewhere"));
            }
        }
        for (id, told) in &changes {
            let Some(order) = self.orders.get(id) else {
                faults.push(format!("{id} has entries and no row"));
                continue;
            };
            if !told.iter().map(|entry| entry.version).eq(1..=order.version) {
                faults.push(format!("{id} is at {} and its entries are not 1 to that", order.version));
            }
            let last = told.last().expect("a group is never empty");
            let deleted = last.action == "delete";
            if last.new_status != order.status || deleted != order.key.is_none() || deleted != order.bare {
                faults.push(format!("{id} is unlike its last entry"));
            }
            if told.iter().any(|entry| entry.territory != order.territory) {
                faults.push(format!("{id} has entries in another territory"));
            }
        }
        faults.extend(
            self.orders.keys().filter(|id| !changes.contains_key(id)).map(|id| format!("{id} has no entry")),
        );
        faults
    }
}

fn all<T>(conn: &Connection, sql: &str, map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    let mut statement = conn.prepare(sql).expect("a statement");
    statement.query_map([], map).expect("rows").collect::<rusqlite::Result<_>>().expect("every row")
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}
