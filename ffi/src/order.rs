//! Orders and lists of orders, to read.

use std::ffi::c_char;

use medorder::{Order, OrderPage, OrderSummary, Result};

use crate::boundary::{boundary, boundary_value, free, handle, value_slot};
use crate::constants::*;
use crate::error::{medorder_error, show_at};
use crate::record::{Record, Text, status_number, unknown};

/// An order as one actor may see it. A PHI field that is not in `MEDORDER_ORDER_DISCLOSED` was not decrypted.
pub struct medorder_order {
    record: Record,
    codes: Vec<Text>,
}

/// A page of orders, newest first.
pub struct medorder_order_list {
    orders: Vec<medorder_order>,
    record: Record,
}

impl medorder_order {
    /// The plain columns alone.
    pub(crate) fn plain(summary: OrderSummary) -> Self {
        Self::new(&Order::plain(summary))
    }

    pub(crate) fn new(order: &Order) -> Self {
        let summary = &order.summary;
        let insurance = order.insurance.as_ref().map(|value| value.expose());
        let verification = order.insurance_verification.as_ref().map(|value| value.expose());
        let shows_notes = order.disclosed.bits() & MEDORDER_FIELD_NOTES != 0;
        // Disclosed notes of an order without any are empty, as everywhere.
        let notes = order.notes.as_ref().map(|notes| notes.expose().as_str());
        let notes = notes.or(shows_notes.then_some(""));
        let codes: Vec<Text> = order
            .diagnosis_codes
            .iter()
            .flat_map(|codes| codes.expose())
            .map(|code| Text::new(code.as_bytes()))
            .collect();
        let record = Record::default()
            .text(MEDORDER_ORDER_ID, summary.id.to_string())
            .text(MEDORDER_ORDER_TERRITORY_ID, summary.territory_id.as_str())
            .text(MEDORDER_ORDER_PATIENT_ID, summary.patient_id.as_str())
            .text(MEDORDER_ORDER_PROVIDER_ID, summary.provider_id.as_str())
            .optional(MEDORDER_ORDER_SERVICE_TYPE, order.service_type.as_ref().map(|text| text.expose()))
            .optional(MEDORDER_ORDER_NOTES, notes)
            .optional(MEDORDER_ORDER_INSURANCE_CARRIER, insurance.map(|value| &value.carrier))
            .optional(MEDORDER_ORDER_INSURANCE_POLICY_NUMBER, insurance.map(|value| &value.policy_number))
            .optional(
                MEDORDER_ORDER_INSURANCE_GROUP_NUMBER,
                // An empty number is none, as everywhere.
                insurance.and_then(|value| value.group_number.as_ref()).filter(|number| !number.is_empty()),
            )
            .optional(MEDORDER_ORDER_VERIFICATION_STATUS, verification.map(|value| value.status.name()))
            .optional(
                MEDORDER_ORDER_VERIFICATION_COVERAGE_DETAILS,
                verification.and_then(|value| value.coverage_details.as_ref()),
            )
            .optional(
                MEDORDER_ORDER_VERIFICATION_AUTHORIZATION_NUMBER,
                verification.and_then(|value| value.authorization_number.as_ref()),
            )
            .optional(MEDORDER_ORDER_VERIFICATION_VERIFIED_BY, verification.map(|value| &value.verified_by))
            .optional(
                MEDORDER_ORDER_VERIFICATION_METHOD,
                verification.map(|value| &value.verification_method),
            )
            .number(MEDORDER_ORDER_STATUS, status_number(summary.status))
            .number(MEDORDER_ORDER_VERSION, i64::try_from(summary.version).ok())
            .number(MEDORDER_ORDER_CREATED_AT, summary.created_at.as_micros())
            .number(MEDORDER_ORDER_UPDATED_AT, summary.updated_at.as_micros())
            .number(MEDORDER_ORDER_DISCLOSED, i64::from(order.disclosed.bits()))
            .number(MEDORDER_ORDER_WITHHELD, i64::from(order.withheld.bits()))
            .number(MEDORDER_ORDER_DIAGNOSIS_CODES, codes.len() as i64)
            .number(
                MEDORDER_ORDER_VERIFICATION_VERIFIED_AT,
                verification.and_then(|value| value.verified_at).map(|time| time.as_micros()),
            )
            .number(
                MEDORDER_ORDER_VERIFICATION_VALID_UNTIL,
                verification.and_then(|value| value.valid_until).map(|time| time.as_micros()),
            );
        Self { record, codes }
    }
}

impl medorder_order_list {
    pub(crate) fn new(page: &OrderPage) -> Self {
        let record = Record::default()
            .optional(MEDORDER_LIST_NEXT_CURSOR, page.next_cursor.as_ref())
            .text(MEDORDER_LIST_FEED_CURSOR, &page.feed_cursor);
        Self { orders: page.orders.iter().map(medorder_order::new).collect(), record }
    }
}

/// A text of an order, like `MEDORDER_ORDER_PATIENT_ID`; NULL with length 0 if it is not disclosed or has no value.
/// `length` may be NULL.
///
/// Ownership: borrowed from `order`, until it is freed. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_order_text(
    order: *const medorder_order,
    member: i32,
    text: *mut *const c_char,
    length: *mut usize,
) -> i32 {
    // SAFETY: the caller gives NULL or what lives and may be written.
    unsafe {
        boundary(std::ptr::null_mut(), || handle("order", order)?.record.show_text(member, text, length))
    }
}

/// A number of an order, like `MEDORDER_ORDER_VERSION`.
///
/// Threads: any. Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_order_number(
    order: *const medorder_order,
    member: i32,
    number: *mut i64,
) -> i32 {
    // SAFETY: the caller gives NULL or what lives and may be written.
    unsafe { boundary(std::ptr::null_mut(), || handle("order", order)?.record.show_number(member, number)) }
}

/// One of the `MEDORDER_ORDER_DIAGNOSIS_CODES` codes of an order. PHI. `length` may be NULL.
///
/// Ownership: borrowed from `order`, until it is freed. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR for NULL or an index beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_order_diagnosis_code(
    order: *const medorder_order,
    index: usize,
    code: *mut *const c_char,
    length: *mut usize,
) -> i32 {
    // SAFETY: the caller gives NULL or what lives and may be written.
    unsafe { boundary(std::ptr::null_mut(), || show_at(&handle("order", order)?.codes, index, code, length)) }
}

/// Zeroes and frees an order that a call gave; NULL is nothing. Orders of a list belong to the list.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_order_free(order: *mut medorder_order) {
    // SAFETY: the caller gives NULL or an order that is not used again.
    boundary_value((), || unsafe { free(order) });
}

/// How many orders a list has; none for NULL.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_order_list_count(list: *const medorder_order_list) -> usize {
    // SAFETY: the caller gives NULL or a list that lives.
    boundary_value(0, || unsafe { list.as_ref() }.map_or(0, |list| list.orders.len()))
}

/// One order of a list.
///
/// Ownership: `*order` is borrowed from `list`, until the list is freed; do not free it. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR for NULL or an index beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_order_list_at(
    list: *const medorder_order_list,
    index: usize,
    order: *mut *const medorder_order,
) -> i32 {
    let work = || -> Result<()> {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (place, list) = unsafe { (value_slot("order", order, std::ptr::null())?, handle("list", list)?) };
        place.fill(list.orders.get(index).ok_or_else(|| unknown("index"))?);
        Ok(())
    };
    // SAFETY: NULL is allowed.
    unsafe { boundary(std::ptr::null_mut::<*mut medorder_error>(), work) }
}

/// A text of a list: `MEDORDER_LIST_NEXT_CURSOR` (NULL on the last page) or `MEDORDER_LIST_FEED_CURSOR`. `length` may be
/// NULL.
///
/// Ownership: borrowed from `list`, until it is freed. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_order_list_text(
    list: *const medorder_order_list,
    member: i32,
    text: *mut *const c_char,
    length: *mut usize,
) -> i32 {
    // SAFETY: the caller gives NULL or what lives and may be written.
    unsafe { boundary(std::ptr::null_mut(), || handle("list", list)?.record.show_text(member, text, length)) }
}

/// Zeroes and frees a list with its orders; NULL is nothing.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_order_list_free(list: *mut medorder_order_list) {
    // SAFETY: the caller gives NULL or a list that is not used again.
    boundary_value((), || unsafe { free(list) });
}
