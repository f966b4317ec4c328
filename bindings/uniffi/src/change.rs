//! A change of status that is not yet sent.

use std::sync::Arc;
use std::time::SystemTime;

use medorder::{Error, Fault, OrderId, Phi, Rule, Timestamp};

use crate::shared::{Members, Text, expose, unsigned};
use crate::time::{self, system_time, timestamp};
use crate::words::{InsuranceStatus, OrderStatus};

/// A change of status that is not yet sent, to one order or to several. Content is checked when it is sent, all of it at
/// once. Its text shows the status alone.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct StatusChange(Members<Change>);

struct Change {
    status: OrderStatus,
    notes: Text,
    reason: Option<String>,
    verification: Option<Arc<VerificationData>>,
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
}

#[uniffi::export]
impl StatusChange {
    /// A change to `status`, with nothing beside it.
    #[uniffi::constructor]
    pub fn new(status: OrderStatus) -> Arc<Self> {
        let (notes, reason, verification, expected_version, idempotency_key) = (None, None, None, None, None);
        let change = Change { status, notes, reason, verification, expected_version, idempotency_key };
        Arc::new(Self(Members::new(change)))
    }

    /// Where to.
    pub fn status(&self) -> OrderStatus {
        self.0.lock().status
    }

    /// PHI: notes to append to those of the order.
    pub fn notes(&self) -> Option<String> {
        expose(&self.0.lock().notes)
    }

    /// Why: operational text, not PHI.
    pub fn reason(&self) -> Option<String> {
        self.0.lock().reason.clone()
    }

    /// PHI: what was verified. What is set on it still counts.
    pub fn verification(&self) -> Option<Arc<VerificationData>> {
        self.0.lock().verification.clone()
    }

    /// The version the order must have.
    pub fn expected_version(&self) -> Option<i64> {
        self.0.lock().expected_version
    }

    /// The caller's own number of the change.
    pub fn idempotency_key(&self) -> Option<String> {
        self.0.lock().idempotency_key.clone()
    }

    /// Sets where to.
    pub fn set_status(&self, status: OrderStatus) {
        self.0.lock().status = status;
    }

    /// Sets notes, which are PHI; they are appended to those of the order. Empty notes are none.
    pub fn set_notes(&self, notes: Option<String>) {
        self.0.lock().notes = notes.map(Phi::new);
    }

    /// Sets the reason, at most 200 characters. It is operational text, **not PHI**: it outlives a delete and shows in
    /// events and in the audit. An empty reason is none.
    pub fn set_reason(&self, reason: Option<String>) {
        self.0.lock().reason = reason;
    }

    /// Sets what was verified; only with `VERIFIED`, which needs it, and `REJECTED`.
    pub fn set_verification(&self, verification: Option<Arc<VerificationData>>) {
        self.0.lock().verification = verification;
    }

    /// Lets the change fail with `VERSION_CONFLICT` if the order has another version by then.
    pub fn set_expected_version(&self, expected_version: Option<i64>) {
        self.0.lock().expected_version = expected_version;
    }

    /// Sets the caller's own number of the change: a second request with it changes nothing again.
    pub fn set_idempotency_key(&self, idempotency_key: Option<String>) {
        self.0.lock().idempotency_key = idempotency_key;
    }
}

impl StatusChange {
    /// The change for the engine to check; every fault of it if one is of this surface alone.
    pub(crate) fn get(&self) -> Result<medorder::StatusChange, Error> {
        let own = self.0.lock();
        let mut faults = Vec::new();
        let mut change = medorder::StatusChange::to(own.status.core());
        if let Some(notes) = &own.notes {
            change = change.notes(notes.clone());
        }
        if let Some(reason) = &own.reason {
            change = change.reason(reason.clone());
        }
        if let Some(verification) = &own.verification {
            change = change.verification(verification.get(&mut faults));
        }
        match own.expected_version.map(|version| unsigned(version, "expected_version")).transpose() {
            Ok(Some(version)) => change = change.expected_version(version),
            Ok(None) => {}
            Err(error) => faults.extend_from_slice(error.faults()),
        }
        if let Some(key) = &own.idempotency_key {
            change = change.idempotency_key(key.clone());
        }
        if faults.is_empty() {
            return Ok(change);
        }
        if let Err(error) = change.check() {
            faults.extend_from_slice(error.faults());
        }
        Err(Error::validation(faults))
    }
}

/// The order and the change, or every fault of both.
pub(crate) fn of_order(
    order_id: &str,
    change: &StatusChange,
) -> Result<(OrderId, medorder::StatusChange), Error> {
    let change = change.get();
    match order_id.parse::<OrderId>() {
        Ok(id) => Ok((id, change?)),
        Err(error) => {
            let mut faults = error.faults().to_vec();
            if let Err(error) = change.and_then(|change| change.check().map(drop)) {
                faults.extend_from_slice(error.faults());
            }
            Err(Error::validation(faults))
        }
    }
}

impl std::fmt::Display for StatusChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StatusChange({}, ..)", self.status())
    }
}

/// What was verified. All of it is PHI; its text shows nothing.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct VerificationData(Members<Verification>);

struct Verification {
    verified_by: Phi<String>,
    verification_method: Phi<String>,
    coverage_details: Text,
    authorization_number: Text,
    insurance_status: Option<InsuranceStatus>,
    valid_until: Option<Timestamp>,
}

#[uniffi::export]
impl VerificationData {
    /// A verification by a person or a system, and how it was done.
    #[uniffi::constructor]
    pub fn new(verified_by: String, verification_method: String) -> Arc<Self> {
        Arc::new(Self(Members::new(Verification {
            verified_by: Phi::new(verified_by),
            verification_method: Phi::new(verification_method),
            coverage_details: None,
            authorization_number: None,
            insurance_status: None,
            valid_until: None,
        })))
    }

    /// Who verified.
    pub fn verified_by(&self) -> String {
        self.0.lock().verified_by.expose().clone()
    }

    /// How.
    pub fn verification_method(&self) -> String {
        self.0.lock().verification_method.expose().clone()
    }

    /// What the payer said, as JSON.
    pub fn coverage_details(&self) -> Option<String> {
        expose(&self.0.lock().coverage_details)
    }

    /// The payer's number of the authorisation.
    pub fn authorization_number(&self) -> Option<String> {
        expose(&self.0.lock().authorization_number)
    }

    /// What the payer said in one word.
    pub fn insurance_status(&self) -> Option<InsuranceStatus> {
        self.0.lock().insurance_status
    }

    /// The last moment at which work may start.
    pub fn valid_until(&self) -> Option<SystemTime> {
        self.0.lock().valid_until.map(system_time)
    }

    /// Sets who verified.
    pub fn set_verified_by(&self, verified_by: String) {
        self.0.lock().verified_by = Phi::new(verified_by);
    }

    /// Sets how.
    pub fn set_verification_method(&self, verification_method: String) {
        self.0.lock().verification_method = Phi::new(verification_method);
    }

    /// Sets what the payer said, as any JSON text of at most 64 KiB and 64 levels; the text `null` is none.
    pub fn set_coverage_details(&self, coverage_details: Option<String>) {
        self.0.lock().coverage_details = coverage_details.map(Phi::new);
    }

    /// Sets the payer's number of the authorisation; an empty number is none.
    pub fn set_authorization_number(&self, authorization_number: Option<String>) {
        self.0.lock().authorization_number = authorization_number.map(Phi::new);
    }

    /// Sets what the payer said in one word; without it, that nobody asked.
    pub fn set_insurance_status(&self, insurance_status: Option<InsuranceStatus>) {
        self.0.lock().insurance_status = insurance_status;
    }

    /// Sets the last moment at which work may start.
    pub fn set_valid_until(&self, valid_until: Option<SystemTime>) {
        self.0.lock().valid_until = valid_until.map(timestamp);
    }
}

impl VerificationData {
    fn get(&self, faults: &mut Vec<Fault>) -> medorder::VerificationData {
        let own = self.0.lock();
        let mut data =
            medorder::VerificationData::new(own.verified_by.clone(), own.verification_method.clone());
        if let Some(details) = &own.coverage_details {
            data = data.coverage_json(details.clone());
        }
        if let Some(number) = &own.authorization_number {
            data = data.authorization_number(number.clone());
        }
        if let Some(status) = own.insurance_status {
            data = data.insurance_status(status.core());
        }
        if let Some(time) = own.valid_until {
            data = data.valid_until(time);
            if !time::is_in_calendar(time) {
                faults.push(Fault::new("verification_data.valid_until", Rule::Format));
            }
        }
        data
    }
}

impl std::fmt::Display for VerificationData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerificationData(..)")
    }
}
