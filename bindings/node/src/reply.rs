//! Values on their way to JavaScript: the one place with unsafe code that is written by hand.

#![allow(unsafe_code, reason = "the trait that makes JavaScript's values is unsafe to implement")]

use medorder::Zeroizing;
use napi::bindgen_prelude::{Buffer, ToNapiValue};
use napi::{Result, sys};

/// JSON or other text of the engine, wiped when dropped.
pub(crate) type Text = Zeroizing<Vec<u8>>;

/// A value that JavaScript gets.
pub(crate) enum Piece {
    Number(f64),
    Text(Text),
    /// Becomes a `Buffer` of its own.
    Bytes(Text),
    List(Vec<Piece>),
}

impl Piece {
    /// A copy of a text.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// A copy of bytes.
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(Zeroizing::new(bytes.to_vec()))
    }
}

impl ToNapiValue for Piece {
    unsafe fn to_napi_value(env: sys::napi_env, piece: Self) -> Result<sys::napi_value> {
        match piece {
            // SAFETY: whoever calls this is on the thread of JavaScript with a live `env`, as the trait demands.
            Self::Number(number) => unsafe { f64::to_napi_value(env, number) },
            Self::Text(text) => {
                let text = std::str::from_utf8(&text)
                    .map_err(|_| napi::Error::from_reason("a text of the engine is not UTF-8"))?;
                // SAFETY: as above; the text is copied before it is wiped.
                unsafe { <&str>::to_napi_value(env, text) }
            }
            // SAFETY: as above; the buffer owns the copy that it is given.
            Self::Bytes(bytes) => unsafe { Buffer::to_napi_value(env, bytes.to_vec().into()) },
            // SAFETY: as above.
            Self::List(pieces) => unsafe { Vec::to_napi_value(env, pieces) },
        }
    }
}
