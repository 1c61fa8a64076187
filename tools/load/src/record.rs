//! What was measured: histograms of each operation, errors by code.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// Microseconds of the longest time that is told apart; longer ones count as this.
const LONGEST: u64 = 600_000_000;
/// Kept of each code.
const MESSAGE: usize = 200;

/// Times of an operation, in microseconds within 0.1 %.
#[derive(Debug, Clone)]
pub struct Times {
    /// From when it was due, so that waiting for a client counts; in a closed loop from its start.
    pub latency: Histogram<u64>,
    /// From its start.
    pub service: Histogram<u64>,
}

/// What an error is, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// How often.
    pub count: u64,
    /// What the first one said.
    pub example: String,
}

/// What many clients have measured together.
#[derive(Debug, Clone)]
pub struct Record {
    /// By operation.
    pub times: Vec<Times>,
    /// By code.
    pub errors: BTreeMap<String, Errors>,
    /// Failures after which an operation was run again, by code.
    pub retries: BTreeMap<String, u64>,
    /// How long errors took to come, in microseconds, by code.
    pub refusals: BTreeMap<String, Histogram<u64>>,
    /// Statements of the operations that worked.
    pub statements: u64,
    /// Operations that began more than 2 ms after they were due, because every client was busy.
    pub late: u64,
}

/// What clients measure into. Those of different numbers rarely meet.
pub struct Recorder {
    shards: Vec<Mutex<Record>>,
    /// Empty ones that take the shards' place when what they have is taken, so that a client never waits longer than for two pointers to change.
    spare: Mutex<Vec<Record>>,
}

/// Nothing yet.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).clamp(1, LONGEST)
}

impl Record {
    /// Nothing yet.
    pub fn new(operations: usize) -> Record {
        let times = (0..operations).map(|_| Times { latency: histogram(), service: histogram() }).collect();
        Record {
            times,
            errors: BTreeMap::new(),
            retries: BTreeMap::new(),
            refusals: BTreeMap::new(),
            statements: 0,
            late: 0,
        }
    }

    /// Empties it, and keeps its memory.
    pub fn reset(&mut self) {
        let histograms = self.times.iter_mut().flat_map(|times| [&mut times.latency, &mut times.service]);
        // Most are empty already, and to clear one means to write all of it.
        histograms.filter(|histogram| !histogram.is_empty()).for_each(Histogram::reset);
        self.errors.clear();
        self.refusals.clear();
        self.retries.clear();
        self.statements = 0;
        self.late = 0;
    }

    /// Adds what another one has.
    pub fn merge(&mut self, other: &Record) {
        for (mine, theirs) in self.times.iter_mut().zip(&other.times) {
            mine.latency += &theirs.latency;
            mine.service += &theirs.service;
        }
        for (code, errors) in &other.errors {
            let mine =
                self.errors.entry(code.clone()).or_insert_with(|| Errors { count: 0, example: errors.example.clone() });
            mine.count += errors.count;
        }
        for (code, count) in &other.retries {
            *self.retries.entry(code.clone()).or_default() += count;
        }
        for (code, times) in &other.refusals {
            *self.refusals.entry(code.clone()).or_insert_with(histogram) += times;
        }
        self.statements += other.statements;
        self.late += other.late;
    }

    /// Operations that worked.
    pub fn done(&self) -> u64 {
        self.times.iter().map(|times| times.latency.len()).sum()
    }

    /// Operations that did not.
    pub fn failed(&self) -> u64 {
        self.errors.values().map(|errors| errors.count).sum()
    }

    /// The latency of all operations together.
    pub fn latency(&self) -> Histogram<u64> {
        self.times.iter().fold(histogram(), |mut all, times| {
            all += &times.latency;
            all
        })
    }

    /// Notes an operation that worked.
    pub fn note(&mut self, operation: usize, latency: Duration, service: Duration, statements: u64) {
        let times = &mut self.times[operation];
        times.latency.saturating_record(micros(latency));
        times.service.saturating_record(micros(service));
        self.statements += statements;
    }

    /// Notes a failure after which an operation is run again.
    pub fn note_retry(&mut self, code: &str) {
        match self.retries.get_mut(code) {
            Some(count) => *count += 1,
            None => _ = self.retries.insert(code.to_owned(), 1),
        }
    }

    /// Notes one that did not.
    pub fn note_failure(&mut self, code: &str, message: &str, took: Duration) {
        match self.refusals.get_mut(code) {
            Some(times) => times.saturating_record(micros(took)),
            None => {
                let mut times = histogram();
                times.saturating_record(micros(took));
                self.refusals.insert(code.to_owned(), times);
            }
        }
        match self.errors.get_mut(code) {
            Some(errors) => errors.count += 1,
            None => {
                let example = message.chars().take(MESSAGE).collect();
                self.errors.insert(code.to_owned(), Errors { count: 1, example });
            }
        }
    }
}

impl Recorder {
    /// For so many operations.
    pub fn new(operations: usize) -> Recorder {
        let records = || (0..8).map(|_| Record::new(operations));
        Recorder { shards: records().map(Mutex::new).collect(), spare: Mutex::new(records().collect()) }
    }

    /// Measures, as the client of that number.
    pub fn with(&self, client: usize, note: impl FnOnce(&mut Record)) {
        note(&mut self.shards[client % self.shards.len()].lock());
    }

    /// Moves all that was measured since the last time to `into`, which is emptied before.
    pub fn take(&self, into: &mut Record) {
        into.reset();
        for (shard, spare) in self.shards.iter().zip(self.spare.lock().iter_mut()) {
            std::mem::swap(&mut *shard.lock(), spare);
            into.merge(spare);
            spare.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_measure_adds_up() {
        let recorder = Recorder::new(2);
        for client in 0..20 {
            recorder
                .with(client, |record| record.note(client % 2, Duration::from_millis(10), Duration::from_millis(1), 3));
        }
        recorder.with(3, |record| record.note_failure("1213", "a deadlock", Duration::from_millis(2)));
        recorder.with(4, |record| record.note_failure("1213", "another", Duration::from_millis(2)));
        (2..6).for_each(|client| recorder.with(client, |record| record.note_retry("1205")));
        let (mut total, mut taken) = (Record::new(2), Record::new(2));
        recorder.take(&mut taken);
        total.merge(&taken);
        recorder.with(3, |record| record.note_failure("1213", "a third", Duration::from_millis(2)));
        recorder.take(&mut taken);
        assert_eq!((taken.done(), taken.failed(), taken.latency().len()), (0, 1, 0));
        total.merge(&taken);
        assert_eq!((total.done(), total.failed(), total.statements), (20, 3, 60));
        assert_eq!(total.retries["1205"], 4);
        assert_eq!(total.errors["1213"], Errors { count: 3, example: "a deadlock".into() });
        assert_eq!((total.refusals["1213"].len(), total.refusals["1213"].max() / 10), (3, 200));
        assert_eq!(total.latency().value_at_quantile(0.5) / 100, 100);
        assert_eq!(total.times[0].service.value_at_quantile(0.99) / 10, 100);
    }
}
