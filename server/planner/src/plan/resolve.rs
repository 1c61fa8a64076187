//! From a plan to the texts for the shards, with the literals and binds of one statement.

use std::sync::Arc;

use vitrail_proto::value::Binds;
use vitrail_sql::normalise::Normalised;

use super::{Merge, Plan, Resolved, Route, ShardStatement};
use crate::key_range::Shards;
use crate::refusal::Refusal;

impl Plan {
    /// Finds the shards of `statement`, which has the key that the plan was made for, and makes their texts.
    /// `shards` are those of [`Plan::keyspace`].
    pub fn resolve(&self, statement: &Normalised, binds: &Arc<Binds>, shards: &Shards) -> Result<Resolved, Refusal> {
        let chosen = match &self.route {
            Route::Named(name) => vec![shards.by_name(name).ok_or_else(|| {
                Refusal::not_found("unknown-shard", format!("keyspace `{}` has no shard `{name}`", self.keyspace))
            })?],
            _ => vec![0],
        };
        let statements = chosen
            .into_iter()
            .map(|shard| ShardStatement { shard, sql: Arc::clone(&statement.text), binds: Arc::clone(binds) })
            .collect();
        Ok(Resolved { keyspace: Arc::clone(&self.keyspace), statements, merge: Merge::Pass, writes: self.writes })
    }
}
