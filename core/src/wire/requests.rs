//! Requests: bytes in, what the caller asks for out, or every fault.

use super::faults::{Faults, item};
use super::json::{Value, parse};
use super::read::{Members, list, text, words};
use super::write::Writer;
use crate::error::{Error, Result, Rule};
use crate::model::limits::BATCH_MAX;
use crate::model::{
    CreateOrder, DeleteOrder, FieldSet, Insurance, InsuranceStatus, OrderFilter, OrderId, OrderStatus,
    PatientId, PhiField, ProviderId, StatusChange, Timestamp, VerificationData,
};
use crate::phi::Phi;

/// Reads `{patient_id, provider_id, service_type, diagnosis_codes, notes?, insurance?, idempotency_key?}`.
///
/// # Errors
/// `VALIDATION_ERROR` with every fault.
///
/// ```
/// let json = br#"{"patient_id":"p-1","provider_id":"npi-1","service_type":"MRI","diagnosis_codes":[]}"#;
/// assert!(medorder::wire::create_order(json).is_ok());
/// ```
pub fn create_order(json: &[u8]) -> Result<CreateOrder> {
    one(json, create)
}

/// Reads a list of at most 10,000 requests for [`create_order`]; a path starts with the item, like
/// `[3].notes`.
///
/// # Errors
/// `VALIDATION_ERROR` with every fault of every item.
pub fn create_orders(json: &[u8]) -> Result<Vec<CreateOrder>> {
    all(json, create)
}

/// Reads the same list for a batch whose items fail each for itself: paths are those of the item alone.
///
/// # Errors
/// `VALIDATION_ERROR` if there is no list of at most 10,000 items.
pub fn create_items(json: &[u8]) -> Result<Vec<Result<CreateOrder>>> {
    each(json, create)
}

/// Reads `{status, notes?, reason?, verification_data?, expected_version?, idempotency_key?}`.
///
/// # Errors
/// `VALIDATION_ERROR` with every fault. Whether the workflow allows the status is not asked here.
pub fn status_change(json: &[u8]) -> Result<StatusChange> {
    one(json, change)
}

/// Reads a list of at most 10,000 changes `{order_id, status, ..}`; a path starts with the item, like
/// `[3].status`.
///
/// # Errors
/// `VALIDATION_ERROR` with every fault of every item.
pub fn status_changes(json: &[u8]) -> Result<Vec<(OrderId, StatusChange)>> {
    all(json, change_of_order)
}

/// Reads the same list for a batch whose items fail each for itself: paths are those of the item alone.
///
/// # Errors
/// `VALIDATION_ERROR` if there is no list of at most 10,000 items.
pub fn status_items(json: &[u8]) -> Result<Vec<Result<(OrderId, StatusChange)>>> {
    each(json, change_of_order)
}

/// Reads `{reason, expected_version?}`.
///
/// # Errors
/// `VALIDATION_ERROR` with every fault.
pub fn delete_order(json: &[u8]) -> Result<DeleteOrder> {
    one(json, delete)
}

/// Reads `{status: [..]?, patient_id?, provider_id?, created_from?, created_to?}`.
///
/// # Errors
/// `VALIDATION_ERROR` with every fault.
pub fn order_filter(json: &[u8]) -> Result<OrderFilter> {
    one(json, filter)
}

/// Reads a list of field names.
///
/// # Errors
/// `VALIDATION_ERROR` with every fault.
pub fn field_list(json: &[u8]) -> Result<FieldSet> {
    one(json, |value, path, faults| Some(words(value, path, PhiField::check, faults).into_iter().collect()))
}

/// Reads one request. `read` answers `None` only after it has noted a fault.
pub(super) fn one<T>(
    json: &[u8],
    read: impl FnOnce(&Value<'_>, &str, &mut Faults) -> Option<T>,
) -> Result<T> {
    let value = parse(json).map_err(|rule| Error::fault("", rule))?;
    judge(&value, "", read)
}

pub(super) fn judge<T>(
    value: &Value<'_>,
    path: &str,
    read: impl FnOnce(&Value<'_>, &str, &mut Faults) -> Option<T>,
) -> Result<T> {
    let mut faults = Faults::default();
    let read = read(value, path, &mut faults);
    faults.finish()?;
    read.ok_or_else(|| Error::fault(path, Rule::Format))
}

type Read<T> = fn(&Value<'_>, &str, &mut Faults) -> Option<T>;

fn all<T>(json: &[u8], read: Read<T>) -> Result<Vec<T>> {
    let value = parse(json).map_err(|rule| Error::fault("", rule))?;
    let mut faults = Faults::default();
    let items = batch(&value)?;
    let read: Vec<T> =
        items.iter().enumerate().filter_map(|(at, value)| read(value, &item("", at), &mut faults)).collect();
    faults.finish()?;
    Ok(read)
}

fn each<T>(json: &[u8], read: Read<T>) -> Result<Vec<Result<T>>> {
    let value = parse(json).map_err(|rule| Error::fault("", rule))?;
    Ok(batch(&value)?.iter().map(|value| judge(value, "", read)).collect())
}

fn batch<'v, 'a>(value: &'v Value<'a>) -> Result<&'v [Value<'a>]> {
    match value {
        Value::Array(items) if items.len() > BATCH_MAX => Err(Error::fault("", Rule::TooMany)),
        Value::Array(items) => Ok(items),
        _ => Err(Error::fault("", Rule::Type)),
    }
}

pub(super) fn create(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<CreateOrder> {
    const KNOWN: &[&str] = &[
        "patient_id",
        "provider_id",
        "service_type",
        "diagnosis_codes",
        "notes",
        "insurance",
        "idempotency_key",
    ];
    let members = Members::read(value, path, KNOWN, faults)?;
    // A member without a usable value is noted as such and filled with nothing, so that the rest is judged.
    let order = CreateOrder {
        patient_id: members.required_text("patient_id", faults).unwrap_or_default().to_owned(),
        provider_id: members.required_text("provider_id", faults).unwrap_or_default().to_owned(),
        service_type: members.required_text("service_type", faults).unwrap_or_default().into(),
        diagnosis_codes: codes(&members, faults),
        notes: members.optional_text("notes", faults).map(Into::into),
        insurance: members
            .optional("insurance")
            .and_then(|value| insurance(value, &members.path("insurance"), faults)),
        idempotency_key: members.optional_text("idempotency_key", faults).map(Into::into),
    };
    order.judge(path, faults);
    Some(order)
}

fn codes(members: &Members<'_, '_>, faults: &mut Faults) -> Vec<Phi<String>> {
    const NAME: &str = "diagnosis_codes";
    let Some(value) = members.required(NAME, faults) else { return Vec::new() };
    let path = members.path(NAME);
    let items = list(value, &path, faults).unwrap_or_default();
    let code = |(at, value)| text(value, || item(&path, at), faults).unwrap_or_default().into();
    items.iter().enumerate().map(code).collect()
}

fn insurance(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<Phi<Insurance>> {
    let members = Members::read(value, path, &["carrier", "policy_number", "group_number"], faults)?;
    let mut insurance = Insurance::new(
        members.required_text("carrier", faults).unwrap_or_default(),
        members.required_text("policy_number", faults).unwrap_or_default(),
    );
    insurance.group_number = members.optional_text("group_number", faults).map(Into::into);
    Some(Phi::new(insurance))
}

fn change(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<StatusChange> {
    let members = Members::read(value, path, &CHANGE[1..], faults)?;
    Some(change_members(&members, path, faults))
}

pub(super) fn change_of_order(
    value: &Value<'_>,
    path: &str,
    faults: &mut Faults,
) -> Option<(OrderId, StatusChange)> {
    let members = Members::read(value, path, CHANGE, faults)?;
    let order_id = members.required_parsed("order_id", OrderId::check, faults);
    let change = change_members(&members, path, faults);
    order_id.map(|order_id| (order_id, change))
}

const CHANGE: &[&str] =
    &["order_id", "status", "notes", "reason", "verification_data", "expected_version", "idempotency_key"];

fn change_members(members: &Members<'_, '_>, path: &str, faults: &mut Faults) -> StatusChange {
    let status = members.required_parsed("status", OrderStatus::check, faults);
    let change = StatusChange {
        // Verification data is allowed with `verified`: an unknown status adds no second fault to its own.
        status: status.unwrap_or(OrderStatus::Verified),
        notes: members.optional_text("notes", faults).map(Into::into),
        reason: members.optional_text("reason", faults).map(Into::into),
        verification: members
            .optional("verification_data")
            .and_then(|value| verification(value, &members.path("verification_data"), faults)),
        expected_version: members.optional_number("expected_version", faults),
        idempotency_key: members.optional_text("idempotency_key", faults).map(Into::into),
    };
    change.judge(path, faults);
    change
}

fn verification(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<VerificationData> {
    const KNOWN: &[&str] = &[
        "verified_by",
        "verification_method",
        "coverage_details",
        "authorization_number",
        "insurance_status",
        "valid_until",
    ];
    let members = Members::read(value, path, KNOWN, faults)?;
    Some(VerificationData {
        verified_by: members.required_text("verified_by", faults).unwrap_or_default().into(),
        verification_method: members.required_text("verification_method", faults).unwrap_or_default().into(),
        coverage_details: members
            .optional("coverage_details")
            .and_then(|value| coverage(value, || members.path("coverage_details"), faults)),
        authorization_number: members.optional_text("authorization_number", faults).map(Into::into),
        insurance_status: members.optional_parsed("insurance_status", InsuranceStatus::check, faults),
        valid_until: members.optional_parsed("valid_until", Timestamp::check, faults),
    })
}

/// Free JSON as sorted text.
fn coverage(value: &Value<'_>, path: impl FnOnce() -> String, faults: &mut Faults) -> Option<Phi<String>> {
    let mut out = Writer::default();
    let written = value.write_sorted(&mut out, crate::model::limits::COVERAGE_DEPTH);
    faults.value(path, written)?;
    std::str::from_utf8(&out.finish()).map(Into::into).ok()
}

fn delete(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<DeleteOrder> {
    let members = Members::read(value, path, &["reason", "expected_version"], faults)?;
    Some(delete_members(&members, path, faults))
}

pub(super) fn delete_members(members: &Members<'_, '_>, path: &str, faults: &mut Faults) -> DeleteOrder {
    let delete = DeleteOrder {
        reason: members.required_text("reason", faults).unwrap_or_default().to_owned(),
        expected_version: members.optional_number("expected_version", faults),
    };
    delete.judge(path, faults);
    delete
}

pub(super) fn filter(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<OrderFilter> {
    const KNOWN: &[&str] = &["status", "patient_id", "provider_id", "created_from", "created_to"];
    let members = Members::read(value, path, KNOWN, faults)?;
    let status = members
        .optional("status")
        .map(|value| words(value, &members.path("status"), OrderStatus::check, faults));
    Some(OrderFilter {
        status: status.unwrap_or_default(),
        patient_id: members.optional_parsed("patient_id", PatientId::check, faults),
        provider_id: members.optional_parsed("provider_id", ProviderId::check, faults),
        created_from: members.optional_parsed("created_from", Timestamp::check, faults),
        created_to: members.optional_parsed("created_to", Timestamp::check, faults),
    })
}
