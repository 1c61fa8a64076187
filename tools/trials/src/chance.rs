//! Seeds: printed, and taken from the environment to run a failure again.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The seed of a run: `VITRAIL_SEED`, else `default`.
pub fn seed(default: u64) -> u64 {
    std::env::var("VITRAIL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Dice for one part of a run: parts with different names roll differently.
pub fn dice(seed: u64, part: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
