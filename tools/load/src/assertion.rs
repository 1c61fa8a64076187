//! What a report has to show: `--assert 'p99<20ms'` sets the exit status.

use std::str::FromStr;

use crate::report::{Report, TargetReport};

/// A figure of a target, and its bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    text: String,
    target: Option<String>,
    figure: Figure,
    /// The figure has to be below; else above.
    below: bool,
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    P50,
    P90,
    P95,
    P99,
    P999,
    Max,
    Mean,
    Spread,
    Rate,
    Errors,
    Wrong,
    /// Microseconds of a statement of the target's first process.
    Cpu,
    /// Bytes of the target's first process.
    Memory,
    /// The rate against that of the first target.
    Ratio,
}

const FIGURES: &[(&str, Figure)] = &[
    ("p50", Figure::P50),
    ("p90", Figure::P90),
    ("p95", Figure::P95),
    ("p99", Figure::P99),
    ("p99.9", Figure::P999),
    ("max", Figure::Max),
    ("mean", Figure::Mean),
    ("spread", Figure::Spread),
    ("rate", Figure::Rate),
    ("errors", Figure::Errors),
    ("wrong", Figure::Wrong),
    ("cpu", Figure::Cpu),
    ("memory", Figure::Memory),
    ("ratio", Figure::Ratio),
];

impl FromStr for Assertion {
    type Err = String;

    fn from_str(text: &str) -> Result<Assertion, String> {
        let at = text
            .find(['<', '>'])
            .ok_or_else(|| format!("`{text}` compares nothing; write it as `p99<20ms` or `vitrail:rate>1000`"))?;
        let (left, right) = (text[..at].trim(), text[at + 1..].trim());
        let (target, name) = match left.split_once(':') {
            Some((target, name)) => (Some(target.to_owned()), name),
            None => (None, left),
        };
        let figure = FIGURES.iter().find(|(known, _)| *known == name).map(|(_, figure)| *figure).ok_or_else(|| {
            let known: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
            format!("`{name}` is no figure; there are {}", known.join(", "))
        })?;
        let bound = bound(right).ok_or_else(|| format!("`{right}` is no bound; write it as 20ms, 1.5 or 64MiB"))?;
        Ok(Assertion { text: text.to_owned(), target, figure, below: &text[at..=at] == "<", bound })
    }
}

/// Microseconds, bytes, or a plain number.
fn bound(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 6] =
        [("us", 1.0), ("ms", 1e3), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0), ("s", 1e6)];
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let number = unit.map_or(text, |(unit, _)| &text[..text.len() - unit.len()]);
    Some(number.trim().parse::<f64>().ok()? * unit.map_or(1.0, |(_, factor)| *factor))
}

impl Assertion {
    /// What it found wrong, of each target that it means.
    pub fn check(&self, report: &Report) -> Vec<String> {
        let mut meant = report
            .targets
            .iter()
            .filter(|target| self.target.as_ref().is_none_or(|name| *name == target.name))
            .peekable();
        if meant.peek().is_none() {
            return vec![format!("{}: there is no target {}", self.text, self.target.as_deref().unwrap_or_default())];
        }
        meant
            .filter(|target| self.figure != Figure::Ratio || target.name != report.targets[0].name)
            .filter_map(|target| match self.figure(target, report) {
                None => Some(format!("{}: {} has no such figure", self.text, target.name)),
                Some(found) if (found < self.bound) == self.below && found != self.bound => None,
                Some(found) => Some(format!("{}: {} has {found:.2}", self.text, target.name)),
            })
            .collect()
    }

    fn figure(&self, target: &TargetReport, report: &Report) -> Option<f64> {
        let latency = &target.latency;
        Some(match self.figure {
            Figure::P50 => latency.p50 as f64,
            Figure::P90 => latency.p90 as f64,
            Figure::P95 => latency.p95 as f64,
            Figure::P99 => latency.p99 as f64,
            Figure::P999 => latency.p999 as f64,
            Figure::Max => latency.max as f64,
            Figure::Mean => latency.mean,
            Figure::Spread => latency.spread,
            Figure::Rate => target.rate,
            Figure::Errors => target.failed() as f64,
            Figure::Wrong => target.wrong.len() as f64,
            Figure::Cpu => target.processes.first()?.cpu_per_statement,
            Figure::Memory => target.processes.first()?.memory as f64,
            Figure::Ratio => report.comparisons.iter().find(|comparison| comparison.target == target.name)?.rate?.ratio,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_have_units() {
        for (text, wanted) in [("20ms", 20_000.0), ("1.5", 1.5), ("2s", 2e6), ("64MiB", 67_108_864.0), ("7 us", 7.0)] {
            assert_eq!(bound(text), Some(wanted), "{text}");
        }
        assert_eq!(bound("fast"), None);
    }

    #[test]
    fn what_is_wrong_with_an_assertion_is_said() {
        for (text, says) in [
            ("p99", "compares nothing"),
            ("p98<1ms", "`p98` is no figure; there are p50"),
            ("p99<soon", "`soon` is no bound"),
        ] {
            let error = text.parse::<Assertion>().expect_err("refused");
            assert!(error.contains(says), "{error}");
        }
        assert!("vitrail:p99.9>20ms".parse::<Assertion>().is_ok());
    }
}
