//! The documents of the project, here so that their links and samples are checked with the code.

// A source distribution of a face holds the engine without it, and needs none to compile.
#[cfg_attr(any(doc, doctest), doc = include_str!("../../ARCHITECTURE.md"))]
#[cfg_attr(not(any(doc, doctest)), doc = "`ARCHITECTURE.md`.")]
pub mod architecture {}

#[doc = include_str!("../FORMAT.md")]
pub mod format {}

#[doc = include_str!("../DESIGN.md")]
pub mod design {}

#[doc = include_str!("../THREATS.md")]
pub mod threats {}

#[doc = include_str!("../CHANGELOG.md")]
pub mod changelog {}
