//! `vitrail bench` over real servers: MySQL alone, behind Vitrail with one shard, and over two shards by the vschema that the tool prints.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod floor;
mod goals;
mod herd;
mod overload;
mod run;
#[path = "../shell/screen.rs"]
#[allow(dead_code, reason = "the shell's tests use the rest of it")]
mod screen;
mod scripts;
mod sessions;
mod stage;
mod sweep;
mod tpcc;
mod views;
