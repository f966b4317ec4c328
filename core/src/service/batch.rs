//! Batches: each item by itself, or all or nothing. Items are sealed while the committer writes the ones
//! before, and memory is bounded by two groups.

use std::collections::HashSet;
use std::sync::Arc;

use super::commands::{Command, Prepared, name_order};
use super::committer::Lot;
use super::guard::{Session, busy};
use super::keyring::Territory;
use super::{ROUNDS, integrity};
use crate::audit::Action;
use crate::error::{Error, ErrorCode, Fault, Result, Rule};
use crate::model::{
    BatchItem, BatchMode, CreateOrder, OrderId, OrderSummary, Permission, StatusChange, limits,
};
use crate::storage::{Outcome, Unit};
use crate::wire::{CheckedChange, CheckedCreate};

/// Items of an `each` batch enter the log in groups of this many.
const GROUP: usize = 500;

/// One item of a batch, checked, or its fault.
enum Item {
    Create(CheckedCreate),
    Change(OrderId, CheckedChange),
    Faulty(Error),
}

impl Item {
    fn command(&self) -> Option<Command<'_>> {
        match self {
            Self::Create(request) => Some(Command::Create(request)),
            Self::Change(id, request) => Some(Command::Change(*id, request)),
            Self::Faulty(_) => None,
        }
    }

    /// What no other item of the same group may share.
    fn names(&self) -> (Option<OrderId>, Option<&str>) {
        match self {
            Self::Create(request) => (None, request.idempotency_key.as_ref().map(AsRef::as_ref)),
            Self::Change(id, request) => (Some(*id), request.idempotency_key.as_ref().map(AsRef::as_ref)),
            Self::Faulty(_) => (None, None),
        }
    }
}

impl Session {
    /// Creates up to 10,000 orders; the answers stand in the order of the requests.
    ///
    /// `each`: every item succeeds or fails by itself. `atomic`: one failure stores nothing, and items without
    /// a fault of their own say `not_applied`.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for more than 10,000 items or an `atomic` batch that names a key twice; for the call
    /// as a whole as [`create_order`](Session::create_order). Errors of items stand in the answers.
    pub async fn create_orders(&self, requests: Vec<CreateOrder>, mode: BatchMode) -> Result<Vec<BatchItem>> {
        bounded(requests.len())?;
        let items = requests
            .into_iter()
            .map(|request| request.check_to_commit().map_or_else(Item::Faulty, Item::Create));
        // Checked a group at a time when each item stands for itself: plaintext does not pile up.
        match mode {
            BatchMode::Atomic => self.atomic(items.collect(), Permission::OrderCreate, Action::Create).await,
            BatchMode::Each => {
                let territory = self.enter(Permission::OrderCreate, Action::Create, None).await?;
                Ok(self.each(territory, items).await)
            }
        }
    }

    /// Changes up to 10,000 orders, as [`create_orders`](Session::create_orders). In an `each` batch several
    /// items may name one order; they apply in their order.
    ///
    /// # Errors
    /// As [`create_orders`](Session::create_orders); an `atomic` batch may not name an order twice.
    pub async fn update_statuses(
        &self,
        changes: Vec<(OrderId, StatusChange)>,
        mode: BatchMode,
    ) -> Result<Vec<BatchItem>> {
        bounded(changes.len())?;
        let workflow = &self.core.workflow;
        let mut needed = HashSet::new();
        let mut items = Vec::with_capacity(changes.len());
        for (id, change) in changes {
            items.push(match change.check_to_commit() {
                Ok(checked) => {
                    needed.insert(workflow.permission(checked.status));
                    Item::Change(id, checked)
                }
                Err(error) => Item::Faulty(error),
            });
        }
        // Items may need different permissions: those the actor lacks fail one by one, with an entry each.
        let held = |permission: &Permission| self.core.policy.allows(&self.actor, *permission);
        let gate = needed.iter().copied().find(|p| held(p)).or_else(|| needed.iter().copied().next());
        // Where every item is faulty, whoever may change any status is told of the faults.
        let any = [Permission::OrderVerify, Permission::OrderFulfil, Permission::OrderCancel];
        let gate = gate.or_else(|| any.into_iter().find(held)).unwrap_or(Permission::OrderVerify);
        match mode {
            BatchMode::Atomic => {
                let gate = needed.iter().copied().find(|permission| !held(permission)).unwrap_or(gate);
                self.atomic(items, gate, Action::UpdateStatus).await
            }
            BatchMode::Each => {
                let territory = self.enter(gate, Action::UpdateStatus, None).await?;
                for item in &mut items {
                    if let Item::Change(id, change) = item {
                        let permission = self.core.workflow.permission(change.status);
                        if !held(&permission)
                            && let Err(denied) = self.enter(permission, Action::UpdateStatus, Some(*id)).await
                        {
                            *item = Item::Faulty(denied);
                        }
                    }
                }
                Ok(self.each(territory, items.into_iter()).await)
            }
        }
    }

    /// From here on every failure is an item's: an error of the call would hide what is stored already.
    async fn each(
        &self,
        mut territory: Arc<Territory>,
        items: impl Iterator<Item = Item> + Send,
    ) -> Vec<BatchItem> {
        let mut items = items.peekable();
        let mut answers = Vec::with_capacity(items.size_hint().0);
        let mut waiting: Option<Group> = None;
        while items.peek().is_some() {
            let (group, repeats) = take_group(&mut items);
            if repeats && let Some(before) = waiting.take() {
                // An item of this group goes on where an earlier one ends.
                before.settle(self, &mut territory, &mut answers).await;
            }
            let group = self.start(&territory, group).await;
            if let Some(before) = waiting.replace(group) {
                before.settle(self, &mut territory, &mut answers).await;
            }
        }
        if let Some(last) = waiting {
            last.settle(self, &mut territory, &mut answers).await;
        }
        answers
    }

    /// Prepares a group and hands it to the committer without waiting for it.
    async fn start(&self, territory: &Arc<Territory>, items: Vec<Item>) -> Group {
        let mut units = Vec::with_capacity(items.len());
        let mut slots = Vec::with_capacity(items.len());
        for item in items {
            let slot = match item.command() {
                None => Slot::Settled,
                Some(command) => match self.prepare(territory, command).await {
                    Ok(Prepared::Unit(unit, answer)) => {
                        units.push(*unit);
                        Slot::Committing(answer)
                    }
                    Ok(Prepared::Seen(_)) => Slot::Alone,
                    Err(error) => Slot::Failed(error),
                },
            };
            slots.push((item, slot));
        }
        let answer = if units.is_empty() {
            None
        } else {
            let lot = Lot { units, keys: Arc::clone(&territory.audit) };
            match self.core.committer.submit(lot, &self.core.background).await {
                Ok(answer) => Some(Box::pin(answer) as Answer),
                Err(error) => Some(Box::pin(std::future::ready(Err(error))) as Answer),
            }
        };
        Group { slots, answer }
    }

    async fn atomic(
        &self,
        items: Vec<Item>,
        permission: Permission,
        action: Action,
    ) -> Result<Vec<BatchItem>> {
        let (mut orders, mut keys) = (HashSet::new(), HashSet::new());
        let mut faults = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let (order, key) = item.names();
            if order.is_some_and(|order| !orders.insert(order)) {
                faults.push(Fault::new(format!("[{n}].order_id"), Rule::Duplicate));
            }
            if key.is_some_and(|key| !keys.insert(key.to_owned())) {
                faults.push(Fault::new(format!("[{n}].idempotency_key"), Rule::Duplicate));
            }
        }
        if !faults.is_empty() {
            return Err(Error::validation(faults));
        }
        if items.iter().any(|item| matches!(item, Item::Faulty(_))) {
            return Ok(items.into_iter().map(not_applied).collect());
        }
        let mut territory = self.enter(permission, action, None).await?;
        for _ in 0..ROUNDS {
            match self.try_atomic(&territory, &items).await? {
                Atomic::Answers(answers) => return Ok(answers),
                Atomic::Refresh => territory = self.refresh().await?,
                Atomic::Again => {}
            }
        }
        Err(busy())
    }

    async fn try_atomic(&self, territory: &Arc<Territory>, items: &[Item]) -> Result<Atomic> {
        let mut whole = Unit::new(territory.chain.clone(), territory.epoch);
        let mut answers = Vec::with_capacity(items.len());
        let mut seen = Vec::new();
        let mut failed: Vec<Option<Error>> = Vec::with_capacity(items.len());
        for command in items.iter().filter_map(Item::command) {
            failed.push(match self.prepare(territory, command).await {
                Ok(Prepared::Unit(unit, answer)) => {
                    whole.writes.extend(unit.writes);
                    whole.drafts.extend(unit.drafts);
                    whole.idempotency.extend(unit.idempotency);
                    answers.push(answer);
                    None
                }
                Ok(Prepared::Seen(record)) => {
                    seen.push((command, record));
                    None
                }
                Err(error) => Some(error),
            });
        }
        if failed.iter().any(Option::is_some) {
            let answer = |error: Option<Error>| error.map_or(BatchItem::NotApplied, BatchItem::Failed);
            return Ok(Atomic::Answers(failed.into_iter().map(answer).collect()));
        }
        if !seen.is_empty() && seen.len() < items.len() {
            return Err(Error::new(
                ErrorCode::IdempotencyMismatch,
                "only some of the batch's idempotency keys were used before",
            ));
        }
        if !seen.is_empty() {
            let mut replayed = Vec::with_capacity(seen.len());
            for (command, record) in &seen {
                match self.replay(territory, *command, record).await {
                    Ok(Some(answer)) => replayed.push(BatchItem::Done(answer)),
                    Ok(None) => return Ok(Atomic::Refresh),
                    Err(error) => replayed.push(BatchItem::Failed(error)),
                }
            }
            return Ok(Atomic::Answers(replayed));
        }
        match self.core.commit(false, whole, &territory.audit).await? {
            Outcome::Done { .. } => Ok(Atomic::Answers(answers.into_iter().map(BatchItem::Done).collect())),
            Outcome::StaleEpoch => Ok(Atomic::Refresh),
            Outcome::Refused => Err(integrity()),
            // A conflict or a key used meanwhile: the next round says whose.
            _ => Ok(Atomic::Again),
        }
    }
}

enum Atomic {
    Answers(Vec<BatchItem>),
    Refresh,
    Again,
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<Vec<Outcome>>> + Send>>;

enum Slot {
    /// In the committer's hands.
    Committing(OrderSummary),
    /// To be run by itself: its key was used before.
    Alone,
    Failed(Error),
    Settled,
}

/// A group under way.
struct Group {
    slots: Vec<(Item, Slot)>,
    answer: Option<Answer>,
}

impl Group {
    /// Waits for the group and answers its items; what did not fit runs by itself.
    async fn settle(self, session: &Session, territory: &mut Arc<Territory>, answers: &mut Vec<BatchItem>) {
        let outcomes = match self.answer {
            Some(answer) => answer.await,
            None => Ok(Vec::new()),
        };
        let (mut outcomes, failed) = match outcomes {
            Ok(outcomes) => {
                if outcomes.contains(&Outcome::StaleEpoch)
                    && let Ok(fresh) = session.refresh().await
                {
                    *territory = fresh;
                }
                if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Done { .. })) {
                    session.core.checkpoint_if_due();
                }
                (outcomes.into_iter(), None)
            }
            // An error of the commit is the error of every item in it.
            Err(error) => (Vec::new().into_iter(), Some(error)),
        };
        for (item, slot) in self.slots {
            let answer = match (slot, item) {
                (Slot::Settled, Item::Faulty(error)) | (Slot::Failed(error), _) => Err(error),
                (Slot::Committing(answer), item) => match (&failed, outcomes.next()) {
                    (Some(error), _) => Err(name_order(error.clone(), answer.id)),
                    (None, Some(Outcome::Done { .. })) => Ok(answer),
                    (None, Some(Outcome::Refused)) => Err(integrity()),
                    (None, _) => alone(session, territory, &item).await,
                },
                (_, item) => alone(session, territory, &item).await,
            };
            answers.push(answer.map_or_else(BatchItem::Failed, BatchItem::Done));
        }
    }
}

async fn alone(session: &Session, territory: &Arc<Territory>, item: &Item) -> Result<OrderSummary> {
    let command = item.command().ok_or_else(busy)?;
    session.run(Arc::clone(territory), command).await
}

/// The next items, up to the group's size, that share no order and no key; true if the next item after them
/// shares one, or one of them may go on from the group before.
fn take_group(items: &mut std::iter::Peekable<impl Iterator<Item = Item>>) -> (Vec<Item>, bool) {
    let mut group: Vec<Item> = Vec::with_capacity(GROUP);
    let (mut orders, mut keys) = (HashSet::new(), HashSet::new());
    let mut repeats = false;
    while group.len() < GROUP {
        let Some(next) = items.peek() else { break };
        let (order, key) = next.names();
        if order.is_some_and(|order| orders.contains(&order)) || key.is_some_and(|key| keys.contains(key)) {
            break;
        }
        orders.extend(order);
        keys.extend(key.map(str::to_owned));
        // A change reads what the group before may still be writing.
        repeats |= order.is_some();
        group.extend(items.next());
    }
    (group, repeats)
}

fn not_applied(item: Item) -> BatchItem {
    match item {
        Item::Faulty(error) => BatchItem::Failed(error),
        _ => BatchItem::NotApplied,
    }
}

fn bounded(items: usize) -> Result<()> {
    if items > limits::BATCH_MAX { Err(Error::fault("", Rule::TooMany)) } else { Ok(()) }
}
