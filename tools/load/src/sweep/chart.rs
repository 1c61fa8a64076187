//! Latency over the rate, in characters.

use std::fmt::Write as _;

use super::report::Step;
use crate::report::{count, time};

/// Columns of the longest bar.
const WIDTH: usize = 50;
/// The longest bar is this many bounds.
const BOUNDS: f64 = 2.0;

/// A bar of p99 for each rate, in the order given, with the bound as a line; a bar that is cut has a `>` at its end.
pub(super) fn chart(steps: &[&Step], bound: u64) -> String {
    let mut text = String::new();
    let line = (WIDTH as f64 / BOUNDS) as usize;
    for step in steps {
        let Some(latency) = &step.latency else { continue };
        let bounds = latency.p99 as f64 / bound.max(1) as f64;
        let length = ((bounds / BOUNDS * WIDTH as f64).round() as usize).max(1);
        let bar: String = (0..WIDTH)
            .map(|column| match column {
                _ if column + 1 == WIDTH && length > WIDTH => '>',
                _ if column < length => '#',
                _ if column == line => '|',
                _ => ' ',
            })
            .collect();
        let _ = writeln!(text, "  {:>10} {}", count(step.rate.round()), bar.trim_end());
    }
    if !text.is_empty() {
        let _ = writeln!(text, "  {:>10} {:line$}| p99 of {}", "", "", time(bound));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::record::Record;
    use crate::report::Percentiles;

    fn step(rate: f64, millis: u64) -> Step {
        let mut record = Record::new(1);
        record.note(0, Duration::from_millis(millis), Duration::from_millis(millis), 1);
        let latency = Percentiles::of(&record.latency());
        Step { rate, achieved: rate, latency, errors: BTreeMap::new(), missed: 0, broke: None }
    }

    #[test]
    fn bars_grow_with_the_latency_and_are_cut() {
        let steps = [step(1_000.0, 4), step(2_000.0, 20), step(4_000.0, 900)];
        let text = chart(&steps.iter().collect::<Vec<_>>(), 20_000);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("       1,000 {}{}|", "#".repeat(5), " ".repeat(20)));
        assert_eq!(lines[1], format!("       2,000 {}|", "#".repeat(25)));
        assert_eq!(lines[2], format!("       4,000 {}>", "#".repeat(49)));
        assert_eq!(lines[3], format!("{}| p99 of 20.0 ms", " ".repeat(38)));
    }
}
