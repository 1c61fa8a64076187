//! How long the executions of one statement text take of late.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Parts of a microsecond that are counted, so that small changes are not lost; also over how many executions the mean goes.
const WEIGHT: u32 = 8;

/// A moving mean, in eighths of a microsecond; 0: nothing is known.
#[derive(Debug, Default)]
pub(crate) struct Pace(AtomicU32);

impl Pace {
    /// An execution took so long. Of two that end at once, one may be missed.
    pub(crate) fn note(&self, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).clamp(1, u32::MAX / WEIGHT);
        let before = self.0.load(Relaxed);
        let after = if before == 0 { took * WEIGHT } else { before - before / WEIGHT + took };
        self.0.store(after, Relaxed);
    }

    /// Whether executions are known to take no longer than `limit`.
    pub(crate) fn is_within(&self, limit: Duration) -> bool {
        let mean = self.0.load(Relaxed);
        mean != 0 && u128::from(mean / WEIGHT) <= limit.as_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_follows_what_is_noted() {
        let (pace, limit) = (Pace::default(), Duration::from_millis(4));
        assert!(!pace.is_within(limit), "nothing is known");
        pace.note(Duration::from_micros(300));
        assert!(pace.is_within(limit));
        pace.note(Duration::from_millis(20));
        assert!(pace.is_within(limit), "one slow execution among quick ones");
        (0..10).for_each(|_| pace.note(Duration::from_millis(6)));
        assert!(!pace.is_within(limit));
        (0..30).for_each(|_| pace.note(Duration::from_micros(300)));
        assert!(pace.is_within(limit));
        pace.note(Duration::from_secs(100_000));
        assert!(!pace.is_within(limit), "no overflow");
    }
}
