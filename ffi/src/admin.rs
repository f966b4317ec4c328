//! Administrative acts.

use std::ffi::{c_char, c_void};

use medorder::service::{BlockingAdmin, Progress};

use crate::actor::medorder_actor;
use crate::boundary::{boundary, boundary_value, free, give, handle, json, slot, text};
use crate::callbacks::UserData;
use crate::error::medorder_error;
use crate::keys::medorder_keys;
use crate::local::Local;
use crate::service::medorder_service;
use crate::text::medorder_text;

/// Administrative acts of one actor. Share it between threads.
pub struct medorder_admin(Local<BlockingAdmin>);

/// Administrative acts of `actor`. Nothing is read: the first call checks and audits.
///
/// Ownership: all are borrowed; the actor is copied. Free `*admin` with `medorder_admin_free`. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR, MEDORDER_CLOSED (in the child of a fork).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_admin_new(
    service: *const medorder_service,
    actor: *const medorder_actor,
    admin: *mut *mut medorder_admin,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (place, service, actor) =
            unsafe { (slot("admin", admin)?, handle("service", service)?, handle("actor", actor)?) };
        give(place, medorder_admin(Local::new(service.0.get()?.admin(actor.get()?))));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// An administrative act by its name, with arguments and answer as JSON.
///
/// | name | arguments | answer |
/// |---|---|---|
/// | register_territory, unregister_territory | `{territory_id}` | null |
/// | register_relationship, unregister_relationship | `{territory_id, patient_id, provider_id}` | null |
/// | territories | `{}` | `[name]` |
/// | rotate_keys | `{territory_id}` | `{version, rewrapped, resumed}` |
/// | checkpoint, restore | `{}` | `[signed note]` |
/// | audit | `{filter?, after?, limit?}` | `{records, next}` of the whole database's chain |
/// | verify_audit | `{}` | `{verdict, anchored, chains}` of every chain |
/// | backup | `{path}` | null |
///
/// `progress` (it may be NULL) is called on this thread with what is done and what there is in all; it must not call the
/// library.
///
/// Ownership: `name`, `arguments` and `user_data` are borrowed; free `*answer` with `medorder_text_free`. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR (path `call`: there is no such act), MEDORDER_ACCESS_DENIED,
/// MEDORDER_TERRITORY_MISMATCH, MEDORDER_TERRITORY_NOT_FOUND, MEDORDER_AUDIT_BROKEN, MEDORDER_INTEGRITY_VIOLATION,
/// MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_KEY_UNAVAILABLE, MEDORDER_OUTCOME_UNKNOWN, MEDORDER_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_admin_call(
    admin: *const medorder_admin,
    name: *const c_char,
    name_length: usize,
    arguments: *const c_char,
    arguments_length: usize,
    progress: Option<unsafe extern "C" fn(user_data: *mut c_void, done: u64, total: u64)>,
    user_data: *mut c_void,
    answer: *mut *mut medorder_text,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read and written.
        let (place, admin, name, arguments) = unsafe {
            let (place, admin) = (slot("answer", answer)?, handle("admin", admin)?);
            let name = text("name", name, name_length)?;
            (place, admin, name, json("arguments", arguments, arguments_length)?)
        };
        let answer = admin.0.get()?.call(name, arguments, told(progress, user_data))?;
        give(place, medorder_text::new(answer.as_slice()));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Wraps every key of the database under another root key, in one transaction. Other processes that still use the old
/// root get MEDORDER_KEY_MISMATCH from then on. `progress` is as in `medorder_admin_call`.
///
/// Ownership: all are borrowed; the service goes on with `keys`. Threads: any.
/// Errors: as `medorder_admin_call`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_admin_change_root(
    admin: *const medorder_admin,
    keys: *const medorder_keys,
    progress: Option<unsafe extern "C" fn(user_data: *mut c_void, done: u64, total: u64)>,
    user_data: *mut c_void,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives.
        let (admin, keys) = unsafe { (handle("admin", admin)?, handle("keys", keys)?) };
        admin.0.get()?.change_root(keys.0.clone(), told(progress, user_data))
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Frees an admin; NULL is nothing.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_admin_free(admin: *mut medorder_admin) {
    // SAFETY: the caller gives NULL or an admin that is not used again.
    boundary_value((), || unsafe { free(admin) });
}

fn told(
    progress: Option<unsafe extern "C" fn(*mut c_void, u64, u64)>,
    user_data: *mut c_void,
) -> impl FnMut(Progress) + Send {
    // Borrowed, so nothing destroys it.
    let user_data = UserData::new(user_data, None);
    move |now| {
        if let Some(progress) = progress {
            // SAFETY: the host's function, with what the header promises it.
            unsafe { progress(user_data.as_ptr(), now.done, now.total) };
        }
    }
}
