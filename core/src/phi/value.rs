//! Plaintext in memory.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A plaintext value of protected health information.
///
/// Wiped when dropped; `Debug` prints `Phi(..)`; there is no `Display` and no `Serialize`, so it cannot reach
/// a log or a page by accident. Reading it is a visible act: [`expose`](Phi::expose).
///
/// ```
/// use medorder::Phi;
///
/// let notes = Phi::new("claustrophobic".to_owned());
/// assert_eq!(notes.expose(), "claustrophobic");
/// assert_eq!(format!("{notes:?}"), "Phi(..)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Phi<T: Zeroize>(T);

impl<T: Zeroize> Phi<T> {
    /// Takes charge of `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The plaintext. What the caller copies out of here is the caller's to wipe.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Phi<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> ZeroizeOnDrop for Phi<T> {}

impl<T: Zeroize> Zeroize for Phi<T> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize + Default> Default for Phi<T> {
    fn default() -> Self {
        Self(T::default())
    }
}

impl<T: Zeroize> From<T> for Phi<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Phi<String> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<T: Zeroize> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phi(..)")
    }
}
