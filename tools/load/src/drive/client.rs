//! A client: one operation after another, as the clock says.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::clock::Turns;
use crate::connection::{Connection, Failure};
use crate::record::Recorder;
use crate::target::Target;
use crate::workload::{Tally, Workload};

/// An operation that begins so long after it was due is late: the timers are good for a millisecond.
const LATE: Duration = Duration::from_millis(2);

pub(super) struct Client {
    pub(super) index: usize,
    pub(super) target: Target,
    pub(super) connection: Connection,
    pub(super) dice: SmallRng,
    pub(super) tally: Tally,
}

impl Client {
    pub(super) async fn work(mut self, workload: Arc<Workload>, mut turns: Turns, recorder: Arc<Recorder>) -> Client {
        while let Some(turn) = turns.next().await {
            let operation = workload.choose(&mut self.dice);
            let started = Instant::now();
            let (outcome, retried) = self.attempt(operation, &workload, &turns).await;
            let ended = Instant::now();
            if turns.measures(turn, ended) {
                // A client that was free began as soon as its timer woke it: what that takes is not the target's.
                let busy = turn.due.filter(|due| started.duration_since(*due) > LATE);
                let from = busy.unwrap_or(started);
                recorder.with(self.index, |record| {
                    record.late += u64::from(busy.is_some());
                    retried.iter().for_each(|failure| record.note_retry(&failure.code));
                    match &outcome {
                        Ok(statements) => record.note(operation, ended - from, ended - started, *statements),
                        Err(failure) => record.note_failure(&failure.code, &failure.message, ended - from),
                    }
                });
            }
            if let Err(failure) = outcome
                && failure.lost
            {
                self.reconnect(&turns).await;
            }
        }
        self
    }

    /// Runs an operation, and again with the same dice while a failure says that it may work then; says what failed before.
    async fn attempt(
        &mut self,
        operation: usize,
        workload: &Workload,
        turns: &Turns,
    ) -> (Result<u64, Failure>, Vec<Failure>) {
        let dice = self.dice.clone();
        let mut retried = Vec::new();
        loop {
            let outcome = workload.operate(operation, &mut self.connection, &mut self.dice, &mut self.tally).await;
            match outcome {
                Err(failure)
                    if failure.retryable
                        && !failure.lost
                        && retried.len() < workload.retries(operation) as usize
                        && !turns.over() =>
                {
                    retried.push(failure);
                    self.dice = dice.clone();
                }
                outcome => return (outcome, retried),
            }
        }
    }

    /// Until it works, or there is nothing to do any more.
    async fn reconnect(&mut self, turns: &Turns) {
        while !turns.over() {
            match self.target.open(1, 1).await {
                Ok(mut opened) => {
                    if let Some(connection) = opened.pop() {
                        self.connection = connection;
                    }
                    return;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}
