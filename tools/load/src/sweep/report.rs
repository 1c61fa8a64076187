//! What `bench sweep` has shown, as people read it and as programs do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chart::chart;
use crate::assertion::Figures;
use crate::report::{Environment, ErrorReport, Percentiles, ProcessReport, Settings, count, lines, time};

/// Where the knees of targets are. Times are microseconds, memory is bytes, rates are a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepReport {
    /// Of the format: 1.
    pub version: u32,
    /// `sweep`.
    pub kind: String,
    /// What clients did.
    pub workload: String,
    /// How many clients, how long a step; its `rate` is where the search began, if that was given.
    pub settings: Settings,
    /// What p99 had to stay below.
    pub bound: u64,
    /// The share of operations that might fail: 0.001 is 0.1 %.
    pub errors: f64,
    /// How near the rates around a knee had to be: 0.05 is 5 %.
    pub precision: f64,
    /// Where it ran.
    pub environment: Environment,
    /// In the order of the command line.
    pub targets: Vec<Swept>,
    /// What to bear in mind.
    pub warnings: Vec<String>,
}

/// What one target has shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Swept {
    /// As the command line calls it.
    pub name: String,
    /// Without a password.
    pub url: String,
    /// Operations a second of a closed loop; absent where the first rate was given.
    pub estimate: Option<f64>,
    /// The highest rate that held; absent if none did.
    pub knee: Option<f64>,
    /// At the knee.
    pub latency: Option<Percentiles>,
    /// What its processes used there.
    pub processes: Vec<ProcessReport>,
    /// All rates that were tried, in order.
    pub steps: Vec<Step>,
    /// What did not add up: acknowledged and not there, or there and not acknowledged.
    pub wrong: Vec<String>,
}

/// A rate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Operations that were due each second.
    pub rate: f64,
    /// Operations that worked.
    pub achieved: f64,
    /// From when they were due.
    pub latency: Option<Percentiles>,
    /// Errors by code.
    pub errors: BTreeMap<String, ErrorReport>,
    /// Operations that were due and never begun.
    pub missed: u64,
    /// Why it did not hold; absent if it did.
    pub broke: Option<String>,
}

impl Step {
    /// For a person who waits.
    pub(super) fn line(&self) -> String {
        let [p50, p99] =
            self.latency.as_ref().map_or(["-".into(), "-".into()], |latency| [time(latency.p50), time(latency.p99)]);
        let verdict = self.broke.as_ref().map_or("holds".to_owned(), |reason| format!("does not hold: {reason}"));
        format!("{} a second: p50 {p50}, p99 {p99}, {verdict}", count(self.rate.round()))
    }
}

impl Figures for SweepReport {
    const NAMES: &'static [&'static str] =
        &["knee", "ratio", "cpu", "memory", "wrong", "p50", "p90", "p95", "p99", "p99.9", "max", "mean", "spread"];

    fn targets(&self) -> Vec<&str> {
        self.targets.iter().map(|target| target.name.as_str()).collect()
    }

    fn figure(&self, target: usize, name: &str) -> Option<f64> {
        let first = self.targets[0].knee;
        let target = &self.targets[target];
        Some(match name {
            "knee" => target.knee.unwrap_or(0.0),
            "ratio" => target.knee? / first?,
            "wrong" => target.wrong.len() as f64,
            // Of the target's first process, at the knee.
            "cpu" => target.processes.first()?.cpu_per_statement,
            "memory" => target.processes.first()?.memory as f64,
            _ => return target.latency.as_ref()?.figure(name),
        })
    }

    fn is_meant(&self, target: usize, name: &str) -> bool {
        name != "ratio" || target > 0
    }
}

/// Prints a report.
pub(super) fn print(report: &SweepReport, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let mut text = String::new();
    let settings = &report.settings;
    let _ = writeln!(
        text,
        "{}: {} clients, p99 below {}, errors up to {} %, steps of {:.1} s\n",
        report.workload,
        settings.clients,
        time(report.bound),
        (report.errors * 1e5).round() / 1e3,
        settings.duration
    );
    for target in &report.targets {
        render(target, report.bound, &mut text);
    }
    if let [first, rest @ ..] = report.targets.as_slice() {
        for target in rest {
            if let (Some(knee), Some(base)) = (target.knee, first.knee) {
                let _ = writeln!(text, "{} holds {:.2} times the rate of {}", target.name, knee / base, first.name);
            }
        }
    }
    lines::notes(&report.warnings, &mut text);
    out.write_all(text.as_bytes())
}

fn render(target: &Swept, bound: u64, text: &mut String) {
    let _ = writeln!(text, "{} ({})", target.name, target.url);
    let _ = match target.knee {
        Some(knee) => writeln!(text, "  holds {} a second", count(knee.round())),
        None => writeln!(text, "  holds no rate that was tried"),
    };
    lines::processes(&target.processes, text);
    let _ = writeln!(text, "  {:>10} {:>10} {:>9} {:>9} {:>9}", "rate", "done", "p50", "p99", "max");
    let mut steps: Vec<&Step> = target.steps.iter().collect();
    steps.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    for step in &steps {
        let [p50, p99, max] = match &step.latency {
            Some(latency) => [latency.p50, latency.p99, latency.max].map(time),
            None => ["-".into(), "-".into(), "-".into()],
        };
        let [rate, done] = [step.rate, step.achieved].map(|rate| count(rate.round()));
        let _ = writeln!(
            text,
            "  {rate:>10} {done:>10} {p50:>9} {p99:>9} {max:>9}  {}",
            step.broke.as_deref().unwrap_or_default()
        );
    }
    text.push_str(&chart(&steps, bound));
    lines::wrong(&target.wrong, text);
    let _ = writeln!(text);
}
