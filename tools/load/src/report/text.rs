//! The report for people.

use std::fmt::Write as _;

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
    for warning in &report.warnings {
        let _ = writeln!(text, "note: {warning}");
    }
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
    for (code, error) in &target.errors {
        let _ =
            writeln!(text, "  {} errors {code} ({:.2} %): {}", count(error.count as f64), error.percent, error.example);
    }
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
    for process in &target.processes {
        let _ = writeln!(
            text,
            "  {}: {:.1} us CPU a statement, {:.2} cores, {} MiB",
            process.name,
            process.cpu_per_statement,
            process.cores,
            process.memory >> 20
        );
    }
    let _ = writeln!(
        text,
        "  load tester: {:.2} cores, timers woke up to {} late in 99 of 100 cases",
        target.tool.cores,
        time(target.tool.wakes.p99)
    );
    for wrong in &target.wrong {
        let _ = writeln!(text, "  WRONG: {wrong}");
    }
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

/// A time with three digits that count.
pub(crate) fn time(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..10_000 => format!("{:.2} ms", micros as f64 / 1e3),
        10_000..100_000 => format!("{:.1} ms", micros as f64 / 1e3),
        100_000..1_000_000 => format!("{:.0} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// A number with its thousands apart.
pub(crate) fn count(number: f64) -> String {
    if number < 100.0 && number.fract() != 0.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(
            [999, 1_234, 12_345, 123_456, 1_234_567].map(time),
            ["999 us", "1.23 ms", "12.3 ms", "123 ms", "1.23 s"]
        );
        assert_eq!([0.0, 12.5, 999.4, 1_000.0, 1_234_567.0].map(count), ["0", "12.5", "999", "1,000", "1,234,567"]);
    }
}
