//! The consolidator: identical reads that come while one runs share the next execution.
//!
//! For each [`Identity`] at most one execution is running (its statement may have reached MySQL) and at most one is forming. A request
//! joins the one that is forming, or else forms one itself; that one begins when the running one has ended, has been deserted, or
//! is held up by its readers.
//!
//! **No answer is older than its request.** A request joins a round only while the round stands under `forming`, and
//! [`Consolidator::write`] takes the round away from there, under the same lock, before the first byte of its statement goes to
//! MySQL. So MySQL receives the statement after the request has come, and what was committed before the request is in the answer. Only
//! [`Share::Running`], which a request has to ask for, also joins a round that is running, as long as the beginning of its answer
//! is there.
//!
//! Layout: [`entering`] (a call's way in), [`round`] (one execution and those who share it), [`log`] (the parts
//! of its answer), [`seat`] (one of those who share it), [`alone`] (how a seat goes on that was too slow), [`top`] (what was shared most).

pub(crate) mod alone;
pub(crate) mod entering;
pub(crate) mod log;
pub(crate) mod round;
pub(crate) mod seat;
pub(crate) mod top;

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::Share;
use vitrail_service::call::{Call, Statement};
use vitrail_service::identity::{AsItIs, Identity};
use vitrail_sql::lexer::LexMode;

use self::round::{Closed, Round};
use self::top::{Entry, Top};
use crate::config::ConsolidatorConfig;
use crate::stats::add;

/// Parts of the map that are locked apart.
const PARTS: usize = 32;

/// See the module.
pub(crate) struct Consolidator {
    pub(crate) config: ConsolidatorConfig,
    hasher: RandomState,
    parts: Vec<Mutex<HashMap<Identity, Slot, BuildHasherDefault<AsItIs>>>>,
    /// Bytes that a lone reader may leave unread.
    window: usize,
    /// Bytes of answers in memory.
    bytes: AtomicUsize,
    /// Requests that share the execution of another one, now.
    waiting: AtomicUsize,
    /// Executions that have not gone to MySQL yet, now.
    forming: AtomicUsize,
    /// Executions that several requests have shared.
    shared: AtomicU64,
    /// Statements that were not sent to MySQL, because another one's execution answered them.
    saved: AtomicU64,
    /// Requests that were refused because too many share already.
    refused: AtomicU64,
    /// Requests that were too slow for the others and went on by themselves.
    cut_off: AtomicU64,
    /// What was shared most.
    pub(crate) top: Top,
}

/// The executions of one identity. Never without one.
#[derive(Default)]
struct Slot {
    running: Option<Arc<Round>>,
    forming: Option<Arc<Round>>,
}

/// What the consolidator did and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ConsolidatorStats {
    /// Executions that several requests have shared.
    pub shared: u64,
    /// Statements that were not sent to MySQL, because another one's execution answered them.
    pub saved: u64,
    /// Requests that were refused because too many share already.
    pub refused: u64,
    /// Requests that were too slow for the others and went on by themselves.
    pub cut_off: u64,
    /// Requests that share the execution of another one, now.
    pub waiting: usize,
    /// Executions that have not gone to MySQL yet, now.
    pub forming: usize,
    /// Bytes of answers in memory.
    pub bytes: usize,
}

/// A request's way into a round.
pub(crate) enum Way {
    /// It has formed the round, and has to see to its execution.
    Formed(Arc<Round>),
    /// It shares the execution of another one.
    Joined(Arc<Round>, Joined),
}

/// Counts a request among those that share while it lives.
pub(crate) struct Joined {
    consolidator: Arc<Consolidator>,
    entry: Option<Arc<Entry>>,
}

impl Consolidator {
    /// With batches of about `batch` bytes.
    pub(crate) fn new(config: ConsolidatorConfig, batch: u64) -> Consolidator {
        Consolidator {
            config,
            hasher: RandomState::default(),
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            window: usize::try_from(batch.clamp(1 << 10, 16 << 20)).expect("at most 16 MiB") * 2,
            bytes: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            forming: AtomicUsize::new(0),
            shared: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            cut_off: AtomicU64::new(0),
            top: Top::default(),
        }
    }

    /// Lets a request join an execution of its statement, or form one.
    ///
    /// # Errors
    /// [`Code::Exhausted`] when too many share already.
    pub(crate) fn admit(self: &Arc<Self>, call: &Call, statement: &Statement, mode: LexMode) -> Result<Way, ErrorBody> {
        let key = Identity::new(call, statement, &self.hasher);
        let mut part = self.part(&key).lock();
        let slot = part.entry(key.clone()).or_default();
        let running = slot.running.as_ref().filter(|_| statement.share == Share::Running);
        for round in running.into_iter().chain(&slot.forming) {
            let place = if self.is_full() { None } else { self.place() };
            match place.map(|place| round.join(self.config.waiters).map(|()| place)) {
                Some(Ok(mut joined)) => {
                    let round = Arc::clone(round);
                    drop(part);
                    add(&self.saved, 1);
                    joined.entry = Some(round.note(|| self.top.entry(round.key.sql(), mode)));
                    return Ok(Way::Joined(round, joined));
                }
                Some(Err(Closed::Over)) => {}
                None | Some(Err(Closed::Full)) => {
                    drop(part);
                    add(&self.refused, 1);
                    return Err(full());
                }
            }
        }
        let round = Arc::new(Round::new(key, Arc::clone(self)));
        if slot.forming.replace(Arc::clone(&round)).is_none() {
            self.forming.fetch_add(1, Relaxed);
        }
        if slot.running.is_none() {
            round.give_turn();
        }
        Ok(Way::Formed(round))
    }

    /// A round's statement is about to go to MySQL: from now on nobody joins who wants an answer of its own time. `false`: nobody
    /// waits for it any more.
    pub(crate) fn write(&self, round: &Arc<Round>) -> bool {
        let mut part = self.part(&round.key).lock();
        let Some(slot) = part.get_mut(&round.key) else { return false };
        if slot.forming.as_ref().is_some_and(|forming| Arc::ptr_eq(forming, round)) {
            slot.running = slot.forming.take();
            self.forming.fetch_sub(1, Relaxed);
        }
        round.write()
    }

    /// A round is held up by its readers: the next one need not wait for it.
    pub(crate) fn step_aside(&self, round: &Arc<Round>) {
        self.take_out(round, false);
    }

    /// A round is over: nobody joins it, and the next one may begin.
    pub(crate) fn release(&self, round: &Arc<Round>) {
        self.take_out(round, true);
    }

    /// What it did and holds.
    pub(crate) fn stats(&self) -> ConsolidatorStats {
        ConsolidatorStats {
            shared: self.shared.load(Relaxed),
            saved: self.saved.load(Relaxed),
            refused: self.refused.load(Relaxed),
            cut_off: self.cut_off.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            forming: self.forming.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }

    /// No more answers fit into memory.
    fn is_full(&self) -> bool {
        self.bytes.load(Relaxed) as u64 >= self.config.bytes
    }

    /// A place among those that share.
    fn place(self: &Arc<Self>) -> Option<Joined> {
        let place = Joined { consolidator: Arc::clone(self), entry: None };
        (self.waiting.fetch_add(1, Relaxed) < self.config.total_waiters).then_some(place)
    }

    fn take_out(&self, round: &Arc<Round>, forming: bool) {
        let mut part = self.part(&round.key).lock();
        let Some(slot) = part.get_mut(&round.key) else { return };
        let is_it = |other: &Option<Arc<Round>>| other.as_ref().is_some_and(|other| Arc::ptr_eq(other, round));
        if is_it(&slot.running) {
            slot.running = None;
        } else if forming && is_it(&slot.forming) {
            slot.forming = None;
            self.forming.fetch_sub(1, Relaxed);
        } else {
            return;
        }
        match (&slot.running, &slot.forming) {
            (None, Some(next)) => next.give_turn(),
            (None, None) => _ = part.remove(&round.key),
            (Some(_), _) => {}
        }
    }

    fn part(&self, key: &Identity) -> &Mutex<HashMap<Identity, Slot, BuildHasherDefault<AsItIs>>> {
        // The table below takes the low bits and the high seven.
        &self.parts[(key.hash() >> 32) as usize % PARTS]
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.consolidator.waiting.fetch_sub(1, Relaxed);
        if let Some(entry) = &self.entry {
            entry.left();
        }
    }
}

fn full() -> ErrorBody {
    ErrorBody::new(
        Code::Exhausted,
        "too many requests share executions of identical statements already; try again, or ask for an execution of its own \
         (share 'off')",
    )
}
