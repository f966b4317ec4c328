//! One statement for a whole group: heads, orders, records and entries, all or nothing.
//!
//! Every row of a territory is written under its head row's lock, so taking the heads first, in one order, is
//! what keeps groups from waiting for each other in a circle. A count that does not come out divides by zero: an
//! error that, unlike a constraint's, prints no row into the server's log.

use std::fmt::Write as _;
use std::sync::OnceLock;

use sqlx::postgres::{PgArguments, PgHasArrayType};
use sqlx::query::Query;
use sqlx::{Encode, Postgres, Type};

use super::lane::{Lane, limited};
use super::rows::{Rows, signed};
use crate::audit::chain::Place;
use crate::audit::{EntryDraft, Head};
use crate::error::{Error, ErrorCode, Result};
use crate::model::OrderId;
use crate::storage::{IdempotencyRecord, Linker, OrderRow, OrderUpdate, Unit, Write};

/// What a group writes, row by row, each with its territory.
#[derive(Default)]
pub(super) struct Group<'u> {
    /// By ascending territory.
    pub(super) heads: Vec<Step>,
    pub(super) inserts: Vec<(&'u str, &'u OrderRow)>,
    pub(super) updates: Vec<(&'u str, &'u OrderUpdate)>,
    pub(super) views: Vec<(&'u str, OrderId)>,
    pub(super) records: Vec<(&'u str, &'u IdempotencyRecord)>,
    pub(super) entries: Vec<(&'u str, Place, &'u EntryDraft)>,
}

/// A head row before and after.
pub(super) struct Step {
    pub(super) territory: String,
    pub(super) epoch: u64,
    pub(super) from: Head,
    pub(super) to: Head,
}

impl<'u> Group<'u> {
    /// Takes up the plain writes, the records and the entries of a unit, linked after `head`; the head they lead to.
    pub(super) fn take(&mut self, unit: &'u Unit, head: &Head, linker: &dyn Linker) -> Result<Head> {
        let territory = unit.chain.as_str();
        for write in &unit.writes {
            match write {
                Write::Insert(row) => self.inserts.push((territory, row)),
                Write::Update(update) => self.updates.push((territory, update)),
                Write::Present(id) => self.views.push((territory, *id)),
                _ => {}
            }
        }
        self.records.extend(unit.idempotency.iter().map(|record| (territory, record)));
        if unit.drafts.is_empty() {
            return Ok(*head);
        }
        let places = linker.places(&unit.chain, head, &unit.drafts)?;
        if places.len() != unit.drafts.len() {
            return Err(Error::new(ErrorCode::Internal, "a draft was not linked"));
        }
        let last = places.last().map_or(*head, |place| place.head);
        self.entries
            .extend(places.into_iter().zip(&unit.drafts).map(|(place, draft)| (territory, place, draft)));
        Ok(last)
    }

    /// The last entry of each chain that it moves: where to look whether it was committed.
    pub(super) fn marks(&self) -> Vec<(String, Head)> {
        let moved = self.heads.iter().filter(|step| step.to.seq != step.from.seq);
        moved.map(|step| (step.territory.clone(), step.to)).collect()
    }

    /// Runs the statement. Refused with 22012 if a head, an order or a version is not what the group expects.
    pub(super) async fn write(&self, lane: &mut Lane) -> Result<Rows<()>> {
        let query = self.bind(lane.query(self.sql()))?;
        let conn = &mut lane.conn;
        Ok(limited(async { Ok(query.execute(conn).await.map(|_| ())?) }).await)
    }

    /// The text depends on the kinds of rows alone, so that each kind is planned once a connection.
    fn sql(&self) -> &'static str {
        static TEXTS: [OnceLock<String>; 96] = [const { OnceLock::new() }; 96];
        let shape = self.shape();
        TEXTS[shape.index()].get_or_init(|| shape.text())
    }

    fn shape(&self) -> Shape {
        let rows = [
            self.inserts.len(),
            self.updates.len(),
            self.views.len(),
            self.records.len(),
            self.entries.len(),
        ];
        let size = match self.heads.len() {
            1 if rows.into_iter().all(|count| count <= 1) => Size::Lone,
            1 => Size::One,
            _ => Size::Many,
        };
        Shape {
            size,
            inserts: !self.inserts.is_empty(),
            updates: !self.updates.is_empty(),
            views: !self.views.is_empty(),
            records: !self.records.is_empty(),
            entries: !self.entries.is_empty(),
        }
    }

    fn bind<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Result<Query<'q, Postgres, PgArguments>> {
        let size = self.shape().size;
        let mut columns = Columns { query, size };
        match self.heads.as_slice() {
            [one] => {
                let query = columns.query.bind(&one.territory).bind(signed(one.from.seq)?);
                let query = query.bind(signed(one.epoch)?).bind(signed(one.to.seq)?);
                columns.query = query.bind(one.to.hash).bind(one.to.at).bind(one.from.hash);
            }
            all => {
                columns.add(all, |step| step.territory.as_str())?;
                columns.number(all, |step| step.from.seq)?;
                columns.number(all, |step| step.epoch)?;
                columns.number(all, |step| step.to.seq)?;
                columns.add(all, |step| step.to.hash)?;
                columns.add(all, |step| step.to.at)?;
                columns.add(all, |step| step.from.hash)?;
            }
        }
        if !self.inserts.is_empty() {
            let rows = &self.inserts;
            columns.places(rows)?;
            columns.add(rows, |(_, row)| *row.order_id.as_bytes())?;
            columns.add(rows, |(_, row)| row.patient_id.as_str())?;
            columns.add(rows, |(_, row)| row.provider_id.as_str())?;
            columns.add(rows, |(_, row)| row.status.as_str())?;
            columns.number(rows, |(_, row)| row.version)?;
            columns.add(rows, |(_, row)| row.created_at)?;
            columns.add(rows, |(_, row)| row.updated_at)?;
            columns.add(rows, |(_, row)| row.wrapped.as_deref())?;
            columns.add(rows, |(_, row)| row.seal.as_deref())?;
            for n in 0..5 {
                columns.add(rows, |(_, row)| row.fields[n].as_deref())?;
            }
        }
        if !self.updates.is_empty() {
            let rows = &self.updates;
            columns.places(rows)?;
            columns.add(rows, |(_, row)| *row.order_id.as_bytes())?;
            columns.number(rows, |(_, row)| row.from_version)?;
            columns.add(rows, |(_, row)| row.status.as_str())?;
            columns.number(rows, |(_, row)| row.version)?;
            columns.add(rows, |(_, row)| row.updated_at)?;
            columns.add(rows, |(_, row)| row.seal.as_slice())?;
            columns.add(rows, |(_, row)| row.fields.is_some())?;
            for n in 0..5 {
                columns.add(rows, |(_, row)| row.fields.as_ref().and_then(|fields| fields[n].as_deref()))?;
            }
        }
        if !self.views.is_empty() {
            columns.places(&self.views)?;
            columns.add(&self.views, |(_, id)| *id.as_bytes())?;
        }
        if !self.records.is_empty() {
            let rows = &self.records;
            columns.places(rows)?;
            columns.add(rows, |(_, record)| record.key)?;
            columns.add(rows, |(_, record)| record.request)?;
            columns.add(rows, |(_, record)| *record.order_id.as_bytes())?;
            columns.number(rows, |(_, record)| record.row_version)?;
            columns.add(rows, |(_, record)| record.at)?;
        }
        if !self.entries.is_empty() {
            let rows = &self.entries;
            columns.places(rows)?;
            columns.number(rows, |(_, place, _)| place.head.seq)?;
            columns.add(rows, |(_, place, _)| place.head.at)?;
            columns.add(rows, |(_, _, draft)| draft.user_id.as_str())?;
            columns.add(rows, |(_, _, draft)| draft.role.as_str())?;
            columns.add(rows, |(_, _, draft)| draft.purpose.as_str())?;
            columns.add(rows, |(_, _, draft)| draft.order_id)?;
            columns.add(rows, |(_, _, draft)| &*draft.action)?;
            columns.add(rows, |(_, _, draft)| &*draft.outcome)?;
            columns.add(rows, |(_, _, draft)| &*draft.old_status)?;
            columns.add(rows, |(_, _, draft)| &*draft.new_status)?;
            columns.number(rows, |(_, _, draft)| draft.row_version)?;
            columns.add(rows, |(_, _, draft)| draft.row_mac)?;
            columns.add(rows, |(_, _, draft)| i64::from(draft.fields))?;
            columns.add(rows, |(_, _, draft)| draft.request_id.as_str())?;
            columns.add(rows, |(_, _, draft)| draft.source.as_str())?;
            columns.add(rows, |(_, _, draft)| draft.details.as_slice())?;
            columns.add(rows, |(_, place, _)| place.head.hash)?;
            columns.add(rows, |(_, place, _)| place.mac)?;
        }
        Ok(columns.query)
    }
}

/// A statement's parameters, column by column.
struct Columns<'q> {
    query: Query<'q, Postgres, PgArguments>,
    size: Size,
}

impl<'q> Columns<'q> {
    /// A plain value for a lone row, else an array.
    fn add<'r, R, T>(&mut self, rows: &'r [R], value: impl Fn(&'r R) -> T) -> Result<()>
    where
        T: Type<Postgres> + Encode<'r, Postgres> + PgHasArrayType,
    {
        let done = match rows {
            [one] if self.size == Size::Lone => self.query.try_bind(value(one)),
            rows => self.query.try_bind(rows.iter().map(value).collect::<Vec<T>>()),
        };
        done.map_err(|_| Error::new(ErrorCode::Internal, "a value cannot be sent"))
    }

    fn number<R>(&mut self, rows: &'q [R], value: impl Fn(&R) -> u64) -> Result<()> {
        let numbers = rows.iter().map(|row| signed(value(row))).collect::<Result<Vec<i64>>>()?;
        self.add(&numbers, |number| *number)
    }

    fn places<R: Placed>(&mut self, rows: &[R]) -> Result<()> {
        if self.size == Size::Many { self.add(rows, Placed::territory) } else { Ok(()) }
    }
}

/// Rows that name their territory.
trait Placed {
    fn territory(&self) -> &str;
}

impl<T> Placed for (&str, T) {
    fn territory(&self) -> &str {
        self.0
    }
}

impl<T, U> Placed for (&str, T, U) {
    fn territory(&self) -> &str {
        self.0
    }
}

/// How much a group writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    /// One territory, and at most one row of each kind: plain values cost the server less than arrays of one.
    Lone,
    /// One territory.
    One,
    /// Several territories: then each row names its own.
    Many,
}

/// Which kinds of rows a group has.
#[derive(Clone, Copy)]
struct Shape {
    size: Size,
    inserts: bool,
    updates: bool,
    views: bool,
    records: bool,
    entries: bool,
}

impl Shape {
    fn index(self) -> usize {
        [self.inserts, self.updates, self.views, self.records, self.entries]
            .iter()
            .fold(self.size as usize, |index, kind| index << 1 | usize::from(*kind))
    }

    fn text(self) -> String {
        let (heads, all) =
            if self.size == Size::Many { (MANY_HEADS, MANY_FIT) } else { (ONE_HEAD, ONE_FITS) };
        let mut text =
            Text { size: self.size, all, sql: heads.to_owned(), counts: vec![all.to_owned()], next: 8 };
        if self.inserts {
            let plain = ["bytea", "text", "text", "text", "int8", "int8", "int8"];
            text.insert("o", "orders", &[plain, ["bytea"; 7]].concat());
        }
        if self.updates {
            text.update();
        }
        if self.views {
            text.view();
        }
        if self.records {
            text.insert("i", "idempotency", &["bytea", "bytea", "bytea", "int8", "int8"]);
        }
        if self.entries {
            text.insert(
                "a",
                "audit_entries",
                &[
                    "int8", "int8", "text", "text", "text", "bytea", "text", "text", "text", "text", "int8",
                    "bytea", "int8", "text", "text", "bytea", "bytea", "bytea",
                ],
            );
        }
        let Text { mut sql, counts, .. } = text;
        let _ = write!(sql, " SELECT 1 / ({})::int4", counts.join(" AND "));
        sql
    }
}

const ONE_HEAD: &str = "WITH h AS (UPDATE medorder.territories SET seq = $4, hash = $5, at = $6 \
     WHERE territory_id = $1 AND seq = $2 AND epoch = $3 AND hash = $7 RETURNING 1)";
const ONE_FITS: &str = "(SELECT count(*) FROM h) = 1";
/// Locked in one order before the first is changed.
const MANY_HEADS: &str = "WITH l AS MATERIALIZED (SELECT t.territory_id, w.n, w.h, w.a FROM medorder.territories t \
     JOIN unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::bytea[], $6::int8[], $7::bytea[]) \
     AS w(t, s, e, n, h, a, b) \
     ON t.territory_id = w.t AND t.seq = w.s AND t.epoch = w.e AND t.hash = w.b ORDER BY t.territory_id FOR NO KEY UPDATE OF t), \
     h AS (UPDATE medorder.territories t SET seq = l.n, hash = l.h, at = l.a FROM l \
     WHERE t.territory_id = l.territory_id RETURNING 1)";
const MANY_FIT: &str = "(SELECT count(*) FROM h) = cardinality($1)";

/// A statement in the making.
struct Text {
    size: Size,
    /// The condition that every head was as expected, and is locked now.
    all: &'static str,
    sql: String,
    /// What must be true for the group to stand.
    counts: Vec<String>,
    /// The number of the next parameter.
    next: usize,
}

impl Text {
    /// The rows as a source for FROM, a parameter a column, the territory's first where there are several; and how
    /// many they are.
    fn rows(&mut self, types: &[&str]) -> (String, String) {
        let first = self.next;
        let place: &[&str] = if self.size == Size::Many { &["text"] } else { &[] };
        let array = if self.size == Size::Lone { "" } else { "[]" };
        let kinds = place.iter().chain(types);
        let list: Vec<String> = kinds.zip(first..).map(|(kind, n)| format!("${n}::{kind}{array}")).collect();
        self.next += list.len();
        match self.size {
            Size::Lone => (format!("(SELECT {})", list.join(", ")), "1".to_owned()),
            _ => (format!("unnest({})", list.join(", ")), format!("cardinality(${first})")),
        }
    }

    /// The alias of the territory among a row's columns, and the row's territory.
    fn own(&self) -> (&'static str, &'static str) {
        if self.size == Size::Many { ("t, ", "w.t") } else { ("", "$1") }
    }

    /// Columns in the order of the table.
    fn insert(&mut self, name: &str, table: &str, types: &[&str]) {
        let (rows, count) = self.rows(types);
        let place = if self.size == Size::Many { "" } else { "$1::text, " };
        let _ = write!(
            self.sql,
            ", {name} AS (INSERT INTO medorder.{table} SELECT {place}w.* FROM {rows} AS w WHERE {} RETURNING 1)",
            self.all
        );
        self.counts.push(format!("(SELECT count(*) FROM {name}) = {count}"));
    }

    fn update(&mut self) {
        let mut types = vec!["bytea", "int8", "text", "int8", "int8", "bytea", "bool"];
        types.extend(["bytea"; 5]);
        let (rows, count) = self.rows(&types);
        let (alias, own) = self.own();
        let field = |n| format!("f{n} = CASE WHEN w.p THEN w.f{n} ELSE o.f{n} END");
        let fields: Vec<String> = (1..=5).map(field).collect();
        let _ = write!(
            self.sql,
            ", u AS (UPDATE medorder.orders o SET status = w.s, version = w.v, updated_at = w.a, seal = w.l, {} \
             FROM {rows} AS w({alias}o, f, s, v, a, l, p, f1, f2, f3, f4, f5) \
             WHERE o.territory_id = {own} AND o.order_id = w.o AND o.version = w.f AND o.wrapped IS NOT NULL \
             AND {} RETURNING 1)",
            fields.join(", "),
            self.all
        );
        self.counts.push(format!("(SELECT count(*) FROM u) = {count}"));
    }

    /// Nothing of the territory can have changed since the statement's snapshot if its head has not.
    fn view(&mut self) {
        let (rows, count) = self.rows(&["bytea"]);
        let (alias, own) = self.own();
        self.counts.push(format!(
            "(SELECT count(*) FROM {rows} AS w({alias}o) JOIN medorder.orders o \
             ON o.territory_id = {own} AND o.order_id = w.o WHERE o.wrapped IS NOT NULL) = {count}"
        ));
    }
}
