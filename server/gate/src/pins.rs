//! What pins a session: MySQL connections that are its own, at most one for each shard, each with the reasons why.
//!
//! A pin begins with the statement that needs it (`hold`, `locks`, and `control`'s `pinned` and `temporary`), serves every
//! statement of the session on its shard, and ends with its last reason. A lost one is told once; nothing makes its state anew.

pub(crate) mod hold;
pub(crate) mod locks;

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_service::QueryService;
use vitrail_service::call::{ConnectionId, On};

use crate::calling::{Calling, statement};
use crate::cluster::Keyspace;
use crate::scatter::Task;

/// Most reasons of one session.
const MOST_REASONS: usize = 1000;

/// All pins of a session.
pub(crate) struct Pins {
    list: Vec<Pin>,
    /// When all of them were last seen alive.
    checked: Instant,
    /// The reasons, as others read them. Kept with the list.
    reasons: Arc<str>,
}

/// One connection of a session's own.
pub(crate) struct Pin {
    pub(crate) keyspace: Arc<str>,
    pub(crate) shard: Arc<str>,
    /// The shard's name in errors; empty for the only shard of a keyspace.
    label: Arc<str>,
    pub(crate) service: Arc<dyn QueryService>,
    pub(crate) connection: ConnectionId,
    reasons: Vec<Reason>,
    /// MySQL's `autocommit` is off there, because BEGIN would end LOCK TABLES.
    pub(crate) autocommit_off: bool,
}

/// Why a connection is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A temporary table, by its name.
    TemporaryTable(String),
    /// A named lock.
    Lock(String),
    /// Named locks whose names were computed, which nobody can ask for.
    ComputedLocks,
    /// `LOCK TABLES`
    TableLocks,
    /// An open HANDLER, by the name that it is used with.
    Handler(String),
}

impl Default for Pins {
    fn default() -> Pins {
        Pins { list: Vec::new(), checked: Instant::now(), reasons: Arc::from("") }
    }
}

impl Pins {
    /// The pin of a shard.
    pub(crate) fn get(&self, keyspace: &str, shard: &str) -> Option<&Pin> {
        self.list.iter().find(|pin| *pin.shard == *shard && *pin.keyspace == *keyspace)
    }

    /// The same, to change.
    fn get_mut(&mut self, keyspace: &str, shard: &str) -> Option<&mut Pin> {
        self.list.iter_mut().find(|pin| *pin.shard == *shard && *pin.keyspace == *keyspace)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pin> + Clone {
        self.list.iter()
    }

    /// Why the session is pinned, as others read it.
    pub(crate) fn reasons(&self) -> Arc<str> {
        Arc::clone(&self.reasons)
    }

    /// Changes the reasons of a shard's pin.
    pub(crate) fn change(&mut self, keyspace: &str, shard: &str, change: impl FnOnce(&mut Vec<Reason>)) {
        if let Some(pin) = self.get_mut(keyspace, shard) {
            change(&mut pin.reasons);
            self.describe();
        }
    }

    /// Adds a reason to a shard's pin, once.
    pub(crate) fn add_reason(&mut self, keyspace: &str, shard: &str, reason: Reason) {
        self.change(keyspace, shard, |reasons| {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        });
    }

    /// Refuses a further reason if there are too many.
    pub(crate) fn admit_reason(&self) -> Result<(), ErrorBody> {
        if self.list.iter().map(|pin| pin.reasons.len()).sum::<usize>() < MOST_REASONS {
            return Ok(());
        }
        let message = format!("the session holds {MOST_REASONS} locks and temporary tables; give some back first");
        let mut error = ErrorBody::new(Code::Exhausted, message);
        error.retryable = false;
        Err(error)
    }

    /// The names of all temporary tables of a keyspace, on whichever shard.
    pub(crate) fn temporary_tables<'p>(&'p self, keyspace: &'p str) -> impl Iterator<Item = &'p str> + Clone {
        self.list.iter().filter(move |pin| *pin.keyspace == *keyspace).flat_map(Pin::temporary_tables)
    }

    /// Takes this reason from all of them.
    fn remove_reason(&mut self, reason: &Reason) {
        for pin in &mut self.list {
            pin.reasons.retain(|known| known != reason);
        }
        self.describe();
    }

    fn push(&mut self, pin: Pin) {
        self.list.push(pin);
    }

    /// Takes out those that `leaves` chooses.
    fn take(&mut self, leaves: impl FnMut(&Pin) -> bool) -> Vec<Pin> {
        let (gone, kept) = std::mem::take(&mut self.list).into_iter().partition(leaves);
        self.list = kept;
        self.describe();
        gone
    }

    fn describe(&mut self) {
        let several = self.list.len() > 1;
        let texts = self.list.iter().flat_map(|pin| {
            let place = if several { format!(" on {}:{}", pin.keyspace, pin.shard) } else { String::new() };
            pin.reasons.iter().map(move |reason| format!("{reason}{place}"))
        });
        self.reasons = texts.collect::<Vec<_>>().join(", ").into();
    }
}

impl Pin {
    /// A connection that was just taken, without a reason yet.
    pub(crate) fn new(keyspace: &Keyspace, shard: usize, connection: ConnectionId) -> Pin {
        let of = &keyspace.shards[shard];
        Pin {
            keyspace: Arc::clone(&keyspace.name),
            shard: Arc::clone(&of.name),
            label: keyspace.label(shard),
            service: Arc::clone(&of.service),
            connection,
            reasons: Vec::new(),
            autocommit_off: false,
        }
    }

    /// A statement of the gate's own on it, which settles something.
    fn task(&self, sql: impl Into<Arc<str>>, calling: &Calling<'_>) -> Task {
        Task {
            service: Arc::clone(&self.service),
            shard: Arc::clone(&self.label),
            call: calling.settle(),
            statement: statement(sql, false),
            on: On::Connection(self.connection),
        }
    }

    /// Its temporary tables.
    pub(crate) fn temporary_tables(&self) -> impl Iterator<Item = &str> + Clone {
        self.reasons.iter().filter_map(|reason| match reason {
            Reason::TemporaryTable(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The named locks that are known to be held.
    pub(crate) fn locks(&self) -> impl Iterator<Item = &str> {
        self.reasons.iter().filter_map(|reason| match reason {
            Reason::Lock(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it is known to hold this lock.
    pub(crate) fn holds(&self, lock: &str) -> bool {
        self.locks().any(|known| known == lock)
    }

    /// Whether it has such a reason.
    pub(crate) fn any(&self, such: impl Fn(&Reason) -> bool) -> bool {
        self.reasons.iter().any(such)
    }

    /// LOCK TABLES is in force.
    pub(crate) fn locks_tables(&self) -> bool {
        self.any(|reason| *reason == Reason::TableLocks)
    }

    /// It has a reason at all.
    fn is_needed(&self) -> bool {
        !self.reasons.is_empty()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::TemporaryTable(name) => write!(f, "temporary table `{name}`"),
            Reason::Lock(name) => write!(f, "lock '{name}'"),
            Reason::ComputedLocks => f.write_str("locks with computed names"),
            Reason::TableLocks => f.write_str("LOCK TABLES"),
            Reason::Handler(name) => write!(f, "handler `{name}`"),
        }
    }
}
