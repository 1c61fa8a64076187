//! Chance with a seed: the same seed gives the same choices on every machine.
//!
//! SplitMix64, written here because the small generators of `rand` differ between machines and between its releases, and a seed that is
//! written down in `docs/correctness.md` has to mean the same for years.

/// A source of choices.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The source that `seed` stands for.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// A source of its own for part `number` of what this seed stands for; this source does not move on.
    pub fn part(&self, number: u64) -> Random {
        let mut part = Random { state: self.state ^ number.wrapping_mul(0xD605_1B4A_93C8_7F21) };
        part.next();
        part
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The bias is below bound / 2^64.
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    /// Whether what comes `percent` times in a hundred comes now.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of some; `all` is not empty.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// One of some words; `all` is not empty.
    pub fn word(&mut self, all: &[&'static str]) -> &'static str {
        all[self.below(all.len())]
    }

    /// The place of one of some, each as often as its weight says; not all weights are 0.
    pub fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (at, weight) in weights.iter().enumerate() {
            if left < *weight {
                return at;
            }
            left -= weight;
        }
        weights.len() - 1
    }

    /// Brings `all` into another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_everywhere() {
        let mut random = Random::new(1);
        // The first numbers of SplitMix64 for the seed 1, from its reference implementation.
        assert_eq!([random.next(), random.next()], [0x910A_2DEC_8902_5CC1, 0xBEEB_8DA1_658E_EC67]);
    }

    #[test]
    fn choices_are_within_their_bounds_and_reach_them() {
        let mut random = Random::new(7);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[random.below(5)] += 1;
            assert!((-2..=2).contains(&random.between(-2, 2)));
            assert!(random.weighted(&[0, 1, 0]) == 1);
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
    }

    #[test]
    fn parts_differ_from_each_other() {
        let random = Random::new(7);
        assert_ne!(random.part(0).next(), random.part(1).next());
        assert_eq!(random.part(3).next(), random.clone().part(3).next());
    }
}
