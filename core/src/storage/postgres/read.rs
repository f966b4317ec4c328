//! Reads: one statement each, so one snapshot each.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Executor};

use super::lane::{Lane, STALLED, WALKING, Work, within};
use super::rows::{self, ENTRY_COLUMNS, ORDER_COLUMNS, Rows, TERRITORY_COLUMNS, Trouble, get};
use crate::audit::Entry;
use crate::model::{OrderFilter, OrderId};
use crate::storage::types::id_window;
use crate::storage::{
    BoxFuture, EntryQuery, EventPage, IdempotencyRecord, KeyRow, Meta, OrderRow, Relationship,
    RelationshipQuery, TerritoryRow, WrappedKey,
};

pub(super) const ALL_KEYS: &str = "SELECT purpose, territory_id, version, blob FROM medorder.keys \
     ORDER BY purpose, territory_id, version";

pub(super) const RELATED: &str = "SELECT EXISTS (SELECT 1 FROM medorder.relationships \
     WHERE territory_id = $1 AND patient_id = $2 AND provider_id = $3)";

/// A value of a statement's parameter.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Texts(Vec<String>),
    Bytes(Vec<u8>),
    Int(i64),
}

/// A statement with its parameters, which never stand in its text.
pub(super) struct Statement {
    text: Text,
    values: Vec<Value>,
    limit: Duration,
}

enum Text {
    Fixed(&'static str),
    /// Put together from fixed parts, as a filter has them.
    Made(Arc<str>),
}

impl Statement {
    fn fixed(text: &'static str, values: Vec<Value>) -> Self {
        Self { text: Text::Fixed(text), values, limit: STALLED }
    }

    /// One whose work grows with the territory.
    fn walking(self) -> Self {
        Self { limit: WALKING, ..self }
    }

    async fn rows(&self, lane: &mut Lane) -> Rows<Vec<PgRow>> {
        let mut query = match &self.text {
            Text::Fixed(text) => lane.query(*text),
            Text::Made(text) => lane.query(AssertSqlSafe(Arc::clone(text))),
        };
        for value in &self.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Texts(texts) => query.bind(texts),
                Value::Bytes(bytes) => query.bind(bytes),
                Value::Int(int) => query.bind(int),
            };
        }
        let conn = &mut lane.conn;
        within(self.limit, async { Ok(query.fetch_all(conn).await?) }).await
    }

    /// What `take` makes of the rows.
    fn read<T: Send + 'static>(self, take: impl Fn(&[PgRow]) -> Rows<T> + Send + Sync + 'static) -> Work<T> {
        let shared = Arc::new((self, take));
        Box::new(move |lane: &mut Lane| -> BoxFuture<'_, Rows<T>> {
            let shared = Arc::clone(&shared);
            Box::pin(async move {
                let (statement, take) = &*shared;
                take(&statement.rows(lane).await?)
            })
        })
    }

    /// Every row as a value.
    pub(super) fn all<T: Send + 'static>(self, map: fn(&PgRow) -> Rows<T>) -> Work<Vec<T>> {
        self.read(move |rows| rows.iter().map(map).collect())
    }

    /// The first row as a value, if there is one.
    pub(super) fn one<T: Send + 'static>(self, map: fn(&PgRow) -> Rows<T>) -> Work<Option<T>> {
        self.read(move |rows| rows.first().map(map).transpose())
    }

    /// The first row as a value; it must be there.
    pub(super) fn must<T: Send + 'static>(self, map: fn(&PgRow) -> Rows<T>) -> Work<T> {
        self.read(move |rows| rows.first().map_or(Err(Trouble::Foreign), map))
    }
}

pub(super) fn meta() -> Work<Meta> {
    Statement::fixed("SELECT generation, format FROM medorder.meta", vec![]).must(|row| {
        let format = u32::try_from(get::<i64>(row, 1)?).map_err(|_| Trouble::Foreign)?;
        Ok(Meta { generation: rows::fixed(row, 0)?, format })
    })
}

pub(super) fn territory(chain: &str) -> Work<Option<TerritoryRow>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!("SELECT {TERRITORY_COLUMNS} FROM medorder.territories t WHERE t.territory_id = $1")
    });
    Statement::fixed(&SQL, vec![text(chain)]).one(rows::territory)
}

/// The territories there are, for a scope that shows all their rows.
pub(super) fn names() -> Work<Vec<String>> {
    let sql = "SELECT territory_id FROM medorder.territories WHERE territory_id <> '' ORDER BY territory_id";
    Statement::fixed(sql, vec![]).all(|row| get(row, 0))
}

pub(super) fn territories() -> Work<Vec<TerritoryRow>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!("SELECT {TERRITORY_COLUMNS} FROM medorder.territories t ORDER BY t.territory_id")
    });
    Statement::fixed(&SQL, vec![]).all(rows::territory)
}

pub(super) fn keys(chain: &str) -> Work<Vec<KeyRow>> {
    Statement::fixed(
        "SELECT purpose, territory_id, version, blob FROM medorder.keys \
         WHERE purpose IN ('audit', 'check', 'checkpoint', 'data') AND territory_id = $1 \
         ORDER BY purpose, territory_id, version",
        vec![text(chain)],
    )
    .all(rows::key)
}

pub(super) fn all_keys() -> Work<Vec<KeyRow>> {
    Statement::fixed(ALL_KEYS, vec![]).all(rows::key)
}

pub(super) fn order(territory: &str, id: OrderId) -> Work<Option<OrderRow>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!("SELECT {ORDER_COLUMNS} FROM medorder.orders o WHERE o.territory_id = $1 AND o.order_id = $2")
    });
    Statement::fixed(&SQL, vec![text(territory), bytes(id)]).one(rows::order)
}

pub(super) fn order_exists(id: OrderId) -> Work<bool> {
    Statement::fixed("SELECT medorder.order_exists($1)", vec![bytes(id)]).must(|row| get(row, 0))
}

pub(super) fn order_count(territory: &str) -> Work<u64> {
    Statement::fixed("SELECT count(*) FROM medorder.orders WHERE territory_id = $1", vec![text(territory)])
        .walking()
        .must(|row| rows::unsigned(row, 0))
}

pub(super) fn orders(
    territory: &str,
    filter: &OrderFilter,
    before: Option<OrderId>,
    limit: usize,
) -> Work<Vec<OrderRow>> {
    let mut made = Made { text: String::new(), values: vec![text(territory)] };
    let mut names: Vec<&str> = filter.status.iter().map(|status| status.name()).collect();
    names.sort_unstable();
    names.dedup();
    let mut rest = String::from(" AND o.seal IS NOT NULL");
    if let Some(patient) = &filter.patient_id {
        rest.push_str(&made.and(" AND o.patient_id = ", text(patient.as_str())));
    }
    if let Some(provider) = &filter.provider_id {
        rest.push_str(&made.and(" AND o.provider_id = ", text(provider.as_str())));
    }
    if let Some(from) = filter.created_from {
        rest.push_str(&made.and(" AND o.created_at >= ", Value::Int(from.as_micros())));
    }
    if let Some(to) = filter.created_to {
        rest.push_str(&made.and(" AND o.created_at < ", Value::Int(to.as_micros())));
    }
    let (first, end) = id_window(filter, before);
    if let Some(first) = first {
        rest.push_str(&made.and(" AND o.order_id >= ", bytes(first)));
    }
    if let Some(end) = end {
        rest.push_str(&made.and(" AND o.order_id < ", bytes(end)));
    }
    let end = made.and(" ORDER BY o.order_id DESC LIMIT ", int(limit));
    let from = format!("SELECT {ORDER_COLUMNS} FROM medorder.orders o WHERE o.territory_id = $1");
    // A patient has few orders, open or not: one run of the patient's index is all there is to walk.
    let by_patient = filter.patient_id.is_some();
    if !by_patient && !names.is_empty() && names.iter().all(|name| OPEN.contains(name)) {
        // A run of the work list's index for each status: none is sorted, none is walked to its end.
        let mut runs = Vec::with_capacity(names.len());
        for name in names {
            let status = made.and(" AND o.status = ", text(name));
            runs.push(format!("({from}{status} AND {IS_OPEN}{rest}{end})"));
        }
        made.text = format!("SELECT * FROM ({}) o{end}", runs.join(" UNION ALL "));
    } else {
        let status = match names.as_slice() {
            [] => String::new(),
            [one] => made.and(" AND o.status = ", text(one)),
            _ => made.and_any(" AND o.status", names.iter().map(|name| (*name).to_owned()).collect()),
        };
        made.text = format!("{from}{status}{rest}{end}");
    }
    made.statement().all(rows::order)
}

const OPEN: [&str; 3] = ["pending_verification", "verified", "in_progress"];
/// The condition of the partial index `orders_open`.
const IS_OPEN: &str = "o.status IN ('pending_verification', 'verified', 'in_progress')";

pub(super) fn walk(territory: &str, after: Option<OrderId>, limit: usize) -> Work<Vec<OrderRow>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {ORDER_COLUMNS} FROM medorder.orders o WHERE o.territory_id = $1 AND o.order_id >= $2 \
             ORDER BY o.order_id LIMIT $3"
        )
    });
    Statement::fixed(&SQL, vec![text(territory), from(after), int(limit)]).all(rows::order)
}

/// Also true where a trigger or a rule was planted that could undo what a commit has acknowledged.
pub(super) fn strays() -> Work<bool> {
    Statement::fixed(
        "SELECT medorder.strays() \
         OR EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid \
             WHERE c.relnamespace = 'medorder'::regnamespace AND NOT g.tgisinternal) \
         OR EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class \
             WHERE c.relnamespace = 'medorder'::regnamespace)",
        vec![],
    )
    .walking()
    .must(|row| get(row, 0))
}

pub(super) fn wraps_other_than(
    territory: &str,
    version: u32,
    after: Option<OrderId>,
    limit: usize,
) -> Work<Vec<WrappedKey>> {
    Statement::fixed(
        "SELECT order_id, wrapped FROM medorder.orders WHERE territory_id = $1 AND order_id >= $2 \
         AND wrapped IS NOT NULL AND substr(wrapped, 3, 4) <> $3 ORDER BY order_id LIMIT $4",
        vec![text(territory), from(after), Value::Bytes(version.to_be_bytes().to_vec()), int(limit)],
    )
    .walking()
    .all(|row| Ok((rows::order_id(row, 0)?, get(row, 1)?)))
}

pub(super) fn idempotency(territory: &str, key: &[u8; 32]) -> Work<Option<IdempotencyRecord>> {
    Statement::fixed(
        "SELECT key, request, order_id, row_version, at FROM medorder.idempotency \
         WHERE territory_id = $1 AND key = $2",
        vec![text(territory), Value::Bytes(key.to_vec())],
    )
    .one(|row| rows::idempotency(row, 0))
}

pub(super) fn records(
    territory: &str,
    after: Option<[u8; 32]>,
    limit: usize,
) -> Work<Vec<IdempotencyRecord>> {
    let after = Value::Bytes(after.map_or_else(Vec::new, |key| key.to_vec()));
    Statement::fixed(
        "SELECT key, request, order_id, row_version, at FROM medorder.idempotency \
         WHERE territory_id = $1 AND key > $2 ORDER BY key LIMIT $3",
        vec![text(territory), after, int(limit)],
    )
    .all(|row| rows::idempotency(row, 0))
}

/// The condition of the partial index `audit_change`.
const CHANGE: &str = "e.action IN ('create', 'update_status', 'delete') AND e.outcome = 'success'";

/// Entries of one order: each is in one of the two partial indexes, so both are asked.
fn of_order(territory: &str, order: &str) -> String {
    let one = |condition: String| {
        format!(
            "SELECT {ENTRY_COLUMNS} FROM medorder.audit_entries e \
             WHERE e.territory_id = {territory} AND e.order_id = {order} AND {condition}"
        )
    };
    format!("({} UNION ALL {}) e", one(CHANGE.to_owned()), one(format!("NOT ({CHANGE})")))
}

pub(super) fn entries(chain: &str, query: &EntryQuery, limit: usize) -> Work<Vec<Entry>> {
    let mut made = Made { text: format!("SELECT {ENTRY_COLUMNS} FROM "), values: vec![text(chain)] };
    match (&query.patient_id, query.order_id) {
        // The patient's orders drive: their entries are found by index, then sorted.
        (Some(_), _) => {
            let entries = of_order("o.territory_id", "o.order_id");
            made.text.push_str(&format!(
                "medorder.orders o CROSS JOIN LATERAL {entries} WHERE o.territory_id = $1"
            ));
        }
        (None, Some(id)) => {
            made.values.push(bytes(id));
            made.text.push_str(&format!("{} WHERE true", of_order("$1", "$2")));
        }
        (None, None) => made.text.push_str("medorder.audit_entries e WHERE e.territory_id = $1"),
    }
    made.push(" AND e.seq > ", Value::Int(i64::try_from(query.after).unwrap_or(i64::MAX)));
    if let Some(upto) = query.upto {
        made.push(" AND e.seq <= ", Value::Int(i64::try_from(upto).unwrap_or(i64::MAX)));
    }
    if let Some(patient) = &query.patient_id {
        made.push(" AND o.patient_id = ", text(patient));
        if let Some(id) = query.order_id {
            made.push(" AND o.order_id = ", bytes(id));
        }
    }
    if let Some(user) = &query.user_id {
        made.push(" AND e.user_id = ", text(user));
    }
    if let Some(from) = query.from {
        made.push(" AND e.at >= ", Value::Int(from));
    }
    if let Some(to) = query.to {
        made.push(" AND e.at < ", Value::Int(to));
    }
    if query.disclosures {
        made.text.push_str(" AND e.action = 'view' AND e.outcome = 'success' AND e.fields <> 0");
    }
    made.push(" ORDER BY e.seq LIMIT ", int(limit));
    made.statement().all(|row| rows::entry(row, 0))
}

pub(super) fn changes(territory: &str, id: OrderId, after: u64, limit: usize) -> Work<Vec<Entry>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {ENTRY_COLUMNS} FROM medorder.audit_entries e WHERE e.territory_id = $1 AND e.order_id = $2 \
             AND e.row_version > $3 AND {CHANGE} ORDER BY e.row_version LIMIT $4"
        )
    });
    let after = Value::Int(i64::try_from(after).unwrap_or(i64::MAX));
    Statement::fixed(&SQL, vec![text(territory), bytes(id), after, int(limit)]).all(|row| rows::entry(row, 0))
}

/// Head, anchor and events in one statement: one snapshot.
pub(super) fn events(
    territory: &str,
    order: Option<OrderId>,
    after: u64,
    limit: usize,
) -> Work<Option<EventPage>> {
    fn sql(condition: &str, sorted: &str) -> String {
        format!(
            "SELECT t.seq, t.hash, t.at, t.active, (SELECT a.hash FROM medorder.audit_entries a \
             WHERE a.territory_id = $1 AND a.seq = $2), {ENTRY_COLUMNS} FROM medorder.territories t \
             LEFT JOIN LATERAL (SELECT {ENTRY_COLUMNS} FROM medorder.audit_entries e WHERE e.territory_id = $1 \
             AND e.seq > $2 AND {condition}{CHANGE} ORDER BY {sorted} LIMIT $3) e ON true \
             WHERE t.territory_id = $1 ORDER BY e.seq"
        )
    }
    static ALL: LazyLock<String> = LazyLock::new(|| sql("", "e.seq"));
    static ONE: LazyLock<String> = LazyLock::new(|| sql("e.order_id = $4 AND ", "e.row_version"));
    let mut values = vec![text(territory), Value::Int(i64::try_from(after).unwrap_or(i64::MAX)), int(limit)];
    let sql: &'static str = match order {
        None => &ALL,
        Some(id) => {
            values.push(bytes(id));
            &ONE
        }
    };
    let statement = Arc::new(Statement::fixed(sql, values));
    Box::new(move |lane: &mut Lane| -> BoxFuture<'_, Rows<Option<EventPage>>> {
        let statement = Arc::clone(&statement);
        Box::pin(async move {
            let found = statement.rows(lane).await?;
            let Some(first) = found.first() else { return Ok(None) };
            let head = rows::head(first, 0)?;
            let anchor = get::<Option<&[u8]>>(first, 4)?;
            let anchor = anchor.map(|hash| hash.try_into().map_err(|_| Trouble::Foreign)).transpose()?;
            let active = get(first, 3)?;
            let mut events = Vec::with_capacity(found.len());
            for row in &found {
                // A head without events is one row with nothing beside it.
                if get::<Option<i64>>(row, 5)?.is_some() {
                    events.push(rows::entry(row, 5)?);
                }
            }
            Ok(Some(EventPage { events, head, anchor, active }))
        })
    })
}

pub(super) fn relationship(territory: &str, one: &Relationship) -> Work<bool> {
    Statement::fixed(RELATED, vec![text(territory), text(&one.patient_id), text(&one.provider_id)])
        .must(|row| get(row, 0))
}

pub(super) fn relationships(
    territory: &str,
    query: &RelationshipQuery,
    limit: usize,
) -> Work<Vec<Relationship>> {
    let head = "SELECT patient_id, provider_id FROM medorder.relationships WHERE territory_id = $1";
    let mut made = Made { text: head.to_owned(), values: vec![text(territory)] };
    if let Some(patient) = &query.patient_id {
        made.push(" AND patient_id = ", text(patient));
    }
    if let Some(provider) = &query.provider_id {
        made.push(" AND provider_id = ", text(provider));
    }
    if let Some(after) = &query.after {
        made.push(" AND (patient_id, provider_id) > (", text(&after.patient_id));
        made.push(", ", text(&after.provider_id));
        made.text.push(')');
    }
    made.push(" ORDER BY patient_id, provider_id LIMIT ", int(limit));
    made.statement().all(rows::relationship)
}

pub(super) fn checkpoint(chain: &str) -> Work<Option<String>> {
    Statement::fixed(
        "SELECT note FROM medorder.checkpoints WHERE territory_id = $1 ORDER BY seq DESC LIMIT 1",
        vec![text(chain)],
    )
    .one(|row| get(row, 0))
}

/// A number that moves with every commit, of whichever process.
pub(super) async fn pulse(lane: &mut Lane) -> Rows<(i64, i64)> {
    let sql = "SELECT coalesce(sum(seq), 0)::int8, coalesce(sum(epoch), 0)::int8 FROM medorder.territories";
    let row = if lane.autocommits() {
        lane.query(sql).fetch_one(&mut lane.conn).await?
    } else {
        lane.begin("").await?;
        let row = lane.query(sql).fetch_one(&mut lane.conn).await;
        lane.conn.execute("ROLLBACK").await?;
        row?
    };
    Ok((get(&row, 0)?, get(&row, 1)?))
}

/// A statement in the making, as a filter has conditions.
struct Made {
    text: String,
    values: Vec<Value>,
}

impl Made {
    /// A condition on one more parameter.
    fn and(&mut self, condition: &str, value: Value) -> String {
        self.values.push(value);
        format!("{condition}${}", self.values.len())
    }

    fn and_any(&mut self, column: &str, values: Vec<String>) -> String {
        self.values.push(Value::Texts(values));
        format!("{column} = ANY(${})", self.values.len())
    }

    fn push(&mut self, condition: &str, value: Value) {
        let condition = self.and(condition, value);
        self.text.push_str(&condition);
    }

    fn statement(self) -> Statement {
        // With a filter nobody can say how much there is to walk.
        Statement { text: Text::Made(self.text.into()), values: self.values, limit: WALKING }
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn bytes(id: OrderId) -> Value {
    Value::Bytes(id.as_bytes().to_vec())
}

/// The first key behind `after`. With nothing before it that is the empty one: nobody here writes it, but somebody
/// else may have.
fn from(after: Option<OrderId>) -> Value {
    Value::Bytes(after.map_or_else(Vec::new, |id| [id.as_bytes(), &[0][..]].concat()))
}

fn int(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
