//! The face of medorder for the JVM, Swift and Ruby, through UniFFI: the same service, session and administrator.
//!
//! Calls block their thread. What holds a patient or a field of PHI is an object with getters, whose text shows neither;
//! what holds none is a record. There are no unsigned integers; a negative number is a fault like any other.
//!
//! The sources of the languages are made from the built library with `cargo xtask bindings`.

pub mod actor;
pub mod admin;
pub mod audit;
pub mod change;
pub mod draft;
pub mod error;
pub mod feed;
pub mod filters;
mod guarded;
pub mod host;
pub mod insurance;
pub mod options;
pub mod orders;
pub mod service;
pub mod session;
mod shared;
mod time;
pub mod words;

uniffi::setup_scaffolding!("medorder");
