//! Where orders and their log are kept. An engine holds no rule, no key and no plaintext: it applies finished
//! [`Unit`]s, each wholly or not at all, and links their drafts to the territory's chain in the same commit.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;

use tokio::sync::watch;

use crate::audit::chain::Place;
use crate::audit::{Entry, EntryDraft, Head};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Chain, OrderFilter, OrderId, TerritoryId};

#[cfg(any(test, feature = "test-util"))]
pub mod contract;
mod copy;
#[cfg(any(test, feature = "test-util"))]
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod types;

pub use self::copy::copy;
pub use self::types::{
    EntryQuery, EventPage, Fields, IdempotencyRecord, Initial, KeyRow, Meta, OrderRow, OrderUpdate, Outcome,
    Relationship, RelationshipQuery, TerritoryRow, Unit, WrappedKey, Write,
};

/// A boxed future, so that engines are chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A durable home of orders, keys and the log. Implementations are judged by one contract suite.
///
/// Every read sees whole commits only. A read of one call is one snapshot.
pub trait Storage: Send + Sync + 'static {
    /// Applies each unit wholly or not at all, links its drafts, durably. The outcomes stand in the order of
    /// the units. One call holds at most one unit an order and an idempotency key (views do not count).
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE` if nothing was written, `OUTCOME_UNKNOWN` if that can't be told, `CLOSED`.
    fn commit<'a>(&'a self, units: Vec<Unit>, linker: &'a dyn Linker) -> BoxFuture<'a, Result<Vec<Outcome>>>;

    /// The same for one unit, now, on the caller's thread, if the engine is idle.
    ///
    /// # Errors
    /// [`NotNow::Busy`] gives the unit back; [`NotNow::Failed`] as [`commit`](Storage::commit).
    fn commit_now(&self, unit: Unit, linker: &dyn Linker) -> Result<Outcome, NotNow>;

    /// The database's own identity.
    fn meta(&self) -> BoxFuture<'_, Result<Meta>>;

    /// One head row, with the end of its chain read in the same snapshot.
    fn territory<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Option<TerritoryRow>>>;

    /// Every head row, the system chain's first, then by territory id.
    fn territories(&self) -> BoxFuture<'_, Result<Vec<TerritoryRow>>>;

    /// The key rows of `chain`, by purpose and version.
    fn keys<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Vec<KeyRow>>>;

    /// Every key row, by purpose, territory and version.
    fn all_keys(&self) -> BoxFuture<'_, Result<Vec<KeyRow>>>;

    /// One order row, skeletons included.
    fn order<'a>(
        &'a self,
        territory: &'a TerritoryId,
        id: OrderId,
    ) -> BoxFuture<'a, Result<Option<OrderRow>>>;

    /// True if any territory has an order with this id.
    fn order_exists(&self, id: OrderId) -> BoxFuture<'_, Result<bool>>;

    /// Orders that `filter` matches, newest first, without skeletons, older than `before`. An id begins with the
    /// milliseconds of `created_at`, so an engine may look for times among the ids.
    fn orders<'a>(
        &'a self,
        territory: &'a TerritoryId,
        filter: &'a OrderFilter,
        before: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<OrderRow>>>;

    /// How many order rows a territory has, skeletons included.
    fn order_count<'a>(&'a self, territory: &'a TerritoryId) -> BoxFuture<'a, Result<u64>>;

    /// Every row by ascending id after `after`, skeletons included: verification walks this.
    fn walk<'a>(
        &'a self,
        territory: &'a TerritoryId,
        after: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<OrderRow>>>;

    /// True if an order row or an entry stands in no chain, or before the first place of one: no other read
    /// would ever meet it.
    fn strays(&self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Wrapped keys that do not name `version`, by ascending id after `after`: rotation walks this.
    fn wraps_other_than<'a>(
        &'a self,
        territory: &'a TerritoryId,
        version: u32,
        after: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<WrappedKey>>>;

    /// The record under an idempotency key.
    fn idempotency<'a>(
        &'a self,
        territory: &'a TerritoryId,
        key: [u8; 32],
    ) -> BoxFuture<'a, Result<Option<IdempotencyRecord>>>;

    /// Idempotency records after the key `after`, by key: for a copy of everything.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE` from an engine that can't be copied.
    fn records<'a>(
        &'a self,
        _territory: &'a TerritoryId,
        _after: Option<[u8; 32]>,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Vec<IdempotencyRecord>>> {
        let refused = Error::new(ErrorCode::StorageUnavailable, "this engine does not list its records");
        Box::pin(std::future::ready(Err(refused)))
    }

    /// Entries of a chain that `query` matches, by ascending `seq`.
    fn entries<'a>(
        &'a self,
        chain: &'a Chain,
        query: &'a EntryQuery,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>>;

    /// Success entries of `create`, `update_status` and `delete` of one order, by ascending row version,
    /// above `after`.
    fn changes<'a>(
        &'a self,
        territory: &'a TerritoryId,
        id: OrderId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>>;

    /// Events after `after`, of one order or of all, with the head of the same snapshot. `None`: there is no
    /// such territory.
    fn events<'a>(
        &'a self,
        territory: &'a TerritoryId,
        order: Option<OrderId>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<EventPage>>>;

    /// True if the stored registry has this relationship.
    fn relationship<'a>(
        &'a self,
        territory: &'a TerritoryId,
        relationship: &'a Relationship,
    ) -> BoxFuture<'a, Result<bool>>;

    /// Relationships after `after`, by patient and provider, optionally of one patient or provider.
    fn relationships<'a>(
        &'a self,
        territory: &'a TerritoryId,
        query: &'a RelationshipQuery,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Relationship>>>;

    /// The newest stored checkpoint of a chain.
    fn checkpoint<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Option<String>>>;

    /// Counts up when something may have been committed, here or by another process, and when the engine closes.
    /// A hint: readers also look by themselves.
    fn changed(&self) -> watch::Receiver<u64>;

    /// Copies the database to a new file at `path`.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE` if the engine cannot copy itself or the file exists.
    fn backup<'a>(&'a self, path: &'a std::path::Path) -> BoxFuture<'a, Result<()>>;

    /// Flushes and lets go of the database. Later calls answer `CLOSED`.
    fn close(&self) -> BoxFuture<'_, Result<()>>;
}

thread_local! {
    static BLOCKS: Cell<bool> = const { Cell::new(false) };
}

/// Drives a future on this thread, which may wait as long as it takes: an engine may then do its work right here.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            BLOCKS.set(self.0);
        }
    }
    let _before = Before(BLOCKS.replace(true));
    // Inside somebody's tokio task its budget runs out, since a call that blocks never yields: without this, the wake-up
    // that tokio owes then would wait for the very task that waits for it.
    pollster::block_on(tokio::task::unconstrained(future))
}

/// True inside [`block_on`]. Elsewhere a thread may belong to somebody's executor and must not wait.
#[cfg(feature = "postgres")]
pub(crate) fn blocks() -> bool {
    BLOCKS.get()
}

/// Why [`Storage::commit_now`] did not commit.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "STORAGE.md section 2")]
pub enum NotNow {
    /// The engine is not idle, or never commits on the caller's thread.
    Busy(Unit),
    /// As an error of [`Storage::commit`].
    Failed(Error),
}

/// Turns drafts into entries while the commit holds the head: sync, no IO, repeatable.
pub trait Linker: Send + Sync {
    /// Links `drafts` after `head` of `chain`.
    ///
    /// # Errors
    /// `INTERNAL` if the linker has no key of the chain; the unit is then refused.
    fn link(&self, chain: &Chain, head: &Head, drafts: &[EntryDraft]) -> Result<Vec<Entry>>;

    /// The same without a copy of the drafts, for an engine that writes them from where they are.
    ///
    /// # Errors
    /// As [`link`](Self::link).
    fn places(&self, chain: &Chain, head: &Head, drafts: &[EntryDraft]) -> Result<Vec<Place>> {
        let entries = self.link(chain, head, drafts)?;
        let place = |entry: Entry| {
            let head = Head { seq: entry.seq, hash: entry.hash, at: entry.body.at };
            Place { head, mac: entry.mac }
        };
        Ok(entries.into_iter().map(place).collect())
    }
}
