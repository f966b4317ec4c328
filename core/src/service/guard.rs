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
use crate::wire;

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

    pub(super) fn inline(mut self) -> Self {
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
        !self.revocation.revoked.load(Ordering::Acquire)
            && self.actor.expires_at().is_none_or(|expires| self.core.now() < expires)
    }

    /// Session, territory of the actor, permission, territory: the checks that every call begins with.
    pub(super) async fn enter(
        &self,
        permission: Permission,
        action: Action,
        order: Option<OrderId>,
    ) -> Result<Arc<Territory>> {
        self.core.live()?;
        let denied = if !self.lives() {
            Some((ErrorCode::AccessDenied, "the session is expired or revoked"))
        } else if !self.actor.has_territory(&self.id) {
            Some((ErrorCode::TerritoryMismatch, "the actor has no access to this territory"))
        } else if !self.core.policy.allows(&self.actor, permission) {
            Some((ErrorCode::AccessDenied, "the actor lacks the permission"))
        } else {
            None
        };
        match denied {
            Some((code, message)) => Err(self.deny(action, order, Error::new(code, message)).await),
            None => self.core.territory(&self.id).await,
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

    async fn write_denial(&self, action: Action, order: Option<OrderId>) -> Result<()> {
        for _ in 0..super::ROUNDS {
            // A territory that the actor has, and that exists, keeps its own denials; the rest is the system's.
            let own = if self.actor.has_territory(&self.id) {
                match self.core.keyring.territory(&self.id, &self.core.background).await {
                    Ok(territory) => Some(territory),
                    Err(error) if error.code() == ErrorCode::TerritoryNotFound => None,
                    Err(error) => return Err(error),
                }
            } else {
                None
            };
            let mut draft = self.draft(action, order);
            draft.outcome = audit::Outcome::Denied.name().into();
            let (chain, epoch, keys) = match own {
                Some(territory) => (territory.chain.clone(), territory.epoch, Arc::clone(&territory.audit)),
                None => {
                    let system = self.core.keyring.system(&self.core.background).await?;
                    let subject = wire::details_json(None, Some(self.id.as_str()));
                    draft.details = self.seal_details(&system.audit, &draft, &subject)?;
                    (Chain::System, system.epoch, Arc::clone(&system.audit))
                }
            };
            let mut unit = Unit::new(chain.clone(), epoch);
            unit.drafts.push(draft);
            match self.core.commit(self.inline, unit, &keys).await? {
                Outcome::Done { .. } => return Ok(()),
                _ => self.core.stale(&chain).await,
            }
        }
        Err(busy())
    }

    /// A success entry of this actor, now, with nothing in it yet.
    pub(super) fn draft(&self, action: Action, order: Option<OrderId>) -> EntryDraft {
        draft(&self.core, &self.actor, action, order)
    }

    pub(super) fn seal_details(&self, keys: &AuditKeys, draft: &EntryDraft, json: &str) -> Result<Vec<u8>> {
        seal_details(&self.core, keys, draft, json)
    }

    /// The territory anew, after its epoch turned out to be over.
    pub(super) async fn refresh(&self) -> Result<Arc<Territory>> {
        self.core.stale(&Chain::Territory(self.id.clone())).await;
        self.core.territory(&self.id).await
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

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.id)
    }
}

pub(super) fn draft(core: &Core, actor: &Actor, action: Action, order: Option<OrderId>) -> EntryDraft {
    EntryDraft {
        at: core.env.clock.now_micros(),
        user_id: actor.user_id().as_str().to_owned(),
        role: actor.role_text().to_owned(),
        purpose: actor.purpose().name().to_owned(),
        order_id: order.map_or([0; 16], |id| *id.as_bytes()),
        action: action.name().into(),
        outcome: audit::Outcome::Success.name().into(),
        old_status: "".into(),
        new_status: "".into(),
        row_version: 0,
        row_mac: [0; 32],
        fields: 0,
        request_id: actor.request_id().map_or_else(String::new, |id| id.as_str().to_owned()),
        source: actor.source().map_or_else(String::new, |source| source.as_str().to_owned()),
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

