//! A process of Vitrail: configuration, assembly of gate and tablets, listeners, HTTP and drain.
//!
//! Layout: [`config`] (what a file says), `assembly` (from configuration to components), `users`, `preflight` (what is checked
//! before serving), `http` (metrics, health, and `queries`), `resources` (CPU and memory of the process), `query_log`, [`scratch`] (the server where a gate runs what shards cannot answer), `reload` (what a running process takes anew), and [`process`]
//! (start, announce, stop).

mod assembly;
pub mod config;
pub mod error;
mod http;
mod metrics;
mod preflight;
pub mod process;
mod queries;
mod query_log;
mod query_metrics;
mod reload;
mod resources;
pub mod scratch;
mod users;
