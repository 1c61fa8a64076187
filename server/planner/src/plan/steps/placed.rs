//! Whole rows of a table, and the shards where they belong.

use vitrail_proto::value::Value;

use super::Home;
use super::keyed::Moving;
use crate::key_range::Shards;
use crate::refusal::Refusal;

/// A table whose rows are read and written whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// A row as it is read and written: all that can be.
    pub row: Moving,
    /// Where rows are, by places among its columns.
    pub(crate) home: Home,
}

impl Placed {
    /// The rows of the table are on every shard.
    pub fn everywhere(&self) -> bool {
        matches!(self.home, Home::Everywhere)
    }

    /// The shard that a row belongs to; `None`: every shard.
    ///
    /// # Errors
    /// A row that leads to no shard.
    pub fn home(&self, row: &[Value], shards: &Shards) -> Result<Option<usize>, Refusal> {
        self.home.find(&self.row.columns, row, shards)
    }
}
