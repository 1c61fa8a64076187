//! Reads that go to MySQL behind one another, on one connection, because all connections are in use.
//!
//! Which may: reads that several calls may share, whose executions took no longer than `tablet.pipeline.quick` of late, with the settings that
//! the connection has already. A connection takes its share of all who wait, so that nobody waits for longer than in the queue; and whoever
//! has it for longer than `tablet.pipeline.patience` lets those go who are behind: they wait for a connection of their own then.
//!
//! One that is followed gives nothing away before its end. If its answer turns out to be a long one, or to have warnings, whose texts have to be asked
//! for before anything else runs, those who are behind are let off, and it runs anew, alone.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vitrail_mysql::{Ride, Riders};
use vitrail_service::Result;
use vitrail_service::call::Settings;
use vitrail_sql::lexer::LexMode;

use crate::consolidator::Consolidator;
use crate::consolidator::round::Round;
use crate::guard::Place;
use crate::lease::Lease;
use crate::settings::Applied;
use crate::shared::Shared;
use crate::stop::{Step, Why, guarded};

/// A read that waits for a connection, or to go behind another one.
pub(crate) struct Passenger {
    pub(crate) round: Arc<Round>,
    pub(crate) consolidator: Arc<Consolidator>,
    pub(crate) settings: Arc<Settings>,
    /// Its text, written as MySQL reads it in `mode`.
    pub(crate) text: Bytes,
    pub(crate) mode: LexMode,
}

/// What a read gets.
pub(crate) enum Got {
    /// A connection.
    Lease(Lease),
    /// One on which its answer comes next.
    Answer(Lease),
}

impl Passenger {
    /// Its text, if it may go on a connection that was brought to `applied`: nobody joins its round then who wants an answer of its own time.
    pub(crate) fn board(&self, applied: &Applied, no_backslash_escapes: bool, limit: u64) -> Option<Bytes> {
        let fits = self.mode.no_backslash_escapes == no_backslash_escapes
            && self.text.len() as u64 + 2 <= limit
            && matches!(applied.difference(&self.settings, None, false), Ok(None));
        (fits && self.consolidator.write(&self.round)).then(|| self.text.clone())
    }
}

impl Shared {
    /// A connection for a read in autocommit, or one on which it is answered.
    pub(crate) async fn lease_or_ride(&self, user: &Arc<str>, passenger: Option<Passenger>) -> Result<Got> {
        if let Some(passenger) = passenger {
            match self.pool.ride_for(user, None, Box::new(passenger)).await {
                Ok(Ride::Connection(connection)) => return self.leased(Ok(connection)).map(Got::Lease),
                Ok(Ride::Answer(connection)) => return Ok(Got::Answer(Lease::new(connection))),
                Ok(Ride::Left) => {}
                Err(error) => return self.leased(Err(error)).map(Got::Lease),
            }
        }
        self.lease(Place::Shared, user, None).await.map(Got::Lease)
    }

    /// Hands a connection to the next one whose answer comes on it.
    pub(crate) fn hand_on(shared: &Arc<Shared>, lease: Lease) {
        let Some(mut lease) = lease.hand_on() else { return };
        let shared = Arc::clone(shared);
        // Nobody waits for that answer.
        tokio::spawn(async move {
            shared.call_off(&mut lease).await;
            Shared::clean_up(&shared, lease, Place::Shared).await;
        });
    }

    /// Lets those go who are behind, and reads what they are answered: the connection is clean afterwards, or lost.
    pub(crate) async fn call_off(&self, lease: &mut Lease) {
        let (thread, grace) = (lease.thread(), self.config.limits.kill_grace);
        let (connection, riders) = lease.with_riders();
        riders.let_off();
        if connection.is_broken() {
            return;
        }
        let patience = self.config.pipeline.patience;
        let step = {
            let stop = pin!(async {
                tokio::time::sleep(patience).await;
                Why::Abandoned
            });
            guarded(pin!(connection.drain_all()), stop, &self.killer, thread, grace).await
        };
        if matches!(step, Step::Stopped(..)) && connection.is_clean() {
            // If that fails, the connection is not clean.
            let _ = tokio::time::timeout(grace, connection.settle_after_kill()).await;
        }
    }
}

/// Awaits an exchange; when it takes longer than `patience`, those who are behind go their own ways.
pub(crate) async fn patient<T>(exchange: impl Future<Output = T>, riders: &mut Riders, patience: Duration) -> T {
    let mut exchange = pin!(exchange);
    if !riders.is_empty() {
        match tokio::time::timeout(patience, exchange.as_mut()).await {
            Ok(outcome) => return outcome,
            Err(_) => riders.let_off(),
        }
    }
    exchange.await
}
