//! A histogram of microseconds of fixed size: log-linear, sixteen steps to each power of two.
//!
//! A quantile is the middle of its step, so that it is at most a thirty-second part (3.2 %) beside the true one. Below sixteen
//! microseconds it is exact. Beyond nine hours all is one step.

/// Steps to a power of two, as a power of two.
const STEP_BITS: u32 = 4;
const STEPS: usize = 1 << STEP_BITS;
/// Values from here on are in the last step.
const BEYOND_BITS: u32 = 35;
const BUCKETS: usize = (BEYOND_BITS - STEP_BITS + 1) as usize * STEPS;

/// Counts by microseconds; 2 KiB.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    buckets: Box<[u32; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: Box::new([0; BUCKETS]) }
    }
}

impl Histogram {
    /// Counts a value.
    pub(crate) fn add(&mut self, micros: u64) {
        let bucket = &mut self.buckets[index(micros)];
        *bucket = bucket.saturating_add(1);
    }

    /// Takes the counts of another one in.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *bucket = bucket.saturating_add(*more);
        }
    }

    /// The values below which these parts of all lie, as permille in rising order; 0 of none.
    pub(crate) fn quantiles<const N: usize>(&self, permille: [u64; N]) -> [u64; N] {
        let total: u64 = self.buckets.iter().map(|count| u64::from(*count)).sum();
        let mut found = [0; N];
        let (mut next, mut seen) = (0, 0);
        for (index, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            seen += u64::from(*count);
            while next < N && seen >= (total * permille[next]).div_ceil(1000).max(1) {
                found[next] = middle(index);
                next += 1;
            }
        }
        found
    }
}

fn index(micros: u64) -> usize {
    let micros = micros.min((1 << BEYOND_BITS) - 1);
    if micros < STEPS as u64 {
        return micros as usize;
    }
    let exponent = micros.ilog2();
    let step = (micros >> (exponent - STEP_BITS)) as usize - STEPS;
    (exponent - STEP_BITS + 1) as usize * STEPS + step
}

fn middle(index: usize) -> u64 {
    if index < STEPS {
        return index as u64;
    }
    let shift = (index / STEPS - 1) as u32;
    let low = ((STEPS + index % STEPS) as u64) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_holds_its_middle_and_is_narrow() {
        for micros in
            (0..100_000).chain((17..35).flat_map(|bits| [(1u64 << bits) - 1, 1 << bits, (1 << bits) + 12_345]))
        {
            let middle = middle(index(micros));
            assert_eq!(index(middle), index(micros), "{micros}");
            assert!(middle.abs_diff(micros) * 32 <= micros, "{micros}: {middle}");
        }
        assert_eq!(index(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_near_the_true_ones() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantiles([500, 990]), [0, 0]);
        for micros in 1..=10_000u64 {
            histogram.add(micros);
        }
        for (found, expected) in histogram.quantiles([500, 950, 990]).into_iter().zip([5_000u64, 9_500, 9_900]) {
            assert!(found.abs_diff(expected) * 32 <= expected, "{found}, not {expected}");
        }
        let mut one = Histogram::default();
        one.add(7);
        assert_eq!(one.quantiles([1, 500, 999, 1000]), [7; 4]);
        histogram.merge(&one);
        assert_eq!(histogram.quantiles([1]), [10], "the eleventh of 1 to 10 with another 7");
    }
}
