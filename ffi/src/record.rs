//! What a handle shows: texts and numbers by the number of the member.

use std::ffi::c_char;
use std::ptr;

use medorder::{Error, FieldSet, OrderStatus, Result, Rule, Timestamp};
use zeroize::Zeroizing;

use crate::boundary::value_slot;
use crate::constants::MEDORDER_ABSENT;

/// Bytes with a NUL at the end, wiped when they are dropped.
pub(crate) struct Text(Zeroizing<Box<[u8]>>);

impl Text {
    pub(crate) fn new(text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        // Made in its full length: a vector that grows would leave the old bytes behind.
        let mut bytes = vec![0; text.len() + 1].into_boxed_slice();
        bytes[..text.len()].copy_from_slice(text);
        Self(Zeroizing::new(bytes))
    }

    /// Without the NUL.
    pub(crate) fn len(&self) -> usize {
        self.0.len() - 1
    }

    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}

/// Texts and numbers of one value.
#[derive(Default)]
pub(crate) struct Record {
    texts: Vec<(i32, Option<Text>)>,
    numbers: Vec<(i32, i64)>,
}

impl Record {
    /// Adds a text.
    pub(crate) fn text(mut self, member: i32, text: impl AsRef<[u8]>) -> Self {
        self.texts.push((member, Some(Text::new(text))));
        self
    }

    /// Adds a text that may be absent.
    pub(crate) fn optional(mut self, member: i32, text: Option<impl AsRef<[u8]>>) -> Self {
        self.texts.push((member, text.map(Text::new)));
        self
    }

    /// Adds a number.
    pub(crate) fn number(mut self, member: i32, number: impl Into<Option<i64>>) -> Self {
        self.numbers.push((member, number.into().unwrap_or(MEDORDER_ABSENT)));
        self
    }

    /// Writes where a text is and how long.
    ///
    /// # Safety
    /// `text` and `length` are NULL or may be written.
    pub(crate) unsafe fn show_text(
        &self,
        member: i32,
        text: *mut *const c_char,
        length: *mut usize,
    ) -> Result<()> {
        let found = self.texts.iter().find(|(number, _)| *number == member);
        // SAFETY: the caller says so.
        unsafe { show(found.map(|(_, found)| found.as_ref()), text, length) }
    }

    /// Writes a number.
    ///
    /// # Safety
    /// `number` is NULL or may be written.
    pub(crate) unsafe fn show_number(&self, member: i32, number: *mut i64) -> Result<()> {
        // SAFETY: the caller says so.
        let place = unsafe { value_slot("number", number, MEDORDER_ABSENT) }?;
        let found = self.numbers.iter().find(|(number, _)| *number == member);
        place.fill(found.ok_or_else(|| unknown("member"))?.1);
        Ok(())
    }
}

/// Writes where `found` is and how long; an absent text is NULL. The outer `None` is a member that does not exist.
///
/// # Safety
/// `text` and `length` are NULL or may be written.
pub(crate) unsafe fn show(
    found: Option<Option<&Text>>,
    text: *mut *const c_char,
    length: *mut usize,
) -> Result<()> {
    // SAFETY: the caller says so.
    let place = unsafe { value_slot("text", text, ptr::null()) }?;
    if !length.is_null() {
        // SAFETY: the caller says so.
        unsafe { length.write(found.flatten().map_or(0, Text::len)) };
    }
    place.fill(found.ok_or_else(|| unknown("member"))?.map_or(ptr::null(), Text::as_ptr));
    Ok(())
}

/// The bit of a status.
pub(crate) fn status_number(status: OrderStatus) -> i64 {
    OrderStatus::ALL.iter().position(|known| *known == status).map_or(0, |at| 1 << at)
}

/// The status with this bit.
///
/// # Errors
/// `VALIDATION_ERROR`, path `status`, rule `one_of`.
pub(crate) fn status(number: i32) -> Result<OrderStatus> {
    let known = OrderStatus::ALL.iter().copied().find(|known| status_number(*known) == i64::from(number));
    known.ok_or_else(|| unknown("status"))
}

/// The statuses of a set.
///
/// # Errors
/// As [`status`], if a bit is of no status.
pub(crate) fn statuses(set: u32) -> Result<Vec<OrderStatus>> {
    let bits = (0..u32::BITS).map(|at| 1 << at).filter(|bit| set & bit != 0);
    bits.map(|bit: u32| status(i32::try_from(bit).unwrap_or_default())).collect()
}

/// The fields of a set; NULL is all.
///
/// # Safety
/// `fields` is NULL or may be read.
pub(crate) unsafe fn fields(fields: *const u32) -> Result<Option<FieldSet>> {
    // SAFETY: the caller says so.
    match unsafe { fields.as_ref() } {
        None => Ok(None),
        Some(bits) => FieldSet::from_bits(*bits).map(Some).ok_or_else(|| unknown("fields")),
    }
}

/// A time that may be absent.
pub(crate) fn time(micros: i64) -> Option<Timestamp> {
    (micros != MEDORDER_ABSENT).then(|| Timestamp::from_micros(micros))
}

pub(crate) fn unknown(name: &str) -> Error {
    Error::fault(name, Rule::OneOf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_they_name_and_nothing_else() {
        for status in OrderStatus::ALL {
            assert_eq!(self::status(status_number(*status) as i32).unwrap(), *status);
        }
        assert_eq!(statuses(0).unwrap(), []);
        assert_eq!(statuses(63).unwrap(), OrderStatus::ALL);
        for none in [0, 3, 64, -1, i32::MIN] {
            assert_eq!(status(none).unwrap_err().faults()[0].rule, Rule::OneOf, "{none}");
        }
        assert!(statuses(64).is_err() && statuses(1 << 31).is_err());
        // SAFETY: the numbers are ours.
        unsafe {
            assert_eq!(fields(ptr::null()).unwrap(), None);
            assert_eq!(fields(&31).unwrap(), Some(FieldSet::ALL));
            assert!(fields(&32).is_err());
        }
    }

    #[test]
    fn a_text_has_a_nul_behind_its_length() {
        let text = Text::new("Zoë");
        assert_eq!(text.len(), 4);
        assert_eq!(&text.0[..], b"Zo\xc3\xab\0");
        assert_eq!(Text::new("").len(), 0);
    }
}
