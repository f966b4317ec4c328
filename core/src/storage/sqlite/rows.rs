//! Rows to values and errors to codes. No text of SQLite or of a row ever leaves through here.

use std::borrow::Cow;

use rusqlite::{Row, ffi::ErrorCode as Sqlite};

use crate::audit::{Entry, EntryDraft, Head};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Chain, OrderId};
use crate::storage::types;
use crate::storage::{Fields, IdempotencyRecord, KeyRow, OrderRow, TerritoryRow};

/// What a query closure returns: SQLite's own trouble, or a row that is not what this library wrote.
pub(super) enum Trouble {
    Sqlite(rusqlite::Error),
    Foreign,
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Trouble {
    /// True if the fault lies in the rows of one unit, so that the others of its group may go on without it:
    /// a constraint that refuses it, or a row that this library did not write.
    pub(super) fn is_of_one_unit(&self) -> bool {
        match self {
            Self::Foreign => true,
            Self::Sqlite(error) => {
                is_constraint(error) || unavailable(error).code() == ErrorCode::IntegrityViolation
            }
        }
    }
}

/// Why a group is rolled back.
pub(super) enum Abort {
    Row(Trouble),
    Linker(Error),
}

impl From<Trouble> for Abort {
    fn from(trouble: Trouble) -> Self {
        Self::Row(trouble)
    }
}

impl From<rusqlite::Error> for Abort {
    fn from(error: rusqlite::Error) -> Self {
        Self::Row(Trouble::Sqlite(error))
    }
}

impl From<Error> for Abort {
    fn from(error: Error) -> Self {
        Self::Linker(error)
    }
}

pub(super) type Rows<T> = std::result::Result<T, Trouble>;

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Foreign => foreign(),
            Trouble::Sqlite(error) => unavailable(&error),
        }
    }
}

/// The coded error for what SQLite says, without its text, which may quote values.
pub(super) fn unavailable(error: &rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            Sqlite::DatabaseCorrupt | Sqlite::NotADatabase => foreign(),
            // Our statements are fixed, so a plain error is a table or a column that somebody took away.
            Sqlite::Unknown if failure.extended_code == rusqlite::ffi::SQLITE_ERROR => foreign(),
            _ => Error::new(
                ErrorCode::StorageUnavailable,
                format!("the database answered with sqlite code {}", failure.extended_code),
            ),
        },
        // A column of another type or not UTF-8: somebody else wrote it.
        _ => foreign(),
    }
}

/// True for a failed constraint: the database refuses a row that disagrees with its entries.
fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(Sqlite::ConstraintViolation)
}

fn foreign() -> Error {
    Error::new(ErrorCode::IntegrityViolation, "the database holds a row that this library did not write")
}

pub(super) const ORDER_COLUMNS: &str = "order_id, patient_id, provider_id, status, version, created_at, \
     updated_at, wrapped, seal, f1, f2, f3, f4, f5";

pub(super) fn order(row: &Row<'_>) -> Rows<OrderRow> {
    let fields: Fields = [row.get(9)?, row.get(10)?, row.get(11)?, row.get(12)?, row.get(13)?];
    Ok(OrderRow {
        order_id: OrderId::from_bytes(row.get(0)?),
        patient_id: row.get(1)?,
        provider_id: row.get(2)?,
        status: row.get(3)?,
        version: unsigned(row.get(4)?)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
        wrapped: row.get(7)?,
        seal: row.get(8)?,
        fields,
    })
}

pub(super) const ENTRY_COLUMNS: &str = "e.pk, e.at, e.user_id, e.role, e.purpose, e.order_id, e.action, \
     e.outcome, e.old_status, e.new_status, e.row_version, e.row_mac, e.fields, e.request_id, e.source, \
     e.details, e.hash, e.mac";

pub(super) fn entry(row: &Row<'_>) -> Rows<Entry> {
    let pk: i64 = row.get(0)?;
    Ok(Entry {
        seq: unsigned(pk & SEQ_MAX)?,
        body: EntryDraft {
            at: row.get(1)?,
            user_id: row.get(2)?,
            role: row.get(3)?,
            purpose: row.get(4)?,
            order_id: row.get(5)?,
            action: word(row, 6)?,
            outcome: word(row, 7)?,
            old_status: word(row, 8)?,
            new_status: word(row, 9)?,
            row_version: unsigned(row.get(10)?)?,
            row_mac: row.get(11)?,
            fields: u32::try_from(row.get::<_, i64>(12)?).map_err(|_| Trouble::Foreign)?,
            request_id: row.get(13)?,
            source: row.get(14)?,
            details: row.get(15)?,
        },
        hash: row.get(16)?,
        mac: row.get(17)?,
    })
}

fn word(row: &Row<'_>, column: usize) -> Rows<Cow<'static, str>> {
    row.get_ref(column)?.as_str().map(types::word).map_err(|_| Trouble::Foreign)
}

pub(super) const TERRITORY_COLUMNS: &str = "t.territory_id, t.epoch, t.active, t.seq, t.hash, t.at, \
     coalesce((SELECT max(a.pk) FROM audit_entries a WHERE a.pk > t.pk << 40 AND a.pk < (t.pk + 1) << 40), 0), t.pk, \
     (SELECT m.generation FROM meta m)";

pub(super) fn territory(row: &Row<'_>) -> Rows<TerritoryRow> {
    let last: i64 = row.get(6)?;
    Ok(TerritoryRow {
        chain: Chain::parse(&row.get::<_, String>(0)?).map_err(|_| Trouble::Foreign)?,
        epoch: unsigned(row.get(1)?)?,
        active: row.get::<_, i64>(2)? != 0,
        head: Head { seq: unsigned(row.get(3)?)?, hash: row.get(4)?, at: row.get(5)? },
        last_seq: unsigned(last & SEQ_MAX)?,
        generation: row.get(8)?,
    })
}

pub(super) fn key(row: &Row<'_>) -> Rows<KeyRow> {
    Ok(KeyRow {
        purpose: row.get(0)?,
        territory: row.get(1)?,
        version: u32::try_from(row.get::<_, i64>(2)?).map_err(|_| Trouble::Foreign)?,
        blob: row.get(3)?,
    })
}

pub(super) fn idempotency(row: &Row<'_>) -> Rows<IdempotencyRecord> {
    Ok(IdempotencyRecord {
        key: row.get(0)?,
        request: row.get(1)?,
        order_id: OrderId::from_bytes(row.get(2)?),
        row_version: unsigned(row.get(3)?)?,
        at: row.get(4)?,
    })
}

/// The bits of `audit_entries.pk` that hold `seq`.
pub(super) const SEQ_MAX: i64 = (1 << 40) - 1;

/// `pk` of the entry at `seq` in the chain of `territory_pk`; a `seq` above the form's range is clamped, so
/// that a range never reaches into the next chain.
pub(super) fn entry_pk(territory_pk: i64, seq: u64) -> i64 {
    (territory_pk << 40) | i64::try_from(seq).unwrap_or(SEQ_MAX).min(SEQ_MAX)
}

pub(super) fn unsigned(value: i64) -> Rows<u64> {
    u64::try_from(value).map_err(|_| Trouble::Foreign)
}

/// Integers are at most 2^63 - 1 everywhere (FORMAT.md), so this never fails for what the service builds.
pub(super) fn signed(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| Error::new(ErrorCode::Internal, "an integer is above 2^63 - 1"))
}
