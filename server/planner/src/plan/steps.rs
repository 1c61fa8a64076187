//! Writes in steps: rows are read over all shards, and then written, each where it is or where it belongs.
//!
//! A plan of this kind is for what no shard can decide about by itself: which rows a LIMIT takes, where rows go that another shard has read,
//! and rows whose shard changes. Whoever runs it does so in one transaction, and undoes all of it if a step fails.

use std::sync::Arc;

use vitrail_proto::value::{Binds, Value};
use vitrail_sql::normalise::Normalised;

use super::resolve::{Values, id_of_values};
use super::stored::stored;
use super::{Divider, Filling, Part, Plan, Reading, Resolved, Source};
use crate::key_range::Shards;
use crate::refusal::Refusal;
use crate::schema::ColumnSchema;

/// For every statement with one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepsPlan {
    pub(crate) read: Reading,
    pub(crate) write: WritePlan,
    /// IGNORE: what does not fit is a warning.
    pub(crate) ignores: bool,
}

/// What is done with the rows that were read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WritePlan {
    /// They are updated or deleted, by their keys.
    Keyed(KeyedPlan),
    /// They are inserted.
    Insert(InsertPlan),
}

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
    /// It is an UPDATE.
    pub(crate) updates: bool,
    /// The text has the condition of the statement, too.
    pub(crate) judged: bool,
    /// Some of its sharding columns change.
    pub(crate) moving: Option<MovingPlan>,
    /// Rows of one shard collide by this key alone, and by the bytes of its values.
    pub(crate) alone: bool,
}

/// Rows that are inserted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InsertPlan {
    /// The text up to VALUES.
    pub(crate) before: Vec<Part>,
    /// Behind the rows.
    pub(crate) after: Vec<Part>,
    /// What is filled, in order.
    pub(crate) columns: Vec<ColumnSchema>,
    pub(crate) home: Home,
    /// The column that a sequence fills, by its place among the columns. It is the last of them if the rows do not give it.
    pub(crate) filling: Option<(Filling, usize)>,
    /// The places of columns that the last one that is read tells about: 1 if their text is their whole value. Empty: there is no such column.
    pub(crate) proved: Arc<[usize]>,
    /// The places of instants that may be the statement's moment, whose text is a time of the session's zone.
    pub(crate) clocked: Arc<[usize]>,
}

/// Where rows are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Home {
    /// Each on the shard that these lead to, with their places among the columns.
    Divided(Vec<(usize, Divider)>),
    /// All on every shard.
    Everywhere,
}

/// How rows move to the shard that their new sharding columns lead to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MovingPlan {
    pub(crate) moving: Moving,
    /// What columns of the key become, by their places: one value for all rows.
    pub(crate) assigned: Vec<(usize, Source)>,
    /// The columns of the key that become what is read with it, by their places.
    pub(crate) read: Vec<usize>,
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

/// A write in steps, of one statement.
#[derive(Debug, Clone)]
pub struct Steps {
    plan: Arc<StepsPlan>,
    read: Normalised,
    before: String,
    after: String,
    /// What the key's columns become.
    assigned: Vec<(usize, Value)>,
}

impl PartialEq for Steps {
    fn eq(&self, other: &Steps) -> bool {
        (&self.plan, &self.read.text, &self.before, &self.after)
            == (&other.plan, &other.read.text, &other.before, &other.after)
    }
}

/// What is done with the rows that were read.
#[derive(Debug, Clone, Copy)]
pub enum Write<'s> {
    /// They are updated or deleted.
    Keyed(Keyed<'s>),
    /// They are inserted.
    Insert(Insertion<'s>),
}

/// An UPDATE or DELETE of the rows whose keys were read.
#[derive(Debug, Clone, Copy)]
pub struct Keyed<'s> {
    steps: &'s Steps,
    plan: &'s KeyedPlan,
}

/// An INSERT or REPLACE of the rows that were read.
#[derive(Debug, Clone, Copy)]
pub struct Insertion<'s> {
    steps: &'s Steps,
    plan: &'s InsertPlan,
}

/// The bind with the keys of a batch of rows.
pub const KEYS: &str = "vitrail_keys";

/// The bind with the value of a column that an UPDATE sets.
pub fn set_bind(column: usize) -> String {
    format!("vitrail_set_{column}")
}

impl Steps {
    pub(super) fn of(plan: &Arc<StepsPlan>, outer: &Plan, values: &Values<'_>) -> Result<Steps, Refusal> {
        let (before, after) = match &plan.write {
            WritePlan::Keyed(keyed) => (&keyed.before, &keyed.after),
            WritePlan::Insert(insert) => (&insert.before, &insert.after),
        };
        let moving = match &plan.write {
            WritePlan::Keyed(KeyedPlan { moving: Some(moving), columns, .. }) => Some((moving, columns)),
            _ => None,
        };
        let value = |(place, source): &(usize, Source), columns: &[ColumnSchema]| {
            Ok((*place, stored(values.one(source)?, &columns[*place])?))
        };
        let assigned = moving.iter().flat_map(|(moving, columns)| {
            let value = &value;
            moving.assigned.iter().map(move |assigned| value(assigned, columns))
        });
        Ok(Steps {
            plan: Arc::clone(plan),
            read: plan.read.of(values.statement)?,
            before: outer.pieces(before, values)?,
            after: outer.pieces(after, values)?,
            assigned: assigned.collect::<Result<_, Refusal>>()?,
        })
    }

    /// The query that reads the rows.
    pub fn query(&self) -> &Normalised {
        &self.read
    }

    /// The statements that read the rows.
    ///
    /// # Errors
    /// Those of [`Plan::resolve`].
    pub fn read(&self, binds: &Arc<Binds>, shards: &Shards) -> Result<Resolved, Refusal> {
        self.plan.read.plan.resolve(&self.read, binds, shards)
    }

    /// IGNORE: what does not fit is a warning.
    pub fn ignores(&self) -> bool {
        self.plan.ignores
    }

    /// The column that a sequence fills, if rows are inserted that have one.
    pub fn filling(&self) -> Option<&Filling> {
        match &self.plan.write {
            WritePlan::Insert(InsertPlan { filling: Some((filling, _)), .. }) => Some(filling),
            _ => None,
        }
    }

    /// What is done with them.
    pub fn write(&self) -> Write<'_> {
        match &self.plan.write {
            WritePlan::Keyed(plan) => Write::Keyed(Keyed { steps: self, plan }),
            WritePlan::Insert(plan) => Write::Insert(Insertion { steps: self, plan }),
        }
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

    /// It is an UPDATE, which tells how many rows it has found.
    pub fn updates(&self) -> bool {
        self.plan.updates
    }

    /// The text has the condition of the statement, too: what MySQL minds in it is minded there.
    pub fn judged(&self) -> bool {
        self.plan.judged
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
        format!("{} WHERE {} IN ::{KEYS}{}", self.steps.before, self.plan.names, self.steps.after)
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
        for (place, value) in &self.steps.assigned {
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
        self.plan.moving.as_ref().is_some_and(|moving| !moving.read.is_empty())
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

impl<'s> Insertion<'s> {
    /// What is filled, in order.
    pub fn columns(&self) -> &'s [ColumnSchema] {
        &self.plan.columns
    }

    /// The column that a sequence fills, by its place.
    pub fn filling(&self) -> Option<(&'s Filling, usize)> {
        self.plan.filling.as_ref().map(|(filling, place)| (filling, *place))
    }

    /// The columns, by place, that the last one of a row tells about: 1 if their text is their whole value. Empty: rows have no such column.
    pub fn proved(&self) -> &'s [usize] {
        &self.plan.proved
    }

    /// The places of instants that may be the statement's moment, as a time of the session's zone.
    pub fn clocked(&self) -> &'s [usize] {
        &self.plan.clocked
    }

    /// How many columns the rows give: all, or all but the one that a sequence fills.
    pub fn given(&self) -> usize {
        let added = self.plan.filling.as_ref().is_some_and(|(filling, _)| filling.given.is_empty());
        self.plan.columns.len() - usize::from(added)
    }

    /// The shard that a row goes to; `None`: every shard.
    ///
    /// # Errors
    /// A value that leads to no shard.
    pub fn home(&self, row: &[Value], shards: &Shards) -> Result<Option<usize>, Refusal> {
        self.plan.home.find(&self.plan.columns, row, shards)
    }

    /// The text that inserts so many rows, and has [`Insertion::bind`] in each place.
    pub fn text(&self, rows: usize) -> String {
        let row = |row: usize| {
            let binds: Vec<String> =
                (0..self.plan.columns.len()).map(|column| format!(":{}", Self::bind(row, column))).collect();
            format!("({})", binds.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!("{} VALUES {}{}", self.steps.before, rows.join(", "), self.steps.after)
    }

    /// The bind with one value.
    pub fn bind(row: usize, column: usize) -> String {
        format!("vitrail_value_{row}_{column}")
    }
}

impl Home {
    fn find(&self, columns: &[ColumnSchema], row: &[Value], shards: &Shards) -> Result<Option<usize>, Refusal> {
        let Home::Divided(dividers) = self else { return Ok(None) };
        let value = |(place, divider): &(usize, Divider)| {
            let value = row.get(*place).cloned().unwrap_or(Value::Null);
            Ok((divider.clone(), stored(value, &columns[*place])?))
        };
        let values = dividers.iter().map(value).collect::<Result<Vec<_>, Refusal>>()?;
        id_of_values(values.iter().map(|(divider, value)| (divider, value))).map(|id| Some(shards.find(&id)))
    }
}
