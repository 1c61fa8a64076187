//! What a report has to show: `--assert 'p99<20ms'` sets the exit status.

use std::marker::PhantomData;
use std::str::FromStr;

use crate::report::{Report, TargetReport};

/// A report whose figures can be asserted.
pub trait Figures {
    /// What its figures are called.
    const NAMES: &'static [&'static str];

    /// The names of its targets.
    fn targets(&self) -> Vec<&str>;

    /// A figure of the target with that index: microseconds, bytes or a number. `None`: it has none.
    fn figure(&self, target: usize, name: &str) -> Option<f64>;

    /// Whether every target is meant to have it, as all but the first are compared with the first.
    fn is_meant(&self, _target: usize, _name: &str) -> bool {
        true
    }
}

/// A figure of a target, and its bound.
#[derive(Debug)]
pub struct Assertion<R> {
    text: String,
    target: Option<String>,
    figure: &'static str,
    /// The figure has to be below; else above.
    below: bool,
    bound: f64,
    report: PhantomData<fn(&R)>,
}

impl<R> Clone for Assertion<R> {
    fn clone(&self) -> Assertion<R> {
        Assertion { text: self.text.clone(), target: self.target.clone(), ..*self }
    }
}

impl<R: Figures> FromStr for Assertion<R> {
    type Err = String;

    fn from_str(text: &str) -> Result<Assertion<R>, String> {
        let at = text.find(['<', '>']).ok_or_else(|| {
            format!("`{text}` compares nothing; write it as `{0}<20` or `vitrail:{0}>20`", R::NAMES[0])
        })?;
        let (left, right) = (text[..at].trim(), text[at + 1..].trim());
        let (target, name) = match left.split_once(':') {
            Some((target, name)) => (Some(target.to_owned()), name),
            None => (None, left),
        };
        let figure = R::NAMES.iter().find(|known| **known == name);
        let figure = figure.ok_or_else(|| format!("`{name}` is no figure; there are {}", R::NAMES.join(", ")))?;
        let bound = bound(right).ok_or_else(|| format!("`{right}` is no bound; write it as 20ms, 1.5 or 64MiB"))?;
        let below = &text[at..=at] == "<";
        Ok(Assertion { text: text.to_owned(), target, figure, below, bound, report: PhantomData })
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

impl<R: Figures> Assertion<R> {
    /// What it found wrong, of each target that it means.
    pub fn check(&self, report: &R) -> Vec<String> {
        let targets = report.targets();
        let named = |name: &str| self.target.as_deref().is_none_or(|wanted| wanted == name);
        if !targets.iter().any(|name| named(name)) {
            return vec![format!("{}: there is no target {}", self.text, self.target.as_deref().unwrap_or_default())];
        }
        let meant =
            targets.iter().enumerate().filter(|(index, name)| named(name) && report.is_meant(*index, self.figure));
        meant
            .filter_map(|(index, name)| match report.figure(index, self.figure) {
                None => Some(format!("{}: {name} has no such figure", self.text)),
                Some(found) if (found < self.bound) == self.below && found != self.bound => None,
                Some(found) => Some(format!("{}: {name} has {found:.2}", self.text)),
            })
            .collect()
    }
}

impl Figures for Report {
    const NAMES: &'static [&'static str] = &[
        "p50", "p90", "p95", "p99", "p99.9", "max", "mean", "spread", "rate", "errors", "wrong", "cpu", "memory",
        "ratio",
    ];

    fn targets(&self) -> Vec<&str> {
        self.targets.iter().map(|target| target.name.as_str()).collect()
    }

    fn figure(&self, target: usize, name: &str) -> Option<f64> {
        let target: &TargetReport = &self.targets[target];
        Some(match name {
            "rate" => target.rate,
            "errors" => target.failed() as f64,
            "wrong" => target.wrong.len() as f64,
            // Of the target's first process.
            "cpu" => target.processes.first()?.cpu_per_statement,
            "memory" => target.processes.first()?.memory as f64,
            "ratio" => self.comparisons.iter().find(|comparison| comparison.target == target.name)?.rate?.ratio,
            _ => return target.latency.figure(name),
        })
    }

    fn is_meant(&self, target: usize, name: &str) -> bool {
        name != "ratio" || target > 0
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
            let error = text.parse::<Assertion<Report>>().expect_err("refused");
            assert!(error.contains(says), "{error}");
        }
        assert!("vitrail:p99.9>20ms".parse::<Assertion<Report>>().is_ok());
    }
}
