//! Protected health information: plaintext in memory, ciphertext at rest (FORMAT.md sections 1 and 2).

mod value;

pub use value::Phi;
