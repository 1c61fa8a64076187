//! `bench sweep`: the highest rate at which a target keeps its latency.
//!
//! A closed loop says what a target can do at most; from half of that the rate of an open loop grows until the latency's bound is broken, and is then
//! halved in on, by ratio. A rate that breaks it is tried twice.

mod chart;
mod report;
mod search;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

pub use report::SweepReport;

use self::report::{Step, Swept};
use self::search::Search;
use crate::assertion::Assertion;
use crate::drive::{Fleet, Load, Slot};
use crate::report::{Environment, Percentiles, ProcessReport, VERSION, count, errors, time};
use crate::run::{MOST, Subject, busy, deliver, note, totals};
use crate::target::Target;
use crate::workload::{Tally, Workload};

/// What `bench sweep` takes.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// What, and how hard: a step lasts --duration divided by --rounds, and the first has the --rate, where one is given
    #[command(flatten)]
    pub subject: Subject,
    /// What 99 of 100 operations have to stay below, from when they were due
    #[arg(long, default_value = "20ms", value_parser = humantime::parse_duration)]
    pub bound: Duration,
    /// The share of operations that may fail
    #[arg(long, default_value = "0.1%", value_name = "PERCENT", value_parser = percent)]
    pub errors: f64,
    /// How near the highest rate that holds and the lowest that does not have to be
    #[arg(long, default_value = "5%", value_name = "PERCENT", value_parser = precision)]
    pub precision: f64,
    /// Write the report as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What the report has to show, as 'knee>20000', 'vitrail:p99<20ms' or 'ratio>0.5'; else the exit status is 1
    #[arg(long, value_name = "CONDITION")]
    pub assert: Vec<Assertion<SweepReport>>,
}

/// `0.1%`, as a share.
fn percent(text: &str) -> Result<f64, String> {
    let number = text
        .trim_end_matches('%')
        .trim()
        .parse::<f64>()
        .map_err(|_| format!("`{text}` is no percentage; write it as 0.1%"))?;
    if (0.0..=100.0).contains(&number) { Ok(number / 100.0) } else { Err("a percentage is from 0% to 100%".into()) }
}

fn precision(text: &str) -> Result<f64, String> {
    let precision = percent(text)?;
    if precision >= 0.001 { Ok(precision) } else { Err("no two measurements agree better than 0.1%".into()) }
}

/// Measures, prints, and says whether all assertions hold and all answers were right.
///
/// # Errors
///
/// A target that cannot be used, a workload that is wrong, a file that cannot be written.
pub async fn run(options: Options) -> Result<bool> {
    let workload = options.subject.workload()?;
    let load = options.subject.load.load();
    // What is offered beyond what can be done waits longer and longer: it has to show within a step.
    let least = options.bound.div_f64(options.precision).max(Duration::from_millis(100));
    if load.duration < least {
        bail!(
            "a step of {:?} does not show that a rate is {} % too high for {:?}: --duration has to be {:?} or more with {} rounds",
            load.duration,
            (options.precision * 1e5).round() / 1e3,
            options.bound,
            least * options.subject.load.rounds,
            options.subject.load.rounds
        );
    }
    let targets = Target::parse_all(&options.subject.target)?;
    let mut fleets = options.subject.ready(targets, &workload, &mut note).await?;
    let mut targets = Vec::new();
    let mut warnings = Vec::new();
    for fleet in &mut fleets {
        let name = fleet.target.name.clone();
        let swept = sweep(fleet, &workload, &load, &options, &mut warnings).await;
        targets.push(swept.with_context(|| name)?);
    }
    let report = SweepReport {
        version: VERSION,
        kind: "sweep".into(),
        workload: workload.name.clone(),
        settings: options.subject.load.settings(),
        bound: u64::try_from(options.bound.as_micros())?,
        errors: options.errors,
        precision: options.precision,
        environment: Environment::here(),
        targets,
        warnings,
    };
    let holds = deliver(&report, report::print, options.json.as_deref(), &options.assert)?;
    let right = |target: &Swept| {
        target.wrong.is_empty() && !target.steps.iter().any(|step| step.errors.contains_key("wrong answer"))
    };
    Ok(holds && report.targets.iter().all(right))
}

/// One target, from the estimate to the knee.
async fn sweep(
    fleet: &mut Fleet,
    workload: &Arc<Workload>,
    load: &Load,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<Swept> {
    let name = fleet.target.name.clone();
    let before = totals(fleet, workload, options.subject.prepare).await?;
    let mut tally = Tally::default();
    let mut number = 0;
    let mut estimate = None;
    let first = match load.rate {
        Some(rate) => rate,
        None => {
            let slot = fleet.slot(workload, &Load { rate: None, ..load.clone() }, number, &mut ()).await;
            tally.merge(&slot.tally);
            let rate = slot.rate();
            if rate <= 0.0 {
                let example =
                    slot.record.errors.values().next().map_or("nothing ended in time", |errors| &errors.example);
                bail!("a closed loop got nothing done: {example}");
            }
            note(&format!("{name}: {} a second in a closed loop of {} clients", count(rate.round()), load.clients));
            estimate = Some(rate);
            rate / 2.0
        }
    };
    let mut search = Search::new(first, options.precision);
    let (mut steps, mut knee, mut own) = (Vec::new(), None, 0.0_f64);
    while let Some(rate) = search.next().filter(|rate| *rate <= MOST) {
        number += 1;
        let slot = fleet.slot(workload, &Load { rate: Some(rate), ..load.clone() }, number, &mut ()).await;
        tally.merge(&slot.tally);
        let step = judge(rate, &slot, options);
        note(&format!("{name}: {}", step.line()));
        search.note(step.broke.is_none());
        if step.broke.is_some() {
            own = own.max(slot.own.cpu.as_secs_f64() / slot.elapsed.as_secs_f64().max(f64::MIN_POSITIVE));
        } else if search.knee() == Some(rate) {
            knee = Some((step.clone(), ProcessReport::over(&fleet.processes, std::slice::from_ref(&slot))));
        }
        steps.push(step);
    }
    let busy = busy(&name, own, Environment::here().cores);
    warnings.extend(busy.map(|warning| format!("{warning}; the knee may lie higher")));
    let after = totals(fleet, workload, options.subject.prepare).await?;
    let mut wrong = workload.audit(&before, &after, &tally);
    let connection = fleet.first().context("there is no client")?;
    wrong.extend(workload.check(connection).await.context("the tables cannot be checked")?);
    let (step, processes) = knee.unzip();
    Ok(Swept {
        name,
        url: fleet.target.url.clone(),
        estimate,
        knee: search.knee(),
        latency: step.and_then(|step: Step| step.latency),
        processes: processes.unwrap_or_default(),
        steps,
        wrong,
    })
}

/// What a slot at a rate has shown, and whether that is good enough.
fn judge(rate: f64, slot: &Slot, options: &Options) -> Step {
    let latency = Percentiles::of(&slot.record.latency());
    let (done, failed) = (slot.record.done(), slot.record.failed());
    let share = failed as f64 / (done + failed).max(1) as f64;
    // What came due in the last moments might still have begun in time.
    let pardoned = rate * options.bound.as_secs_f64();
    let broke = if done == 0 {
        Some("nothing was done".to_owned())
    } else if share > options.errors {
        Some(format!("{:.2} % errors", share * 100.0))
    } else if slot.missed as f64 > pardoned {
        Some(format!("{} were never begun", count(slot.missed as f64)))
    } else {
        let late = latency.as_ref().filter(|latency| u128::from(latency.p99) >= options.bound.as_micros());
        late.map(|latency| format!("p99 is {}", time(latency.p99)))
    };
    Step {
        rate,
        achieved: slot.rate(),
        latency,
        errors: errors(&slot.record.errors, slot.record.done()),
        missed: slot.missed,
        broke,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_shares() {
        assert_eq!((percent("0.1%"), percent("5 %"), percent("50")), (Ok(0.001), Ok(0.05), Ok(0.5)));
        assert!(percent("many").is_err() && percent("101%").is_err() && precision("0%").is_err());
    }
}
