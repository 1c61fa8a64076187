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
//! **Overload.** The delay of a line is the age of its oldest waiter. Once it has been above the target for an interval, the line is
//! overloaded: those who would wait in it for longer than the target are refused at once, so that those who wait already are
//! served in time and every place goes on being used. How long they would wait is how many stand before them times the pace at which
//! the line moves; the age of the oldest tells of it a whole wait too late, and a line that is opened and closed by it swings between empty and full. A
//! line that refused nobody and whose delay was below the target for an interval is overloaded no more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Result};

/// Users who neither hold nor wait are forgotten when there are so many, or twice those that were kept the last time.
const REMEMBERED_USERS: usize = 1024;

/// The pace of a line is measured so many times in the target of its delay.
const WINDOWS: u32 = 4;

/// When those who wait are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// A delay above this is too long. Zero: nobody is refused for it.
    pub target: Duration,
    /// It may be too long for so long.
    pub interval: Duration,
}

impl Default for Overload {
    /// A wait below a second is a burst that the pool works off; a line that stays behind by more for three seconds does not shrink.
    fn default() -> Overload {
        Overload { target: Duration::from_secs(1), interval: Duration::from_secs(3) }
    }
}

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
    /// Refused because of overload, so far.
    pub(crate) shed: u64,
    /// Refused because there were too many waiters, so far.
    pub(crate) overflowed: u64,
}

/// The queue. Shared by those who hold its places.
pub(crate) struct Queue {
    limits: Limits,
    /// Written under the lock of `state`.
    closed: AtomicBool,
    state: Mutex<State>,
}

/// A place; given back when dropped.
pub(crate) struct Place {
    queue: Arc<Queue>,
    user: usize,
}

struct State {
    free: usize,
    waiting: usize,
    /// Where each user stands in `users`.
    names: HashMap<Arc<str>, usize>,
    users: Vec<User>,
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
    shed: u64,
    overflowed: u64,
}

struct User {
    held: usize,
    /// Grows whenever the user goes to the back.
    turn: u64,
    /// By ticket: the oldest first.
    line: BTreeMap<u64, Waiter>,
    pressure: Pressure,
    pace: Pace,
}

struct Waiter {
    since: Instant,
    served: oneshot::Sender<()>,
}

/// How long the delay of a line has been above the target, or below.
#[derive(Debug, Clone, Copy, Default)]
struct Pressure {
    above_since: Option<Instant>,
    below_since: Option<Instant>,
    overloaded: bool,
}

/// How fast a line moves, measured while somebody stands in it.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    /// Between two who are served, when it was last measured.
    each: Duration,
    /// Since when it is measured anew, and how many were served since.
    measured: Option<(Instant, u32)>,
    /// When somebody was served last, or the line began.
    moved: Option<Instant>,
}

/// Somebody in a line. Dropped, it leaves, with its place if it was served.
struct Waiting<'a> {
    queue: &'a Arc<Queue>,
    user: usize,
    ticket: u64,
    served: oneshot::Receiver<()>,
    /// The place went on as a [`Place`].
    taken: bool,
}

enum Entry<'a> {
    Served(Place),
    Waiting(Waiting<'a>),
}

impl Queue {
    pub(crate) fn new(limits: Limits) -> Arc<Queue> {
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
            shed: 0,
            overflowed: 0,
        };
        Arc::new(Queue { limits, closed: AtomicBool::new(false), state: Mutex::new(state) })
    }

    /// A place for `user`, by `deadline` if there is one.
    ///
    /// Errors: [`Error::QueueFull`] and [`Error::Overloaded`] at once, [`Error::WaitTimeout`], [`Error::PoolClosed`].
    pub(crate) async fn take(self: &Arc<Self>, user: &Arc<str>, deadline: Option<Instant>) -> Result<Place> {
        let mut waiting = match self.enter(user, deadline)? {
            Entry::Served(place) => return Ok(place),
            Entry::Waiting(waiting) => waiting,
        };
        let start = Instant::now();
        let limit = start + self.limits.wait;
        let until = deadline.map_or(limit, |deadline| deadline.min(limit));
        match timeout_at(until, &mut waiting.served).await {
            Ok(Ok(())) => Ok(waiting.into_place()),
            Ok(Err(_)) => Err(Error::PoolClosed),
            Err(_) => Err(Error::WaitTimeout { waited: start.elapsed(), deadline: until < limit }),
        }
    }

    /// A place for `user`, if one is free and nobody who waits may have it.
    pub(crate) fn try_take(self: &Arc<Self>, user: &Arc<str>) -> Option<Place> {
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
            shed: state.shed,
            overflowed: state.overflowed,
        }
    }

    fn enter(self: &Arc<Self>, user: &Arc<str>, deadline: Option<Instant>) -> Result<Entry<'_>> {
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
            user.line.insert(ticket, Waiter { since: now, served: sender });
        });
        state.waiting += 1;
        Ok(Entry::Waiting(Waiting { queue: self, user: number, ticket, served, taken: false }))
    }

    fn try_serve(self: &Arc<Self>, state: &mut State, number: usize) -> Option<Place> {
        if self.is_closed() || state.free == 0 || state.users[number].held >= self.limits.per_user {
            return None;
        }
        state.free -= 1;
        state.served += 1;
        self.change(state, number, |user| user.held += 1);
        Some(Place { queue: Arc::clone(self), user: number })
    }

    /// Takes a place back; whom it goes to is to be told outside the lock.
    fn give_back(&self, state: &mut State, number: usize) -> Option<oneshot::Sender<()>> {
        state.free += 1;
        self.change(state, number, |user| user.held -= 1);
        let &(_, _, next) = state.ready.first()?;
        state.free -= 1;
        let turn = state.number();
        let waiter = self.change(state, next, |user| {
            user.held += 1;
            user.turn = turn;
            user.line.pop_first()
        });
        let (_, waiter) = waiter.expect("a user who is ready has somebody in line");
        let now = Instant::now();
        let waited = now - waiter.since;
        let user = &mut state.users[next];
        user.pressure.note(now, waited, self.limits.overload);
        user.pace.note(now, self.limits.overload.target / WINDOWS);
        if user.line.is_empty() {
            user.pressure.note(now, Duration::ZERO, self.limits.overload);
        }
        state.left(waited);
        debug_assert!(state.free == 0 || state.ready.is_empty(), "a place is free that somebody waits for");
        Some(waiter.served)
    }

    /// Changes a user, and its rank among those who are ready.
    fn change<T>(&self, state: &mut State, number: usize, change: impl FnOnce(&mut User) -> T) -> T {
        let rank = |user: &User| {
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

impl State {
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

impl Pressure {
    /// Notes a delay that was seen.
    fn note(&mut self, now: Instant, delay: Duration, overload: Overload) {
        if overload.target.is_zero() {
            return;
        }
        if delay >= overload.target {
            self.below_since = None;
            let crossed = *self.above_since.get_or_insert(now - (delay - overload.target));
            self.overloaded |= now - crossed >= overload.interval;
        } else {
            self.above_since = None;
            let since = *self.below_since.get_or_insert(now);
            self.overloaded &= now - since < overload.interval;
        }
    }

    /// Notes that somebody was refused: the line is short for that alone.
    fn refused(&mut self) {
        self.below_since = None;
    }
}

impl Pace {
    /// The first one joins a line. How fast an earlier one moved says nothing of it: the last that was measured may have been a standstill.
    fn begin(&mut self, now: Instant) {
        *self = Pace { each: Duration::ZERO, measured: Some((now, 0)), moved: Some(now) };
    }

    /// Somebody of the line was served.
    fn note(&mut self, now: Instant, window: Duration) {
        self.moved = Some(now);
        let (since, served) = self.measured.unwrap_or((now, 0));
        self.measured = Some((since, served + 1));
        // Connections come back in bursts: over some time they even out.
        if now - since >= window {
            self.each = (now - since) / (served + 1);
            self.measured = Some((now, 0));
        }
    }

    /// How long somebody waits with so many before; at least for as long as nobody has been served.
    fn expected(&self, now: Instant, before: usize) -> Duration {
        if before == 0 {
            return Duration::ZERO;
        }
        let still = self.moved.map_or(Duration::ZERO, |moved| now - moved);
        self.each.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX)).max(still)
    }
}

impl Waiting<'_> {
    fn into_place(mut self) -> Place {
        self.taken = true;
        Place { queue: Arc::clone(self.queue), user: self.user }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let next = {
            let mut state = self.queue.state.lock();
            let left = self.queue.change(&mut state, self.user, |user| user.line.remove(&self.ticket));
            match left {
                Some(waiter) => {
                    state.left(waiter.since.elapsed());
                    None
                }
                // Closing took it out of its line; in a closed queue no place matters.
                None if self.queue.is_closed() => None,
                // It was served, whether it has been told or not.
                None => self.queue.give_back(&mut state, self.user),
            }
        };
        if let Some(next) = next {
            // Whoever it is stands in no line any more, and takes the place or gives it on.
            let _ = next.send(());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = self.queue.give_back(&mut self.queue.state.lock(), self.user);
        if let Some(next) = next {
            let _ = next.send(());
        }
    }
}

#[cfg(test)]
mod tests;
