//! From a statement to the shards: key ranges, vindexes, vschema and plans. No I/O, and no clock.
//!
//! Layout, in the order in which a statement meets them:
//!
//! * [`vschema`]: which keyspaces are sharded, and by what; [`schema`]: what MySQL says of columns.
//! * [`planner`]: from a normalised statement to a [`plan::Plan`], or a [`refusal::Refusal`].
//! * [`catalog`]: `information_schema` as a keyspace has it.
//! * [`access`]: which rights a statement needs, apart from where it goes.
//! * [`vindex`]: from a value to a keyspace id; [`key_range`]: from a keyspace id to a shard.
//! * [`plan`]: from a plan, literals and binds to texts for shards, and how their answers become one.

pub mod key_range;
pub mod plan;
pub mod planner;
pub mod refusal;
pub mod schema;
pub mod vindex;
pub mod vschema;

pub use planner::{
    PlanContext, Scratch, access, catalog, needs_of, placed, plan, plan_exact, plan_pinned, plan_rehearsal, routines,
    views,
};
