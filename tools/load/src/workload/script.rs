//! A workload of a file, ready to run.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};
use futures_util::future::try_join_all;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use vitrail_client::{Binds, Value};
use vitrail_proto::error::Executed;

use super::Tally;
use super::file::{self, File};
use super::tally::Total;
use super::vschema::{Placed, Placement};
use crate::connection::{Answer, Connection, Failure};
use crate::statement::Statement;
use crate::value::{Known, Number, Rule, RuleError};

/// Rows of one INSERT while tables are filled.
const FILL: i64 = 500;

pub(super) struct Script {
    scale: Vec<(String, i64)>,
    tables: Vec<file::Table>,
    pub(super) operations: Vec<Operation>,
    pub(super) totals: Vec<Total>,
    weights: u32,
}

pub(super) struct Operation {
    pub(super) name: String,
    pub(super) retries: u32,
    weight: u32,
    transaction: bool,
    adds: BTreeMap<String, u64>,
    steps: Vec<Step>,
}

struct Step {
    statement: Statement,
    times: u32,
    /// In an order in which each names only what stands before.
    rules: Vec<(String, Rule)>,
    rows: Option<Number>,
    affected: Option<Number>,
    first: Vec<Rule>,
    keep: Vec<String>,
}

impl Script {
    pub(super) fn parse(text: &str, scale: &[(String, i64)]) -> Result<Script> {
        let file: File = toml::from_str(text).map_err(|error| anyhow!("{}", error.to_string().trim_end()))?;
        let mut numbers = file.scale;
        for (name, number) in scale {
            match numbers.get_mut(name) {
                Some(known) => *known = *number,
                None => {
                    let known: Vec<&str> = numbers.keys().map(String::as_str).collect();
                    bail!("it has no number `{name}`; its [scale] has {}", known.join(", "))
                }
            }
        }
        let operations = file.operation.into_iter().map(Operation::new).collect::<Result<Vec<_>>>()?;
        let weights = operations.iter().map(|operation| operation.weight).sum();
        if weights == 0 {
            bail!("no operation has a weight above 0");
        }
        let script = Script {
            scale: numbers.into_iter().collect(),
            tables: file.table,
            operations,
            totals: file.total,
            weights,
        };
        script.check()?;
        Ok(script)
    }

    /// Draws every value once: a wrong name is met before anything is sent.
    fn check(&self) -> Result<()> {
        let dice = &mut SmallRng::seed_from_u64(0);
        for operation in &self.operations {
            let mut drawn = Binds::new();
            for step in &operation.steps {
                self.draw(step, &mut drawn, dice).with_context(|| format!("operation {}", operation.name))?;
                for name in &step.keep {
                    drawn.set(name.as_str(), Value::Int(1));
                }
                let binds = step.statement.names().find(|name| drawn.get(name).is_none());
                if let Some(name) = binds {
                    bail!("operation {}: nothing gives :{name} a value", operation.name);
                }
            }
        }
        for table in &self.tables {
            self.row(table, 1, dice).with_context(|| format!("table {}", table.name))?;
        }
        Ok(())
    }

    pub(super) fn choose(&self, dice: &mut SmallRng) -> usize {
        let mut left = dice.random_range(0..self.weights);
        self.operations
            .iter()
            .position(|operation| match left.checked_sub(operation.weight) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            })
            .unwrap_or_default()
    }

    pub(super) async fn operate(
        &self,
        operation: usize,
        connection: &mut Connection,
        dice: &mut SmallRng,
        tally: &mut Tally,
    ) -> Result<u64, Failure> {
        let operation = &self.operations[operation];
        let outcome = self.steps(operation, connection, dice).await;
        // One that failed before COMMIT was sent has done nothing.
        let possible = match &outcome {
            Ok(_) => true,
            Err((failure, committing)) => failure.executed != Executed::No && (*committing || !operation.transaction),
        };
        if possible {
            for (counter, amount) in &operation.adds {
                tally.add(counter, *amount, outcome.is_ok());
            }
        }
        outcome.map_err(|(failure, _)| failure)
    }

    /// Runs the steps; says how many statements that were, or what failed and whether that was the COMMIT.
    async fn steps(
        &self,
        operation: &Operation,
        connection: &mut Connection,
        dice: &mut SmallRng,
    ) -> Result<u64, (Failure, bool)> {
        let mut statements = 0;
        if operation.transaction {
            connection.begin().await.map_err(|failure| (failure, false))?;
            statements += 2;
        }
        let mut drawn = Binds::new();
        for step in &operation.steps {
            for _ in 0..step.times {
                statements += 1;
                if let Err(failure) = self.step(step, connection, &mut drawn, dice).await {
                    if operation.transaction && !failure.lost {
                        connection.roll_back().await;
                    }
                    return Err((failure, false));
                }
            }
        }
        if operation.transaction {
            connection.commit().await.map_err(|failure| (failure, true))?;
        }
        Ok(statements)
    }

    async fn step(
        &self,
        step: &Step,
        connection: &mut Connection,
        drawn: &mut Binds,
        dice: &mut SmallRng,
    ) -> Result<(), Failure> {
        self.draw(step, drawn, dice).map_err(|error| Failure::wrong(error.to_string()))?;
        let mut binds = Binds::new();
        for name in step.statement.names() {
            if let Some(value) = drawn.get(name) {
                binds.set(name, value.clone());
            }
        }
        let first = !step.first.is_empty() || !step.keep.is_empty();
        let answer = connection.run(&step.statement, &binds, first).await?;
        self.verify(step, &answer, drawn, dice)?;
        for (name, cell) in step.keep.iter().zip(&answer.first) {
            let number = cell.as_deref().and_then(|text| text.parse().ok());
            drawn.set(
                name.as_str(),
                Value::Int(number.ok_or_else(|| Failure::wrong(format!("{name} is {cell:?}, and no number")))?),
            );
        }
        Ok(())
    }

    fn draw(&self, step: &Step, drawn: &mut Binds, dice: &mut SmallRng) -> Result<(), RuleError> {
        for (name, rule) in &step.rules {
            let value = rule.draw(&Known { scale: &self.scale, binds: drawn }, dice)?;
            drawn.set(name.as_str(), value);
        }
        Ok(())
    }

    fn verify(&self, step: &Step, answer: &Answer, drawn: &Binds, dice: &mut SmallRng) -> Result<(), Failure> {
        let known = Known { scale: &self.scale, binds: drawn };
        let wrong = |error: RuleError| Failure::wrong(error.to_string());
        for (what, wanted, found) in
            [("rows came", &step.rows, answer.rows), ("rows were changed", &step.affected, answer.affected)]
        {
            if let Some(wanted) = wanted {
                let wanted = Rule::Number(wanted.clone()).draw(&known, dice).map_err(wrong)?;
                if wanted != Value::Int(i64::try_from(found).unwrap_or(i64::MAX)) {
                    return Err(Failure::wrong(format!(
                        "{found} {what}, and {wanted:?} had to: {}",
                        step.statement.template()
                    )));
                }
            }
        }
        for (index, rule) in step.first.iter().enumerate() {
            let wanted = match rule.draw(&known, dice).map_err(wrong)? {
                Value::Int(number) => number.to_string(),
                Value::Text(text) => text,
                other => format!("{other:?}"),
            };
            let found = answer.first.get(index).cloned().flatten();
            if found.as_deref() != Some(wanted.as_str()) {
                return Err(Failure::wrong(format!(
                    "cell {index} is {found:?}, and had to be {wanted:?}: {}",
                    step.statement.template()
                )));
            }
        }
        Ok(())
    }

    pub(super) async fn prepare(
        &self,
        connections: &mut [Connection],
        progress: &(dyn Fn(&str, u64) + Sync),
    ) -> Result<()> {
        for table in &self.tables {
            let first = connections.first_mut().context("tables are made over a connection")?;
            for sql in [
                format!("DROP TABLE IF EXISTS {}", table.name),
                format!("CREATE TABLE {} ({})", table.name, table.definition),
            ] {
                first.text(&sql).await.with_context(|| sql.clone())?;
            }
            let rows = Rule::Number(table.rows.clone());
            let known = Known { scale: &self.scale, binds: &Binds::new() };
            let Value::Int(rows) = rows.draw(&known, &mut SmallRng::seed_from_u64(0))? else {
                bail!("rows is no number")
            };
            let written = std::sync::atomic::AtomicU64::new(0);
            let next = std::sync::atomic::AtomicI64::new(1);
            let workers =
                connections.iter_mut().map(|connection| self.fill(table, rows, &next, &written, connection, progress));
            try_join_all(workers).await?;
        }
        Ok(())
    }

    /// Writes batches of rows until there are none left.
    async fn fill(
        &self,
        table: &file::Table,
        rows: i64,
        next: &std::sync::atomic::AtomicI64,
        written: &std::sync::atomic::AtomicU64,
        connection: &mut Connection,
        progress: &(dyn Fn(&str, u64) + Sync),
    ) -> Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        let columns: Vec<&str> = table.fill.keys().map(String::as_str).collect();
        loop {
            let from = next.fetch_add(FILL, Relaxed);
            let count = FILL.min(rows - from + 1);
            if count <= 0 {
                return Ok(());
            }
            let mut sql = format!("INSERT INTO {} ({}) VALUES ", table.name, columns.join(", "));
            for row in from..from + count {
                // Of its own, so that a table is the same however many fill it.
                let dice = &mut SmallRng::seed_from_u64(row as u64);
                sql.push_str(if row == from { "(" } else { ", (" });
                sql.push_str(&self.row(table, row, dice)?.join(", "));
                sql.push(')');
            }
            connection.text(&sql).await.with_context(|| format!("rows of {}", table.name))?;
            let all = written.fetch_add(count as u64, Relaxed) + count as u64;
            progress(&table.name, all);
        }
    }

    /// The literals of a row.
    fn row(&self, table: &file::Table, row: i64, dice: &mut SmallRng) -> Result<Vec<String>> {
        let mut binds = Binds::new();
        binds.set("row", Value::Int(row));
        let known = Known { scale: &self.scale, binds: &binds };
        let values = table.fill.iter().map(|(column, rule)| {
            let value = rule.draw(&known, dice).with_context(|| column.clone())?;
            let mut one = Binds::new();
            one.set("v", value);
            Ok(Statement::new(":v").literal(&one)?)
        });
        values.collect()
    }

    /// Where a sharded keyspace has its tables.
    pub(super) fn placed(&self) -> Result<Vec<Placed<'_>>> {
        self.tables.iter().map(placed).collect()
    }
}

fn placed(table: &file::Table) -> Result<Placed<'_>> {
    match (&table.shard_by, table.reference) {
        (Some(_), true) => bail!("the table {} has shard_by and reference: take one", table.name),
        (None, false) => bail!(
            "the table {} says nothing of sharded keyspaces: give it shard_by = \"COLUMN\", or reference = true for all rows on every shard",
            table.name
        ),
        (None, true) => Ok(Placed { table: &table.name, placement: Placement::Everywhere }),
        (Some(column), false) => {
            Ok(Placed { table: &table.name, placement: Placement::By { column, vindex: "xxhash" } })
        }
    }
}

impl Operation {
    fn new(operation: file::Operation) -> Result<Operation> {
        let steps = operation.step.into_iter().map(Step::new).collect::<Result<Vec<_>>>();
        let steps = steps.with_context(|| format!("operation {}", operation.name))?;
        if steps.is_empty() {
            bail!("operation {} has no step", operation.name);
        }
        Ok(Operation {
            name: operation.name,
            retries: operation.retries,
            weight: operation.weight,
            transaction: operation.transaction,
            adds: operation.adds,
            steps,
        })
    }
}

impl Step {
    fn new(step: file::Step) -> Result<Step> {
        Ok(Step {
            statement: Statement::new(step.sql),
            times: step.times,
            rules: in_order(step.binds)?,
            rows: step.rows,
            affected: step.affected,
            first: step.first,
            keep: step.keep,
        })
    }
}

/// Rules in an order in which each names only those before it.
fn in_order(mut rules: BTreeMap<String, Rule>) -> Result<Vec<(String, Rule)>> {
    let mut ordered = Vec::with_capacity(rules.len());
    while !rules.is_empty() {
        let waits = |rule: &Rule, own: &str| {
            rule.names().any(|name| name != own && rules.contains_key(name)) || rule.names().any(|name| name == own)
        };
        let Some(ready) = rules.iter().find(|(own, rule)| !waits(rule, own)).map(|(name, _)| name.clone()) else {
            let names: Vec<&str> = rules.keys().map(String::as_str).collect();
            bail!("the binds {} name each other in a circle", names.join(", "));
        };
        if let Some(rule) = rules.remove(&ready) {
            ordered.push((ready, rule));
        }
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let Err(error) = Script::parse(text, &[]) else { panic!("taken: {text}") };
        format!("{error:#}")
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_place() {
        let unknown = refused("[[operation]]\nname = 'a'\n[[operation.step]]\nsql = 'SELECT :id'\n");
        assert!(unknown.contains("operation a: nothing gives :id a value"), "{unknown}");
        let circle =
            refused("[[operation]]\nname = 'a'\n[[operation.step]]\nsql = 'SELECT :x'\nbinds = { x = 'y', y = 'x' }\n");
        assert!(circle.contains("the binds x, y name each other in a circle"), "{circle}");
        let name =
            refused("[[operation]]\nname = 'a'\n[[operation.step]]\nsql = 'SELECT :x'\nbinds = { x = 'rows' }\n");
        assert!(name.contains("nothing is called `rows` here"), "{name}");
        let key = refused("[[operation]]\nname = 'a'\nwieght = 5\n[[operation.step]]\nsql = 'SELECT 1'\n");
        assert!(key.contains("wieght") && key.contains("line 3"), "{key}");
    }
}
