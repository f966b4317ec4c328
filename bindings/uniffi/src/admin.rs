//! Administrative acts.

use std::sync::Arc;

use medorder::Zeroizing;
use medorder::service::{AdminCall, Answer, BlockingAdmin, Progress};
use serde_json::{Value, json};

use crate::audit::{AuditPage, RotationReport, VerifyReport};
use crate::error::Result;
use crate::filters::AuditFilter;
use crate::guarded::Guarded;
use crate::host::{Keys, ProgressListener};
use crate::session::{other_answer, page};
use crate::shared::{arguments, json, signed};

/// Administrative acts of one actor. Each is checked and audited; the actor needs the permission, and for acts on the
/// whole database every territory. Its calls throw what the table of error codes says; each may be `VALIDATION_ERROR`
/// with every fault, `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `TERRITORY_NOT_FOUND`, `INTEGRITY_VIOLATION`,
/// `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `OUTCOME_UNKNOWN` or `CLOSED`.
#[derive(uniffi::Object)]
pub struct Admin(Guarded<BlockingAdmin>);

#[uniffi::export]
impl Admin {
    /// Registers a territory, which makes its keys and its audit chain. Registering again is nothing.
    pub fn register_territory(&self, territory_id: String) -> Result<()> {
        self.act("register_territory", &json!({"territory_id": territory_id}))
    }

    /// Closes a territory: its orders stay and can't be reached until it is registered again.
    pub fn unregister_territory(&self, territory_id: String) -> Result<()> {
        self.act("unregister_territory", &json!({"territory_id": territory_id}))
    }

    /// Says that a provider may order for a patient in a territory.
    pub fn register_relationship(
        &self,
        territory_id: String,
        patient_id: String,
        provider_id: String,
    ) -> Result<()> {
        self.act("register_relationship", &pair(territory_id, patient_id, provider_id))
    }

    /// Says that a provider may no longer order for a patient in a territory.
    pub fn unregister_relationship(
        &self,
        territory_id: String,
        patient_id: String,
        provider_id: String,
    ) -> Result<()> {
        self.act("unregister_relationship", &pair(territory_id, patient_id, provider_id))
    }

    /// The territories of the database.
    pub fn territories(&self) -> Result<Vec<String>> {
        self.texts("territories")
    }

    /// Makes a new key for a territory and wraps every order's key under it, while readers and writers go on; `progress`
    /// hears how far it is. After a kill the next call finishes what was begun. `INTEGRITY_VIOLATION` comes at the end, if
    /// an order's key does not open; every other order is done then.
    #[uniffi::method(default(progress = None))]
    pub fn rotate_keys(
        &self,
        territory_id: String,
        progress: Option<Arc<dyn ProgressListener>>,
    ) -> Result<RotationReport> {
        match self.make("rotate_keys", &json!({"territory_id": territory_id}), tell(progress))? {
            Answer::Rotated(report) => Ok(report.into()),
            _ => Err(other_answer()),
        }
    }

    /// Puts every territory's key under another root key; `progress` hears how far it is. Open the database with the new
    /// root from then on; other processes that still use the old one get `KEY_MISMATCH`.
    #[uniffi::method(default(progress = None))]
    pub fn change_root(&self, keys: Keys, progress: Option<Arc<dyn ProgressListener>>) -> Result<()> {
        Ok(self.0.run(|admin| admin.change_root(keys.provider()?, tell(progress)))?)
    }

    /// Signs the head of every chain that has moved, gives the notes to the anchor, if there is one, and answers them.
    ///
    /// Errors, beside those of every call: `AUDIT_BROKEN` if a chain does not continue what the anchor has; nothing is
    /// signed then.
    pub fn checkpoint(&self) -> Result<Vec<String>> {
        self.texts("checkpoint")
    }

    /// Entries of the system chain after the position `after`, oldest first; `limit` is 1 to 500, 50 by default.
    #[uniffi::method(default(filter = None, after = None, limit = None))]
    pub fn audit(
        &self,
        filter: Option<Arc<AuditFilter>>,
        after: Option<i64>,
        limit: Option<i32>,
    ) -> Result<AuditPage> {
        match self.make("audit", &page(filter, after, limit), |_| ())? {
            Answer::Audit(page) => Ok(page.into()),
            _ => Err(other_answer()),
        }
    }

    /// Checks every chain and every order of the database. What is wrong with the data is in the report.
    pub fn verify_audit(&self) -> Result<VerifyReport> {
        match self.make("verify_audit", &arguments([]), |_| ())? {
            Answer::Verified(report) => Ok(report.into()),
            _ => Err(other_answer()),
        }
    }

    /// Writes a consistent copy of a SQLite database while it is in use, to a file that is not there yet
    /// (`STORAGE_UNAVAILABLE` if it is).
    pub fn backup(&self, path: String) -> Result<()> {
        self.act("backup", &json!({"path": path}))
    }

    /// Accepts a database that was put back from a backup, as a new generation; answers its first notes.
    pub fn restore(&self) -> Result<Vec<String>> {
        self.texts("restore")
    }

    /// The call `name` with its arguments as a JSON object, for hosts that hold JSON anyway; answers JSON.
    pub fn call(&self, name: String, arguments: String) -> Result<String> {
        let arguments = Zeroizing::new(arguments);
        let answer = self.0.run(|admin| admin.call(&name, arguments.as_bytes(), |_| ()))?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Admin {
    pub(crate) fn of(admin: BlockingAdmin) -> Arc<Self> {
        Arc::new(Self(Guarded::new(admin)))
    }

    fn make(
        &self,
        name: &str,
        arguments: &Value,
        progress: impl FnMut(Progress) + Send,
    ) -> medorder::Result<Answer> {
        self.0.run(|admin| admin.make(AdminCall::read(name, &json(arguments))?, progress))
    }

    fn act(&self, name: &str, arguments: &Value) -> Result<()> {
        self.make(name, arguments, |_| ())?;
        Ok(())
    }

    fn texts(&self, name: &str) -> Result<Vec<String>> {
        match self.make(name, &arguments([]), |_| ())? {
            Answer::Texts(texts) => Ok(texts),
            _ => Err(other_answer()),
        }
    }
}

fn pair(territory_id: String, patient_id: String, provider_id: String) -> Value {
    json!({"territory_id": territory_id, "patient_id": patient_id, "provider_id": provider_id})
}

fn tell(listener: Option<Arc<dyn ProgressListener>>) -> impl FnMut(Progress) + Send {
    move |step| {
        if let Some(listener) = &listener {
            // A listener that fails misses a number, no more.
            let _ = listener.progress(signed(step.done), signed(step.total));
        }
    }
}
