//! The one door between C and Rust: arguments come in checked, results and panics go out as numbers.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use medorder::{Error, ErrorCode, Fault, Result, Rule};

use crate::constants::MEDORDER_OK;
use crate::error::medorder_error;

/// The longest text that is looked at: more is a mistake in a length. No text of the engine comes near.
const LONGEST: usize = 1 << 20;
/// The longest JSON text: a batch of 10,000 orders with the longest notes fits.
const LONGEST_JSON: usize = 1 << 30;

/// Runs one call. Answers its status, and leaves the error in `error` if there is one and `error` is not NULL.
///
/// # Safety
/// `error` is NULL or may be written.
pub(crate) unsafe fn boundary(error: *mut *mut medorder_error, work: impl FnOnce() -> Result<()>) -> i32 {
    if !error.is_null() {
        // SAFETY: the caller says so.
        unsafe { error.write(ptr::null_mut()) };
    }
    let failed = |failure: Error| {
        let status = i32::from(failure.code().number());
        if !error.is_null() {
            // SAFETY: the caller says so.
            unsafe { error.write(Box::into_raw(Box::new(medorder_error::new(failure)))) };
        }
        status
    };
    let outcome = quiet(|| match work() {
        Ok(()) => MEDORDER_OK,
        Err(failure) => failed(failure),
    });
    outcome.unwrap_or_else(|| {
        let internal = || failed(Error::new(ErrorCode::Internal, "a fault of this library"));
        quiet(internal).unwrap_or_else(|| i32::from(ErrorCode::Internal.number()))
    })
}

/// Runs a call that answers no error but a value; `otherwise` if it panics.
pub(crate) fn boundary_value<T>(otherwise: T, work: impl FnOnce() -> T) -> T {
    quiet(work).unwrap_or(otherwise)
}

fn quiet<T>(work: impl FnOnce() -> T) -> Option<T> {
    // What a panic leaves half done is not looked at again: locks say that they are poisoned, and are healed.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // Its drop could panic in turn.
            std::mem::forget(payload);
            None
        }
    }
}

/// What a handle stands for.
///
/// # Safety
/// `handle` is NULL or a handle of this library that nobody frees while `'a` lasts.
pub(crate) unsafe fn handle<'a, T>(name: &str, handle: *const T) -> Result<&'a T> {
    // SAFETY: the caller says so.
    unsafe { handle.as_ref() }.ok_or_else(|| Error::fault(name, Rule::Required))
}

/// The same for a handle that one thread at a time changes.
///
/// # Safety
/// As [`handle`], and nobody else uses it while `'a` lasts.
pub(crate) unsafe fn handle_mut<'a, T>(name: &str, handle: *mut T) -> Result<&'a mut T> {
    // SAFETY: the caller says so.
    unsafe { handle.as_mut() }.ok_or_else(|| Error::fault(name, Rule::Required))
}

/// A place for an answer.
pub(crate) struct Slot<T>(*mut T);

impl<T> Slot<T> {
    pub(crate) fn fill(self, value: T) {
        // SAFETY: `slot` and `value_slot` were told that it may be written.
        unsafe { self.0.write(value) };
    }
}

/// A place for a handle; it is NULL until it is filled, so that freeing after a failure is safe.
///
/// # Safety
/// `place` is NULL or may be written.
pub(crate) unsafe fn slot<T>(name: &str, place: *mut *mut T) -> Result<Slot<*mut T>> {
    // SAFETY: the caller says so.
    unsafe { value_slot(name, place, ptr::null_mut()) }
}

/// A place for a value; it is `before` until it is filled.
///
/// # Safety
/// `place` is NULL or may be written.
pub(crate) unsafe fn value_slot<T>(name: &str, place: *mut T, before: T) -> Result<Slot<T>> {
    if place.is_null() {
        return Err(Error::fault(name, Rule::Required));
    }
    // SAFETY: not NULL, so the caller says that it may be written.
    unsafe { place.write(before) };
    Ok(Slot(place))
}

/// A new handle for the caller.
pub(crate) fn give<T>(place: Slot<*mut T>, value: T) {
    place.fill(Box::into_raw(Box::new(value)));
}

/// Frees a handle; NULL is nothing.
///
/// # Safety
/// `handle` is NULL or came from [`give`] and is not used again.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: the caller says so.
        boundary_value((), || drop(unsafe { Box::from_raw(handle) }));
    }
}

/// Texts of one call: all that are wrong are named in one error.
#[derive(Default)]
pub(crate) struct Texts(Vec<Fault>);

impl Texts {
    /// A text that must be there.
    ///
    /// # Safety
    /// As [`bytes`].
    pub(crate) unsafe fn required<'a>(&mut self, name: &str, text: *const c_char, length: usize) -> &'a str {
        // SAFETY: the caller says so.
        let read = unsafe { read(text, length, LONGEST) };
        self.noted(name, read.and_then(|text| text.ok_or(Rule::Required))).unwrap_or_default()
    }

    /// A text that is absent if it is NULL.
    ///
    /// # Safety
    /// As [`bytes`].
    pub(crate) unsafe fn optional<'a>(
        &mut self,
        name: &str,
        text: *const c_char,
        length: usize,
    ) -> Option<&'a str> {
        // SAFETY: the caller says so.
        let read = unsafe { read(text, length, LONGEST) };
        self.noted(name, read).flatten()
    }

    /// Adds what an id or a word of the engine has against a text, under the argument's name.
    pub(crate) fn parsed<T>(&mut self, value: Result<T>) -> Option<T> {
        value.map_err(|error| self.0.extend_from_slice(error.faults())).ok()
    }

    /// An error if a text was wrong.
    pub(crate) fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::validation(self.0)) }
    }

    fn noted<T>(&mut self, name: &str, value: Result<T, Rule>) -> Option<T> {
        value.map_err(|rule| self.0.push(Fault::new(name, rule))).ok()
    }
}

/// One text that must be there.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(name: &str, text: *const c_char, length: usize) -> Result<&'a str> {
    let mut texts = Texts::default();
    // SAFETY: the caller says so.
    let text = unsafe { texts.required(name, text, length) };
    texts.finish().map(|()| text)
}

/// One text that is absent if it is NULL.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn optional<'a>(name: &str, text: *const c_char, length: usize) -> Result<Option<&'a str>> {
    let mut texts = Texts::default();
    // SAFETY: the caller says so.
    let text = unsafe { texts.optional(name, text, length) };
    texts.finish().map(|()| text)
}

/// JSON, whose reader says what is wrong with it.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn json<'a>(name: &str, text: *const c_char, length: usize) -> Result<&'a [u8]> {
    // SAFETY: the caller says so.
    let read = unsafe { bytes(text, length, LONGEST_JSON) };
    read.and_then(|bytes| bytes.ok_or(Rule::Required)).map_err(|rule| Error::fault(name, rule))
}

/// # Safety
/// As [`bytes`].
unsafe fn read<'a>(text: *const c_char, length: usize, longest: usize) -> Result<Option<&'a str>, Rule> {
    // SAFETY: the caller says so.
    match unsafe { bytes(text, length, longest) }? {
        Some(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| Rule::Utf8),
        None => Ok(None),
    }
}

/// The bytes of an argument, none if it is NULL. A length beyond `longest` is refused before a byte is read.
///
/// # Safety
/// `text` is NULL, or `length` bytes from there can be read and do not change while `'a` lasts.
unsafe fn bytes<'a>(text: *const c_char, length: usize, longest: usize) -> Result<Option<&'a [u8]>, Rule> {
    if text.is_null() {
        return if length == 0 { Ok(None) } else { Err(Rule::Required) };
    }
    if length > longest {
        return Err(Rule::TooLong);
    }
    // SAFETY: the caller says so, and the length is far below `isize::MAX`.
    Ok(Some(unsafe { std::slice::from_raw_parts(text.cast(), length) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_goes_no_further() {
        let mut error = ptr::null_mut();
        // SAFETY: the place is ours.
        let status = unsafe { boundary(&mut error, || panic!("secret of a patient")) };
        assert_eq!(status, 9001);
        // SAFETY: it was just made.
        let given = unsafe { Box::from_raw(error) };
        assert_eq!(given.code(), 9001);
        assert!(!given.message().contains("secret"), "{}", given.message());
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { boundary(ptr::null_mut(), || panic!()) }, 9001);
        assert_eq!(boundary_value(7, || panic!()), 7);
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_stays_inside() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        // SAFETY: NULL is allowed.
        let status = unsafe { boundary(ptr::null_mut(), || std::panic::panic_any(Bomb)) };
        assert_eq!(status, 9001);
    }

    #[test]
    fn an_old_error_pointer_is_cleared_by_a_success() {
        let mut error = ptr::dangling_mut();
        // SAFETY: the place is ours.
        assert_eq!(unsafe { boundary(&mut error, || Ok(())) }, MEDORDER_OK);
        assert!(error.is_null());
    }

    #[test]
    fn every_text_that_is_wrong_is_named() {
        let mut texts = Texts::default();
        let bad = b"\xff\xfe".as_ptr().cast();
        // SAFETY: the lengths are true, or refused before a byte is read.
        unsafe {
            texts.required("a", ptr::null(), 0);
            texts.required("b", bad, 2);
            assert_eq!(texts.required("c", bad, 0), "");
            texts.required("d", bad, usize::MAX);
            texts.required("e", bad, LONGEST + 1);
            assert_eq!(texts.optional("f", ptr::null(), 0), None);
            texts.optional("g", ptr::null(), 1);
        }
        let error = texts.finish().unwrap_err();
        let faults: Vec<String> = error.faults().iter().map(Fault::to_string).collect();
        assert_eq!(faults, ["a required", "b utf8", "d too_long", "e too_long", "g required"]);
    }
}
