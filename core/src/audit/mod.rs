//! The audit chain: entries, links, checkpoints and cursors (FORMAT.md sections 3 to 6). Pure: no clock, no
//! IO, no randomness of its own.

pub mod chain;
pub mod checkpoint;
pub mod cursor;
pub mod entry;

pub use chain::{AuditKeys, Head};
pub use checkpoint::{Checkpoint, Signer};
pub use cursor::Cursor;
pub use entry::{Action, Entry, EntryDraft, Outcome};
