//! A database read without the engine, to compare with what the engine says.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use medorder::OrderId;

use crate::sql::{Sql, unhex};

/// Orders and entries by the name of their territory, which SQLite keeps as a number.
const FILE_ORDERS: &str = "SELECT o.order_id, t.territory_id, o.status, o.version, o.wrapped, \
     coalesce(o.wrapped, o.seal, o.f1, o.f2, o.f3, o.f4, o.f5) IS NULL \
     FROM orders o JOIN territories t ON t.pk = o.territory_pk";
const SERVER_ORDERS: &str = "SELECT order_id, territory_id, status, version, wrapped, \
     (coalesce(wrapped, seal, f1, f2, f3, f4, f5) IS NULL)::int FROM orders";
const FILE_ENTRIES: &str = "SELECT t.territory_id, e.pk & 0xffffffffff, e.order_id, e.action, e.outcome, \
     e.new_status, e.row_version, e.request_id FROM audit_entries e JOIN territories t ON t.pk = e.pk >> 40 \
     ORDER BY e.pk";
const SERVER_ENTRIES: &str = "SELECT territory_id, seq, order_id, action, outcome, new_status, row_version, \
     request_id FROM audit_entries ORDER BY territory_id, seq";

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
    /// Reads the database at `place`, a path or a URL.
    pub fn read(place: &Path) -> Self {
        let sql = Sql::open(place);
        sql.begin_snapshot();
        let orders = all(
            &sql,
            sql.either(FILE_ORDERS, SERVER_ORDERS),
            |[id, territory, status, version, wrapped, bare]| {
                // FORMAT section 2: the version stands behind two bytes.
                let key = wrapped.map(|w| u32::from_str_radix(&w[4..12], 16).expect("hexadecimal"));
                let order = RawOrder {
                    territory: territory.expect("a value"),
                    status: status.expect("a value"),
                    version: number(version),
                    key,
                    bare: number(bare) == 1,
                };
                (order_id(id), order)
            },
        );
        let entries = all(
            &sql,
            sql.either(FILE_ENTRIES, SERVER_ENTRIES),
            |[territory, seq, order, action, outcome, new_status, version, request]| RawEntry {
                territory: territory.expect("a value"),
                seq: number(seq),
                order: order_id(order),
                action: action.expect("a value"),
                outcome: outcome.expect("a value"),
                new_status: new_status.expect("a value"),
                version: number(version),
                request: request.expect("a value"),
            },
        );
        let newest =
            "SELECT territory_id, max(version) FROM keys WHERE purpose = 'data' GROUP BY territory_id";
        let pair = |[name, value]: [Option<String>; 2]| (name.expect("a value"), number(value));
        Self {
            orders: orders.into_iter().collect(),
            entries,
            patients: all(&sql, "SELECT patient_id FROM relationships", |[name]| name.expect("a value"))
                .into_iter()
                .collect(),
            keys: all(&sql, newest, pair)
                .into_iter()
                .map(|(name, version)| (name, u32::try_from(version).expect("a version")))
                .collect(),
            heads: all(&sql, "SELECT territory_id, seq FROM territories", pair).into_iter().collect(),
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

fn all<const N: usize, T>(sql: &Sql, query: &str, map: impl Fn([Option<String>; N]) -> T) -> Vec<T> {
    let rows = sql.rows(query).into_iter();
    rows.map(|row| map(row.try_into().expect("as many columns as are named"))).collect()
}

fn number(cell: Option<String>) -> u64 {
    cell.expect("a value").parse().expect("a number")
}

fn order_id(cell: Option<String>) -> OrderId {
    OrderId::from_bytes(unhex(&cell.expect("a value")).try_into().expect("16 bytes"))
}
