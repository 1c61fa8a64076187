//! The gate: holds sessions, plans statements over the vschema, routes and scatters them, merges the answers, and runs
//! transactions over shards. It keeps nothing that another gate would need.
//!
//! Layout, along a statement's way: `request` (one request of a session) → `statement` (one statement) → `control` (what the
//! gate answers itself) or `planning` (from text to plan, through `plan_cache`) → `route` (in autocommit, or in a
//! `transaction`) → `scatter` (shards side by side) → `merge` (one answer of several, or of the rows that `join` has matched) → `answer` (REPLYs), with
//! `facts` (how it ran) and `measure` (what each part did, for EXPLAIN ANALYZE).
//! A statement that names its session goes by `values` (user variables, `LAST_INSERT_ID()`) and `substitute` (what the gate knows);
//! `diagnostics` keeps what it says of itself for the next one.
//! What tells where rows of an INSERT go, and is no plain value, is worked out by `asked`; what a sequence fills, by `sequences`.
//! `exact` runs on a scratch MySQL what shards cannot answer.
//! Beside it: [`access`] (who may do what), `insight` (figures of statements and their log), [`cluster`] (keyspaces and shards),
//! `view` (cluster and schemas at one moment), `session`, with `holdings` (variables and prepared statements) and `preferences`
//! (variables of Vitrail's own), `settings`, with `system_variables`, `pins` (MySQL connections of one session), `registry` (all
//! sessions, for listings and KILL).
//!
//! Invariant: an execution that was started at a service is pulled to its end, or cancelled and then pulled to its end, unless it is
//! overdue: the request is answered, and the service ends it by itself.
//! Invariant: a transaction is open on all of its participants, or on none.

pub mod access;
pub mod cluster;

mod answer;
mod asked;
mod calling;
mod catalog;
mod columns;
mod control;
mod diagnostics;
mod exact;
mod facts;
mod failure;
mod gate;
mod holdings;
mod insight;
mod join;
mod measure;
mod merge;
mod moment;
mod pins;
mod places;
mod plan_cache;
mod planning;
mod position;
mod preferences;
mod reading;
mod registry;
mod request;
mod route;
mod routines;
mod scatter;
mod sequences;
mod session;
mod settings;
mod statement;
mod stats;
mod steps;
mod substitute;
mod system_variables;
mod transaction;
mod values;
mod variables;
mod view;

pub use cluster::{Cluster, ClusterError, Keyspace, Shard};
pub use exact::ScratchLimits;
pub use gate::{Gate, GateConfig};
pub use insight::log::{QueryLog, QueryLogConfig, Reason, Record};
pub use insight::{BOUNDS_US, QueryFigures, Took, Totals};
pub use session::Session;
pub use stats::Stats;
pub use view::{Finding, Level};
pub use vitrail_sql::control::queries::QueryOrder;
