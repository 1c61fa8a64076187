//! What `bench compare` has to say, as people read it and as programs do.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::assertion::Figures;
use crate::report::{count, lines, time};
use crate::statistics::Ratio;

/// Two runs. Times are microseconds, memory is bytes, rates are a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompareReport {
    /// Of the format: 1.
    pub version: u32,
    /// `compare`.
    pub kind: String,
    /// The file of the run that the other is compared with: A.
    pub first: String,
    /// The file of the other: B.
    pub second: String,
    /// What clients did in B.
    pub workload: String,
    /// How it was compared.
    pub method: String,
    /// Every target that both runs have.
    pub targets: Vec<ComparedTarget>,
    /// What differs between the runs and is not what they are compared for.
    pub warnings: Vec<String>,
}

/// A target in two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedTarget {
    /// As B calls it.
    pub name: String,
    /// As A calls it.
    pub against: String,
    /// `rate`, `p50`, `p99`, `cpu` (microseconds a statement) and `memory`; the last two of the target's first process.
    pub figures: Vec<ComparedFigure>,
    /// Percent of operations that failed, in A and in B.
    pub errors: [f64; 2],
    /// What may be said of it.
    pub verdict: String,
}

/// A figure in two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedFigure {
    /// What it is.
    pub name: String,
    /// The mean of A's rounds.
    pub first: f64,
    /// The mean of B's rounds.
    pub second: f64,
    /// B against A; absent where either is 0 or was not measured.
    pub ratio: Option<Ratio>,
    /// `better`, `worse`, `no difference shown`, `one round shows nothing` or `unknown`.
    pub verdict: String,
}

impl Figures for CompareReport {
    const NAMES: &'static [&'static str] = &["ratio", "rate", "p50", "p99", "cpu", "memory", "errors"];

    fn targets(&self) -> Vec<&str> {
        self.targets.iter().map(|target| target.name.as_str()).collect()
    }

    fn figure(&self, target: usize, name: &str) -> Option<f64> {
        let target = &self.targets[target];
        // Errors may well be 0 in A, so that theirs is no ratio.
        if name == "errors" {
            return Some(target.errors[1]);
        }
        let name = if name == "ratio" { "rate" } else { name };
        Some(target.figures.iter().find(|figure| figure.name == name)?.ratio?.ratio)
    }
}

/// Prints a comparison.
pub(super) fn print(report: &CompareReport, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    out.write_all(render(report).as_bytes())
}

pub(super) fn render(report: &CompareReport) -> String {
    let mut text = format!("{}: A is {}, B is {}\n\n", report.workload, report.first, report.second);
    for target in &report.targets {
        let other = if target.against == target.name { String::new() } else { format!(" (in A {})", target.against) };
        let _ = writeln!(text, "{}{other}", target.name);
        let _ = writeln!(text, "  {:<8} {:>12} {:>12} {:>7}  {:<16}", "", "A", "B", "B / A", "95 %");
        for figure in &target.figures {
            let write = |value: f64| match figure.name.as_str() {
                "rate" => count(value.round()),
                "cpu" => format!("{value:.1} us"),
                "memory" => format!("{:.1} MiB", value / f64::from(1 << 20)),
                _ => time(value.round() as u64),
            };
            let ratio = figure.ratio.map_or("-".into(), |ratio| format!("{:.2}", ratio.ratio));
            let interval = match figure.ratio.map(|ratio| (ratio.low, ratio.high)) {
                Some((Some(low), Some(high))) => format!("{low:.2} to {high:.2}"),
                _ => "-".into(),
            };
            let _ = writeln!(
                text,
                "  {:<8} {:>12} {:>12} {ratio:>7}  {interval:<16} {}",
                figure.name,
                write(figure.first),
                write(figure.second),
                figure.verdict
            );
        }
        let [first, second] = target.errors.map(|share| format!("{share:.2} %"));
        let _ = writeln!(text, "  {:<8} {first:>12} {second:>12}", "errors");
        let _ = writeln!(text, "  {}\n", target.verdict);
    }
    let _ = writeln!(text, "note: {}", report.method);
    lines::notes(&report.warnings, &mut text);
    text
}
