//! The only way in: every call of a session passes the same checks in the same order, and a denial is an
//! entry before it is an answer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::Core;
use super::keyring::Territory;
use crate::access::Actor;
use crate::audit::{self, Action, AuditKeys, EntryDraft};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Chain, OrderId, Permission, TerritoryId};
use crate::storage::{Outcome, Unit};
use crate::wire::stored;

/// What one actor may do in one territory. Cheap to clone; a clone shares the revocation.
///
/// Every call checks, in this order: the request's shape, whether the session lives, the actor's territory, the
/// permission, the territory, and then what the call itself needs. The first class that fails answers; denials
/// leave an entry.
#[derive(Clone)]
pub struct Session {
    pub(super) core: Arc<Core>,
    pub(super) actor: Arc<Actor>,
    pub(super) id: TerritoryId,
    pub(super) revocation: Arc<Revocation>,
    /// True for blocking callers: their changes may commit on their own thread.
    pub(super) inline: bool,
}

#[derive(Default)]
pub(super) struct Revocation {
    revoked: AtomicBool,
    pub(super) happened: Notify,
}

impl Session {
    pub(super) fn new(core: Arc<Core>, actor: Actor, territory: TerritoryId) -> Self {
        Self { core, actor: Arc::new(actor), id: territory, revocation: Arc::default(), inline: false }
    }

    /// The same session for a caller that blocks its thread anyway, with an executor of its own (`blocking()` is one):
    /// when nobody else writes, a change commits on the thread that polls, which saves a hop to another thread. Its
    /// futures may then wait for the disk while they are polled, so never poll them on a shared executor.
    #[must_use]
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    /// The territory of this session.
    #[must_use]
    pub const fn territory(&self) -> &TerritoryId {
        &self.id
    }

    /// Ends the session, its clones and its subscriptions: every later call is `ACCESS_DENIED`.
    pub fn revoke(&self) {
        self.revocation.revoked.store(true, Ordering::Release);
        self.revocation.happened.notify_waiters();
    }

    /// True while the session is neither revoked nor expired.
    pub(super) fn lives(&self) -> bool {
        !self.revocation.revoked.load(Ordering::Acquire) && !self.actor.is_expired(self.core.now())
    }

    /// Session, territory of the actor, permission, territory: the checks that every call begins with.
    pub(super) async fn enter(
        &self,
        permission: Permission,
        action: Action,
        order: Option<OrderId>,
    ) -> Result<Arc<Territory>> {
        self.permit_on(permission, action, order).await?;
        // A host's directory that forgot a territory must not make it unmanageable.
        match permission {
            Permission::AuditRead | Permission::DirectoryManage | Permission::KeysManage => {
                self.core.keyring.territory(&self.id, &self.core.background).await
            }
            _ => self.core.territory(&self.id).await,
        }
    }

    /// The same without the last: the territory need not exist.
    pub(super) async fn permit(&self, permission: Permission, action: Action) -> Result<()> {
        self.permit_on(permission, action, None).await
    }

    async fn permit_on(&self, permission: Permission, action: Action, order: Option<OrderId>) -> Result<()> {
        self.core.live()?;
        let denied = if !self.lives() {
            Some((ErrorCode::AccessDenied, "the session is expired or revoked"))
        } else if !self.actor.has_territory(&self.id) {
            Some((ErrorCode::TerritoryMismatch, "the actor has no access to this territory"))
        } else if !self.core.policy.allows(&self.actor, permission) {
            return Err(self.deny(action, order, lacks(permission)).await);
        } else {
            None
        };
        match denied {
            Some((code, message)) => Err(self.deny(action, order, Error::new(code, message)).await),
            None => Ok(()),
        }
    }

    /// Writes the denial's entry and returns `error`; if it can't be written, that is the error.
    pub(super) async fn deny(&self, action: Action, order: Option<OrderId>, error: Error) -> Error {
        tracing::warn!(target: "medorder", code = error.code().name(), action = action.name(), "denied");
        match self.write_denial(action, order).await {
            Ok(()) => error,
            Err(unwritten) => unwritten,
        }
    }

    /// A territory that the actor has, and that is in service, keeps its own denials; the rest is the system's.
    async fn write_denial(&self, action: Action, order: Option<OrderId>) -> Result<()> {
        let core = &self.core;
        if self.actor.has_territory(&self.id) {
            for _ in 0..super::ROUNDS {
                let territory = match core.keyring.territory(&self.id, &core.background).await {
                    Ok(territory) => territory,
                    // Not in service, or too damaged to link to: the denial is recorded all the same.
                    Err(error)
                        if matches!(
                            error.code(),
                            ErrorCode::TerritoryNotFound | ErrorCode::IntegrityViolation
                        ) =>
                    {
                        break;
                    }
                    Err(error) => return Err(error),
                };
                let mut unit = Unit::new(territory.chain.clone(), territory.epoch);
                unit.drafts.push(denied(self.draft(action, order)));
                match core.commit(self.inline, unit, &territory.audit).await? {
                    Outcome::Done { .. } => return Ok(()),
                    Outcome::Refused => return Err(super::integrity()),
                    _ => core.stale(&territory.chain).await,
                }
            }
        }
        core.deny_in_system(&self.actor, self.inline, action, order, self.id.as_str()).await
    }

    /// A success entry of this actor, now, with nothing in it yet.
    pub(super) fn draft(&self, action: Action, order: Option<OrderId>) -> EntryDraft {
        draft(&self.core, &self.actor, action, order)
    }

    /// A success entry of this actor in the system chain, about this session's territory.
    pub(super) async fn system_entry(&self, action: Action) -> Result<()> {
        self.core.enter_in_system(self.inline, self.draft(action, None), self.id.as_str()).await
    }

    pub(super) fn seal_details(&self, keys: &AuditKeys, draft: &EntryDraft, json: &str) -> Result<Vec<u8>> {
        seal_details(&self.core, keys, draft, json)
    }

    /// The same territory if its epoch still is the database's, else the territory anew: for calls that commit
    /// nothing, which would otherwise not notice a revocation.
    pub(super) async fn current(&self, territory: Arc<Territory>) -> Result<Arc<Territory>> {
        let epoch = self.core.head_row(&territory.chain).await?.epoch;
        if epoch == territory.epoch { Ok(territory) } else { self.refresh().await }
    }

    /// The territory anew, after its epoch turned out to be over.
    pub(super) async fn refresh(&self) -> Result<Arc<Territory>> {
        self.core.stale(&Chain::Territory(self.id.clone())).await;
        self.core.keyring.territory(&self.id, &self.core.background).await
    }

    /// Why an id is not there: in another territory, which is a denial, or nowhere.
    pub(super) async fn missing(&self, action: Action, id: OrderId) -> Error {
        match self.core.storage.order_exists(id).await {
            Ok(true) => {
                let error = Error::new(ErrorCode::TerritoryMismatch, "the order is in another territory");
                self.deny(action, Some(id), error).await
            }
            Ok(false) => order_not_found(id),
            Err(error) => error,
        }
    }
}

impl Core {
    /// A denial in the system chain, whose subject says what was asked for.
    pub(super) async fn deny_in_system(
        self: &Arc<Self>,
        actor: &Actor,
        inline: bool,
        action: Action,
        order: Option<OrderId>,
        subject: &str,
    ) -> Result<()> {
        self.enter_in_system(inline, denied(draft(self, actor, action, order)), subject).await
    }

    /// Writes an entry about `subject` into the system chain.
    pub(super) async fn enter_in_system(
        self: &Arc<Self>,
        inline: bool,
        mut draft: EntryDraft,
        subject: &str,
    ) -> Result<()> {
        let details = stored::details_json(None, Some(subject));
        for _ in 0..super::ROUNDS {
            let system = self.keyring.system(&self.background).await?;
            draft.details = seal_details(self, &system.audit, &draft, &details)?;
            let mut unit = Unit::new(Chain::System, system.epoch);
            unit.drafts.push(draft.clone());
            match self.commit(inline, unit, &system.audit).await? {
                Outcome::Done { .. } => return Ok(()),
                Outcome::Refused => return Err(super::integrity()),
                _ => self.stale(&Chain::System).await,
            }
        }
        Err(busy())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.id)
    }
}

/// What an actor without `permission` gets to hear.
pub(super) fn lacks(permission: Permission) -> Error {
    Error::new(ErrorCode::AccessDenied, format!("the actor lacks the permission {}", permission.name()))
}

fn denied(mut draft: EntryDraft) -> EntryDraft {
    draft.outcome = audit::Outcome::Denied.name().into();
    draft
}

pub(super) fn draft(core: &Core, actor: &Actor, action: Action, order: Option<OrderId>) -> EntryDraft {
    EntryDraft {
        at: core.env.clock.now_micros(),
        user_id: actor.user_id().as_str().to_owned(),
        role: actor.role_text(),
        purpose: actor.purpose().name().to_owned(),
        order_id: order.map_or([0; 16], |id| *id.as_bytes()),
        action: action.name().into(),
        outcome: audit::Outcome::Success.name().into(),
        old_status: "".into(),
        new_status: "".into(),
        row_version: 0,
        row_mac: [0; 32],
        fields: 0,
        request_id: actor.request_text().to_owned(),
        source: actor.source_text().to_owned(),
        details: Vec::new(),
    }
}

pub(super) fn seal_details(core: &Core, keys: &AuditKeys, draft: &EntryDraft, json: &str) -> Result<Vec<u8>> {
    if json.is_empty() {
        return Ok(Vec::new());
    }
    keys.seal_details(&draft.order_id, draft.row_version, &draft.action, json, &core.env.random()?)
}

pub(super) fn order_not_found(id: OrderId) -> Error {
    Error::new(ErrorCode::OrderNotFound, "there is no such order in this territory")
        .with(|details| details.order_id = Some(id.to_string()))
}

/// The territory changed under every round.
pub(super) fn busy() -> Error {
    Error::new(ErrorCode::StorageUnavailable, "the territory changes too fast; try again")
}
