//! The stored bytes of each PHI field (FORMAT.md): compact JSON or plain text, one encoding a value. Decoding
//! takes any JSON of the shape, refuses unknown members, those that stand twice and null, and answers
//! `INTEGRITY_VIOLATION` for whatever it does not know, without a cause.

use zeroize::{Zeroize, Zeroizing};

use super::faults::Faults;
use super::json::{Value, parse};
use super::read::Members;
use super::write::Writer;
use crate::error::{Error, ErrorCode, Result, Rule};
use crate::model::{FieldSet, Insurance, InsuranceStatus, InsuranceVerification, Order, PhiField, Timestamp};
use crate::phi::Phi;

/// `service_type` and `notes`: the text itself.
pub(crate) fn text(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

/// `diagnosis_codes`: a JSON list.
pub(crate) fn diagnosis_codes<'c>(codes: impl IntoIterator<Item = &'c str>) -> Zeroizing<Vec<u8>> {
    let mut out = Writer::default();
    out.strings(codes);
    out.finish()
}

/// `insurance`: a JSON object.
pub(crate) fn insurance(insurance: &Insurance) -> Zeroizing<Vec<u8>> {
    let mut out = Writer::default();
    write_insurance(insurance, &mut out);
    out.finish()
}

/// `insurance_verification`: a JSON object.
pub(crate) fn insurance_verification(verification: &InsuranceVerification) -> Zeroizing<Vec<u8>> {
    let mut out = Writer::default();
    write_verification(verification, &mut out);
    out.finish()
}

pub(crate) fn write_insurance(insurance: &Insurance, out: &mut Writer) {
    let group = insurance.group_number.as_deref().filter(|number| !number.is_empty());
    out.object(|out| {
        out.text("carrier", &insurance.carrier);
        out.text("policy_number", &insurance.policy_number);
        out.optional("group_number", group);
    });
}

pub(crate) fn write_verification(verification: &InsuranceVerification, out: &mut Writer) {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    out.object(|out| {
        out.text("status", verification.status.name());
        if let Some(details) = &verification.coverage_details {
            out.json("coverage_details", details);
        }
        out.optional("authorization_number", verification.authorization_number.as_deref());
        out.text("verified_by", &verification.verified_by);
        out.text("verification_method", &verification.verification_method);
        out.optional("verified_at", time(verification.verified_at).as_deref());
        out.optional("valid_until", time(verification.valid_until).as_deref());
    });
}

/// Decodes `service_type` or `notes`.
///
/// # Errors
/// `INTEGRITY_VIOLATION` if the bytes are not what this module wrote.
pub(crate) fn decode_text(bytes: &[u8]) -> Result<Phi<String>> {
    std::str::from_utf8(bytes).map(Into::into).map_err(|_| broken())
}

/// Decodes `diagnosis_codes`.
///
/// # Errors
/// `INTEGRITY_VIOLATION` if the bytes are not what this module wrote.
pub(crate) fn decode_diagnosis_codes(bytes: &[u8]) -> Result<Phi<Vec<String>>> {
    let Ok(Value::Array(items)) = parse(bytes) else { return Err(broken()) };
    let mut codes = Vec::with_capacity(items.len());
    for item in &items {
        let Value::String(code) = item else {
            codes.zeroize();
            return Err(broken());
        };
        codes.push(String::from(&**code));
    }
    Ok(Phi::new(codes))
}

/// Decodes `insurance`.
///
/// # Errors
/// `INTEGRITY_VIOLATION` if the bytes are not what this module wrote.
pub(crate) fn decode_insurance(bytes: &[u8]) -> Result<Phi<Insurance>> {
    const KNOWN: &[&str] = &["carrier", "policy_number", "group_number"];
    object(bytes, KNOWN, |members, faults| {
        let carrier = members.required_text("carrier", faults)?;
        let mut insurance = Insurance::new(carrier, members.required_text("policy_number", faults)?);
        insurance.group_number = members.optional_text("group_number", faults).map(Into::into);
        Some(insurance)
    })
}

/// Decodes `insurance_verification`.
///
/// # Errors
/// `INTEGRITY_VIOLATION` if the bytes are not what this module wrote.
pub(crate) fn decode_insurance_verification(bytes: &[u8]) -> Result<Phi<InsuranceVerification>> {
    const KNOWN: &[&str] = &[
        "status",
        "coverage_details",
        "authorization_number",
        "verified_by",
        "verification_method",
        "verified_at",
        "valid_until",
    ];
    object(bytes, KNOWN, |members, faults| {
        let mut verification = InsuranceVerification::default();
        verification.status = members.required_parsed("status", InsuranceStatus::check, faults)?;
        if let Some(details) = members.optional("coverage_details") {
            let mut out = Writer::default();
            details.write_sorted(&mut out, usize::MAX).ok()?;
            verification.coverage_details = Some(std::str::from_utf8(&out.finish()).ok()?.to_owned());
        }
        let number = members.optional_text("authorization_number", faults);
        verification.authorization_number = number.map(Into::into);
        verification.verified_by = members.required_text("verified_by", faults)?.to_owned();
        verification.verification_method = members.required_text("verification_method", faults)?.to_owned();
        verification.verified_at = members.optional_parsed("verified_at", Timestamp::check, faults);
        verification.valid_until = members.optional_parsed("valid_until", Timestamp::check, faults);
        Some(verification)
    })
}

/// Shows a field of `order`: decodes its bytes, or notes that it has none.
///
/// # Errors
/// `INTEGRITY_VIOLATION` if the bytes are not what this module wrote; nothing is shown then.
pub(crate) fn disclose(order: &mut Order, field: PhiField, bytes: Option<&[u8]>) -> Result<()> {
    match field {
        PhiField::ServiceType => order.service_type = bytes.map(decode_text).transpose()?,
        PhiField::DiagnosisCodes => order.diagnosis_codes = bytes.map(decode_diagnosis_codes).transpose()?,
        PhiField::Notes => order.notes = bytes.map(decode_text).transpose()?,
        PhiField::Insurance => order.insurance = bytes.map(decode_insurance).transpose()?,
        PhiField::InsuranceVerification => {
            order.insurance_verification = bytes.map(decode_insurance_verification).transpose()?;
        }
    }
    order.disclosed = order.disclosed.union(FieldSet::EMPTY.with(field));
    Ok(())
}

/// The notes of an order after `new` ones of `user` are appended. Whether they fit is
/// [`notes_rule`](super::check::notes_rule)'s to say.
pub(crate) fn append_notes(old: &str, at: Timestamp, user: &str, new: &str) -> Phi<String> {
    let break_before = if old.is_empty() { "" } else { "\n" };
    let at = at.to_string();
    // All at once: text that grows piece by piece leaves copies behind.
    Phi::new([old, break_before, "--- ", &at, " ", user, "\n", new].concat())
}

/// The JSON that the audit seals: `{"reason":..,"subject":..}` without what is absent, empty if both are.
pub(crate) fn details_json(reason: Option<&str>, subject: Option<&str>) -> String {
    if reason.is_none() && subject.is_none() {
        return String::new();
    }
    let mut out = Writer::default();
    out.object(|out| {
        out.optional("reason", reason);
        out.optional("subject", subject);
    });
    String::from_utf8_lossy(&out.finish()).into_owned()
}

/// Reads [`details_json`] back: the reason and the subject.
///
/// # Errors
/// `INTEGRITY_VIOLATION` if it is not what [`details_json`] wrote.
pub(crate) fn parse_details(bytes: &[u8]) -> Result<(Option<String>, Option<String>)> {
    if bytes.is_empty() {
        return Ok((None, None));
    }
    let details = object(bytes, &["reason", "subject"], |members, faults| {
        let reason = members.optional_text("reason", faults).map(String::from);
        Some((reason, members.optional_text("subject", faults).map(String::from)))
    })?;
    Ok(details.expose().clone())
}

fn object<T: Zeroize>(
    bytes: &[u8],
    known: &'static [&'static str],
    read: impl FnOnce(&Members<'_, '_>, &mut Faults) -> Option<T>,
) -> Result<Phi<T>> {
    let value = parse(bytes).map_err(|_| broken())?;
    let mut faults = Faults::default();
    if let Value::Object(members) = &value {
        // An absent member is omitted, never null.
        if members.iter().any(|(_, value)| *value == Value::Null) {
            faults.add(String::new(), Rule::Type);
        }
    }
    let read = Members::read(&value, "", known, &mut faults)
        .and_then(|members| read(&members, &mut faults))
        .map(Phi::new);
    read.filter(|_| faults.is_empty()).ok_or_else(broken)
}

fn broken() -> Error {
    Error::new(ErrorCode::IntegrityViolation, "stored data is not what was written")
}

#[cfg(test)]
mod tests;
