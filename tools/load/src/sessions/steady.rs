//! Memory that stands still.

use std::time::Duration;

use crate::process::Process;

/// Between two readings.
const EVERY: Duration = Duration::from_millis(200);
/// Readings that have to agree.
const READINGS: usize = 6;
/// As far as this many bytes, or this share.
const BYTES: u64 = 64 << 10;
const SHARE: f64 = 0.001;
/// Readings after which it is given up.
const MOST: usize = 100;

/// What processes need once nothing is done with them.
pub(super) struct Steady {
    /// Resident bytes of each; 0 of one that is gone.
    pub(super) memory: Vec<u64>,
    /// It stood still.
    pub(super) settled: bool,
}

impl Steady {
    /// Reads until the readings agree: servers give memory back some time after it was used last.
    pub(super) async fn of(processes: &[Process]) -> Steady {
        let mut readings: Vec<Vec<u64>> = Vec::new();
        loop {
            let mut reading = Vec::with_capacity(processes.len());
            for process in processes {
                reading.push(process.usage().await.map_or(0, |usage| usage.memory));
            }
            readings.push(reading);
            let last = &readings[readings.len().saturating_sub(READINGS)..];
            let settled = last.len() == READINGS && (0..processes.len()).all(|index| agree(last, index));
            if settled || readings.len() == MOST || processes.is_empty() {
                return Steady { memory: readings.pop().unwrap_or_default(), settled: settled || processes.is_empty() };
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

fn agree(readings: &[Vec<u64>], index: usize) -> bool {
    let of = || readings.iter().map(|reading| reading[index]);
    let (least, most) = (of().min().unwrap_or(0), of().max().unwrap_or(0));
    most - least <= BYTES.max((most as f64 * SHARE) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_agree_when_they_are_near() {
        let readings = |bytes: &[u64]| bytes.iter().map(|bytes| vec![*bytes]).collect::<Vec<_>>();
        assert!(agree(&readings(&[10_000_000, 10_060_000, 10_000_000]), 0));
        assert!(!agree(&readings(&[10_000_000, 10_100_000, 10_000_000]), 0));
        assert!(agree(&readings(&[1_000_000_000, 1_000_900_000]), 0));
    }

    #[tokio::test]
    async fn this_process_stands_still() {
        let steady = Steady::of(&[Process::this()]).await;
        assert!(steady.settled && steady.memory[0] > 1 << 20);
        assert!(Steady::of(&[]).await.settled);
    }
}
