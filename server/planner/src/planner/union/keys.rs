//! By which columns the answer of a UNION is sorted and folded, and what is compared of each.

use super::WRAPPED;
use crate::plan::{Comparison, SortKey};
use crate::planner::answer::{Column, Content};
use crate::planner::order::{quoted, space_weight};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

/// What shards sort by.
pub(super) struct Keys<'c, 'a> {
    columns: &'c [Column<'a>],
    /// Expressions behind the answer's columns.
    pub(super) added: Vec<String>,
    /// The column of the answer, from 0, and what is compared of it.
    pub(super) sorted: Vec<(usize, SortKey)>,
}

impl<'c, 'a> Keys<'c, 'a> {
    pub(super) fn of(columns: &'c [Column<'a>]) -> Keys<'c, 'a> {
        Keys { columns, added: Vec::new(), sorted: Vec::new() }
    }

    /// Sorts by a column of the answer as well, from 0.
    pub(super) fn add(&mut self, column: usize, descending: bool) -> Result<(), Refusal> {
        if self.sorted.iter().any(|(known, _)| *known == column) {
            return Ok(());
        }
        let (compared, comparison) = match &self.columns[column].content {
            Content::Of(ColumnClass::Text(collation)) => {
                let space = space_weight(collation)
                    .ok_or_else(|| incomparable(&format!("text of the collation {collation}")))?;
                let name = self.name(column)?;
                self.added.push(format!("WEIGHT_STRING({name})"));
                (self.columns.len() + self.added.len() - 1, Comparison::Weight(space.to_vec()))
            }
            Content::Of(ColumnClass::Unknown) | Content::Literal => (column, Comparison::Discrete),
            Content::Of(ColumnClass::Float) => return Err(incomparable("floats")),
            Content::Of(ColumnClass::Label | ColumnClass::Timestamp | ColumnClass::Other) => {
                return Err(incomparable("enums, sets, timestamps, bits, documents, time and chance"));
            }
            Content::Of(_) | Content::Null => (column, Comparison::Native),
        };
        self.sorted.push((column, SortKey { column: compared, descending, comparison }));
        Ok(())
    }

    /// A column of the derived table, all of whose columns need names of their own.
    fn name(&self, column: usize) -> Result<String, Refusal> {
        let names: Option<Vec<String>> =
            self.columns.iter().map(|column| column.name.as_ref().map(|name| name.to_lowercase())).collect();
        let alone = |names: &Vec<String>| names.iter().enumerate().all(|(at, name)| !names[..at].contains(name));
        let name = self.columns[column].name.clone().filter(|_| names.as_ref().is_some_and(alone));
        name.map(|name| quoted(&(WRAPPED.to_owned(), name))).ok_or_else(|| {
            Refusal::unsupported(
                "union-order",
                "UNION of texts over several shards needs a name of its own for each column; give aliases in the first SELECT",
            )
        })
    }
}

fn incomparable(what: &str) -> Refusal {
    Refusal::unsupported(
        "union-type",
        format!(
            "UNION over several shards, and ORDER BY behind it, cannot compare {what}; pin each part by one value of its sharding column"
        ),
    )
}
