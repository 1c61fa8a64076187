//! Writes whose outcome only MySQL can work out: they run on the scratch server over the rows that they concern, and what they have changed there is
//! written to the shards.

use vitrail_proto::value::Value;

use super::Texts;
use super::keyed::Moving;
use super::placed::Placed;
use crate::key_range::Shards;
use crate::plan::resolve::Values;
use crate::plan::{KEYS, Part, Plan, set_bind};
use crate::refusal::Refusal;
use crate::schema::ColumnSchema;

/// See the module. The plan that is read by has the statement for the scratch server, and the table that is written as its first fragment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RehearsalPlan {
    pub(crate) table: Placed,
    /// The places among a row's columns of those that name it; empty: only all of them do.
    pub(crate) key: Vec<usize>,
    /// Columns by which rows may collide are set, or rows are inserted.
    pub(crate) collides: bool,
    pub(crate) verb: Verb,
    /// The statement inserts rows: how it would if none of them met another, with IGNORE. It tells which rows they meet.
    pub(crate) draft: Option<Vec<Part>>,
}

/// What is rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// INSERT of one row, which fails if another is in its way.
    InsertOne,
    /// INSERT.
    Insert,
    /// REPLACE: rows that are in the way are deleted.
    Replace,
    /// UPDATE.
    Update {
        /// ORDER BY tells the place of each row.
        in_order: bool,
    },
    /// DELETE.
    Delete,
}

/// A write that is rehearsed.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal<'s> {
    pub(super) texts: &'s Texts,
    pub(super) plan: &'s RehearsalPlan,
}

impl RehearsalPlan {
    pub(super) fn texts(&self, outer: &Plan, values: &Values<'_>) -> Result<Texts, Refusal> {
        let before = self.draft.as_ref().map(|draft| outer.pieces(draft, values)).transpose()?;
        Ok(Texts { before: before.unwrap_or_default(), after: String::new(), assigned: Vec::new() })
    }
}

impl<'s> Rehearsal<'s> {
    /// A row as it is read and written.
    pub fn row(&self) -> &'s Moving {
        &self.plan.table.row
    }

    /// What is rehearsed.
    pub fn verb(&self) -> Verb {
        self.plan.verb
    }

    /// Columns by which rows may collide are set, or rows are inserted.
    pub fn collides(&self) -> bool {
        self.plan.collides
    }

    /// The text that inserts the rows where none is in their way; `None`: it does not matter which are.
    pub fn draft(&self) -> Option<&'s str> {
        Some(self.texts.before.as_str()).filter(|text| !text.is_empty())
    }

    /// The places among a row's columns of those that name it; empty: only all of them do.
    pub fn key(&self) -> &'s [usize] {
        &self.plan.key
    }

    /// The rows of the table are on every shard.
    pub fn everywhere(&self) -> bool {
        self.plan.table.everywhere()
    }

    /// The shard that a row belongs to; `None`: every shard.
    ///
    /// # Errors
    /// A row that leads to no shard.
    pub fn home(&self, row: &[Value], shards: &Shards) -> Result<Option<usize>, Refusal> {
        self.plan.table.home(row, shards)
    }

    /// The columns of a row, by their places.
    pub fn column(&self, place: usize) -> &'s ColumnSchema {
        &self.plan.table.row.columns[place]
    }

    /// The text that sets these columns, by places, to [`set_bind`] in the rows of [`KEYS`].
    pub fn update(&self, places: &[usize]) -> String {
        let set = |(number, place): (usize, &usize)| {
            format!("{} = :{}", crate::plan::quote(&self.column(*place).name), set_bind(number))
        };
        let set: Vec<String> = places.iter().enumerate().map(set).collect();
        let Moving { table, names, .. } = self.row();
        format!("UPDATE {table} SET {} WHERE {names} IN ::{KEYS}", set.join(", "))
    }

    /// The text that deletes so many rows that are alike in all columns: [`set_bind`] has the value of each, and of texts the bytes as digits.
    pub fn delete_alike(&self, rows: usize) -> String {
        let Moving { table, columns, .. } = self.row();
        let alike = |(number, column): (usize, &ColumnSchema)| {
            let (name, bind) = (crate::plan::quote(&column.name), set_bind(number));
            match is_spelled(column) {
                true => format!("HEX(CONVERT({name} USING utf8mb4)) <=> :{bind}"),
                false => format!("{name} <=> :{bind}"),
            }
        };
        let alike: Vec<String> = columns.iter().enumerate().map(alike).collect();
        format!("DELETE FROM {table} WHERE {} LIMIT {rows}", alike.join(" AND "))
    }

    /// The texts that may write rows.
    pub fn texts(&self) -> String {
        let Moving { table, insert, names, columns, .. } = self.row();
        let delete = match self.plan.key.is_empty() {
            true => self.delete_alike(1),
            false => format!("DELETE FROM {table} WHERE {names} IN ::{KEYS}"),
        };
        let binds: Vec<String> = (0..columns.len()).map(|column| format!(":vitrail_value_0_{column}")).collect();
        let insert = format!("INSERT INTO {table} ({insert}) VALUES ({})", binds.join(", "));
        match self.plan.verb {
            Verb::Delete => delete,
            Verb::InsertOne => insert,
            _ => format!("{delete}; {insert}"),
        }
    }

    /// Whether [`Rehearsal::delete_alike`] compares the bytes of a column.
    pub fn is_spelled(&self, place: usize) -> bool {
        is_spelled(self.column(place))
    }
}

/// Whether equal values of a column may have other bytes.
fn is_spelled(column: &ColumnSchema) -> bool {
    use crate::schema::ColumnClass::{Label, Text};
    matches!(column.class, Text(_) | Label)
}
