//! What the host brings: keys, a directory, an anchor. Each is a set of functions in JavaScript, known here by a
//! number; the engine asks them on its own pool of threads.

use std::sync::Arc;

use medorder::{
    AnchorSink, CareDirectory, EnvKey, Error, ErrorCode, KeyError, KeyFile, KeyProvider, PatientId,
    ProviderId, Result, Rule, TerritoryId, Zeroizing,
};
use napi::bindgen_prelude::Either3;

use crate::mail::{Given, Mail, NotGiven};
use crate::reply::Piece;

/// Functions of the host. When the engine lets go of them, so does JavaScript.
pub(crate) struct Host {
    mail: Arc<Mail>,
    number: i64,
}

impl Host {
    pub(crate) fn new(mail: &Arc<Mail>, number: i64) -> Self {
        Self { mail: Arc::clone(mail), number }
    }

    fn ask(&self, what: &'static str, arguments: Vec<Piece>) -> std::result::Result<Option<Given>, NotGiven> {
        self.mail.ask(self.number, what, arguments)
    }

    /// A question whose answer is yes or no; anything else is none.
    fn ask_whether(&self, what: &'static str, arguments: Vec<Piece>) -> Result<bool> {
        match self.ask(what, arguments) {
            Ok(Some(Either3::A(flag))) => Ok(flag),
            _ => Err(Error::new(ErrorCode::StorageUnavailable, "the directory did not answer")),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.mail.forget(self.number);
    }
}

/// The keys that JavaScript named: `file` and `env` with a path or a name, `host` with the number of its functions.
pub(crate) fn keys(mail: &Arc<Mail>, kind: &str, name: &str, host: i64) -> Result<Box<dyn KeyProvider>> {
    match kind {
        "file" => Ok(Box::new(KeyFile::open(name)?)),
        "env" => Ok(Box::new(EnvKey::from_var(name)?)),
        "host" => Ok(Box::new(HostKeys(Host::new(mail, host)))),
        _ => Err(Error::fault("keys", Rule::OneOf)),
    }
}

/// Keys that the host wraps and unwraps.
struct HostKeys(Host);

impl KeyProvider for HostKeys {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> std::result::Result<Vec<u8>, KeyError> {
        match self.0.ask("wrap", vec![Piece::bytes(key), Piece::bytes(context)]) {
            Ok(Some(Either3::C(blob))) => Ok(blob),
            Err(NotGiven::Refused) => Err(KeyError::Refused),
            _ => Err(KeyError::Unavailable),
        }
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> std::result::Result<Zeroizing<[u8; 32]>, KeyError> {
        match self.0.ask("unwrap", vec![Piece::bytes(blob), Piece::bytes(context)]) {
            Ok(Some(Either3::C(key))) => {
                let key = Zeroizing::new(key);
                <[u8; 32]>::try_from(key.as_slice()).map(Zeroizing::new).map_err(|_| KeyError::Refused)
            }
            Err(NotGiven::Refused) => Err(KeyError::Refused),
            _ => Err(KeyError::Unavailable),
        }
    }
}

/// A directory of the host.
pub(crate) struct HostDirectory(pub(crate) Host);

impl CareDirectory for HostDirectory {
    fn territory_exists(&self, territory: &TerritoryId) -> Result<bool> {
        self.0.ask_whether("territoryExists", vec![Piece::text(territory.as_str())])
    }

    fn relationship_exists(
        &self,
        patient: &PatientId,
        provider: &ProviderId,
        territory: &TerritoryId,
    ) -> Result<bool> {
        let arguments = [patient.as_str(), provider.as_str(), territory.as_str()].map(Piece::text).into();
        self.0.ask_whether("relationshipExists", arguments)
    }
}

/// A keeper of checkpoints of the host.
pub(crate) struct HostAnchor(pub(crate) Host);

impl AnchorSink for HostAnchor {
    fn keep(&self, note: &str) -> Result<()> {
        self.0.ask("keep", vec![Piece::text(note)]).map(drop).map_err(silent)
    }

    fn newest(&self, chain: &str) -> Result<Option<String>> {
        match self.0.ask("newest", vec![Piece::text(chain)]).map_err(silent)? {
            None => Ok(None),
            Some(Either3::B(note)) => Ok(Some(note)),
            Some(_) => Err(silent(NotGiven::Unavailable)),
        }
    }
}

fn silent(_: NotGiven) -> Error {
    Error::new(ErrorCode::StorageUnavailable, "the anchor did not answer")
}
