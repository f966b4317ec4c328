//! Connections: what each may see, and who drives it.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{Executor, PgConnection, Postgres, SqlSafeStr};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::connect::Settings;
use super::rows::{Rows, Trouble};
use crate::error::{Error, ErrorCode, Result};
use crate::storage::BoxFuture;

/// Territories whose rows a connection may see: sorted, joined by commas. Row-level security compares with it.
pub(super) type Scope = String;

/// A connection.
pub(super) struct Lane {
    pub(super) conn: PgConnection,
    pooled: bool,
    scope: Option<Scope>,
    planned: Instant,
}

/// How long a statement's plan is kept: one that was made for an empty table walks through it once it is full, and
/// the server plans anew only after its statistics have changed, a minute later or more.
const PLANNED: Duration = Duration::from_secs(10);

/// A piece of work on a connection that may be done again on another one.
pub(super) type Work<T> = Box<dyn for<'c> Fn(&'c mut Lane) -> BoxFuture<'c, Rows<T>> + Send + Sync>;

impl Lane {
    pub(super) async fn open(settings: &Settings) -> Rows<Self> {
        let conn = settings.connect().await?;
        Ok(Self { conn, pooled: settings.pooled, scope: None, planned: Instant::now() })
    }

    /// A statement; behind a pooler it has no name, since the next one may find another connection.
    pub(super) fn query<'q>(&self, sql: impl SqlSafeStr) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(sql).persistent(!self.pooled)
    }

    pub(super) fn sees(&self, scope: &str) -> bool {
        self.scope.as_deref() == Some(scope)
    }

    /// What it sees now; empty if that was never said.
    pub(super) fn scope(&self) -> &str {
        self.scope.as_deref().unwrap_or_default()
    }

    /// Does `work` with the rows of `scope` in sight.
    pub(super) async fn within<T>(&mut self, scope: &str, work: &Work<T>) -> Rows<T> {
        if self.pooled {
            self.begin(scope).await?;
            let done = work(self).await;
            let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
            self.end(end).await?;
            return done;
        }
        self.see(scope).await?;
        work(self).await
    }

    /// Begins a transaction with the rows of `scope` in sight.
    pub(super) async fn begin(&mut self, scope: &str) -> Rows<()> {
        if !self.pooled {
            self.see(scope).await?;
        }
        let pooled = self.pooled.then(|| {
            self.query(
                "SELECT set_config('medorder.t', $1, true), set_config('lock_timeout', '2s', true), \
                 set_config('search_path', 'pg_catalog', true), \
                 set_config('idle_in_transaction_session_timeout', '10s', true), \
                 CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply') THEN '' \
                     ELSE set_config('synchronous_commit', 'on', true) END",
            )
            .bind(scope.to_owned())
        });
        let conn = &mut self.conn;
        limited(async {
            conn.execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
            if let Some(settings) = pooled {
                settings.execute(conn).await?;
            }
            Ok(())
        })
        .await
    }

    /// One statement may commit by itself, unless a pooler could hand it to a connection that sees other rows.
    pub(super) const fn autocommits(&self) -> bool {
        !self.pooled
    }

    /// Ends a transaction: `COMMIT` or `ROLLBACK`.
    pub(super) async fn end(&mut self, how: &'static str) -> Rows<()> {
        limited(async { Ok(self.conn.execute(how).await.map(|_| ())?) }).await
    }

    /// Sends the scope if the connection has another one; drops plans that are old.
    pub(super) async fn see(&mut self, scope: &str) -> Rows<()> {
        if self.planned.elapsed() > PLANNED {
            limited(async { Ok(self.conn.execute("DISCARD PLANS").await?) }).await?;
            self.planned = Instant::now();
        }
        if self.sees(scope) {
            return Ok(());
        }
        self.scope = None;
        let query = self.query("SELECT set_config('medorder.t', $1, false)").bind(scope.to_owned());
        let conn = &mut self.conn;
        limited(async { Ok(query.execute(conn).await?) }).await?;
        self.scope = Some(scope.to_owned());
        Ok(())
    }
}

/// A connection that the thread that uses it drives: no other thread has to wake up for an answer.
pub(super) struct Local {
    /// Before the runtime, which must outlive it.
    lane: Option<Lane>,
    runtime: Option<Runtime>,
}

impl Local {
    pub(super) fn new() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|_| Error::new(ErrorCode::StorageUnavailable, "no reactor can be made"))?;
        Ok(Self { lane: None, runtime: Some(runtime) })
    }

    /// Runs a future on this thread, which must not be inside a runtime.
    pub(super) fn run<T>(&mut self, work: impl AsyncFnOnce(&mut Option<Lane>) -> T) -> Result<T> {
        let runtime = self.runtime.as_ref().ok_or_else(closed)?;
        Ok(runtime.block_on(work(&mut self.lane)))
    }

    /// Does `work`, on a new connection if the one it has turns out to be lost.
    pub(super) fn read<T>(&mut self, settings: &Settings, scope: &str, work: &Work<T>) -> Result<Rows<T>> {
        self.run(async |lane| again(lane, settings, scope, work).await)
    }

    pub(super) fn sees(&self, scope: &str) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.sees(scope))
    }

    /// Lets go of everything without a word to the server, in the child of a fork.
    pub(super) fn forget(mut self) {
        std::mem::forget(self.lane.take());
        std::mem::forget(self.runtime.take());
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.lane = None;
        if let Some(runtime) = self.runtime.take() {
            // A plain drop would panic inside another runtime.
            runtime.shutdown_background();
        }
    }
}

/// A connection that gives no answer for so long is taken for lost: the network may have swallowed it. Well
/// below the patience of a commit, which has to look on another connection what became of it.
pub(super) const STALLED: Duration = Duration::from_secs(10);
/// The same for a statement that may walk through a whole territory.
pub(super) const WALKING: Duration = Duration::from_secs(600);

/// Waits for the server, but not for ever.
pub(super) async fn limited<T>(answer: impl Future<Output = Rows<T>>) -> Rows<T> {
    within(STALLED, answer).await
}

pub(super) async fn within<T>(limit: Duration, answer: impl Future<Output = Rows<T>>) -> Rows<T> {
    timeout(limit, answer).await.unwrap_or(Err(Trouble::Lost))
}

/// True where a thread may wait by driving a reactor of its own.
pub(super) fn may_drive() -> bool {
    tokio::runtime::Handle::try_current().is_err()
}

/// Reads may be repeated: a server that was restarted leaves connections that only look alive.
pub(super) async fn again<T>(
    lane: &mut Option<Lane>,
    settings: &Settings,
    scope: &str,
    work: &Work<T>,
) -> Rows<T> {
    for _ in 0..2 {
        if let Some(open) = lane {
            match open.within(scope, work).await {
                Err(Trouble::Lost) => *lane = None,
                done => return done,
            }
        }
        *lane = Some(Lane::open(settings).await?);
    }
    match lane {
        Some(open) => open.within(scope, work).await,
        None => Err(Trouble::Lost),
    }
}

/// Idle connections, those that already see what is asked for first.
pub(super) struct Shelf<T> {
    idle: Mutex<Vec<T>>,
}

impl<T> Shelf<T> {
    pub(super) const fn new() -> Self {
        Self { idle: Mutex::new(Vec::new()) }
    }

    pub(super) fn take(&self, fits: impl Fn(&T) -> bool) -> Option<T> {
        let mut idle = self.lock();
        let place = idle.iter().rposition(fits).or_else(|| idle.len().checked_sub(1))?;
        Some(idle.swap_remove(place))
    }

    pub(super) fn put(&self, one: T) {
        self.lock().push(one);
    }

    pub(super) fn clear(&self) -> Vec<T> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorCode::Closed, "the database is closed")
}
