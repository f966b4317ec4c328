//! Protected health information: plaintext in memory, ciphertext at rest (FORMAT.md sections 1 and 2).

mod encrypted;
pub mod key;
pub mod record;
mod value;

pub use encrypted::{Encrypted, EncryptedJson, EncryptedStr};
pub use value::Phi;
