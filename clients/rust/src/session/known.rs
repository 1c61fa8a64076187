//! What the client knows of a session's state, learned from the ends of its requests.

use parking_lot::Mutex;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::{ResultEnd, SessionState};
use vitrail_proto::target::Target;

use crate::connection::Observer;
use crate::error::Error;

/// What a session lost with its connection, until the application acknowledges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Its transaction: by `begin` or `rollback`.
    Transaction,
    /// What pinned it: by `reset`.
    Session,
}

/// Updated by the connection's reader, read by the session.
#[derive(Debug)]
pub(super) struct Known(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// All of it: `open` takes it to rebuild the session.
    state: SessionState,
    in_transaction: bool,
    pinned: bool,
    lost: Option<Lost>,
}

impl Known {
    pub(super) fn new(state: SessionState) -> Known {
        Known(Mutex::new(Inner { state, in_transaction: false, pinned: false, lost: None }))
    }

    pub(super) fn state(&self) -> SessionState {
        self.0.lock().state.clone()
    }

    pub(super) fn restore(&self, state: SessionState) {
        *self.0.lock() = Inner { state, in_transaction: false, pinned: false, lost: None };
    }

    pub(super) fn set_target(&self, target: Target) {
        self.0.lock().state.target = Some(target);
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.0.lock().in_transaction
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.0.lock().pinned
    }

    /// In a transaction or pinned: cannot be opened elsewhere.
    pub(super) fn is_bound(&self) -> bool {
        let inner = self.0.lock();
        inner.in_transaction || inner.pinned
    }

    pub(super) fn left_transaction(&self) {
        self.0.lock().in_transaction = false;
    }

    /// The connection is gone: remembers what went with it.
    pub(super) fn lose(&self) {
        let mut inner = self.0.lock();
        if inner.pinned {
            inner.lost = Some(Lost::Session);
        } else if inner.in_transaction {
            inner.lost = Some(Lost::Transaction);
        }
        inner.pinned = false;
        inner.in_transaction = false;
    }

    /// The error of every statement until the application has acknowledged a loss.
    pub(super) fn loss(&self) -> Option<Error> {
        let body = match self.0.lock().lost? {
            Lost::Transaction => {
                let message =
                    "the connection was lost and the transaction with it; roll back, then run all of it again";
                let mut body = ErrorBody::new(Code::TxLost, message);
                body.retryable = true;
                body
            }
            Lost::Session => {
                let message = "the connection was lost, and with it the session's temporary tables, user variables and \
                               locks; reset the session, then build them again";
                let mut body = ErrorBody::new(Code::SessionLost, message);
                body.retryable = false;
                body
            }
        };
        Some(Error::lost_state(body))
    }

    /// Whether a transaction had been lost.
    pub(super) fn forget_lost_transaction(&self) -> bool {
        let mut inner = self.0.lock();
        let was = inner.lost == Some(Lost::Transaction);
        if was {
            inner.lost = None;
        }
        was
    }

    pub(super) fn forget_loss(&self) {
        self.0.lock().lost = None;
    }
}

impl Observer for Known {
    fn ended(&self, end: &ResultEnd) {
        let mut inner = self.0.lock();
        inner.in_transaction = end.in_transaction;
        inner.pinned = end.pinned;
        if let Some(change) = &end.state {
            merge(&mut inner.state, change);
        }
    }

    fn failed(&self, error: &Error) {
        // An error that arose here says nothing of the server's state.
        if let Some(body) = error.as_server_error()
            && body.code != Code::Skipped
        {
            let mut inner = self.0.lock();
            inner.in_transaction = body.in_transaction;
            // What pinned it is gone.
            inner.pinned &= body.code != Code::SessionLost;
        }
    }
}

/// Applies what an `end` says has changed; what it does not name stays.
fn merge(state: &mut SessionState, change: &SessionState) {
    if change.target.is_some() {
        state.target.clone_from(&change.target);
    }
    if change.autocommit.is_some() {
        state.autocommit = change.autocommit;
    }
    if change.found_rows.is_some() {
        state.found_rows = change.found_rows;
    }
    if change.last_insert_id.is_some() {
        state.last_insert_id = change.last_insert_id;
    }
    merge_texts(&mut state.variables, &change.variables, None);
    merge_texts(&mut state.user_variables, &change.user_variables, Some("NULL"));
    merge_texts(&mut state.prepared, &change.prepared, Some(""));
}

/// `gone` is what an entry becomes that is no more.
fn merge_texts(all: &mut Vec<(String, String)>, changed: &[(String, String)], gone: Option<&str>) {
    for (name, value) in changed {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => known.clone_from(value),
            None => all.push((name.clone(), value.clone())),
        }
    }
    if let Some(gone) = gone {
        all.retain(|(_, value)| value != gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_merged_and_losses_are_told_until_acknowledged() {
        let known = Known::new(SessionState::default());
        let change = |name: &str, value: &str| SessionState {
            variables: vec![(name.to_owned(), value.to_owned())],
            ..SessionState::default()
        };
        for (name, value) in [("time_zone", "'+00:00'"), ("sql_mode", "''"), ("time_zone", "'+02:00'")] {
            known.ended(&ResultEnd { state: Some(change(name, value)), ..ResultEnd::default() });
        }
        let expected = [("time_zone", "'+02:00'"), ("sql_mode", "''")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(known.state().variables, expected);

        for (variable, text, id) in [("1", "select ?", 4), ("NULL", "", 5)] {
            let change = SessionState {
                user_variables: vec![("a".to_owned(), variable.to_owned())],
                prepared: vec![("s".to_owned(), text.to_owned())],
                last_insert_id: Some(id),
                ..SessionState::default()
            };
            known.ended(&ResultEnd { state: Some(change), ..ResultEnd::default() });
            let state = known.state();
            let kept = usize::from(id == 4);
            assert_eq!(
                (state.user_variables.len(), state.prepared.len(), state.last_insert_id),
                (kept, kept, Some(id))
            );
        }

        known.ended(&ResultEnd { in_transaction: true, ..ResultEnd::default() });
        assert!(known.is_bound());
        known.lose();
        let loss = known.loss().unwrap();
        assert_eq!((loss.code(), loss.is_retryable()), (&Code::TxLost, true));
        assert!(known.forget_lost_transaction());
        assert!(known.loss().is_none());
    }
}
