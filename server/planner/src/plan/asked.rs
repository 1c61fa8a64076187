//! Expressions of an INSERT that tell where its rows go: a MySQL works them out before the plan is resolved.
//!
//! The statement keeps those that are the same whenever they are worked out, so that MySQL judges them as it stores them; what depends on time or
//! chance has a bind with the value in its place.

use std::sync::Arc;

use vitrail_proto::value::{Binds, Value};
use vitrail_sql::normalise::Normalised;

use super::reading::pieces;
use super::resolve::Values;
use super::stored::stored;
use super::{Part, Source};
use crate::refusal::Refusal;
use crate::schema::ColumnSchema;

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Asked {
    pub(crate) list: Vec<Expression>,
    /// What they read of their rows.
    pub(crate) earlier: Vec<Earlier>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    /// With a bind in place of each column that it reads.
    pub(crate) text: Vec<Part>,
    /// The column that gets its value.
    pub(crate) column: ColumnSchema,
    /// The bind stands in its place.
    pub(crate) replaced: bool,
}

/// A column of a row that an expression reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Earlier {
    /// What the row gives.
    pub(crate) source: Source,
    pub(crate) column: ColumnSchema,
}

impl Asked {
    /// The query that gives one row with all of them.
    ///
    /// # Errors
    /// A statement of another key.
    pub fn query(&self, statement: &Normalised) -> Result<String, Refusal> {
        let text = |expression: &Expression| Ok(format!("({})", pieces(&expression.text, statement)?));
        let list: Vec<String> = self.list.iter().map(text).collect::<Result<_, Refusal>>()?;
        Ok(format!("SELECT {}", list.join(", ")))
    }

    /// The binds of that query: what columns of the rows hold that the expressions read.
    ///
    /// # Errors
    /// A bind that is missing, or a value whose conversion to its column's type is not proved.
    pub fn earlier(&self, statement: &Normalised, binds: &Arc<Binds>) -> Result<Vec<(String, Value)>, Refusal> {
        let values = Values { statement, binds };
        let of = |(number, Earlier { source, column }): (usize, &Earlier)| {
            let value = values.one(source)?;
            if matches!(value, Value::Null) && !column.nullable {
                return Err(Refusal::unsupported(
                    "sharding-expression",
                    format!(
                        "the sharding column's value is an expression that reads `{}`, which cannot be NULL as it is given; send the value itself",
                        column.name
                    ),
                ));
            }
            Ok((Asked::earlier_bind(number), stored(value, column)?))
        };
        self.earlier.iter().enumerate().map(of).collect()
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

    /// The bind that takes what a column holds that an expression reads, counted from 0.
    pub(crate) fn earlier_bind(number: usize) -> String {
        format!("vitrail_earlier_{number}")
    }
}
