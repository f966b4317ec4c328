//! What needs no service.

use std::ffi::c_char;

use crate::boundary::{boundary, boundary_value, text};
use crate::constants::MEDORDER_ABI;
use crate::error::medorder_error;

/// The version of the library that runs, like `0.1.0`.
///
/// Ownership: static. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn medorder_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    boundary_value(std::ptr::null(), || VERSION.as_ptr().cast())
}

/// The number of the binary interface of the library that runs. A program that loads the library by hand compares it
/// with `MEDORDER_ABI`.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn medorder_abi_version() -> u32 {
    boundary_value(u32::MAX, || MEDORDER_ABI)
}

/// Makes a key file with a fresh root key, readable by its owner alone. Losing this file loses the data: keep a copy
/// apart from the database and its backups. A file that exists is never overwritten.
///
/// Ownership: all arguments are borrowed. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR (path `key_file`, rule `duplicate`: there is a file),
/// MEDORDER_KEY_UNAVAILABLE (it cannot be written).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_generate_key_file(
    path: *const c_char,
    path_length: usize,
    error: *mut *mut medorder_error,
) -> i32 {
    // SAFETY: the caller gives NULL or what may be read and written.
    unsafe { boundary(error, || medorder::generate_key_file(text("path", path, path_length)?)) }
}
