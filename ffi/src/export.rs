//! The audit, for an archive or a checker of one's own.

use medorder::service::BlockingExport;
use medorder::wire;
use zeroize::Zeroizing;

use crate::boundary::{boundary, boundary_value, free, give, handle, handle_mut, slot};
use crate::error::medorder_error;
use crate::local::Local;
use crate::session::medorder_session;
use crate::text::medorder_text;

/// The entries of a territory's audit up to the moment the export began.
pub struct medorder_export(Local<BlockingExport>);

/// Begins to export every column of every entry of the territory's audit chain. Leaves an entry itself.
///
/// Ownership: free `*export` with `medorder_export_free`. Threads: any.
/// Errors: as `medorder_session_call`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_export_audit(
    session: *const medorder_session,
    export_out: *mut *mut medorder_export,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (place, session) = unsafe { (slot("export_out", export_out)?, handle("session", session)?) };
        give(place, medorder_export(Local::new(session.0.get()?.export_audit()?)));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// The next entries, at most 1,000, one JSON object a line; `*page` is NULL at the end. Binary columns are hexadecimal.
///
/// Ownership: free `*page` with `medorder_text_free`. Threads: one at a time.
/// Errors: MEDORDER_AUDIT_BROKEN (an entry is missing), MEDORDER_ACCESS_DENIED, MEDORDER_STORAGE_UNAVAILABLE,
/// MEDORDER_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_export_next(
    export_handle: *mut medorder_export,
    page: *mut *mut medorder_text,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (place, export) = unsafe { (slot("page", page)?, handle_mut("export_handle", export_handle)?) };
        let entries = export.0.get_mut()?.next_page()?;
        let mut lines = Zeroizing::new(Vec::new());
        for entry in &entries {
            lines.extend_from_slice(&wire::plain_json(entry));
            lines.push(b'\n');
        }
        if !entries.is_empty() {
            give(place, medorder_text::new(lines.as_slice()));
        }
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Frees an export; NULL is nothing.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_export_free(export_handle: *mut medorder_export) {
    // SAFETY: the caller gives NULL or an export that is not used again.
    boundary_value((), || unsafe { free(export_handle) });
}
