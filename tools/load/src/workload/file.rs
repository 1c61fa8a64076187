//! A workload as it is written: tables, operations of weighted steps, and totals that have to add up.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::tally::Total;
use crate::value::{Number, Rule};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// One line for lists.
    #[serde(default)]
    #[expect(dead_code, reason = "for those who read the file")]
    pub(super) about: String,
    /// Numbers that the rest names, and that `--scale` may replace.
    #[serde(default)]
    pub(super) scale: BTreeMap<String, i64>,
    #[serde(default)]
    pub(super) table: Vec<Table>,
    pub(super) operation: Vec<Operation>,
    #[serde(default)]
    pub(super) total: Vec<Total>,
}

/// A table, and what it is filled with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) name: String,
    /// What stands between the parentheses of CREATE TABLE.
    pub(super) definition: String,
    /// How many rows; each has its number as `row`, from 1.
    pub(super) rows: Number,
    /// The rule of each column; they may name each other.
    #[serde(default)]
    pub(super) fill: BTreeMap<String, Rule>,
    /// The column by which a sharded keyspace spreads it.
    #[serde(default)]
    pub(super) shard_by: Option<String>,
    /// All its rows are on every shard.
    #[serde(default)]
    pub(super) reference: bool,
}

/// What a client does at a time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operation {
    pub(super) name: String,
    /// How often, beside the others.
    #[serde(default = "one")]
    pub(super) weight: u32,
    /// Its steps are one transaction.
    #[serde(default)]
    pub(super) transaction: bool,
    /// How often it is run again, with the same values, if it meets a deadlock or the like.
    #[serde(default)]
    pub(super) retries: u32,
    /// What it adds to counters when it has worked; numbers that it drew or kept have their names.
    #[serde(default)]
    pub(super) adds: BTreeMap<String, Number>,
    pub(super) step: Vec<Step>,
}

/// A statement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) sql: String,
    /// How often it runs, each time with new values.
    #[serde(default = "one")]
    pub(super) times: u32,
    /// Values, which may name each other and those of the steps before.
    #[serde(default)]
    pub(super) binds: BTreeMap<String, Rule>,
    /// How many rows have to come.
    #[serde(default)]
    pub(super) rows: Option<Number>,
    /// How many have to be changed.
    #[serde(default)]
    pub(super) affected: Option<Number>,
    /// What the first row has to be.
    #[serde(default)]
    pub(super) first: Vec<Rule>,
    /// Names for the numbers of the first row, for the steps after.
    #[serde(default)]
    pub(super) keep: Vec<String>,
}

fn one() -> u32 {
    1
}
