//! What `bench herd` has shown, as people read it and as programs do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::assertion::Figures;
use crate::report::{Environment, ErrorReport, Percentiles, ProcessReport, count, failed, lines, time};

/// What many identical reads have shown. Times are microseconds, memory is bytes, rates are a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HerdReport {
    /// Of the format: 1.
    pub version: u32,
    /// `herd`.
    pub kind: String,
    /// Clients that asked at the same moment.
    pub clients: usize,
    /// Sessions on each connection, where the protocol has sessions.
    pub per_connection: usize,
    /// What they asked.
    pub statement: String,
    /// Seconds measured, of each target.
    pub duration: f64,
    /// Where it ran.
    pub environment: Environment,
    /// In the order of the command line.
    pub targets: Vec<Herded>,
    /// What to bear in mind.
    pub warnings: Vec<String>,
}

/// What one target has shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Herded {
    /// As the command line calls it.
    pub name: String,
    /// Without a password.
    pub url: String,
    /// How long the read took for one client alone.
    pub alone: u64,
    /// From when all began until the last had its answer.
    pub rounds: Option<Percentiles>,
    /// Statements of clients.
    pub statements: u64,
    /// Statements that reached MySQL meanwhile.
    pub reached: u64,
    /// Who counted those: MySQL, all its SELECTs; or Vitrail, what it saved.
    pub counted_by: String,
    /// The latter divided by the former.
    pub ratio: f64,
    /// Statements of clients a second that worked.
    pub rate: f64,
    /// How long each client waited.
    pub latency: Option<Percentiles>,
    /// Errors by code; an answer that is not what it has to be is a `wrong answer`.
    pub errors: BTreeMap<String, ErrorReport>,
    /// What its processes used.
    pub processes: Vec<ProcessReport>,
}

impl Figures for HerdReport {
    const NAMES: &'static [&'static str] = &[
        "ratio",
        "reached",
        "statements",
        "rate",
        "errors",
        "cpu",
        "memory",
        "p50",
        "p90",
        "p95",
        "p99",
        "p99.9",
        "max",
        "mean",
        "spread",
    ];

    fn targets(&self) -> Vec<&str> {
        self.targets.iter().map(|target| target.name.as_str()).collect()
    }

    fn figure(&self, target: usize, name: &str) -> Option<f64> {
        let target = &self.targets[target];
        Some(match name {
            "ratio" => target.ratio,
            "reached" => target.reached as f64,
            "statements" => target.statements as f64,
            "rate" => target.rate,
            "errors" => failed(&target.errors) as f64,
            // Of the target's first process.
            "cpu" => target.processes.first()?.cpu_per_statement,
            "memory" => target.processes.first()?.memory as f64,
            _ => return target.latency.as_ref()?.figure(name),
        })
    }
}

/// Prints a report.
pub(super) fn print(report: &HerdReport, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let mut text = format!("{} clients at once: {}\n\n", count(report.clients as f64), report.statement);
    for target in &report.targets {
        render(target, &mut text);
    }
    lines::notes(&report.warnings, &mut text);
    out.write_all(text.as_bytes())
}

fn render(target: &Herded, text: &mut String) {
    let _ = writeln!(text, "{} ({})", target.name, target.url);
    let [statements, reached] = [target.statements, target.reached].map(|number| count(number as f64));
    let _ = write!(text, "  {statements} statements, {reached} reached MySQL");
    let _ = match target.reached {
        0 => writeln!(text),
        number => writeln!(text, ": one for {}", count(target.statements as f64 / number as f64)),
    };
    let _ = writeln!(text, "  (by {}); {} for one client alone", target.counted_by, time(target.alone));
    let rounds = target.rounds.as_ref().map_or(0.0, |rounds| rounds.count as f64);
    let pace = target.rate * rounds / target.statements.max(1) as f64;
    let (clients, rounds) = (target.latency.as_ref(), target.rounds.as_ref());
    lines::paced(&[("client", clients, target.rate), ("round", rounds, pace)], text);
    lines::errors(&target.errors, text);
    lines::processes(&target.processes, text);
    let _ = writeln!(text);
}
