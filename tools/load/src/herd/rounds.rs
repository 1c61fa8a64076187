//! Rounds: all clients begin together, and the next round begins when the last of them has its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::read::Read;
use crate::connection::{Connection, Failure};
use crate::record::{Record, Recorder, histogram};
use crate::target::Target;

/// Clients of a target.
pub(super) struct Herd {
    connections: Vec<Connection>,
    shared: Arc<Shared>,
    working: JoinSet<()>,
}

struct Shared {
    /// Of all clients and of whoever leads them: before each round, and after it.
    barrier: Barrier,
    over: AtomicBool,
    recorder: Recorder,
}

/// What rounds have shown.
pub(super) struct Measured {
    pub(super) elapsed: Duration,
    pub(super) record: Record,
    /// How long each took, in microseconds.
    pub(super) rounds: Histogram<u64>,
}

/// How far it is.
pub(super) struct Progress {
    /// Rounds so far.
    pub(super) rounds: u64,
    /// Statements a second, since the last time.
    pub(super) rate: f64,
    /// Failed since the last time.
    pub(super) failed: u64,
}

impl Herd {
    /// Opens the clients' connections.
    pub(super) async fn open(target: &Target, clients: usize, per_connection: usize) -> Result<Herd, Failure> {
        let connections = target.open(clients, per_connection).await?;
        let shared = Shared {
            barrier: Barrier::new(connections.len() + 1),
            over: AtomicBool::new(false),
            recorder: Recorder::new(1),
        };
        Ok(Herd { connections, shared: Arc::new(shared), working: JoinSet::new() })
    }

    /// The connections, until it begins.
    pub(super) fn connections(&mut self) -> &mut [Connection] {
        &mut self.connections
    }

    /// Has every client wait for the first round.
    pub(super) fn begin(&mut self, target: &Target, read: &Read) {
        for (index, connection) in self.connections.drain(..).enumerate() {
            let (shared, target, read) = (Arc::clone(&self.shared), target.clone(), read.clone());
            self.working.spawn(work(index, connection, shared, target, read));
        }
    }

    /// Runs rounds for so long, the last one to its end; `note` is told of each second.
    pub(super) async fn rounds(&mut self, duration: Duration, note: &mut (dyn FnMut(Progress) + Send)) -> Measured {
        let mut total = Record::new(1);
        let mut added = Record::new(1);
        let mut rounds = histogram();
        let begin = Instant::now();
        let mut told = begin;
        while begin.elapsed() < duration {
            let started = Instant::now();
            self.shared.barrier.wait().await;
            self.shared.barrier.wait().await;
            rounds.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX).max(1));
            if told.elapsed() >= Duration::from_secs(1) {
                self.shared.recorder.take(&mut added);
                total.merge(&added);
                let rate = added.done() as f64 / told.elapsed().as_secs_f64();
                told = Instant::now();
                note(Progress { rounds: rounds.len(), rate, failed: added.failed() });
            }
        }
        let elapsed = begin.elapsed();
        self.shared.recorder.take(&mut added);
        total.merge(&added);
        Measured { elapsed, record: total, rounds }
    }

    /// Sends everybody home.
    pub(super) async fn end(mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if !self.working.is_empty() {
            self.shared.barrier.wait().await;
        }
        while self.working.join_next().await.is_some() {}
    }
}

async fn work(index: usize, mut connection: Connection, shared: Arc<Shared>, target: Target, read: Read) {
    loop {
        shared.barrier.wait().await;
        if shared.over.load(Ordering::Relaxed) {
            return;
        }
        let started = Instant::now();
        let outcome = read.run(&mut connection).await;
        let took = started.elapsed();
        shared.recorder.with(index, |record| match &outcome {
            Ok(()) => record.note(0, took, took, 1),
            Err(failure) => record.note_failure(&failure.code, &failure.message, took),
        });
        if outcome.is_err_and(|failure| failure.lost)
            && let Ok(mut opened) = target.open(1, 1).await
            && let Some(opened) = opened.pop()
        {
            connection = opened;
        }
        shared.barrier.wait().await;
    }
}
