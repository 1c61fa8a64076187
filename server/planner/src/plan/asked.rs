//! Expressions of an INSERT that tell where its rows go: a MySQL works them out before the plan is resolved.
//!
//! The statement keeps those that are the same whenever they are worked out, so that MySQL judges them as it stores them; what depends on time or
//! chance has a bind with the value in its place.

use vitrail_sql::normalise::{Anchor, Normalised};

use crate::schema::ColumnSchema;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub(crate) list: Vec<Expression>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    pub(crate) start: Anchor,
    pub(crate) end: Anchor,
    /// The column that gets its value.
    pub(crate) column: ColumnSchema,
    /// The bind stands in its place.
    pub(crate) replaced: bool,
}

impl Asked {
    /// The query that gives one row with all of them.
    pub fn query(&self, statement: &Normalised) -> String {
        let text = |expression: &Expression| {
            let range = statement.position(expression.start)..statement.position(expression.end);
            format!("({})", statement.text.get(range).unwrap_or_default())
        };
        let list: Vec<String> = self.list.iter().map(text).collect();
        format!("SELECT {}", list.join(", "))
    }

    /// The columns that get their values, in their order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &ColumnSchema> {
        self.list.iter().map(|expression| &expression.column)
    }

    /// Whether the statement has the value of one of them in its place.
    pub fn replaces(&self) -> bool {
        self.list.iter().any(|expression| expression.replaced)
    }

    /// The bind that takes the value of an expression, counted from 0.
    pub fn bind(number: usize) -> String {
        format!("vitrail_asked_{number}")
    }
}
