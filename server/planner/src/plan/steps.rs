//! Writes in steps: rows are read over all shards, and then written, each where it is or where it belongs.
//!
//! A plan of this kind is for what no shard can decide about by itself: which rows a LIMIT takes, where rows go that another shard has read,
//! and rows whose shard changes. Whoever runs it does so in one transaction, and undoes all of it if a step fails.

mod allotment;
mod completion;
mod insertion;
mod keyed;
mod placed;
mod rehearsal;

use std::sync::Arc;

use vitrail_proto::value::{Binds, Value};
use vitrail_sql::normalise::Normalised;

pub use self::allotment::Allotment;
pub(crate) use self::allotment::AllotmentPlan;
pub use self::completion::Completion;
pub(crate) use self::completion::CompletionPlan;
pub(crate) use self::insertion::InsertPlan;
pub use self::insertion::{Beside, Insertion};
pub use self::keyed::{KEYS, Keyed, Moving, set_bind};
pub(crate) use self::keyed::{KeyedPlan, MovingPlan};
pub use self::placed::Placed;
pub(crate) use self::rehearsal::RehearsalPlan;
pub use self::rehearsal::{Rehearsal, Verb};
use super::resolve::{Values, id_of_values};
use super::stored::stored;
use super::{Divider, Filling, Part, Plan, Reading, Resolved};
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
    /// RETURNING: it gives the rows back. A text that tells their columns, where there are none; empty: there always are some.
    pub(crate) returning: Option<Vec<Part>>,
}

/// What is done with the rows that were read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WritePlan {
    /// They are updated or deleted, by their keys: those of each table.
    Keyed(Vec<KeyedPlan>),
    /// As many are updated or deleted on each shard as were found there.
    Allot(AllotmentPlan),
    /// They are inserted.
    Insert(InsertPlan),
    /// The statement's own rows are inserted, with values that were read.
    Complete(Box<CompletionPlan>),
    /// The statement runs on the scratch server, over rows that were read, and its changes are written.
    Rehearse(Box<RehearsalPlan>),
}

/// Where rows are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Home {
    /// Each on the shard that these lead to, with their places among the columns.
    Divided(Vec<(usize, Divider)>),
    /// All on every shard.
    Everywhere,
}

/// A write in steps, of one statement.
#[derive(Debug, Clone)]
pub struct Steps {
    plan: Arc<StepsPlan>,
    read: Normalised,
    /// Of each table.
    texts: Vec<Texts>,
    /// The INSERT that is completed.
    completed: Option<Normalised>,
    /// What tells the columns of rows that are given back.
    returning: Option<String>,
}

impl PartialEq for Steps {
    fn eq(&self, other: &Steps) -> bool {
        let completed = |steps: &Steps| steps.completed.as_ref().map(|statement| Arc::clone(&statement.text));
        (&self.plan, &self.read.text, &self.texts, completed(self))
            == (&other.plan, &other.read.text, &other.texts, completed(other))
    }
}

/// What stands around the rows that are written.
#[derive(Debug, Clone, PartialEq)]
struct Texts {
    before: String,
    after: String,
    /// What the key's columns become.
    assigned: Vec<(usize, Value)>,
}

/// What is done with the rows that were read.
#[derive(Debug, Clone)]
pub enum Write<'s> {
    /// They are updated or deleted: those of each table, one table after the other.
    Keyed(Vec<Keyed<'s>>),
    /// As many are updated or deleted on each shard as were found there.
    Allot(Allotment<'s>),
    /// They are inserted.
    Insert(Insertion<'s>),
    /// The statement's own rows are inserted, with values that were read.
    Complete(Completion<'s>),
    /// The statement runs on the scratch server, over rows that were read, and its changes are written.
    Rehearse(Rehearsal<'s>),
}

impl Steps {
    pub(super) fn of(plan: &Arc<StepsPlan>, outer: &Plan, values: &Values<'_>) -> Result<Steps, Refusal> {
        let mut completed = None;
        let texts = match &plan.write {
            WritePlan::Keyed(keyed) => {
                keyed.iter().map(|keyed| keyed.texts(outer, values)).collect::<Result<_, _>>()?
            }
            WritePlan::Allot(allotment) => vec![allotment.texts(outer, values)?],
            WritePlan::Insert(insert) => vec![insert.texts(outer, values)?],
            WritePlan::Complete(completion) => {
                completed = Some(completion.statement.of(values.statement)?);
                Vec::new()
            }
            WritePlan::Rehearse(rehearsal) => vec![rehearsal.texts(outer, values)?],
        };
        let returning = plan.returning.as_ref().map(|text| outer.pieces(text, values)).transpose()?;
        Ok(Steps { plan: Arc::clone(plan), read: plan.read.of(values.statement)?, texts, completed, returning })
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

    /// RETURNING: it gives the rows back.
    pub fn returns(&self) -> bool {
        self.returning.is_some()
    }

    /// The text that tells the columns of the rows that it gives back, where there are none; `None`: there always are some.
    pub fn columns_text(&self) -> Option<&str> {
        self.returning.as_deref().filter(|text| !text.is_empty())
    }

    /// The column that a sequence fills, if rows are inserted that have one.
    pub fn filling(&self) -> Option<&Filling> {
        match &self.plan.write {
            WritePlan::Insert(InsertPlan { filling: Some((filling, _)), .. }) => Some(filling),
            WritePlan::Complete(completion) => completion.statement.plan.filling(),
            _ => None,
        }
    }

    /// What is done with them.
    pub fn write(&self) -> Write<'_> {
        match &self.plan.write {
            WritePlan::Keyed(plans) => {
                Write::Keyed(self.texts.iter().zip(plans).map(|(texts, plan)| Keyed { texts, plan }).collect())
            }
            WritePlan::Allot(plan) => Write::Allot(Allotment { texts: &self.texts[0], plan }),
            WritePlan::Insert(plan) => Write::Insert(Insertion { texts: &self.texts[0], plan }),
            WritePlan::Complete(plan) => {
                let statement = self.completed.as_ref().unwrap_or(&self.read);
                Write::Complete(Completion { statement, plan })
            }
            WritePlan::Rehearse(plan) => Write::Rehearse(Rehearsal { texts: &self.texts[0], plan }),
        }
    }
}

impl StepsPlan {
    /// Only the steps know all of the statement, wherever its rows go.
    pub(super) fn always(&self) -> bool {
        matches!(&self.write, WritePlan::Complete(completion) if completion.statement.plan.filling.is_some())
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
