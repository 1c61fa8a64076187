//! Connections that transactions and reservations hold between calls.
//!
//! An entry is idle (the connection rests here), busy (a call has it) or lost (its transaction is gone; the entry says why, until
//! its owner rolls back). An unknown connection counts as lost, so that nothing slips into autocommit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as MapEntry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_service::call::ConnectionId;

use crate::guard::Place;
use crate::lease::Lease;

/// Lost entries whose owner never asks are forgotten after so long.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// Most lost entries that are remembered.
const MOST_LOST: usize = 10_000;

/// Limits of held connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ages {
    /// Of transactions.
    pub(crate) max_age: Duration,
    /// Without a call.
    pub(crate) max_idle: Duration,
}

/// All held connections of a tablet.
pub(crate) struct Held {
    entries: DashMap<ConnectionId, Entry>,
    next: AtomicU64,
    ages: Ages,
}

struct Entry {
    place: Place,
    /// While a transaction is open.
    expires: Option<Instant>,
    state: State,
    /// Stops the call that has the connection.
    expire: CancellationToken,
}

enum State {
    Idle { lease: Lease, since: Instant },
    Busy,
    Lost { why: ErrorBody, since: Instant },
}

/// A connection that was taken for a call.
pub(crate) struct Taken {
    pub(crate) lease: Lease,
    pub(crate) place: Place,
    /// Fires when the call has to give the connection back.
    pub(crate) expire: CancellationToken,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) transactions: usize,
    pub(crate) reserved: usize,
}

impl Held {
    pub(crate) fn new(ages: Ages) -> Held {
        Held { entries: DashMap::new(), next: AtomicU64::new(1), ages }
    }

    /// A name for a connection that a call has just taken.
    pub(crate) fn begin(&self, place: Place, max_age: Option<Duration>) -> (ConnectionId, CancellationToken) {
        let id = ConnectionId(self.next.fetch_add(1, Ordering::Relaxed));
        let expire = CancellationToken::new();
        let age = max_age.unwrap_or(self.ages.max_age).min(self.ages.max_age);
        let expires = (place == Place::Transaction).then(|| Instant::now() + age);
        self.entries.insert(id, Entry { place, expires, state: State::Busy, expire: expire.clone() });
        (id, expire)
    }

    /// Whose connection it is; `None` if nobody knows it.
    pub(crate) fn place(&self, id: ConnectionId) -> Option<Place> {
        self.entries.get(&id).map(|entry| entry.place)
    }

    /// Makes a reservation of a transaction's connection, which keeps its transaction and its age.
    ///
    /// # Errors
    ///
    /// Why it is gone.
    pub(crate) fn keep(&self, id: ConnectionId) -> Result<Place, ErrorBody> {
        let Some(mut entry) = self.entries.get_mut(&id) else { return Err(unknown()) };
        if let State::Lost { why, .. } = &entry.state {
            return Err(why.clone());
        }
        entry.place = Place::Reserved;
        Ok(Place::Reserved)
    }

    /// A transaction begins on a reserved connection, and may grow so old.
    pub(crate) fn limit(&self, id: ConnectionId, max_age: Option<Duration>) {
        if let Some(mut entry) = self.entries.get_mut(&id) {
            let age = max_age.unwrap_or(self.ages.max_age).min(self.ages.max_age);
            entry.expires = Some(Instant::now() + age);
        }
    }

    /// Takes a connection for a call.
    ///
    /// # Errors
    ///
    /// `tx_lost` or `session_lost` if it is gone, `invalid` if another call has it.
    pub(crate) fn take(&self, id: ConnectionId) -> Result<Taken, ErrorBody> {
        let Some(mut entry) = self.entries.get_mut(&id) else { return Err(unknown()) };
        match std::mem::replace(&mut entry.state, State::Busy) {
            State::Idle { lease, .. } => Ok(Taken { lease, place: entry.place, expire: entry.expire.clone() }),
            State::Busy => Err(ErrorBody::new(
                Code::Invalid,
                "another statement runs on this connection; statements of one transaction run one after the other",
            )),
            State::Lost { why, since } => {
                entry.state = State::Lost { why: why.clone(), since };
                Err(why)
            }
        }
    }

    /// Puts a connection back after a call. If it was released or has expired meanwhile, it comes back to be cleaned up.
    pub(crate) fn put(&self, id: ConnectionId, mut lease: Lease) -> Option<Lease> {
        match self.entries.get_mut(&id) {
            Some(mut entry) if matches!(entry.state, State::Busy) && !entry.expire.is_cancelled() => {
                if entry.place == Place::Reserved {
                    // Whoever reserved it may begin and end transactions by statements.
                    let open = lease.connection().status().in_transaction();
                    let limit = entry.expires.or_else(|| Some(Instant::now() + self.ages.max_age));
                    entry.expires = limit.filter(|_| open);
                }
                entry.state = State::Idle { lease, since: Instant::now() };
                None
            }
            Some(mut entry) => {
                if matches!(entry.state, State::Busy) {
                    entry.state = State::Lost { why: too_old(entry.place), since: Instant::now() };
                }
                Some(lease)
            }
            None => Some(lease),
        }
    }

    /// Notes that a connection's transaction is gone.
    pub(crate) fn lose(&self, id: ConnectionId, why: ErrorBody) {
        if let Some(mut entry) = self.entries.get_mut(&id) {
            entry.state = State::Lost { why, since: Instant::now() };
        }
    }

    /// Forgets a connection; stops the call that has it. The connection itself, if it rested here.
    pub(crate) fn remove(&self, id: ConnectionId) -> Option<(Lease, Place)> {
        let (_, entry) = self.entries.remove(&id)?;
        match entry.state {
            State::Idle { lease, .. } => Some((lease, entry.place)),
            State::Busy => {
                entry.expire.cancel();
                None
            }
            State::Lost { .. } => None,
        }
    }

    /// Takes the connections that have rested too long or whose transaction is too old, and stops the calls of those that are
    /// busy.
    pub(crate) fn reap(&self) -> Vec<(Lease, Place)> {
        let now = Instant::now();
        let lost = self.entries.iter().filter(|entry| matches!(entry.state, State::Lost { .. })).count();
        let mut due = Vec::new();
        let mut forgotten = Vec::new();
        for entry in self.entries.iter_mut() {
            let expired = entry.expires.is_some_and(|at| now >= at);
            match &entry.state {
                State::Busy if expired => entry.expire.cancel(),
                State::Idle { since, .. } if expired || now.duration_since(*since) >= self.ages.max_idle => {
                    let why = if expired { too_old(entry.place) } else { too_idle(entry.place) };
                    due.push((*entry.key(), why));
                }
                State::Lost { since, .. } if lost > MOST_LOST || now.duration_since(*since) >= FORGET_AFTER => {
                    forgotten.push(*entry.key());
                }
                _ => {}
            }
        }
        for id in forgotten {
            self.entries.remove_if(&id, |_, entry| matches!(entry.state, State::Lost { .. }));
        }
        due.into_iter()
            .filter_map(|(id, why)| {
                let MapEntry::Occupied(mut entry) = self.entries.entry(id) else { return None };
                let entry = entry.get_mut();
                match std::mem::replace(&mut entry.state, State::Lost { why, since: now }) {
                    State::Idle { lease, .. } => Some((lease, entry.place)),
                    // A call took it meanwhile: it was not idle after all.
                    other => {
                        entry.state = other;
                        None
                    }
                }
            })
            .collect()
    }

    /// When to look for old ones again.
    pub(crate) fn reap_interval(&self) -> Duration {
        (self.ages.max_age.min(self.ages.max_idle) / 8).clamp(Duration::from_millis(10), Duration::from_millis(250))
    }

    /// How many are open.
    pub(crate) fn count(&self) -> Count {
        let mut count = Count::default();
        for entry in &self.entries {
            match (&entry.state, entry.place) {
                (State::Lost { .. }, _) => {}
                (_, Place::Reserved) => count.reserved += 1,
                _ => count.transactions += 1,
            }
        }
        count
    }

    /// Takes everything that rests here, for the end.
    pub(crate) fn drain(&self) -> Vec<(Lease, Place)> {
        let ids: Vec<ConnectionId> = self.entries.iter().map(|entry| *entry.key()).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }
}

/// The answer for a connection that nobody knows (any more).
pub(crate) fn unknown() -> ErrorBody {
    ErrorBody::new(Code::TxLost, "the transaction is over or was lost; roll back, then begin anew")
}

/// The answer for a connection that was lost to MySQL.
pub(crate) fn gone(place: Place) -> ErrorBody {
    match place {
        Place::Reserved => session_lost("the reserved connection to MySQL was lost with all its state"),
        _ => unknown(),
    }
}

/// The answer for a reserved connection that is gone. Nothing makes its state anew, so that sending the statement again is no cure.
pub(crate) fn session_lost(message: &str) -> ErrorBody {
    let mut lost = ErrorBody::new(Code::SessionLost, message);
    lost.retryable = false;
    lost
}

/// The answer for a transaction that took too long, or for the reservation that it ran on.
pub(crate) fn too_old(place: Place) -> ErrorBody {
    match place {
        Place::Reserved => session_lost(
            "the transaction took longer than allowed: it was rolled back, and the reserved connection released with all its state",
        ),
        _ => ErrorBody::new(
            Code::TxLost,
            "the transaction took longer than allowed and was rolled back; roll back, then begin anew",
        ),
    }
}

fn too_idle(place: Place) -> ErrorBody {
    match place {
        Place::Reserved => {
            session_lost("the reserved connection was idle for longer than allowed and was released with all its state")
        }
        _ => ErrorBody::new(
            Code::TxLost,
            "the transaction was idle for longer than allowed and was rolled back; roll back, then begin anew",
        ),
    }
}
