//! The first rows of a table of which nothing names one: how many of them are on each shard is known once they were found, and each writes as many.

use std::sync::Arc;

use vitrail_proto::value::Value;

use super::{Home, Texts};
use crate::key_range::Shards;
use crate::plan::resolve::Values;
use crate::plan::{Part, Plan};
use crate::refusal::Refusal;
use crate::schema::ColumnSchema;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AllotmentPlan {
    /// The text up to LIMIT.
    pub(crate) before: Vec<Part>,
    /// Behind the number of rows.
    pub(crate) after: Vec<Part>,
    /// What is read of each row: the sharding columns.
    pub(crate) columns: Arc<[ColumnSchema]>,
    pub(crate) home: Home,
    /// It is an UPDATE.
    pub(crate) updates: bool,
}

/// An UPDATE or DELETE of the first rows of each shard.
#[derive(Debug, Clone, Copy)]
pub struct Allotment<'s> {
    pub(super) texts: &'s Texts,
    pub(super) plan: &'s AllotmentPlan,
}

impl AllotmentPlan {
    pub(super) fn texts(&self, outer: &Plan, values: &Values<'_>) -> Result<Texts, Refusal> {
        let (before, after) = (outer.pieces(&self.before, values)?, outer.pieces(&self.after, values)?);
        Ok(Texts { before, after, assigned: Vec::new() })
    }
}

impl<'s> Allotment<'s> {
    /// What is read of each row.
    pub fn columns(&self) -> &'s [ColumnSchema] {
        &self.plan.columns
    }

    /// It is an UPDATE, which tells how many rows it has found.
    pub fn updates(&self) -> bool {
        self.plan.updates
    }

    /// The shard that a row is on.
    ///
    /// # Errors
    /// Values that lead to no shard.
    pub fn home(&self, row: &[Value], shards: &Shards) -> Result<Option<usize>, Refusal> {
        self.plan.home.find(&self.plan.columns, row, shards)
    }

    /// The text that writes the first `rows` rows of a shard.
    pub fn text(&self, rows: usize) -> String {
        format!("{} LIMIT {rows}{}", self.texts.before, self.texts.after)
    }
}
