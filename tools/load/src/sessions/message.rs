//! What the command and its client processes tell each other: lines of JSON over standard input and output.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::crowd::{Crowd, OPERATIONS};
use super::source::Source;
use crate::record::{Errors, Record, histogram};

/// What a client process is told to do, one thing after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Task {
    /// Comes first.
    Begin(Begin),
    /// Have so many sessions.
    Open(usize),
    /// Say which connections are dead.
    Look,
    /// Run the statement on each session.
    Run,
}

/// What a client process works with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    /// As the command line has it. Here, and not among the arguments, where everybody on the machine could read the password.
    pub(super) target: String,
    pub(super) statement: Option<String>,
    pub(super) per_connection: usize,
    pub(super) at_once: usize,
    pub(super) source: Source,
    /// The number of its first connection among those of all processes.
    pub(super) first: usize,
}

/// What a client process says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// Sessions opened and statements run since it began; comes by itself while it works.
    Progress(u64),
    /// It has done what it was told last.
    Done(Done),
    /// It cannot.
    Failed(String),
}

/// What a client process has, and what it has measured since it began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) connections: usize,
    pub(super) sessions: usize,
    /// Connections that the server has closed.
    pub(super) dead: usize,
    /// How long connecting took so far, and opening sessions.
    pub(super) spent: [Duration; 2],
    /// By operation: values and how often each was found.
    times: Vec<Vec<(u64, u64)>>,
    /// By code: how often, and what the first said.
    errors: BTreeMap<String, (u64, String)>,
}

impl Done {
    pub(super) fn of(crowd: &mut Crowd, dead: usize) -> Done {
        let (connections, sessions, spent) = (crowd.connections(), crowd.sessions(), crowd.spent());
        Done { connections, sessions, dead, spent, ..Done::measured(crowd.record()) }
    }

    fn measured(record: &Record) -> Done {
        let values = |histogram: &Histogram<u64>| {
            histogram.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
        };
        Done {
            times: record.times.iter().map(|times| values(&times.latency)).collect(),
            errors: record
                .errors
                .iter()
                .map(|(code, errors)| (code.clone(), (errors.count, errors.example.clone())))
                .collect(),
            ..Done::default()
        }
    }

    /// Adds what it has measured.
    pub(super) fn add_to(&self, times: &mut [Histogram<u64>], errors: &mut BTreeMap<String, Errors>) {
        for (all, values) in times.iter_mut().zip(&self.times) {
            values.iter().for_each(|(value, count)| all.saturating_record_n(*value, *count));
        }
        for (code, (count, example)) in &self.errors {
            errors.entry(code.clone()).or_insert_with(|| Errors { count: 0, example: example.clone() }).count += count;
        }
    }
}

/// Histograms of all operations, empty.
pub(super) fn histograms() -> Vec<Histogram<u64>> {
    (0..OPERATIONS).map(|_| histogram()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_processes_have_measured_adds_up() {
        let mut record = Record::new(OPERATIONS);
        for millis in [1, 2, 3, 400] {
            record.note(1, Duration::from_millis(millis), Duration::from_millis(millis), 1);
        }
        record.note_failure("overloaded", "too many", Duration::from_millis(1));
        let line = serde_json::to_string(&Answer::Done(Done::measured(&record))).expect("JSON");
        assert!(!line.contains('\n'));
        let Answer::Done(done) = serde_json::from_str(&line).expect("JSON") else { panic!("{line}") };
        let (mut times, mut errors) = (histograms(), BTreeMap::new());
        (0..2).for_each(|_| done.add_to(&mut times, &mut errors));
        assert_eq!((times[0].len(), times[1].len(), errors["overloaded"].count), (0, 8, 2));
        let expected = &record.times[1].latency;
        for quantile in [0.1, 0.5, 0.99] {
            assert_eq!(times[1].value_at_quantile(quantile), expected.value_at_quantile(quantile));
        }
    }
}
