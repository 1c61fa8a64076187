//! The charts of a report.

use super::chart::{Chart, Scale, Series};
use super::{count, time};
use crate::report::{Report, SecondReport, TargetReport};

/// Colours of the page's style.
const COLOURS: usize = 6;

/// Every chart that there is something to show on.
pub(super) fn draw(report: &Report, out: &mut String) {
    let each = |value: &dyn Fn(&SecondReport) -> Option<f64>, suffix: &str, thin: &str| -> Vec<Series> {
        let of_target = |(index, target): (usize, &TargetReport)| Series {
            name: format!("{}{suffix}", target.name),
            class: format!("c{}{thin}", index % COLOURS),
            parts: parts(target, value),
        };
        report.targets.iter().enumerate().map(of_target).collect()
    };
    let seconds = |place: f64| format!("{place:.0} s");
    let marks: Vec<f64> = report.targets.first().map_or(Vec::new(), |target| {
        let ends = timeline(target);
        ends.windows(2).filter(|pair| pair[0].1.round != pair[1].1.round).map(|pair| pair[0].0).collect()
    });
    let chart = |title: &str, about: &str, scale, series, value: &dyn Fn(f64) -> String, out: &mut String| {
        Chart { title, about, scale, series, value, place: &seconds, places: Vec::new(), marks: marks.clone() }
            .render(out);
    };
    let mut rates = each(&|second| Some(second.rate), "", "");
    let wanted = report.targets.iter().max_by_key(|target| target.seconds.len());
    if let Some(target) = wanted.filter(|target| target.seconds.iter().any(|second| second.wanted.is_some())) {
        let parts = parts(target, &|second| second.wanted);
        rates.push(Series { name: "wanted".into(), class: "wanted".into(), parts });
    }
    chart("Rate", "operations a second", Scale::Linear, rates, &count, out);
    let mut latency = each(&|second| positive(second.p99), " p99", "");
    latency.extend(each(&|second| positive(second.p50), " p50", " thin"));
    let micros = |value: f64| time(value.round() as u64);
    chart("Latency", "p99 and median of each second, logarithmic", Scale::Log, latency, &micros, out);
    distribution(report, out);
    if report.targets.iter().any(|target| target.failed() > 0) {
        let errors = each(&|second| Some(second.errors as f64 / second.length.max(0.001)), "", "");
        chart("Errors", "a second", Scale::Linear, errors, &count, out);
    }
    let cores = |value: f64| format!("{value:.2}");
    let mut cpu = processes(report, &|second, index| second.cores.get(index).copied().flatten());
    cpu.extend(each(&|second| Some(second.tool), ": load tester", " thin"));
    chart("CPU", "cores in use, of each process and of the load tester", Scale::Linear, cpu, &cores, out);
    let memory = processes(report, &|second, index| {
        second.memory.get(index).copied().flatten().map(|bytes| bytes as f64 / f64::from(1 << 20))
    });
    chart("Memory", "resident, of each process", Scale::Linear, memory, &|value| format!("{value:.0} MiB"), out);
}

fn positive(value: u64) -> Option<f64> {
    (value > 0).then_some(value as f64)
}

/// The seconds of a target, and when each ended: rounds one after the other, without the time between them.
fn timeline(target: &TargetReport) -> Vec<(f64, &SecondReport)> {
    let ends = target.seconds.iter().scan(0.0, |end, second| {
        *end += second.length;
        Some(*end)
    });
    ends.zip(&target.seconds).collect()
}

/// A part for each round, and a new one where a value is missing.
fn parts(target: &TargetReport, value: &dyn Fn(&SecondReport) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let mut parts: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut last = None;
    for (end, second) in timeline(target) {
        match value(second) {
            Some(value) => {
                let point = (second.length.mul_add(-0.5, end), value);
                match parts.last_mut().filter(|_| last == Some(second.round)) {
                    Some(part) => part.push(point),
                    None => parts.push(vec![point]),
                }
                last = Some(second.round);
            }
            None => last = None,
        }
    }
    parts
}

fn processes(report: &Report, value: &dyn Fn(&SecondReport, usize) -> Option<f64>) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for target in &report.targets {
        for (index, process) in target.processes.iter().enumerate() {
            let name = if process.name == target.name {
                process.name.clone()
            } else {
                format!("{}: {}", target.name, process.name)
            };
            let class = format!("c{}", all.len() % COLOURS);
            all.push(Series { name, class, parts: parts(target, &|second| value(second, index)) });
        }
    }
    all
}

/// Latency by quantile, each digit nine as wide as the one before.
fn distribution(report: &Report, out: &mut String) {
    let nines = |rest: f64| -rest.log10();
    let of_target = |(index, target): (usize, &TargetReport)| {
        let last = nines(1.0 / target.latency.count.max(2) as f64);
        let point = |point: &crate::report::Quantile| {
            let rest = 1.0 - point.quantile;
            (if rest > 0.0 { nines(rest).min(last) } else { last }, point.time.max(1) as f64)
        };
        Series {
            name: target.name.clone(),
            class: format!("c{}", index % COLOURS),
            parts: vec![target.distribution.iter().map(point).collect()],
        }
    };
    let place = |place: f64| {
        let percent = (1.0 - 10_f64.powf(-place)) * 100.0;
        let digits = (place.ceil() as usize).saturating_sub(2);
        format!("{percent:.digits$} %")
    };
    Chart {
        title: "Latency by percentile",
        about: "so many operations took not longer, logarithmic",
        scale: Scale::Log,
        series: report.targets.iter().enumerate().map(of_target).collect(),
        value: &|value| time(value.round() as u64),
        place: &place,
        places: (0..8).map(f64::from).collect(),
        marks: Vec::new(),
    }
    .render(out);
}
