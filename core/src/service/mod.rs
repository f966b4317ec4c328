//! The service composes: check access, compute the next state, seal, draft the entry, hand one finished unit
//! to storage. Nothing else does.

mod admin;
mod aside;
mod batch;
mod blocking;
mod builder;
mod callback;
mod calls;
mod checkpoints;
mod commands;
mod committer;
mod feed;
mod guard;
mod keyring;
mod list;
mod log;
#[cfg(feature = "postgres")]
mod moving;
mod opening;
mod queries;
mod report;
mod verify;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use moka::future::Cache;

pub use self::admin::{Admin, Progress, RotationReport};
pub use self::blocking::{
    BlockingAdmin, BlockingExport, BlockingService, BlockingSession, BlockingSubscription,
};
pub use self::builder::Builder;
pub use self::calls::{AdminCall, Answer, Call};
pub use self::feed::Subscription;
pub use self::guard::Session;
pub use self::log::{AuditExport, ExportedEntry};
pub use self::report::{BadRecord, ChainReport, Verdict, VerifyReport};

use self::callback::{Background, DEADLINE};
use self::committer::{Committer, Lot, closed};
use self::keyring::Keyring;
use crate::access::{AccessPolicy, Actor};
use crate::anchor::AnchorSink;
use crate::audit::AuditKeys;
use crate::directory::CareDirectory;
use crate::env::Env;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::KeyProvider;
use crate::model::{Chain, PatientId, ProviderId, TerritoryId, Timestamp};
use crate::storage::{NotNow, Outcome, Relationship, Storage, Unit};
use crate::workflow::Workflow;

/// How often a change that keeps meeting other changes is tried again.
const ROUNDS: usize = 8;

/// The engine: opened once, shared by everybody, cheap to clone.
///
/// ```
/// # #[tokio::main] async fn main() -> medorder::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("medorder-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).ok();
/// # let (db, key) = (folder.join("orders.db"), folder.join("root.key"));
/// use medorder::{KeyFile, OrderService, generate_key_file};
///
/// generate_key_file(&key)?;
/// let service = OrderService::open(&db, KeyFile::open(&key)?).await?;
/// service.close().await?;
/// # std::fs::remove_dir_all(&folder).ok();
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct OrderService {
    core: Arc<Core>,
}

impl OrderService {
    /// Opens the database at `url` (`sqlite://PATH` or a bare path, taken literally) with default settings,
    /// and makes it if it is missing.
    ///
    /// With the feature `postgres` also `postgres://ROLE@HOST/DATABASE`, as the runtime role; nothing is made there,
    /// [`Builder::init`] does that. TLS with certificate and name is asked for unless the url says `sslmode=`; a private
    /// authority is `sslrootcert=FILE`. Passwords come from `PGPASSWORD` or `.pgpass`. Behind pgbouncer
    /// `pooler=transaction`, and `Builder::postgres` with a `listen_url` for prompt events.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a url that is none, `STORAGE_UNAVAILABLE`, `SCHEMA_UNSUPPORTED` (not a medorder database, or a newer one; it is left
    /// untouched), `KEY_MISMATCH` (before any row is read), `KEY_UNAVAILABLE`.
    pub async fn open(url: impl AsRef<Path>, keys: impl KeyProvider) -> Result<Self> {
        Self::builder(url, keys).open().await
    }

    /// The same with settings.
    pub fn builder(url: impl AsRef<Path>, keys: impl KeyProvider) -> Builder {
        Builder::new(url.as_ref(), Arc::new(keys))
    }

    /// What `actor` may do in `territory`. No IO: the first call checks and audits.
    #[must_use]
    pub fn session(&self, actor: Actor, territory: TerritoryId) -> Session {
        Session::new(Arc::clone(&self.core), actor, territory)
    }

    /// Administrative acts of `actor`.
    #[must_use]
    pub fn admin(&self, actor: Actor) -> Admin {
        Admin::new(Arc::clone(&self.core), actor)
    }

    /// The same service for callers that block. When nobody else writes, a change commits on the caller's
    /// thread.
    #[must_use]
    pub fn blocking(&self) -> BlockingService {
        BlockingService::new(self.clone())
    }

    /// The random identity of the database; it stands in cursors and checkpoints, and a restore renews it.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`, `CLOSED`.
    pub async fn generation(&self) -> Result<String> {
        self.core.live()?;
        Ok(uuid::Uuid::from_bytes(self.core.storage.meta().await?.generation).hyphenated().to_string())
    }

    /// The public key that checkpoints are checked with. Keep it outside the database.
    ///
    /// # Errors
    /// `KEY_UNAVAILABLE`, `STORAGE_UNAVAILABLE`, `CLOSED`.
    pub async fn checkpoint_public_key(&self) -> Result<[u8; 32]> {
        self.core.live()?;
        Ok(self.core.keyring.signer(&self.core.background).await?.public_key())
    }

    /// Refuses new calls, commits what was accepted, signs a last checkpoint if there is an anchor, and lets
    /// go of the database. A second close does nothing.
    ///
    /// # Errors
    /// What the last checkpoint or the engine met; the service is closed all the same.
    pub async fn close(&self) -> Result<()> {
        self.core.close().await
    }
}

impl fmt::Debug for OrderService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrderService")
    }
}

/// What every session, subscription and admin handle shares.
struct Core {
    storage: Arc<dyn Storage>,
    committer: Committer,
    keyring: Keyring,
    directory: Option<Arc<dyn CareDirectory>>,
    /// Positive answers of the directory, bound to the epoch they were given under.
    relationships: Cache<(TerritoryId, u64, Relationship), ()>,
    territories: Cache<(TerritoryId, u64), ()>,
    anchor: Option<Arc<dyn AnchorSink>>,
    policy: AccessPolicy,
    workflow: Workflow,
    env: Env,
    background: Background,
    closed: AtomicBool,
    /// When the last automatic checkpoint was due, in microseconds since 1970.
    checkpointed: AtomicI64,
    pid: u32,
}

/// An anchor gets a checkpoint at least this often while there is activity.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(600);

impl Core {
    /// Refuses calls on a closed service, in the child of a fork, and from inside a callback.
    fn live(&self) -> Result<()> {
        let gone = self.closed.load(Ordering::Acquire) || self.committer.is_broken();
        if gone || self.pid != std::process::id() {
            return Err(closed());
        }
        callback::refuse_inside()
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.env.clock.now_micros())
    }

    /// Commits one unit: inline for a blocking caller if nobody else is writing, else through the committer.
    async fn commit(self: &Arc<Self>, inline: bool, unit: Unit, keys: &Arc<AuditKeys>) -> Result<Outcome> {
        let unit = if inline {
            match self.committer.commit_now(unit, keys) {
                Ok(outcome) => return Ok(self.committed(outcome)),
                Err(NotNow::Failed(error)) => return Err(error),
                Err(NotNow::Busy(unit)) => unit,
            }
        } else {
            unit
        };
        let lot = Lot { units: vec![unit], keys: Arc::clone(keys) };
        let outcome = self.committer.commit(lot, &self.background).await?.pop();
        outcome.map(|outcome| self.committed(outcome)).ok_or_else(|| internal("a unit has no outcome"))
    }

    /// Starts a checkpoint in the background when one is due.
    fn committed(self: &Arc<Self>, outcome: Outcome) -> Outcome {
        if matches!(outcome, Outcome::Done { .. }) {
            self.checkpoint_if_due();
        }
        outcome
    }

    fn checkpoint_if_due(self: &Arc<Self>) {
        if self.anchor.is_some() {
            let now = self.env.clock.now_micros();
            let last = self.checkpointed.load(Ordering::Relaxed);
            let due = now.saturating_sub(last) >= CHECKPOINT_EVERY.as_micros() as i64;
            if due
                && self.checkpointed.compare_exchange(last, now, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                let core = Arc::clone(self);
                self.background.spawn(async move {
                    if let Err(error) = core.checkpoint_all().await {
                        tracing::error!(target: "medorder", code = error.code().name(), "no checkpoint was made");
                    }
                });
            }
        }
    }

    /// Asks the directory, or what it said before in this epoch.
    async fn check_relationship(
        &self,
        territory: &keyring::Territory,
        patient: &PatientId,
        provider: &ProviderId,
    ) -> Result<()> {
        let relationship = Relationship {
            patient_id: patient.as_str().to_owned(),
            provider_id: provider.as_str().to_owned(),
        };
        let key = (territory.id.clone(), territory.epoch, relationship);
        if self.relationships.contains_key(&key) {
            return Ok(());
        }
        let exists = match &self.directory {
            None => self.storage.relationship(&territory.id, &key.2).await?,
            Some(directory) => {
                let directory = Arc::clone(directory);
                let (patient, provider, id) = (patient.clone(), provider.clone(), territory.id.clone());
                let ask = move || directory.relationship_exists(&patient, &provider, &id);
                self.background
                    .call(DEADLINE, ask, directory_unavailable)
                    .await?
                    .map_err(|_| directory_unavailable())?
            }
        };
        if !exists {
            return Err(Error::new(
                ErrorCode::PatientProviderMismatch,
                "the directory knows no relationship of this patient and provider in this territory",
            ));
        }
        self.relationships.insert(key, ()).await;
        Ok(())
    }

    /// A registered territory that the host's directory knows too.
    async fn territory(&self, id: &TerritoryId) -> Result<Arc<keyring::Territory>> {
        let territory = self.keyring.territory(id, &self.background).await?;
        if let Some(directory) = &self.directory {
            let key = (id.clone(), territory.epoch);
            if !self.territories.contains_key(&key) {
                let (directory, id) = (Arc::clone(directory), id.clone());
                let ask = move || directory.territory_exists(&id);
                let known = self.background.call(DEADLINE, ask, directory_unavailable).await?;
                if !known.map_err(|_| directory_unavailable())? {
                    return Err(keyring::not_found());
                }
                self.territories.insert(key, ()).await;
            }
        }
        Ok(territory)
    }

    /// The epoch a unit was made under is over: forget what was cached.
    async fn stale(&self, chain: &Chain) {
        self.keyring.forget_older(chain).await;
    }

    async fn close(self: &Arc<Self>) -> Result<()> {
        if self.pid != std::process::id() {
            return Err(closed());
        }
        callback::refuse_inside()?;
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let core = Arc::clone(self);
        // Away from the caller: a close that is dropped half way goes on.
        let closed = self.background.offload(false, async move {
            let signed = if core.anchor.is_some() { core.checkpoint_all().await } else { Ok(()) };
            core.committer.close();
            core.storage.close().await.and(signed)
        });
        closed.await
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            self.committer.close();
        }
    }
}

fn directory_unavailable() -> Error {
    Error::new(ErrorCode::StorageUnavailable, "the directory did not answer")
}

fn internal(what: &'static str) -> Error {
    Error::new(ErrorCode::Internal, what)
}

fn integrity() -> Error {
    Error::new(ErrorCode::IntegrityViolation, "the order and its entries disagree")
}
