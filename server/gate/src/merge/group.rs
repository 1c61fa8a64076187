//! Folds the rows of groups, which come sorted from several shards, into one row for each group.
//!
//! One group is in memory at a time; all of them only where they are to be sorted anew, up to a limit.

use vitrail_planner::plan::{Aggregate, Fold, Grouping, Window};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Value;

use super::condition::{Number, holds, numbers};
use super::fold::State;
use super::heads::{Head, Heads, Held};
use super::kept::Kept;
use super::order::{Key, bind};
use super::row::Packer;
use super::{Ends, Gauge, malformed};
use crate::answer::Answer;
use crate::columns::Columns;
use crate::failure;
use crate::scatter::{Calls, Lane};

/// A merge of groups, bound to its columns.
pub(super) struct Groups<'g> {
    grouping: &'g Grouping,
    numbers: Vec<Number<'g>>,
    keys: Vec<Key>,
    order: Vec<Key>,
    columns: usize,
    group: Group,
}

/// The group under way.
struct Group {
    states: Vec<State>,
    distinct: Vec<bool>,
    /// Its first row.
    leader: Held,
    /// The first of its rows that agree in all keys.
    within: Held,
    /// A text for each column, and whether it is NULL; valid once it is finished.
    cells: Vec<(bool, Vec<u8>)>,
}

impl<'g> Groups<'g> {
    /// Fails if a column has another type than its fold needs.
    pub(super) fn new(grouping: &'g Grouping, values: &'g [Value], columns: &Columns) -> Result<Groups<'g>, ErrorBody> {
        if grouping.folds.len() != columns.list.len() {
            return Err(failure::internal("as many folds as columns were expected"));
        }
        let folds = grouping.folds.iter().enumerate();
        let states =
            folds.map(|(at, fold)| State::new(&fold.aggregate, at, &columns.list)).collect::<Result<_, _>>()?;
        Ok(Groups {
            grouping,
            numbers: numbers(values)?,
            keys: bind(&grouping.keys, &columns.list)?,
            order: bind(&grouping.order, &columns.list)?,
            columns: columns.list.len(),
            group: Group {
                states,
                distinct: grouping.folds.iter().map(|fold| fold.distinct).collect(),
                leader: Held::default(),
                within: Held::default(),
                cells: vec![(true, Vec::new()); columns.list.len()],
            },
        })
    }

    /// Merges. Groups come in the order of the keys, or as the statement orders them.
    pub(super) async fn run(
        mut self,
        lanes: &mut [Lane],
        calls: &Calls<'_>,
        window: Window,
        cap: Option<u64>,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, ErrorBody> {
        let mut output = Output { gauge: Gauge::new(window, cap), packer: Packer::default() };
        let mut kept = Kept::new(window);
        let keys = std::mem::take(&mut self.keys);
        let by = self.grouping.group_keys;
        let mut heads = Heads::new(&keys, self.columns, lanes, calls).await?;
        while !output.gauge.is_exhausted() {
            let Some(head) = heads.next(calls).await? else { break };
            let same = |leader: &Head| Some(leader.compare(head, &keys[..by])?.is_eq());
            if let Some(leader) = self.group.leader.get()
                && !same(leader).ok_or_else(malformed)?
            {
                self.close(&mut kept, &mut output, answer).await?;
            }
            if !output.gauge.is_exhausted() {
                self.group.add(head, &keys[by..]).ok_or_else(malformed)?;
            }
        }
        if heads.is_cut() {
            // Of the group under way, and of what follows, a tablet has kept rows back.
            self.group.leader.clear();
            if self.grouping.whole || !self.order.is_empty() {
                return Err(failure::unsupported(
                    "a tablet's limit of rows has cut what groups over several shards are made of; ask for fewer groups, or raise the limit",
                ));
            }
        } else if !output.gauge.is_exhausted() && (self.grouping.whole || self.group.leader.get().is_some()) {
            self.close(&mut kept, &mut output, answer).await?;
        }
        kept.sort(&self.order)?;
        for row in &kept.rows {
            let shown = self.columns - self.grouping.hidden_columns;
            output.push((0..shown).map(|column| row.value(column)), answer).await?;
        }
        if let Some(batch) = output.packer.take() {
            answer.rows(batch).await?;
        }
        let mut ends = Ends::default();
        heads.into_ends().for_each(|end| ends.add(end));
        let end = output.gauge.end(ends);
        let divides = |fold: &Fold| matches!(&fold.aggregate, Aggregate::Computed(operand) if operand.divides());
        if end.warnings > 0 && self.grouping.folds.iter().any(divides) {
            return Err(failure::unsupported(
                "a shard warned of this statement, which divides: perhaps of a part of a group that has nothing to divide by, which MySQL \
                 would not warn of; ask for the aggregates, and divide yourself",
            ));
        }
        Ok(end)
    }

    /// Ends the group under way, and hands it on or keeps it.
    async fn close(&mut self, kept: &mut Kept, output: &mut Output, answer: &mut Answer<'_>) -> Result<(), ErrorBody> {
        self.group.finish(&self.numbers)?;
        if self.is_wanted()? {
            if self.order.is_empty() {
                let shown = self.columns - self.grouping.hidden_columns;
                output.push((0..shown).map(|column| self.group.value(column)), answer).await?;
            } else {
                kept.push((0..self.columns).map(|column| self.group.value(column)), self.columns, &self.order)?;
            }
        }
        self.group.clear();
        Ok(())
    }

    /// Whether HAVING lets the group pass.
    fn is_wanted(&self) -> Result<bool, ErrorBody> {
        let Some(having) = &self.grouping.having else { return Ok(true) };
        let value = |column: usize| self.group.value(column);
        let truth = holds(having, &self.numbers, &value)?;
        let unrounded: Vec<Option<Vec<u8>>> = self.group.states.iter().map(|state| state.unrounded(value)).collect();
        if unrounded.iter().any(Option::is_some) {
            let before = |column: usize| unrounded[column].as_deref().or_else(|| value(column));
            if holds(having, &self.numbers, &before)? != truth {
                return Err(failure::unsupported(
                    "HAVING over several shards compares an average with a number that is nearer to it than the average is exact; compare \
                     with a number of more or fewer digits",
                ));
            }
        }
        Ok(truth == Some(true))
    }
}

impl Group {
    /// Takes a row of the group; `None` if a value is not of its column's type.
    fn add(&mut self, row: &Head, within: &[Key]) -> Option<()> {
        let repeated = match self.within.get() {
            Some(first) => first.compare(row, within)?.is_eq(),
            _ => false,
        };
        if self.leader.get().is_none() {
            self.leader.set(row);
        }
        if !within.is_empty() && !repeated {
            self.within.set(row);
        }
        for (state, distinct) in self.states.iter_mut().zip(&self.distinct) {
            if !(*distinct && repeated) {
                state.add(row)?;
            }
        }
        Some(())
    }

    /// Makes the values of all columns.
    fn finish(&mut self, numbers: &[Number<'_>]) -> Result<(), ErrorBody> {
        for derived in [false, true] {
            for column in 0..self.states.len() {
                if self.states[column].is_derived() != derived {
                    continue;
                }
                let mut text = std::mem::take(&mut self.cells[column].1);
                text.clear();
                let found = self.states[column].finish(&mut text, numbers, |other| self.value(other))?;
                self.cells[column] = (!found, text);
            }
        }
        Ok(())
    }

    fn value(&self, column: usize) -> Option<&[u8]> {
        if self.states[column].is_any() {
            return self.leader.get()?.value(column);
        }
        let (null, text) = &self.cells[column];
        (!null).then_some(text)
    }

    fn clear(&mut self) {
        self.leader.clear();
        self.within.clear();
        self.states.iter_mut().for_each(State::clear);
    }
}

/// Rows on their way to the client.
struct Output {
    gauge: Gauge,
    packer: Packer,
}

impl Output {
    async fn push<'c>(
        &mut self,
        cells: impl Iterator<Item = Option<&'c [u8]>>,
        answer: &mut Answer<'_>,
    ) -> Result<(), ErrorBody> {
        if let (_, 1) = self.gauge.take(1) {
            self.packer.push_values(cells);
            if self.packer.is_full()
                && let Some(batch) = self.packer.take()
            {
                answer.rows(batch).await?;
            }
        }
        Ok(())
    }
}
