//! The embedded engine: one SQLite file in WAL mode, one writer, a pool of readers (STORAGE.md section 5).
//!
//! Reads run on the caller's thread: a point read takes a few microseconds, a hop to another thread ten times
//! that. Writers of several processes take turns at the file's write lock.

mod begin;
mod connect;
mod maintenance;
mod read;
mod recover;
mod rows;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod trace;
mod write;

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;
use tokio::sync::watch;

use self::connect::{FileGuard, Found};
use self::maintenance::Maintenance;
use self::rows::{Rows, unavailable};
use self::write::{Failure, Writer};
use crate::audit::Entry;
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Chain, OrderFilter, OrderId, TerritoryId};
use crate::storage::{
    BoxFuture, EntryQuery, EventPage, IdempotencyRecord, Initial, KeyRow, Linker, Meta, NotNow, OrderRow,
    Outcome, Relationship, RelationshipQuery, Storage, TerritoryRow, Unit, WrappedKey, Write,
};

/// How much of a commit is on the disk when it returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// All of it: nothing acknowledged is lost, power failure included.
    #[default]
    Full,
    /// Enough to stay consistent: a power failure (not a crash of the process) may lose the last commits.
    Normal,
}

/// How to open the file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// Make the file if it is missing; on by default.
    pub create: bool,
    /// What a commit waits for.
    pub synchronous: Synchronous,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { create: true, synchronous: Synchronous::Full }
    }
}

/// An open SQLite database.
pub struct SqliteStorage {
    shared: Arc<Shared>,
    maintenance: Mutex<Option<Maintenance>>,
}

/// What callers and the maintenance thread share.
struct Shared {
    path: PathBuf,
    options: SqliteOptions,
    /// `None` once closed.
    writer: Mutex<Option<Writer>>,
    readers: Mutex<Vec<Connection>>,
    guard: Mutex<Option<FileGuard>>,
    closed: AtomicBool,
    changed: watch::Sender<u64>,
    /// Commits so far: lets the maintenance thread tell idle from busy.
    commits: AtomicU64,
    /// The last commit was made by a caller on its own thread: nobody else may be writing.
    alone: AtomicBool,
    /// Pages the WAL has grown by since the last checkpoint, roughly.
    wal_pages: AtomicU64,
    /// A delete or a rotation left old keys in the WAL: truncate it soon.
    wipe_wal: AtomicBool,
    /// Connections must not be used, nor closed, after a fork.
    pid: u32,
}

const POOLED_READERS: usize = 16;

impl SqliteStorage {
    /// Opens the database at `path`, taken literally. A missing or empty one is made with `initial`; without
    /// it the answer is `None` and nothing is made but an empty file.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE` if the file can't be opened, `SCHEMA_UNSUPPORTED` if it is not a database of a
    /// format known here (it is left untouched).
    pub fn open(path: &Path, options: SqliteOptions, initial: Option<Initial>) -> Result<Option<Self>> {
        let (mut first, found) = connect::inspect(path, &options)?;
        if matches!(found, Found::Empty) {
            let Some(initial) = initial else { return Ok(None) };
            connect::configure(&first, &options)?;
            connect::create(&mut first, &initial)?;
        } else {
            connect::configure(&first, &options)?;
        }
        // The first read makes the WAL exist, so that its identity can be remembered.
        let format = first.query_row("SELECT format FROM meta", [], |row| row.get::<_, i64>(0));
        connect::expect_format(format.map_err(|e| unavailable(&e))?)?;
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            options,
            writer: Mutex::new(Some(Writer::new(first))),
            readers: Mutex::new(Vec::new()),
            guard: Mutex::new(Some(FileGuard::new(path)?)),
            closed: AtomicBool::new(false),
            changed: watch::Sender::new(0),
            commits: AtomicU64::new(0),
            alone: AtomicBool::new(false),
            wal_pages: AtomicU64::new(0),
            wipe_wal: AtomicBool::new(false),
            pid: std::process::id(),
        });
        let maintenance = Maintenance::start(&shared)?;
        Ok(Some(Self { shared, maintenance: Mutex::new(Some(maintenance)) }))
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> Rows<T>) -> Result<T> {
        self.shared.read(query)
    }

    /// A short read, after which the caller mostly commits.
    fn peek<T>(&self, query: impl FnOnce(&Connection) -> Rows<T>) -> Result<T> {
        self.shared.peek(query)
    }
}

impl Shared {
    fn live(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) || self.pid != std::process::id() {
            return Err(Error::new(ErrorCode::Closed, "the database is closed"));
        }
        Ok(())
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> Rows<T>) -> Result<T> {
        self.live()?;
        let pooled = lock(&self.readers).pop();
        let conn = match pooled {
            Some(conn) => conn,
            None => connect::connect(&self.path, &self.options)?,
        };
        let answer = query(&conn);
        let mut readers = lock(&self.readers);
        if readers.len() < POOLED_READERS && !self.closed.load(Ordering::Acquire) {
            readers.push(conn);
        }
        drop(readers);
        Ok(answer?)
    }

    /// Where one caller reads and writes in turn, it reads on the writer's connection if that is free: every
    /// commit empties the page caches of all other connections, and a reader would load the same pages again.
    fn peek<T>(&self, query: impl FnOnce(&Connection) -> Rows<T>) -> Result<T> {
        if self.alone.load(Ordering::Relaxed)
            && let Ok(writer) = self.writer.try_lock()
            && let Some(open) = writer.as_ref().filter(|open| open.conn.is_autocommit())
        {
            self.live()?;
            return Ok(query(&open.conn)?);
        }
        self.read(query)
    }

    /// Commits a group under the writer's lock and tells those who wait.
    fn commit(
        &self,
        writer: &mut Option<Writer>,
        units: &[Unit],
        linker: &dyn Linker,
    ) -> Result<Vec<Outcome>> {
        self.live()?;
        let open = writer.as_mut().ok_or_else(|| Error::new(ErrorCode::Closed, "the database is closed"))?;
        let outcomes = match open.commit(units, linker) {
            Ok(outcomes) => outcomes,
            // One unit spoils the group: each by itself, so that only that one is refused.
            Err(Failure::Constraint) if units.len() > 1 => {
                let mut outcomes = Vec::with_capacity(units.len());
                for unit in units {
                    match self.commit(writer, std::slice::from_ref(unit), linker) {
                        Ok(one) => outcomes.extend(one),
                        // "Nothing was written" would be a lie about the units before.
                        Err(_) if outcomes.iter().any(|one| matches!(one, Outcome::Done { .. })) => {
                            return Err(Error::new(
                                ErrorCode::OutcomeUnknown,
                                "the database failed after a part of the group was committed",
                            ));
                        }
                        Err(error) => return Err(error),
                    }
                }
                return Ok(outcomes);
            }
            Err(Failure::Constraint) => vec![Outcome::Refused],
            Err(Failure::Nothing(error)) => return Err(error),
            Err(Failure::Unknown(marks)) => return self.look(writer, units, &marks),
        };
        self.acknowledge(units, &outcomes)?;
        Ok(outcomes)
    }

    /// Whether the files are still those that others will open; if not, the storage closes.
    fn holds(&self) -> bool {
        let holds = lock(&self.guard).as_ref().is_some_and(FileGuard::holds);
        if !holds && self.give_up() {
            tracing::error!(target: "medorder", "the database file was replaced while open; the service closes");
        }
        holds
    }

    /// Before an answer: is the file that holds the commit still the one others will open?
    fn acknowledge(&self, units: &[Unit], outcomes: &[Outcome]) -> Result<()> {
        if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Done { .. })) {
            return Ok(());
        }
        if !self.holds() {
            return Err(Error::new(
                ErrorCode::OutcomeUnknown,
                "the database file was replaced or its write-ahead log removed while it was open",
            ));
        }
        let writes: usize = units.iter().map(|unit| unit.writes.len() + unit.drafts.len()).sum();
        self.wal_pages.fetch_add(1 + writes as u64, Ordering::Relaxed);
        if units
            .iter()
            .flat_map(|unit| &unit.writes)
            .any(|w| matches!(w, Write::Shred { .. } | Write::Rewrap { .. }))
        {
            self.wipe_wal.store(true, Ordering::Relaxed);
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Answers `CLOSED` from now on, also to whoever waits for a change.
    fn give_up(&self) -> bool {
        let was_open = !self.closed.swap(true, Ordering::AcqRel);
        self.changed.send_modify(|count| *count += 1);
        was_open
    }
}

impl Storage for SqliteStorage {
    fn commit<'a>(&'a self, units: Vec<Unit>, linker: &'a dyn Linker) -> BoxFuture<'a, Result<Vec<Outcome>>> {
        self.shared.alone.store(false, Ordering::Relaxed);
        let mut writer = lock(&self.shared.writer);
        Box::pin(ready(self.shared.commit(&mut writer, &units, linker)))
    }

    fn commit_now(&self, unit: Unit, linker: &dyn Linker) -> Result<Outcome, NotNow> {
        let mut writer = match self.shared.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(NotNow::Busy(unit)),
        };
        if writer.as_mut().is_some_and(|writer| !writer.begin_now()) {
            // Another process writes: the committer waits for it, and the caller for the committer.
            return Err(NotNow::Busy(unit));
        }
        self.shared.alone.store(true, Ordering::Relaxed);
        let committed = self.shared.commit(&mut writer, std::slice::from_ref(&unit), linker);
        if let (Err(_), Some(writer)) = (&committed, writer.as_mut()) {
            writer.end_stray();
        }
        let mut outcomes = committed.map_err(NotNow::Failed)?;
        outcomes.pop().ok_or_else(|| NotNow::Failed(Error::new(ErrorCode::Internal, "a unit has no outcome")))
    }

    fn meta(&self) -> BoxFuture<'_, Result<Meta>> {
        Box::pin(ready(self.peek(read::meta)))
    }

    fn territory<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Option<TerritoryRow>>> {
        Box::pin(ready(self.peek(|conn| read::territory(conn, chain))))
    }

    fn territories(&self) -> BoxFuture<'_, Result<Vec<TerritoryRow>>> {
        Box::pin(ready(self.read(read::territories)))
    }

    fn keys<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Vec<KeyRow>>> {
        Box::pin(ready(self.read(|conn| read::keys(conn, chain))))
    }

    fn all_keys(&self) -> BoxFuture<'_, Result<Vec<KeyRow>>> {
        Box::pin(ready(self.read(read::all_keys)))
    }

    fn order<'a>(
        &'a self,
        territory: &'a TerritoryId,
        id: OrderId,
    ) -> BoxFuture<'a, Result<Option<OrderRow>>> {
        Box::pin(ready(self.peek(|conn| read::order(conn, territory, id))))
    }

    fn order_exists(&self, id: OrderId) -> BoxFuture<'_, Result<bool>> {
        Box::pin(ready(self.read(|conn| read::order_exists(conn, id))))
    }

    fn orders<'a>(
        &'a self,
        territory: &'a TerritoryId,
        filter: &'a OrderFilter,
        before: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<OrderRow>>> {
        Box::pin(ready(self.peek(|conn| read::orders(conn, territory, filter, before, limit))))
    }

    fn order_count<'a>(&'a self, territory: &'a TerritoryId) -> BoxFuture<'a, Result<u64>> {
        Box::pin(ready(self.read(|conn| read::order_count(conn, territory))))
    }

    fn walk<'a>(
        &'a self,
        territory: &'a TerritoryId,
        after: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<OrderRow>>> {
        Box::pin(ready(self.read(|conn| read::walk(conn, territory, after, limit))))
    }

    fn strays(&self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(ready(self.read(read::strays)))
    }

    fn wraps_other_than<'a>(
        &'a self,
        territory: &'a TerritoryId,
        version: u32,
        after: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<WrappedKey>>> {
        Box::pin(ready(self.read(|conn| read::wraps_other_than(conn, territory, version, after, limit))))
    }

    fn idempotency<'a>(
        &'a self,
        territory: &'a TerritoryId,
        key: [u8; 32],
    ) -> BoxFuture<'a, Result<Option<IdempotencyRecord>>> {
        Box::pin(ready(self.peek(|conn| read::idempotency(conn, territory, &key))))
    }

    fn records<'a>(
        &'a self,
        territory: &'a TerritoryId,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<IdempotencyRecord>>> {
        Box::pin(ready(self.read(|conn| read::records(conn, territory, after, limit))))
    }

    fn entries<'a>(
        &'a self,
        chain: &'a Chain,
        query: &'a EntryQuery,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        Box::pin(ready(self.read(|conn| read::entries(conn, chain, query, limit))))
    }

    fn changes<'a>(
        &'a self,
        territory: &'a TerritoryId,
        id: OrderId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        Box::pin(ready(self.read(|conn| read::changes(conn, territory, id, after, limit))))
    }

    fn events<'a>(
        &'a self,
        territory: &'a TerritoryId,
        order: Option<OrderId>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<EventPage>>> {
        // The one read that no commit follows: from a file without a name it would stay silent for ever.
        let page = self.read(|conn| read::events(conn, territory, order, after, limit));
        Box::pin(ready(if self.shared.holds() { page } else { self.shared.live().and(page) }))
    }

    fn relationship<'a>(
        &'a self,
        territory: &'a TerritoryId,
        relationship: &'a Relationship,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ready(self.peek(|conn| read::relationship(conn, territory, relationship))))
    }

    fn relationships<'a>(
        &'a self,
        territory: &'a TerritoryId,
        query: &'a RelationshipQuery,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Relationship>>> {
        Box::pin(ready(self.read(|conn| read::relationships(conn, territory, query, limit))))
    }

    fn checkpoint<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(ready(self.read(|conn| read::checkpoint(conn, chain))))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    fn backup<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<()>> {
        Box::pin(ready(self.shared.live().and_then(|()| maintenance::backup(&self.shared, path))))
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(ready(self.shut()))
    }
}

impl SqliteStorage {
    fn shut(&self) -> Result<()> {
        if self.shared.pid != std::process::id() {
            return Ok(());
        }
        if let Some(maintenance) = lock(&self.maintenance).take() {
            maintenance.stop();
        }
        let mut writer = lock(&self.shared.writer);
        let was_open = self.shared.give_up();
        lock(&self.shared.readers).clear();
        if let Some(open) = writer.take()
            && was_open
        {
            maintenance::truncate_wal(&open.conn);
        }
        Ok(())
    }
}

impl Drop for SqliteStorage {
    fn drop(&mut self) {
        if self.shared.pid == std::process::id() {
            let _ = self.shut();
        } else {
            // The child of a fork: closing would drop the parent's locks, so leak instead.
            std::mem::forget(Arc::clone(&self.shared));
            if let Some(maintenance) = lock(&self.maintenance).take() {
                std::mem::forget(maintenance);
            }
        }
    }
}

/// A panic while a lock was held leaves whole values behind everywhere in this engine, so go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
