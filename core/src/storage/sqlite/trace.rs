//! What each statement costs, by SQLite's own counters. For tests only: no other build has it.

use std::sync::{Mutex, PoisonError};

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};

/// One run of a statement.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cost {
    /// Its text, with parameters as marks.
    pub sql: String,
    /// Rows stepped over by a scan that no index bounds.
    pub full_scan: u64,
    /// Sorts.
    pub sorts: u64,
    /// Rows put into an index made for this run.
    pub auto_index: u64,
    /// Steps of SQLite's virtual machine: a few dozen a row.
    pub steps: u64,
}

impl Cost {
    /// What a statement of anybody's costs on a connection of anybody's, with all its rows read.
    ///
    /// # Errors
    /// What SQLite says against it.
    pub fn of(conn: &Connection, sql: &str) -> rusqlite::Result<Self> {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        Ok(Self::counted(sql, |status| statement.get_status(status)))
    }

    fn counted(sql: &str, counter: impl Fn(StatementStatus) -> i32) -> Self {
        let counter = |status| u64::try_from(counter(status)).unwrap_or(0);
        Self {
            sql: sql.to_owned(),
            full_scan: counter(StatementStatus::FullscanStep),
            sorts: counter(StatementStatus::Sort),
            auto_index: counter(StatementStatus::AutoIndex),
            steps: counter(StatementStatus::VmStep),
        }
    }
}

/// Runs of the whole process since they were last taken; `None` while nobody asks.
static COSTS: Mutex<Option<Vec<Cost>>> = Mutex::new(None);

/// Counts every statement of connections that are made from now on.
pub fn count() {
    *COSTS.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
}

/// What has run since the last call.
#[must_use]
pub fn costs() -> Vec<Cost> {
    let mut costs = COSTS.lock().unwrap_or_else(PoisonError::into_inner);
    costs.as_mut().map(std::mem::take).unwrap_or_default()
}

/// Watches a new connection, if anybody asks.
pub(super) fn watch(conn: &Connection) {
    if COSTS.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
        // The counters add up over the life of a statement: each run gets one of its own.
        conn.set_prepared_statement_cache_capacity(0);
        conn.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(ended));
    }
}

fn ended(event: TraceEvent<'_>) {
    let TraceEvent::Profile(statement, _) = event else { return };
    let cost = Cost::counted(&statement.sql(), |status| statement.get_status(status));
    if let Some(costs) = &mut *COSTS.lock().unwrap_or_else(PoisonError::into_inner) {
        costs.push(cost);
    }
}
