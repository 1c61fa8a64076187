//! The `vitrail` binary.
fn main() {}
