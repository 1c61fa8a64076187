//! From the file to what runs: names become numbers and slots, and what is wrong is met before anything is sent.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use vitrail_client::Value;

use super::{Operation, Script, Step, Table};
use crate::statement::Statement;
use crate::value::{Number, Operand, Rule, RuleError};
use crate::workload::file::{self, File};

/// What names stand for, at a place of the file.
struct Scope<'a> {
    scale: &'a BTreeMap<String, i64>,
    /// Names of slots, and whether a text is in them.
    slots: Vec<(String, bool)>,
}

impl Scope<'_> {
    fn operand(&self, number: &Number) -> Result<Operand, RuleError> {
        let name = match number {
            Number::Literal(number) => return Ok(Operand::Literal(*number)),
            Number::Named(name) => name,
        };
        match self.find(name) {
            Some(slot) if self.slots[slot].1 => Err(RuleError::Text(name.clone())),
            Some(slot) => Ok(Operand::Slot(slot)),
            None => {
                self.scale.get(name).map(|number| Operand::Literal(*number)).ok_or(RuleError::Unknown(name.clone()))
            }
        }
    }

    fn rule(&self, rule: &Rule) -> Result<Rule<Operand>, RuleError> {
        rule.with(|number| self.operand(number))
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|(known, _)| known == name)
    }

    /// The slot of a name that is given a value here.
    fn slot(&mut self, name: &str, text: bool) -> usize {
        let slot = self.find(name).unwrap_or_else(|| {
            self.slots.push((name.to_owned(), text));
            self.slots.len() - 1
        });
        self.slots[slot].1 = text;
        slot
    }
}

impl Script {
    pub(in crate::workload) fn parse(text: &str, scale: &[(String, i64)]) -> Result<Script> {
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
        let operations = file.operation.into_iter().map(|operation| Operation::new(operation, &numbers));
        let operations = operations.collect::<Result<Vec<_>>>()?;
        let weights = operations.iter().map(|operation| operation.weight).sum();
        if weights == 0 {
            bail!("no operation has a weight above 0");
        }
        let tables = file.table.into_iter().map(|table| Table::new(table, &numbers)).collect::<Result<Vec<_>>>()?;
        Ok(Script { tables, operations, totals: file.total, weights })
    }
}

impl Table {
    fn new(table: file::Table, scale: &BTreeMap<String, i64>) -> Result<Table> {
        let place = || format!("table {}", table.name);
        let mut scope = Scope { scale, slots: vec![("row".to_owned(), false)] };
        let rows = scope.operand(&table.rows).with_context(place)?.of(&[]);
        let mut fill = Vec::with_capacity(table.fill.len());
        for (column, rule) in in_order(table.fill).with_context(place)? {
            let compiled = scope.rule(&rule).with_context(|| format!("{}, column {column}", place()))?;
            let slot = scope.slot(&column, rule.is_text());
            fill.push((column, slot, compiled));
        }
        if fill.is_empty() && rows > 0 {
            bail!("table {}: fill names no column, and {rows} rows are wanted", table.name);
        }
        let slots = scope.slots.len();
        let name = table.name.clone();
        let compiled = Table {
            name: table.name,
            definition: table.definition,
            rows,
            shard_by: table.shard_by,
            reference: table.reference,
            fill,
            slots,
        };
        // Drawn once, so that an empty range is met before anything is sent.
        compiled.row(1, &mut String::new()).with_context(|| format!("table {name}"))?;
        Ok(compiled)
    }
}

impl Operation {
    fn new(operation: file::Operation, scale: &BTreeMap<String, i64>) -> Result<Operation> {
        let place = || format!("operation {}", operation.name);
        let mut scope = Scope { scale, slots: Vec::new() };
        let mut steps = Vec::with_capacity(operation.step.len());
        for step in operation.step {
            steps.push(Step::new(step, &mut scope).with_context(place)?);
        }
        match steps.as_slice() {
            [] => bail!("operation {} has no step", operation.name),
            [only] if only.times == 1 => {}
            _ if operation.retries > 0 && !operation.transaction => bail!(
                "operation {} has retries and several statements, of which some would be run twice: give it transaction = true",
                operation.name
            ),
            _ => {}
        }
        let add = |(counter, amount): (&String, &Number)| Ok((counter.clone(), scope.operand(amount)?));
        let adds = operation.adds.iter().map(add).collect::<Result<Vec<_>, RuleError>>().with_context(place)?;
        let slots = scope.slots.len();
        let mut drawn = vec![Value::Int(1); slots];
        let dice = &mut SmallRng::seed_from_u64(0);
        for step in &steps {
            step.draw(&mut drawn, dice).with_context(place)?;
        }
        Ok(Operation {
            retries: operation.retries,
            weight: operation.weight,
            transaction: operation.transaction,
            adds,
            steps,
            slots,
            name: operation.name,
        })
    }
}

impl Step {
    fn new(step: file::Step, scope: &mut Scope<'_>) -> Result<Step> {
        let mut rules = Vec::with_capacity(step.binds.len());
        for (name, rule) in in_order(step.binds)? {
            let compiled = scope.rule(&rule).with_context(|| format!("the bind {name}"))?;
            rules.push((scope.slot(&name, rule.is_text()), compiled));
        }
        let statement = Statement::new(step.sql);
        let bind = |name: &str| scope.find(name).with_context(|| format!("nothing gives :{name} a value"));
        let binds = statement.names().iter().map(|name| bind(name)).collect::<Result<Vec<_>>>()?;
        let rows = step.rows.map(|rows| scope.operand(&rows)).transpose()?;
        let affected = step.affected.map(|affected| scope.operand(&affected)).transpose()?;
        let first = step.first.iter().map(|rule| scope.rule(rule)).collect::<Result<Vec<_>, _>>()?;
        let keep = step.keep.iter().map(|name| scope.slot(name, false)).collect();
        Ok(Step { statement, binds, times: step.times, rules, rows, affected, first, keep })
    }
}

/// Rules in an order in which each names only those before it.
fn in_order(mut rules: BTreeMap<String, Rule>) -> Result<Vec<(String, Rule)>> {
    let mut ordered = Vec::with_capacity(rules.len());
    while !rules.is_empty() {
        let waits = |rule: &Rule| {
            rule.numbers().into_iter().any(|number| matches!(number, Number::Named(name) if rules.contains_key(name)))
        };
        let Some(ready) = rules.iter().find(|(_, rule)| !waits(rule)).map(|(name, _)| name.clone()) else {
            let names: Vec<&str> = rules.keys().map(String::as_str).collect();
            bail!("{} name each other in a circle", names.join(", "));
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

    fn step(rest: &str) -> String {
        format!("[[operation]]\nname = 'a'\n[[operation.step]]\n{rest}\n")
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_place() {
        for (text, says) in [
            (step("sql = 'SELECT :id'"), "operation a: nothing gives :id a value"),
            (step("sql = 'SELECT :x'\nbinds = { x = 'y', y = 'x' }"), "operation a: x, y name each other in a circle"),
            (step("sql = 'SELECT :x'\nbinds = { x = 'x' }"), "operation a: x name each other in a circle"),
            (step("sql = 'SELECT :x'\nbinds = { x = 'rows' }"), "the bind x: nothing is called `rows` here"),
            (step("sql = 'SELECT :x'\nbinds = { x = { uniform = [5, 1] } }"), "there is no number from 5 to 1"),
            (
                step("sql = 'SELECT :x'\nbinds = { x = { text = 3 }, y = { sum = ['x'] } }"),
                "the bind y: `x` is a text, and a number is wanted",
            ),
            ("[[operation]]\nname = 'a'\nstep = []".to_owned(), "operation a has no step"),
            (
                "[[operation]]\nname = 'a'\nretries = 1\n[[operation.step]]\ntimes = 2\nsql = 'SELECT 1'".into(),
                "transaction = true",
            ),
            (
                "[[operation]]\nname = 'a'\nadds = { n = 'm' }\n[[operation.step]]\nsql = 'SELECT 1'".into(),
                "called `m`",
            ),
            (
                "[[table]]\nname = 't'\ndefinition = 'id INT'\nrows = 1\nfill = { id = 'now' }\n".to_owned()
                    + &step("sql = 'SELECT 1'"),
                "table t, column id: nothing is called `now` here",
            ),
        ] {
            let error = refused(&text);
            assert!(error.contains(says), "{error}");
        }
        let key = refused("[[operation]]\nname = 'a'\nwieght = 5\n[[operation.step]]\nsql = 'SELECT 1'\n");
        assert!(key.contains("wieght") && key.contains("line 3"), "{key}");
    }

    #[test]
    fn columns_may_name_the_row_and_each_other() {
        let text = "[scale]\nrows = 20\n[[table]]\nname = 't'\ndefinition = 'id INT, half INT, c VARCHAR(9)'\nrows = 'rows'\n\
                    fill = { c = { text = 3, of = 'half' }, half = { remainder = ['id', 2] }, id = { sum = ['row', 100] } }\n";
        let script = Script::parse(&(text.to_owned() + &step("sql = 'SELECT 1'")), &[]).expect("a script");
        let table = &script.tables[0];
        assert_eq!(table.rows, 20);
        assert_eq!(table.fill.iter().map(|(column, ..)| column.as_str()).collect::<Vec<_>>(), ["id", "half", "c"]);
        let mut row = String::new();
        table.row(5, &mut row).expect("a row");
        assert_eq!(row, format!("(105, 1, '{}')", crate::value::letters(1, 3)));
    }
}
