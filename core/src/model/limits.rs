//! How much of everything: bytes unless it says otherwise.

/// Most orders of one page.
pub const PAGE_MAX: usize = 500;
/// Most items of one batch.
pub const BATCH_MAX: usize = 10_000;
/// Longest `notes` of an order, all of its notes together.
pub const NOTES_MAX: usize = 65_536;
/// Most diagnosis codes of an order.
pub const CODES_MAX: usize = 50;
/// Longest diagnosis code.
pub const CODE_MAX: usize = 128;
/// Longest `service_type`.
pub const SERVICE_TYPE_MAX: usize = 256;
/// Longest `reason`, in characters.
pub const REASON_MAX: usize = 200;
/// Longest `coverage_details`, as compact JSON.
pub const COVERAGE_MAX: usize = 65_536;
/// Deepest nesting of `coverage_details`: a reader with the usual limit of 128 still reads a page around it.
pub const COVERAGE_DEPTH: usize = 64;
/// Longest text of any other kind.
pub const TEXT_MAX: usize = 256;
/// Largest version: what a signed 64-bit column holds.
pub const VERSION_MAX: u64 = i64::MAX as u64;
