//! A workload of a file, ready to run. Names were looked up when it was read ([`compile`]): what a client draws stands in slots.

mod compile;
mod fill;

use anyhow::{Result, bail};
use rand::Rng;
use rand::rngs::SmallRng;
use vitrail_client::Value;
use vitrail_proto::error::Executed;

use super::Tally;
use super::tally::Total;
use super::vschema::{Placed, Placement};
use crate::connection::{Answer, Connection, Failure};
use crate::statement::{Statement, Values};
use crate::value::{Operand, Rule, RuleError};

pub(super) struct Script {
    tables: Vec<Table>,
    pub(super) operations: Vec<Operation>,
    pub(super) totals: Vec<Total>,
    weights: u32,
}

struct Table {
    name: String,
    definition: String,
    rows: i64,
    shard_by: Option<String>,
    reference: bool,
    /// Columns with their slots and rules, in an order in which each names only what stands before; the row's number is in the first slot.
    fill: Vec<(String, usize, Rule<Operand>)>,
    slots: usize,
}

pub(super) struct Operation {
    pub(super) name: String,
    pub(super) retries: u32,
    weight: u32,
    transaction: bool,
    adds: Vec<(String, Operand)>,
    steps: Vec<Step>,
    /// How many values it draws.
    slots: usize,
}

struct Step {
    statement: Statement,
    /// The slot of each of the statement's names.
    binds: Vec<usize>,
    times: u32,
    /// Slots and rules, in an order in which each names only what stands before.
    rules: Vec<(usize, Rule<Operand>)>,
    rows: Option<Operand>,
    affected: Option<Operand>,
    first: Vec<Rule<Operand>>,
    /// Slots of the first row's numbers.
    keep: Vec<usize>,
}

/// Where a failure was met.
enum Stopped {
    /// After so many statements.
    At(Failure, u64),
    /// By COMMIT.
    Committing(Failure),
}

/// The values of a step's statement.
struct Drawn<'a> {
    slots: &'a [Value],
    binds: &'a [usize],
}

impl Values for Drawn<'_> {
    fn value(&self, index: usize, _: &str) -> Option<&Value> {
        self.slots.get(*self.binds.get(index)?)
    }
}

impl From<RuleError> for Failure {
    fn from(error: RuleError) -> Failure {
        Failure::wrong(error.to_string())
    }
}

impl Script {
    pub(super) fn choose(&self, dice: &mut SmallRng) -> usize {
        if self.operations.len() == 1 {
            return 0;
        }
        let mut left = dice.random_range(0..self.weights);
        let chosen = self.operations.iter().position(|operation| match left.checked_sub(operation.weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        chosen.unwrap_or_default()
    }

    pub(super) async fn operate(
        &self,
        operation: usize,
        connection: &mut Connection,
        dice: &mut SmallRng,
        tally: &mut Tally,
    ) -> Result<u64, Failure> {
        let operation = &self.operations[operation];
        let mut slots = vec![Value::Int(0); operation.slots];
        let outcome = operation.run(connection, &mut slots, dice).await;
        let possible = match &outcome {
            Ok(_) => true,
            // A transaction that failed before COMMIT was sent has done nothing.
            Err(Stopped::At(failure, done)) => {
                !operation.transaction && (*done > 0 || failure.executed != Executed::No)
            }
            Err(Stopped::Committing(failure)) => failure.executed != Executed::No,
        };
        if possible {
            for (counter, amount) in &operation.adds {
                let amount = amount.of(&slots);
                let amount = u64::try_from(amount)
                    .map_err(|_| Failure::wrong(format!("{} would add {amount} to {counter}", operation.name)))?;
                tally.add(counter, amount, outcome.is_ok());
            }
        }
        outcome.map_err(|stopped| match stopped {
            Stopped::At(failure, _) | Stopped::Committing(failure) => failure,
        })
    }

    /// Where a sharded keyspace has its tables.
    pub(super) fn placed(&self) -> Result<Vec<Placed<'_>>> {
        self.tables.iter().map(Table::placed).collect()
    }
}

impl Operation {
    /// Runs its steps; says how many statements that were.
    async fn run(&self, connection: &mut Connection, slots: &mut [Value], dice: &mut SmallRng) -> Result<u64, Stopped> {
        let mut done = 0;
        if self.transaction {
            connection.begin().await.map_err(|failure| Stopped::At(failure, 0))?;
            done += 1;
        }
        for step in &self.steps {
            for _ in 0..step.times {
                if let Err(failure) = step.run(connection, slots, dice).await {
                    if self.transaction && !failure.lost {
                        connection.roll_back().await;
                    }
                    return Err(Stopped::At(failure, done));
                }
                done += 1;
            }
        }
        if self.transaction {
            connection.commit().await.map_err(Stopped::Committing)?;
            done += 1;
        }
        Ok(done)
    }
}

impl Step {
    async fn run(&self, connection: &mut Connection, slots: &mut [Value], dice: &mut SmallRng) -> Result<(), Failure> {
        self.draw(slots, dice)?;
        let mut right: Result<bool, RuleError> = Ok(true);
        let (mut seen, mut kept) = (0, Vec::new());
        let first = |index: usize, cell: Option<&[u8]>| {
            seen += 1;
            if let (Ok(true), Some(rule)) = (&right, self.first.get(index)) {
                right = rule.gives(cell, slots, dice);
            }
            if index < self.keep.len() {
                kept.push(cell.and_then(|cell| std::str::from_utf8(cell).ok()?.parse().ok()));
            }
        };
        let answer = connection.run(&self.statement, &Drawn { slots, binds: &self.binds }, first).await?;
        self.count(&answer, slots)?;
        let sql = self.statement.template();
        if seen < self.first.len().max(self.keep.len()) {
            return Err(Failure::wrong(format!("{seen} cells came: {sql}")));
        }
        if !right? {
            return Err(self.spoilt(slots, dice));
        }
        for (slot, number) in self.keep.iter().zip(kept) {
            let number: Option<i64> = number;
            slots[*slot] = Value::Int(number.ok_or_else(|| Failure::wrong(format!("a cell is no number: {sql}")))?);
        }
        Ok(())
    }

    fn draw(&self, slots: &mut [Value], dice: &mut SmallRng) -> Result<(), RuleError> {
        for (slot, rule) in &self.rules {
            slots[*slot] = rule.draw(slots, dice)?;
        }
        Ok(())
    }

    fn count(&self, answer: &Answer, slots: &[Value]) -> Result<(), Failure> {
        for (what, wanted, found) in
            [("rows came", &self.rows, answer.rows), ("rows were changed", &self.affected, answer.affected)]
        {
            let Some(wanted) = wanted.map(|wanted| wanted.of(slots)) else { continue };
            if u64::try_from(wanted) != Ok(found) {
                let sql = self.statement.template();
                return Err(Failure::wrong(format!("{found} {what}, and {wanted} had to: {sql}")));
            }
        }
        Ok(())
    }

    /// What the first row had to be.
    fn spoilt(&self, slots: &[Value], dice: &mut SmallRng) -> Failure {
        let wanted: Vec<String> = self
            .first
            .iter()
            .map(|rule| rule.draw(slots, dice).map_or_else(|error| error.to_string(), shown))
            .collect();
        let sql = self.statement.literal(&Drawn { slots, binds: &self.binds }).unwrap_or_default();
        Failure::wrong(format!("the first row had to begin with {}: {sql}", wanted.join(", ")))
    }
}

fn shown(value: Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text,
        other => format!("{other:?}"),
    }
}

impl Table {
    fn placed(&self) -> Result<Placed<'_>> {
        let placement = match (&self.shard_by, self.reference) {
            (Some(_), true) => bail!("the table {} has shard_by and reference: take one", self.name),
            (None, false) => bail!(
                "the table {} says nothing of sharded keyspaces: give it shard_by = \"COLUMN\", or reference = true for all rows on every shard",
                self.name
            ),
            (None, true) => Placement::Everywhere,
            (Some(column), false) => Placement::By { column, vindex: "xxhash" },
        };
        Ok(Placed { table: &self.name, placement })
    }
}
