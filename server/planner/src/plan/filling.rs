//! A column of an INSERT that a sequence fills: which rows leave its value open, and where the values go.
//!
//! The plan's texts have a bind of their own in each row. Whoever runs the plan gives each of them its value, taken from the sequence or
//! as it is given, before the plan is resolved.

use std::sync::Arc;

use vitrail_proto::value::{Binds, Value};
use vitrail_sql::normalise::Normalised;

use super::Source;
use super::resolve::Values;
use crate::refusal::Refusal;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Filling {
    /// The keyspace of the sequence's table.
    pub keyspace: Arc<str>,
    /// The sequence's table.
    pub table: Arc<str>,
    /// The column that is filled.
    pub column: Arc<str>,
    /// A row that is there already is updated (`ON DUPLICATE KEY UPDATE`).
    pub updates: bool,
    /// What each row gives; `None`: nothing.
    pub(crate) given: Vec<Option<Source>>,
}

impl Filling {
    /// What each row of `statement` gives; `None`: the sequence's next value. NULL leaves it open, and so does 0 unless the sql_mode
    /// says otherwise (`NO_AUTO_VALUE_ON_ZERO`).
    ///
    /// # Errors
    /// A bind that is missing.
    pub fn given(
        &self,
        statement: &Normalised,
        binds: &Arc<Binds>,
        zero_is_open: bool,
    ) -> Result<Vec<Option<Value>>, Refusal> {
        let values = Values { statement, binds };
        let is_zero = |value: &Value| match value {
            Value::Int(number) => *number == 0,
            Value::UInt(number) => *number == 0,
            Value::Text(text) => text.trim().parse() == Ok(0),
            _ => false,
        };
        let given = self.given.iter().map(|source| {
            let Some(source) = source else { return Ok(None) };
            Ok(match values.one(source)? {
                Value::Null => None,
                value if zero_is_open && is_zero(&value) => None,
                value => Some(value),
            })
        });
        given.collect()
    }

    /// How many rows the statement has.
    pub fn rows(&self) -> usize {
        self.given.len()
    }

    /// The bind that takes the value of a row, counted from 0.
    pub fn bind(row: usize) -> String {
        format!("vitrail_sequence_{row}")
    }
}
