//! What the host brings: keys, a directory, an anchor, which the engine asks on threads of its own and gives five seconds,
//! and a listener. What they throw may hold a secret, so that it is neither kept nor logged.

use std::sync::Arc;

use medorder::{
    AnchorSink as CoreSink, CareDirectory as CoreDirectory, EnvKey, Error, ErrorCode,
    KeyError as CoreKeyError, KeyFile, KeyProvider as CoreProvider, PatientId, ProviderId, TerritoryId,
    Zeroizing,
};
use uniffi::UnexpectedUniFFICallbackError;

use crate::error::Result;
use crate::guarded::guarded;

/// Where the root key is.
#[derive(Clone, uniffi::Enum)]
pub enum Keys {
    /// In a file that only its owner can read (mode 0600). It is read once.
    File {
        /// Its path.
        path: String,
    },
    /// In an environment variable, in the form of a key file's line. It is read once.
    Env {
        /// Its name.
        variable: String,
    },
    /// With the host, which wraps and unwraps keys: AWS KMS, Vault, an HSM.
    Host {
        /// Who is asked.
        provider: Arc<dyn KeyProvider>,
    },
}

/// Why a key provider of the host gave no key. Anything else that it throws counts as `Unavailable`.
#[derive(Debug, uniffi::Error)]
pub enum KeyError {
    /// The blob does not authenticate under this root key and context.
    Refused,
    /// The provider could not be asked; trying again may help.
    Unavailable,
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Refused => "the key provider refused the key",
            Self::Unavailable => "the key provider did not answer",
        })
    }
}

impl std::error::Error for KeyError {}

impl From<UnexpectedUniFFICallbackError> for KeyError {
    fn from(_: UnexpectedUniFFICallbackError) -> Self {
        Self::Unavailable
    }
}

/// Why a directory, an anchor or a listener of the host gave no answer. Anything else that it throws counts the same.
#[derive(Debug, uniffi::Error)]
pub enum HostError {
    /// It can't tell now; trying again may help.
    Unavailable,
}

impl std::fmt::Display for HostError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the host did not answer")
    }
}

impl std::error::Error for HostError {}

impl From<UnexpectedUniFFICallbackError> for HostError {
    fn from(_: UnexpectedUniFFICallbackError) -> Self {
        Self::Unavailable
    }
}

/// Wraps and unwraps the keys of territories under a root key that never leaves its place. Calls come on any thread and
/// several at once, and have 5 seconds. Calling the service from inside is refused.
#[uniffi::export(with_foreign)]
pub trait KeyProvider: Send + Sync {
    /// The 32 bytes of `key`, encrypted and bound to `context`. Keep no copy of the key.
    fn wrap(&self, key: Vec<u8>, context: Vec<u8>) -> std::result::Result<Vec<u8>, KeyError>;

    /// The 32 bytes that `blob` was made of, if it was made with this `context`.
    fn unwrap(&self, blob: Vec<u8>, context: Vec<u8>) -> std::result::Result<Vec<u8>, KeyError>;
}

/// The hospital's own directory: who may order for whom. Without one the service asks the registry in its database.
/// Calls come on any thread and have 5 seconds; a failure, or null, is `STORAGE_UNAVAILABLE` for the caller, never an
/// answer. Each territory must be registered all the same, once, since that makes its keys and its audit chain.
#[uniffi::export(with_foreign)]
pub trait CareDirectory: Send + Sync {
    /// True if the territory is in use; null if that can't be told now.
    fn territory_exists(&self, territory_id: String) -> std::result::Result<Option<bool>, HostError>;

    /// True if this provider may order for this patient here; null if that can't be told now.
    fn relationship_exists(
        &self,
        patient_id: String,
        provider_id: String,
        territory_id: String,
    ) -> std::result::Result<Option<bool>, HostError>;
}

/// Keeps signed checkpoints away from whoever can write the database. Calls come on any thread and have 5 seconds; a
/// failure is `STORAGE_UNAVAILABLE` for the caller.
#[uniffi::export(with_foreign)]
pub trait AnchorSink: Send + Sync {
    /// Keeps a signed note durably and then answers true; anything else means that it is not kept. The same note may come
    /// twice.
    fn keep(&self, note: String) -> std::result::Result<Option<bool>, HostError>;

    /// The newest note of `chain` (a territory, or the empty text of the system chain), of whatever generation; null if
    /// there is none. The first line of a note ends with `/` and the name of its chain.
    fn newest(&self, chain: String) -> std::result::Result<Option<String>, HostError>;
}

/// Hears how far a long act is, on the thread of the act, which waits for it. It must not call the service. What it throws
/// changes nothing.
#[uniffi::export(with_foreign)]
pub trait ProgressListener: Send + Sync {
    /// So many orders or keys are done, of so many in all; while it runs their number may grow.
    fn progress(&self, done: i64, total: i64) -> std::result::Result<(), HostError>;
}

/// Makes a new root key file, mode 0600. Whoever loses this file loses the data. Refuses to overwrite a file.
///
/// Errors: `KEY_UNAVAILABLE` if it can't be written or is there already.
#[uniffi::export]
pub fn generate_key_file(path: String) -> Result<()> {
    Ok(guarded(|| medorder::generate_key_file(path))?)
}

impl Keys {
    pub(crate) fn provider(self) -> medorder::Result<Box<dyn CoreProvider>> {
        Ok(match self {
            Self::File { path } => Box::new(KeyFile::open(path)?),
            Self::Env { variable } => Box::new(EnvKey::from_var(&variable)?),
            Self::Host { provider } => Box::new(HostKeys(provider)),
        })
    }
}

struct HostKeys(Arc<dyn KeyProvider>);

impl CoreProvider for HostKeys {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> std::result::Result<Vec<u8>, CoreKeyError> {
        let blob = self.0.wrap(key.to_vec(), context.to_vec())?;
        // A JVM that ran out of memory answers nothing at all, which must not be stored as the only way to the data.
        if blob.is_empty() { Err(CoreKeyError::Unavailable) } else { Ok(blob) }
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> std::result::Result<Zeroizing<[u8; 32]>, CoreKeyError> {
        let key = Zeroizing::new(self.0.unwrap(blob.to_vec(), context.to_vec())?);
        match <[u8; 32]>::try_from(key.as_slice()) {
            Ok(key) => Ok(Zeroizing::new(key)),
            // As above; what is of another length is no key of this library.
            Err(_) if key.is_empty() => Err(CoreKeyError::Unavailable),
            Err(_) => Err(CoreKeyError::Refused),
        }
    }
}

impl From<KeyError> for CoreKeyError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Refused => Self::Refused,
            KeyError::Unavailable => Self::Unavailable,
        }
    }
}

pub(crate) struct HostDirectory(pub(crate) Arc<dyn CareDirectory>);

impl CoreDirectory for HostDirectory {
    fn territory_exists(&self, territory: &TerritoryId) -> medorder::Result<bool> {
        answered(self.0.territory_exists(territory.as_str().to_owned()))
    }

    fn relationship_exists(
        &self,
        patient: &PatientId,
        provider: &ProviderId,
        territory: &TerritoryId,
    ) -> medorder::Result<bool> {
        let [patient, provider, territory] =
            [patient.as_str(), provider.as_str(), territory.as_str()].map(str::to_owned);
        answered(self.0.relationship_exists(patient, provider, territory))
    }
}

/// Whether, if the directory could tell.
fn answered(answer: std::result::Result<Option<bool>, HostError>) -> medorder::Result<bool> {
    let silent = || Error::new(ErrorCode::StorageUnavailable, "the directory did not answer");
    answer.ok().flatten().ok_or_else(silent)
}

pub(crate) struct HostAnchor(pub(crate) Arc<dyn AnchorSink>);

impl CoreSink for HostAnchor {
    fn keep(&self, note: &str) -> medorder::Result<()> {
        match self.0.keep(note.to_owned()) {
            Ok(Some(true)) => Ok(()),
            _ => Err(silent_anchor()),
        }
    }

    fn newest(&self, chain: &str) -> medorder::Result<Option<String>> {
        self.0.newest(chain.to_owned()).map_err(|_| silent_anchor())
    }
}

fn silent_anchor() -> Error {
    Error::new(ErrorCode::StorageUnavailable, "the anchor did not answer")
}
