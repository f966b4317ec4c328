//! Errors, and the table of codes.

use std::ffi::c_char;

use medorder::{Error, ErrorCode, OrderStatus, Result, wire};

use crate::boundary::{boundary, boundary_value, free, handle, value_slot};
use crate::constants::*;
use crate::record::{Record, Text, show, status_number, unknown};

/// Why a call failed. It holds no PHI.
pub struct medorder_error {
    code: i32,
    message: Text,
    record: Record,
    /// Path and rule of each fault.
    faults: Vec<(Text, Text)>,
}

impl medorder_error {
    pub(crate) fn new(error: Error) -> Self {
        let (code, details) = (error.code(), error.details());
        let status = |name: &'static str| OrderStatus::parse(name).ok().map(status_number);
        let whole = |number: Option<u64>| number.and_then(|number| i64::try_from(number).ok());
        let allowed =
            details.allowed.as_ref().map(|names| names.iter().filter_map(|name| status(name)).sum::<i64>());
        let record = Record::default()
            .text(MEDORDER_ERROR_NAME, code.name())
            .text(MEDORDER_ERROR_KIND, code.kind().name())
            .text(MEDORDER_ERROR_MESSAGE, error.to_string())
            .optional(MEDORDER_ERROR_ORDER_ID, details.order_id.as_ref())
            .optional(MEDORDER_ERROR_WHY, details.why)
            .text(MEDORDER_ERROR_JSON, wire::error_json(&error).as_slice())
            .number(MEDORDER_ERROR_CODE, i64::from(code.number()))
            .number(MEDORDER_ERROR_RETRYABLE, i64::from(code.retryable()))
            .number(MEDORDER_ERROR_FAULTS, error.faults().len() as i64)
            .number(MEDORDER_ERROR_CURRENT_STATUS, details.current_status.and_then(status))
            .number(MEDORDER_ERROR_REQUESTED_STATUS, details.requested_status.and_then(status))
            .number(MEDORDER_ERROR_ALLOWED, allowed)
            .number(MEDORDER_ERROR_CURRENT_VERSION, whole(details.current_version))
            .number(MEDORDER_ERROR_SEQ, whole(details.seq));
        let faults =
            error.faults().iter().map(|fault| (Text::new(&fault.path), Text::new(fault.rule.name())));
        Self {
            code: i32::from(code.number()),
            message: Text::new(error.to_string()),
            record,
            faults: faults.collect(),
        }
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> String {
        // SAFETY: it ends with a NUL and lives as long as `self`.
        unsafe { std::ffi::CStr::from_ptr(self.message.as_ptr()) }.to_string_lossy().into_owned()
    }
}

/// The code of an error, the number that the call returned; `MEDORDER_OK` for NULL.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_error_code(error: *const medorder_error) -> i32 {
    // SAFETY: the caller gives NULL or an error that lives.
    boundary_value(MEDORDER_INTERNAL, || unsafe { error.as_ref() }.map_or(MEDORDER_OK, |error| error.code))
}

/// The message of an error, for people: never NULL, empty for NULL.
///
/// Ownership: borrowed from `error`, until it is freed. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_error_message(error: *const medorder_error) -> *const c_char {
    // SAFETY: the caller gives NULL or an error that lives.
    let message = || unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.message.as_ptr());
    boundary_value(c"".as_ptr(), message)
}

/// A text of an error, like `MEDORDER_ERROR_WHY`; NULL with length 0 if it does not apply. `length` may be NULL.
///
/// Ownership: borrowed from `error`, until it is freed. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_error_text(
    error: *const medorder_error,
    member: i32,
    text: *mut *const c_char,
    length: *mut usize,
) -> i32 {
    // SAFETY: the caller gives NULL or what lives and may be written.
    unsafe {
        boundary(std::ptr::null_mut(), || handle("error", error)?.record.show_text(member, text, length))
    }
}

/// A number of an error, like `MEDORDER_ERROR_CURRENT_VERSION`; `MEDORDER_ABSENT` if it does not apply.
///
/// Threads: any. Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_error_number(
    error: *const medorder_error,
    member: i32,
    number: *mut i64,
) -> i32 {
    // SAFETY: the caller gives NULL or what lives and may be written.
    unsafe { boundary(std::ptr::null_mut(), || handle("error", error)?.record.show_number(member, number)) }
}

/// One fault of a MEDORDER_VALIDATION_ERROR: the path of the member, like `diagnosis_codes[3]`, and the rule it breaks:
/// `required empty type unknown duplicate too_long too_many format utf8 control one_of not_allowed`.
///
/// Ownership: both are borrowed from `error`, until it is freed. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR for NULL or an index beyond `MEDORDER_ERROR_FAULTS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_error_fault(
    error: *const medorder_error,
    index: usize,
    path: *mut *const c_char,
    rule: *mut *const c_char,
) -> i32 {
    let work = || -> Result<()> {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (error, rule, path) = unsafe {
            let rule = value_slot("rule", rule, std::ptr::null())?;
            (handle("error", error)?, rule, value_slot("path", path, std::ptr::null())?)
        };
        let (fault, broken) = error.faults.get(index).ok_or_else(|| unknown("index"))?;
        path.fill(fault.as_ptr());
        rule.fill(broken.as_ptr());
        Ok(())
    };
    // SAFETY: NULL is allowed.
    unsafe { boundary(std::ptr::null_mut(), work) }
}

/// Frees an error; NULL is nothing.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_error_free(error: *mut medorder_error) {
    // SAFETY: the caller gives NULL or an error that is not used again.
    boundary_value((), || unsafe { free(error) });
}

/// The codes of the error table, in the order of the numbers: the one at `index`, 0 beyond the end.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn medorder_code_at(index: usize) -> i32 {
    boundary_value(0, || ErrorCode::ALL.get(index).map_or(0, |code| i32::from(code.number())))
}

/// The name of a code, like `ORDER_NOT_FOUND`; NULL if there is no such code.
///
/// Ownership: static. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn medorder_code_name(code: i32) -> *const c_char {
    named(code, |row| row.0)
}

/// What to do about a code, in one word: `invalid denied missing conflict unavailable data usage internal`; NULL if
/// there is no such code.
///
/// Ownership: static. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn medorder_code_kind(code: i32) -> *const c_char {
    named(code, |row| row.1)
}

/// 1 if a call that failed with this code may succeed later and changed nothing, else 0.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn medorder_code_retryable(code: i32) -> i32 {
    boundary_value(0, || i32::from(find(code).is_some_and(|(code, _)| code.retryable())))
}

/// The name of a status, like `in_progress`; NULL if there is no such status.
///
/// Ownership: static. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn medorder_status_name(status: i32) -> *const c_char {
    boundary_value(std::ptr::null(), || {
        let at = OrderStatus::ALL.iter().position(|known| status_number(*known) == i64::from(status));
        at.and_then(|at| STATUSES.get(at)).map_or(std::ptr::null(), |name| name.as_ptr())
    })
}

/// Names as C wants them, with a NUL, in the order of the engine's tables; a test compares them.
const STATUSES: &[&std::ffi::CStr] =
    &[c"pending_verification", c"verified", c"rejected", c"in_progress", c"completed", c"cancelled"];
const CODES: &[(&std::ffi::CStr, &std::ffi::CStr)] = &[
    (c"VALIDATION_ERROR", c"invalid"),
    (c"INVALID_STATUS_TRANSITION", c"invalid"),
    (c"PATIENT_PROVIDER_MISMATCH", c"invalid"),
    (c"IDEMPOTENCY_MISMATCH", c"invalid"),
    (c"INVALID_CURSOR", c"invalid"),
    (c"UNAUTHENTICATED", c"denied"),
    (c"ACCESS_DENIED", c"denied"),
    (c"TERRITORY_MISMATCH", c"denied"),
    (c"ORDER_NOT_FOUND", c"missing"),
    (c"TERRITORY_NOT_FOUND", c"missing"),
    (c"VERSION_CONFLICT", c"conflict"),
    (c"STORAGE_UNAVAILABLE", c"unavailable"),
    (c"KEY_UNAVAILABLE", c"unavailable"),
    (c"OUTCOME_UNKNOWN", c"unavailable"),
    (c"INTEGRITY_VIOLATION", c"data"),
    (c"AUDIT_BROKEN", c"data"),
    (c"KEY_MISMATCH", c"data"),
    (c"SCHEMA_UNSUPPORTED", c"data"),
    (c"CLOSED", c"usage"),
    (c"INTERNAL", c"internal"),
];

type Row = (&'static std::ffi::CStr, &'static std::ffi::CStr);

fn find(code: i32) -> Option<(ErrorCode, &'static Row)> {
    let rows = ErrorCode::ALL.iter().copied().zip(CODES);
    rows.into_iter().find(|(known, _)| i32::from(known.number()) == code)
}

fn named(code: i32, column: fn(&Row) -> &'static std::ffi::CStr) -> *const c_char {
    boundary_value(std::ptr::null(), || find(code).map_or(std::ptr::null(), |(_, row)| column(row).as_ptr()))
}

/// A text of a list of texts, for the accessors with an index.
///
/// # Safety
/// `text` and `length` are NULL or may be written.
pub(crate) unsafe fn show_at(
    texts: &[Text],
    index: usize,
    text: *mut *const c_char,
    length: *mut usize,
) -> Result<()> {
    // SAFETY: the caller says so.
    unsafe { show(texts.get(index).map(Some), text, length) }
        .map_err(|error| if texts.get(index).is_none() && !text.is_null() { unknown("index") } else { error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_those_of_the_engine() {
        let ours: Vec<_> =
            CODES.iter().map(|(name, kind)| (name.to_str().unwrap(), kind.to_str().unwrap())).collect();
        let theirs: Vec<_> = ErrorCode::ALL.iter().map(|code| (code.name(), code.kind().name())).collect();
        assert_eq!(ours, theirs);
        let ours: Vec<_> = STATUSES.iter().map(|name| name.to_str().unwrap()).collect();
        let theirs: Vec<_> = OrderStatus::ALL.iter().map(|status| status.name()).collect();
        assert_eq!(ours, theirs);
        let numbers: Vec<_> = (0..).map(|at| medorder_code_at(at)).take_while(|code| *code != 0).collect();
        assert_eq!(numbers.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            let retryable = medorder_code_retryable(i32::from(code.number()));
            assert_eq!(retryable == 1, code.retryable(), "{}", code.name());
        }
        assert!(medorder_code_name(1).is_null() && medorder_status_name(3).is_null());
    }
}
