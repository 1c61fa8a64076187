//! A line through points: what one more session costs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statistics::student;

/// A line through points, by least squares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Slope {
    /// How much each further session adds.
    pub each: f64,
    /// The lower bound of that at 95 % confidence; absent with fewer than three points.
    pub low: Option<f64>,
    /// The upper bound.
    pub high: Option<f64>,
    /// What the line says for no session at all.
    pub base: f64,
}

impl Slope {
    /// Through `(sessions, bytes)`; `None` where fewer than two numbers of sessions were measured.
    pub fn through(points: &[(f64, f64)]) -> Option<Slope> {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        if points.len() < 2 || spread == 0.0 {
            return None;
        }
        let each = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
        let base = mean_y - each * mean_x;
        let margin = (points.len() > 2).then(|| {
            let rest: f64 = points.iter().map(|(x, y)| (y - base - each * x).powi(2)).sum();
            student(points.len() - 2) * (rest / (count - 2.0) / spread).sqrt()
        });
        Some(Slope { each, low: margin.map(|margin| each - margin), high: margin.map(|margin| each + margin), base })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_found_with_its_bounds() {
        let exact: Vec<(f64, f64)> = (1..=10).map(|n| (n as f64 * 100.0, 5_000.0 + n as f64 * 204_800.0)).collect();
        let slope = Slope::through(&exact).expect("a line");
        assert!((slope.each - 2_048.0).abs() < 1e-6 && (slope.base - 5_000.0).abs() < 1e-3, "{slope:?}");
        assert!(slope.high.expect("bounds") - slope.low.expect("bounds") < 1e-6, "{slope:?}");
        // Allocators grow in steps: the bounds tell of it, and hold what is true.
        let steps: Vec<(f64, f64)> = exact.iter().map(|(x, y)| (*x, (y / 300_000.0).ceil() * 300_000.0)).collect();
        let slope = Slope::through(&steps).expect("a line");
        let (low, high) = (slope.low.expect("bounds"), slope.high.expect("bounds"));
        assert!(low < 2_048.0 && 2_048.0 < high && high - low > 10.0, "{slope:?}");
    }

    #[test]
    fn one_point_is_no_line() {
        assert_eq!(Slope::through(&[]), None);
        assert_eq!(Slope::through(&[(5.0, 1.0)]), None);
        assert_eq!(Slope::through(&[(5.0, 1.0), (5.0, 2.0)]), None);
        let two = Slope::through(&[(1.0, 10.0), (2.0, 30.0)]).expect("a line");
        assert_eq!((two.each, two.low, two.base), (20.0, None, -10.0));
    }
}
