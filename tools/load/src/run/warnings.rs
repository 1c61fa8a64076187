//! What to bear in mind about a report.

use crate::report::{Report, TargetReport, count, time};

/// Above this share of the machine's cores the tool itself was the limit.
const TOO_MUCH: f64 = 0.45;
/// Timers have a grain of a millisecond and may need another one; what is above is waiting for a processor.
const GRAIN: u64 = 3_000;

/// MySQL's errno of a key that is there already; of a Vitrail it stands behind a code.
const DUPLICATE: &str = "1062";

/// The report's warnings, most serious first.
pub fn of(report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    if report.interrupted {
        warnings.push(
            "the run was ended early, by hand: there are fewer rounds or a shorter one, and less is certain".to_owned(),
        );
    }
    if report.rate_changed {
        warnings.push(
            "the rate was changed by hand: the totals mix what different rates did; the seconds tell them apart"
                .to_owned(),
        );
    }
    for target in &report.targets {
        if target.rounds.is_empty() {
            warnings.push(format!("{} was not measured", target.name));
            continue;
        }
        warnings.extend(bottleneck(target, report.environment.cores));
        if target.errors.keys().any(|code| code.ends_with(DUPLICATE)) {
            warnings.push(format!(
                "{} had keys already that were to be inserted: the same seed draws the same keys again; --prepare makes the tables anew, another --seed draws other keys",
                target.name
            ));
        }
        if target.missed > 0 {
            warnings.push(format!(
                "{} could not keep up with the rate: {} operations were never begun; --clients allows more at a time",
                target.name,
                count(target.missed as f64)
            ));
        }
    }
    warnings
}

/// Whether the load tester, which used `own` of the machine's `cores` under a target, was its limit.
pub(crate) fn busy(name: &str, own: f64, cores: usize) -> Option<String> {
    (own > TOO_MUCH * cores as f64).then(|| {
        format!(
            "under {name} the load tester itself used {own:.1} of {cores} cores: more was not possible from this machine; run it on another machine than the servers, \
             or compare CPU for each statement instead of rates"
        )
    })
}

/// Whether the load tester was in the way, and what to do about it.
fn bottleneck(target: &TargetReport, cores: usize) -> Vec<String> {
    let (tool, name) = (&target.tool, &target.name);
    let mut warnings = Vec::new();
    warnings.extend(busy(name, tool.cores, cores));
    let late = tool.wakes.p99;
    if late > GRAIN && late * 4 > target.latency.p99 {
        warnings.push(format!(
            "under {name} timers of the load tester woke {} late in 1 of 100 cases (median {}): it waited for a processor, and latencies look longer than they were \
             by as much; run it on another machine than the servers, or take fewer --clients or a --rate well below what is possible",
            time(late),
            time(tool.wakes.p50)
        ));
    }
    warnings
}
