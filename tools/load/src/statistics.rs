//! Ratios of rounds, interleaved or not, and how sure they are.

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

    /// Of figures of one run against those of another, whose rounds have nothing to do with each other: Welch's t of their logarithms (B. L. Welch, "The generalization
    /// of Student's problem when several different population variances are involved", Biometrika 1947). `None` without a round on either side, or where a figure is 0.
    pub fn between(figures: &[f64], against: &[f64]) -> Option<Ratio> {
        let (mine, theirs) = (Logs::of(figures)?, Logs::of(against)?);
        let mean = mine.mean - theirs.mean;
        let margin = match (mine.error, theirs.error) {
            (Some(one), Some(other)) => {
                let part = |error: f64, count: f64| error.powi(2) / (count - 1.0);
                let freedom = (one + other).powi(2) / (part(one, mine.count) + part(other, theirs.count));
                // Rounded down, so that the interval is rather too wide; without any spread it has no width whatever the freedom is.
                let freedom = if freedom.is_finite() { (freedom as usize).max(1) } else { 1 };
                Some(student(freedom) * (one + other).sqrt())
            }
            _ => None,
        };
        Some(Ratio {
            ratio: mean.exp(),
            low: margin.map(|margin| (mean - margin).exp()),
            high: margin.map(|margin| (mean + margin).exp()),
        })
    }

    /// What may be said of `name`, whose median latency it is, against `other`.
    pub fn verdict_of_times(&self, name: &str, other: &str) -> String {
        match (self.low, self.high) {
            (Some(low), Some(high)) if low > 1.0 || high < 1.0 => {
                let how = if low > 1.0 { "slower" } else { "sooner" };
                format!("{name} answers {how} than {other}: the median takes {low:.2} to {high:.2} times as long")
            }
            (Some(low), Some(high)) => {
                format!("no difference between the medians of {name} and {other} is shown: {low:.2} to {high:.2} times")
            }
            _ => format!(
                "one round shows no difference for certain: the median of {name} took {:.2} times that of {other}; take --rounds 5 or more",
                self.ratio
            ),
        }
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

/// Logarithms of figures.
struct Logs {
    count: f64,
    mean: f64,
    /// The square of the mean's standard error; `None` of a single one.
    error: Option<f64>,
}

impl Logs {
    fn of(figures: &[f64]) -> Option<Logs> {
        let logs: Vec<f64> = figures.iter().map(|figure| figure.ln()).collect();
        if logs.is_empty() || logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
        Some(Logs { count, mean, error: (logs.len() > 1).then(|| squares / (count - 1.0) / count) })
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

    #[test]
    fn runs_of_their_own_are_compared_without_pairs() {
        // The logarithms are -1, 0, 1 and 1, 2, 3: a difference of 2 with an error of the square root of 2/3, and 4 degrees of freedom.
        let exp = |logs: &[f64]| logs.iter().map(|log| log.exp()).collect::<Vec<f64>>();
        let ratio = Ratio::between(&exp(&[1.0, 2.0, 3.0]), &exp(&[-1.0, 0.0, 1.0])).expect("a ratio");
        let margin = 2.776 * (2.0_f64 / 3.0).sqrt();
        assert!((ratio.ratio.ln() - 2.0).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.low.expect("a bound").ln() - (2.0 - margin)).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.high.expect("a bound").ln() - (2.0 + margin)).abs() < 1e-9, "{ratio:?}");
        // In unlike numbers, and the spread all on one side: one degree of freedom less than it has rounds.
        let ratio = Ratio::between(&exp(&[0.0, 2.0]), &[1.0, 1.0, 1.0, 1.0, 1.0]).expect("a ratio");
        assert!((ratio.high.expect("a bound").ln() - (1.0 + 12.706)).abs() < 1e-9, "{ratio:?}");
        let same = Ratio::between(&[5.0, 5.0], &[5.0, 5.0]).expect("a ratio");
        assert_eq!(same, Ratio { ratio: 1.0, low: Some(1.0), high: Some(1.0) });
        assert_eq!(Ratio::between(&[2.0], &[1.0, 1.0]).expect("a ratio").low, None);
        assert_eq!(Ratio::between(&[0.0, 1.0], &[1.0]), None);
        assert_eq!(Ratio::between(&[], &[1.0]), None);
    }

    #[test]
    fn a_verdict_of_times_says_who_waits() {
        let slower = Ratio { ratio: 2.0, low: Some(1.5), high: Some(2.5) };
        assert_eq!(
            slower.verdict_of_times("a", "b"),
            "a answers slower than b: the median takes 1.50 to 2.50 times as long"
        );
        let sooner = Ratio { ratio: 0.5, low: Some(0.4), high: Some(0.6) };
        assert!(sooner.verdict_of_times("a", "b").starts_with("a answers sooner than b"));
    }
}
