//! One order: its disclosure, its next steps, its creator. No plaintext is returned before the entry that
//! tells of it is durable.

use super::guard::{Session, busy, order_not_found};
use super::keyring::Territory;
use super::{Core, ROUNDS, integrity};
use crate::audit::chain::{Head, verify_link};
use crate::audit::{Action, Entry};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{
    Chain, FieldSet, IdempotencyKey, Order, OrderId, OrderStatus, OrderSummary, Permission, TransitionOption,
};
use crate::storage::{EntryQuery, Outcome};

impl Session {
    /// Discloses one order: `fields`, or all that the actor's roles may see. A field that was asked for but may
    /// not be seen is named in `withheld` and not decrypted; an empty set decrypts nothing.
    ///
    /// # Errors
    /// `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `TERRITORY_NOT_FOUND`, `ORDER_NOT_FOUND`,
    /// `INTEGRITY_VIOLATION`, `STORAGE_UNAVAILABLE` (also if the entry can't be written), `KEY_UNAVAILABLE`,
    /// `OUTCOME_UNKNOWN`, `CLOSED`.
    pub async fn order(&self, id: OrderId, fields: Option<FieldSet>) -> Result<Order> {
        let mut territory = self.enter(Permission::OrderView, Action::View, Some(id)).await?;
        let (shown, withheld) = self.disclosure(fields);
        for _ in 0..ROUNDS {
            let row = self.row(&territory, id, Action::View).await?;
            let checked = self.core.check(&territory, &row).await?;
            let order = checked.disclose(&territory, shown, withheld)?;
            let unit = self.view_unit(&territory, &[(&checked, shown)]);
            match self.core.commit(self.inline, unit, &territory.audit).await? {
                Outcome::Done { .. } => return Ok(order),
                Outcome::Conflict { .. } => return Err(order_not_found(id)),
                Outcome::Refused => return Err(integrity()),
                _ => territory = self.refresh().await?,
            }
        }
        Err(busy())
    }

    /// The plain columns of the order that was created or last changed under an idempotency key.
    ///
    /// # Errors
    /// As [`order`](Session::order).
    pub async fn order_by_key(&self, key: &IdempotencyKey) -> Result<OrderSummary> {
        let mut territory = self.enter(Permission::OrderView, Action::View, None).await?;
        for _ in 0..ROUNDS {
            let hashed = territory.audit.idempotency_key(key.as_str());
            let record = self.core.storage.idempotency(&territory.id, hashed).await?.ok_or_else(|| {
                Error::new(ErrorCode::OrderNotFound, "no order was made under this key in this territory")
            })?;
            match self.plain(&territory, record.order_id).await? {
                Some(summary) => return Ok(summary),
                None => territory = self.refresh().await?,
            }
        }
        Err(busy())
    }

    /// Every status, and whether this actor may move the order there now; what must still be supplied stands
    /// in `needs`. Writes no entry, since nothing is disclosed.
    ///
    /// # Errors
    /// As [`order`](Session::order).
    pub async fn allowed_transitions(&self, id: OrderId) -> Result<Vec<TransitionOption>> {
        let territory = self.enter(Permission::OrderView, Action::View, Some(id)).await?;
        let territory = self.current(territory).await?;
        let row = self.row(&territory, id, Action::View).await?;
        let checked = self.core.check(&territory, &row).await?;
        let workflow = &self.core.workflow;
        let from = checked.status;
        let judged = workflow.allowed(from).into_iter().any(|to| workflow.needs_valid_until(from, to));
        let until = if judged { checked.valid_until()? } else { None };
        let expired = until.is_some_and(|until| self.core.now() > until);
        let own = self.is_own_order(&territory, id, OrderStatus::Verified).await?;
        let may = |permission| self.core.policy.allows(&self.actor, permission);
        Ok(workflow.transitions(from, may, own, expired))
    }

    /// Which fields to show and which to name as withheld.
    pub(super) fn disclosure(&self, fields: Option<FieldSet>) -> (FieldSet, FieldSet) {
        let asked = fields.unwrap_or(FieldSet::ALL);
        let allowed = self.core.policy.disclosure(&self.actor);
        (asked.intersection(allowed), asked.difference(allowed))
    }
}

impl Core {
    /// The user of the order's `create` entry, its hash and MAC checked.
    pub(super) async fn creator(&self, territory: &Territory, id: OrderId) -> Result<String> {
        let first = self.storage.changes(&territory.id, id, 0, 1).await?.pop().ok_or_else(integrity)?;
        if first.body.action != Action::Create.name() || !self.links(territory, &first).await? {
            return Err(integrity());
        }
        Ok(first.body.user_id)
    }

    /// True if `entry` really follows the one before it.
    pub(super) async fn links(&self, territory: &Territory, entry: &Entry) -> Result<bool> {
        let before = if entry.seq <= 1 {
            Head::genesis(territory.id.as_str())
        } else {
            let query =
                EntryQuery { after: entry.seq - 2, upto: Some(entry.seq - 1), ..EntryQuery::default() };
            let previous = self.storage.entries(&territory.chain, &query, 1).await?.pop();
            let previous = previous.ok_or_else(integrity)?;
            Head { seq: previous.seq, hash: previous.hash, at: previous.body.at }
        };
        Ok(verify_link(territory.id.as_str(), &territory.audit, &before, entry))
    }

    /// The database's random identity, which stands in cursors and checkpoints.
    pub(super) async fn generation(&self) -> Result<[u8; 16]> {
        Ok(self.storage.meta().await?.generation)
    }

    /// A head row that must be there.
    pub(super) async fn head_row(&self, chain: &Chain) -> Result<crate::storage::TerritoryRow> {
        self.storage.territory(chain).await?.ok_or_else(super::keyring::not_found)
    }
}
