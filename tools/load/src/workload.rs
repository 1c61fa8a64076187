//! What clients do: workloads that come with the tool, workloads of a file, and TPC-C.

mod file;
mod script;
mod tally;
mod tpcc;
mod vschema;

use std::path::Path;

use anyhow::{Context, Result, bail};
use rand::rngs::SmallRng;

use crate::connection::{Connection, Failure};
use script::Script;
pub use tally::Tally;
use tpcc::Tpcc;

/// Workloads that come with the tool, by name; each is a file as users may write.
const BUILTIN: &[(&str, &str)] = &[
    ("point-select", include_str!("workload/builtin/point-select.toml")),
    ("range", include_str!("workload/builtin/range.toml")),
    ("read-write", include_str!("workload/builtin/read-write.toml")),
    ("write", include_str!("workload/builtin/write.toml")),
    ("herd", include_str!("workload/builtin/herd.toml")),
    ("mixed", include_str!("workload/builtin/mixed.toml")),
    ("rows", include_str!("workload/builtin/rows.toml")),
];

/// The workload that no file can say.
const TPCC: &str = "tpcc";

/// Something that clients do again and again.
pub struct Workload {
    /// What reports call it.
    pub name: String,
    kind: Kind,
}

enum Kind {
    Script(Script),
    Tpcc(Box<Tpcc>),
}

/// The vschema that a sharded keyspace needs for the tables of these workloads; without a name, of all that come with the tool.
///
/// # Errors
///
/// What is wrong with a name or a file, or workloads that place a table differently.
pub fn vschema(names: &[String]) -> Result<serde_json::Value> {
    let all = || BUILTIN.iter().map(|(name, _)| (*name).to_owned()).chain([TPCC.to_owned()]).collect();
    let names: Vec<String> = if names.is_empty() { all() } else { names.to_vec() };
    let workloads = names.iter().map(|name| Workload::load(name, &[])).collect::<Result<Vec<_>>>()?;
    let placed = workloads.iter().map(Workload::placed).collect::<Result<Vec<_>>>()?;
    vschema::of(placed.into_iter().flatten())
}

impl Workload {
    /// A workload by its name, or of a file, whose name ends with `.toml`. `scale` replaces numbers of its `[scale]`.
    ///
    /// # Errors
    ///
    /// What is wrong with the name, the file or the scale.
    pub fn load(name: &str, scale: &[(String, i64)]) -> Result<Workload> {
        if name == TPCC {
            return Ok(Workload { name: name.to_owned(), kind: Kind::Tpcc(Box::new(Tpcc::new(scale)?)) });
        }
        let (name, text) = match BUILTIN.iter().find(|(known, _)| *known == name) {
            Some((known, text)) => ((*known).to_owned(), (*text).to_owned()),
            None if name.ends_with(".toml") => {
                let text = std::fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
                let stem = Path::new(name).file_stem().map_or(name.into(), |stem| stem.to_string_lossy());
                (stem.into_owned(), text)
            }
            None => {
                let known: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).chain([TPCC]).collect();
                bail!("there is no workload `{name}`; there are {} and files that end with .toml", known.join(", "))
            }
        };
        let script = Script::parse(&text, scale).with_context(|| format!("the workload {name} cannot be used"))?;
        Ok(Workload { name, kind: Kind::Script(script) })
    }

    /// The names of its operations.
    pub fn operations(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Script(script) => script.operations.iter().map(|operation| operation.name.as_str()).collect(),
            Kind::Tpcc(tpcc) => tpcc.operations(),
        }
    }

    /// How often an operation is run again that met a deadlock, or another failure after which the same may work.
    pub fn retries(&self, operation: usize) -> u32 {
        match &self.kind {
            Kind::Script(script) => script.operations[operation].retries,
            Kind::Tpcc(_) => tpcc::RETRIES,
        }
    }

    /// The operation whose count for each minute is this workload's figure, and what that is called.
    pub fn figure(&self) -> Option<(usize, &'static str)> {
        match &self.kind {
            Kind::Script(_) => None,
            Kind::Tpcc(_) => Some((tpcc::NEW_ORDER, "new orders a minute")),
        }
    }

    /// Makes and fills its tables, over whatever was there; `progress` is told of rows as they are written.
    ///
    /// # Errors
    ///
    /// What the target said.
    pub async fn prepare(&self, connections: &mut [Connection], progress: &(dyn Fn(&str, u64) + Sync)) -> Result<()> {
        let prepared = match &self.kind {
            Kind::Script(script) => script.prepare(connections, progress).await,
            Kind::Tpcc(tpcc) => tpcc.prepare(connections, progress).await,
        };
        prepared.map_err(|error| match error.downcast_ref::<Failure>() {
            // A sharded keyspace refuses to make a table that it does not know.
            Some(failure) if failure.code == "unsupported 1235" => error.context(format!(
                "a sharded keyspace has to know the tables: load the vschema that `vitrail bench vschema {}` prints",
                self.name
            )),
            _ => error,
        })
    }

    /// Chooses an operation.
    pub fn choose(&self, dice: &mut SmallRng) -> usize {
        match &self.kind {
            Kind::Script(script) => script.choose(dice),
            Kind::Tpcc(tpcc) => tpcc.choose(dice),
        }
    }

    /// Runs an operation, and counts what it adds; says how many statements that were.
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
        match &self.kind {
            Kind::Script(script) => script.operate(operation, connection, dice, tally).await,
            // Boxed, since it is large, and the others would be moved about at its size.
            Kind::Tpcc(tpcc) => Box::pin(tpcc.operate(operation, connection, dice, tally)).await,
        }
    }

    /// What its totals are now.
    ///
    /// # Errors
    ///
    /// What the target said.
    pub async fn totals(&self, connection: &mut Connection) -> Result<Vec<i64>, Failure> {
        tally::read(self.counted(), connection).await
    }

    /// What does not add up between the totals before and after.
    pub fn audit(&self, before: &[i64], after: &[i64], tally: &Tally) -> Vec<String> {
        tally::audit(self.counted(), before, after, tally)
    }

    /// What does not hold in the tables, whatever was done to them; to be asked while nothing runs.
    ///
    /// # Errors
    ///
    /// What the target said.
    pub async fn check(&self, connection: &mut Connection) -> Result<Vec<String>, Failure> {
        match &self.kind {
            Kind::Script(_) => Ok(Vec::new()),
            Kind::Tpcc(tpcc) => tpcc.check(connection).await,
        }
    }

    fn counted(&self) -> &[tally::Total] {
        match &self.kind {
            Kind::Script(script) => &script.totals,
            Kind::Tpcc(tpcc) => tpcc.totals(),
        }
    }

    fn placed(&self) -> Result<Vec<vschema::Placed<'_>>> {
        match &self.kind {
            Kind::Script(script) => script.placed().with_context(|| format!("the workload {}", self.name)),
            Kind::Tpcc(_) => Ok(Tpcc::placed().collect()),
        }
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
        let vschema = vschema(&[]).expect("one for all");
        assert_eq!(vschema["tables"]["item"]["type"], "reference");
        assert_eq!(vschema["tables"]["load_row"]["column_vindexes"][0]["column"], "id");
    }

    #[test]
    fn an_unknown_workload_names_those_there_are() {
        let Err(error) = Workload::load("tpcx", &[]) else { panic!("refused") };
        assert!(format!("{error:#}").contains("point-select, range, read-write"), "{error:#}");
        let Err(error) = Workload::load("range", &[("lines".into(), 5)]) else { panic!("refused") };
        assert!(format!("{error:#}").contains("no number `lines`"), "{error:#}");
    }
}
