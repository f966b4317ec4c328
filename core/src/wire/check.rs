//! From a request to what is stored of it: every rule about contents stands here, once, for every language.

use std::fmt;

use zeroize::Zeroizing;

use super::faults::{Faults, item, member};
use super::json::parse;
use super::stored;
use super::write::Writer;
use crate::error::{Result, Rule};
use crate::model::limits::{
    CODE_MAX, CODES_MAX, COVERAGE_DEPTH, COVERAGE_MAX, NOTES_MAX, REASON_MAX, SERVICE_TYPE_MAX, TEXT_MAX,
    VERSION_MAX,
};
use crate::model::{
    CreateOrder, DeleteOrder, FieldSet, IdempotencyKey, Insurance, InsuranceVerification, OrderStatus,
    PatientId, PhiField, ProviderId, StatusChange, VerificationData,
};
use crate::phi::Phi;

/// A [`CreateOrder`] without fault, ready to be sealed.
pub struct CheckedCreate {
    /// For whom.
    pub patient_id: PatientId,
    /// By whom.
    pub provider_id: ProviderId,
    /// The caller's own number.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The bytes to seal of each PHI field, at its id less one.
    pub plaintext: [Option<Zeroizing<Vec<u8>>>; 5],
    /// The fields that have bytes.
    pub fields: FieldSet,
    /// The request as compact JSON without `idempotency_key`, which a replay must equal.
    pub request: Zeroizing<Vec<u8>>,
}

/// A [`StatusChange`] without fault.
pub struct CheckedChange {
    /// The status asked for.
    pub status: OrderStatus,
    /// Notes to append, not empty.
    pub notes: Option<Phi<String>>,
    /// Why, not empty.
    pub reason: Option<String>,
    /// What was verified; `verified_at` is for the engine's clock to say.
    pub verification: Option<InsuranceVerification>,
    /// The version the order must have.
    pub expected_version: Option<u64>,
    /// The caller's own number.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The request as compact JSON without `idempotency_key`, which a replay must equal.
    pub request: Zeroizing<Vec<u8>>,
}

/// A [`DeleteOrder`] without fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedDelete {
    /// Why, 1 to 200 characters.
    pub reason: String,
    /// The version the order must have.
    pub expected_version: Option<u64>,
}

impl CreateOrder {
    /// Checks the request and encodes what is stored of it.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with every fault.
    pub fn check(&self) -> Result<CheckedCreate> {
        self.checked(true)
    }

    /// The same; the request itself is encoded only if it has a key to be remembered under.
    pub(crate) fn check_to_commit(&self) -> Result<CheckedCreate> {
        self.checked(self.idempotency_key.is_some())
    }

    fn checked(&self, keeps_request: bool) -> Result<CheckedCreate> {
        let mut faults = Faults::default();
        let ids = self.judge("", &mut faults);
        faults.finish()?;
        let (patient_id, provider_id) = ids.expect("INVARIANT: an id that is no id is a fault");
        let key = self.idempotency_key.as_deref().map(IdempotencyKey::check).transpose();
        let idempotency_key = key.expect("INVARIANT: a key that is no key is a fault");

        let notes = filled(self.notes.as_ref());
        let codes = || self.diagnosis_codes.iter().map(|code| code.expose().as_str());
        let insurance = self.insurance.as_ref().map(Phi::expose);
        let plaintext = [
            Some(stored::text(self.service_type.expose())),
            Some(stored::diagnosis_codes(codes())),
            notes.map(stored::text),
            insurance.map(stored::insurance),
            None,
        ];
        let present = |field: &PhiField| plaintext[usize::from(field.id()) - 1].is_some();
        let fields = PhiField::ALL.iter().copied().filter(present).collect();

        let mut request = Writer::default();
        if keeps_request {
            request.object(|out| {
                out.text("patient_id", &self.patient_id);
                out.text("provider_id", &self.provider_id);
                out.text("service_type", self.service_type.expose());
                out.name("diagnosis_codes").strings(codes());
                out.optional("notes", notes);
                if let Some(insurance) = insurance {
                    stored::write_insurance(insurance, out.name("insurance"));
                }
            });
        }
        let request = request.finish();
        Ok(CheckedCreate { patient_id, provider_id, idempotency_key, plaintext, fields, request })
    }

    /// Notes every fault of content. `None` only with a fault.
    pub(super) fn judge(&self, path: &str, faults: &mut Faults) -> Option<(PatientId, ProviderId)> {
        let patient = faults.value(|| member(path, "patient_id"), PatientId::check(&self.patient_id));
        let provider = faults.value(|| member(path, "provider_id"), ProviderId::check(&self.provider_id));
        let service_type = required(self.service_type.expose(), SERVICE_TYPE_MAX);
        faults.value(|| member(path, "service_type"), service_type);
        if self.diagnosis_codes.len() > CODES_MAX {
            faults.add(member(path, "diagnosis_codes"), Rule::TooMany);
        }
        for (at, code) in self.diagnosis_codes.iter().enumerate() {
            let place = || item(&member(path, "diagnosis_codes"), at);
            faults.value(place, required(code.expose(), CODE_MAX));
        }
        judge_notes(self.notes.as_ref(), path, faults);
        if let Some(insurance) = &self.insurance {
            judge_insurance(insurance.expose(), &member(path, "insurance"), faults);
        }
        judge_key(self.idempotency_key.as_deref(), path, faults);
        patient.zip(provider)
    }
}

impl StatusChange {
    /// Checks the request. Whether the workflow allows the status, and whether the step has what it needs, is
    /// not asked here.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with every fault.
    pub fn check(&self) -> Result<CheckedChange> {
        self.checked(true)
    }

    /// The same; the request itself is encoded only if it has a key to be remembered under.
    pub(crate) fn check_to_commit(&self) -> Result<CheckedChange> {
        self.checked(self.idempotency_key.is_some())
    }

    fn checked(&self, keeps_request: bool) -> Result<CheckedChange> {
        let mut faults = Faults::default();
        self.judge("", &mut faults);
        faults.finish()?;
        let key = self.idempotency_key.as_deref().map(IdempotencyKey::check).transpose();
        let idempotency_key = key.expect("INVARIANT: a key that is no key is a fault");
        let reason = self.reason.as_deref().filter(|reason| !reason.is_empty());
        let verification = self.verification.as_ref().map(verification);

        let mut request = Writer::default();
        if keeps_request {
            request.object(|out| {
                out.text("status", self.status.name());
                out.optional("notes", filled(self.notes.as_ref()));
                out.optional("reason", reason);
                if let (Some(data), Some(checked)) = (&self.verification, &verification) {
                    write_verification(data, checked, out.name("verification_data"));
                }
                if let Some(version) = self.expected_version {
                    out.json("expected_version", &version.to_string());
                }
            });
        }
        Ok(CheckedChange {
            status: self.status,
            notes: filled(self.notes.as_ref()).map(Into::into),
            reason: reason.map(Into::into),
            verification,
            expected_version: self.expected_version,
            idempotency_key,
            request: request.finish(),
        })
    }

    /// Notes every fault of content.
    pub(super) fn judge(&self, path: &str, faults: &mut Faults) {
        judge_notes(self.notes.as_ref(), path, faults);
        faults.value(|| member(path, "reason"), optional_reason(self.reason.as_deref().unwrap_or_default()));
        if let Some(data) = &self.verification {
            let path = member(path, "verification_data");
            if !matches!(self.status, OrderStatus::Verified | OrderStatus::Rejected) {
                faults.add(path.clone(), Rule::NotAllowed);
            }
            judge_verification(data, &path, faults);
        }
        judge_version(self.expected_version, path, faults);
        judge_key(self.idempotency_key.as_deref(), path, faults);
    }
}

impl DeleteOrder {
    /// Checks the request.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with every fault.
    pub fn check(&self) -> Result<CheckedDelete> {
        let mut faults = Faults::default();
        self.judge("", &mut faults);
        faults.finish()?;
        Ok(CheckedDelete { reason: self.reason.clone(), expected_version: self.expected_version })
    }

    /// Notes every fault of content.
    pub(super) fn judge(&self, path: &str, faults: &mut Faults) {
        let reason = if self.reason.is_empty() { Err(Rule::Empty) } else { optional_reason(&self.reason) };
        faults.value(|| member(path, "reason"), reason);
        judge_version(self.expected_version, path, faults);
    }
}

impl fmt::Debug for CheckedCreate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckedCreate(..)")
    }
}

impl fmt::Debug for CheckedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckedChange({}, ..)", self.status)
    }
}

/// Notes of all kinds: at most 64 KiB, line ends and tabs allowed.
pub(crate) fn notes_rule(text: &str) -> Result<(), Rule> {
    if text.len() > NOTES_MAX {
        Err(Rule::TooLong)
    } else if !is_plain(text) && text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        Err(Rule::Control)
    } else {
        Ok(())
    }
}

/// True if every byte is a visible ASCII character or a blank: most texts are, and this is quicker than to decode
/// them.
fn is_plain(text: &str) -> bool {
    // Without an early end, so that the compiler looks at many bytes at once.
    text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}

fn required(text: &str, longest: usize) -> Result<(), Rule> {
    if text.is_empty() { Err(Rule::Empty) } else { optional(text, longest) }
}

fn optional(text: &str, longest: usize) -> Result<(), Rule> {
    if text.len() > longest {
        Err(Rule::TooLong)
    } else if !is_plain(text) && text.chars().any(char::is_control) {
        Err(Rule::Control)
    } else {
        Ok(())
    }
}

/// A reason is read by people, so its length is counted in characters.
fn optional_reason(text: &str) -> Result<(), Rule> {
    if text.chars().nth(REASON_MAX).is_some() { Err(Rule::TooLong) } else { optional(text, usize::MAX) }
}

/// The text of a member that is there and not empty.
fn filled(text: Option<&Phi<String>>) -> Option<&str> {
    text.map(|text| text.expose().as_str()).filter(|text| !text.is_empty())
}

fn judge_notes(notes: Option<&Phi<String>>, path: &str, faults: &mut Faults) {
    faults.value(|| member(path, "notes"), notes_rule(filled(notes).unwrap_or_default()));
}

fn judge_key(key: Option<&str>, path: &str, faults: &mut Faults) {
    if let Some(key) = key {
        faults.value(|| member(path, "idempotency_key"), IdempotencyKey::check(key));
    }
}

fn judge_version(version: Option<u64>, path: &str, faults: &mut Faults) {
    if version.is_some_and(|version| !(1..=VERSION_MAX).contains(&version)) {
        faults.add(member(path, "expected_version"), Rule::Format);
    }
}

fn judge_insurance(insurance: &Insurance, path: &str, faults: &mut Faults) {
    faults.value(|| member(path, "carrier"), required(&insurance.carrier, TEXT_MAX));
    faults.value(|| member(path, "policy_number"), required(&insurance.policy_number, TEXT_MAX));
    let group = insurance.group_number.as_deref().unwrap_or_default();
    faults.value(|| member(path, "group_number"), optional(group, TEXT_MAX));
}

fn judge_verification(data: &VerificationData, path: &str, faults: &mut Faults) {
    faults.value(|| member(path, "verified_by"), required(data.verified_by.expose(), TEXT_MAX));
    let method = required(data.verification_method.expose(), TEXT_MAX);
    faults.value(|| member(path, "verification_method"), method);
    if let Some(details) = &data.coverage_details {
        faults.value(|| member(path, "coverage_details"), coverage(details.expose()));
    }
    let number = filled(data.authorization_number.as_ref()).unwrap_or_default();
    faults.value(|| member(path, "authorization_number"), optional(number, TEXT_MAX));
}

/// Free JSON as it is stored: compact, members sorted by bytes.
fn coverage(json: &str) -> Result<Phi<String>, Rule> {
    let mut out = Writer::default();
    parse(json.as_bytes())?.write_sorted(&mut out, COVERAGE_DEPTH)?;
    let text = out.finish();
    if text.len() > COVERAGE_MAX {
        return Err(Rule::TooLong);
    }
    std::str::from_utf8(&text).map(Into::into).map_err(|_| Rule::Utf8)
}

/// `data` is free of faults.
fn verification(data: &VerificationData) -> InsuranceVerification {
    let mut verification = InsuranceVerification::default();
    verification.status = data.insurance_status.unwrap_or_default();
    let details = data.coverage_details.as_ref().and_then(|details| coverage(details.expose()).ok());
    verification.coverage_details = details.map(|details| details.expose().clone());
    verification.authorization_number = filled(data.authorization_number.as_ref()).map(Into::into);
    verification.verified_by = data.verified_by.expose().clone();
    verification.verification_method = data.verification_method.expose().clone();
    verification.valid_until = data.valid_until;
    verification
}

/// `verification_data` in the order of the request; `checked` has what was made canonical.
fn write_verification(data: &VerificationData, checked: &InsuranceVerification, out: &mut Writer) {
    out.object(|out| {
        out.text("verified_by", &checked.verified_by);
        out.text("verification_method", &checked.verification_method);
        if let Some(details) = &checked.coverage_details {
            out.json("coverage_details", details);
        }
        out.optional("authorization_number", checked.authorization_number.as_deref());
        out.optional("insurance_status", data.insurance_status.map(|status| status.name()));
        out.optional("valid_until", checked.valid_until.map(|time| time.to_string()).as_deref());
    });
}
