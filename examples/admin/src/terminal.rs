//! Standard output and standard error. What cannot be printed stops no work: it shows in the exit code.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use medorder::{Error, ErrorCode, Result};

/// True once something could not be printed.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line; a failure is answered by [`finish`].
macro_rules! say {
    ($($text:tt)*) => { $crate::terminal::print(&mut ::std::io::stdout(), format_args!($($text)*)) };
}
pub(crate) use say;

/// The same, to standard error.
macro_rules! tell {
    ($($text:tt)*) => { $crate::terminal::print(&mut ::std::io::stderr(), format_args!($($text)*)) };
}
pub(crate) use tell;

pub(crate) fn print(stream: &mut dyn Write, line: fmt::Arguments<'_>) {
    if writeln!(stream, "{line}").is_err() {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// An error if anything was not printed.
pub(crate) fn finish() -> Result<()> {
    let flushed = io::stdout().flush();
    if flushed.is_err() || LOST.load(Ordering::Relaxed) { Err(closed()) } else { Ok(()) }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorCode::StorageUnavailable, "standard output is closed")
}
