//! A bounded number of places, given out fairly to the users who wait for them.
//!
//! Waiters of one user are served first come, first served. Of several users who wait, the one with the fewest places is next, and of
//! those with equally few the one who was served longest ago: whoever has ten thousand waiters, or slow ones, does not
//! keep another from its share. tokio's semaphore, which is fair between waiters, knows no users.
//!
//! **Nothing is lost.** A waiter stands in its user's line until it is served or dropped. One that is dropped after it was served and
//! before it noticed gives the place to the next. So there is a free place only while nobody may have it; every
//! change keeps that so, and hands over at most one place.
//!
//! **Passengers.** A waiter whose statement may go on the connection of somebody else waits with a passenger, which says so. Whoever holds a place may
//! take those who are next along (see [`Queue::board`]): they stand in no line from then on, and are handed what they wait for by whom they
//! are with.
//!
//! **Overload.** A line whose waiters wait for too long refuses newcomers: see [`overload`].

mod overload;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

pub use self::overload::Overload;
use self::overload::{Pace, Pressure};
use crate::error::{Error, Result};

/// Users who neither hold nor wait are forgotten when there are so many, or twice those that were kept the last time.
const REMEMBERED_USERS: usize = 1024;

/// Bounds of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Places.
    pub(crate) size: usize,
    /// Places of one user at most.
    pub(crate) per_user: usize,
    /// Waiters at most.
    pub(crate) waiters: usize,
    /// The longest wait.
    pub(crate) wait: Duration,
    pub(crate) overload: Overload,
}

/// What a queue does at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Places that are taken.
    pub(crate) taken: usize,
    /// Places given so far, without waiting.
    pub(crate) served: u64,
    /// Waiters.
    pub(crate) waiting: usize,
    /// How long the oldest waiter waits.
    pub(crate) delay: Duration,
    /// Waiters so far.
    pub(crate) waited: u64,
    /// How long those waited, together.
    pub(crate) wait_time: Duration,
    /// Of them, those that somebody took along.
    pub(crate) boarded: u64,
    /// Refused because of overload, so far.
    pub(crate) shed: u64,
    /// Refused because there were too many waiters, so far.
    pub(crate) overflowed: u64,
}

/// The queue. Shared by those who hold its places. `R`: what a passenger is handed.
pub(crate) struct Queue<R> {
    limits: Limits,
    /// Written under the lock of `state`.
    closed: AtomicBool,
    state: Mutex<State<R>>,
}

/// A place; given back when dropped.
pub(crate) struct Place<R> {
    queue: Arc<Queue<R>>,
    user: usize,
}

/// Why somebody may go along, for who takes them along to look at.
pub type Passenger = Box<dyn Any + Send>;

/// How a wait ends well.
pub(crate) enum Turn<R> {
    /// With a place.
    Place(Place<R>),
    /// With what somebody hands over who took it along.
    Ride(R),
    /// Whoever took it along has left it behind: it has to wait anew.
    Left,
}

/// Somebody who was taken along, and waits for what they are handed. Dropped, they learn that they were left.
pub(crate) type Seat<R> = oneshot::Sender<Turn<R>>;

struct State<R> {
    free: usize,
    waiting: usize,
    /// Where each user stands in `users`.
    names: HashMap<Arc<str>, usize>,
    users: Vec<User<R>>,
    /// Numbers in `users` that are nobody's.
    vacant: Vec<usize>,
    /// With so many users, the idle ones are forgotten.
    forget_at: usize,
    /// The users who wait and may have a place, the next one first: by places held, then by turn.
    ready: BTreeSet<(usize, u64, usize)>,
    /// Counts turns and tickets.
    next: u64,
    served: u64,
    waited: u64,
    wait_time: Duration,
    boarded: u64,
    shed: u64,
    overflowed: u64,
}

struct User<R> {
    held: usize,
    /// Grows whenever the user goes to the back.
    turn: u64,
    /// By ticket: the oldest first.
    line: BTreeMap<u64, Waiter<R>>,
    pressure: Pressure,
    pace: Pace,
}

struct Waiter<R> {
    since: Instant,
    served: Seat<R>,
    passenger: Option<Passenger>,
}

/// Somebody in a line. Dropped, it leaves; what it was sent and did not notice goes with the receiver.
struct Waiting<'a, R> {
    queue: &'a Arc<Queue<R>>,
    user: usize,
    ticket: u64,
    served: oneshot::Receiver<Turn<R>>,
}

enum Entry<'a, R> {
    Served(Place<R>),
    Waiting(Waiting<'a, R>),
}

impl<R> Queue<R> {
    pub(crate) fn new(limits: Limits) -> Arc<Queue<R>> {
        let state = State {
            free: limits.size,
            waiting: 0,
            names: HashMap::new(),
            users: Vec::new(),
            vacant: Vec::new(),
            forget_at: REMEMBERED_USERS,
            ready: BTreeSet::new(),
            next: 0,
            served: 0,
            waited: 0,
            wait_time: Duration::ZERO,
            boarded: 0,
            shed: 0,
            overflowed: 0,
        };
        Arc::new(Queue { limits, closed: AtomicBool::new(false), state: Mutex::new(state) })
    }

    /// A place for `user`, by `deadline` if there is one, or what a `passenger` is handed that goes along with somebody.
    ///
    /// Errors: [`Error::QueueFull`] and [`Error::Overloaded`] at once, [`Error::WaitTimeout`], [`Error::PoolClosed`].
    pub(crate) async fn take(
        self: &Arc<Self>,
        user: &Arc<str>,
        deadline: Option<Instant>,
        passenger: Option<Passenger>,
    ) -> Result<Turn<R>> {
        let mut waiting = match self.enter(user, deadline, passenger)? {
            Entry::Served(place) => return Ok(Turn::Place(place)),
            Entry::Waiting(waiting) => waiting,
        };
        let start = Instant::now();
        let limit = start + self.limits.wait;
        let until = deadline.map_or(limit, |deadline| deadline.min(limit));
        match timeout_at(until, &mut waiting.served).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) if self.is_closed() => Err(Error::PoolClosed),
            Ok(Err(_)) => Ok(Turn::Left),
            Err(_) => Err(Error::WaitTimeout { waited: start.elapsed(), deadline: until < limit }),
        }
    }

    /// Takes the one along who is next, if it waits with a passenger whom `accept` takes: of those who may have a place, or else of those
    /// who wait for the user who has this one. Those behind it stay where they are: nobody is overtaken.
    ///
    /// `accept` is called under the queue's lock, and may take no place.
    pub(crate) fn board(&self, place: &Place<R>, accept: impl FnOnce(&(dyn Any + Send)) -> bool) -> Option<Seat<R>> {
        let mut state = self.state.lock();
        let next = state.ready.first().map_or(place.user, |&(_, _, next)| next);
        let (_, waiter) = state.users[next].line.first_key_value()?;
        if !accept(&**waiter.passenger.as_ref()?) {
            return None;
        }
        state.boarded += 1;
        Some(self.call(&mut state, next, 0).served)
    }

    /// A place for `user`, if one is free and nobody who waits may have it.
    pub(crate) fn try_take(self: &Arc<Self>, user: &Arc<str>) -> Option<Place<R>> {
        let mut state = self.state.lock();
        let number = state.user(user);
        self.try_serve(&mut state, number)
    }

    /// Refuses all who wait, and whoever comes.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        self.closed.store(true, Ordering::Relaxed);
        state.waiting = 0;
        state.ready.clear();
        let lines: Vec<_> = state.users.iter_mut().map(|user| std::mem::take(&mut user.line)).collect();
        drop(state);
        // Those who wait are woken outside the lock.
        drop(lines);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn figures(&self) -> Figures {
        let state = self.state.lock();
        let oldest = state.users.iter().filter_map(|user| Some(user.line.first_key_value()?.1.since)).min();
        Figures {
            taken: self.limits.size - state.free,
            served: state.served,
            waiting: state.waiting,
            delay: oldest.map(|since| since.elapsed()).unwrap_or_default(),
            waited: state.waited,
            wait_time: state.wait_time,
            boarded: state.boarded,
            shed: state.shed,
            overflowed: state.overflowed,
        }
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting
    }

    fn enter(
        self: &Arc<Self>,
        user: &Arc<str>,
        deadline: Option<Instant>,
        passenger: Option<Passenger>,
    ) -> Result<Entry<'_, R>> {
        let mut state = self.state.lock();
        if self.is_closed() {
            return Err(Error::PoolClosed);
        }
        let number = state.user(user);
        if let Some(place) = self.try_serve(&mut state, number) {
            return Ok(Entry::Served(place));
        }
        if state.waiting >= self.limits.waiters {
            state.overflowed += 1;
            return Err(Error::QueueFull { size: self.limits.size, waiting: state.waiting });
        }
        let now = Instant::now();
        let line = &mut state.users[number];
        let delay = line.line.first_key_value().map_or(Duration::ZERO, |(_, oldest)| now - oldest.since);
        line.pressure.note(now, delay, self.limits.overload);
        let patience = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now));
        if line.pressure.overloaded {
            let expected = line.pace.expected(now, line.line.len());
            if expected >= self.limits.overload.target.min(patience) {
                line.pressure.refused();
                state.shed += 1;
                return Err(Error::Overloaded { delay: expected });
            }
        }
        let ticket = state.number();
        let (sender, served) = oneshot::channel();
        self.change(&mut state, number, |user| {
            if user.line.is_empty() {
                user.turn = ticket;
                user.pace.begin(now);
            }
            user.line.insert(ticket, Waiter { since: now, served: sender, passenger });
        });
        state.waiting += 1;
        Ok(Entry::Waiting(Waiting { queue: self, user: number, ticket, served }))
    }

    fn try_serve(self: &Arc<Self>, state: &mut State<R>, number: usize) -> Option<Place<R>> {
        if self.is_closed() || state.free == 0 || state.users[number].held >= self.limits.per_user {
            return None;
        }
        state.free -= 1;
        state.served += 1;
        self.change(state, number, |user| user.held += 1);
        Some(Place { queue: Arc::clone(self), user: number })
    }

    /// Takes a place back, and finds who gets it.
    fn give_back(self: &Arc<Self>, state: &mut State<R>, number: usize) -> Option<(Seat<R>, Place<R>)> {
        state.free += 1;
        self.change(state, number, |user| user.held -= 1);
        let &(_, _, next) = state.ready.first()?;
        state.free -= 1;
        let waiter = self.call(state, next, 1);
        debug_assert!(state.free == 0 || state.ready.is_empty(), "a place is free that somebody waits for");
        Some((waiter.served, Place { queue: Arc::clone(self), user: next }))
    }

    /// Takes the first one of a user's line out of it, who gets so many places.
    fn call(&self, state: &mut State<R>, number: usize, places: usize) -> Waiter<R> {
        let turn = state.number();
        let waiter = self.change(state, number, |user| {
            user.held += places;
            user.turn = turn;
            user.line.pop_first()
        });
        let (_, waiter) = waiter.expect("a user who is ready has somebody in line");
        let now = Instant::now();
        let waited = now - waiter.since;
        let user = &mut state.users[number];
        user.pressure.note(now, waited, self.limits.overload);
        user.pace.note(now, self.limits.overload);
        if user.line.is_empty() {
            user.pressure.note(now, Duration::ZERO, self.limits.overload);
        }
        state.left(waited);
        waiter
    }

    /// Changes a user, and its rank among those who are ready.
    fn change<T>(&self, state: &mut State<R>, number: usize, change: impl FnOnce(&mut User<R>) -> T) -> T {
        let rank = |user: &User<R>| {
            (!user.line.is_empty() && user.held < self.limits.per_user).then_some((user.held, user.turn, number))
        };
        let user = &mut state.users[number];
        let before = rank(user);
        let result = change(user);
        let after = rank(user);
        if before != after {
            if let Some(before) = before {
                state.ready.remove(&before);
            }
            if let Some(after) = after {
                state.ready.insert(after);
            }
        }
        result
    }
}

impl<R> State<R> {
    /// The number of a user, new or known.
    fn user(&mut self, name: &Arc<str>) -> usize {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        if self.names.len() >= self.forget_at {
            self.forget_idle();
        }
        let (line, pressure, pace) = (BTreeMap::new(), Pressure::default(), Pace::default());
        let user = User { held: 0, turn: 0, line, pressure, pace };
        let number = match self.vacant.pop() {
            Some(number) => {
                self.users[number] = user;
                number
            }
            None => {
                self.users.push(user);
                self.users.len() - 1
            }
        };
        self.names.insert(Arc::clone(name), number);
        number
    }

    fn forget_idle(&mut self) {
        let (users, vacant) = (&self.users, &mut self.vacant);
        self.names.retain(|_, number| {
            let kept = users[*number].held > 0 || !users[*number].line.is_empty();
            if !kept {
                vacant.push(*number);
            }
            kept
        });
        self.forget_at = (2 * self.names.len()).max(REMEMBERED_USERS);
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn left(&mut self, waited: Duration) {
        self.waiting -= 1;
        self.waited += 1;
        self.wait_time += waited;
    }
}

impl<R> Drop for Waiting<'_, R> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        // It stands in no line any more if it was served or taken along, or the queue was closed.
        if let Some(waiter) = self.queue.change(&mut state, self.user, |user| user.line.remove(&self.ticket)) {
            state.left(waiter.since.elapsed());
        }
    }
}

impl<R> Drop for Place<R> {
    fn drop(&mut self) {
        let next = self.queue.give_back(&mut self.queue.state.lock(), self.user);
        if let Some((seat, place)) = next {
            // Told outside the lock. Whoever has gone meanwhile leaves the place to be dropped, and so given to the next.
            let _ = seat.send(Turn::Place(place));
        }
    }
}

#[cfg(test)]
mod tests;
