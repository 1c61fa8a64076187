//! `bench compare`: what changed from one run to another.

mod read;
mod report;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

pub use report::{CompareReport, ComparedFigure, ComparedTarget};

use crate::assertion::Assertion;
use crate::report::{Report, Round, TargetReport, VERSION, figures};
use crate::run::deliver;
use crate::statistics::Ratio;

/// What is said of every comparison of runs.
const METHOD: &str = "the runs did not take turns: whatever else changed between them counts as well; intervals of 95 % are by Welch's t on the logarithms of rounds";

/// What `bench compare` takes.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The report of a `bench run`, as --json wrote it, that the other is compared with
    #[arg(value_name = "A.json")]
    pub first: PathBuf,
    /// The other
    #[arg(value_name = "B.json")]
    pub second: PathBuf,
    /// Write the comparison as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What the comparison has to show, as 'ratio>0.95', 'vitrail:p99<1.1' or 'cpu<1.05', all of B against A; else the exit status is 1
    #[arg(long, value_name = "CONDITION")]
    pub assert: Vec<Assertion<CompareReport>>,
}

/// Compares, prints, and says whether all assertions hold.
///
/// # Errors
///
/// A file that is no report of `bench run`, or of another format; runs without a target in common.
pub fn run(options: &Options) -> Result<bool> {
    let (first, second) = (read::report(&options.first)?, read::report(&options.second)?);
    let name = |path: &PathBuf| path.display().to_string();
    let report = compare(&first, &second, [name(&options.first), name(&options.second)])?;
    deliver(&report, report::print, options.json.as_deref(), &options.assert)
}

/// Compares two runs that came from the files of these names.
fn compare(first: &Report, second: &Report, files: [String; 2]) -> Result<CompareReport> {
    let pairs = pairs(first, second);
    if pairs.is_empty() {
        let names =
            |report: &Report| report.targets.iter().map(|target| target.name.clone()).collect::<Vec<_>>().join(", ");
        bail!(
            "there is no target of the same name in both: {} has {}, {} has {}; --target NAME=URL names them",
            files[0],
            names(first),
            files[1],
            names(second)
        );
    }
    let paced = first.settings.rate.is_some() && first.settings.rate == second.settings.rate;
    let targets = pairs.iter().map(|(one, other)| compared(one, other, paced)).collect();
    Ok(CompareReport {
        version: VERSION,
        kind: "compare".into(),
        first: files[0].clone(),
        second: files[1].clone(),
        workload: second.workload.clone(),
        method: METHOD.into(),
        targets,
        warnings: read::differences(first, second, &pairs),
    })
}

/// Targets of the same name, or the only ones of both.
fn pairs<'a>(first: &'a Report, second: &'a Report) -> Vec<(&'a TargetReport, &'a TargetReport)> {
    if let ([one], [other]) = (&first.targets[..], &second.targets[..]) {
        return vec![(one, other)];
    }
    let other = |one: &'a TargetReport| second.targets.iter().find(|other| other.name == one.name);
    first.targets.iter().filter_map(|one| Some((one, other(one)?))).collect()
}

/// A figure's name, what it is of a round, and whether more of it is better.
type Kind = (&'static str, fn(&Round) -> f64, bool);

const KINDS: [Kind; 5] = [
    ("rate", |round| round.rate, true),
    ("p50", |round| round.latency.p50 as f64, false),
    ("p99", |round| round.latency.p99 as f64, false),
    ("cpu", |round| round.processes.first().map_or(0.0, |process| process.cpu_per_statement), false),
    ("memory", |round| round.processes.first().map_or(0.0, |process| process.memory as f64), false),
];

fn compared(one: &TargetReport, other: &TargetReport, paced: bool) -> ComparedTarget {
    let figure = |(name, figure, better): &Kind| {
        let (before, after) = (figures(one, *figure), figures(other, *figure));
        let ratio = Ratio::between(&after, &before);
        ComparedFigure {
            name: (*name).to_owned(),
            first: mean(&before),
            second: mean(&after),
            ratio,
            verdict: judged(ratio, *better).to_owned(),
        }
    };
    let all: Vec<ComparedFigure> = KINDS.iter().map(figure).collect();
    let kept = all[0].ratio.is_some_and(|rate| paced && (0.99..=1.01).contains(&rate.ratio));
    let verdict = match (all[0].ratio, all[1].ratio) {
        (_, Some(p50)) if kept => format!("both kept the rate; {}", p50.verdict_of_times("B", "A")),
        (Some(rate), _) => rate.verdict("B", "A"),
        (None, _) => "A and B cannot be compared: a round did nothing".to_owned(),
    };
    ComparedTarget {
        name: other.name.clone(),
        against: one.name.clone(),
        figures: all,
        errors: [share(one), share(other)],
        verdict,
    }
}

fn mean(figures: &[f64]) -> f64 {
    if figures.is_empty() { 0.0 } else { figures.iter().sum::<f64>() / figures.len() as f64 }
}

fn judged(ratio: Option<Ratio>, better: bool) -> &'static str {
    match ratio.map(|ratio| (ratio.low, ratio.high)) {
        None => "unknown",
        Some((Some(low), _)) if low > 1.0 => {
            if better {
                "better"
            } else {
                "worse"
            }
        }
        Some((_, Some(high))) if high < 1.0 => {
            if better {
                "worse"
            } else {
                "better"
            }
        }
        Some((Some(_), Some(_))) => "no difference shown",
        Some(_) => "one round shows nothing",
    }
}

/// Percent of operations that failed.
fn share(target: &TargetReport) -> f64 {
    let tried = target.latency.count + target.failed();
    target.failed() as f64 * 100.0 / tried.max(1) as f64
}

#[cfg(test)]
mod tests;
