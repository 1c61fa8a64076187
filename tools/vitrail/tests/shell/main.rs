//! `vitrail sql` as people and scripts use it: typed into a real terminal, and run in batches, against `vitrail serve`.
#![expect(clippy::unwrap_used, clippy::zombie_processes, reason = "a panic in a test is the report")]

mod batch;
mod screen;
mod setting;
mod typed;
