//! The service: opened once, shared by everybody.

use std::ffi::c_char;
use std::mem::size_of;
use std::sync::Once;

use medorder::service::BlockingService;
use medorder::{OrderService, Result, wire};

use crate::boundary::{boundary, boundary_value, free, give, handle, json, slot, text, value_slot};
use crate::callbacks::{
    HostAnchor, HostDirectory, Versioned, medorder_anchor, medorder_directory, versioned,
};
use crate::error::medorder_error;
use crate::keys::medorder_keys;
use crate::local::Local;
use crate::text::medorder_text;

/// The engine on one database: open it once, share it between all threads.
pub struct medorder_service(pub(crate) Local<BlockingService>);

/// How a service is opened.
///
/// Set `struct_size` to `sizeof(medorder_options)`, or start from `MEDORDER_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct medorder_options {
    /// The size of this struct where the program was compiled.
    pub struct_size: u32,
    /// Set to 0.
    pub reserved: u32,
    /// Settings as a JSON object, the same in every language; NULL is all as it is by default:
    /// `{"create": true, "synchronous": "full" | "normal", "key_cache_ttl_ms": 300000, "commit_timeout_ms": 30000,
    /// "access": POLICY, "cancel_before_start": false, "anchor_file": PATH, "connections": N, "listen_url": URL,
    /// "patience_ms": N}`.
    pub settings: *const c_char,
    /// How many bytes `settings` has.
    pub settings_length: usize,
    /// The hospital's own directory; without one the registry in the database is asked.
    pub directory: medorder_directory,
    /// Where checkpoints are kept outside the database.
    pub anchor: medorder_anchor,
}

// SAFETY: `struct_size` is first; NULL, 0 and absent functions are zero.
unsafe impl Versioned for medorder_options {
    const FIRST: usize = size_of::<medorder_options>();
}

/// Opens the database at `url` and checks the key before any row is read.
///
/// `url` is `sqlite://PATH` or a bare path, taken literally and made if it is missing, or
/// `postgres://ROLE@HOST/DATABASE`. `options` may be NULL.
///
/// Ownership: `url`, `keys` and `options` are borrowed for the call; `user_data` of the directory and of the anchor
/// belong to the service from now on and are destroyed also if the call fails (but not if `struct_size` is wrong: then
/// nothing else was read). Free `*service` with `medorder_service_free`.
/// Threads: any. Open a database once in a process and share the service.
/// Errors: MEDORDER_VALIDATION_ERROR, MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_SCHEMA_UNSUPPORTED, MEDORDER_KEY_MISMATCH,
/// MEDORDER_KEY_UNAVAILABLE, MEDORDER_CLOSED (called from a callback).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_open(
    url: *const c_char,
    url_length: usize,
    keys: *const medorder_keys,
    options: *const medorder_options,
    service: *mut *mut medorder_service,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        keep_panics_quiet();
        // What the host gave away is taken before anything can fail.
        // SAFETY: the caller gives NULL or what may be read.
        let given = unsafe { Given::read(options) }?;
        // SAFETY: the caller gives NULL or what may be read and written.
        let (place, url, keys) =
            unsafe { (slot("service", service)?, text("url", url, url_length)?, handle("keys", keys)?) };
        let mut builder = OrderService::builder(url, keys.0.clone());
        if let Some(given) = given {
            if let Some(settings) = given.settings {
                builder = builder.options(wire::open_options(settings)?)?;
            }
            if let Some(directory) = given.directory? {
                builder = builder.directory(directory);
            }
            if let Some(anchor) = given.anchor? {
                builder = builder.anchor(anchor);
            }
        }
        give(place, medorder_service(Local::new(builder.open_blocking()?)));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Refuses new calls, finishes what was accepted, signs a last checkpoint if there is an anchor, and lets go of the
/// database. Whoever waits for events gets MEDORDER_CLOSED. A second close does nothing.
///
/// Ownership: `service` still has to be freed. Threads: any.
/// Errors: what the last checkpoint or the database met; the service is closed all the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_service_close(
    service: *const medorder_service,
    error: *mut *mut medorder_error,
) -> i32 {
    // SAFETY: the caller gives NULL or what lives and may be written.
    unsafe { boundary(error, || handle("service", service)?.0.get()?.close()) }
}

/// The random identity of the database; it stands in cursors and checkpoints, and a restore renews it.
///
/// Ownership: free `*generation` with `medorder_text_free`. Threads: any.
/// Errors: MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_service_generation(
    service: *const medorder_service,
    generation: *mut *mut medorder_text,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (place, service) = unsafe { (slot("generation", generation)?, handle("service", service)?) };
        give(place, medorder_text::new(service.0.get()?.generation()?));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Writes the 32 bytes of the public key that checkpoints are checked with to `key`. Keep it outside the database.
///
/// Ownership: `key` is the caller's, with room for 32 bytes. Threads: any.
/// Errors: MEDORDER_KEY_UNAVAILABLE, MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_service_checkpoint_public_key(
    service: *const medorder_service,
    key: *mut u8,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be written.
        let (place, service) =
            unsafe { (value_slot("key", key.cast::<[u8; 32]>(), [0; 32])?, handle("service", service)?) };
        place.fill(service.0.get()?.checkpoint_public_key()?);
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Lets go of a service; NULL is nothing. Sessions and subscriptions keep the engine alive until they are freed too, so
/// close it first if it is to end now. Nothing that was acknowledged is lost either way.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_service_free(service: *mut medorder_service) {
    // SAFETY: the caller gives NULL or a service that is not used again.
    boundary_value((), || unsafe { free(service) });
}

/// What the host gave away with the options; faults are told later.
struct Given<'a> {
    settings: Option<&'a [u8]>,
    directory: Result<Option<HostDirectory>>,
    anchor: Result<Option<HostAnchor>>,
}

impl<'a> Given<'a> {
    /// # Safety
    /// `options` is NULL, or the number of bytes it says can be read, with settings of the length it says.
    unsafe fn read(options: *const medorder_options) -> Result<Option<Self>> {
        if options.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller says so.
        let options = unsafe { versioned("options", options) }?;
        let (directory, anchor) = (HostDirectory::new(&options.directory), HostAnchor::new(&options.anchor));
        let settings = if options.settings.is_null() && options.settings_length == 0 {
            None
        } else {
            // SAFETY: the caller says so.
            Some(unsafe { json("options.settings", options.settings, options.settings_length) }?)
        };
        Ok(Some(Self { settings, directory, anchor }))
    }
}

/// A library does not write to its host's terminal, and the text of a panic could name anything: the log hears where it
/// was, no more. In a shared library the hook is this library's alone.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(|place| (place.file(), place.line()));
            let (file, line) = place.unwrap_or(("", 0));
            tracing::error!(target: "medorder", file, line, "a fault of this library");
        }));
    });
}
