//! Events, to read.

use std::ffi::c_char;

use medorder::{EventKind, OrderEvent};

use crate::boundary::{boundary, boundary_value, free, handle};
use crate::constants::*;
use crate::record::{Record, status_number};

/// A change that is durable. It holds no PHI.
pub struct medorder_event(Record);

impl medorder_event {
    pub(crate) fn new(event: &OrderEvent) -> Self {
        let kind = match event.kind {
            EventKind::Deleted => MEDORDER_DELETED,
            _ => MEDORDER_STATUS_CHANGED,
        };
        Self(
            Record::default()
                .text(MEDORDER_EVENT_ORDER_ID, event.order_id.to_string())
                .text(MEDORDER_EVENT_TERRITORY_ID, event.territory_id.as_str())
                .text(MEDORDER_EVENT_USER_ID, &event.user_id)
                .optional(MEDORDER_EVENT_REASON, event.reason.as_ref())
                .text(MEDORDER_EVENT_CURSOR, &event.cursor)
                .number(MEDORDER_EVENT_TYPE, i64::from(kind))
                .number(MEDORDER_EVENT_OLD_STATUS, event.old_status.map_or(0, status_number))
                .number(MEDORDER_EVENT_NEW_STATUS, status_number(event.new_status))
                .number(MEDORDER_EVENT_TIMESTAMP, event.timestamp.as_micros())
                .number(MEDORDER_EVENT_VERSION, i64::try_from(event.version).ok()),
        )
    }
}

/// A text of an event, like `MEDORDER_EVENT_ORDER_ID`; NULL with length 0 if it has no value. `length` may be NULL.
///
/// Ownership: borrowed from `event`, until it is freed. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_event_text(
    event: *const medorder_event,
    member: i32,
    text: *mut *const c_char,
    length: *mut usize,
) -> i32 {
    // SAFETY: the caller gives NULL or what lives and may be written.
    unsafe { boundary(std::ptr::null_mut(), || handle("event", event)?.0.show_text(member, text, length)) }
}

/// A number of an event, like `MEDORDER_EVENT_NEW_STATUS`.
///
/// Threads: any. Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_event_number(
    event: *const medorder_event,
    member: i32,
    number: *mut i64,
) -> i32 {
    // SAFETY: the caller gives NULL or what lives and may be written.
    unsafe { boundary(std::ptr::null_mut(), || handle("event", event)?.0.show_number(member, number)) }
}

/// Zeroes and frees an event that a call gave; NULL is nothing. Events of a callback belong to the library.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_event_free(event: *mut medorder_event) {
    // SAFETY: the caller gives NULL or an event that is not used again.
    boundary_value((), || unsafe { free(event) });
}
