//! One execution and the requests that share it.
//!
//! A round takes joiners until its statement goes to MySQL. It is ended by whoever leaves it last: a request that is cancelled or
//! whose deadline comes takes only itself away while others wait. Readers share one log of parts, and those that progress at about
//! the same pace wait for each other. A reader that stands still, or a few that are slower than the rest, hold the others up for a
//! bounded time; then they are cut off, and go on by themselves (see `alone`).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_proto::error::ErrorBody;
use vitrail_service::execution::Part;
use vitrail_service::identity::Identity;

use super::Consolidator;
use super::log::{Log, Prefix, Read};
use super::top::Entry;
use crate::carried::Carried;
use crate::stats::add;

/// See the module.
pub(crate) struct Round {
    pub(crate) key: Identity,
    consolidator: Arc<Consolidator>,
    /// Its run, while the first seat waits alone for the beginning of the answer.
    pub(crate) run: Carried,
    state: Mutex<State>,
    /// Wakes those who read.
    news: Notify,
    /// Wakes the run that waits for space.
    space: Notify,
    /// Lets the run begin.
    turn: Notify,
    /// Fires when nobody waits for the answer any more.
    pub(crate) deserted: CancellationToken,
}

struct State {
    log: Log,
    /// Bytes of the log that are counted in the consolidator's budget.
    counted: usize,
    /// Its statement may have reached MySQL.
    written: bool,
    /// The last one has left.
    deserted: bool,
    /// The run waits for space.
    blocked: bool,
    patience: Patience,
    outcome: Option<Result<(), ErrorBody>>,
    /// Where it stands in the list of shared statements; since somebody joined.
    entry: Option<Arc<Entry>>,
    /// How many have shared it.
    sharers: u64,
}

/// What a seat finds.
pub(crate) enum Found {
    /// The next part.
    Part(Part),
    /// No more yet.
    Nothing,
    /// There is nothing more.
    End(Result<(), ErrorBody>),
    /// It was too slow, and has read so much.
    CutOff(Prefix),
}

/// Why a round takes nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// It is over, or its beginning is gone.
    Over,
    /// It is full.
    Full,
}

/// Who is left when somebody goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Others.
    Others,
    /// Nobody: the execution is stopped.
    Nobody,
}

/// How the run's wait for space goes on.
#[derive(Clone, Copy)]
struct Patience {
    /// The first entry that somebody has not read.
    base: usize,
    /// Since when the run waits, and it is that one.
    since: Instant,
    /// When was looked last.
    counted: Instant,
    /// How long at least half of the readers have waited for others, in all, since some were cut off.
    taken: Duration,
    /// How often some were.
    cuts: u32,
}

impl Round {
    /// A round with its first seat.
    pub(crate) fn new(key: Identity, consolidator: Arc<Consolidator>) -> Round {
        let mut log = Log::new(consolidator.window);
        log.join();
        let now = Instant::now();
        let state = State {
            log,
            counted: 0,
            written: false,
            deserted: false,
            blocked: false,
            patience: Patience { base: 0, since: now, counted: now, taken: Duration::ZERO, cuts: 0 },
            outcome: None,
            entry: None,
            sharers: 1,
        };
        Round {
            key,
            consolidator,
            run: Carried::default(),
            state: Mutex::new(state),
            news: Notify::new(),
            space: Notify::new(),
            turn: Notify::new(),
            deserted: CancellationToken::new(),
        }
    }

    /// Takes one more in. Called under the lock of the round's place in the map.
    pub(super) fn join(&self, most: usize) -> Result<(), Closed> {
        let mut state = self.state.lock();
        if state.deserted || state.outcome.is_some() {
            return Err(Closed::Over);
        }
        if state.log.readers() > most {
            return Err(Closed::Full);
        }
        if !state.log.join() {
            return Err(Closed::Over);
        }
        state.sharers += 1;
        Ok(())
    }

    /// Notes in the list of shared statements that somebody joined.
    pub(super) fn note(&self, find: impl FnOnce() -> Arc<Entry>) -> Arc<Entry> {
        let known = self.state.lock().entry.clone();
        // Found without the lock: it reads the statement's text.
        let entry = known.unwrap_or_else(find);
        let mut state = self.state.lock();
        if state.entry.is_none() {
            state.entry = Some(Arc::clone(&entry));
            entry.shared.fetch_add(1, Relaxed);
            add(&self.consolidator.shared, 1);
        }
        entry.joined(state.sharers);
        entry
    }

    /// The statement is about to go to MySQL. `false`: nobody wants it any more. Called under the lock of its place in the map.
    pub(super) fn write(&self) -> bool {
        let mut state = self.state.lock();
        state.written = !state.deserted;
        state.written
    }

    /// Lets the run begin, now or as soon as it asks.
    pub(super) fn give_turn(&self) {
        self.turn.notify_one();
    }

    /// Waits until the run may begin.
    pub(crate) async fn turn(&self) {
        self.turn.notified().await;
    }

    /// Appends parts; waits while too much is unread. `false`: nobody reads any more.
    pub(crate) async fn push(self: &Arc<Self>, parts: Vec<Part>) -> bool {
        loop {
            let space = self.space.notified();
            let until = {
                let mut state = self.state.lock();
                if state.log.readers() == 0 {
                    return false;
                }
                let now = Instant::now();
                state.wait(now);
                if state.log.unread() < self.limit(&state) {
                    state.blocked = false;
                    for part in parts {
                        state.log.push(part);
                    }
                    self.count(&mut state);
                    drop(state);
                    self.news.notify_waiters();
                    return true;
                }
                state.blocked = true;
                if self.cut_off(&mut state, now) {
                    continue;
                }
                let until = state.patience.since + self.stall(&state);
                // Later, only news can change anything.
                (state.log.readers() > 1 && until > now).then_some(until)
            };
            // Its readers hold it up: whoever comes now need not wait for them.
            self.consolidator.step_aside(self);
            match until {
                None => space.await,
                Some(until) => _ = tokio::time::timeout_at(until, space).await,
            }
        }
    }

    /// The run has ended. Its last parts, if it ended well.
    pub(crate) fn finish(self: &Arc<Self>, parts: Vec<Part>, outcome: Result<(), ErrorBody>) {
        // First, so that whoever comes now does not find an execution that is over.
        self.consolidator.release(self);
        let mut state = self.state.lock();
        if state.outcome.is_none() {
            if outcome.is_ok() {
                for part in parts {
                    state.log.push(part);
                }
                self.count(&mut state);
            }
            state.outcome = Some(outcome);
        }
        drop(state);
        self.news.notify_waiters();
    }

    /// What a seat finds at its position.
    pub(crate) fn read(&self, at: &mut usize) -> Found {
        let mut state = self.state.lock();
        let found = match state.log.read(at) {
            Read::Part(part) => Found::Part(part),
            Read::CutOff(prefix) => Found::CutOff(prefix),
            Read::Nothing => match &state.outcome {
                Some(outcome) => Found::End(outcome.clone()),
                None => return Found::Nothing,
            },
        };
        self.count(&mut state);
        self.make_space(&state);
        found
    }

    /// Resolves at the next news after the call.
    pub(crate) fn news(&self) -> tokio::sync::futures::Notified<'_> {
        self.news.notified()
    }

    /// A seat does not want to wait any longer. If it is the last, the execution is stopped, and the seat stays for its outcome.
    pub(crate) fn leave(self: &Arc<Self>, at: usize) -> Left {
        let mut state = self.state.lock();
        if state.log.readers() > 1 || at < state.log.base() {
            self.depart(&mut state, at);
            return Left::Others;
        }
        self.desert(state);
        Left::Nobody
    }

    /// A seat is dropped.
    pub(crate) fn depart_for_good(self: &Arc<Self>, at: usize) {
        let mut state = self.state.lock();
        self.depart(&mut state, at);
        if state.log.readers() == 0 {
            self.desert(state);
        }
    }

    /// Nothing has come yet.
    pub(crate) fn is_unopened(&self) -> bool {
        self.state.lock().log.is_new()
    }

    fn depart(&self, state: &mut State, at: usize) {
        state.log.leave(at);
        self.count(state);
        self.make_space(state);
    }

    fn desert(self: &Arc<Self>, mut state: parking_lot::MutexGuard<'_, State>) {
        if state.deserted || state.outcome.is_some() {
            return;
        }
        state.deserted = true;
        drop(state);
        self.deserted.cancel();
        // Whoever comes now need not wait until it has been stopped.
        self.consolidator.release(self);
    }

    fn make_space(&self, state: &State) {
        if state.blocked {
            self.space.notify_one();
        }
    }

    /// So many bytes may be unread: a little for one reader, more for several, as long as there is room for all.
    fn limit(&self, state: &State) -> usize {
        let consolidator = &self.consolidator;
        if state.log.readers() == 1 || consolidator.is_full() {
            consolidator.window
        } else {
            consolidator.config.backlog.max(consolidator.window as u64) as usize
        }
    }

    /// How long readers may hold others up: less with each time that some did, so that many cannot do it one after the other.
    fn stall(&self, state: &State) -> Duration {
        self.consolidator.config.stall / (1 << state.patience.cuts.min(4))
    }

    /// Brings what the log holds into the consolidator's budget.
    fn count(&self, state: &mut State) {
        let held = state.log.held();
        let bytes = &self.consolidator.bytes;
        if held > state.counted {
            bytes.fetch_add(held - state.counted, Relaxed);
        } else if held < state.counted {
            bytes.fetch_sub(state.counted - held, Relaxed);
        }
        state.counted = held;
    }

    /// Cuts off the last readers if they have held the others up for too long.
    fn cut_off(&self, state: &mut State, now: Instant) -> bool {
        let stall = self.stall(state);
        let (starved, patience) = (state.log.starved(), &state.patience);
        let stands_still = starved > 0 && now - patience.since >= stall;
        let holds_most_up = starved * 2 >= state.log.readers() && patience.taken >= stall;
        if !stands_still && !holds_most_up {
            return false;
        }
        let cut = state.log.cut_off_last();
        if cut == 0 {
            return false;
        }
        state.patience.taken = Duration::ZERO;
        state.patience.cuts += 1;
        add(&self.consolidator.cut_off, cut as u64);
        self.count(state);
        true
    }
}

impl State {
    /// Counts the time since the last look, if the run waited meanwhile.
    fn wait(&mut self, now: Instant) {
        let (log, patience) = (&self.log, &mut self.patience);
        if !self.blocked {
            patience.since = now;
        } else if log.starved() * 2 >= log.readers() {
            patience.taken += now - patience.counted;
        }
        patience.counted = now;
        if log.base() != patience.base {
            (patience.base, patience.since) = (log.base(), now);
        }
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        let counted = self.state.get_mut().counted;
        self.consolidator.bytes.fetch_sub(counted, Relaxed);
    }
}

#[cfg(test)]
mod tests;
