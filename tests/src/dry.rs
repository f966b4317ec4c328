//! An engine that reads a real file and writes nothing, so that a campaign can ask thousands of questions of one
//! database without the answers' own audit entries changing it.

use std::future::ready;
use std::path::Path;
use std::sync::Arc;

use medorder::audit::Entry;
use medorder::model::Chain;
use medorder::storage::{
    BoxFuture, EntryQuery, EventPage, IdempotencyRecord, KeyRow, Linker, Meta, NotNow, OrderRow, Outcome,
    Relationship, RelationshipQuery, Storage, TerritoryRow, Unit, WrappedKey,
};
use medorder::{OrderFilter, OrderId, Result, TerritoryId};
use tokio::sync::watch;

/// Passes every read on and answers every commit as done.
pub struct Dry(pub Arc<dyn Storage>);

/// Writes each read as the inner engine's read of the same name.
macro_rules! passed_on {
    ($(fn $name:ident(&'a self $(, $arg:ident: $type:ty)*) -> $answer:ty;)*) => {
        $(fn $name<'a>(&'a self $(, $arg: $type)*) -> BoxFuture<'a, Result<$answer>> {
            self.0.$name($($arg),*)
        })*
    };
}

impl Storage for Dry {
    fn commit<'a>(&'a self, units: Vec<Unit>, _: &'a dyn Linker) -> BoxFuture<'a, Result<Vec<Outcome>>> {
        Box::pin(ready(Ok(units.iter().map(|_| Outcome::Done { first_seq: 1 }).collect())))
    }

    fn commit_now(&self, _: Unit, _: &dyn Linker) -> Result<Outcome, NotNow> {
        Ok(Outcome::Done { first_seq: 1 })
    }

    passed_on! {
        fn meta(&'a self) -> Meta;
        fn territory(&'a self, chain: &'a Chain) -> Option<TerritoryRow>;
        fn territories(&'a self) -> Vec<TerritoryRow>;
        fn keys(&'a self, chain: &'a Chain) -> Vec<KeyRow>;
        fn all_keys(&'a self) -> Vec<KeyRow>;
        fn order(&'a self, territory: &'a TerritoryId, id: OrderId) -> Option<OrderRow>;
        fn order_exists(&'a self, id: OrderId) -> bool;
        fn orders(&'a self, territory: &'a TerritoryId, filter: &'a OrderFilter, before: Option<OrderId>,
            limit: usize) -> Vec<OrderRow>;
        fn order_count(&'a self, territory: &'a TerritoryId) -> u64;
        fn walk(&'a self, territory: &'a TerritoryId, after: Option<OrderId>, limit: usize) -> Vec<OrderRow>;
        fn strays(&'a self) -> bool;
        fn wraps_other_than(&'a self, territory: &'a TerritoryId, version: u32, after: Option<OrderId>,
            limit: usize) -> Vec<WrappedKey>;
        fn idempotency(&'a self, territory: &'a TerritoryId, key: [u8; 32]) -> Option<IdempotencyRecord>;
        fn entries(&'a self, chain: &'a Chain, query: &'a EntryQuery, limit: usize) -> Vec<Entry>;
        fn changes(&'a self, territory: &'a TerritoryId, id: OrderId, after: u64, limit: usize) -> Vec<Entry>;
        fn events(&'a self, territory: &'a TerritoryId, order: Option<OrderId>, after: u64, limit: usize)
            -> Option<EventPage>;
        fn relationship(&'a self, territory: &'a TerritoryId, one: &'a Relationship) -> bool;
        fn relationships(&'a self, territory: &'a TerritoryId, query: &'a RelationshipQuery, limit: usize)
            -> Vec<Relationship>;
        fn checkpoint(&'a self, chain: &'a Chain) -> Option<String>;
        fn backup(&'a self, path: &'a Path) -> ();
        fn close(&'a self) -> ();
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed()
    }
}
