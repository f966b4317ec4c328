//! Where the root key is.

use std::ffi::c_char;
use std::sync::Arc;

use medorder::{EnvKey, KeyError, KeyFile, KeyProvider, Result, Zeroizing};

use crate::boundary::{boundary, boundary_value, free, give, slot, text};
use crate::callbacks::{HostKeys, medorder_key_callbacks, versioned};
use crate::error::medorder_error;

/// Where the root key is. A service that was opened with it goes on using it after it was freed.
pub struct medorder_keys(pub(crate) Shared);

/// One provider for several services.
#[derive(Clone)]
pub(crate) struct Shared(Arc<dyn KeyProvider>);

impl KeyProvider for Shared {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.wrap(key, context)
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        self.0.unwrap(blob, context)
    }

    fn is_local(&self) -> bool {
        self.0.is_local()
    }
}

fn keys(provider: impl KeyProvider) -> medorder_keys {
    medorder_keys(Shared(Arc::new(provider)))
}

/// Reads the root key from a file of `medorder_generate_key_file`, which only its owner may read (mode 0600 or 0400).
///
/// Ownership: free `*keys` with `medorder_keys_free`. Threads: any.
/// Errors: MEDORDER_KEY_UNAVAILABLE (it cannot be read), MEDORDER_VALIDATION_ERROR (path `key_file.mode`: others may read
/// it; path `key_file`: it is no key file).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_keys_file(
    path: *const c_char,
    path_length: usize,
    keys: *mut *mut medorder_keys,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what may be read and written.
        let (place, path) = unsafe { (slot("keys", keys)?, text("path", path, path_length)?) };
        give(place, self::keys(KeyFile::open(path)?));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Reads the root key from an environment variable that holds the line of a key file. Prefer a file: the environment of
/// a process is visible to others and outlives the call.
///
/// Ownership: free `*keys` with `medorder_keys_free`. Threads: any, while nobody changes the environment.
/// Errors: MEDORDER_VALIDATION_ERROR (path `key_variable`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_keys_variable(
    name: *const c_char,
    name_length: usize,
    keys: *mut *mut medorder_keys,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what may be read and written.
        let (place, name) = unsafe { (slot("keys", keys)?, text("name", name, name_length)?) };
        // A name that no variable can have is one that is not set; the system's call would panic.
        let possible = !name.is_empty() && !name.contains(['=', '\0']);
        give(place, self::keys(EnvKey::from_var(if possible { name } else { " " })?));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Leaves wrapping and unwrapping to functions of the host.
///
/// Ownership: `callbacks` is borrowed and copied; `user_data` belongs to the keys from now on, and is destroyed also if
/// the call fails (but not if `callbacks` is NULL or `struct_size` is wrong: then nothing else was read). Free `*keys`
/// with `medorder_keys_free`. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR (a function is NULL).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_keys_callbacks(
    callbacks: *const medorder_key_callbacks,
    keys: *mut *mut medorder_keys,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what may be read and written. The place comes second: `user_data` is taken
        // in any case.
        let (provider, place) = unsafe {
            let provider = HostKeys::new(&versioned("callbacks", callbacks)?);
            (provider, slot("keys", keys)?)
        };
        give(place, self::keys(provider?));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Lets go of keys; NULL is nothing. Services that were opened with them go on.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_keys_free(keys: *mut medorder_keys) {
    // SAFETY: the caller gives NULL or keys that are not used again.
    boundary_value((), || unsafe { free(keys) });
}
