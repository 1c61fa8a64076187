//! The tables that a statement names, each with what is known of the rows and columns that it needs of it.

use std::ops::Range;
use std::sync::Arc;

use crate::plan::Part;
use crate::schema::TableSchema;
use crate::vschema::Keyspace;

/// A table where a statement names it.
#[derive(Debug)]
pub(super) struct Reference<'a> {
    pub(super) keyspace: &'a Keyspace,
    /// Its name as MySQL has it.
    pub(super) table: &'a str,
    pub(super) schema: &'a TableSchema,
    /// It has an alias.
    pub(super) aliased: bool,
    /// What its rows have to fulfil, joined by AND.
    pub(super) conditions: Vec<Vec<Part>>,
    /// Columns that have to have a value of another table's.
    pub(super) equalities: Vec<Equality>,
    /// All of its columns are needed.
    pub(super) whole: bool,
    /// It is written, and none of its rows are needed before.
    pub(super) empty: bool,
    /// FOR UPDATE and its like.
    pub(super) lock: Option<&'static str>,
    /// ORDER BY and LIMIT, where only the first of its rows are needed.
    pub(super) first: Option<Arc<str>>,
}

/// A column that has to be equal to another table's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Equality {
    pub(super) column: String,
    /// The other table, by its number.
    pub(super) source: usize,
    pub(super) of_source: String,
}

impl Reference<'_> {
    /// Whether the same rows and columns are needed of the same table.
    pub(super) fn is_like(&self, other: &Reference<'_>) -> bool {
        self.keyspace.name == other.keyspace.name
            && self.table == other.table
            && self.conditions == other.conditions
            && self.equalities == other.equalities
            && self.whole == other.whole
            && self.empty == other.empty
            && self.lock == other.lock
            && self.first == other.first
    }
}

/// A change of the text for the scratch server.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) bytes: Range<usize>,
    pub(super) by: By,
}

/// What is put in.
#[derive(Debug)]
pub(super) enum By {
    /// The name of a reference's table there.
    Table(usize),
    /// Nothing.
    Nothing,
    /// A common table expression, written where it is named again: its own text with its own changes.
    Again {
        /// The expression with its name, in the text.
        bytes: Range<usize>,
        inside: Vec<Change>,
        /// WITH and its name, then what follows.
        before: String,
        after: String,
    },
}
