//! What one actor may do in one territory.

use std::ffi::c_char;
use std::mem::size_of;

use medorder::service::BlockingSession;
use medorder::{DeleteOrder, OrderFilter, OrderId, Result};

use crate::actor::medorder_actor;
use crate::boundary::{Texts, boundary, boundary_value, free, give, handle, json, optional, slot, text};
use crate::callbacks::{Versioned, versioned};
use crate::error::medorder_error;
use crate::local::Local;
use crate::order::{medorder_order, medorder_order_list};
use crate::record::{fields, statuses, time};
use crate::request::{medorder_change, medorder_draft, version};
use crate::service::medorder_service;
use crate::text::medorder_text;

/// What one actor may do in one territory. Share it between threads.
pub struct medorder_session(pub(crate) Local<BlockingSession>);

/// Which orders a list holds; every condition that is set must hold.
///
/// Start from `MEDORDER_ORDER_QUERY_INIT`. A struct of zeros is not empty: `created_to` would be a moment in 1970, before
/// which nothing was created, and `limit` none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct medorder_order_query {
    /// The size of this struct where the program was compiled.
    pub struct_size: u32,
    /// A set of statuses, like `MEDORDER_VERIFIED | MEDORDER_IN_PROGRESS`; 0 is any.
    pub statuses: u32,
    /// Orders of this patient; NULL is any.
    pub patient_id: *const c_char,
    /// How many bytes `patient_id` has.
    pub patient_id_length: usize,
    /// Orders of this provider; NULL is any.
    pub provider_id: *const c_char,
    /// How many bytes `provider_id` has.
    pub provider_id_length: usize,
    /// Created at this moment or later, microseconds since 1970 UTC; `MEDORDER_ABSENT` is any.
    pub created_from: i64,
    /// Created before this moment; `MEDORDER_ABSENT` is any.
    pub created_to: i64,
    /// The `MEDORDER_LIST_NEXT_CURSOR` of the page before; NULL is the first page.
    pub cursor: *const c_char,
    /// How many bytes `cursor` has.
    pub cursor_length: usize,
    /// How many orders at most, 1 to 500. Each order that discloses PHI leaves an entry in the audit.
    pub limit: usize,
    /// A set of PHI fields, like `MEDORDER_FIELD_NOTES`; NULL is all that the actor may see, an empty set none.
    pub fields: *const u32,
}

// SAFETY: `struct_size` is first; numbers and NULL are zero.
unsafe impl Versioned for medorder_order_query {
    const FIRST: usize = size_of::<medorder_order_query>();
}

/// What `actor` may do in `territory`. Nothing is read: the first call checks and audits.
///
/// Ownership: all are borrowed; the actor is copied. Free `*session` with `medorder_session_free`. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR, MEDORDER_CLOSED (in the child of a fork).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_session_new(
    service: *const medorder_service,
    actor: *const medorder_actor,
    territory: *const c_char,
    territory_length: usize,
    session: *mut *mut medorder_session,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read and written.
        let (place, service, actor, territory) = unsafe {
            let place = slot("session", session)?;
            let (service, actor) = (handle("service", service)?, handle("actor", actor)?);
            (place, service, actor, text("territory", territory, territory_length)?)
        };
        let made = service.0.get()?.session(actor.get()?, territory.parse()?);
        give(place, medorder_session(Local::new(made)));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Creates an order and answers its plain columns. It is durable when the call returns.
///
/// Ownership: `draft` is borrowed; free `*order` with `medorder_order_free`. Threads: any, one at a time for a draft.
/// Errors: MEDORDER_VALIDATION_ERROR, MEDORDER_PATIENT_PROVIDER_MISMATCH, MEDORDER_IDEMPOTENCY_MISMATCH,
/// MEDORDER_ACCESS_DENIED, MEDORDER_TERRITORY_MISMATCH, MEDORDER_TERRITORY_NOT_FOUND, MEDORDER_STORAGE_UNAVAILABLE,
/// MEDORDER_KEY_UNAVAILABLE, MEDORDER_OUTCOME_UNKNOWN, MEDORDER_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_create_order(
    session: *const medorder_session,
    draft: *const medorder_draft,
    order: *mut *mut medorder_order,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (place, session, draft) =
            unsafe { (slot("order", order)?, handle("session", session)?, handle("draft", draft)?) };
        give(place, medorder_order::plain(session.0.get()?.create_order(draft.get()?)?));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Changes the status of an order and answers its plain columns. It is durable when the call returns.
///
/// Ownership: `change` is borrowed; free `*order` with `medorder_order_free`. Threads: any, one at a time for a change.
/// Errors: MEDORDER_INVALID_STATUS_TRANSITION, MEDORDER_VERSION_CONFLICT, MEDORDER_ORDER_NOT_FOUND,
/// MEDORDER_INTEGRITY_VIOLATION, and as `medorder_create_order`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_update_status(
    session: *const medorder_session,
    order_id: *const c_char,
    order_id_length: usize,
    change: *const medorder_change,
    order: *mut *mut medorder_order,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read and written.
        let (place, session, id, change) = unsafe {
            let (place, session) = (slot("order", order)?, handle("session", session)?);
            (place, session, self::order_id(order_id, order_id_length)?, handle("change", change)?)
        };
        give(place, medorder_order::plain(session.0.get()?.update_status(id, change.get())?));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Reads an order. The audit has the disclosure before this call returns. `fields` points to a set of PHI fields; NULL
/// is all that the actor may see, an empty set decrypts nothing.
///
/// Ownership: free `*order` with `medorder_order_free`, which zeroes it. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR, MEDORDER_ORDER_NOT_FOUND, MEDORDER_ACCESS_DENIED, MEDORDER_TERRITORY_MISMATCH,
/// MEDORDER_TERRITORY_NOT_FOUND, MEDORDER_INTEGRITY_VIOLATION, MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_KEY_UNAVAILABLE,
/// MEDORDER_OUTCOME_UNKNOWN, MEDORDER_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_get_order(
    session: *const medorder_session,
    order_id: *const c_char,
    order_id_length: usize,
    fields: *const u32,
    order: *mut *mut medorder_order,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read and written.
        let (place, session, id, fields) = unsafe {
            let (place, session) = (slot("order", order)?, handle("session", session)?);
            (place, session, self::order_id(order_id, order_id_length)?, self::fields(fields)?)
        };
        give(place, medorder_order::new(&session.0.get()?.order(id, fields)?));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Finds an order by the idempotency key it was created with and answers its plain columns.
///
/// Ownership: free `*order` with `medorder_order_free`. Threads: any.
/// Errors: as `medorder_get_order`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_get_order_by_key(
    session: *const medorder_session,
    idempotency_key: *const c_char,
    idempotency_key_length: usize,
    order: *mut *mut medorder_order,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read and written.
        let (place, session, key) = unsafe {
            let (place, session) = (slot("order", order)?, handle("session", session)?);
            (place, session, text("idempotency_key", idempotency_key, idempotency_key_length)?)
        };
        give(place, medorder_order::plain(session.0.get()?.order_by_key(&key.parse()?)?));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Lists orders, newest first, a page at a time.
///
/// Ownership: `query` is borrowed; free `*list` with `medorder_order_list_free`, which zeroes it. Threads: any.
/// Errors: MEDORDER_INVALID_CURSOR, and as `medorder_get_order`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_list_orders(
    session: *const medorder_session,
    query: *const medorder_order_query,
    list: *mut *mut medorder_order_list,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        let mut texts = Texts::default();
        // SAFETY: the caller gives NULL or what lives and may be read and written.
        let (place, session, query, patient, provider, cursor, fields) = unsafe {
            let (place, session) = (slot("list", list)?, handle("session", session)?);
            let query = versioned("query", query)?;
            let patient = texts.optional("patient_id", query.patient_id, query.patient_id_length);
            let provider = texts.optional("provider_id", query.provider_id, query.provider_id_length);
            let cursor = texts.optional("cursor", query.cursor, query.cursor_length);
            (place, session, query, patient, provider, cursor, self::fields(query.fields)?)
        };
        texts.finish()?;
        let mut filter = OrderFilter::new();
        filter.status = statuses(query.statuses)?;
        filter.patient_id = patient.map(str::parse).transpose()?;
        filter.provider_id = provider.map(str::parse).transpose()?;
        filter.created_from = time(query.created_from);
        filter.created_to = time(query.created_to);
        let page = session.0.get()?.orders(&filter, cursor, query.limit, fields)?;
        give(place, medorder_order_list::new(&page));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Deletes an order for good and answers its plain columns: its key and what it sealed go, its skeleton and audit stay.
/// `reason` (1 to 200 characters) is operational text, NOT PHI: it outlives the order. `expected_version` may be
/// `MEDORDER_ABSENT`.
///
/// Ownership: free `*order` with `medorder_order_free`. Threads: any.
/// Errors: MEDORDER_VERSION_CONFLICT, and as `medorder_get_order`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_delete_order(
    session: *const medorder_session,
    order_id: *const c_char,
    order_id_length: usize,
    reason: *const c_char,
    reason_length: usize,
    expected_version: i64,
    order: *mut *mut medorder_order,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read and written.
        let (place, session, id, reason) = unsafe {
            let (place, session) = (slot("order", order)?, handle("session", session)?);
            let id = self::order_id(order_id, order_id_length)?;
            (place, session, id, text("reason", reason, reason_length)?)
        };
        let mut request = DeleteOrder::new(reason);
        if expected_version != crate::constants::MEDORDER_ABSENT {
            request = request.expected_version(version(expected_version)?);
        }
        give(place, medorder_order::plain(session.0.get()?.delete_order(id, request)?));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Any call of a session by its name, with arguments and answer as JSON: what is made of lists, or is read by programs.
///
/// | name | arguments | answer |
/// |---|---|---|
/// | create_orders | `{requests: [..], mode: "atomic" or "each"}` | `[{status, data or error}]` |
/// | update_statuses | `{changes: [..], mode}` | the same |
/// | allowed_transitions | `{order_id}` | `[{status, allowed, why?, needs}]` |
/// | relationships | `{filter?, after?, limit?}` | `{relationships, next}` |
/// | audit | `{filter?: {order_id, patient_id, user_id, from, to}, after?, limit?}` | `{records, next}` |
/// | disclosures | `{patient_id, after?, limit?}` | `{records, next}`: who saw what of a patient, when and why |
/// | verify_audit | `{checkpoint?}` | `{verdict, anchored, chains}` |
///
/// The calls that have functions here can be made by name too: create_order, update_status, delete_order, order,
/// order_by_key, orders, revoke. Write texts of others into JSON with a JSON library only: a quote in a name would
/// change the request.
///
/// Ownership: `name` and `arguments` are borrowed; free `*answer` with `medorder_text_free`, which zeroes it.
/// Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR (path `call`: there is no such call), MEDORDER_AUDIT_BROKEN, and as the functions
/// above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_session_call(
    session: *const medorder_session,
    name: *const c_char,
    name_length: usize,
    arguments: *const c_char,
    arguments_length: usize,
    answer: *mut *mut medorder_text,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read and written.
        let (place, session, name, arguments) = unsafe {
            let (place, session) = (slot("answer", answer)?, handle("session", session)?);
            let name = text("name", name, name_length)?;
            (place, session, name, json("arguments", arguments, arguments_length)?)
        };
        give(place, medorder_text::new(session.0.get()?.call(name, arguments)?.as_slice()));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Ends a session and its subscriptions: every later call is MEDORDER_ACCESS_DENIED, and whoever waits for events is
/// told so.
///
/// Threads: any. Errors: MEDORDER_CLOSED (in the child of a fork).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_session_revoke(
    session: *const medorder_session,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives.
        unsafe { handle("session", session) }?.0.get()?.revoke();
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Frees a session; NULL is nothing. Its subscriptions and exports go on.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_session_free(session: *mut medorder_session) {
    // SAFETY: the caller gives NULL or a session that is not used again.
    boundary_value((), || unsafe { free(session) });
}

/// # Safety
/// The text is NULL or may be read.
unsafe fn order_id(id: *const c_char, length: usize) -> Result<OrderId> {
    // SAFETY: the caller says so.
    unsafe { text("order_id", id, length) }?.parse()
}

/// Where a subscription begins and what it is about.
///
/// # Safety
/// The texts are NULL or may be read.
pub(crate) unsafe fn feed_start<'a>(
    order: *const c_char,
    order_length: usize,
    since: *const c_char,
    since_length: usize,
) -> Result<(Option<OrderId>, Option<&'a str>)> {
    // SAFETY: the caller says so.
    let (order, since) =
        unsafe { (optional("order_id", order, order_length)?, optional("since", since, since_length)?) };
    Ok((order.map(str::parse).transpose()?, since))
}
