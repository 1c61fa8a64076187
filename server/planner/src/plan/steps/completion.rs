//! The rows of an INSERT … VALUES that are complete only with values that were read.

use std::sync::Arc;

use vitrail_sql::normalise::Normalised;

use crate::plan::{Plan, Reading};
use crate::schema::ColumnSchema;

/// Rows with values that are read first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CompletionPlan {
    /// The statement, with a bind in the place of each of them.
    pub(crate) statement: Reading,
    /// The columns that get them, in the order in which they are read.
    pub(crate) columns: Vec<ColumnSchema>,
    /// The places of instants that may be the statement's moment, whose text is a time of the session's zone.
    pub(crate) clocked: Arc<[usize]>,
    /// The columns that the values of a row may name.
    pub(crate) names: Arc<[String]>,
}

/// An INSERT or REPLACE of rows with values that are read first.
#[derive(Debug, Clone, Copy)]
pub struct Completion<'s> {
    pub(super) statement: &'s Normalised,
    pub(super) plan: &'s CompletionPlan,
}

impl<'s> Completion<'s> {
    /// The statement, with [`Completion::bind`] in the place of each value.
    pub fn statement(&self) -> &'s Normalised {
        self.statement
    }

    /// Its plan.
    pub fn plan(&self) -> &'s Plan {
        &self.plan.statement.plan
    }

    /// The columns that get the values, in the order in which they are read.
    pub fn columns(&self) -> &'s [ColumnSchema] {
        &self.plan.columns
    }

    /// The places of instants that may be the statement's moment, as a time of the session's zone.
    pub fn clocked(&self) -> &'s [usize] {
        &self.plan.clocked
    }

    /// Whether MySQL may have meant a column of the row that is inserted by this name, which no table that is read has.
    pub fn names(&self, column: &str) -> bool {
        self.plan.names.iter().any(|name| name.eq_ignore_ascii_case(column))
    }

    /// The bind with one of the values.
    pub fn bind(number: usize) -> String {
        format!("vitrail_read_{number}")
    }
}
