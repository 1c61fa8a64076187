//! One step of the exchange with MySQL: under way until it is done, or until there is a reason to stop it.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use vitrail_mysql::{Error, Response, RowsOrEnd};

use super::Run;
use crate::guard::Place;
use crate::outbox::Outbox;
use crate::riding::patient;
use crate::stats::add;
use crate::stop::{Step, Stops, Why, guarded};

/// A result whose reader takes nothing for so long counts as a long one.
const SLOW_READER: Duration = Duration::from_millis(500);

impl Run {
    /// Sends a statement, with others behind it, unless that was done, and awaits the beginning of the next result.
    pub(super) async fn query(&mut self, unsent: Option<(&[u8], &[Bytes])>) -> Step<Result<Response, Error>> {
        let thread = self.lease.thread();
        let shared = self.shared.clone();
        let step = {
            let stop = pin!(stop(&self.stops, &mut self.outbox, self.stopped));
            let (connection, riders) = self.lease.with_riders();
            let exchange = async {
                if let Some((sql, others)) = unsent {
                    connection.send_with(sql, others).await?;
                }
                connection.response().await
            };
            let exchange = pin!(patient(exchange, riders, shared.config.pipeline.patience));
            guarded(exchange, stop, &shared.killer, thread, shared.config.limits.kill_grace).await
        };
        self.note(&step);
        step
    }

    /// The next rows. What is already here leaves while MySQL has nothing new.
    pub(super) async fn next_rows(&mut self) -> Step<Result<RowsOrEnd, Error>> {
        let batch = self.shared.config.limits.batch_bytes.clamp(1 << 10, 16 << 20) as usize;
        let here = {
            let rows = pin!(self.lease.connection().next_rows(batch));
            futures_util::poll!(rows)
        };
        if let Poll::Ready(rows) = here {
            // A reader that is gone, a cancel or a deadline ends a stream that never waits for MySQL.
            let fired = {
                let stop = pin!(stop(&self.stops, &mut self.outbox, self.stopped));
                futures_util::poll!(stop)
            };
            return match (fired, rows) {
                (Poll::Ready(why), Ok(RowsOrEnd::Rows(rows))) if !self.statement.writes => {
                    drop(rows);
                    self.kill_rest(why).await
                }
                (_, rows) => Step::Done(rows),
            };
        }
        if self.outbox.holds_rows()
            && !self.lease.is_followed()
            && let Err(why) = Box::pin(self.flush()).await
        {
            return self.kill_rest(why).await;
        }
        let thread = self.lease.thread();
        let shared = self.shared.clone();
        let step = {
            let stop = pin!(stop(&self.stops, &mut self.outbox, self.stopped));
            let (connection, riders) = self.lease.with_riders();
            let exchange = pin!(patient(connection.next_rows(batch), riders, shared.config.pipeline.patience));
            guarded(exchange, stop, &shared.killer, thread, shared.config.limits.kill_grace).await
        };
        self.note(&step);
        step
    }

    /// Sends what is pending, of a statement that nobody follows. A read that must end while its reader is slow ends; a write has happened, and waits.
    pub(super) async fn flush(&mut self) -> Result<(), Why> {
        if self.statement.writes {
            if !self.outbox.flush().await {
                self.stopped = Some(Why::Abandoned);
            }
            return Ok(());
        }
        let (stopped, mut shared) = (self.stopped, self.place == Place::Shared);
        let Run { outbox, lease, stops, .. } = self;
        let (mut flushing, mut fired) = (pin!(outbox.flush()), pin!(stops.fired()));
        let mut slow = pin!(tokio::time::sleep(SLOW_READER));
        loop {
            tokio::select! {
                biased;
                alive = &mut flushing => return if alive { Ok(()) } else { Err(Why::Abandoned) },
                why = &mut fired, if stopped.is_none() => return Err(why),
                // However short the result is, its connection is not to be had for long.
                () = &mut slow, if shared => {
                    shared = !lease.stream();
                    slow.as_mut().reset(Instant::now() + SLOW_READER);
                }
            }
        }
    }

    /// Kills a statement whose rows nobody wants and reads what it still sends.
    pub(super) async fn kill_rest<T>(&mut self, why: Why) -> Step<Result<T, Error>> {
        self.stopped = Some(why);
        match self.kill_and_drain().await {
            Ok(()) => Step::Stopped(why, Err(Error::NotReady("its rows were dropped"))),
            Err(()) => Step::Stuck(why),
        }
    }

    /// `Err`: it did not end in time, or the connection is lost.
    pub(super) fn kill_and_drain(&mut self) -> BoxFuture<'_, Result<(), ()>> {
        Box::pin(self.drain_killed())
    }

    async fn drain_killed(&mut self) -> Result<(), ()> {
        self.killed = true;
        add(&self.shared.counters.killed, 1);
        let thread = self.lease.thread();
        let grace = self.shared.config.limits.kill_grace;
        let shared = self.shared.clone();
        let now = std::future::ready(Why::Abandoned);
        let drained = {
            let exchange = pin!(self.lease.connection().drain());
            guarded(exchange, pin!(now), &shared.killer, thread, grace).await
        };
        match drained {
            Step::Done(_) | Step::Stopped(..) if self.lease.connection().has_ended() => Ok(()),
            _ => Err(()),
        }
    }
}

/// Waits for a reason to stop; for ever once there was one.
async fn stop(stops: &Stops, outbox: &mut Outbox, stopped: Option<Why>) -> Why {
    if stopped.is_some() {
        return std::future::pending().await;
    }
    tokio::select! {
        biased;
        why = stops.fired() => why,
        () = outbox.abandoned() => Why::Abandoned,
    }
}
