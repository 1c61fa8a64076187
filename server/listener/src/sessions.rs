//! The sessions of one connection and the requests that wait in them: who runs next, and what follows a failure.
//!
//! No I/O and no tasks here. An idle session is one boxed value in a map.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use tokio::time::Instant;
use vitrail_proto::message::Request;

use crate::budget::Reservation;
use crate::flight::Flight;

/// A request that was received whole.
pub(crate) struct Received {
    pub(crate) request: Box<Request>,
    pub(crate) flight: Arc<Flight>,
    /// The session's request before it has failed or was never run.
    pub(crate) after_failure: bool,
    /// The memory it occupies, until its END.
    pub(crate) memory: Reservation,
}

/// A session taken out of the map by the task that runs its requests.
pub(crate) struct Taken<T> {
    pub(crate) session: Option<Box<T>>,
    pub(crate) after: After,
    pub(crate) next: Received,
}

/// What the last request of a session has left.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct After {
    /// It has failed.
    pub(crate) failed: bool,
    /// Its END said that the session is in a transaction.
    pub(crate) in_transaction: bool,
}

/// What becomes of a request for a session.
pub(crate) enum Placed<T> {
    /// The session was idle: run it.
    Run(Taken<T>),
    /// It waits behind others.
    Queued,
    /// There is no such session.
    Unknown(Received),
    /// Too many wait already.
    Full,
    /// Its id is below one that the session has already seen.
    Late,
}

/// All sessions of a connection.
pub(crate) struct Sessions<T> {
    slots: HashMap<u64, Slot<T>, RandomState>,
    queue_depth: usize,
    /// The highest id of a request that failed before its session was known.
    unplaced_failure: u64,
}

impl<T> Sessions<T> {
    pub(crate) fn new(queue_depth: usize) -> Sessions<T> {
        Sessions { slots: HashMap::default(), queue_depth, unplaced_failure: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.slots.contains_key(&id)
    }

    /// Adds an idle session that request `opened_by` has opened.
    pub(crate) fn insert(&mut self, id: u64, session: Box<T>, opened_by: u64) {
        self.slots.insert(id, Slot::Idle { session, after: After::default(), last: opened_by });
    }

    /// A request failed before its session was known (its upload was refused, or its body does not tell it). Whatever is
    /// chained behind it must not run, in whichever session that is.
    pub(crate) fn failed_unplaced(&mut self, request: u64) {
        self.unplaced_failure = self.unplaced_failure.max(request);
    }

    /// A request of a session failed without having been placed.
    pub(crate) fn failed(&mut self, session: u64, request: u64) {
        match self.slots.get_mut(&session) {
            Some(Slot::Idle { after, last, .. }) => {
                after.failed = true;
                *last = request.max(*last);
            }
            Some(Slot::Busy(busy)) => {
                busy.tail_failed = true;
                busy.last = request.max(busy.last);
            }
            None => {}
        }
    }

    /// Places a request in its session.
    pub(crate) fn place(&mut self, session: u64, mut received: Received) -> Placed<T> {
        let id = received.flight.id;
        let Some(slot) = self.slots.get_mut(&session) else { return Placed::Unknown(received) };
        let last = slot.last();
        if id <= last {
            return Placed::Late;
        }
        received.after_failure = last < self.unplaced_failure && self.unplaced_failure < id;
        match slot {
            Slot::Busy(busy) => {
                busy.last = id;
                if busy.queue.len() >= self.queue_depth {
                    busy.tail_failed = true;
                    return Placed::Full;
                }
                received.after_failure |= std::mem::take(&mut busy.tail_failed);
                busy.queue.push_back(received);
                Placed::Queued
            }
            Slot::Idle { after, .. } => {
                let in_transaction = after.in_transaction;
                let busy = Busy { queue: VecDeque::new(), tail_failed: false, in_transaction, last: id };
                match std::mem::replace(slot, Slot::Busy(Box::new(busy))) {
                    Slot::Idle { session, after, .. } => {
                        Placed::Run(Taken { session: Some(session), after, next: received })
                    }
                    Slot::Busy(_) => unreachable!("matched as idle above"),
                }
            }
        }
    }

    /// After a request of a session was answered: the next one, or the session goes back to being idle. A session
    /// that was closed (`None`) disappears when nothing waits any more.
    pub(crate) fn next(&mut self, id: u64, session: &mut Option<Box<T>>, after: After) -> Option<Received> {
        let Some(Slot::Busy(busy)) = self.slots.get_mut(&id) else { return None };
        if let Some(next) = busy.queue.pop_front() {
            return Some(next);
        }
        let (after, last) = (After { failed: after.failed || busy.tail_failed, ..after }, busy.last);
        match session.take() {
            Some(session) => self.slots.insert(id, Slot::Idle { session, after, last }),
            None => self.slots.remove(&id),
        };
        None
    }

    /// Takes a waiting request out of its session's queue. `None` if it does not wait: it runs, or is answered.
    pub(crate) fn withdraw(&mut self, session: u64, request: u64) -> Option<Received> {
        let Some(Slot::Busy(busy)) = self.slots.get_mut(&session) else { return None };
        let at = busy.queue.iter().position(|waiting| waiting.flight.id == request)?;
        let withdrawn = busy.queue.remove(at);
        match busy.queue.get_mut(at) {
            Some(behind) => behind.after_failure = true,
            None => busy.tail_failed = true,
        }
        withdrawn
    }

    /// Takes every waiting request out.
    pub(crate) fn withdraw_all(&mut self) -> Vec<Received> {
        let mut all = Vec::new();
        for slot in self.slots.values_mut() {
            if let Slot::Busy(busy) = slot {
                busy.tail_failed |= !busy.queue.is_empty();
                all.extend(busy.queue.drain(..));
            }
        }
        all
    }

    /// Takes every idle session out; those that run are closed by the tasks that run them.
    pub(crate) fn take_idle(&mut self) -> Vec<Box<T>> {
        let (idle, busy) =
            std::mem::take(&mut self.slots).into_iter().partition(|(_, slot)| matches!(slot, Slot::Idle { .. }));
        self.slots = busy;
        let idle: HashMap<u64, Slot<T>, RandomState> = idle;
        idle.into_values()
            .filter_map(|slot| match slot {
                Slot::Idle { session, .. } => Some(session),
                Slot::Busy(_) => None,
            })
            .collect()
    }

    /// Whether the session is in a transaction, as the last END of a request that ran there has said.
    pub(crate) fn in_transaction(&self, id: u64) -> bool {
        match self.slots.get(&id) {
            Some(Slot::Idle { after, .. }) => after.in_transaction,
            Some(Slot::Busy(busy)) => busy.in_transaction,
            None => false,
        }
    }

    /// A request that runs in the session begins or ends its transaction.
    pub(crate) fn set_in_transaction(&mut self, id: u64, in_transaction: bool) {
        if let Some(Slot::Busy(busy)) = self.slots.get_mut(&id) {
            busy.in_transaction = in_transaction;
        }
    }

    /// The idle session `id`.
    pub(crate) fn idle(&self, id: u64) -> Option<&T> {
        match self.slots.get(&id) {
            Some(Slot::Idle { session, .. }) => Some(session),
            _ => None,
        }
    }

    /// All idle sessions.
    pub(crate) fn all_idle(&self) -> impl Iterator<Item = &T> {
        self.slots.values().filter_map(|slot| match slot {
            Slot::Idle { session, .. } => Some(&**session),
            Slot::Busy(_) => None,
        })
    }
}

/// The earliest moments at which something waiting expires.
#[derive(Debug, Default)]
pub(crate) struct Expiries {
    times: std::collections::BTreeSet<(Instant, u64)>,
}

impl Expiries {
    pub(crate) fn add(&mut self, at: Instant, request: u64) {
        self.times.insert((at, request));
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.times.first().map(|(at, _)| *at)
    }

    /// Takes one that has expired.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<u64> {
        let (at, request) = *self.times.first()?;
        if at > now {
            return None;
        }
        self.times.pop_first();
        Some(request)
    }
}

/// A session, or the queue of one that a task has taken.
enum Slot<T> {
    Idle {
        session: Box<T>,
        after: After,
        /// The id of its last request.
        last: u64,
    },
    Busy(Box<Busy>),
}

struct Busy {
    queue: VecDeque<Received>,
    /// The last request received was refused or withdrawn.
    tail_failed: bool,
    /// As the last END has said.
    in_transaction: bool,
    /// The id of the last request received.
    last: u64,
}

impl<T> Slot<T> {
    fn last(&self) -> u64 {
        match self {
            Slot::Idle { last, .. } => *last,
            Slot::Busy(busy) => busy.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use vitrail_proto::message::Op;

    use super::*;
    use crate::budget::Budget;

    fn received(id: u64) -> Received {
        let budget = Budget::new(1);
        Received {
            request: Box::new(Request::new(Op::Execute)),
            flight: Arc::new(Flight::new(id, Some(1), 0, None)),
            after_failure: false,
            memory: Reservation::take(&budget, &budget, 0).unwrap(),
        }
    }

    /// A session whose request 2 runs.
    fn running() -> Sessions<&'static str> {
        let mut sessions = Sessions::new(3);
        sessions.insert(1, Box::new("session"), 1);
        assert!(matches!(
            sessions.place(1, received(2)),
            Placed::Run(Taken { after: After { failed: false, .. }, .. })
        ));
        sessions
    }

    #[test]
    fn requests_run_in_order_and_the_session_comes_back() {
        let mut sessions = running();
        for id in [3, 4] {
            assert!(matches!(sessions.place(1, received(id)), Placed::Queued));
        }
        assert!(matches!(sessions.place(1, received(4)), Placed::Late));
        let mut session = Some(Box::new("session"));
        assert_eq!(sessions.next(1, &mut session, After::default()).unwrap().flight.id, 3);
        assert_eq!(sessions.next(1, &mut session, After::default()).unwrap().flight.id, 4);
        assert!(sessions.next(1, &mut session, After { failed: true, ..After::default() }).is_none());
        assert_eq!(sessions.idle(1), Some(&"session"));
        assert!(matches!(sessions.place(1, received(5)), Placed::Run(Taken { after: After { failed: true, .. }, .. })));
    }

    #[test]
    fn whoever_follows_a_refused_or_withdrawn_request_knows() {
        let mut sessions = running();
        for id in [3, 4, 5] {
            assert!(matches!(sessions.place(1, received(id)), Placed::Queued));
        }
        assert!(matches!(sessions.place(1, received(6)), Placed::Full));
        assert_eq!(sessions.withdraw(1, 3).unwrap().flight.id, 3);
        assert!(sessions.withdraw(1, 3).is_none());
        assert!(matches!(sessions.place(1, received(7)), Placed::Queued));
        let mut session = Some(Box::new("session"));
        let behind: Vec<_> = std::iter::from_fn(|| sessions.next(1, &mut session, After::default()))
            .map(|next| (next.flight.id, next.after_failure))
            .collect();
        assert_eq!(behind, [(4, true), (5, false), (7, true)]);
    }

    #[test]
    fn a_request_lost_before_its_session_was_known_counts_for_every_session() {
        let mut sessions = running();
        sessions.failed_unplaced(3);
        assert!(matches!(sessions.place(1, received(4)), Placed::Queued));
        assert!(matches!(sessions.place(1, received(5)), Placed::Queued));
        let mut session = Some(Box::new("session"));
        assert!(sessions.next(1, &mut session, After::default()).unwrap().after_failure);
        assert!(!sessions.next(1, &mut session, After::default()).unwrap().after_failure);
    }

    #[test]
    fn a_closed_session_disappears_and_a_lost_connection_leaves_nothing() {
        let mut sessions = running();
        assert!(matches!(sessions.place(1, received(3)), Placed::Queued));
        assert_eq!(sessions.withdraw_all().len(), 1);
        assert!(sessions.next(1, &mut None, After::default()).is_none());
        assert!(!sessions.contains(1));
        sessions.insert(2, Box::new("idle"), 4);
        assert_eq!(sessions.take_idle().len(), 1);
        assert_eq!(sessions.len(), 0);
    }
}
