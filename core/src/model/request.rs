//! What a caller asks for, as given: nothing is checked before `check`, so that all faults come together.

use std::fmt;

use super::ids::{PatientId, ProviderId};
use super::insurance::{Insurance, InsuranceStatus};
use super::status::OrderStatus;
use super::time::Timestamp;
use super::words::words;
use crate::phi::Phi;

/// A new order, not yet checked.
///
/// Limits: ids 1 to 128 bytes, `service_type` 1 to 256 bytes, 50 codes of 1 to 128 bytes, notes 64 KiB; no
/// control characters (notes may hold line ends and tabs).
///
/// ```
/// use medorder::{CreateOrder, Insurance};
///
/// let order = CreateOrder::new("patient-1", "npi-17", "MRI brain without contrast")
///     .diagnosis_code("G43.909")
///     .notes("claustrophobic")
///     .insurance(Insurance::new("Prairie Mutual", "POL-1"))
///     .idempotency_key("ORD-2026-17");
/// assert!(order.check().is_ok());
/// assert_eq!(format!("{order:?}"), "CreateOrder(..)");
/// ```
#[derive(Clone)]
#[must_use]
pub struct CreateOrder {
    pub(crate) patient_id: String,
    pub(crate) provider_id: String,
    pub(crate) service_type: Phi<String>,
    pub(crate) diagnosis_codes: Vec<Phi<String>>,
    pub(crate) notes: Option<Phi<String>>,
    pub(crate) insurance: Option<Phi<Insurance>>,
    pub(crate) idempotency_key: Option<String>,
}

impl CreateOrder {
    /// An order of `service_type` without codes, notes and insurance.
    pub fn new(
        patient_id: impl Into<String>,
        provider_id: impl Into<String>,
        service_type: impl Into<Phi<String>>,
    ) -> Self {
        Self {
            patient_id: patient_id.into(),
            provider_id: provider_id.into(),
            service_type: service_type.into(),
            diagnosis_codes: Vec::new(),
            notes: None,
            insurance: None,
            idempotency_key: None,
        }
    }

    /// Adds a code: ICD-10-CM, or a FHIR token `system|code`.
    pub fn diagnosis_code(mut self, code: impl Into<Phi<String>>) -> Self {
        self.diagnosis_codes.push(code.into());
        self
    }

    /// Adds codes.
    pub fn diagnosis_codes<C: Into<Phi<String>>>(mut self, codes: impl IntoIterator<Item = C>) -> Self {
        self.diagnosis_codes.extend(codes.into_iter().map(Into::into));
        self
    }

    /// Sets the first notes; empty notes are none.
    pub fn notes(mut self, notes: impl Into<Phi<String>>) -> Self {
        self.notes = Some(notes.into());
        self
    }

    /// Says who pays.
    pub fn insurance(mut self, insurance: impl Into<Phi<Insurance>>) -> Self {
        self.insurance = Some(insurance.into());
        self
    }

    /// Sets the caller's own number of the order: a second request with it makes no second order.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

impl fmt::Debug for CreateOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CreateOrder(..)")
    }
}

/// A change of status, not yet checked.
///
/// ```
/// use medorder::{OrderStatus, StatusChange, VerificationData};
///
/// let change = StatusChange::to(OrderStatus::Verified)
///     .verification(VerificationData::new("u-7", "phone"))
///     .expected_version(1);
/// assert!(change.check().is_ok());
/// ```
#[derive(Clone)]
#[must_use]
pub struct StatusChange {
    pub(crate) status: OrderStatus,
    pub(crate) notes: Option<Phi<String>>,
    pub(crate) reason: Option<String>,
    pub(crate) verification: Option<VerificationData>,
    pub(crate) expected_version: Option<u64>,
    pub(crate) idempotency_key: Option<String>,
}

impl StatusChange {
    /// A change to `status`, with nothing beside it.
    pub fn to(status: OrderStatus) -> Self {
        Self {
            status,
            notes: None,
            reason: None,
            verification: None,
            expected_version: None,
            idempotency_key: None,
        }
    }

    /// Adds notes, which are PHI; they are appended to those of the order. Empty notes are none.
    pub fn notes(mut self, notes: impl Into<Phi<String>>) -> Self {
        self.notes = Some(notes.into());
        self
    }

    /// Sets the reason, at most 200 characters. It is operational text, **not PHI**: it outlives a delete and
    /// shows in events and in the audit. An empty reason is none.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds what was verified; only with `verified` and `rejected`.
    pub fn verification(mut self, verification: VerificationData) -> Self {
        self.verification = Some(verification);
        self
    }

    /// Lets the change fail with `VERSION_CONFLICT` if the order has another version by then.
    pub fn expected_version(mut self, version: u64) -> Self {
        self.expected_version = Some(version);
        self
    }

    /// Sets the caller's own number of the change: a second request with it changes nothing again.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

impl fmt::Debug for StatusChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusChange({}, ..)", self.status)
    }
}

/// What was verified, not yet checked. All of it is PHI.
#[derive(Clone)]
#[must_use]
pub struct VerificationData {
    pub(crate) verified_by: Phi<String>,
    pub(crate) verification_method: Phi<String>,
    /// JSON text.
    pub(crate) coverage_details: Option<Phi<String>>,
    pub(crate) authorization_number: Option<Phi<String>>,
    pub(crate) insurance_status: Option<InsuranceStatus>,
    pub(crate) valid_until: Option<Timestamp>,
}

impl VerificationData {
    /// A verification by a person or a system, and how it was done. The insurance status is `not_checked`.
    pub fn new(verified_by: impl Into<Phi<String>>, verification_method: impl Into<Phi<String>>) -> Self {
        Self {
            verified_by: verified_by.into(),
            verification_method: verification_method.into(),
            coverage_details: None,
            authorization_number: None,
            insurance_status: None,
            valid_until: None,
        }
    }

    /// Adds what the payer said, as any JSON of at most 64 KiB and 64 levels; null is none.
    pub fn coverage_details(mut self, details: serde_json::Value) -> Self {
        self.coverage_details = (!details.is_null()).then(|| Phi::new(details.to_string()));
        self
    }

    /// The same as JSON text, for callers that have it as text; it is checked with the rest of the request. The text
    /// `null` is none.
    ///
    /// ```
    /// use medorder::{OrderStatus, StatusChange, VerificationData};
    ///
    /// let change = |json| {
    ///     let data = VerificationData::new("u-7", "phone").coverage_json(json);
    ///     StatusChange::to(OrderStatus::Verified).verification(data).check()
    /// };
    /// assert!(change(r#"{"copay": 20}"#).is_ok() && change(" null ").is_ok());
    /// assert_eq!(change("{").unwrap_err().faults()[0].path, "verification_data.coverage_details");
    /// ```
    pub fn coverage_json(mut self, json: impl Into<Phi<String>>) -> Self {
        let json = json.into();
        self.coverage_details =
            (json.expose().trim_matches([' ', '\t', '\n', '\r']) != "null").then_some(json);
        self
    }

    /// Sets the payer's number of the authorisation; an empty number is none.
    pub fn authorization_number(mut self, number: impl Into<Phi<String>>) -> Self {
        self.authorization_number = Some(number.into());
        self
    }

    /// Sets what the payer said in one word.
    pub fn insurance_status(mut self, status: InsuranceStatus) -> Self {
        self.insurance_status = Some(status);
        self
    }

    /// Sets the last moment at which work may start.
    pub fn valid_until(mut self, time: Timestamp) -> Self {
        self.valid_until = Some(time);
        self
    }
}

impl fmt::Debug for VerificationData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerificationData(..)")
    }
}

/// A request to delete an order, not yet checked. The reason (1 to 200 characters) is operational text,
/// **not PHI**: it outlives the order.
#[derive(Clone, Debug)]
#[must_use]
pub struct DeleteOrder {
    pub(crate) reason: String,
    pub(crate) expected_version: Option<u64>,
}

impl DeleteOrder {
    /// A request to delete, whatever the version.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), expected_version: None }
    }

    /// Lets the delete fail with `VERSION_CONFLICT` if the order has another version by then.
    pub fn expected_version(mut self, version: u64) -> Self {
        self.expected_version = Some(version);
        self
    }
}

/// Which orders a list holds; the default is all of the territory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderFilter {
    /// Any of these; empty means any at all.
    pub status: Vec<OrderStatus>,
    /// Orders of this patient.
    pub patient_id: Option<PatientId>,
    /// Orders of this provider.
    pub provider_id: Option<ProviderId>,
    /// Created at this moment or later.
    pub created_from: Option<Timestamp>,
    /// Created before this moment.
    pub created_to: Option<Timestamp>,
}

impl OrderFilter {
    /// Every order of the territory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a status; several mean any of them.
    #[must_use]
    pub fn status(mut self, status: OrderStatus) -> Self {
        if !self.status.contains(&status) {
            self.status.push(status);
        }
        self
    }

    /// Only orders of this patient.
    #[must_use]
    pub fn patient_id(mut self, patient: PatientId) -> Self {
        self.patient_id = Some(patient);
        self
    }

    /// Only orders of this provider.
    #[must_use]
    pub fn provider_id(mut self, provider: ProviderId) -> Self {
        self.provider_id = Some(provider);
        self
    }

    /// Only orders created at this moment or later.
    #[must_use]
    pub fn created_from(mut self, time: Timestamp) -> Self {
        self.created_from = Some(time);
        self
    }

    /// Only orders created before this moment.
    #[must_use]
    pub fn created_to(mut self, time: Timestamp) -> Self {
        self.created_to = Some(time);
        self
    }
}

words!(
    /// What a batch does when an item fails.
    BatchMode, "mode" {
        /// All or nothing.
        Atomic = "atomic",
        /// Each item for itself.
        Each = "each",
    }
);
