//! Where the knee is: rates to try, one after the other, by what the earlier ones have shown. Nothing here knows time or targets.

/// How the rate grows while no rate has been too high.
const GROWTH: f64 = 1.5;
/// How it falls while every rate has been too high.
const FALL: f64 = 0.5;
/// A target that does not hold this share of where the search began holds nothing.
const LEAST: f64 = 0.01;

/// A search for the highest rate that holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Search {
    began: f64,
    /// As near as this the two rates around the knee have to be: 0.05 is 5 %.
    precision: f64,
    /// The highest rate that has held.
    held: Option<f64>,
    /// The lowest that has not, twice.
    broke: Option<f64>,
    rate: f64,
    /// This rate has broken once. Others use the machine as well: it gets another chance.
    doubted: bool,
}

impl Search {
    /// That begins with a rate.
    pub(super) fn new(rate: f64, precision: f64) -> Search {
        Search { began: rate, precision, held: None, broke: None, rate, doubted: false }
    }

    /// The rate to try now; `None` once the knee is known, or there is none.
    pub(super) fn next(&self) -> Option<f64> {
        let near = match (self.held, self.broke) {
            (Some(held), Some(broke)) => broke <= held * (1.0 + self.precision),
            (None, Some(broke)) => broke < self.began * LEAST,
            _ => false,
        };
        (!near).then_some(self.rate)
    }

    /// Notes whether the rate that was tried holds.
    pub(super) fn note(&mut self, holds: bool) {
        if !holds && !self.doubted {
            self.doubted = true;
            return;
        }
        self.doubted = false;
        match holds {
            true => self.held = Some(self.rate),
            false => self.broke = Some(self.rate),
        }
        self.rate = match (self.held, self.broke) {
            // In the middle by ratio: as many steps to either side.
            (Some(held), Some(broke)) => (held * broke).sqrt(),
            (Some(held), None) => held * GROWTH,
            (None, Some(broke)) => broke * FALL,
            (None, None) => self.rate,
        };
    }

    /// The highest rate that has held.
    pub(super) fn knee(&self) -> Option<f64> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Searches a server; says what was found, and after how many steps.
    fn search(from: f64, mut holds: impl FnMut(f64) -> bool) -> (Option<f64>, usize) {
        let mut search = Search::new(from, 0.05);
        let mut steps = 0;
        while let Some(rate) = search.next() {
            search.note(holds(rate));
            steps += 1;
            assert!(steps < 100, "it comes to no end: {search:?}");
        }
        (search.knee(), steps)
    }

    #[test]
    fn the_knee_is_found_wherever_the_search_begins() {
        for knee in [1.0, 830.0, 45_000.0, 2_000_000.0] {
            for guess in [0.01, 0.5, 0.99, 1.0, 1.01, 3.0, 100.0] {
                let (found, steps) = search(knee * guess, |rate| rate <= knee);
                let found = found.expect("it holds something");
                assert!(found <= knee && found > knee * 0.95, "{found} of {knee}, from {guess}");
                assert!(steps < 40, "{steps} steps from {guess}");
            }
        }
        // Half of what a closed loop has shown is where it usually begins.
        let (_, steps) = search(5_000.0, |rate| rate <= 9_000.0);
        assert!(steps <= 12, "{steps}");
    }

    /// The latency of one server with a queue, and a noise that now and then doubles it.
    #[test]
    fn one_bad_moment_does_not_move_the_knee() {
        let capacity = 10_000.0;
        let p99 = |rate: f64| if rate < capacity { 4.6 / (capacity - rate) } else { f64::INFINITY };
        let knee = capacity - 4.6 / 0.020;
        for seed in 0..50 {
            let mut dice = SmallRng::seed_from_u64(seed);
            let mut calm = true;
            let (found, _) = search(6_000.0, |rate| {
                // A bad moment is followed by a better one.
                calm = !calm || dice.random_range(0..5) > 0;
                let noise = if calm { 1.0 } else { 1_000.0 };
                p99(rate) * noise < 0.020
            });
            let found = found.expect("it holds something");
            assert!((knee * 0.95..=knee).contains(&found), "{found} of {knee}, seed {seed}");
        }
    }

    #[test]
    fn a_target_that_holds_nothing_has_no_knee() {
        let (found, steps) = search(1_000.0, |_| false);
        assert_eq!(found, None);
        assert!(steps <= 24, "{steps}");
    }
}
