//! Ratios of interleaved rounds, and how sure they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Quantiles of Student's t for a confidence of 95 % (two sides), by degrees of freedom from 1.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// How two targets compare over the rounds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// The geometric mean of the rounds' ratios.
    pub ratio: f64,
    /// The lower bound at 95 % confidence; absent with a single round.
    pub low: Option<f64>,
    /// The upper bound.
    pub high: Option<f64>,
}

impl Ratio {
    /// Of each round's figure against that of the same round: what drifts with time hits both. `None` without a round, or where a figure is 0.
    pub fn of(figures: &[f64], against: &[f64]) -> Option<Ratio> {
        let logs: Vec<f64> = figures.iter().zip(against).map(|(figure, other)| (figure / other).ln()).collect();
        if logs.is_empty() || logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let margin = (logs.len() > 1).then(|| {
            let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
            student(logs.len() - 1) * (variance / count).sqrt()
        });
        Some(Ratio {
            ratio: mean.exp(),
            low: margin.map(|margin| (mean - margin).exp()),
            high: margin.map(|margin| (mean + margin).exp()),
        })
    }

    /// What may be said of `name`, whose figure is better the higher it is, against `other`.
    pub fn verdict(&self, name: &str, other: &str) -> String {
        match (self.low, self.high) {
            (Some(low), Some(high)) if low > 1.0 => {
                format!("{name} is faster than {other}: {low:.2} to {high:.2} times")
            }
            (Some(low), Some(high)) if high < 1.0 => {
                format!("{name} is slower than {other}: {low:.2} to {high:.2} times")
            }
            (Some(low), Some(high)) => {
                format!("no difference between {name} and {other} is shown: {low:.2} to {high:.2} times")
            }
            _ => format!(
                "one round shows no difference for certain: {name} had {:.2} times {other}; take --rounds 5 or more",
                self.ratio
            ),
        }
    }
}

/// The quantile for a confidence of 95 % with so many degrees of freedom, from 1.
pub(crate) fn student(freedom: usize) -> f64 {
    STUDENT.get(freedom - 1).copied().unwrap_or(1.96)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_knows_how_sure_it_is() {
        let steady = Ratio::of(&[50.0, 51.0, 49.0, 50.5], &[100.0, 100.0, 100.0, 100.0]).expect("a ratio");
        assert!((steady.ratio - 0.5).abs() < 0.01, "{steady:?}");
        assert!(steady.low.expect("a bound") > 0.48 && steady.high.expect("a bound") < 0.52, "{steady:?}");
        assert!(steady.verdict("a", "b").starts_with("a is slower than b: 0.4"));
        let wild = Ratio::of(&[50.0, 200.0, 100.0], &[100.0, 100.0, 100.0]).expect("a ratio");
        assert!(wild.verdict("a", "b").starts_with("no difference"), "{wild:?}");
        assert!(Ratio::of(&[1.0], &[2.0]).expect("a ratio").verdict("a", "b").contains("--rounds 5"));
        assert_eq!(Ratio::of(&[], &[]), None);
        assert_eq!(Ratio::of(&[0.0], &[1.0]), None);
    }
}
