//! A database, and what it hands out.

use std::sync::Arc;

use medorder::service::BlockingService;
use medorder::{Error, TerritoryId};

use crate::actor::Actor;
use crate::admin::Admin;
use crate::error::Result;
use crate::guarded::{Guarded, guarded};
use crate::host::{AnchorSink, CareDirectory, HostAnchor, HostDirectory, Keys};
use crate::options::OpenOptions;
use crate::session::Session;

/// An open database. Sessions and administrators may be used from any thread, several at once, and keep the database open
/// until `close`.
#[derive(uniffi::Object)]
pub struct OrderService(Guarded<BlockingService>);

#[uniffi::export]
impl OrderService {
    /// Opens a SQLite file, which is made if it is missing, or a `postgres://` url.
    ///
    /// Errors: `VALIDATION_ERROR` for options and keys, `KEY_UNAVAILABLE`, `KEY_MISMATCH` (the root key is another
    /// database's), `SCHEMA_UNSUPPORTED`, `INTEGRITY_VIOLATION`, `AUDIT_BROKEN`, `STORAGE_UNAVAILABLE`.
    #[uniffi::constructor(default(options = None, directory = None, anchor = None))]
    pub fn new(
        url: String,
        keys: Keys,
        options: Option<Arc<OpenOptions>>,
        directory: Option<Arc<dyn CareDirectory>>,
        anchor: Option<Arc<dyn AnchorSink>>,
    ) -> Result<Arc<Self>> {
        let service = guarded(|| {
            let options =
                options.map_or_else(|| Ok(medorder::wire::OpenOptions::default()), |own| own.get())?;
            let mut builder = medorder::OrderService::builder(url, keys.provider()?).options(options)?;
            if let Some(directory) = directory {
                builder = builder.directory(HostDirectory(directory));
            }
            if let Some(anchor) = anchor {
                builder = builder.anchor(HostAnchor(anchor));
            }
            builder.open_blocking()
        })?;
        Ok(Arc::new(Self(Guarded::new(service))))
    }

    /// What an actor may do in a territory.
    ///
    /// Errors: `VALIDATION_ERROR` with every fault of the actor and the territory. Whether the actor may do anything shows
    /// with the first call.
    pub fn session(&self, actor: Arc<Actor>, territory_id: String) -> Result<Arc<Session>> {
        let session = self.0.run(|service| match (actor.get(), territory_id.parse::<TerritoryId>()) {
            (Ok(actor), Ok(territory)) => Ok(service.session(actor, territory)),
            (actor, territory) => {
                let faults = [actor.err(), territory.err()];
                let faults = faults.iter().flatten().flat_map(|error| error.faults().iter().cloned());
                Err(Error::validation(faults.collect()))
            }
        })?;
        Ok(Session::of(session))
    }

    /// Administrative acts of an actor.
    ///
    /// Errors: `VALIDATION_ERROR` with every fault of the actor.
    pub fn admin(&self, actor: Arc<Actor>) -> Result<Arc<Admin>> {
        Ok(Admin::of(self.0.run(|service| Ok(service.admin(actor.get()?)))?))
    }

    /// The identity of the database: a new one with each restore.
    ///
    /// Errors: `STORAGE_UNAVAILABLE`, `CLOSED`.
    pub fn generation(&self) -> Result<String> {
        Ok(self.0.run(BlockingService::generation)?)
    }

    /// The public key of signed checkpoints, 32 bytes of Ed25519.
    ///
    /// Errors: `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `CLOSED`.
    pub fn checkpoint_public_key(&self) -> Result<Vec<u8>> {
        Ok(self.0.run(BlockingService::checkpoint_public_key)?.to_vec())
    }

    /// Commits what was accepted and closes the database, for everything that was made of it too: later calls are
    /// `CLOSED`. Closing again is nothing.
    ///
    /// Errors: `STORAGE_UNAVAILABLE`, `OUTCOME_UNKNOWN`.
    pub fn close(&self) -> Result<()> {
        Ok(self.0.run(BlockingService::close)?)
    }
}
