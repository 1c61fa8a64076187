//! Joins over shards: the gate reads one side, asks the next one for rows with the values that it has found, and matches them.
//!
//! What is made of the joined rows is what would be made of those of shards: their columns are those of the statement's text for several shards.

use std::sync::Arc;

use vitrail_proto::value::{Binds, Value};
use vitrail_sql::normalise::Normalised;

use super::{Condition, Reading, Resolved};
use crate::key_range::Shards;
use crate::refusal::Refusal;

/// How rows are read and matched, for every statement with one key.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinPlan {
    /// In the order of reading. The first drives.
    pub(crate) sides: Vec<SidePlan>,
    /// Columns of the sides, by the numbers that the rest uses.
    pub slots: Vec<Slot>,
    /// One for each column of the answer, hidden ones too.
    pub outputs: Vec<Pick>,
    /// All columns of the answer are columns of the first side, which tells what they are; those with an alias have it here. `None`: a
    /// statement without rows is asked.
    pub titles: Option<Vec<Option<Arc<str>>>>,
    /// Literals of the statement that sides have as binds.
    pub(crate) literals: Vec<usize>,
}

/// One side, read by a statement of its own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SidePlan {
    pub(crate) reading: Reading,
    pub(crate) step: Step,
}

/// How a side's rows belong to those of the sides before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// How many columns its rows have.
    pub columns: usize,
    /// Equalities. Without any, all of its rows may belong to all.
    pub keys: Vec<JoinKey>,
    /// What a row that belongs must fulfil besides.
    pub matches: Option<Condition>,
    /// Rows of the sides before remain without a row of this one: LEFT JOIN.
    pub outer: bool,
    /// What joined rows must fulfil once those that remain are among them.
    pub after: Option<Condition>,
}

/// A column of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// By the order of reading.
    pub side: usize,
    /// From 0.
    pub column: usize,
}

/// An equality between a column of a side before and one of this side, by their slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinKey {
    /// The value that this side is asked for.
    pub value: usize,
    /// What is compared of it.
    pub left: usize,
    /// With this, of this side.
    pub right: usize,
    /// How.
    pub equality: Equality,
}

/// When two values that are not NULL are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Equality {
    /// As exact numbers.
    Number,
    /// Both are of one type, and their bytes are the same.
    Bytes,
    /// WEIGHT_STRINGs of one collation, padded with this.
    Weight(Vec<u8>),
}

/// Where a column of a joined row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// A slot.
    Slot(usize),
    /// 1 if the slot is not NULL, else NULL: what COUNT counts.
    Counted(usize),
    /// 1
    One,
    /// It is made of others.
    Null,
}

/// A join of one statement.
#[derive(Debug, Clone)]
pub struct Join {
    plan: Arc<JoinPlan>,
    texts: Vec<Normalised>,
    literals: Vec<(String, Value)>,
}

impl PartialEq for Join {
    fn eq(&self, other: &Join) -> bool {
        let texts = |join: &Join| join.texts.iter().map(|text| Arc::clone(&text.text)).collect::<Vec<_>>();
        self.plan == other.plan && texts(self) == texts(other)
    }
}

impl Join {
    pub(crate) fn of(plan: &Arc<JoinPlan>, statement: &Normalised) -> Result<Join, Refusal> {
        let mut texts = Vec::with_capacity(plan.sides.len());
        for side in &plan.sides {
            texts.push(side.reading.of(statement)?);
        }
        let value = |index: &usize| match statement.literal_value(*index) {
            Ok(value) => Ok((literal_bind(*index), value)),
            Err(error) => Err(Refusal::invalid("literal", error.to_string())),
        };
        let literals = plan.literals.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Join { plan: Arc::clone(plan), texts, literals })
    }

    /// How its rows are matched.
    pub fn plan(&self) -> &JoinPlan {
        &self.plan
    }

    /// How many sides it has.
    pub fn sides(&self) -> usize {
        self.plan.sides.len()
    }

    /// The text that reads a side.
    pub fn text(&self, side: usize) -> &str {
        &self.texts[side].text
    }

    /// How a side's rows are matched.
    pub fn step(&self, side: usize) -> &Step {
        &self.plan.sides[side].step
    }

    /// The statements that read a side. `keys`: the values that it is asked for, one list for each of its keys.
    ///
    /// # Errors
    /// Those of [`Plan::resolve`].
    pub fn read(
        &self,
        side: usize,
        keys: Vec<Vec<Value>>,
        binds: &Arc<Binds>,
        shards: &Shards,
    ) -> Result<Resolved, Refusal> {
        let mut all = Arc::clone(binds);
        if !keys.is_empty() || !self.literals.is_empty() {
            let binds = Arc::make_mut(&mut all);
            for (index, values) in keys.into_iter().enumerate() {
                binds.set(key_bind(index), Value::List(values));
            }
            for (name, value) in &self.literals {
                binds.set(name.as_str(), value.clone());
            }
        }
        self.plan.sides[side].reading.plan.resolve(&self.texts[side], &all, shards)
    }
}

/// The bind with the values of a key.
pub(crate) fn key_bind(index: usize) -> String {
    format!("vitrail_key_{index}")
}

/// The bind with a literal of the statement.
pub(crate) fn literal_bind(index: usize) -> String {
    format!("vitrail_literal_{index}")
}
