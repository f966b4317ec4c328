//! Values that stay in the process that made them.

use medorder::{Error, ErrorCode, Result};

/// A value that the child of a fork neither uses nor drops: its locks may be held by threads that do not exist there,
/// and SQLite's connections must not be touched.
pub(crate) struct Local<T> {
    pid: u32,
    value: Option<T>,
}

impl<T> Local<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { pid: std::process::id(), value: Some(value) }
    }

    /// The value.
    ///
    /// # Errors
    /// `CLOSED` in the child of a fork.
    pub(crate) fn get(&self) -> Result<&T> {
        self.value.as_ref().filter(|_| self.is_home()).ok_or_else(forked)
    }

    /// The value, to change it.
    ///
    /// # Errors
    /// As [`get`](Local::get).
    pub(crate) fn get_mut(&mut self) -> Result<&mut T> {
        let home = self.is_home();
        self.value.as_mut().filter(|_| home).ok_or_else(forked)
    }

    fn is_home(&self) -> bool {
        self.pid == std::process::id()
    }
}

impl<T> Drop for Local<T> {
    fn drop(&mut self) {
        if !self.is_home() {
            std::mem::forget(self.value.take());
        }
    }
}

fn forked() -> Error {
    Error::new(ErrorCode::Closed, "a handle cannot be used in the child of a fork; open the service there")
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn elsewhere_a_value_is_neither_used_nor_dropped() {
        let value = Rc::new(());
        let mut here = Local::new(Rc::clone(&value));
        assert!(here.get().is_ok() && here.get_mut().is_ok());
        here.pid ^= 1;
        assert_eq!(here.get().unwrap_err().code(), ErrorCode::Closed);
        assert_eq!(here.get_mut().unwrap_err().code(), ErrorCode::Closed);
        drop(here);
        assert_eq!(Rc::strong_count(&value), 2);
        drop(Local::new(Rc::clone(&value)));
        assert_eq!(Rc::strong_count(&value), 2, "at home it is dropped");
    }
}
