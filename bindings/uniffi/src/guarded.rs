//! The door to the engine: a fault of the library leaves as the coded error that it is, without its message, which may
//! quote what it was busy with.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use medorder::{Error, ErrorCode, Result};

/// A handle of the engine.
pub(crate) struct Guarded<T>(T);

impl<T> Guarded<T> {
    pub(crate) fn new(handle: T) -> Self {
        Self(handle)
    }

    /// Makes a call.
    pub(crate) fn run<R>(&self, call: impl FnOnce(&T) -> Result<R>) -> Result<R> {
        guarded(|| call(&self.0))
    }
}

/// Makes a call that ends in `INTERNAL` if it panics.
pub(crate) fn guarded<R>(call: impl FnOnce() -> Result<R>) -> Result<R> {
    keep_panics_quiet();
    // What a panic leaves half done is not looked at again: locks say that they are poisoned, and are healed.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        // Its drop could panic in turn.
        std::mem::forget(payload);
        Err(Error::new(ErrorCode::Internal, "a fault of this library"))
    })
}

/// The message of a panic may quote PHI, and the standard hook would print it. This library has its own copy of the
/// standard library, so no hook of the host's is replaced.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_tells_nothing() {
        let error = Guarded::new(7).run::<()>(|_| panic!("secret of a patient")).unwrap_err();
        assert_eq!(format!("{error:?}"), "INTERNAL: a fault of this library");
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        assert!(guarded::<()>(|| std::panic::panic_any(Bomb)).is_err());
        assert_eq!(Guarded::new(7).run(|handle| Ok(*handle)).unwrap(), 7);
    }
}
