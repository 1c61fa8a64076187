//! Workloads of `vitrail bench run` on MySQL, through Vitrail with one shard, and over two shards by the vschema that the tool prints.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod floor;
mod scripts;
mod stage;
mod tpcc;
