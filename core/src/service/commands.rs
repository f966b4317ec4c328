//! Create, change, delete: read, validate, seal, draft, commit by compare-and-swap.

use std::sync::Arc;

use super::guard::{Session, busy, order_not_found};
use super::keyring::Territory;
use super::opening::{self, Checked, Plaintext};
use super::{ROUNDS, integrity};
use crate::audit::Action;
use crate::error::{Error, ErrorCode, Result, Rule};
use crate::model::{
    CreateOrder, DeleteOrder, FieldSet, IdempotencyKey, OrderId, OrderStatus, OrderSummary, Permission,
    PhiField, StatusChange, Timestamp, limits,
};
use crate::phi::key::OrderKey;
use crate::phi::record::{self, RowView};
use crate::storage::{IdempotencyRecord, OrderRow, OrderUpdate, Outcome, Unit, Write};
use crate::wire::{CheckedChange, CheckedCreate, CheckedDelete, stored};
use crate::workflow::{Given, Workflow};
use zeroize::Zeroizing;

/// A checked request that changes one order.
#[derive(Clone, Copy)]
pub(super) enum Command<'a> {
    Create(&'a CheckedCreate),
    Change(OrderId, &'a CheckedChange),
    Delete(OrderId, &'a CheckedDelete),
}

/// What a command comes to, given what is stored now.
pub(super) enum Prepared {
    /// Finished, to be committed, with the answer if it is.
    Unit(Box<Unit>, OrderSummary),
    /// The request was made before under this key.
    Seen(IdempotencyRecord),
}

impl Session {
    /// Creates an order, pending verification, and answers its plain columns.
    ///
    /// With an idempotency key the same request again answers the order as it is now and changes nothing.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `TERRITORY_NOT_FOUND`,
    /// `IDEMPOTENCY_MISMATCH`, `PATIENT_PROVIDER_MISMATCH`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`,
    /// `OUTCOME_UNKNOWN`, `CLOSED`.
    pub async fn create_order(&self, request: CreateOrder) -> Result<OrderSummary> {
        let checked = request.check_to_commit()?;
        let territory = self.enter(Permission::OrderCreate, Action::Create, None).await?;
        self.run(territory, Command::Create(&checked)).await
    }

    /// Moves an order along the workflow and answers its plain columns.
    ///
    /// Without `expected_version` a change that meets another one is validated anew against the newer order.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `TERRITORY_NOT_FOUND`,
    /// `IDEMPOTENCY_MISMATCH`, `ORDER_NOT_FOUND`, `VERSION_CONFLICT`, `INVALID_STATUS_TRANSITION`,
    /// `INTEGRITY_VIOLATION`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `CLOSED`.
    pub async fn update_status(&self, id: OrderId, change: StatusChange) -> Result<OrderSummary> {
        let checked = change.check_to_commit()?;
        let permission = self.core.workflow.permission(checked.status);
        let territory = self.enter(permission, Action::UpdateStatus, Some(id)).await?;
        self.run(territory, Command::Change(id, &checked)).await
    }

    /// Deletes an order for good: its key and ciphertext go, its skeleton and its audit stay. Answers the last
    /// plain columns.
    ///
    /// Backups and the storage below the database may hold the wrapped key longer: see THREATS.md.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `TERRITORY_NOT_FOUND`, `ORDER_NOT_FOUND`,
    /// `VERSION_CONFLICT`, `INTEGRITY_VIOLATION`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`,
    /// `OUTCOME_UNKNOWN`, `CLOSED`.
    pub async fn delete_order(&self, id: OrderId, request: DeleteOrder) -> Result<OrderSummary> {
        let checked = request.check()?;
        let territory = self.enter(Permission::OrderDelete, Action::Delete, Some(id)).await?;
        self.run(territory, Command::Delete(id, &checked)).await
    }

    /// Prepares and commits until it fits.
    pub(super) async fn run(
        &self,
        mut territory: Arc<Territory>,
        command: Command<'_>,
    ) -> Result<OrderSummary> {
        let mut met = None;
        for _ in 0..ROUNDS {
            let (unit, answer) = match self.prepare(&territory, command).await? {
                Prepared::Unit(unit, answer) => (unit, answer),
                Prepared::Seen(record) => match self.replay(&territory, command, &record).await? {
                    Some(answer) => return Ok(answer),
                    None => {
                        territory = self.refresh().await?;
                        continue;
                    }
                },
            };
            let committed = self.core.commit(self.inline, *unit, &territory.audit).await;
            match committed.map_err(|error| name_order(error, answer.id))? {
                Outcome::Done { .. } => return Ok(answer),
                Outcome::Conflict { order } => {
                    met = order.and_then(|(_, version)| version).or(met);
                    if let (Some(_), Some(current)) = (command.expected_version(), met) {
                        return Err(version_conflict(answer.id, current));
                    }
                }
                // The next round finds the record.
                Outcome::Replay(_) => {}
                Outcome::StaleEpoch => territory = self.refresh().await?,
                Outcome::Refused => return Err(integrity()),
            }
        }
        Err(met.zip(command.order()).map_or_else(busy, |(current, id)| version_conflict(id, current)))
    }

    /// Checks the command against what is stored, in the order that [`Session`] promises, and seals its result.
    pub(super) async fn prepare(&self, territory: &Territory, command: Command<'_>) -> Result<Prepared> {
        if let Some(record) = self.seen(territory, command).await? {
            return Ok(Prepared::Seen(record));
        }
        let prepared = match command {
            Command::Create(request) => self.prepare_create(territory, request).await,
            Command::Change(id, request) => self.prepare_change(territory, id, request).await,
            Command::Delete(id, request) => self.prepare_delete(territory, id, request).await,
        };
        match prepared {
            Ok((unit, answer)) => Ok(Prepared::Unit(Box::new(unit), answer)),
            // The same request may have been done since the key was looked up, and the order shows it: the
            // key answers first.
            Err(error) => match self.seen(territory, command).await? {
                Some(record) => Ok(Prepared::Seen(record)),
                None => Err(error),
            },
        }
    }

    /// What was done under the command's key.
    async fn seen(&self, territory: &Territory, command: Command<'_>) -> Result<Option<IdempotencyRecord>> {
        let Some(key) = command.idempotency_key() else { return Ok(None) };
        let key = territory.audit.idempotency_key(key.as_str());
        self.core.storage.idempotency(&territory.id, key).await
    }

    /// The answer to a request that was made before: the order as it is now, with a view entry.
    pub(super) async fn replay(
        &self,
        territory: &Territory,
        command: Command<'_>,
        record: &IdempotencyRecord,
    ) -> Result<Option<OrderSummary>> {
        if record.request != self.request_mac(territory, command) {
            return Err(Error::new(
                ErrorCode::IdempotencyMismatch,
                "the idempotency key belongs to another request or user",
            ));
        }
        self.plain(territory, record.order_id).await
    }

    /// The plain columns of an order, with a view entry without fields. `None`: the epoch is over.
    pub(super) async fn plain(&self, territory: &Territory, id: OrderId) -> Result<Option<OrderSummary>> {
        let row = self.core.storage.order(&territory.id, id).await?.ok_or_else(integrity)?;
        if row.is_skeleton() {
            return Err(order_not_found(id));
        }
        let checked = self.core.check(territory, &row).await?;
        let unit = self.view_unit(territory, &[(&checked, FieldSet::EMPTY)]);
        match self.core.commit(self.inline, unit, &territory.audit).await? {
            Outcome::Done { .. } => checked.summary(territory).map(Some),
            Outcome::Conflict { .. } => Err(order_not_found(id)),
            Outcome::Refused => Err(integrity()),
            _ => Ok(None),
        }
    }

    /// One view entry an order, and the demand that each still has its key.
    pub(super) fn view_unit(&self, territory: &Territory, views: &[(&Checked<'_>, FieldSet)]) -> Unit {
        let mut unit = Unit::new(territory.chain.clone(), territory.epoch);
        for (checked, fields) in views {
            let mut draft = self.draft(Action::View, Some(checked.row.order_id));
            draft.row_version = checked.row.version;
            draft.row_mac = checked.row_mac();
            draft.fields = fields.bits();
            unit.drafts.push(draft);
            unit.writes.push(Write::Present(checked.row.order_id));
        }
        unit
    }

    /// The row of an order that is there.
    pub(super) async fn row(&self, territory: &Territory, id: OrderId, action: Action) -> Result<OrderRow> {
        match self.core.storage.order(&territory.id, id).await? {
            Some(row) if row.is_skeleton() => Err(order_not_found(id)),
            Some(row) => Ok(row),
            None => Err(self.missing(action, id).await),
        }
    }

    async fn prepare_create(
        &self,
        territory: &Territory,
        request: &CheckedCreate,
    ) -> Result<(Unit, OrderSummary)> {
        self.core.check_relationship(territory, &request.patient_id, &request.provider_id).await?;
        let now = self.core.now();
        // One draw, cut into disjoint parts: id, order key, hedge of the wrap, hedge of the seal.
        let random = Zeroizing::new(self.core.env.random::<104>()?);
        let id = OrderId::new(now.as_micros(), cut(&random, 0));
        let key = OrderKey::from_bytes(cut(&random, 8));
        let wrapped = territory.key.wrap(id.as_bytes(), &key, &cut(&random, 40))?;
        let mut row = OrderRow {
            order_id: id,
            patient_id: request.patient_id.as_str().to_owned(),
            provider_id: request.provider_id.as_str().to_owned(),
            status: Workflow::START.name().to_owned(),
            version: 1,
            created_at: now.as_micros(),
            updated_at: now.as_micros(),
            wrapped: Some(wrapped.to_vec()),
            seal: None,
            fields: Default::default(),
        };
        let sealed = record::seal(
            &key,
            &opening::view(territory, &row),
            &borrowed(&request.plaintext),
            &cut(&random, 72),
        )?;
        let mut draft = self.draft(Action::Create, Some(id));
        draft.at = now.as_micros();
        draft.new_status = Workflow::START.name().into();
        draft.row_version = 1;
        draft.row_mac = sealed.row_mac();
        draft.fields = request.fields.bits();
        row.seal = Some(sealed.seal.to_vec());
        row.fields = sealed.fields;
        let answer = OrderSummary {
            id,
            territory_id: territory.id.clone(),
            patient_id: request.patient_id.clone(),
            provider_id: request.provider_id.clone(),
            status: Workflow::START,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let mut unit = Unit::new(territory.chain.clone(), territory.epoch);
        unit.writes.push(Write::Insert(Box::new(row)));
        unit.drafts.push(draft);
        unit.idempotency.extend(self.record(territory, Command::Create(request), id, 1, now));
        Ok((unit, answer))
    }

    async fn prepare_change(
        &self,
        territory: &Territory,
        id: OrderId,
        request: &CheckedChange,
    ) -> Result<(Unit, OrderSummary)> {
        let row = self.row(territory, id, Action::UpdateStatus).await?;
        let checked = self.core.check(territory, &row).await?;
        if self.is_own_order(territory, id, request.status).await? {
            let error = Error::new(ErrorCode::AccessDenied, "whoever created an order may not verify it");
            return Err(self.deny(Action::UpdateStatus, Some(id), error).await);
        }
        expect_version(id, request.expected_version, row.version)?;
        let now = self.core.now();
        let (from, to) = (checked.status, request.status);
        let workflow = &self.core.workflow;
        let given = Given {
            verification: request.verification.is_some(),
            reason_or_notes: request.reason.is_some() || request.notes.is_some(),
            valid_until: if workflow.needs_valid_until(from, to) { checked.valid_until()? } else { None },
            now,
        };
        workflow
            .check_state(from, to)
            .and_then(|()| workflow.check_needs(from, to, &given))
            .map_err(|why| workflow.refusal(id, from, to, why))?;

        let version = row.version + 1;
        let next = RowView {
            version,
            status: to.name(),
            updated_at: now.as_micros(),
            ..opening::view(territory, &row)
        };
        let changed = changed_fields(request);
        let (seal, fields, row_mac) = if changed.is_empty() {
            let seal = checked.restamp(&next);
            let mac = mac_of(&seal)?;
            (seal, None, mac)
        } else {
            let mut plaintext = checked.plaintext()?;
            apply(request, &mut plaintext, now, self.actor.user_id().as_str())?;
            let sealed = record::seal(&checked.key, &next, &borrowed(&plaintext), &self.core.env.random()?)?;
            let mac = sealed.row_mac();
            (sealed.seal.to_vec(), Some(sealed.fields), mac)
        };

        let mut draft = self.draft(Action::UpdateStatus, Some(id));
        draft.at = now.as_micros();
        draft.old_status = from.name().into();
        draft.new_status = to.name().into();
        draft.row_version = version;
        draft.row_mac = row_mac;
        draft.fields = changed.bits();
        let details = stored::details_json(request.reason.as_deref(), None);
        draft.details = self.seal_details(&territory.audit, &draft, &details)?;

        let mut answer = checked.summary(territory)?;
        (answer.status, answer.version, answer.updated_at) = (to, version, now);
        let mut unit = Unit::new(territory.chain.clone(), territory.epoch);
        unit.writes.push(Write::Update(Box::new(OrderUpdate {
            order_id: id,
            from_version: row.version,
            status: to.name().to_owned(),
            version,
            updated_at: now.as_micros(),
            seal,
            fields,
        })));
        unit.drafts.push(draft);
        unit.idempotency.extend(self.record(territory, Command::Change(id, request), id, version, now));
        Ok((unit, answer))
    }

    async fn prepare_delete(
        &self,
        territory: &Territory,
        id: OrderId,
        request: &CheckedDelete,
    ) -> Result<(Unit, OrderSummary)> {
        let row = self.row(territory, id, Action::Delete).await?;
        let checked = self.core.check(territory, &row).await?;
        expect_version(id, request.expected_version, row.version)?;
        let now = self.core.now();
        let version = row.version + 1;
        let next = RowView { version, updated_at: now.as_micros(), ..opening::view(territory, &row) };
        let mut draft = self.draft(Action::Delete, Some(id));
        draft.at = now.as_micros();
        draft.old_status = checked.status.name().into();
        draft.new_status = checked.status.name().into();
        draft.row_version = version;
        draft.row_mac = record::skeleton(&next);
        let details = stored::details_json(Some(&request.reason), None);
        draft.details = self.seal_details(&territory.audit, &draft, &details)?;
        let mut answer = checked.summary(territory)?;
        (answer.version, answer.updated_at) = (version, now);
        let mut unit = Unit::new(territory.chain.clone(), territory.epoch);
        unit.writes.push(Write::Shred {
            order_id: id,
            from_version: row.version,
            updated_at: now.as_micros(),
        });
        unit.drafts.push(draft);
        Ok((unit, answer))
    }

    fn record(
        &self,
        territory: &Territory,
        command: Command<'_>,
        order_id: OrderId,
        row_version: u64,
        at: Timestamp,
    ) -> Option<IdempotencyRecord> {
        let key = command.idempotency_key()?;
        Some(IdempotencyRecord {
            key: territory.audit.idempotency_key(key.as_str()),
            request: self.request_mac(territory, command),
            order_id,
            row_version,
            at: at.as_micros(),
        })
    }

    fn request_mac(&self, territory: &Territory, command: Command<'_>) -> [u8; 32] {
        let (action, order_id, request): (_, _, &[u8]) = match command {
            Command::Create(request) => (Action::Create, [0; 16], &request.request),
            Command::Change(id, request) => (Action::UpdateStatus, *id.as_bytes(), &request.request),
            Command::Delete(id, _) => (Action::Delete, *id.as_bytes(), &[]),
        };
        territory.audit.idempotency_request(self.actor.user_id().as_str(), action.name(), &order_id, request)
    }
}

impl<'a> Command<'a> {
    fn idempotency_key(self) -> Option<&'a IdempotencyKey> {
        match self {
            Self::Create(request) => request.idempotency_key.as_ref(),
            Self::Change(_, request) => request.idempotency_key.as_ref(),
            Self::Delete(..) => None,
        }
    }

    fn expected_version(self) -> Option<u64> {
        match self {
            Self::Create(_) => None,
            Self::Change(_, request) => request.expected_version,
            Self::Delete(_, request) => request.expected_version,
        }
    }

    fn order(self) -> Option<OrderId> {
        match self {
            Self::Create(_) => None,
            Self::Change(id, _) | Self::Delete(id, _) => Some(id),
        }
    }
}

/// The fields that a change seals with new content.
fn changed_fields(request: &CheckedChange) -> FieldSet {
    let mut changed = FieldSet::EMPTY;
    if request.notes.is_some() {
        changed = changed.with(PhiField::Notes);
    }
    if request.verification.is_some() {
        changed = changed.with(PhiField::InsuranceVerification);
    }
    changed
}

/// Puts the request's PHI into the order's plaintext.
fn apply(request: &CheckedChange, plaintext: &mut Plaintext, now: Timestamp, user: &str) -> Result<()> {
    let slot = |field: PhiField| usize::from(field.id()) - 1;
    if let Some(notes) = &request.notes {
        let old = plaintext[slot(PhiField::Notes)].take().unwrap_or_default();
        let old = std::str::from_utf8(&old).map_err(|_| integrity())?;
        let all = stored::append_notes(old, now, user, notes.expose());
        if all.expose().len() > limits::NOTES_MAX {
            return Err(Error::fault("notes", Rule::TooLong));
        }
        plaintext[slot(PhiField::Notes)] = Some(stored::text(all.expose()));
    }
    if let Some(verification) = &request.verification {
        let mut verification = verification.clone();
        verification.verified_at = Some(now);
        plaintext[slot(PhiField::InsuranceVerification)] =
            Some(stored::insurance_verification(&verification));
    }
    Ok(())
}

fn borrowed(plaintext: &Plaintext) -> [Option<&[u8]>; 5] {
    std::array::from_fn(|n| plaintext[n].as_ref().map(|bytes| bytes.as_slice()))
}

fn mac_of(seal: &[u8]) -> Result<[u8; 32]> {
    seal.last_chunk().copied().ok_or_else(integrity)
}

fn cut<const N: usize>(random: &[u8; 104], from: usize) -> [u8; N] {
    std::array::from_fn(|n| random[from + n])
}

fn expect_version(id: OrderId, expected: Option<u64>, current: u64) -> Result<()> {
    match expected {
        Some(expected) if expected != current => Err(version_conflict(id, current)),
        _ => Ok(()),
    }
}

/// Names the order in an `OUTCOME_UNKNOWN`, so that the caller can look what became of it.
pub(super) fn name_order(error: Error, id: OrderId) -> Error {
    match error.code() {
        ErrorCode::OutcomeUnknown => error.with(|details| details.order_id = Some(id.to_string())),
        _ => error,
    }
}

fn version_conflict(id: OrderId, current: u64) -> Error {
    Error::new(ErrorCode::VersionConflict, "the order has another version").with(|details| {
        details.order_id = Some(id.to_string());
        details.current_version = Some(current);
    })
}

impl Session {
    /// True if `status` is a verification and this actor created the order, where the policy separates them.
    pub(super) async fn is_own_order(
        &self,
        territory: &Territory,
        id: OrderId,
        status: OrderStatus,
    ) -> Result<bool> {
        let verifies = self.core.workflow.permission(status) == Permission::OrderVerify;
        if !verifies || !self.core.policy.separates_verifier() {
            return Ok(false);
        }
        Ok(self.core.creator(territory, id).await? == self.actor.user_id().as_str())
    }
}
