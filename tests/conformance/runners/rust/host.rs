//! What a host brings: keys and a directory that can be made to fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use medorder::{
    CareDirectory, Error, ErrorCode, KeyError, KeyProvider, PatientId, ProviderId, Result, TerritoryId,
    Zeroizing,
};

/// Keeps keys in memory; a blob is the place of what it keeps.
#[derive(Clone, Default)]
pub(crate) struct HostKeys {
    kept: Arc<Mutex<Vec<Kept>>>,
    pub(crate) failing: Arc<AtomicBool>,
}

/// A key and the context it is bound to.
type Kept = (Vec<u8>, [u8; 32]);

impl KeyProvider for HostKeys {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(KeyError::Unavailable);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((context.to_vec(), *key));
        Ok((kept.len() as u64 - 1).to_be_bytes().to_vec())
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(KeyError::Unavailable);
        }
        let number = u64::from_be_bytes(blob.try_into().map_err(|_| KeyError::Refused)?);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.get(number as usize) {
            Some((bound, key)) if bound == context => Ok(Zeroizing::new(*key)),
            _ => Err(KeyError::Refused),
        }
    }
}

/// Knows two territories and two patients.
#[derive(Clone, Default)]
pub(crate) struct HostDirectory {
    pub(crate) failing: Arc<AtomicBool>,
}

impl HostDirectory {
    fn answer(&self, yes: bool) -> Result<bool> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorCode::StorageUnavailable, "the directory is down"));
        }
        Ok(yes)
    }
}

impl CareDirectory for HostDirectory {
    fn territory_exists(&self, territory: &TerritoryId) -> Result<bool> {
        self.answer(["north", "south"].contains(&territory.as_str()))
    }

    fn relationship_exists(&self, patient: &PatientId, _: &ProviderId, _: &TerritoryId) -> Result<bool> {
        self.answer(["p-1", "p-2"].contains(&patient.as_str()))
    }
}
