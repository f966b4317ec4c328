//! Drafts of orders and changes of status. Content is checked when they are sent, all of it at once.

use std::ffi::c_char;

use medorder::{CreateOrder, Insurance, InsuranceStatus, OrderStatus, Phi, Result, Rule, StatusChange};
use medorder::{Error, VerificationData};

use crate::boundary::{Texts, boundary, boundary_value, free, give, handle_mut, slot, text};
use crate::constants::*;
use crate::error::medorder_error;
use crate::record::{status, time, unknown};

/// An order that is not yet sent. It can be sent again after a failure.
pub struct medorder_draft(Option<CreateOrder>);

/// A change of status that is not yet sent. It can be sent again after a failure, and to several orders.
pub struct medorder_change {
    status: OrderStatus,
    notes: Option<Phi<String>>,
    reason: Option<String>,
    key: Option<String>,
    version: Option<u64>,
    verification: Option<VerificationData>,
}

impl medorder_draft {
    pub(crate) fn get(&self) -> Result<CreateOrder> {
        self.0.clone().ok_or_else(|| unknown("draft"))
    }

    fn change(&mut self, change: impl FnOnce(CreateOrder) -> CreateOrder) {
        self.0 = self.0.take().map(change);
    }
}

impl medorder_change {
    pub(crate) fn get(&self) -> StatusChange {
        let mut change = StatusChange::to(self.status);
        if let Some(notes) = &self.notes {
            change = change.notes(notes.clone());
        }
        if let Some(reason) = &self.reason {
            change = change.reason(reason.clone());
        }
        if let Some(key) = &self.key {
            change = change.idempotency_key(key.clone());
        }
        if let Some(version) = self.version {
            change = change.expected_version(version);
        }
        if let Some(verification) = &self.verification {
            change = change.verification(verification.clone());
        }
        change
    }

    /// Members of a verification stand beside who verified and how.
    fn verify(&mut self, change: impl FnOnce(VerificationData) -> VerificationData) -> Result<()> {
        let Some(verification) = self.verification.take() else {
            return Err(Error::fault("verification_data", Rule::Required));
        };
        self.verification = Some(change(verification));
        Ok(())
    }
}

/// Starts an order of `service_type` without codes, notes and insurance.
///
/// Ownership: texts are borrowed and copied; free `*draft` with `medorder_draft_free`, which zeroes it. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR (a text is NULL or not UTF-8).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_draft_new(
    patient_id: *const c_char,
    patient_id_length: usize,
    provider_id: *const c_char,
    provider_id_length: usize,
    service_type: *const c_char,
    service_type_length: usize,
    draft: *mut *mut medorder_draft,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        let mut texts = Texts::default();
        // SAFETY: the caller gives NULL or what may be read and written.
        let (place, patient, provider, service) = unsafe {
            (
                slot("draft", draft)?,
                texts.required("patient_id", patient_id, patient_id_length),
                texts.required("provider_id", provider_id, provider_id_length),
                texts.required("service_type", service_type, service_type_length),
            )
        };
        texts.finish()?;
        give(place, medorder_draft(Some(CreateOrder::new(patient, provider, service))));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Sets a text of a draft, or adds one: `MEDORDER_DRAFT_DIAGNOSIS_CODE`, `MEDORDER_DRAFT_NOTES` or
/// `MEDORDER_DRAFT_IDEMPOTENCY_KEY`.
///
/// Ownership: `text` is borrowed and copied. Threads: one at a time.
/// Errors: MEDORDER_VALIDATION_ERROR; the draft is as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_draft_text(
    draft: *mut medorder_draft,
    member: i32,
    text: *const c_char,
    text_length: usize,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read.
        let (draft, text) = unsafe { (handle_mut("draft", draft)?, self::text("text", text, text_length)?) };
        match member {
            MEDORDER_DRAFT_DIAGNOSIS_CODE => draft.change(|draft| draft.diagnosis_code(text)),
            MEDORDER_DRAFT_NOTES => draft.change(|draft| draft.notes(text)),
            MEDORDER_DRAFT_IDEMPOTENCY_KEY => draft.change(|draft| draft.idempotency_key(text)),
            _ => return Err(unknown("member")),
        }
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Says who pays. `group_number` may be NULL.
///
/// Ownership: texts are borrowed and copied. Threads: one at a time.
/// Errors: MEDORDER_VALIDATION_ERROR; the draft is as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_draft_insurance(
    draft: *mut medorder_draft,
    carrier: *const c_char,
    carrier_length: usize,
    policy_number: *const c_char,
    policy_number_length: usize,
    group_number: *const c_char,
    group_number_length: usize,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        let mut texts = Texts::default();
        // SAFETY: the caller gives NULL or what lives and may be read.
        let (draft, carrier, policy, group) = unsafe {
            (
                handle_mut("draft", draft)?,
                texts.required("insurance.carrier", carrier, carrier_length),
                texts.required("insurance.policy_number", policy_number, policy_number_length),
                texts.optional("insurance.group_number", group_number, group_number_length),
            )
        };
        texts.finish()?;
        let mut insurance = Insurance::new(carrier, policy);
        insurance.group_number = group.map(str::to_owned);
        draft.change(|draft| draft.insurance(insurance));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Zeroes and frees a draft; NULL is nothing.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_draft_free(draft: *mut medorder_draft) {
    // SAFETY: the caller gives NULL or a draft that is not used again.
    boundary_value((), || unsafe { free(draft) });
}

/// Starts a change to `status`, like `MEDORDER_IN_PROGRESS`.
///
/// Ownership: free `*change` with `medorder_change_free`, which zeroes it. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR (path `status`: there is no such status).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_change_new(
    status: i32,
    change: *mut *mut medorder_change,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what may be written.
        let place = unsafe { slot("change", change) }?;
        let status = self::status(status)?;
        let (notes, reason, key, version, verification) = (None, None, None, None, None);
        give(place, medorder_change { status, notes, reason, key, version, verification });
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Says who verified and how; only with `MEDORDER_VERIFIED`, which needs it, and `MEDORDER_REJECTED`. PHI.
///
/// Ownership: texts are borrowed and copied. Threads: one at a time.
/// Errors: MEDORDER_VALIDATION_ERROR; the change is as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_change_verification(
    change: *mut medorder_change,
    verified_by: *const c_char,
    verified_by_length: usize,
    verification_method: *const c_char,
    verification_method_length: usize,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        let mut texts = Texts::default();
        let (who, how) = ("verification_data.verified_by", "verification_data.verification_method");
        // SAFETY: the caller gives NULL or what lives and may be read.
        let (change, who, how) = unsafe {
            (
                handle_mut("change", change)?,
                texts.required(who, verified_by, verified_by_length),
                texts.required(how, verification_method, verification_method_length),
            )
        };
        texts.finish()?;
        change.verification = Some(VerificationData::new(who, how));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Sets a text of a change: `MEDORDER_CHANGE_NOTES`, `MEDORDER_CHANGE_REASON`, `MEDORDER_CHANGE_IDEMPOTENCY_KEY`; after
/// `medorder_change_verification` also `MEDORDER_CHANGE_COVERAGE_DETAILS`, `MEDORDER_CHANGE_AUTHORIZATION_NUMBER`,
/// `MEDORDER_CHANGE_INSURANCE_STATUS`.
///
/// Ownership: `text` is borrowed and copied. Threads: one at a time.
/// Errors: MEDORDER_VALIDATION_ERROR; the change is as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_change_text(
    change: *mut medorder_change,
    member: i32,
    text: *const c_char,
    text_length: usize,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read.
        let (change, text) =
            unsafe { (handle_mut("change", change)?, self::text("text", text, text_length)?) };
        match member {
            MEDORDER_CHANGE_NOTES => change.notes = Some(text.into()),
            MEDORDER_CHANGE_REASON => change.reason = Some(text.to_owned()),
            MEDORDER_CHANGE_IDEMPOTENCY_KEY => change.key = Some(text.to_owned()),
            MEDORDER_CHANGE_COVERAGE_DETAILS => return change.verify(|data| data.coverage_json(text)),
            MEDORDER_CHANGE_AUTHORIZATION_NUMBER => {
                return change.verify(|data| data.authorization_number(text));
            }
            MEDORDER_CHANGE_INSURANCE_STATUS => {
                let status = InsuranceStatus::parse(text)
                    .map_err(|_| unknown("verification_data.insurance_status"))?;
                return change.verify(|data| data.insurance_status(status));
            }
            _ => return Err(unknown("member")),
        }
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Sets a number of a change: `MEDORDER_CHANGE_EXPECTED_VERSION`; after `medorder_change_verification` also
/// `MEDORDER_CHANGE_VALID_UNTIL`.
///
/// Threads: one at a time. Errors: MEDORDER_VALIDATION_ERROR; the change is as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_change_number(
    change: *mut medorder_change,
    member: i32,
    number: i64,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives.
        let change = unsafe { handle_mut("change", change) }?;
        match member {
            MEDORDER_CHANGE_EXPECTED_VERSION => change.version = Some(version(number)?),
            MEDORDER_CHANGE_VALID_UNTIL => match time(number) {
                Some(time) => return change.verify(|data| data.valid_until(time)),
                None => return Err(Error::fault("verification_data.valid_until", Rule::Format)),
            },
            _ => return Err(unknown("member")),
        }
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Zeroes and frees a change; NULL is nothing.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_change_free(change: *mut medorder_change) {
    // SAFETY: the caller gives NULL or a change that is not used again.
    boundary_value((), || unsafe { free(change) });
}

/// A version of an order. One that is too low is the engine's to refuse.
pub(crate) fn version(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| Error::fault("expected_version", Rule::Format))
}
