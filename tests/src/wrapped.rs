//! An engine inside another, whose calls a test sees and bends.

use std::path::Path;
use std::sync::Arc;

use medorder::audit::Entry;
use medorder::storage::{
    BoxFuture, EntryQuery, EventPage, IdempotencyRecord, KeyRow, Linker, Meta, NotNow, OrderRow, Outcome,
    Relationship, RelationshipQuery, Storage, TerritoryRow, Unit, WrappedKey,
};
use medorder::{Chain, OrderFilter, OrderId, Result, TerritoryId};
use tokio::sync::watch;

/// What happens around the calls of the engine inside.
pub trait Hook: Send + Sync + 'static {
    /// Before every read, and before a backup; an error stands for its answer.
    ///
    /// # Errors
    /// What the caller shall see.
    fn read(&self) -> Result<()> {
        Ok(())
    }

    /// In place of a commit.
    fn commit<'a>(
        &'a self,
        inner: &'a dyn Storage,
        units: Vec<Unit>,
        linker: &'a dyn Linker,
    ) -> BoxFuture<'a, Result<Vec<Outcome>>>;

    /// In place of a commit on the caller's thread.
    ///
    /// # Errors
    /// As the engine's own.
    fn commit_now(&self, inner: &dyn Storage, unit: Unit, linker: &dyn Linker) -> Result<Outcome, NotNow>;
}

/// An engine with a hook.
pub struct Wrapped<H> {
    /// The engine inside, for looking past the hook.
    pub inner: Arc<dyn Storage>,
    /// The hook.
    pub hook: H,
}

impl<H: Hook> Wrapped<H> {
    /// `inner` with `hook` around it.
    pub fn new(inner: Arc<dyn Storage>, hook: H) -> Arc<Self> {
        Arc::new(Self { inner, hook })
    }
}

/// Writes each read as the inner one of the same name, behind the hook.
macro_rules! reads {
    ($(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $answer:ty;)*) => {
        $(fn $name<'a>(&'a self $(, $arg: $type)*) -> BoxFuture<'a, Result<$answer>> {
            Box::pin(async move {
                self.hook.read()?;
                self.inner.$name($($arg),*).await
            })
        })*
    };
}

impl<H: Hook> Storage for Wrapped<H> {
    fn commit<'a>(&'a self, units: Vec<Unit>, linker: &'a dyn Linker) -> BoxFuture<'a, Result<Vec<Outcome>>> {
        self.hook.commit(&*self.inner, units, linker)
    }

    fn commit_now(&self, unit: Unit, linker: &dyn Linker) -> Result<Outcome, NotNow> {
        self.hook.commit_now(&*self.inner, unit, linker)
    }

    reads! {
        fn meta(&self) -> Meta;
        fn territory(&self, chain: &'a Chain) -> Option<TerritoryRow>;
        fn territories(&self) -> Vec<TerritoryRow>;
        fn keys(&self, chain: &'a Chain) -> Vec<KeyRow>;
        fn all_keys(&self) -> Vec<KeyRow>;
        fn order(&self, territory: &'a TerritoryId, id: OrderId) -> Option<OrderRow>;
        fn order_exists(&self, id: OrderId) -> bool;
        fn orders(&self, territory: &'a TerritoryId, filter: &'a OrderFilter, before: Option<OrderId>, limit: usize)
            -> Vec<OrderRow>;
        fn order_count(&self, territory: &'a TerritoryId) -> u64;
        fn walk(&self, territory: &'a TerritoryId, after: Option<OrderId>, limit: usize) -> Vec<OrderRow>;
        fn wraps_other_than(&self, territory: &'a TerritoryId, version: u32, after: Option<OrderId>, limit: usize)
            -> Vec<WrappedKey>;
        fn idempotency(&self, territory: &'a TerritoryId, key: [u8; 32]) -> Option<IdempotencyRecord>;
        fn records(&self, territory: &'a TerritoryId, after: Option<[u8; 32]>, limit: usize)
            -> Vec<IdempotencyRecord>;
        fn entries(&self, chain: &'a Chain, query: &'a EntryQuery, limit: usize) -> Vec<Entry>;
        fn changes(&self, territory: &'a TerritoryId, id: OrderId, after: u64, limit: usize) -> Vec<Entry>;
        fn events(&self, territory: &'a TerritoryId, order: Option<OrderId>, after: u64, limit: usize)
            -> Option<EventPage>;
        fn relationship(&self, territory: &'a TerritoryId, relationship: &'a Relationship) -> bool;
        fn relationships(&self, territory: &'a TerritoryId, query: &'a RelationshipQuery, limit: usize)
            -> Vec<Relationship>;
        fn checkpoint(&self, chain: &'a Chain) -> Option<String>;
        fn backup(&self, path: &'a Path) -> ();
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.inner.changed()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.close()
    }
}
