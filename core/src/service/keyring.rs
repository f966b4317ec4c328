//! Unwrapped keys and what belongs to them, cached under the territory's epoch.

use std::fmt;
use std::future::ready;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use moka::Entry;
use moka::future::Cache;
use moka::ops::compute::Op;
use zeroize::Zeroizing;

use super::callback::{Background, DEADLINE};
use crate::audit::{AuditKeys, Signer};
use crate::env::Env;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{KeyError, KeyProvider};
use crate::model::{Chain, TerritoryId};
use crate::phi::key::{Key32, TerritoryKey, context};
use crate::storage::{KeyRow, Storage, TerritoryRow};

pub(super) const DATA: &str = "data";
pub(super) const AUDIT: &str = "audit";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const CHECK: &str = "check";

/// A territory as this process knows it; made under one epoch and dropped when that is over.
pub(super) struct Territory {
    pub(super) id: TerritoryId,
    pub(super) chain: Chain,
    pub(super) epoch: u64,
    /// The current key: new orders are wrapped under it.
    pub(super) key: Arc<TerritoryKey>,
    pub(super) audit: Arc<AuditKeys>,
}

/// The keys of a chain that has no orders.
pub(super) struct System {
    pub(super) epoch: u64,
    pub(super) audit: Arc<AuditKeys>,
}

pub(super) struct Keyring {
    storage: Arc<dyn Storage>,
    provider: RwLock<Arc<dyn KeyProvider>>,
    territories: Cache<TerritoryId, Arc<Territory>>,
    /// Older versions, needed until a rotation has passed over every order.
    older: Cache<(TerritoryId, u32), Arc<TerritoryKey>>,
    system: Cache<(), Arc<System>>,
    env: Env,
}

impl Keyring {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        provider: Arc<dyn KeyProvider>,
        env: Env,
        ttl: Duration,
        capacity: u64,
    ) -> Self {
        Self {
            storage,
            provider: RwLock::new(provider),
            territories: Cache::builder().time_to_live(ttl).max_capacity(capacity).build(),
            older: Cache::builder().time_to_live(ttl).max_capacity(capacity).build(),
            system: Cache::builder().time_to_live(ttl).max_capacity(1).build(),
            env,
        }
    }

    /// The territory's keys; one load a miss, however many wait.
    ///
    /// # Errors
    /// `TERRITORY_NOT_FOUND` if it is not registered.
    pub(super) async fn territory(
        &self,
        id: &TerritoryId,
        background: &Background,
    ) -> Result<Arc<Territory>> {
        if let Some(known) = self.territories.get(id).await {
            return Ok(known);
        }
        self.territories
            .try_get_with(id.clone(), async {
                let chain = Chain::Territory(id.clone());
                let row = self.storage.territory(&chain).await?;
                let row = row.filter(|row| row.active).ok_or_else(not_found)?;
                self.load(row, id.clone(), background).await.map(Arc::new)
            })
            .await
            .map_err(|error: Arc<Error>| (*error).clone())
    }

    async fn load(&self, row: TerritoryRow, id: TerritoryId, background: &Background) -> Result<Territory> {
        let rows = self.storage.keys(&row.chain).await?;
        let newest = rows.iter().filter(|key| key.purpose == DATA).max_by_key(|key| key.version);
        let newest = newest.ok_or_else(no_key_row)?;
        let key = self.unwrap(newest, background).await?;
        let audit = self.audit(&rows, row.chain.as_str(), background).await?;
        Ok(Territory {
            key: Arc::new(TerritoryKey::new(id.as_str(), newest.version, key)),
            audit,
            epoch: row.epoch,
            chain: row.chain,
            id,
        })
    }

    /// The key of a territory that an order was wrapped under.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` if there is no such key row.
    pub(super) async fn version(
        &self,
        territory: &Territory,
        version: u32,
        background: &Background,
    ) -> Result<Arc<TerritoryKey>> {
        if version == territory.key.version() {
            return Ok(Arc::clone(&territory.key));
        }
        self.older
            .try_get_with((territory.id.clone(), version), async {
                let rows = self.storage.keys(&territory.chain).await?;
                let row = rows.iter().find(|key| key.purpose == DATA && key.version == version);
                let key = self.unwrap(row.ok_or_else(no_key_row)?, background).await?;
                Ok(Arc::new(TerritoryKey::new(territory.id.as_str(), version, key)))
            })
            .await
            .map_err(|error: Arc<Error>| (*error).clone())
    }

    /// The keys of the audit chain of `chain`, registered or not.
    pub(super) async fn chain(&self, chain: &Chain, background: &Background) -> Result<Arc<AuditKeys>> {
        match chain {
            Chain::System => Ok(Arc::clone(&self.system(background).await?.audit)),
            // Through the cache, so that a process that only listens does not ask the provider for each event.
            Chain::Territory(id) => match self.territory(id, background).await {
                Ok(known) => Ok(Arc::clone(&known.audit)),
                // Out of service, or its data key is damaged: the audit key may be good all the same.
                Err(error)
                    if matches!(
                        error.code(),
                        ErrorCode::TerritoryNotFound | ErrorCode::IntegrityViolation
                    ) =>
                {
                    self.audit(&self.storage.keys(chain).await?, chain.as_str(), background).await
                }
                Err(error) => Err(error),
            },
        }
    }

    /// The keys of a chain as they are stored now, past every cache: for verification.
    pub(super) async fn audit_keys(&self, chain: &Chain, background: &Background) -> Result<Arc<AuditKeys>> {
        self.audit(&self.storage.keys(chain).await?, chain.as_str(), background).await
    }

    /// A territory as it is stored now, past every cache, in service or not: for verification.
    pub(super) async fn load_anyhow(&self, id: &TerritoryId, background: &Background) -> Result<Territory> {
        let row = self.storage.territory(&Chain::Territory(id.clone())).await?.ok_or_else(not_found)?;
        self.load(row, id.clone(), background).await
    }

    /// Whether a key row opens.
    pub(super) async fn opens(&self, row: &KeyRow, background: &Background) -> Result<()> {
        self.unwrap(row, background).await.map(|_| ())
    }

    /// The system chain's keys.
    pub(super) async fn system(&self, background: &Background) -> Result<Arc<System>> {
        self.system
            .try_get_with((), async {
                let row = self.storage.territory(&Chain::System).await?.ok_or_else(no_key_row)?;
                let rows = self.storage.keys(&Chain::System).await?;
                let audit = self.audit(&rows, "", background).await?;
                Ok(Arc::new(System { epoch: row.epoch, audit }))
            })
            .await
            .map_err(|error: Arc<Error>| (*error).clone())
    }

    /// The key that signs checkpoints. Not cached: it is used every few minutes at most.
    pub(super) async fn signer(&self, background: &Background) -> Result<Signer> {
        let rows = self.storage.keys(&Chain::System).await?;
        let row = rows.iter().find(|key| key.purpose == CHECKPOINT).ok_or_else(no_key_row)?;
        Ok(Signer::new(self.unwrap(row, background).await?.expose()))
    }

    /// Forgets a territory: its epoch is over.
    pub(super) async fn forget(&self, chain: &Chain) {
        match chain {
            Chain::System => self.system.invalidate(&()).await,
            Chain::Territory(id) => self.territories.invalidate(id).await,
        }
    }

    /// Forgets a territory unless it is of the epoch that is stored now: of many whose epoch turned out to be
    /// over, only the first makes the provider be asked again.
    pub(super) async fn forget_older(&self, chain: &Chain) {
        let Ok(Some(row)) = self.storage.territory(chain).await else { return self.forget(chain).await };
        match chain {
            Chain::System => {
                let keep = |known: Option<Entry<_, Arc<System>>>| {
                    ready(unless(known.is_none_or(|known| known.value().epoch == row.epoch)))
                };
                self.system.entry(()).and_compute_with(keep).await;
            }
            Chain::Territory(id) => {
                let keep = |known: Option<Entry<_, Arc<Territory>>>| {
                    ready(unless(known.is_none_or(|known| known.value().epoch == row.epoch)))
                };
                self.territories.entry(id.clone()).and_compute_with(keep).await;
            }
        }
    }

    /// Forgets everything and unwraps with another provider from now on.
    pub(super) fn replace_provider(&self, provider: Arc<dyn KeyProvider>) {
        *self.provider.write().unwrap_or_else(PoisonError::into_inner) = provider;
        self.forget_all();
    }

    pub(super) fn forget_all(&self) {
        self.territories.invalidate_all();
        self.older.invalidate_all();
        self.system.invalidate_all();
    }

    /// Checks the root key: `check` unwraps under version 0 and not under version 1 (FORMAT section 1).
    pub(super) async fn check(&self, background: &Background) -> Result<()> {
        let rows = self.storage.keys(&Chain::System).await?;
        Self::check_row(&rows, &self.provider(), background).await
    }

    /// The same for rows and a provider that are not in use yet.
    pub(super) async fn check_row(
        rows: &[KeyRow],
        provider: &Arc<dyn KeyProvider>,
        background: &Background,
    ) -> Result<()> {
        let row = rows.iter().find(|key| key.purpose == CHECK).ok_or_else(mismatch)?;
        let opened = call_unwrap(provider, &row.blob, context(CHECK, "", 0), background).await;
        match opened {
            Ok(_) => {}
            Err(KeyError::Refused) => return Err(mismatch()),
            Err(_) => return Err(unavailable()),
        }
        match call_unwrap(provider, &row.blob, context(CHECK, "", 1), background).await {
            Err(KeyError::Refused) => Ok(()),
            Err(_) => Err(unavailable()),
            Ok(_) => Err(Error::new(ErrorCode::KeyMismatch, "the key provider ignores its context")),
        }
    }

    /// A new random key, wrapped by the provider for `purpose`, `chain` and `version`.
    pub(super) async fn make(
        &self,
        purpose: &str,
        chain: &Chain,
        version: u32,
        background: &Background,
    ) -> Result<KeyRow> {
        let key = Zeroizing::new(self.env.random::<32>()?);
        wrap_row(&self.provider(), key, purpose, chain.as_str(), version, background).await
    }

    /// The same key under another provider, for `change_root`.
    pub(super) async fn rewrap(
        &self,
        row: &KeyRow,
        provider: &Arc<dyn KeyProvider>,
        background: &Background,
    ) -> Result<KeyRow> {
        let key = Zeroizing::new(*self.unwrap(row, background).await?.expose());
        wrap_row(provider, key, &row.purpose, &row.territory, row.version, background).await
    }

    async fn audit(&self, rows: &[KeyRow], chain: &str, background: &Background) -> Result<Arc<AuditKeys>> {
        let row = rows.iter().find(|key| key.purpose == AUDIT && key.version == 1).ok_or_else(no_key_row)?;
        let key = self.unwrap(row, background).await?;
        Ok(Arc::new(AuditKeys::new(chain, key.expose())))
    }

    async fn unwrap(&self, row: &KeyRow, background: &Background) -> Result<Key32> {
        let context = context(&row.purpose, &row.territory, row.version);
        match call_unwrap(&self.provider(), &row.blob, context, background).await {
            Ok(key) => Ok(Key32::from_bytes(*key)),
            Err(KeyError::Refused) => {
                // Either this blob was changed, or the root was, by another process: `check` tells.
                self.check(background).await?;
                Err(Error::new(ErrorCode::IntegrityViolation, "a key row does not open"))
            }
            Err(_) => Err(unavailable()),
        }
    }

    fn provider(&self) -> Arc<dyn KeyProvider> {
        Arc::clone(&self.provider.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

/// The first keys of a database.
#[cfg_attr(
    not(any(test, feature = "sqlite", feature = "postgres", feature = "test-util")),
    expect(dead_code, reason = "no engine is born without them")
)]
pub(super) async fn initial_keys(
    provider: &Arc<dyn KeyProvider>,
    env: &Env,
    background: &Background,
) -> Result<Vec<KeyRow>> {
    let mut rows = Vec::new();
    for (purpose, version) in [(AUDIT, 1), (CHECK, 0), (CHECKPOINT, 1)] {
        let key = Zeroizing::new(env.random::<32>()?);
        rows.push(wrap_row(provider, key, purpose, "", version, background).await?);
    }
    Ok(rows)
}

async fn wrap_row(
    provider: &Arc<dyn KeyProvider>,
    key: Zeroizing<[u8; 32]>,
    purpose: &str,
    territory: &str,
    version: u32,
    background: &Background,
) -> Result<KeyRow> {
    let context = context(purpose, territory, version);
    let blob = if provider.is_local() {
        provider.wrap(&key, &context)
    } else {
        let provider = Arc::clone(provider);
        background.call(DEADLINE, move || provider.wrap(&key, &context), unavailable).await?
    };
    let blob = blob.map_err(|_| unavailable())?;
    Ok(KeyRow { purpose: purpose.to_owned(), territory: territory.to_owned(), version, blob })
}

async fn call_unwrap(
    provider: &Arc<dyn KeyProvider>,
    blob: &[u8],
    context: Vec<u8>,
    background: &Background,
) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    if provider.is_local() {
        return provider.unwrap(blob, &context);
    }
    let (provider, blob) = (Arc::clone(provider), blob.to_vec());
    background
        .call(DEADLINE, move || provider.unwrap(&blob, &context), unavailable)
        .await
        .unwrap_or(Err(KeyError::Unavailable))
}

/// Removes a cached value, unless it is to be kept.
fn unless<T>(keep: bool) -> Op<T> {
    if keep { Op::Nop } else { Op::Remove }
}

pub(super) fn not_found() -> Error {
    Error::new(ErrorCode::TerritoryNotFound, "the territory is not registered (admin.register_territory)")
}

fn no_key_row() -> Error {
    Error::new(ErrorCode::IntegrityViolation, "a key row is missing")
}

fn mismatch() -> Error {
    Error::new(ErrorCode::KeyMismatch, "the root key is not the one of this database")
}

fn unavailable() -> Error {
    Error::new(ErrorCode::KeyUnavailable, "the key provider did not answer")
}
