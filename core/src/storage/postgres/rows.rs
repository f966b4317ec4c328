//! Rows to values and errors to codes. No text of PostgreSQL or of a row ever leaves through here.

use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

use crate::audit::{Entry, EntryDraft, Head};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Chain, OrderId};
use crate::storage::types::word;
use crate::storage::{Fields, IdempotencyRecord, KeyRow, OrderRow, Relationship, TerritoryRow};

/// Why a statement gave no rows.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server refused it, so nothing of it was done: its SQLSTATE.
    Refused(String),
    /// The connection failed, or the server went away: nobody knows what was done.
    Lost,
    /// A row that this library did not write, or a table that is not as it made it.
    Foreign,
    /// No connection can be made, and why; nothing was sent.
    Away(&'static str),
    /// The server does not wait for its disk.
    NoFsync,
}

pub(super) type Rows<T> = std::result::Result<T, Trouble>;

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => match error.code() {
                // A server that stops may say so after it has committed; class 08 is the connection's own.
                // What a system or a proxy says of its own trouble tells nothing of ours.
                Some(code)
                    if ["57P", "08", "58", "XX000", "40003", "25P03", "25P04"]
                        .iter()
                        .any(|start| code.starts_with(start)) =>
                {
                    Self::Lost
                }
                // A table, column or function that somebody took away; damaged pages.
                Some(code) if matches!(&*code, "42P01" | "42703" | "42883" | "XX001" | "XX002") => {
                    Self::Foreign
                }
                Some(code) => Self::Refused(code.into_owned()),
                None => Self::Lost,
            },
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::RowNotFound
            | sqlx::Error::TypeNotFound { .. } => Self::Foreign,
            _ => Self::Lost,
        }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Foreign => foreign(),
            Trouble::NoFsync => Self::new(
                ErrorCode::StorageUnavailable,
                "the server runs with fsync=off, or does not say, and could lose commits",
            ),
            Trouble::Away(why) => Self::new(ErrorCode::StorageUnavailable, why),
            Trouble::Lost => {
                Self::new(ErrorCode::StorageUnavailable, "the database server cannot be reached")
            }
            Trouble::Refused(state) => Self::new(
                ErrorCode::StorageUnavailable,
                format!("the database answered with sqlstate {}", printable(&state)),
            ),
        }
    }
}

/// A code of five letters and digits; anything else a server says stays here.
fn printable(state: &str) -> &str {
    if state.len() == 5 && state.bytes().all(|b| b.is_ascii_alphanumeric()) { state } else { "unknown" }
}

pub(super) fn foreign() -> Error {
    Error::new(ErrorCode::IntegrityViolation, "the database holds a row that this library did not write")
}

/// The value of a column.
pub(super) fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, column: usize) -> Rows<T> {
    row.try_get(column).map_err(Trouble::from)
}

/// Bytes of a fixed length.
pub(super) fn fixed<const N: usize>(row: &PgRow, column: usize) -> Rows<[u8; N]> {
    get::<&[u8]>(row, column)?.try_into().map_err(|_| Trouble::Foreign)
}

pub(super) fn unsigned(row: &PgRow, column: usize) -> Rows<u64> {
    u64::try_from(get::<i64>(row, column)?).map_err(|_| Trouble::Foreign)
}

pub(super) fn order_id(row: &PgRow, column: usize) -> Rows<OrderId> {
    fixed(row, column).map(OrderId::from_bytes)
}

/// Integers are at most 2^63 - 1 everywhere (FORMAT.md), so this never fails for what the service builds.
pub(super) fn signed(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| Error::new(ErrorCode::Internal, "an integer is above 2^63 - 1"))
}

pub(super) const ORDER_COLUMNS: &str = "o.order_id, o.patient_id, o.provider_id, o.status, o.version, \
     o.created_at, o.updated_at, o.wrapped, o.seal, o.f1, o.f2, o.f3, o.f4, o.f5";

pub(super) fn order(row: &PgRow) -> Rows<OrderRow> {
    let fields: Fields = [get(row, 9)?, get(row, 10)?, get(row, 11)?, get(row, 12)?, get(row, 13)?];
    Ok(OrderRow {
        order_id: order_id(row, 0)?,
        patient_id: get(row, 1)?,
        provider_id: get(row, 2)?,
        status: get(row, 3)?,
        version: unsigned(row, 4)?,
        created_at: get(row, 5)?,
        updated_at: get(row, 6)?,
        wrapped: get(row, 7)?,
        seal: get(row, 8)?,
        fields,
    })
}

pub(super) const ENTRY_COLUMNS: &str = "e.seq, e.at, e.user_id, e.role, e.purpose, e.order_id, e.action, e.outcome, \
     e.old_status, e.new_status, e.row_version, e.row_mac, e.fields, e.request_id, e.source, e.details, e.hash, e.mac";

/// An entry whose columns begin at `first`.
pub(super) fn entry(row: &PgRow, first: usize) -> Rows<Entry> {
    let at = |n| first + n;
    let known = |n| get::<&str>(row, at(n)).map(word);
    Ok(Entry {
        seq: unsigned(row, at(0))?,
        body: EntryDraft {
            at: get(row, at(1))?,
            user_id: get(row, at(2))?,
            role: get(row, at(3))?,
            purpose: get(row, at(4))?,
            order_id: fixed(row, at(5))?,
            action: known(6)?,
            outcome: known(7)?,
            old_status: known(8)?,
            new_status: known(9)?,
            row_version: unsigned(row, at(10))?,
            row_mac: fixed(row, at(11))?,
            fields: u32::try_from(get::<i64>(row, at(12))?).map_err(|_| Trouble::Foreign)?,
            request_id: get(row, at(13))?,
            source: get(row, at(14))?,
            details: get(row, at(15))?,
        },
        hash: fixed(row, at(16))?,
        mac: fixed(row, at(17))?,
    })
}

pub(super) const TERRITORY_COLUMNS: &str = "t.territory_id, t.epoch, t.active, t.seq, t.hash, t.at, coalesce((SELECT \
     max(a.seq) FROM medorder.audit_entries a WHERE a.territory_id = t.territory_id), 0), (SELECT m.generation FROM medorder.meta m)";

pub(super) fn territory(row: &PgRow) -> Rows<TerritoryRow> {
    Ok(TerritoryRow {
        chain: chain(row, 0)?,
        epoch: unsigned(row, 1)?,
        active: get(row, 2)?,
        head: head(row, 3)?,
        last_seq: unsigned(row, 6)?,
        generation: fixed(row, 7)?,
    })
}

pub(super) fn chain(row: &PgRow, column: usize) -> Rows<Chain> {
    Chain::parse(get(row, column)?).map_err(|_| Trouble::Foreign)
}

/// `seq, hash, at`, beginning at `first`.
pub(super) fn head(row: &PgRow, first: usize) -> Rows<Head> {
    Ok(Head { seq: unsigned(row, first)?, hash: fixed(row, first + 1)?, at: get(row, first + 2)? })
}

pub(super) fn key(row: &PgRow) -> Rows<KeyRow> {
    Ok(KeyRow {
        purpose: get(row, 0)?,
        territory: get(row, 1)?,
        version: u32::try_from(get::<i64>(row, 2)?).map_err(|_| Trouble::Foreign)?,
        blob: get(row, 3)?,
    })
}

/// `key, request, order_id, row_version, at`, beginning at `first`.
pub(super) fn idempotency(row: &PgRow, first: usize) -> Rows<IdempotencyRecord> {
    Ok(IdempotencyRecord {
        key: fixed(row, first)?,
        request: fixed(row, first + 1)?,
        order_id: order_id(row, first + 2)?,
        row_version: unsigned(row, first + 3)?,
        at: get(row, first + 4)?,
    })
}

pub(super) fn relationship(row: &PgRow) -> Rows<Relationship> {
    Ok(Relationship { patient_id: get(row, 0)?, provider_id: get(row, 1)? })
}
