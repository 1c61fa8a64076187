//! The report for people.

use std::fmt::Write as _;

use super::lines::{self, count, time};
use super::{Percentiles, Report, TargetReport};

/// Prints a report.
pub fn print(report: &Report, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    out.write_all(render(report).as_bytes())
}

fn render(report: &Report) -> String {
    let mut text = String::new();
    let settings = &report.settings;
    let pace = settings.rate.map_or("as fast as it goes".to_owned(), |rate| format!("{} a second", count(rate)));
    let _ = writeln!(
        text,
        "{}: {} clients, {pace}, {} rounds of {:.1} s, seed {}{}\n",
        report.workload,
        settings.clients,
        settings.rounds,
        settings.duration,
        settings.seed,
        if report.interrupted { "; ended early" } else { "" }
    );
    for target in &report.targets {
        render_target(target, &mut text);
    }
    for comparison in &report.comparisons {
        let _ = writeln!(text, "{}", comparison.verdict);
    }
    lines::notes(&report.warnings, &mut text);
    text
}

fn render_target(target: &TargetReport, text: &mut String) {
    let server = target.server.as_ref().map_or(String::new(), |version| format!(", {version}"));
    let _ = writeln!(text, "{} ({}{server})", target.name, target.url);
    let _ = write!(text, "  {} operations a second", count(target.rate));
    if (target.statements - target.rate).abs() > 0.01 * target.rate {
        let _ = write!(text, ", {} statements", count(target.statements));
    }
    let _ = writeln!(text);
    for (figure, number) in &target.figures {
        let _ = writeln!(text, "  {} {figure}", count(*number));
    }
    let _ = writeln!(
        text,
        "  {:<16} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "", "count", "p50", "p90", "p95", "p99", "p99.9", "max", "p99/p50"
    );
    for operation in &target.operations {
        render_times(&operation.name, &operation.latency, text);
        if let Some(service) = &operation.service {
            render_times("  once begun", service, text);
        }
    }
    if target.operations.len() > 1 {
        render_times("all", &target.latency, text);
    }
    lines::errors(&target.errors, text);
    for (code, number) in &target.retries {
        let _ = writeln!(text, "  {} times run again after {code}", count(*number as f64));
    }
    if target.late + target.missed > 0 {
        let _ = writeln!(
            text,
            "  {} began late, {} were due and never begun",
            count(target.late as f64),
            count(target.missed as f64)
        );
    }
    lines::processes(&target.processes, text);
    let _ = writeln!(
        text,
        "  load tester: {:.2} cores, timers woke up to {} late in 99 of 100 cases",
        target.tool.cores,
        time(target.tool.wakes.p99)
    );
    lines::wrong(&target.wrong, text);
    let _ = writeln!(text);
}

fn render_times(name: &str, times: &Percentiles, text: &mut String) {
    let _ = writeln!(
        text,
        "  {name:<16} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7.1}",
        count(times.count as f64),
        time(times.p50),
        time(times.p90),
        time(times.p95),
        time(times.p99),
        time(times.p999),
        time(times.max),
        times.spread
    );
}
