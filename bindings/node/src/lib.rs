//! The native half of the npm package `medorder`: few functions that take and give JSON. The half in TypeScript
//! makes the API of them; neither holds a rule of the engine.
//!
//! A call gets a number from JavaScript, runs on the threads of this addon, and its answer is posted under that
//! number. The thread of JavaScript is never waited for and never blocked.

mod feed;
mod host;
mod mail;
mod reply;
mod service;
mod session;

use medorder::{Error, ErrorCode, generate_key_file, wire};
use napi_derive::napi;

use crate::mail::{Mailbox, start};

/// The version of the engine, which must be that of the package.
#[napi(catch_unwind)]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The table of error codes as the engine has it: lines of code, number, kind, whether to try again, HTTP status.
#[napi(catch_unwind)]
#[must_use]
pub fn error_table() -> Vec<(String, u32, String, bool, u32)> {
    ErrorCode::ALL
        .iter()
        .map(|code| {
            let (number, http) = (u32::from(code.number()), u32::from(code.http_status()));
            (code.name().to_owned(), number, code.kind().name().to_owned(), code.retryable(), http)
        })
        .collect()
}

/// Makes a file with a new root key.
#[napi(catch_unwind)]
pub fn make_key_file(mailbox: &Mailbox, number: i64, path: String) {
    start(&mailbox.mail, number, async move { generate_key_file(path).map(|()| wire::plain_json(&())) });
}

/// An error that is thrown at once. Its message is the body of the failure, which TypeScript turns into a
/// `MedorderError`.
fn thrown(error: &Error) -> napi::Error {
    napi::Error::from_reason(String::from_utf8_lossy(&wire::error_json(error)))
}
