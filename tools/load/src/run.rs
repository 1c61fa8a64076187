//! `bench run`: targets under the same load, in turns.

mod load;
mod progress;
mod ready;
mod warnings;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::assertion::{Assertion, Figures};
use crate::drive::Slot;
use crate::forward::add_floor;
use crate::report::{Comparison, Environment, Report, TargetReport, VERSION, page, print};
use crate::target::Target;
use crate::view::View;
pub(crate) use load::{LEAST, MOST};
pub use load::{LoadOptions, rate, scale};
pub(crate) use progress::Hand;
use progress::Lines;
pub use progress::{Progress, Turn};
pub use ready::Subject;
pub(crate) use ready::{totals, watched};
pub(crate) use warnings::busy;

/// Of a round that was ended early, less than this says nothing.
const WORTH_KEEPING: Duration = Duration::from_millis(200);

/// What `bench run` takes.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// What, and how hard
    #[command(flatten)]
    pub subject: Subject,
    /// Measure the first mysql:// target behind a forwarder as well, which does nothing: no proxy can be faster on this machine
    #[arg(long)]
    pub floor: bool,
    /// Print a line each second, also where a terminal could show more
    #[arg(long)]
    pub plain: bool,
    /// Write the report as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as a page with graphs, one file that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// What the report has to show, as 'p99<20ms', 'vitrail:errors<1' or 'ratio>0.5'; else the exit status is 1
    #[arg(long, value_name = "CONDITION")]
    pub assert: Vec<Assertion<Report>>,
}

/// Runs, prints, and says whether all assertions hold.
///
/// # Errors
///
/// A target that cannot be used, a workload that is wrong, a file that cannot be written.
pub async fn run(options: Options) -> Result<bool> {
    let hand = Hand::default();
    let interrupts = hand.obey_signals()?;
    let to_stdout = options.json.as_ref().is_some_and(|path| path.as_os_str() == "-");
    let report = if options.plain || to_stdout || !View::is_possible() {
        measure(&options, &mut Lines::new(hand)).await
    } else {
        measure(&options, &mut View::new(hand)).await
    };
    interrupts.abort();
    let report = report?;
    if let Some(path) = &options.html {
        std::fs::write(path, page(&report)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    publish(&report, options.json.as_deref(), &options.assert)
}

/// A line for a person who waits.
#[expect(clippy::print_stderr, reason = "progress of a command")]
pub fn note(line: &str) {
    eprintln!("{line}");
}

/// Prints a report, writes it as JSON, and says whether all assertions hold and all answers were right.
///
/// # Errors
///
/// What cannot be written.
pub fn publish(report: &Report, json: Option<&Path>, assertions: &[Assertion<Report>]) -> Result<bool> {
    let holds = deliver(report, print, json, assertions)?;
    let wrong =
        report.targets.iter().any(|target| !target.wrong.is_empty() || target.errors.contains_key("wrong answer"));
    Ok(holds && !wrong)
}

/// Prints any report by `print`, writes it as JSON, and says whether all assertions hold.
///
/// # Errors
///
/// What cannot be written.
pub(crate) fn deliver<R: Figures + Serialize>(
    report: &R,
    print: impl FnOnce(&R, &mut dyn Write) -> std::io::Result<()>,
    json: Option<&Path>,
    assertions: &[Assertion<R>],
) -> Result<bool> {
    let to_stdout = json.is_some_and(|path| path.as_os_str() == "-");
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(report)? + "\n";
        match to_stdout {
            true => std::io::stdout().write_all(text.as_bytes())?,
            false => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?,
        }
    }
    if !to_stdout {
        print(report, &mut std::io::stdout())?;
    }
    let broken: Vec<String> = assertions.iter().flat_map(|assertion| assertion.check(report)).collect();
    for line in &broken {
        note(&format!("does not hold: {line}"));
    }
    Ok(broken.is_empty())
}

/// Puts every target under load, in turns, until all have had theirs or `progress` ends a slot early.
///
/// # Errors
///
/// A target that cannot be used, or a workload that is wrong.
pub async fn measure(options: &Options, progress: &mut dyn Progress) -> Result<Report> {
    let workload = options.subject.workload()?;
    let mut load = options.subject.load.load();
    let mut note = |line: &str| progress.note(line);
    let mut targets = Target::parse_all(&options.subject.target)?;
    // Lives as long as what goes through it.
    let _forwarder = if options.floor { Some(add_floor(&mut targets).await?) } else { None };
    let mut fleets = options.subject.ready(targets, &workload, &mut note).await?;
    let mut slots: Vec<Vec<Slot>> = fleets.iter().map(|_| Vec::new()).collect();
    let mut wrong: Vec<Vec<String>> = vec![Vec::new(); fleets.len()];
    let (mut interrupted, mut rate_changed, mut open) = (false, false, load.rate.is_some());
    'rounds: for round in 0..options.subject.load.rounds as usize {
        for turn in 0..fleets.len() {
            // Each begins as often: what a target leaves behind for the next one evens out.
            let index = (round + turn) % fleets.len();
            let fleet = &mut fleets[index];
            progress.turn(&Turn {
                workload: &workload.name,
                target: &fleet.target.name,
                index,
                targets: slots.len(),
                round: round + 1,
                rounds: options.subject.load.rounds as usize,
                number: round * slots.len() + turn,
                processes: &fleet.processes,
                load: &load,
            });
            // Around each slot, since targets may share their tables.
            let before = totals(fleet, &workload, options.subject.prepare).await?;
            let slot = fleet.slot(&workload, &load, (round * 1_000 + index) as u64, progress).await;
            let after = totals(fleet, &workload, options.subject.prepare).await?;
            let audited = workload.audit(&before, &after, &slot.tally);
            wrong[index].extend(audited.into_iter().map(|line| format!("round {}: {line}", round + 1)));
            if let Some(rate) = slot.changed {
                // For all that follow: they are compared.
                load.rate = rate;
                (rate_changed, open) = (true, open || rate.is_some());
            }
            interrupted = slot.stopped;
            if !interrupted || slot.elapsed >= WORTH_KEEPING {
                slots[index].push(slot);
            }
            if interrupted {
                break 'rounds;
            }
        }
    }
    progress.over();
    let operations = workload.operations();
    let mut reports = Vec::new();
    for ((fleet, slots), wrong) in fleets.iter_mut().zip(&slots).zip(wrong) {
        let mut report =
            TargetReport::of(&fleet.target.name, &fleet.target.url, &operations, &fleet.processes, slots, open);
        report.wrong = wrong;
        let first = fleet.first().context("there is no client")?;
        // Not every target knows it, and nothing depends on it.
        let version = first.text("SELECT VERSION()").await;
        report.server = version.ok().and_then(|answer| answer.first.into_iter().next().flatten());
        let checked = workload.check(first).await;
        report.wrong.extend(checked.with_context(|| format!("{}: the tables cannot be checked", report.name))?);
        let seconds: f64 = slots.iter().map(|slot| slot.elapsed.as_secs_f64()).sum();
        if let Some((operation, name)) = workload.figure().filter(|_| seconds > 0.0) {
            let done = report.operations[operation].latency.count;
            report.figures.insert(name.to_owned(), done as f64 * 60.0 / seconds);
        }
        reports.push(report);
    }
    let paced = load.rate.is_some();
    let comparisons = reports.iter().skip(1).map(|report| Comparison::of(report, &reports[0], paced)).collect();
    let environment = Environment::here();
    let mut report = Report {
        version: VERSION,
        workload: workload.name.clone(),
        settings: options.subject.load.settings(),
        environment,
        targets: reports,
        comparisons,
        interrupted,
        rate_changed,
        warnings: Vec::new(),
    };
    report.warnings = warnings::of(&report);
    Ok(report)
}
