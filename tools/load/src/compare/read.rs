//! Reports from files, and what makes two of them hard to compare.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::report::{Report, TargetReport, VERSION};

/// Reads the report of a `bench run`.
pub(super) fn report(path: &Path) -> Result<Report> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let value: Value = serde_json::from_str(&text).with_context(|| format!("{name} is no JSON"))?;
    if let Some(kind) = value.get("kind").and_then(Value::as_str) {
        bail!("{name} is a report of bench {kind}; those of bench run can be compared");
    }
    match value.get("version").and_then(Value::as_u64) {
        None => bail!("{name} is no report of bench run: it has no `version`; --json writes one"),
        Some(version) if version != u64::from(VERSION) => bail!(
            "{name} has format {version}, and this vitrail reads format {VERSION}: measure again, or take the vitrail that wrote it"
        ),
        Some(_) => {}
    }
    serde_json::from_value(value).with_context(|| {
        format!("{name} is no report of bench run as this vitrail writes it: measure again, or take the vitrail that wrote it")
    })
}

/// What differs beside what was measured, most serious first.
pub(super) fn differences(first: &Report, second: &Report, pairs: &[(&TargetReport, &TargetReport)]) -> Vec<String> {
    let mut told = Vec::new();
    let mut differ = |what: &str, one: String, other: String| {
        if one != other {
            told.push(format!("{what}: {one} in A, {other} in B"));
        }
    };
    differ("the workloads differ", first.workload.clone(), second.workload.clone());
    let (one, other) = (&first.settings, &second.settings);
    let pace = |rate: Option<f64>| rate.map_or("as fast as it goes".to_owned(), |rate| format!("{rate} a second"));
    differ("numbers of clients differ", one.clients.to_string(), other.clients.to_string());
    differ("sessions on a connection differ", one.per_connection.to_string(), other.per_connection.to_string());
    differ("the rates that were wanted differ", pace(one.rate), pace(other.rate));
    differ("rounds were not equally long", format!("{} s", one.duration), format!("{} s", other.duration));
    differ("warm-ups were not equally long", format!("{} s", one.warmup), format!("{} s", other.warmup));
    differ("seeds differ", one.seed.to_string(), other.seed.to_string());
    let (one, other) = (&first.environment, &second.environment);
    differ("processors differ", one.processor.clone(), other.processor.clone());
    differ("numbers of cores differ", one.cores.to_string(), other.cores.to_string());
    let memory = |bytes: u64| format!("{} MiB", bytes >> 20);
    differ("the machines' memories differ", memory(one.memory), memory(other.memory));
    differ("platforms differ", one.platform.clone(), other.platform.clone());
    differ("kernels differ", one.kernel.clone(), other.kernel.clone());
    differ("versions of the load tester differ", one.tool(), other.tool());
    for (one, other) in pairs {
        let version = |target: &TargetReport| target.server.clone().unwrap_or_else(|| "unknown".into());
        differ(&format!("versions behind {} differ", other.name), version(one), version(other));
        let process = |target: &TargetReport| match target.processes.first() {
            None => "none".to_owned(),
            Some(process) if process.name == target.name => "the one that listens".to_owned(),
            Some(process) => process.name.clone(),
        };
        differ(
            &format!("`cpu` and `memory` of {} are of different processes", other.name),
            process(one),
            process(other),
        );
    }
    for (letter, report) in [("A", first), ("B", second)] {
        if report.interrupted {
            told.push(format!("{letter} was ended early"));
        }
        if report.rate_changed {
            told.push(format!("the rate of {letter} was changed by hand while it ran"));
        }
        let alone = |target: &&TargetReport| {
            !pairs.iter().any(|(one, other)| std::ptr::eq(*one, *target) || std::ptr::eq(*other, *target))
        };
        for target in report.targets.iter().filter(alone) {
            told.push(format!("{letter} alone has {}", target.name));
        }
        // What each run said of itself holds for the comparison too.
        told.extend(report.warnings.iter().map(|warning| format!("{letter}: {warning}")));
    }
    told
}
