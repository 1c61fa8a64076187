//! What the gate keeps per session.

use std::sync::{Arc, LazyLock};

use tokio_util::sync::CancellationToken;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{BeginOptions, SessionState, Warning};
use vitrail_proto::target::Target;
use vitrail_service::call::Settings;

use crate::holdings::Holdings;
use crate::pins::Pins;
use crate::preferences::Preferences;
use crate::registry::{Held, Seat};
use crate::transaction::Transaction;

/// One session. A few hundred bytes while idle: settings and target are shared between equal sessions.
pub struct Session {
    /// On whose behalf its statements run.
    pub(crate) user: Arc<str>,
    /// Where others find it.
    pub(crate) seat: Seat,
    /// What it was opened with; `reset` goes back to it.
    opened: Basis,
    /// What it is now.
    pub(crate) now: Basis,
    /// Options of `SET TRANSACTION`, for the next one only.
    pub(crate) next: Option<Box<BeginOptions>>,
    /// The transaction, if any.
    ///
    /// While no request runs, an open one rests in the registry, and so do the pins.
    pub(crate) transaction: TransactionState,
    /// MySQL connections of its own.
    pub(crate) pins: Option<Box<Pins>>,
    /// `LAST_INSERT_ID()`
    pub(crate) last_insert_id: u64,
    /// What the client knows of it.
    told_insert_id: u64,
    /// `ROW_COUNT()`: rows that the last statement changed; -1 if it read or failed.
    pub(crate) row_count: i64,
    /// `FOUND_ROWS()`
    pub(crate) found_rows: u64,
    /// Warnings and errors of the last statement, for `SHOW WARNINGS`.
    pub(crate) warnings: Option<Box<[Warning]>>,
    /// How many warnings the last statement had.
    pub(crate) warning_count: u32,
    /// What the client was last told.
    told: Basis,
}

/// The part of a session that another gate needs to rebuild it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basis {
    pub(crate) target: Arc<Target>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) autocommit: bool,
    /// Vitrail's own variables.
    pub(crate) preferences: Preferences,
    /// User variables and prepared statements; `None`: it has none.
    pub(crate) holdings: Option<Arc<Holdings>>,
}

impl Basis {
    fn holdings(&self) -> &Holdings {
        static NONE: LazyLock<Holdings> = LazyLock::new(Holdings::default);
        self.holdings.as_deref().unwrap_or(&NONE)
    }
}

/// Whether a session is in a transaction.
pub(crate) enum TransactionState {
    /// No.
    None,
    /// It is.
    Open(Box<Transaction>),
    /// It was, lost it, and the client has not taken notice by BEGIN, COMMIT or ROLLBACK.
    Lost,
}

impl Session {
    /// A session as it is opened.
    pub(crate) fn new(seat: Seat, opened: Basis, last_insert_id: u64) -> Session {
        Session {
            user: Arc::clone(&seat.entry.peer.user),
            seat,
            now: opened.clone(),
            told: opened.clone(),
            opened,
            next: None,
            transaction: TransactionState::None,
            pins: None,
            last_insert_id,
            told_insert_id: last_insert_id,
            row_count: 0,
            found_rows: 0,
            warnings: None,
            warning_count: 0,
        }
    }

    /// A request begins: takes back what rested in the registry. `false`: the session was killed.
    pub(crate) fn wake(&mut self, cancel: &CancellationToken) -> bool {
        let Some(held) = self.seat.entry.wake(cancel) else { return false };
        if let Some(transaction) = held.transaction {
            self.transaction = TransactionState::Open(transaction);
        }
        self.pins = held.pins;
        true
    }

    /// A request ends. What a kill leaves comes back, to be given up.
    pub(crate) fn rest(&mut self) -> Result<(), Held> {
        let transaction = if self.in_transaction() { self.take_transaction() } else { None };
        let held = Held { transaction, pins: self.pins.take() };
        self.seat.entry.rest(&self.now.target, held)
    }

    /// The transaction that is open.
    pub(crate) fn open_transaction(&self) -> Option<&Transaction> {
        match &self.transaction {
            TransactionState::Open(transaction) => Some(transaction),
            TransactionState::None | TransactionState::Lost => None,
        }
    }

    /// As it was opened, less the transaction and the pins, which the caller has taken out.
    pub(crate) fn restore(&mut self) {
        self.now = self.opened.clone();
        self.next = None;
        self.transaction = TransactionState::None;
        self.last_insert_id = 0;
        self.row_count = 0;
        self.found_rows = 0;
        self.warnings = None;
        self.warning_count = 0;
    }

    /// In a transaction that is not lost.
    pub(crate) fn in_transaction(&self) -> bool {
        matches!(self.transaction, TransactionState::Open(_))
    }

    /// Whether MySQL would say that a transaction is open.
    pub(crate) fn shows_transaction(&self) -> bool {
        self.open_transaction().is_some_and(Transaction::is_open)
    }

    /// Takes the transaction out, and with it the memory of a lost one.
    pub(crate) fn take_transaction(&mut self) -> Option<Box<Transaction>> {
        match std::mem::replace(&mut self.transaction, TransactionState::None) {
            TransactionState::Open(transaction) => Some(transaction),
            TransactionState::None | TransactionState::Lost => None,
        }
    }

    /// Its user variables and prepared statements.
    pub(crate) fn holdings(&self) -> &Holdings {
        self.now.holdings()
    }

    /// Changes its user variables and prepared statements.
    pub(crate) fn hold(
        &mut self,
        change: impl FnOnce(&mut Holdings) -> Result<(), ErrorBody>,
    ) -> Result<(), ErrorBody> {
        let mut held = self.holdings().clone();
        change(&mut held)?;
        if held != *self.holdings() {
            self.now.holdings = (held != Holdings::default()).then(|| Arc::new(held));
        }
        Ok(())
    }

    /// How many errors the last statement had.
    pub(crate) fn error_count(&self) -> usize {
        self.warnings.iter().flatten().filter(|warning| warning.level == "Error").count()
    }

    /// What changed since the client was last told, in the form that `open` accepts: a variable that went back to its default
    /// is there as `DEFAULT`.
    pub(crate) fn news(&mut self) -> Option<SessionState> {
        if self.now == self.told && self.last_insert_id == self.told_insert_id {
            return None;
        }
        let insert_id = (self.last_insert_id != self.told_insert_id).then_some(self.last_insert_id);
        self.told_insert_id = self.last_insert_id;
        let (now, told) = (&self.now, &self.told);
        let mut variables = difference(&told.settings.variables, &now.settings.variables);
        variables.extend(now.preferences.difference(&told.preferences));
        let state = SessionState {
            target: (now.target != told.target).then(|| (*now.target).clone()),
            autocommit: (now.autocommit != told.autocommit).then_some(now.autocommit),
            found_rows: (now.settings.found_rows != told.settings.found_rows).then_some(now.settings.found_rows),
            variables,
            user_variables: now.holdings().changed_variables(told.holdings()),
            prepared: now.holdings().changed_prepared(told.holdings()),
            last_insert_id: insert_id,
        };
        self.told = self.now.clone();
        Some(state)
    }
}

fn difference(old: &[(String, String)], new: &[(String, String)]) -> Vec<(String, String)> {
    let set = new.iter().filter(|variable| !old.contains(variable)).cloned();
    let unset = old.iter().filter(|(name, _)| !new.iter().any(|(kept, _)| kept == name));
    set.chain(unset.map(|(name, _)| (name.clone(), "DEFAULT".to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let basis = Basis {
            target: Arc::default(),
            settings: Arc::default(),
            autocommit: true,
            preferences: Preferences::default(),
            holdings: None,
        };
        Session::new(Seat::alone("anna"), basis, 0)
    }

    /// DESIGN 6: idle costs nothing.
    #[test]
    fn a_session_is_small() {
        assert!(size_of::<Session>() <= 256, "{} bytes", size_of::<Session>());
    }

    #[test]
    fn changes_are_told_once() {
        let mut session = session();
        assert_eq!(session.news(), None);
        session.now.autocommit = false;
        session.now.target = Arc::new(Target { keyspace: Some("k".into()), ..Target::default() });
        let told = session.news().expect("two changes");
        assert_eq!(told.autocommit, Some(false));
        assert_eq!(told.target.and_then(|target| target.keyspace).as_deref(), Some("k"));
        assert_eq!(told.found_rows, None);
        assert_eq!(session.news(), None);
        let zone = crate::settings::with(&session.now.settings, "time_zone", "'+00:00'");
        session.now.settings = Arc::new(zone);
        assert_eq!(session.news().expect("a variable").variables, [("time_zone".to_owned(), "'+00:00'".to_owned())]);
        session.now.settings = Arc::default();
        assert_eq!(session.news().expect("none again").variables, [("time_zone".to_owned(), "DEFAULT".to_owned())]);
        session.restore();
        assert_eq!(session.news().expect("back again").autocommit, Some(true));
    }
}
