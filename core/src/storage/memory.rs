//! An engine in memory, for tests: the contract in its plainest form.

use std::collections::BTreeMap;
use std::future::ready;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{
    BoxFuture, EntryQuery, EventPage, IdempotencyRecord, KeyRow, Linker, Meta, NotNow, OrderRow, Outcome,
    Relationship, RelationshipQuery, Storage, TerritoryRow, Unit, WrappedKey, Write,
};
use crate::audit::chain::Head;
use crate::audit::{Action, Entry};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Chain, OrderFilter, OrderId, TerritoryId};

/// A database that lives as long as the value.
pub struct MemoryStorage {
    /// `None` once closed.
    state: Mutex<Option<State>>,
    changed: watch::Sender<u64>,
}

#[derive(Clone)]
struct State {
    generation: [u8; 16],
    keys: Vec<KeyRow>,
    territories: BTreeMap<Chain, Territory>,
}

#[derive(Clone)]
struct Territory {
    epoch: u64,
    active: bool,
    head: Head,
    orders: BTreeMap<OrderId, OrderRow>,
    entries: Vec<Entry>,
    idempotency: BTreeMap<[u8; 32], IdempotencyRecord>,
    relationships: Vec<Relationship>,
    checkpoints: BTreeMap<u64, String>,
}

impl MemoryStorage {
    /// A new database with these first keys.
    #[must_use]
    pub fn new(generation: [u8; 16], mut keys: Vec<KeyRow>) -> Self {
        keys.sort();
        let territories = BTreeMap::from([(Chain::System, Territory::new(&Chain::System, 1))]);
        Self {
            state: Mutex::new(Some(State { generation, keys, territories })),
            changed: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, query: impl FnOnce(&State) -> T) -> Result<T> {
        self.lock().as_ref().map(query).ok_or_else(closed)
    }

    fn of<T: Default>(&self, territory: &TerritoryId, query: impl FnOnce(&Territory) -> T) -> Result<T> {
        self.read(|state| {
            state.territories.get(&Chain::Territory(territory.clone())).map(query).unwrap_or_default()
        })
    }

    fn apply(&self, units: &[Unit], linker: &dyn Linker) -> Result<Vec<Outcome>> {
        let mut guard = self.lock();
        let state = guard.as_mut().ok_or_else(closed)?;
        let mut next = state.clone();
        let outcomes = units.iter().map(|unit| next.apply(unit, linker)).collect::<Result<Vec<_>>>()?;
        *state = next;
        drop(guard);
        self.changed.send_modify(|count| *count += 1);
        Ok(outcomes)
    }
}

impl State {
    fn apply(&mut self, unit: &Unit, linker: &dyn Linker) -> Result<Outcome> {
        let registers = unit.writes.contains(&Write::Territory);
        let before = self.clone();
        match self.territories.get(&unit.chain) {
            Some(territory) if territory.epoch != unit.epoch => return Ok(Outcome::StaleEpoch),
            Some(_) => {}
            None if registers => {
                self.territories.insert(unit.chain.clone(), Territory::new(&unit.chain, unit.epoch));
            }
            None => return Ok(Outcome::StaleEpoch),
        }
        let outcome = self.apply_known(unit, linker);
        if !matches!(outcome, Ok(Outcome::Done { .. })) {
            *self = before;
        }
        outcome
    }

    fn apply_known(&mut self, unit: &Unit, linker: &dyn Linker) -> Result<Outcome> {
        let territory = self.territories.get_mut(&unit.chain).ok_or_else(closed)?;
        let taken: Vec<_> = unit
            .idempotency
            .iter()
            .filter_map(|record| territory.idempotency.get(&record.key).cloned())
            .collect();
        if !taken.is_empty() {
            return Ok(Outcome::Replay(taken));
        }
        for write in &unit.writes {
            if let Some(misfit) = territory.misfit(write) {
                return Ok(misfit);
            }
            let key_misfit = match write {
                Write::Key(key) => self.keys.iter().any(|row| same_key(row, key)),
                Write::ReplaceKeys { old, .. } => self.keys != *old,
                _ => false,
            };
            if key_misfit {
                return Ok(Outcome::Conflict { order: None });
            }
        }
        let entries = linker.link(&unit.chain, &territory.head, &unit.drafts)?;
        let first_seq = territory.head.seq + 1;
        for entry in &entries {
            let change = |other: &Entry| {
                other.is_event()
                    && (other.body.order_id, other.body.row_version)
                        == (entry.body.order_id, entry.body.row_version)
            };
            if entry.is_event() && territory.entries.iter().any(change) {
                return Ok(Outcome::Refused);
            }
            territory.head = Head { seq: entry.seq, hash: entry.hash, at: entry.body.at };
            territory.entries.push(entry.clone());
        }
        territory.idempotency.extend(unit.idempotency.iter().map(|record| (record.key, record.clone())));
        let mut raise_all = false;
        for write in &unit.writes {
            match write {
                Write::Insert(row) if territory.orders.contains_key(&row.order_id) => {
                    return Ok(Outcome::Refused);
                }
                Write::Key(key) => self.keys.push(key.clone()),
                Write::ReplaceKeys { new, .. } => {
                    self.keys.clone_from(new);
                    raise_all = true;
                }
                Write::Generation(generation) => {
                    self.generation = *generation;
                    raise_all = true;
                }
                other => territory.write(other),
            }
        }
        if raise_all {
            self.territories.values_mut().for_each(|territory| territory.epoch += 1);
        }
        self.keys.sort();
        Ok(Outcome::Done { first_seq })
    }
}

impl Territory {
    fn new(chain: &Chain, epoch: u64) -> Self {
        Self {
            epoch,
            active: true,
            head: Head::genesis(chain.as_str()),
            orders: BTreeMap::new(),
            entries: Vec::new(),
            idempotency: BTreeMap::new(),
            relationships: Vec::new(),
            checkpoints: BTreeMap::new(),
        }
    }

    fn misfit(&self, write: &Write) -> Option<Outcome> {
        let (id, expected) = match write {
            Write::Update(update) => (update.order_id, Some(update.from_version)),
            Write::Shred { order_id, from_version, .. } => (*order_id, Some(*from_version)),
            Write::Present(order_id) => (*order_id, None),
            _ => return None,
        };
        let now = self.orders.get(&id).filter(|row| row.wrapped.is_some()).map(|row| row.version);
        let fits = now.is_some() && expected.is_none_or(|version| now == Some(version));
        (!fits).then_some(Outcome::Conflict { order: Some((id, now)) })
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::Insert(row) => {
                self.orders.insert(row.order_id, (**row).clone());
            }
            Write::Update(update) => {
                if let Some(row) = self.orders.get_mut(&update.order_id) {
                    row.status.clone_from(&update.status);
                    (row.version, row.updated_at) = (update.version, update.updated_at);
                    row.seal = Some(update.seal.clone());
                    if let Some(fields) = &update.fields {
                        row.fields.clone_from(fields);
                    }
                }
            }
            Write::Shred { order_id, from_version, updated_at } => {
                if let Some(row) = self.orders.get_mut(order_id) {
                    (row.version, row.updated_at) = (from_version + 1, *updated_at);
                    (row.wrapped, row.seal, row.fields) = (None, None, Default::default());
                }
            }
            Write::Rewrap { order_id, old, new } => {
                if let Some(row) = self.orders.get_mut(order_id)
                    && row.wrapped.as_ref() == Some(old)
                {
                    row.wrapped = Some(new.clone());
                }
            }
            Write::Territory => self.active = true,
            Write::Unregister => (self.active, self.epoch) = (false, self.epoch + 1),
            Write::RaiseEpoch => self.epoch += 1,
            Write::Relationship(one) => {
                if let Err(place) = self.relationships.binary_search(one) {
                    self.relationships.insert(place, one.clone());
                }
            }
            Write::RemoveRelationship(one) => {
                if let Ok(place) = self.relationships.binary_search(one) {
                    self.relationships.remove(place);
                    self.epoch += 1;
                }
            }
            Write::Checkpoint { seq, note } => {
                self.checkpoints.insert(*seq, note.clone());
            }
            Write::Present(_) | Write::Key(_) | Write::ReplaceKeys { .. } | Write::Generation(_) => {}
        }
    }

    fn row(&self, chain: &Chain, generation: [u8; 16]) -> TerritoryRow {
        TerritoryRow {
            chain: chain.clone(),
            epoch: self.epoch,
            active: self.active,
            head: self.head,
            last_seq: self.entries.len() as u64,
            generation,
        }
    }

    fn matches(&self, query: &EntryQuery, entry: &Entry) -> bool {
        let body = &entry.body;
        let id = OrderId::from_bytes(body.order_id);
        let patient = |wanted: &String| self.orders.get(&id).is_some_and(|row| row.patient_id == *wanted);
        entry.seq > query.after
            && query.upto.is_none_or(|upto| entry.seq <= upto)
            && query.order_id.is_none_or(|wanted| wanted == id)
            && query.patient_id.as_ref().is_none_or(patient)
            && query.user_id.as_ref().is_none_or(|user| body.user_id == *user)
            && query.from.is_none_or(|from| body.at >= from)
            && query.to.is_none_or(|to| body.at < to)
            && (!query.disclosures
                || (body.action == Action::View.name() && body.outcome == "success" && body.fields != 0))
    }
}

impl Storage for MemoryStorage {
    fn commit<'a>(&'a self, units: Vec<Unit>, linker: &'a dyn Linker) -> BoxFuture<'a, Result<Vec<Outcome>>> {
        Box::pin(ready(self.apply(&units, linker)))
    }

    fn commit_now(&self, unit: Unit, linker: &dyn Linker) -> Result<Outcome, NotNow> {
        let mut outcomes = self.apply(std::slice::from_ref(&unit), linker).map_err(NotNow::Failed)?;
        outcomes.pop().ok_or_else(|| NotNow::Failed(closed()))
    }

    fn meta(&self) -> BoxFuture<'_, Result<Meta>> {
        Box::pin(ready(self.read(|state| Meta { generation: state.generation, format: 1 })))
    }

    fn territory<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Option<TerritoryRow>>> {
        Box::pin(ready(self.read(|state| {
            let found = state.territories.get(chain);
            found.map(|territory| territory.row(chain, state.generation))
        })))
    }

    fn territories(&self) -> BoxFuture<'_, Result<Vec<TerritoryRow>>> {
        Box::pin(ready(self.read(|state| {
            state.territories.iter().map(|(chain, one)| one.row(chain, state.generation)).collect()
        })))
    }

    fn keys<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Vec<KeyRow>>> {
        let own = |state: &State| {
            state.keys.iter().filter(|key| key.territory == chain.as_str()).cloned().collect()
        };
        Box::pin(ready(self.read(own)))
    }

    fn all_keys(&self) -> BoxFuture<'_, Result<Vec<KeyRow>>> {
        Box::pin(ready(self.read(|state| state.keys.clone())))
    }

    fn order<'a>(
        &'a self,
        territory: &'a TerritoryId,
        id: OrderId,
    ) -> BoxFuture<'a, Result<Option<OrderRow>>> {
        Box::pin(ready(self.of(territory, |one| one.orders.get(&id).cloned())))
    }

    fn order_exists(&self, id: OrderId) -> BoxFuture<'_, Result<bool>> {
        Box::pin(ready(self.read(|state| state.territories.values().any(|one| one.orders.contains_key(&id)))))
    }

    fn orders<'a>(
        &'a self,
        territory: &'a TerritoryId,
        filter: &'a OrderFilter,
        before: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<OrderRow>>> {
        let fits = |row: &&OrderRow| {
            !row.is_skeleton()
                && before.is_none_or(|before| row.order_id < before)
                && (filter.status.is_empty()
                    || filter.status.iter().any(|status| status.name() == row.status))
                && filter.patient_id.as_ref().is_none_or(|id| id.as_str() == row.patient_id)
                && filter.provider_id.as_ref().is_none_or(|id| id.as_str() == row.provider_id)
                && filter.created_from.is_none_or(|from| row.created_at >= from.as_micros())
                && filter.created_to.is_none_or(|to| row.created_at < to.as_micros())
        };
        Box::pin(ready(
            self.of(territory, |one| one.orders.values().rev().filter(fits).take(limit).cloned().collect()),
        ))
    }

    fn order_count<'a>(&'a self, territory: &'a TerritoryId) -> BoxFuture<'a, Result<u64>> {
        Box::pin(ready(self.of(territory, |one| one.orders.len() as u64)))
    }

    fn walk<'a>(
        &'a self,
        territory: &'a TerritoryId,
        after: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<OrderRow>>> {
        let next = |row: &&OrderRow| after.is_none_or(|after| row.order_id > after);
        Box::pin(ready(
            self.of(territory, |one| one.orders.values().filter(next).take(limit).cloned().collect()),
        ))
    }

    fn wraps_other_than<'a>(
        &'a self,
        territory: &'a TerritoryId,
        version: u32,
        after: Option<OrderId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<WrappedKey>>> {
        let other = |row: &OrderRow| {
            let wrapped = row.wrapped.clone()?;
            let next = after.is_none_or(|after| row.order_id > after);
            (next && wrapped.get(2..6) != Some(&version.to_be_bytes())).then_some((row.order_id, wrapped))
        };
        Box::pin(ready(self.of(territory, |one| one.orders.values().filter_map(other).take(limit).collect())))
    }

    fn idempotency<'a>(
        &'a self,
        territory: &'a TerritoryId,
        key: [u8; 32],
    ) -> BoxFuture<'a, Result<Option<IdempotencyRecord>>> {
        Box::pin(ready(self.of(territory, |one| one.idempotency.get(&key).cloned())))
    }

    fn records<'a>(
        &'a self,
        territory: &'a TerritoryId,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<IdempotencyRecord>>> {
        let next = |record: &&IdempotencyRecord| after.is_none_or(|after| record.key > after);
        Box::pin(ready(
            self.of(territory, |one| one.idempotency.values().filter(next).take(limit).cloned().collect()),
        ))
    }

    fn entries<'a>(
        &'a self,
        chain: &'a Chain,
        query: &'a EntryQuery,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        Box::pin(ready(self.read(|state| {
            let Some(one) = state.territories.get(chain) else { return Vec::new() };
            one.entries.iter().filter(|entry| one.matches(query, entry)).take(limit).cloned().collect()
        })))
    }

    fn changes<'a>(
        &'a self,
        territory: &'a TerritoryId,
        id: OrderId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        let change = |entry: &&Entry| {
            entry.is_event() && entry.body.order_id == *id.as_bytes() && entry.body.row_version > after
        };
        Box::pin(ready(
            self.of(territory, |one| one.entries.iter().filter(change).take(limit).cloned().collect()),
        ))
    }

    fn events<'a>(
        &'a self,
        territory: &'a TerritoryId,
        order: Option<OrderId>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<EventPage>>> {
        let event = |entry: &&Entry| {
            entry.is_event()
                && entry.seq > after
                && order.is_none_or(|id| entry.body.order_id == *id.as_bytes())
        };
        Box::pin(ready(self.of(territory, |one| {
            Some(EventPage {
                events: one.entries.iter().filter(event).take(limit).cloned().collect(),
                head: one.head,
                anchor: one.entries.iter().find(|entry| entry.seq == after).map(|entry| entry.hash),
                active: one.active,
            })
        })))
    }

    fn relationship<'a>(
        &'a self,
        territory: &'a TerritoryId,
        relationship: &'a Relationship,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ready(self.of(territory, |one| one.relationships.contains(relationship))))
    }

    fn relationships<'a>(
        &'a self,
        territory: &'a TerritoryId,
        query: &'a RelationshipQuery,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Relationship>>> {
        let fits = |one: &&Relationship| {
            query.patient_id.as_ref().is_none_or(|id| *id == one.patient_id)
                && query.provider_id.as_ref().is_none_or(|id| *id == one.provider_id)
                && query.after.as_ref().is_none_or(|after| *one > after)
        };
        Box::pin(ready(
            self.of(territory, |one| one.relationships.iter().filter(fits).take(limit).cloned().collect()),
        ))
    }

    fn checkpoint<'a>(&'a self, chain: &'a Chain) -> BoxFuture<'a, Result<Option<String>>> {
        let newest = |one: &Territory| one.checkpoints.last_key_value().map(|(_, note)| note.clone());
        Box::pin(ready(self.read(|state| state.territories.get(chain).and_then(newest))))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn backup<'a>(&'a self, _: &'a Path) -> BoxFuture<'a, Result<()>> {
        let none = || Error::new(ErrorCode::StorageUnavailable, "an engine in memory has no backup");
        Box::pin(ready(self.read(|_| ()).and_then(|()| Err(none()))))
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        *self.lock() = None;
        self.changed.send_modify(|count| *count += 1);
        Box::pin(ready(Ok(())))
    }
}

fn same_key(a: &KeyRow, b: &KeyRow) -> bool {
    (&a.purpose, &a.territory, a.version) == (&b.purpose, &b.territory, b.version)
}

fn closed() -> Error {
    Error::new(ErrorCode::Closed, "the database is closed")
}
