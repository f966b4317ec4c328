//! The engine for several machines: PostgreSQL (STORAGE.md section 6).
//!
//! A caller that blocks drives its connection itself; an async caller's read runs on the engine's own runtime, so
//! a caller that is dropped leaves no half-read connection behind. One writer a process.

mod connect;
mod group;
mod lane;
mod locked;
mod news;
mod options;
mod read;
mod rows;
mod write;

use std::future::{Future, ready};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

use self::connect::Settings;
use self::lane::{Lane, Local, Shelf, Work, closed, may_drive};
use self::news::News;
pub use self::options::{PostgresInit, PostgresOptions};
use self::rows::Trouble;
use self::write::{Writer, unavailable};
use crate::audit::Entry;
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Chain, OrderFilter, OrderId, TerritoryId};
use crate::storage::{
    BoxFuture, EntryQuery, EventPage, IdempotencyRecord, Initial, KeyRow, Linker, Meta, NotNow, OrderRow,
    Outcome, Relationship, RelationshipQuery, Storage, TerritoryRow, Unit, WrappedKey, Write, blocks,
};

/// Makes the schema with the owner's url, or brings the runtime role's grants up to date. `initial` counts only if
/// there is no schema yet.
///
/// # Errors
/// `VALIDATION_ERROR` if the url is malformed or has an option that is not known;
/// `STORAGE_UNAVAILABLE` if the server can't be reached or refuses, or the role is none that may be used;
/// `SCHEMA_UNSUPPORTED` if there is a schema of another format, which is left untouched.
pub async fn init(url: &str, settings: &PostgresInit, initial: &Initial) -> Result<()> {
    make(url, settings, initial).await.map(drop)
}

/// As [`init`]; answers the keys that stand there then.
pub(crate) async fn make(url: &str, settings: &PostgresInit, initial: &Initial) -> Result<Vec<KeyRow>> {
    let (url, settings, initial) = (url.to_owned(), settings.clone(), initial.clone());
    apart(async move { connect::init(&url, &settings, &initial).await }).await
}

/// Looks whether somebody can sign in at `url`.
pub(crate) async fn reach(url: &str) -> Result<()> {
    let url = url.to_owned();
    apart(async move { connect::reach(&url).await }).await
}

/// Runs `work` on a runtime of its own, since the caller may have another one or none.
async fn apart<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = own_runtime()?;
    let done = runtime.spawn(work).await;
    runtime.shutdown_background();
    done.unwrap_or_else(|_| Err(Error::new(ErrorCode::Internal, "work on a connection panicked")))
}

/// An open PostgreSQL database.
pub struct PostgresStorage {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

/// What callers and the engine's tasks share.
struct Shared {
    settings: Settings,
    patience: Duration,
    handle: tokio::runtime::Handle,
    /// `None` once closed.
    writer: Mutex<Option<Writer>>,
    lanes: Shelf<Lane>,
    room: Arc<Semaphore>,
    locals: Shelf<Local>,
    /// Blocking callers that read right now.
    driving: AtomicUsize,
    closed: AtomicBool,
    changed: watch::Sender<u64>,
    commits: AtomicU64,
    news: News,
    /// Connections must not be used, nor closed, after a fork.
    pid: u32,
}

impl PostgresStorage {
    /// Opens the database at `url` as the runtime role. Beside `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `host`,
    /// `hostaddr`, `port`, `dbname`, `user`, `password`, `application_name` and `options`, the url takes
    /// `pooler=transaction` and `listen=off`; without `sslmode` the server's certificate and name are checked.
    /// Nothing is ever created: [`init`] does that.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` if the url is malformed or has an option that is not known;
    /// `STORAGE_UNAVAILABLE` if the server can't be reached, could lose commits, or would not hold the role to its
    /// territories; `SCHEMA_UNSUPPORTED` if there is no schema of a format known here.
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self> {
        let settings = Settings::new(url, &options)?;
        let runtime = own_runtime()?;
        let handle = runtime.handle().clone();
        let shared = Arc::new(Shared {
            patience: options.patience,
            handle,
            writer: Mutex::new(Some(Writer::new()?)),
            lanes: Shelf::new(),
            room: Arc::new(Semaphore::new(settings.connections as usize)),
            locals: Shelf::new(),
            driving: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            changed: watch::Sender::new(0),
            commits: AtomicU64::new(0),
            news: News::new(process_name()),
            pid: std::process::id(),
            settings,
        });
        let storage = Self { shared: Arc::clone(&shared), runtime: Some(runtime) };
        let handle = shared.handle.clone();
        let first = handle.spawn(async move {
            let mut lane = Lane::open(&shared.settings).await?;
            shared.settings.check(&mut lane.conn).await?;
            shared.lanes.put(lane);
            news::start(&shared);
            Ok::<(), Error>(())
        });
        first.await.unwrap_or_else(|_| Err(Error::new(ErrorCode::Internal, "opening panicked")))?;
        Ok(storage)
    }

    fn read<T: Send + 'static>(&self, scope: &str, work: Work<T>) -> BoxFuture<'_, Result<T>> {
        self.shared.read(scope, work)
    }

    fn of<T: Send + 'static>(&self, territory: &TerritoryId, work: Work<T>) -> BoxFuture<'_, Result<T>> {
        self.shared.read(territory.as_str(), work)
    }
}

impl Shared {
    fn live(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) || self.pid != std::process::id() {
            return Err(closed());
        }
        Ok(())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle.spawn(task));
    }

    fn tick(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn is_watched(&self) -> bool {
        self.changed.receiver_count() > 0
    }

    fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn read<T: Send + 'static>(self: &Arc<Self>, scope: &str, work: Work<T>) -> BoxFuture<'_, Result<T>> {
        if let Err(error) = self.live() {
            return Box::pin(ready(Err(error)));
        }
        if blocks() && may_drive() {
            let limit = self.settings.connections as usize;
            if self.driving.fetch_add(1, Ordering::AcqRel) < limit {
                let done = self.drive(scope, &work);
                self.driving.fetch_sub(1, Ordering::AcqRel);
                return Box::pin(ready(done));
            }
            self.driving.fetch_sub(1, Ordering::AcqRel);
        }
        let (shared, scope) = (Arc::clone(self), scope.to_owned());
        let running = self.handle.spawn(async move { shared.away(&scope, &work).await });
        Box::pin(async move {
            running
                .await
                .unwrap_or_else(|_| Err(Error::new(ErrorCode::StorageUnavailable, "the engine is stopping")))
        })
    }

    /// Reads on the caller's thread.
    fn drive<T>(&self, scope: &str, work: &Work<T>) -> Result<T> {
        let mut local = match self.locals.take(|local| local.sees(scope)) {
            Some(local) => local,
            None => Local::new()?,
        };
        let done = local.read(&self.settings, scope, work)?;
        if self.live().is_ok() {
            self.locals.put(local);
        }
        Ok(done?)
    }

    /// Reads on the engine's runtime.
    async fn away<T>(&self, scope: &str, work: &Work<T>) -> Result<T> {
        let _room = self.room.acquire().await.map_err(|_| closed())?;
        let mut lane = self.lanes.take(|lane| lane.sees(scope));
        let done = lane::again(&mut lane, &self.settings, scope, work).await;
        if let Some(lane) = lane
            && !matches!(done, Err(Trouble::Lost))
            && self.live().is_ok()
        {
            self.lanes.put(lane);
        }
        Ok(done?)
    }

    fn commit(
        &self,
        writer: &mut Option<Writer>,
        units: &[Unit],
        linker: &dyn Linker,
    ) -> Result<Vec<Outcome>> {
        self.live()?;
        let open = writer.as_mut().ok_or_else(closed)?;
        let outcomes = open.commit(&self.settings, self.patience, units, linker).inspect_err(|error| {
            if error.code() == ErrorCode::OutcomeUnknown {
                // Some of it may stand there.
                self.tick();
            }
        })?;
        let done =
            || units.iter().zip(&outcomes).filter(|(_, outcome)| matches!(outcome, Outcome::Done { .. }));
        if done().next().is_some() {
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        // A subscriber has nothing to look for after views and denials alone.
        if done().any(|(unit, _)| unit.writes.iter().any(|write| !matches!(write, Write::Present(_)))) {
            self.tick();
        }
        if done().any(|(unit, _)| unit.drafts.iter().any(is_event)) {
            self.news.tell();
        }
        Ok(outcomes)
    }
}

/// Views, denials and administrative entries are no events.
fn is_event(draft: &crate::audit::EntryDraft) -> bool {
    draft.outcome == "success" && matches!(&*draft.action, "create" | "update_status" | "delete")
}

fn own_runtime() -> Result<Runtime> {
    let runtime =
        Builder::new_multi_thread().worker_threads(1).thread_name("medorder-postgres").enable_all().build();
    runtime.map_err(|_| unavailable("no thread can be started"))
}

/// Tells this storage's messages from those of others; not secret, but two must not be alike.
fn process_name() -> String {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    // The standard library's hash keys are random for each process.
    let random = RandomState::new().hash_one(OPENED.fetch_add(1, Ordering::Relaxed));
    format!("{}.{random:x}", std::process::id())
}

impl Storage for PostgresStorage {
    fn commit<'a>(&'a self, units: Vec<Unit>, linker: &'a dyn Linker) -> BoxFuture<'a, Result<Vec<Outcome>>> {
        let work = || {
            let mut writer = lock(&self.shared.writer);
            self.shared.commit(&mut writer, &units, linker)
        };
        if may_drive() {
            return Box::pin(ready(work()));
        }
        // Inside somebody's runtime no other one can be driven.
        let done = std::thread::scope(|scope| scope.spawn(work).join());
        Box::pin(ready(
            done.unwrap_or_else(|_| Err(Error::new(ErrorCode::OutcomeUnknown, "the commit panicked"))),
        ))
    }

    fn commit_now(&self, unit: Unit, linker: &dyn Linker) -> Result<Outcome, NotNow> {
        if !may_drive() {
            return Err(NotNow::Busy(unit));
        }
        let mut writer = match self.shared.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(NotNow::Busy(unit)),
        };
        let done = self.shared.commit(&mut writer, std::slice::from_ref(&unit), linker);
        let outcome = done.map_err(NotNow::Failed)?.pop();
        outcome.ok_or_else(|| NotNow::Failed(Error::new(ErrorCode::Internal, "a unit has no outcome")))
    }

    fn meta(&self) -> BoxFuture<'_, Result<Meta>> {
        self.read("", read::meta())
    }

    fn territory<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Option<TerritoryRow>>> {
        self.read(chain.as_str(), read::territory(chain.as_str()))
    }

    fn territories(&self) -> BoxFuture<'_, Result<Vec<TerritoryRow>>> {
        Box::pin(async move {
            // Where each chain ends is seen only with its rows in sight.
            let names = self.read("", read::names()).await?;
            self.read(&names.join(","), read::territories()).await
        })
    }

    fn keys<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Vec<KeyRow>>> {
        self.read(chain.as_str(), read::keys(chain.as_str()))
    }

    fn all_keys(&self) -> BoxFuture<'_, Result<Vec<KeyRow>>> {
        self.read("", read::all_keys())
    }

    fn order<'a>(
        &'a self,
        territory: &'a TerritoryId,
        id: OrderId,
    ) -> BoxFuture<'a, Result<Option<OrderRow>>> {
        self.of(territory, read::order(territory.as_str(), id))
    }

    fn order_exists(&self, id: OrderId) -> BoxFuture<'_, Result<bool>> {
        self.read("", read::order_exists(id))
    }

    fn orders<'a>(
        &'a self,
        territory: &'a TerritoryId,
        filter: &'a OrderFilter,
        before: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<OrderRow>>> {
        self.of(territory, read::orders(territory.as_str(), filter, before, limit))
    }

    fn order_count<'a>(&'a self, territory: &'a TerritoryId) -> BoxFuture<'a, Result<u64>> {
        self.of(territory, read::order_count(territory.as_str()))
    }

    fn walk<'a>(
        &'a self,
        territory: &'a TerritoryId,
        after: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<OrderRow>>> {
        self.of(territory, read::walk(territory.as_str(), after, limit))
    }

    fn strays(&self) -> BoxFuture<'_, Result<bool>> {
        self.read("", read::strays())
    }

    fn wraps_other_than<'a>(
        &'a self,
        territory: &'a TerritoryId,
        version: u32,
        after: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<WrappedKey>>> {
        self.of(territory, read::wraps_other_than(territory.as_str(), version, after, limit))
    }

    fn idempotency<'a>(
        &'a self,
        territory: &'a TerritoryId,
        key: [u8; 32],
    ) -> BoxFuture<'a, Result<Option<IdempotencyRecord>>> {
        self.of(territory, read::idempotency(territory.as_str(), &key))
    }

    fn records<'a>(
        &'a self,
        territory: &'a TerritoryId,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<IdempotencyRecord>>> {
        self.of(territory, read::records(territory.as_str(), after, limit))
    }

    fn entries<'a>(
        &'a self,
        chain: &'a Chain,
        query: &'a EntryQuery,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        self.read(chain.as_str(), read::entries(chain.as_str(), query, limit))
    }

    fn changes<'a>(
        &'a self,
        territory: &'a TerritoryId,
        id: OrderId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        self.of(territory, read::changes(territory.as_str(), id, after, limit))
    }

    fn events<'a>(
        &'a self,
        territory: &'a TerritoryId,
        order: Option<OrderId>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<EventPage>>> {
        self.of(territory, read::events(territory.as_str(), order, after, limit))
    }

    fn relationship<'a>(
        &'a self,
        territory: &'a TerritoryId,
        relationship: &'a Relationship,
    ) -> BoxFuture<'a, Result<bool>> {
        self.of(territory, read::relationship(territory.as_str(), relationship))
    }

    fn relationships<'a>(
        &'a self,
        territory: &'a TerritoryId,
        query: &'a RelationshipQuery,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Relationship>>> {
        self.of(territory, read::relationships(territory.as_str(), query, limit))
    }

    fn checkpoint<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Option<String>>> {
        self.read(chain.as_str(), read::checkpoint(chain.as_str()))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    fn backup<'a>(&'a self, _: &'a Path) -> BoxFuture<'a, Result<()>> {
        let refused = unavailable("PostgreSQL is copied by its own tools (pg_basebackup, pg_dump)");
        Box::pin(ready(self.shared.live().and(Err(refused))))
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.shut();
        Box::pin(ready(Ok(())))
    }
}

impl PostgresStorage {
    fn shut(&self) {
        let shared = &self.shared;
        if shared.pid != std::process::id() {
            return;
        }
        // Whoever commits right now ends first.
        let writer = lock(&shared.writer).take();
        shared.closed.store(true, Ordering::Release);
        shared.room.close();
        shared.tick();
        shared.news.end();
        drop((writer, shared.lanes.clear(), shared.locals.clear()));
    }
}

impl Drop for PostgresStorage {
    fn drop(&mut self) {
        let runtime = self.runtime.take();
        if self.shared.pid == std::process::id() {
            self.shut();
            if let Some(runtime) = runtime {
                // A plain drop would block, and panics inside another runtime.
                runtime.shutdown_background();
            }
        } else {
            // The child of a fork: closing would speak on the parent's connections, so leak instead.
            std::mem::forget(runtime);
            std::mem::forget(self.shared.lanes.clear());
            self.shared.locals.clear().into_iter().for_each(Local::forget);
            if let Some(writer) = lock(&self.shared.writer).take() {
                writer.forget();
            }
        }
    }
}

/// A panic while a lock was held leaves whole values behind everywhere in this engine, so go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
