//! From a statement to the shards: key ranges, vindexes, vschema and plans. No I/O, and no clock.

pub mod plan;
pub mod key_range;
