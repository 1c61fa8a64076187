//! Rows that are inserted as they were read.

use std::sync::Arc;

use vitrail_proto::value::Value;

use super::{Home, Texts};
use crate::key_range::Shards;
use crate::plan::resolve::Values;
use crate::plan::{Filling, Part, Plan};
use crate::refusal::Refusal;
use crate::schema::ColumnSchema;

/// Rows that are inserted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InsertPlan {
    /// The text up to VALUES.
    pub(crate) before: Vec<Part>,
    /// Behind the rows.
    pub(crate) after: Vec<Part>,
    /// What is filled, in order.
    pub(crate) columns: Vec<ColumnSchema>,
    pub(crate) home: Home,
    /// The column that a sequence fills, by its place among the columns. It is the last of them if the rows do not give it.
    pub(crate) filling: Option<(Filling, usize)>,
    /// The places of columns that the last one that is read tells about: 1 if their text is their whole value. Empty: there is no such column.
    pub(crate) proved: Arc<[usize]>,
    /// The places of instants that may be the statement's moment, whose text is a time of the session's zone.
    pub(crate) clocked: Arc<[usize]>,
    /// What ON DUPLICATE KEY UPDATE reads of the SELECT: columns at the end of what is read, in order.
    pub(crate) beside: Vec<Beside>,
}

/// A column that is read beside those that are inserted, for an update of the row that is there already.
#[derive(Debug, Clone, PartialEq)]
pub struct Beside {
    /// As it is read.
    pub from: ColumnSchema,
    /// The column that it is stored in as it is; `None`: it is a part of an expression.
    pub to: Option<ColumnSchema>,
}

/// An INSERT or REPLACE of the rows that were read.
#[derive(Debug, Clone, Copy)]
pub struct Insertion<'s> {
    pub(super) texts: &'s Texts,
    pub(super) plan: &'s InsertPlan,
}

impl InsertPlan {
    pub(super) fn texts(&self, outer: &Plan, values: &Values<'_>) -> Result<Texts, Refusal> {
        let (before, after) = (outer.pieces(&self.before, values)?, outer.pieces(&self.after, values)?);
        Ok(Texts { before, after, assigned: Vec::new() })
    }
}

impl<'s> Insertion<'s> {
    /// What is filled, in order.
    pub fn columns(&self) -> &'s [ColumnSchema] {
        &self.plan.columns
    }

    /// The column that a sequence fills, by its place.
    pub fn filling(&self) -> Option<(&'s Filling, usize)> {
        self.plan.filling.as_ref().map(|(filling, place)| (filling, *place))
    }

    /// The columns, by place, that the last one of a row tells about: 1 if their text is their whole value. Empty: rows have no such column.
    pub fn proved(&self) -> &'s [usize] {
        &self.plan.proved
    }

    /// The places of instants that may be the statement's moment, as a time of the session's zone.
    pub fn clocked(&self) -> &'s [usize] {
        &self.plan.clocked
    }

    /// What ON DUPLICATE KEY UPDATE reads: the last columns of what is read. The text has [`Insertion::bind_beside`] in their places.
    pub fn beside(&self) -> &'s [Beside] {
        &self.plan.beside
    }

    /// How many columns the rows give: all, or all but the one that a sequence fills.
    pub fn given(&self) -> usize {
        let added = self.plan.filling.as_ref().is_some_and(|(filling, _)| filling.given.is_empty());
        self.plan.columns.len() - usize::from(added)
    }

    /// The shard that a row goes to; `None`: every shard.
    ///
    /// # Errors
    /// A value that leads to no shard.
    pub fn home(&self, row: &[Value], shards: &Shards) -> Result<Option<usize>, Refusal> {
        self.plan.home.find(&self.plan.columns, row, shards)
    }

    /// The text that inserts so many rows, and has [`Insertion::bind`] in each place.
    pub fn text(&self, rows: usize) -> String {
        let row = |row: usize| {
            let binds: Vec<String> =
                (0..self.plan.columns.len()).map(|column| format!(":{}", Self::bind(row, column))).collect();
            format!("({})", binds.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!("{} VALUES {}{}", self.texts.before, rows.join(", "), self.texts.after)
    }

    /// The bind with a column that ON DUPLICATE KEY UPDATE reads, counted from 0.
    pub fn bind_beside(number: usize) -> String {
        format!("vitrail_beside_{number}")
    }

    /// The bind with one value.
    pub fn bind(row: usize, column: usize) -> String {
        format!("vitrail_value_{row}_{column}")
    }
}
