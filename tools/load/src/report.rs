//! What a run has shown, as people read it and as programs do.

mod build;
mod environment;
mod html;
pub(crate) mod lines;
mod text;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use build::{errors, failed, figures};
pub use environment::Environment;
pub use html::page;
pub(crate) use lines::{count, time};
pub use text::print;

use crate::statistics::Ratio;

/// Rises when a field changes its meaning or goes.
pub const VERSION: u32 = 1;

/// A run. Times are microseconds, memory is bytes, rates are a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Of the format: 1.
    pub version: u32,
    /// What clients did.
    pub workload: String,
    /// How many clients, how hard, how long.
    pub settings: Settings,
    /// Where it ran.
    pub environment: Environment,
    /// In the order of the command line.
    pub targets: Vec<TargetReport>,
    /// Every target against the first one.
    pub comparisons: Vec<Comparison>,
    /// It was ended by hand before its time.
    pub interrupted: bool,
    /// The rate was changed by hand while it ran; each second says which it was.
    pub rate_changed: bool,
    /// What to bear in mind: the tool was the bottleneck, a target could not keep up.
    pub warnings: Vec<String>,
}

/// How the load was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// Clients at work at a time.
    pub clients: usize,
    /// Sessions on each connection.
    pub per_connection: usize,
    /// Operations due each second; absent in a closed loop.
    pub rate: Option<f64>,
    /// Seconds measured, of each target and round.
    pub duration: f64,
    /// Seconds before them.
    pub warmup: f64,
    /// Rounds, in which the targets take turns.
    pub rounds: usize,
    /// Of all that was drawn.
    pub seed: u64,
}

/// What one target has shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetReport {
    /// As the command line calls it.
    pub name: String,
    /// Without a password.
    pub url: String,
    /// What it answers to `SELECT VERSION()`: of a Vitrail, the version of the MySQL behind it.
    pub server: Option<String>,
    /// Operations a second, over all rounds.
    pub rate: f64,
    /// Statements a second.
    pub statements: f64,
    /// Of all operations together.
    pub latency: Percentiles,
    /// Of each operation.
    pub operations: Vec<OperationReport>,
    /// Errors by code.
    pub errors: BTreeMap<String, ErrorReport>,
    /// Failures after which an operation was run again, by code.
    pub retries: BTreeMap<String, u64>,
    /// The workload's own figures, by name: `new orders a minute`.
    pub figures: BTreeMap<String, f64>,
    /// How long errors took to come.
    pub refusals: Option<Percentiles>,
    /// Operations that began late, because every client was busy.
    pub late: u64,
    /// Operations that were due and never begun.
    pub missed: u64,
    /// What its processes used.
    pub processes: Vec<ProcessReport>,
    /// What the load tester itself used meanwhile.
    pub tool: ToolReport,
    /// Of each round.
    pub rounds: Vec<Round>,
    /// Of each second of each round.
    pub seconds: Vec<SecondReport>,
    /// The latency of all operations by quantile, in ever finer steps towards 1.
    pub distribution: Vec<Quantile>,
    /// What did not add up: acknowledged and not there, or there and not acknowledged.
    pub wrong: Vec<String>,
}

/// A round of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Round {
    /// Operations a second.
    pub rate: f64,
    /// Of all operations together.
    pub latency: Percentiles,
    /// Errors.
    pub errors: u64,
    /// What the target's processes used.
    pub processes: Vec<ProcessReport>,
}

/// The load tester, under one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolReport {
    /// CPU seconds of each second: 1 is a core.
    pub cores: f64,
    /// How late its timers woke, their grain of a millisecond included. Much more than that means that its clients waited for a processor, and that latencies look
    /// longer than they were.
    pub wakes: Percentiles,
}

/// A second of a round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecondReport {
    /// The round, from 1.
    pub round: usize,
    /// Seconds from the beginning of the round to the end of this one.
    pub at: f64,
    /// Seconds that it was long: the last of a round may be shorter or longer.
    pub length: f64,
    /// Operations due each second; absent in a closed loop.
    pub wanted: Option<f64>,
    /// Operations a second.
    pub rate: f64,
    /// The median latency; 0 where nothing was done.
    pub p50: u64,
    /// 99 of 100 were not longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
    /// Operations that began late.
    pub late: u64,
    /// Errors.
    pub errors: u64,
    /// CPU seconds of each second, of each process of the target; absent where it could not be read.
    pub cores: Vec<Option<f64>>,
    /// Resident bytes of each process.
    pub memory: Vec<Option<u64>>,
    /// CPU seconds of each second of the load tester.
    pub tool: f64,
}

/// A point of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantile {
    /// The share of operations that took not longer, from 0 to 1.
    pub quantile: f64,
    /// Their longest.
    pub time: u64,
}

/// An operation of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationReport {
    /// Its name.
    pub name: String,
    /// From when it was due.
    pub latency: Percentiles,
    /// From when it began; absent in a closed loop, where it is the same.
    pub service: Option<Percentiles>,
}

/// Errors of one code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorReport {
    /// How many.
    pub count: u64,
    /// Of all operations, those that worked and those that did not.
    pub percent: f64,
    /// What the first one said.
    pub example: String,
    /// How long they took to come; absent where that is not told apart by code.
    pub took: Option<Percentiles>,
}

/// A process of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessReport {
    /// Its name.
    pub name: String,
    /// CPU microseconds of each statement.
    pub cpu_per_statement: f64,
    /// CPU seconds of each second: 1 is a core.
    pub cores: f64,
    /// Resident bytes at the end.
    pub memory: u64,
}

/// Times, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    /// How many.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// Nine of ten are not longer.
    pub p90: u64,
    /// 95 of 100.
    pub p95: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1,000.
    pub p999: u64,
    /// The longest.
    pub max: u64,
    /// On average.
    pub mean: f64,
    /// p99 divided by p50: how unfair it is.
    pub spread: f64,
}

/// Two targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Whose figure is above the line.
    pub target: String,
    /// Whose is below.
    pub against: String,
    /// Of the rates.
    pub rate: Option<Ratio>,
    /// Of the median latencies: above 1, the target is slower.
    pub p50: Option<Ratio>,
    /// Of the 99th percentiles.
    pub p99: Option<Ratio>,
    /// What may be said of it.
    pub verdict: String,
}
