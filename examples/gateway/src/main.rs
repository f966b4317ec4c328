//! The reference gateway; written next.

fn main() {}
