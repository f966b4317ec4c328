//! Texts that the caller owns.

use std::ffi::c_char;

use crate::boundary::{boundary_value, free};
use crate::record::Text;

/// A text that the caller owns: JSON, a cursor, an id. It is zeroed when it is freed.
pub struct medorder_text(pub(crate) Text);

impl medorder_text {
    pub(crate) fn new(text: impl AsRef<[u8]>) -> Self {
        Self(Text::new(text))
    }
}

/// The bytes of a text, UTF-8 with a NUL behind them.
///
/// Ownership: borrowed from `text`, until it is freed. Threads: any. NULL gives an empty text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_text_data(text: *const medorder_text) -> *const c_char {
    // SAFETY: the caller gives NULL or a text that lives.
    boundary_value(c"".as_ptr(), || unsafe { text.as_ref() }.map_or(c"".as_ptr(), |text| text.0.as_ptr()))
}

/// How many bytes a text has, without the NUL. NULL has none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_text_length(text: *const medorder_text) -> usize {
    // SAFETY: the caller gives NULL or a text that lives.
    boundary_value(0, || unsafe { text.as_ref() }.map_or(0, |text| text.0.len()))
}

/// Zeroes and frees a text; NULL is nothing.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_text_free(text: *mut medorder_text) {
    // SAFETY: the caller gives NULL or a text that is not used again.
    boundary_value((), || unsafe { free(text) });
}
