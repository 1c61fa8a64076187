//! The sessions of a gate: who they are and what they do, for listings, and the way to stop or end one from the side.
//!
//! A session that rests leaves here what holds MySQL connections (its transaction and its pins), so that whoever kills it can give
//! them back at once. A request takes them out, and puts them back when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::Mutex;
use rand::Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_listener::service::Peer;
use vitrail_proto::target::Target;
use vitrail_sql::LexMode;

use crate::pins::Pins;
use crate::transaction::{Seen, Transaction};

/// All sessions of a gate, by their ids.
#[derive(Default)]
pub(crate) struct Registry {
    sessions: DashMap<u64, Arc<Entry>>,
    next: AtomicU64,
}

/// A session's place in the registry; it leaves with it.
pub(crate) struct Seat {
    pub(crate) entry: Arc<Entry>,
    registry: Arc<Registry>,
}

/// What others may know of a session.
pub(crate) struct Entry {
    /// What `CONNECTION_ID()` answers and `KILL` takes. Below 2^53; ids of several gates hardly ever meet.
    pub(crate) id: u64,
    pub(crate) peer: Arc<Peer>,
    state: Mutex<State>,
}

/// Written by the session's requests, and by whoever kills it.
struct State {
    /// When the session began to run or to rest.
    since: Instant,
    statements: u64,
    target: Arc<Target>,
    /// The statement that runs.
    running: Option<(Arc<str>, LexMode)>,
    /// Stops the request that runs.
    cancel: Option<CancellationToken>,
    /// What can be seen of its transaction and of its pins.
    seen: (Option<Arc<Seen>>, Option<Arc<str>>),
    /// While it rests.
    held: Held,
    killed: Option<Kill>,
}

/// What holds MySQL connections for a session.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) transaction: Option<Box<Transaction>>,
    pub(crate) pins: Option<Box<Pins>>,
}

/// How much of a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    /// What it runs.
    Query,
    /// All of it.
    Session,
}

/// One session at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) target: Arc<Target>,
    /// A request runs.
    pub(crate) busy: bool,
    pub(crate) killed: bool,
    /// How long it has run or rested.
    pub(crate) since: Duration,
    /// Age of its transaction.
    pub(crate) transaction: Option<Duration>,
    /// The shards that have joined its transaction.
    pub(crate) shards: Vec<Arc<str>>,
    /// Why it is pinned.
    pub(crate) pins: Option<Arc<str>>,
    pub(crate) running: Option<(Arc<str>, LexMode)>,
    pub(crate) statements: u64,
}

impl Registry {
    /// An empty one. Its ids begin at a random multiple of 2^40, so that those of several gates hardly ever meet.
    pub(crate) fn new() -> Registry {
        let prefix: u64 = rand::rng().random_range(1..1 << 12);
        Registry { next: AtomicU64::new((prefix << 40) + 1), ..Registry::default() }
    }

    /// A place for a session that opens.
    pub(crate) fn enter(self: &Arc<Self>, peer: &Arc<Peer>, target: &Arc<Target>) -> Seat {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let state = State {
            since: Instant::now(),
            statements: 0,
            target: Arc::clone(target),
            running: None,
            cancel: None,
            seen: (None, None),
            held: Held::default(),
            killed: None,
        };
        let entry = Arc::new(Entry { id, peer: Arc::clone(peer), state: Mutex::new(state) });
        self.sessions.insert(id, Arc::clone(&entry));
        Seat { entry, registry: Arc::clone(self) }
    }

    /// The session of an id.
    pub(crate) fn get(&self, id: u64) -> Option<Arc<Entry>> {
        self.sessions.get(&id).map(|entry| Arc::clone(&entry))
    }

    /// All that `chosen` accepts, in order of their ids.
    pub(crate) fn list(&self, chosen: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let mut found: Vec<Arc<Entry>> =
            self.sessions.iter().filter(|entry| chosen(entry)).map(|entry| Arc::clone(&entry)).collect();
        found.sort_unstable_by_key(|entry| entry.id);
        found
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// How many of them are pinned.
    pub(crate) fn pinned(&self) -> usize {
        self.sessions.iter().filter(|entry| entry.state.lock().seen.1.is_some()).count()
    }
}

impl Seat {
    /// A place in a registry of its own, for tests.
    #[cfg(test)]
    pub(crate) fn alone(user: &str) -> Seat {
        let peer = Peer {
            connection_id: 1,
            user: user.into(),
            gate: false,
            application: Arc::default(),
            address: "unix".into(),
        };
        Arc::new(Registry::new()).enter(&Arc::new(peer), &Arc::default())
    }

    /// Another place for the same session, under another id, after it was killed.
    pub(crate) fn again(&self, target: &Arc<Target>) -> Seat {
        self.registry.enter(&self.entry.peer, target)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.registry.sessions.remove(&self.entry.id);
    }
}

impl Entry {
    /// A request begins: gives what the session holds. `None`: it was killed.
    pub(crate) fn wake(&self, cancel: &CancellationToken) -> Option<Held> {
        let mut state = self.state.lock();
        if state.killed == Some(Kill::Session) {
            return None;
        }
        state.killed = None;
        state.since = Instant::now();
        state.cancel = Some(cancel.clone());
        Some(std::mem::take(&mut state.held))
    }

    /// A request ends, and leaves here what the session holds. What was killed meanwhile comes back, to be given up.
    pub(crate) fn rest(&self, target: &Arc<Target>, held: Held) -> Result<(), Held> {
        let mut state = self.state.lock();
        state.since = Instant::now();
        state.cancel = None;
        state.running = None;
        if !Arc::ptr_eq(&state.target, target) {
            state.target = Arc::clone(target);
        }
        state.see(held.transaction.as_deref(), held.pins.as_deref());
        if state.killed == Some(Kill::Session) {
            state.seen = (None, None);
            return Err(held);
        }
        state.held = held;
        Ok(())
    }

    /// A statement begins.
    pub(crate) fn runs(&self, sql: &Arc<str>, mode: LexMode, transaction: Option<&Transaction>, pins: Option<&Pins>) {
        let mut state = self.state.lock();
        state.statements += 1;
        state.running = Some((Arc::clone(sql), mode));
        state.see(transaction, pins);
    }

    /// Takes out what a session at rest holds, without a request.
    pub(crate) fn take_held(&self) -> Held {
        let mut state = self.state.lock();
        state.seen = (None, None);
        std::mem::take(&mut state.held)
    }

    /// Stops what runs, or ends the session. Gives what it held if it was at rest; a request under way gives it up itself.
    pub(crate) fn kill(&self, kill: Kill) -> Held {
        let mut state = self.state.lock();
        if kill == Kill::Query && (state.cancel.is_none() || state.killed.is_some()) {
            return Held::default();
        }
        state.killed = Some(kill);
        if let Some(cancel) = &state.cancel {
            cancel.cancel();
            return Held::default();
        }
        state.seen = (None, None);
        std::mem::take(&mut state.held)
    }

    /// How the session was killed, if it was since its request began.
    pub(crate) fn killed(&self) -> Option<Kill> {
        self.state.lock().killed
    }

    /// At rest, and in a transaction or pinned.
    pub(crate) fn is_bound(&self) -> bool {
        let state = self.state.lock();
        state.held.transaction.is_some() || state.held.pins.is_some()
    }

    /// What it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.state.lock();
        let (transaction, pins) = state.seen.clone();
        let snapshot = Snapshot {
            target: Arc::clone(&state.target),
            busy: state.cancel.is_some(),
            killed: state.killed == Some(Kill::Session),
            since: state.since.elapsed(),
            transaction: transaction.as_ref().map(|seen| seen.began.elapsed()),
            shards: Vec::new(),
            pins,
            running: state.running.clone(),
            statements: state.statements,
        };
        drop(state);
        Snapshot { shards: transaction.map(|seen| seen.shards.lock().clone()).unwrap_or_default(), ..snapshot }
    }
}

impl State {
    fn see(&mut self, transaction: Option<&Transaction>, pins: Option<&Pins>) {
        let seen = transaction.map(Transaction::seen);
        if self.seen.0.as_ref().map(Arc::as_ptr) != seen.map(Arc::as_ptr) {
            self.seen.0 = seen.cloned();
        }
        self.seen.1 = pins.map(Pins::reasons);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> (Arc<Registry>, Arc<Peer>) {
        let seat = Seat::alone("anna");
        (Arc::new(Registry::new()), Arc::clone(&seat.entry.peer))
    }

    /// DESIGN 6: idle costs nothing.
    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 160, "{} bytes", size_of::<Entry>());
    }

    #[test]
    fn sessions_leave_with_their_seats() {
        let (registry, peer) = registry();
        let (first, second) = (registry.enter(&peer, &Arc::default()), registry.enter(&peer, &Arc::default()));
        assert!(first.entry.id < second.entry.id && second.entry.id < 1 << 53);
        assert!(registry.get(first.entry.id).is_some() && registry.get(0).is_none());
        let id = first.entry.id;
        drop(first);
        assert!(registry.get(id).is_none());
        assert_eq!(registry.list(|_| true).len(), 1);
    }

    #[test]
    fn a_kill_meets_the_request_under_way_and_no_later_one() {
        let (registry, peer) = registry();
        let seat = registry.enter(&peer, &Arc::default());
        let entry = &seat.entry;
        // Nothing runs.
        entry.kill(Kill::Query);
        let first = CancellationToken::new();
        assert!(entry.wake(&first).is_some() && !first.is_cancelled());
        entry.kill(Kill::Query);
        assert!(first.is_cancelled() && entry.killed() == Some(Kill::Query));
        assert!(entry.rest(&Arc::default(), Held::default()).is_ok());
        let second = CancellationToken::new();
        assert!(entry.wake(&second).is_some() && !second.is_cancelled() && entry.killed().is_none());
        entry.kill(Kill::Session);
        // A weaker one changes nothing.
        entry.kill(Kill::Query);
        assert!(second.is_cancelled());
        assert!(entry.rest(&Arc::default(), Held::default()).is_err());
        assert!(entry.wake(&second).is_none() && entry.snapshot().killed);
    }
}
