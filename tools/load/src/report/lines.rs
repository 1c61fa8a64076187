//! Lines that reports for people have in common, and how they write times and numbers.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use super::{ErrorReport, Percentiles, ProcessReport};

/// Errors of each code.
pub(crate) fn errors(errors: &BTreeMap<String, ErrorReport>, text: &mut String) {
    for (code, error) in errors {
        let took = error.took.map_or(String::new(), |took| format!(", p99 {}", time(took.p99)));
        let _ = writeln!(
            text,
            "  {} errors {code} ({:.2} %{took}): {}",
            count(error.count as f64),
            error.percent,
            error.example
        );
    }
}

/// What each process used.
pub(crate) fn processes(processes: &[ProcessReport], text: &mut String) {
    for process in processes {
        let _ = writeln!(
            text,
            "  {}: {:.1} us CPU a statement, {:.2} cores, {} MiB",
            process.name,
            process.cpu_per_statement,
            process.cores,
            process.memory >> 20
        );
    }
}

/// What did not add up.
pub(crate) fn wrong(wrong: &[String], text: &mut String) {
    for line in wrong {
        let _ = writeln!(text, "  WRONG: {line}");
    }
}

/// What to bear in mind.
pub(crate) fn notes(warnings: &[String], text: &mut String) {
    for warning in warnings {
        let _ = writeln!(text, "note: {warning}");
    }
}

/// A table of what clients waited for: its name, how often a second, and how long.
pub(crate) fn paced(rows: &[(&str, Option<&Percentiles>, f64)], text: &mut String) {
    let mut row = |name: &str, count: &dyn Display, rate: &dyn Display, times: [String; 5]| {
        let _ = write!(text, "  {name:<16} {count:>10} {rate:>9}");
        times.iter().for_each(|time| {
            let _ = write!(text, " {time:>9}");
        });
        let _ = writeln!(text);
    };
    row("", &"count", &"a second", ["p50", "p90", "p99", "p99.9", "max"].map(str::to_owned));
    for (name, times, rate) in rows {
        let Some(times) = times else { continue };
        let columns = [times.p50, times.p90, times.p99, times.p999, times.max].map(time);
        row(name, &count(times.count as f64), &count((rate * 10.0).round() / 10.0), columns);
    }
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
