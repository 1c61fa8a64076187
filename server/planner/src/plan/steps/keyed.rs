//! Rows that are updated or deleted by their keys, and those of them that move to another shard.

use std::sync::Arc;

use vitrail_proto::value::Value;

use super::{Home, Texts};
use crate::key_range::Shards;
use crate::plan::resolve::{Values, id_of_values};
use crate::plan::stored::stored;
use crate::plan::{Divider, Part, Plan, Source};
use crate::refusal::Refusal;
use crate::schema::ColumnSchema;

/// An UPDATE or DELETE of the rows whose keys were read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeyedPlan {
    /// The text up to WHERE.
    pub(crate) before: Vec<Part>,
    /// Behind WHERE.
    pub(crate) after: Vec<Part>,
    /// The columns of the key as the text names them.
    pub(crate) names: Arc<str>,
    /// The columns of the key. Those that rows are divided by are among them.
    pub(crate) columns: Vec<ColumnSchema>,
    /// Columns that get values which are read with the key, in order behind it.
    pub(crate) assigned: Vec<ColumnSchema>,
    pub(crate) home: Home,
    /// A row may be read more than once: it is joined.
    pub(crate) repeats: bool,
    /// It has to be read once: values of others are made of it, as it was.
    pub(crate) once: bool,
    /// It is an UPDATE.
    pub(crate) updates: bool,
    /// The text has the condition of the statement, too.
    pub(crate) judged: bool,
    /// Some of its sharding columns change.
    pub(crate) moving: Option<MovingPlan>,
    /// Rows of one shard collide by this key alone, and by the bytes of its values.
    pub(crate) alone: bool,
    /// Rows are found in the order in which MySQL changes them: ORDER BY names a whole key.
    pub(crate) in_order: bool,
    /// The rows that it gives back have their keys behind, and come in the order in which they were found.
    pub(crate) ordered: bool,
}

/// How rows move to the shard that their new sharding columns lead to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MovingPlan {
    pub(crate) moving: Moving,
    /// What columns of the key become, by their places: one value for all rows.
    pub(crate) assigned: Vec<(usize, Source)>,
    /// The columns of the key that become what is read with it, by their places.
    pub(crate) read: Vec<usize>,
    /// Other columns change by which rows may collide.
    pub(crate) beside: bool,
}

/// What moves of a row: all that can be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Moving {
    /// The table, as text names it.
    pub table: Arc<str>,
    /// Its columns as they are read, so that nothing of their values is lost on the way.
    pub select: Arc<str>,
    /// Its columns as they are inserted.
    pub insert: Arc<str>,
    /// The same.
    pub columns: Vec<ColumnSchema>,
    /// The columns of the key as the texts of a table without alias name them.
    pub names: Arc<str>,
    /// The last column that is read tells whether the row's documents survive being sent as text.
    pub checked: bool,
}

/// An UPDATE or DELETE of the rows whose keys were read.
#[derive(Debug, Clone, Copy)]
pub struct Keyed<'s> {
    pub(super) texts: &'s Texts,
    pub(super) plan: &'s KeyedPlan,
}

/// The bind with the keys of a batch of rows.
pub const KEYS: &str = "vitrail_keys";

/// The bind with the value of a column that an UPDATE sets.
pub fn set_bind(column: usize) -> String {
    format!("vitrail_set_{column}")
}

impl KeyedPlan {
    pub(super) fn texts(&self, outer: &Plan, values: &Values<'_>) -> Result<Texts, Refusal> {
        let assigned = self.moving.iter().flat_map(|moving| &moving.assigned);
        let value =
            |(place, source): &(usize, Source)| Ok((*place, stored(values.one(source)?, &self.columns[*place])?));
        Ok(Texts {
            before: outer.pieces(&self.before, values)?,
            after: outer.pieces(&self.after, values)?,
            assigned: assigned.map(value).collect::<Result<_, Refusal>>()?,
        })
    }
}

impl<'s> Keyed<'s> {
    /// The columns that are read: the key.
    pub fn columns(&self) -> &'s [ColumnSchema] {
        &self.plan.columns
    }

    /// Columns that get values which are read behind the key: each is the bind [`set_bind`] of the text.
    pub fn assigned(&self) -> &'s [ColumnSchema] {
        &self.plan.assigned
    }

    /// A row may be read more than once.
    pub fn repeats(&self) -> bool {
        self.plan.repeats
    }

    /// A row has to be read once, or MySQL's order of the join decides what others get.
    pub fn once(&self) -> bool {
        self.plan.once
    }

    /// It is an UPDATE, which tells how many rows it has found.
    pub fn updates(&self) -> bool {
        self.plan.updates
    }

    /// The text has the condition of the statement, too: what MySQL minds in it is minded there.
    pub fn judged(&self) -> bool {
        self.plan.judged
    }

    /// The rows of the table are on every shard.
    pub fn everywhere(&self) -> bool {
        matches!(self.plan.home, Home::Everywhere)
    }

    /// The shard that a row with this key is on; `None`: every shard.
    ///
    /// # Errors
    /// A key that leads to no shard.
    pub fn home(&self, key: &[Value], shards: &Shards) -> Result<Option<usize>, Refusal> {
        self.plan.home.find(&self.plan.columns, key, shards)
    }

    /// The text that writes the rows of [`KEYS`].
    pub fn text(&self) -> String {
        format!("{} WHERE {} IN ::{KEYS}{}", self.texts.before, self.plan.names, self.texts.after)
    }

    /// How many columns behind those of RETURNING are the key, by which the rows are put in the order in which they were found.
    pub fn hidden(&self) -> usize {
        if self.plan.ordered { self.plan.columns.len() } else { 0 }
    }

    /// How rows move, if they may.
    pub fn moving(&self) -> Option<&'s Moving> {
        self.plan.moving.as_ref().map(|plan| &plan.moving)
    }

    /// What the key of a row becomes. `given`: the values that were read for [`Keyed::assigned`].
    ///
    /// # Errors
    /// A value whose conversion to the column's type is not proved.
    pub fn moved(&self, key: &[Value], given: &[Value]) -> Result<Vec<Value>, Refusal> {
        let mut moved = key.to_vec();
        for (place, value) in &self.texts.assigned {
            moved[*place] = value.clone();
        }
        for place in self.plan.moving.iter().flat_map(|moving| &moving.read) {
            let column = &self.plan.columns[*place];
            let number = self.plan.assigned.iter().position(|assigned| assigned.name == column.name);
            let value = number.and_then(|number| given.get(number)).cloned().unwrap_or(Value::Null);
            moved[*place] = stored(value, column)?;
        }
        Ok(moved)
    }

    /// Rows may take places that others of them have to leave first.
    pub fn may_follow(&self) -> bool {
        self.plan.moving.as_ref().is_some_and(|moving| moving.beside || !moving.read.is_empty())
    }

    /// Rows may collide by more than their keys, even if their keys stay as they are.
    pub fn changes_beside(&self) -> bool {
        self.plan.moving.as_ref().is_some_and(|moving| moving.beside) && !self.plan.alone
    }

    /// Rows are found in the order in which MySQL changes them.
    pub fn in_order(&self) -> bool {
        self.plan.in_order
    }

    /// What two rows may not have in common: the whole key where it alone decides, else what leads to the shard.
    ///
    /// # Errors
    /// A key that leads to no shard.
    pub fn place(&self, key: &[Value]) -> Result<String, Refusal> {
        let columns = &self.plan.columns;
        let of_key = match &self.plan.home {
            Home::Divided(dividers) if !self.plan.alone => {
                let value = |(place, divider): &(usize, Divider)| {
                    Ok((divider.clone(), stored(key[*place].clone(), &columns[*place])?))
                };
                let values = dividers.iter().map(value).collect::<Result<Vec<_>, Refusal>>()?;
                return Ok(id_of_values(values.iter().map(|(divider, value)| (divider, value)))?.to_string());
            }
            _ => key.iter().zip(columns).map(|(value, column)| stored(value.clone(), column)),
        };
        Ok(format!("{:?}", of_key.collect::<Result<Vec<_>, Refusal>>()?))
    }
}
