//! Ciphertext at rest.

use std::fmt;
use std::marker::PhantomData;

use crate::crypto::{broken, is_ciphertext_len};
use crate::error::Result;

/// A ciphertext as stored: `GCM(pad(plaintext))`, the plaintext being a `T`. `B` holds the bytes.
///
/// Only bytes that have the form of a ciphertext become one, so text that was stored in clear by mistake is
/// an error and never read as a value. `Debug` prints the length alone.
///
/// ```
/// use medorder::phi::EncryptedStr;
///
/// assert!(EncryptedStr::from_bytes(b"knee pain".to_vec()).is_err());
/// let stored = EncryptedStr::from_bytes(vec![0xa5; 48])?;
/// assert_eq!(format!("{stored:?}"), "Encrypted(48 bytes)");
/// # Ok::<(), medorder::Error>(())
/// ```
pub struct Encrypted<T: ?Sized, B = Vec<u8>> {
    bytes: B,
    plaintext: PhantomData<fn() -> Box<T>>,
}

/// The ciphertext of a text.
pub type EncryptedStr = Encrypted<str>;

/// The ciphertext of a JSON document.
pub type EncryptedJson = Encrypted<serde_json::Value>;

impl<T: ?Sized, B: AsRef<[u8]>> Encrypted<T, B> {
    /// Takes stored bytes for a ciphertext; whether they are authentic shows when they are opened.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` if their length is not that of a padded text and its tag.
    pub fn from_bytes(bytes: B) -> Result<Self> {
        if is_ciphertext_len(bytes.as_ref().len()) {
            Ok(Self { bytes, plaintext: PhantomData })
        } else {
            Err(broken())
        }
    }

    /// The bytes as stored.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// The bytes as stored, for the row.
    pub fn into_bytes(self) -> B {
        self.bytes
    }
}

impl<T: ?Sized, B: Clone> Clone for Encrypted<T, B> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), plaintext: PhantomData }
    }
}

impl<T: ?Sized, B: Copy> Copy for Encrypted<T, B> {}

impl<T: ?Sized, B: PartialEq> PartialEq for Encrypted<T, B> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T: ?Sized, B: Eq> Eq for Encrypted<T, B> {}

impl<T: ?Sized, B: AsRef<[u8]>> fmt::Debug for Encrypted<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encrypted({} bytes)", self.bytes.as_ref().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_another_form_are_not_a_ciphertext() {
        for good in [48, 80, 1040, 2064] {
            assert_eq!(EncryptedJson::from_bytes(vec![1; good]).unwrap().into_bytes().len(), good);
        }
        for bad in [0, 1, 16, 47, 49, 1072, 1041] {
            assert!(EncryptedStr::from_bytes(vec![1; bad]).is_err(), "{bad}");
        }
    }
}
