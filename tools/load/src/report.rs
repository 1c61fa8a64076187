//! What a run has shown, as people read it and as programs do.

mod text;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use text::print;
pub(crate) use text::{count, time};

use crate::drive::Slot;
use crate::process::Process;
use crate::record::{Errors, Record};
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

/// The machine and the tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Of the tool.
    pub version: String,
    /// `linux x86_64`.
    pub platform: String,
    /// What `/proc/cpuinfo` calls it.
    pub processor: String,
    /// That this process may use.
    pub cores: usize,
    /// Seconds since 1970, at the end.
    pub time: u64,
}

/// What one target has shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetReport {
    /// As the command line calls it.
    pub name: String,
    /// Without a password.
    pub url: String,
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
    /// Of each round.
    pub rounds: Vec<Round>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorReport {
    /// How many.
    pub count: u64,
    /// What the first one said.
    pub example: String,
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
    /// What may be said of it.
    pub verdict: String,
}

/// Errors by code, of what was measured.
pub(crate) fn errors(errors: &BTreeMap<String, Errors>) -> BTreeMap<String, ErrorReport> {
    let report = |(code, errors): (&String, &Errors)| {
        (code.clone(), ErrorReport { count: errors.count, example: errors.example.clone() })
    };
    errors.iter().map(report).collect()
}

impl Percentiles {
    /// Of a histogram; `None` if it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Option<Percentiles> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| histogram.value_at_quantile(quantile);
        let (p50, p99) = (at(0.5), at(0.99));
        Some(Percentiles {
            count: histogram.len(),
            p50,
            p90: at(0.9),
            p95: at(0.95),
            p99,
            p999: at(0.999),
            max: histogram.max(),
            mean: histogram.mean(),
            spread: p99 as f64 / p50.max(1) as f64,
        })
    }

    /// One of them, by the name that assertions use.
    pub fn figure(&self, name: &str) -> Option<f64> {
        Some(match name {
            "p50" => self.p50 as f64,
            "p90" => self.p90 as f64,
            "p95" => self.p95 as f64,
            "p99" => self.p99 as f64,
            "p99.9" => self.p999 as f64,
            "max" => self.max as f64,
            "mean" => self.mean,
            "spread" => self.spread,
            _ => return None,
        })
    }

    fn of_or_none(histogram: &Histogram<u64>) -> Percentiles {
        Percentiles::of(histogram).unwrap_or(Percentiles {
            count: 0,
            p50: 0,
            p90: 0,
            p95: 0,
            p99: 0,
            p999: 0,
            max: 0,
            mean: 0.0,
            spread: 0.0,
        })
    }
}

impl Environment {
    /// Here and now.
    pub fn here() -> Environment {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = text
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()));
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Environment {
            version: env!("CARGO_PKG_VERSION").into(),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: model.unwrap_or_else(|| "unknown".into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            time: since.map_or(0, |since| since.as_secs()),
        }
    }
}

impl TargetReport {
    /// Of all slots of a target.
    pub fn of(
        name: &str,
        url: &str,
        operations: &[&str],
        processes: &[Process],
        slots: &[Slot],
        open: bool,
    ) -> TargetReport {
        let mut all = Record::new(operations.len());
        slots.iter().for_each(|slot| all.merge(&slot.record));
        let seconds: f64 = slots.iter().map(|slot| slot.elapsed.as_secs_f64()).sum();
        let per_process = processes.iter().enumerate().map(|(index, process)| {
            let cpu: f64 = slots.iter().filter_map(|slot| slot.usage[index]).map(|usage| usage.cpu.as_secs_f64()).sum();
            ProcessReport {
                name: process.name.clone(),
                cpu_per_statement: cpu * 1e6 / all.statements.max(1) as f64,
                cores: cpu / seconds,
                memory: slots.iter().filter_map(|slot| slot.usage[index]).next_back().map_or(0, |usage| usage.memory),
            }
        });
        let of_operation = |(name, times): (&&str, &crate::record::Times)| OperationReport {
            name: (*name).to_owned(),
            latency: Percentiles::of_or_none(&times.latency),
            service: open.then(|| Percentiles::of_or_none(&times.service)),
        };
        TargetReport {
            name: name.to_owned(),
            url: url.to_owned(),
            rate: all.done() as f64 / seconds,
            statements: all.statements as f64 / seconds,
            latency: Percentiles::of_or_none(&all.latency()),
            operations: operations.iter().zip(&all.times).map(of_operation).collect(),
            errors: errors(&all.errors),
            retries: all.retries.clone(),
            figures: BTreeMap::new(),
            refusals: Percentiles::of(&all.refusals),
            late: all.late,
            missed: slots.iter().map(|slot| slot.missed).sum(),
            processes: per_process.collect(),
            rounds: slots
                .iter()
                .map(|slot| Round {
                    rate: slot.rate(),
                    latency: Percentiles::of_or_none(&slot.record.latency()),
                    errors: slot.record.failed(),
                })
                .collect(),
            wrong: Vec::new(),
        }
    }

    /// Errors of all codes.
    pub fn failed(&self) -> u64 {
        self.errors.values().map(|error| error.count).sum()
    }
}

impl Comparison {
    /// Of a target with another one.
    pub fn of(target: &TargetReport, against: &TargetReport) -> Comparison {
        let rates = |report: &TargetReport| report.rounds.iter().map(|round| round.rate).collect::<Vec<_>>();
        let rate = Ratio::of(&rates(target), &rates(against));
        let verdict = match &rate {
            Some(ratio) => ratio.verdict(&target.name, &against.name),
            None => format!("{} and {} cannot be compared: a round did nothing", target.name, against.name),
        };
        Comparison { target: target.name.clone(), against: against.name.clone(), rate, verdict }
    }
}
