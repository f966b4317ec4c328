//! Administrative acts. Acts on one territory need it; acts on the whole database need every territory.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::guard::{Session, busy, draft, lacks, seal_details};
use super::keyring::{AUDIT, DATA, Keyring};
use super::report::{Verdict, VerifyReport};
use super::verify::summed;
use super::{Core, ROUNDS, integrity};
use crate::access::Actor;
use crate::audit::Action;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::KeyProvider;
use crate::model::{Chain, OrderId, PatientId, Permission, ProviderId, TerritoryId};
use crate::phi::key::wrapped_version;
use crate::storage::{Outcome, Relationship, Unit, Write};
use crate::wire::stored;

/// How many wrapped keys one commit of a rotation replaces.
const REWRAP: usize = 500;

/// Administrative acts of one actor.
#[derive(Clone)]
pub struct Admin {
    pub(super) core: Arc<Core>,
    actor: Actor,
    inline: bool,
}

/// How far a long act is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Orders or keys done.
    pub done: u64,
    /// Orders or keys in all; more may come while it runs.
    pub total: u64,
}

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RotationReport {
    /// The key version that every order is wrapped under now.
    pub version: u32,
    /// How many orders were wrapped anew.
    pub rewrapped: u64,
    /// True if an earlier rotation had stopped half way and this one finished it instead of making a new key.
    pub resumed: bool,
}

impl Admin {
    pub(super) fn new(core: Arc<Core>, actor: Actor) -> Self {
        Self { core, actor, inline: false }
    }

    /// The same, for a caller that blocks its thread anyway: as [`Session::inline`].
    #[must_use]
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    /// Puts a territory into service: commits its keys, then its row with a `register` entry. Needed with every
    /// directory. A territory that was unregistered comes back with its orders.
    ///
    /// # Errors
    /// `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `OUTCOME_UNKNOWN`,
    /// `CLOSED`.
    pub async fn register_territory(&self, territory: &TerritoryId) -> Result<()> {
        let session = self.session(territory);
        session.permit(Permission::DirectoryManage, Action::Register).await?;
        let chain = Chain::Territory(territory.clone());
        for purpose in [AUDIT, DATA] {
            self.ensure_key(purpose, &chain).await?;
        }
        for _ in 0..ROUNDS {
            let epoch = self.core.storage.territory(&chain).await?.map_or(1, |row| row.epoch);
            let keys = self.core.keyring.audit_keys(&chain, &self.core.background).await?;
            let mut draft = session.draft(Action::Register, None);
            let subject = stored::details_json(None, Some(&format!("territory {territory}")));
            draft.details = session.seal_details(&keys, &draft, &subject)?;
            let mut unit = Unit::new(chain.clone(), epoch);
            unit.writes.push(Write::Territory);
            unit.drafts.push(draft);
            match self.core.commit(self.inline, unit, &keys).await? {
                Outcome::Done { .. } => {
                    self.core.keyring.forget(&chain).await;
                    return Ok(());
                }
                Outcome::Refused => return Err(integrity()),
                _ => {}
            }
        }
        Err(busy())
    }

    /// Takes a territory out of service: sessions and subscriptions answer `TERRITORY_NOT_FOUND`. Its orders
    /// and audit stay.
    ///
    /// # Errors
    /// As [`register_territory`](Admin::register_territory), and `TERRITORY_NOT_FOUND`.
    pub async fn unregister_territory(&self, territory: &TerritoryId) -> Result<()> {
        let subject = format!("territory {territory}");
        self.act(territory, Permission::DirectoryManage, Action::Unregister, &subject, Write::Unregister)
            .await
    }

    /// Says in the stored registry that this provider may order for this patient here. Again is no error.
    ///
    /// # Errors
    /// As [`unregister_territory`](Admin::unregister_territory).
    pub async fn register_relationship(
        &self,
        territory: &TerritoryId,
        patient: &PatientId,
        provider: &ProviderId,
    ) -> Result<()> {
        let write = Write::Relationship(pair(patient, provider));
        let subject = format!("relationship {patient} {provider}");
        self.act(territory, Permission::DirectoryManage, Action::Register, &subject, write).await
    }

    /// Takes a relationship out of the stored registry, for every process at once.
    ///
    /// # Errors
    /// As [`unregister_territory`](Admin::unregister_territory).
    pub async fn unregister_relationship(
        &self,
        territory: &TerritoryId,
        patient: &PatientId,
        provider: &ProviderId,
    ) -> Result<()> {
        let write = Write::RemoveRelationship(pair(patient, provider));
        let subject = format!("relationship {patient} {provider}");
        self.act(territory, Permission::DirectoryManage, Action::Unregister, &subject, write).await
    }

    /// Every territory in service, sorted by bytes. Leaves a `view` entry in the system chain.
    ///
    /// # Errors
    /// `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `OUTCOME_UNKNOWN`,
    /// `CLOSED`.
    pub async fn territories(&self) -> Result<Vec<TerritoryId>> {
        self.permit_all(Permission::DirectoryManage, Action::View).await?;
        self.system_act(Action::View, "territories", Vec::new()).await?;
        let rows = self.core.storage.territories().await?;
        let mut territories: Vec<TerritoryId> = rows
            .into_iter()
            .filter_map(|row| match row.chain {
                Chain::Territory(id) if row.active => Some(id),
                _ => None,
            })
            .collect();
        territories.sort_unstable();
        Ok(territories)
    }

    /// Gives a territory a new key and wraps every order's key under it, while readers and writers go on. After
    /// a kill, the next call finishes what was begun.
    ///
    /// # Errors
    /// As [`unregister_territory`](Admin::unregister_territory), and `INTEGRITY_VIOLATION` at the end if an
    /// order's key does not open; every other order is done then.
    pub async fn rotate_keys(
        &self,
        territory: &TerritoryId,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<RotationReport> {
        let session = self.session(territory);
        let mut now = session.enter(Permission::KeysManage, Action::RotateKeys, None).await?;
        let storage = &self.core.storage;
        let (mut begun, mut resumed) = (false, false);
        for _ in 0..ROUNDS {
            // Judged anew each round: under an older epoch this process knows an older key, and what another
            // process has rotated to the end would look unfinished.
            resumed = !storage.wraps_other_than(territory, now.key.version(), None, 1).await?.is_empty();
            let version = if resumed { now.key.version() } else { now.key.version() + 1 };
            let mut unit = Unit::new(now.chain.clone(), now.epoch);
            if !resumed {
                let key = self.core.keyring.make(DATA, &now.chain, version, &self.core.background).await?;
                unit.writes.extend([Write::Key(key), Write::RaiseEpoch]);
            }
            let mut draft = session.draft(Action::RotateKeys, None);
            let subject = stored::details_json(None, Some(&format!("{DATA} {version}")));
            draft.details = session.seal_details(&now.audit, &draft, &subject)?;
            unit.drafts.push(draft);
            begun = matches!(self.core.commit(self.inline, unit, &now.audit).await?, Outcome::Done { .. });
            now = session.refresh().await?;
            if begun {
                break;
            }
        }
        if !begun {
            return Err(busy());
        }

        let total = storage.order_count(territory).await?;
        let (mut rewrapped, mut after, mut damaged, mut passes) = (0, None, None, 0);
        loop {
            let page = storage.wraps_other_than(territory, now.key.version(), after, REWRAP).await?;
            let Some((last, _)) = page.last() else {
                // The last pass starts at the beginning, finds nothing but what is damaged, and is final:
                // whoever wraps under an older key has an older epoch.
                if after.is_none() || damaged.is_some() {
                    break;
                }
                // Each pass leaves what was changed under it at most, so many can't be needed: somebody undoes them.
                passes += 1;
                if passes > ROUNDS {
                    return Err(integrity());
                }
                after = None;
                continue;
            };
            after = Some(*last);
            let mut unit = Unit::new(now.chain.clone(), now.epoch);
            for (id, old) in page {
                match self.rewrap(&now, id, old).await {
                    Ok(write) => unit.writes.push(write),
                    Err(error) if error.code() == ErrorCode::IntegrityViolation => {
                        damaged = damaged.or(Some(id))
                    }
                    Err(error) => return Err(error),
                }
            }
            let count = unit.writes.len() as u64;
            match self.core.commit(self.inline, unit, &now.audit).await? {
                Outcome::Done { .. } => rewrapped += count,
                Outcome::Refused => return Err(integrity()),
                _ => {
                    now = session.refresh().await?;
                    after = None;
                }
            }
            progress(Progress { done: rewrapped, total: total.max(rewrapped) });
        }
        match damaged {
            Some(id) => Err(integrity().with(|details| details.order_id = Some(id.to_string()))),
            None => Ok(RotationReport { version: now.key.version(), rewrapped, resumed }),
        }
    }

    /// Wraps every key row under another root key, in one transaction. Other processes that still use the old
    /// root answer `KEY_MISMATCH` from then on.
    ///
    /// # Errors
    /// `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `INTEGRITY_VIOLATION`, `STORAGE_UNAVAILABLE`,
    /// `KEY_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `CLOSED`.
    pub async fn change_root(
        &self,
        keys: impl KeyProvider,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<()> {
        self.permit_all(Permission::KeysManage, Action::ChangeRoot).await?;
        let provider: Arc<dyn KeyProvider> = Arc::new(keys);
        for _ in 0..ROUNDS {
            let old = self.core.storage.all_keys().await?;
            let total = old.len() as u64;
            let mut new = Vec::with_capacity(old.len());
            for row in &old {
                new.push(self.core.keyring.rewrap(row, &provider, &self.core.background).await?);
                progress(Progress { done: new.len() as u64, total });
            }
            // A provider that ignores its context would be refused at the next open: refuse it before.
            Keyring::check_row(&new, &provider, &self.core.background).await?;
            // Away from the caller, who may drop this call between the commit and the change of provider.
            let (admin, next) = (self.clone(), Arc::clone(&provider));
            let changed = self.core.background.offload(self.inline, async move {
                let done =
                    admin.system(Action::ChangeRoot, "", vec![Write::ReplaceKeys { old, new }]).await?;
                if done {
                    admin.core.keyring.replace_provider(next);
                }
                Ok(done)
            });
            if changed.await? {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// Writes a `checkpoint` entry, then signs the head of every chain that has moved since the anchor's newest
    /// note, hands the notes to the anchor and returns them. Nothing is signed unless every head is its chain's last entry and continues what the anchor has.
    ///
    /// # Errors
    /// `AUDIT_BROKEN`, and as [`change_root`](Admin::change_root).
    pub async fn checkpoint(&self) -> Result<Vec<String>> {
        self.permit_all(Permission::KeysManage, Action::Checkpoint).await?;
        self.system_act(Action::Checkpoint, "", Vec::new()).await?;
        self.core.sign_heads(true).await
    }

    /// Verifies every chain and every order, as [`Session::verify_audit`]. Leaves a `verify` entry last, unless
    /// the system chain itself is not intact.
    ///
    /// # Errors
    /// As [`Session::verify_audit`].
    pub async fn verify_audit(&self) -> Result<VerifyReport> {
        self.permit_all(Permission::AuditRead, Action::Verify).await?;
        let core = Arc::clone(&self.core);
        let report = self
            .core
            .background
            .offload(self.inline, async move { core.verify_all().await.map(summed) })
            .await?;
        let system = report.chains.iter().find(|chain| chain.territory_id.is_empty());
        if system.is_some_and(|chain| chain.verdict == Verdict::Intact) {
            self.system_act(Action::Verify, "", Vec::new()).await?;
        }
        Ok(report)
    }

    /// Copies the database to a new file, from one snapshot, while it is in use: the only supported copy of an
    /// open database. Writes a `backup` entry first. The copy holds ciphertext and wrapped keys only.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE` if the file exists or can't be written, and as
    /// [`change_root`](Admin::change_root).
    pub async fn backup(&self, path: impl AsRef<Path>) -> Result<()> {
        self.permit_all(Permission::KeysManage, Action::Backup).await?;
        self.system_act(Action::Backup, "", Vec::new()).await?;
        let (core, path) = (Arc::clone(&self.core), path.as_ref().to_owned());
        self.core.background.offload(self.inline, async move { core.storage.backup(&path).await }).await
    }

    /// Takes a restored database into use: gives it a new generation with a `restore` entry, so that cursors
    /// and checkpoints of the lost time line are refused, and signs fresh checkpoints.
    ///
    /// # Errors
    /// As [`change_root`](Admin::change_root).
    pub async fn restore(&self) -> Result<Vec<String>> {
        self.permit_all(Permission::KeysManage, Action::Restore).await?;
        let generation = self.core.env.random()?;
        self.system_act(Action::Restore, "", vec![Write::Generation(generation)]).await?;
        self.core.keyring.forget_all();
        self.core.sign_heads(false).await
    }

    fn session(&self, territory: &TerritoryId) -> Session {
        let session = Session::new(Arc::clone(&self.core), self.actor.clone(), territory.clone());
        if self.inline { session.inline() } else { session }
    }

    /// One write of one territory with its entry.
    async fn act(
        &self,
        territory: &TerritoryId,
        permission: Permission,
        action: Action,
        subject: &str,
        write: Write,
    ) -> Result<()> {
        let session = self.session(territory);
        let mut now = session.enter(permission, action, None).await?;
        for _ in 0..ROUNDS {
            let mut draft = session.draft(action, None);
            draft.details =
                session.seal_details(&now.audit, &draft, &stored::details_json(None, Some(subject)))?;
            let mut unit = Unit::new(now.chain.clone(), now.epoch);
            unit.writes.push(write.clone());
            unit.drafts.push(draft);
            match self.core.commit(self.inline, unit, &now.audit).await? {
                Outcome::Done { .. } => {
                    self.core.keyring.forget(&now.chain).await;
                    return Ok(());
                }
                Outcome::Refused => return Err(integrity()),
                _ => now = session.refresh().await?,
            }
        }
        Err(busy())
    }

    /// The checks of an act on the whole database.
    pub(super) async fn permit_all(&self, permission: Permission, action: Action) -> Result<()> {
        self.core.live()?;
        let error = if self.actor.is_expired(self.core.now()) {
            Error::new(ErrorCode::AccessDenied, "the actor's authentication is expired")
        } else if !self.actor.has_all_territories() {
            Error::new(ErrorCode::TerritoryMismatch, "an act on the whole database needs every territory")
        } else if !self.core.policy.allows(&self.actor, permission) {
            lacks(permission)
        } else {
            return Ok(());
        };
        self.core.deny_in_system(&self.actor, self.inline, action, None, "*").await?;
        Err(error)
    }

    /// An act on the whole database: its writes and its entry in the system chain.
    pub(super) async fn system_act(&self, action: Action, subject: &str, writes: Vec<Write>) -> Result<()> {
        for _ in 0..ROUNDS {
            if self.system(action, subject, writes.clone()).await? {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// One try of the same; false if something changed meanwhile.
    async fn system(&self, action: Action, subject: &str, writes: Vec<Write>) -> Result<bool> {
        let system = self.core.keyring.system(&self.core.background).await?;
        let mut draft = draft(&self.core, &self.actor, action, None);
        if !subject.is_empty() {
            draft.details =
                seal_details(&self.core, &system.audit, &draft, &stored::details_json(None, Some(subject)))?;
        }
        let mut unit = Unit::new(Chain::System, system.epoch);
        unit.writes = writes;
        unit.drafts.push(draft);
        match self.core.commit(self.inline, unit, &system.audit).await? {
            Outcome::Done { .. } => return Ok(true),
            Outcome::Refused => return Err(integrity()),
            _ => self.core.stale(&Chain::System).await,
        }
        Ok(false)
    }

    /// Makes the first key of a purpose, unless it is there: whoever comes second uses the first one's.
    async fn ensure_key(&self, purpose: &str, chain: &Chain) -> Result<()> {
        let there = || async {
            let rows = self.core.storage.keys(chain).await?;
            Ok::<bool, Error>(rows.iter().any(|row| row.purpose == purpose))
        };
        if there().await? {
            return Ok(());
        }
        for _ in 0..ROUNDS {
            let system = self.core.keyring.system(&self.core.background).await?;
            // Anew each round and after the epoch: a change of the root key meanwhile must make this one stale,
            // since a key row is never replaced.
            let key = self.core.keyring.make(purpose, chain, 1, &self.core.background).await?;
            let mut unit = Unit::new(Chain::System, system.epoch);
            unit.writes.push(Write::Key(key));
            match self.core.commit(self.inline, unit, &system.audit).await? {
                Outcome::StaleEpoch => self.core.stale(&Chain::System).await,
                _ if there().await? => return Ok(()),
                _ => {}
            }
        }
        Err(busy())
    }

    async fn rewrap(
        &self,
        territory: &super::keyring::Territory,
        id: OrderId,
        old: Vec<u8>,
    ) -> Result<Write> {
        let version = wrapped_version(&old)?;
        let key = self.core.keyring.version(territory, version, &self.core.background).await?;
        let key = key.unwrap(id.as_bytes(), &old)?;
        let new = territory.key.wrap(id.as_bytes(), &key, &self.core.env.random()?)?;
        Ok(Write::Rewrap { order_id: id, old, new: new.to_vec() })
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admin")
    }
}

fn pair(patient: &PatientId, provider: &ProviderId) -> Relationship {
    Relationship { patient_id: patient.as_str().to_owned(), provider_id: provider.as_str().to_owned() }
}
