//! Reads: each on a reader connection of its own, one snapshot a call.

use std::sync::LazyLock;

use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, OptionalExtension, Params, Row, Statement, params, params_from_iter};

use super::rows::{self, ENTRY_COLUMNS, ORDER_COLUMNS, Rows, SEQ_MAX, TERRITORY_COLUMNS, entry_pk};
use crate::audit::{Entry, Head};
use crate::model::{Chain, OrderFilter, OrderId, TerritoryId};
use crate::storage::types::id_window;
use crate::storage::{
    EntryQuery, EventPage, IdempotencyRecord, KeyRow, Meta, OrderRow, Relationship, RelationshipQuery,
    TerritoryRow,
};

pub(super) const ALL_KEYS: &str =
    "SELECT purpose, territory_id, version, blob FROM keys ORDER BY purpose, territory_id, version";
pub(super) const IDEMPOTENCY: &str =
    "SELECT key, request, order_id, row_version, at FROM idempotency WHERE territory_pk = ?1 AND key = ?2";

pub(super) fn meta(conn: &Connection) -> Rows<Meta> {
    let (generation, format) = conn
        .prepare_cached("SELECT generation, format FROM meta")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Meta { generation, format })
}

pub(super) fn territory(conn: &Connection, chain: &Chain) -> Rows<Option<TerritoryRow>> {
    one(
        &mut *conn.prepare_cached(&format!(
            "SELECT {TERRITORY_COLUMNS} FROM territories t WHERE t.territory_id = ?1"
        ))?,
        [chain.as_str()],
        rows::territory,
    )
}

pub(super) fn territories(conn: &Connection) -> Rows<Vec<TerritoryRow>> {
    collect(
        &mut *conn.prepare_cached(&format!(
            "SELECT {TERRITORY_COLUMNS} FROM territories t ORDER BY t.territory_id"
        ))?,
        [],
        rows::territory,
    )
}

pub(super) fn keys(conn: &Connection, chain: &Chain) -> Rows<Vec<KeyRow>> {
    collect(
        &mut *conn.prepare_cached(
            "SELECT purpose, territory_id, version, blob FROM keys \
             WHERE purpose IN ('audit', 'check', 'checkpoint', 'data') AND territory_id = ?1 \
             ORDER BY purpose, territory_id, version",
        )?,
        [chain.as_str()],
        rows::key,
    )
}

pub(super) fn all_keys(conn: &Connection) -> Rows<Vec<KeyRow>> {
    collect(&mut *conn.prepare_cached(ALL_KEYS)?, [], rows::key)
}

pub(super) fn order(conn: &Connection, territory: &TerritoryId, id: OrderId) -> Rows<Option<OrderRow>> {
    // One statement: the territory's number by a statement of its own would double locks and look-ups.
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!("SELECT {ORDER_COLUMNS} FROM orders WHERE territory_pk = {TERRITORY_PK} AND order_id = ?2")
    });
    one(&mut *conn.prepare_cached(&SQL)?, params![territory.as_str(), id.as_bytes()], rows::order)
}

/// The number of the territory in the first parameter.
const TERRITORY_PK: &str = "(SELECT pk FROM territories WHERE territory_id = ?1)";

/// One primary-key look-up a territory.
pub(super) fn order_exists(conn: &Connection, id: OrderId) -> Rows<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT 1 FROM territories t CROSS JOIN orders o ON o.territory_pk = t.pk AND o.order_id = ?1 LIMIT 1",
        )?
        .exists([id.as_bytes()])?)
}

pub(super) fn orders(
    conn: &Connection,
    territory: &TerritoryId,
    filter: &OrderFilter,
    before: Option<OrderId>,
    limit: usize,
) -> Rows<Vec<OrderRow>> {
    let Some(pk) = territory_pk(conn, territory.as_str())? else { return Ok(Vec::new()) };
    let mut names: Vec<&str> = filter.status.iter().map(|status| status.name()).collect();
    names.sort_unstable();
    names.dedup();
    let (first, end) = id_window(filter, before);
    let list = |query: &mut Query, status: &[&str]| {
        query.text.push_str(&format!("SELECT {ORDER_COLUMNS} FROM orders WHERE territory_pk = ?"));
        query.values.push(pk.into());
        if !status.is_empty() {
            query.and_in("status", status.iter().map(|name| Value::Text((*name).to_owned())).collect());
        }
        if let Some(patient) = &filter.patient_id {
            query.and("patient_id = ?", Value::Text(patient.as_str().to_owned()));
        } else if !status.is_empty() && status.iter().all(|name| OPEN.contains(name)) {
            // Lets the planner use the partial index of open orders. A patient has few, open or not.
            query.text.push_str(
                " AND (status = 'pending_verification' OR status = 'verified' OR status = 'in_progress')",
            );
        }
        if let Some(provider) = &filter.provider_id {
            query.and("provider_id = ?", Value::Text(provider.as_str().to_owned()));
        }
        if let Some(from) = filter.created_from {
            query.and("created_at >= ?", from.as_micros().into());
        }
        if let Some(to) = filter.created_to {
            query.and("created_at < ?", to.as_micros().into());
        }
        if let Some(first) = first {
            query.and("order_id >= ?", Value::Blob(first.as_bytes().to_vec()));
        }
        if let Some(end) = end {
            query.and("order_id < ?", Value::Blob(end.as_bytes().to_vec()));
        }
        query.text.push_str(" AND seal IS NOT NULL ORDER BY order_id DESC");
    };
    let mut query = Query { text: String::new(), values: Vec::new() };
    let open = names.len() > 1 && names.iter().all(|name| OPEN.contains(name));
    if open && filter.patient_id.is_none() {
        // A run of the work list's index for each status: an index of several is not in the order of ids.
        for (n, name) in names.iter().enumerate() {
            query.text.push_str(if n == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
            list(&mut query, &[name]);
            query.text.push_str(" LIMIT ?)");
            query.values.push(int(limit).into());
        }
        query.text.push_str(" ORDER BY order_id DESC");
    } else {
        list(&mut query, &names);
    }
    query.run(conn, limit, rows::order)
}

const OPEN: [&str; 3] = ["pending_verification", "verified", "in_progress"];

pub(super) fn order_count(conn: &Connection, territory: &TerritoryId) -> Rows<u64> {
    let Some(pk) = territory_pk(conn, territory.as_str())? else { return Ok(0) };
    rows::unsigned(
        conn.prepare_cached("SELECT count(*) FROM orders WHERE territory_pk = ?1")?
            .query_row([pk], |row| row.get(0))?,
    )
}

pub(super) fn walk(
    conn: &Connection,
    territory: &TerritoryId,
    after: Option<OrderId>,
    limit: usize,
) -> Rows<Vec<OrderRow>> {
    let Some(pk) = territory_pk(conn, territory.as_str())? else { return Ok(Vec::new()) };
    collect(
        &mut *conn.prepare_cached(&format!(
            "SELECT {ORDER_COLUMNS} FROM orders WHERE territory_pk = ?1 AND order_id > ?2 ORDER BY order_id LIMIT ?3"
        ))?,
        params![pk, after_bytes(after), int(limit)],
        rows::order,
    )
}

/// Steps from one territory to the next by index, so that it costs a few look-ups a territory.
pub(super) fn strays(conn: &Connection) -> Rows<bool> {
    if !super::connect::has_our_schema(conn)? {
        return Ok(true);
    }
    Ok(conn
        .prepare_cached(
            "WITH RECURSIVE \
             o(t) AS (SELECT min(territory_pk) FROM orders UNION ALL \
               SELECT (SELECT min(territory_pk) FROM orders WHERE territory_pk > o.t) FROM o WHERE o.t IS NOT NULL), \
             e(t) AS (SELECT min(pk) >> 40 FROM audit_entries UNION ALL \
               SELECT (SELECT min(pk) >> 40 FROM audit_entries WHERE pk >= (e.t + 1) << 40) FROM e \
               WHERE e.t IS NOT NULL AND e.t < 8388607) \
             SELECT EXISTS (SELECT 1 FROM o WHERE t IS NOT NULL \
                 AND t NOT IN (SELECT pk FROM territories WHERE territory_id <> '')) \
               OR EXISTS (SELECT 1 FROM e WHERE t IS NOT NULL AND t NOT IN (SELECT pk FROM territories)) \
               OR EXISTS (SELECT 1 FROM territories t CROSS JOIN audit_entries a ON a.pk = t.pk << 40)",
        )?
        .query_row([], |row| row.get(0))?)
}

pub(super) fn wraps_other_than(
    conn: &Connection,
    territory: &TerritoryId,
    version: u32,
    after: Option<OrderId>,
    limit: usize,
) -> Rows<Vec<(OrderId, Vec<u8>)>> {
    let Some(pk) = territory_pk(conn, territory.as_str())? else { return Ok(Vec::new()) };
    collect(
        &mut *conn.prepare_cached(
            "SELECT order_id, wrapped FROM orders WHERE territory_pk = ?1 AND order_id > ?2 \
             AND wrapped IS NOT NULL AND substr(wrapped, 3, 4) <> ?3 ORDER BY order_id LIMIT ?4",
        )?,
        params![pk, after_bytes(after), version.to_be_bytes(), int(limit)],
        |row| Ok((OrderId::from_bytes(row.get(0)?), row.get(1)?)),
    )
}

pub(super) fn idempotency(
    conn: &Connection,
    territory: &TerritoryId,
    key: &[u8; 32],
) -> Rows<Option<IdempotencyRecord>> {
    let Some(pk) = territory_pk(conn, territory.as_str())? else { return Ok(None) };
    one(&mut *conn.prepare_cached(IDEMPOTENCY)?, params![pk, key], rows::idempotency)
}

pub(super) fn records(
    conn: &Connection,
    territory: &TerritoryId,
    after: Option<[u8; 32]>,
    limit: usize,
) -> Rows<Vec<IdempotencyRecord>> {
    let Some(pk) = territory_pk(conn, territory.as_str())? else { return Ok(Vec::new()) };
    collect(
        &mut *conn.prepare_cached(
            "SELECT key, request, order_id, row_version, at FROM idempotency \
             WHERE territory_pk = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
        )?,
        params![pk, after.map_or_else(Vec::new, |key| key.to_vec()), int(limit)],
        rows::idempotency,
    )
}

pub(super) fn entries(
    conn: &Connection,
    chain: &Chain,
    query: &EntryQuery,
    limit: usize,
) -> Rows<Vec<Entry>> {
    let Some(pk) = territory_pk(conn, chain.as_str())? else { return Ok(Vec::new()) };
    let (low, high) = (entry_pk(pk, query.after), entry_pk(pk, query.upto.unwrap_or(u64::MAX)));
    let select = |sql: &mut Query, from: &str, place: &str| {
        sql.text.push_str(&format!("SELECT {ENTRY_COLUMNS} FROM {from} AND {place} > ? AND {place} <= ?"));
        sql.values.extend([low.into(), high.into()]);
        if let Some(user) = &query.user_id {
            sql.and("e.user_id = ?", Value::Text(user.clone()));
        }
        if let Some(from) = query.from {
            sql.and("e.at >= ?", from.into());
        }
        if let Some(to) = query.to {
            sql.and("e.at < ?", to.into());
        }
        if query.disclosures {
            sql.text.push_str(" AND e.action = 'view' AND e.outcome = 'success' AND e.fields <> 0");
        }
    };
    let mut sql = Query { text: String::new(), values: Vec::new() };
    if query.patient_id.is_none() && query.order_id.is_none() {
        select(&mut sql, "audit_entries e WHERE true", "e.pk");
    } else {
        // Each entry of an order is in one of the two partial indexes, so both are asked. The sign keeps the
        // planner, which may know no statistics, from walking the chain instead.
        for (union, which) in [("", CHANGE.to_owned()), (" UNION ALL ", format!("NOT ({CHANGE})"))] {
            sql.text.push_str(union);
            if let Some(patient) = &query.patient_id {
                // The patient's orders drive: their entries are found by index, then sorted.
                let from =
                    format!("orders o CROSS JOIN audit_entries e ON e.order_id = o.order_id WHERE {which}");
                select(&mut sql, &from, "+e.pk");
                sql.and("o.territory_pk = ?", pk.into());
                sql.and("o.patient_id = ?", Value::Text(patient.clone()));
            } else {
                select(&mut sql, &format!("audit_entries e WHERE {which}"), "+e.pk");
            }
            // A value, since a column would lend the comparison an affinity that the index does not have.
            sql.and("e.pk >> 40 = ?", pk.into());
            if let Some(id) = query.order_id {
                let column = if query.patient_id.is_some() { "o.order_id = ?" } else { "e.order_id = ?" };
                sql.and(column, Value::Blob(id.as_bytes().to_vec()));
            }
        }
    }
    // The first column is the place in the chain.
    sql.text.push_str(" ORDER BY 1");
    sql.run(conn, limit, rows::entry)
}

pub(super) fn changes(
    conn: &Connection,
    territory: &TerritoryId,
    id: OrderId,
    after: u64,
    limit: usize,
) -> Rows<Vec<Entry>> {
    let Some(pk) = territory_pk(conn, territory.as_str())? else { return Ok(Vec::new()) };
    collect(
        &mut *conn.prepare_cached(&format!(
            "SELECT {ENTRY_COLUMNS} FROM audit_entries e WHERE e.pk >> 40 = ?1 AND e.order_id = ?2 \
             AND e.row_version > ?3 AND {CHANGE} ORDER BY e.row_version LIMIT ?4"
        ))?,
        params![pk, id.as_bytes(), i64::try_from(after).unwrap_or(i64::MAX), int(limit)],
        rows::entry,
    )
}

/// The condition of the partial index `audit_change`.
const CHANGE: &str =
    "(e.action = 'create' OR e.action = 'update_status' OR e.action = 'delete') AND e.outcome = 'success'";

pub(super) fn events(
    conn: &Connection,
    territory: &TerritoryId,
    order: Option<OrderId>,
    after: u64,
    limit: usize,
) -> Rows<Option<EventPage>> {
    let snapshot = conn.unchecked_transaction()?;
    let head = one(
        &mut *snapshot
            .prepare_cached("SELECT pk, seq, hash, at, active FROM territories WHERE territory_id = ?1")?,
        [territory.as_str()],
        |row| {
            let head = Head { seq: rows::unsigned(row.get(1)?)?, hash: row.get(2)?, at: row.get(3)? };
            Ok((row.get::<_, i64>(0)?, head, row.get::<_, i64>(4)? != 0))
        },
    )?;
    let Some((pk, head, active)) = head else { return Ok(None) };
    let anchor = snapshot
        .prepare_cached("SELECT hash FROM audit_entries WHERE pk = ?1")?
        .query_row([entry_pk(pk, after)], |row| row.get(0))
        .optional()?;
    let events = match order {
        None => collect(
            &mut *snapshot.prepare_cached(&format!(
                "SELECT {ENTRY_COLUMNS} FROM audit_entries e WHERE e.pk > ?1 AND e.pk <= ?2 AND {CHANGE} \
                 ORDER BY e.pk LIMIT ?3"
            ))?,
            params![entry_pk(pk, after), pk << 40 | SEQ_MAX, int(limit)],
            rows::entry,
        )?,
        Some(id) => collect(
            &mut *snapshot.prepare_cached(&format!(
                "SELECT {ENTRY_COLUMNS} FROM audit_entries e WHERE e.pk >> 40 = ?1 AND e.order_id = ?2 \
                 AND e.pk > ?3 AND {CHANGE} ORDER BY e.row_version LIMIT ?4"
            ))?,
            params![pk, id.as_bytes(), entry_pk(pk, after), int(limit)],
            rows::entry,
        )?,
    };
    Ok(Some(EventPage { events, head, anchor, active }))
}

pub(super) fn relationship(conn: &Connection, territory: &TerritoryId, one: &Relationship) -> Rows<bool> {
    let Some(pk) = territory_pk(conn, territory.as_str())? else { return Ok(false) };
    Ok(conn
        .prepare_cached(
            "SELECT 1 FROM relationships WHERE territory_pk = ?1 AND patient_id = ?2 AND provider_id = ?3",
        )?
        .exists(params![pk, one.patient_id, one.provider_id])?)
}

pub(super) fn relationships(
    conn: &Connection,
    territory: &TerritoryId,
    query: &RelationshipQuery,
    limit: usize,
) -> Rows<Vec<Relationship>> {
    let Some(pk) = territory_pk(conn, territory.as_str())? else { return Ok(Vec::new()) };
    let mut sql = Query::new(
        "SELECT patient_id, provider_id FROM relationships WHERE territory_pk = ?".to_owned(),
        pk.into(),
    );
    if let Some(patient) = &query.patient_id {
        sql.and("patient_id = ?", Value::Text(patient.clone()));
    }
    if let Some(provider) = &query.provider_id {
        sql.and("provider_id = ?", Value::Text(provider.clone()));
    }
    if let Some(after) = &query.after {
        sql.text.push_str(" AND (patient_id, provider_id) > (?, ?)");
        sql.values.push(Value::Text(after.patient_id.clone()));
        sql.values.push(Value::Text(after.provider_id.clone()));
    }
    sql.text.push_str(" ORDER BY patient_id, provider_id");
    sql.run(conn, limit, |row| Ok(Relationship { patient_id: row.get(0)?, provider_id: row.get(1)? }))
}

pub(super) fn checkpoint(conn: &Connection, chain: &Chain) -> Rows<Option<String>> {
    Ok(conn
        .prepare_cached(
            "SELECT c.note FROM territories t JOIN checkpoints c ON c.territory_pk = t.pk \
             WHERE t.territory_id = ?1 ORDER BY c.seq DESC LIMIT 1",
        )?
        .query_row([chain.as_str()], |row| row.get(0))
        .optional()?)
}

/// Runs `statement` and turns every row into a value.
pub(super) fn collect<T>(
    statement: &mut Statement<'_>,
    params: impl Params,
    map: impl Fn(&Row<'_>) -> Rows<T>,
) -> Rows<Vec<T>> {
    let mut rows = statement.query(params)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(map(row)?);
    }
    Ok(values)
}

fn one<T>(
    statement: &mut Statement<'_>,
    params: impl Params,
    map: impl Fn(&Row<'_>) -> Rows<T>,
) -> Rows<Option<T>> {
    let mut rows = statement.query(params)?;
    rows.next()?.map(map).transpose()
}

fn territory_pk(conn: &Connection, territory: &str) -> Rows<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT pk FROM territories WHERE territory_id = ?1")?
        .query_row([territory], |row| row.get(0))
        .optional()?)
}

/// A statement with as many conditions as the filter has; its text never holds a value.
struct Query {
    text: String,
    values: Vec<Value>,
}

impl Query {
    fn new(text: String, first: Value) -> Self {
        Self { text, values: vec![first] }
    }

    fn and(&mut self, condition: &'static str, value: Value) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
        self.values.push(value);
    }

    fn and_in(&mut self, column: &'static str, values: Vec<Value>) {
        let marks = vec!["?"; values.len()].join(", ");
        self.text.push_str(&format!(" AND {column} IN ({marks})"));
        self.values.extend(values);
    }

    fn run<T>(mut self, conn: &Connection, limit: usize, map: impl Fn(&Row<'_>) -> Rows<T>) -> Rows<Vec<T>> {
        self.text.push_str(" LIMIT ?");
        self.values.push(int(limit).into());
        let params = params_from_iter(self.values.iter().map(|value| value as &dyn ToSql));
        collect(&mut *conn.prepare_cached(&self.text)?, params, map)
    }
}

/// The start is a text, which SQLite sorts before every blob: an id without a byte is met too, and refused.
fn after_bytes(after: Option<OrderId>) -> Value {
    after.map_or_else(|| Value::Text(String::new()), |id| Value::Blob(id.as_bytes().to_vec()))
}

fn int(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
