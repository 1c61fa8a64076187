//! What clients do: workloads that come with the tool, workloads of a file, and TPC-C.

mod file;
mod script;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rand::rngs::SmallRng;

use crate::connection::{Connection, Failure};
use script::Script;

/// Workloads that come with the tool, by name; each is a file as users may write.
const BUILTIN: &[(&str, &str)] = &[
    ("point-select", include_str!("workload/builtin/point-select.toml")),
    ("range", include_str!("workload/builtin/range.toml")),
    ("read-write", include_str!("workload/builtin/read-write.toml")),
    ("write", include_str!("workload/builtin/write.toml")),
    ("herd", include_str!("workload/builtin/herd.toml")),
    ("rows", include_str!("workload/builtin/rows.toml")),
];

/// Something that clients do again and again.
pub struct Workload {
    /// What reports call it.
    pub name: String,
    script: Script,
}

/// Counters of what was acknowledged, and of what may have been done.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, (u64, u64)>);

impl Tally {
    /// Counts what an operation adds, once it is known, or may be so.
    pub fn add(&mut self, counter: &str, amount: u64, certain: bool) {
        let (known, possible) = self.0.entry(counter.to_owned()).or_default();
        *known += if certain { amount } else { 0 };
        *possible += amount;
    }

    /// Adds what others have counted.
    pub fn merge(&mut self, other: &Tally) {
        for (counter, (known, possible)) in &other.0 {
            let mine = self.0.entry(counter.clone()).or_default();
            mine.0 += known;
            mine.1 += possible;
        }
    }

    /// The least and the most that a counter can be.
    pub fn of(&self, counter: &str) -> (u64, u64) {
        self.0.get(counter).copied().unwrap_or_default()
    }
}

impl Workload {
    /// A workload by its name, or of a file, whose name ends with `.toml`. `scale` replaces numbers of its `[scale]`.
    ///
    /// # Errors
    ///
    /// What is wrong with the name, the file or the scale.
    pub fn load(name: &str, scale: &[(String, i64)]) -> Result<Workload> {
        let (name, text) = match BUILTIN.iter().find(|(known, _)| *known == name) {
            Some((known, text)) => ((*known).to_owned(), (*text).to_owned()),
            None if name.ends_with(".toml") => {
                let text = std::fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
                let stem = Path::new(name).file_stem().map_or(name.into(), |stem| stem.to_string_lossy());
                (stem.into_owned(), text)
            }
            None => {
                let known: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
                bail!("there is no workload `{name}`; there are {} and files that end with .toml", known.join(", "))
            }
        };
        let script = Script::parse(&text, scale).with_context(|| format!("the workload {name} cannot be used"))?;
        Ok(Workload { name, script })
    }

    /// The names of its operations.
    pub fn operations(&self) -> Vec<&str> {
        self.script.operations.iter().map(|operation| operation.name.as_str()).collect()
    }

    /// Makes and fills its tables, over whatever was there; `progress` is told of rows as they are written.
    ///
    /// # Errors
    ///
    /// What the target said.
    pub async fn prepare(&self, connections: &mut [Connection], progress: &(dyn Fn(&str, u64) + Sync)) -> Result<()> {
        self.script.prepare(connections, progress).await
    }

    /// Chooses an operation.
    pub fn choose(&self, dice: &mut SmallRng) -> usize {
        self.script.choose(dice)
    }

    /// Runs an operation, and counts what it adds.
    ///
    /// # Errors
    ///
    /// What the target said, or an answer that is not what it has to be.
    pub async fn operate(
        &self,
        operation: usize,
        connection: &mut Connection,
        dice: &mut SmallRng,
        tally: &mut Tally,
    ) -> Result<u64, Failure> {
        self.script.operate(operation, connection, dice, tally).await
    }

    /// What its totals are now.
    ///
    /// # Errors
    ///
    /// What the target said.
    pub async fn totals(&self, connection: &mut Connection) -> Result<Vec<i64>, Failure> {
        self.script.totals(connection).await
    }

    /// What does not add up between the totals before and after.
    pub fn audit(&self, before: &[i64], after: &[i64], tally: &Tally) -> Vec<String> {
        self.script.audit(before, after, tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_that_comes_with_the_tool_can_be_used() {
        for (name, _) in BUILTIN {
            let workload = Workload::load(name, &[]).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert!(!workload.operations().is_empty());
        }
    }

    #[test]
    fn an_unknown_workload_names_those_there_are() {
        let Err(error) = Workload::load("tpcx", &[]) else { panic!("refused") };
        assert!(format!("{error:#}").contains("point-select, range, read-write"), "{error:#}");
        let Err(error) = Workload::load("range", &[("lines".into(), 5)]) else { panic!("refused") };
        assert!(format!("{error:#}").contains("no number `lines`"), "{error:#}");
    }
}
