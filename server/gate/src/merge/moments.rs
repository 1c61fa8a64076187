//! Variance over several parts: from the count, sum and variance of each, without the loss of digits that sums of squares have.

use super::exact_sum;

/// Count, sum and sum of squared distances from the mean.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    count: u64,
    sum: f64,
    /// The sum without its point, and the digits behind it, while it is known exactly.
    exact: Option<(i128, usize)>,
    squares: f64,
}

impl Moments {
    /// Adds other values by their COUNT, SUM and VAR_POP; `None` if one is no number.
    pub(super) fn add(&mut self, count: &[u8], sum: &[u8], variance: &[u8]) -> Option<()> {
        let count: u64 = std::str::from_utf8(count).ok()?.parse().ok()?;
        let number = |text| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
        let squares = number(variance)? * count as f64;
        self.join(Moments { count, sum: number(sum)?, exact: exact_sum::parse(sum), squares });
        Some(())
    }

    /// The variance of all values, or what a sample estimates; `None` if there are too few.
    pub(super) fn variance(&self, sample: bool) -> Option<f64> {
        let divisor = self.count.checked_sub(u64::from(sample)).filter(|divisor| *divisor > 0)?;
        Some(self.squares / divisor as f64)
    }

    /// As Chan, Golub and LeVeque join two parts.
    fn join(&mut self, other: Moments) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other;
            return;
        }
        let (left, right) = (self.count as f64, other.count as f64);
        let distance = self.distance(&other);
        self.squares += other.squares + distance * distance * (left * right / (left + right));
        self.exact = match (self.exact, other.exact) {
            (Some((a, scale)), Some((b, other))) if scale == other => a.checked_add(b).map(|sum| (sum, scale)),
            _ => None,
        };
        self.count += other.count;
        self.sum += other.sum;
    }

    /// From one mean to the other. The means may be large and close to each other, so that they are subtracted before they are rounded.
    fn distance(&self, other: &Moments) -> f64 {
        let exact = || {
            let ((left, scale), (right, other_scale)) = (self.exact?, other.exact?);
            let left = left.checked_mul(i128::from(other.count))?;
            let difference = right.checked_mul(i128::from(self.count))?.checked_sub(left)?;
            let scale = i32::try_from(scale).ok().filter(|_| scale == other_scale)?;
            Some(difference as f64 / (self.count as f64 * other.count as f64) / 10f64.powi(scale))
        };
        exact().unwrap_or_else(|| other.sum / other.count as f64 - self.sum / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[i64]) -> [Vec<u8>; 3] {
        let (count, sum) = (values.len() as i64, values.iter().sum::<i64>());
        let mean = sum as f64 / count as f64;
        let squares: f64 = values.iter().map(|value| (*value as f64 - mean).powi(2)).sum();
        [count.to_string(), sum.to_string(), (squares / count as f64).to_string()].map(String::into_bytes)
    }

    #[test]
    fn parts_give_the_variance_of_the_whole() {
        let base = 1_000_000_000_000;
        let mut moments = Moments::default();
        moments.add(b"0", b"0", b"0").expect("numbers");
        assert_eq!((moments.variance(false), moments.variance(true)), (None, None));
        moments.add(b"1", b"1000000000001", b"0").expect("numbers");
        assert_eq!((moments.variance(false), moments.variance(true)), (Some(0.0), None));
        for part in [&[base + 2, base + 3][..], &[base + 4, base + 5, base + 6]] {
            let [count, sum, variance] = of(part);
            moments.add(&count, &sum, &variance).expect("numbers");
        }
        let found = moments.variance(false).expect("six values");
        assert!((found - 35.0 / 12.0).abs() < 1e-12, "{found}");
        assert!((moments.variance(true).expect("six values") - 3.5).abs() < 1e-12);
        assert_eq!(moments.add(b"1", b"x", b"0"), None);
    }

    #[test]
    fn sums_that_are_not_exact_join_as_doubles() {
        let mut moments = Moments::default();
        for (count, sum, variance) in [("2", "3e0", "0.25"), ("2", "7", "0.25")] {
            moments.add(count.as_bytes(), sum.as_bytes(), variance.as_bytes()).expect("numbers");
        }
        assert_eq!(moments.variance(false), Some(1.25));
    }
}
