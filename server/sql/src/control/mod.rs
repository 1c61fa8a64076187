//! Statements about the session, the transaction and the schema, read as far as one who answers them without MySQL needs.
//!
//! One module per family. What is done with them is the caller's business.

pub mod ddl;
pub mod explain;
pub mod into;
pub mod kill;
pub mod pinned;
pub mod prepare;
pub mod queries;
pub mod refresh;
pub mod select;
pub mod set;
pub mod show;
pub mod transaction;
pub mod use_target;
mod words;

use std::borrow::Cow;

use crate::error::SqlError;

/// `table` or `keyspace.table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName<'a> {
    /// The qualifier, if one is written.
    pub keyspace: Option<Cow<'a, str>>,
    /// The table, without quotes.
    pub table: Cow<'a, str>,
}

fn unsupported(what: impl Into<String>, remedy: &'static str) -> SqlError {
    SqlError::Unsupported { what: what.into(), remedy }
}
