//! Events that the host asks for.

use std::ffi::c_char;
use std::time::Duration;

use crate::boundary::{boundary, boundary_value, free, give, handle, slot, value_slot};
use crate::error::medorder_error;
use crate::event::medorder_event;
use crate::feed::Feed;
use crate::local::Local;
use crate::session::{feed_start, medorder_session};
use crate::text::medorder_text;

/// Events of one order or of a whole territory, from a position on. Nothing is lost and nothing comes twice.
pub struct medorder_subscription(Local<Feed>);

/// Subscribes to the changes of one order, or of all if `order_id` is NULL. `since`: NULL, from now; empty (a length of
/// 0), from the start; a cursor of an event, a list or a subscription, from there. Leaves an entry in the audit.
///
/// Ownership: texts are borrowed; free `*subscription` with `medorder_subscription_free`. Threads: any.
/// Errors: MEDORDER_INVALID_CURSOR (start over from a list), MEDORDER_VALIDATION_ERROR, MEDORDER_ACCESS_DENIED,
/// MEDORDER_TERRITORY_MISMATCH, MEDORDER_TERRITORY_NOT_FOUND, MEDORDER_ORDER_NOT_FOUND, MEDORDER_STORAGE_UNAVAILABLE,
/// MEDORDER_KEY_UNAVAILABLE, MEDORDER_OUTCOME_UNKNOWN, MEDORDER_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_subscribe(
    session: *const medorder_session,
    order_id: *const c_char,
    order_id_length: usize,
    since: *const c_char,
    since_length: usize,
    subscription: *mut *mut medorder_subscription,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read and written.
        let (place, session, (order, since)) = unsafe {
            let (place, session) = (slot("subscription", subscription)?, handle("session", session)?);
            (place, session, feed_start(order_id, order_id_length, since, since_length)?)
        };
        let made = session.0.get()?.subscribe(order, since)?.into_async();
        give(place, medorder_subscription(Local::new(Feed::new(made))));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Waits for the next event, at most `timeout_ms` milliseconds; 0 does not wait, a negative number waits without end.
/// If none came, the call answers MEDORDER_OK and `*event` is NULL.
///
/// Ownership: free `*event` with `medorder_event_free`. Threads: one at a time waits on a subscription; use one for each
/// thread.
/// Errors: MEDORDER_ACCESS_DENIED (the session is expired or revoked), MEDORDER_CLOSED (the service was closed, the
/// subscription stopped, or another thread waits here), MEDORDER_TERRITORY_NOT_FOUND, MEDORDER_INVALID_CURSOR (the
/// database was put back), MEDORDER_INTEGRITY_VIOLATION, MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_KEY_UNAVAILABLE. After
/// the last two the call can be made again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_events_next(
    subscription: *const medorder_subscription,
    timeout_ms: i32,
    event: *mut *mut medorder_event,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (place, subscription) = unsafe { (slot("event", event)?, handle("subscription", subscription)?) };
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        if let Some(event) = subscription.0.get()?.next(timeout)? {
            give(place, medorder_event::new(&event));
        }
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// A file descriptor for `select`, `poll` or `epoll`: while it is readable, it is worth calling `medorder_events_next`
/// with a timeout of 0, until that gives no event. It is readable at first, and when the service was closed, the session
/// revoked or the subscription stopped. Now and then it is readable and there is no event.
///
/// Ownership: `*descriptor` belongs to the subscription: neither read nor close it. Threads: any.
/// Errors: MEDORDER_STORAGE_UNAVAILABLE (no descriptor is left, or the system has none), MEDORDER_CLOSED (in the child
/// of a fork).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_events_descriptor(
    subscription: *const medorder_subscription,
    descriptor: *mut i32,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (place, subscription) =
            unsafe { (value_slot("descriptor", descriptor, -1)?, handle("subscription", subscription)?) };
        place.fill(describe(subscription.0.get()?)?);
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Where a later subscription resumes after the last event that this one gave.
///
/// Ownership: free `*cursor` with `medorder_text_free`. Threads: any.
/// Errors: MEDORDER_CLOSED (in the child of a fork).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_subscription_cursor(
    subscription: *const medorder_subscription,
    cursor: *mut *mut medorder_text,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (place, subscription) =
            unsafe { (slot("cursor", cursor)?, handle("subscription", subscription)?) };
        give(place, medorder_text::new(subscription.0.get()?.cursor()));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Ends a subscription from any thread: whoever waits on it gets MEDORDER_CLOSED at once.
///
/// Ownership: it still has to be freed, when nobody waits any more. Threads: any.
/// Errors: MEDORDER_CLOSED (in the child of a fork).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_subscription_stop(
    subscription: *const medorder_subscription,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives.
        unsafe { handle("subscription", subscription) }?.0.get()?.stop();
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Frees a subscription and closes its descriptor; NULL is nothing.
///
/// Threads: any, once, when no thread waits on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_subscription_free(subscription: *mut medorder_subscription) {
    // SAFETY: the caller gives NULL or a subscription that is not used again.
    boundary_value((), || unsafe { free(subscription) });
}

#[cfg(unix)]
fn describe(feed: &Feed) -> medorder::Result<i32> {
    feed.descriptor()
}

#[cfg(not(unix))]
fn describe(_: &Feed) -> medorder::Result<i32> {
    Err(medorder::Error::new(medorder::ErrorCode::StorageUnavailable, "this system has no such descriptors"))
}
