//! A transaction: a session that commits, or rolls back when dropped.

use std::ops::{Deref, DerefMut};

use crate::error::Error;
use crate::outcome::Outcome;
use crate::session::Session;

/// A transaction. Runs statements as the [`Session`] that it is made of; rolls back when dropped before [`Transaction::commit`].
#[derive(Debug)]
pub struct Transaction<'session> {
    session: Holder<'session>,
    /// Committed or rolled back.
    ended: bool,
}

#[derive(Debug)]
enum Holder<'session> {
    Borrowed(&'session mut Session),
    Owned(Box<Session>),
}

impl<'session> Transaction<'session> {
    pub(crate) fn borrowed(session: &'session mut Session) -> Transaction<'session> {
        Transaction { session: Holder::Borrowed(session), ended: false }
    }

    pub(crate) fn owned(session: Session) -> Transaction<'static> {
        Transaction { session: Holder::Owned(Box::new(session)), ended: false }
    }

    /// Commits. If the connection is lost meanwhile, the error's code is `outcome_unknown`.
    pub async fn commit(mut self) -> Result<Outcome, Error> {
        let result = self.session_mut().commit_plain().await;
        // After an error dropping rolls back: what may still be open ends, and a transaction that was lost is acknowledged.
        self.ended = result.is_ok();
        result
    }

    /// Rolls back, and waits for it.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.ended = true;
        self.session_mut().rollback_plain().await
    }

    fn session_mut(&mut self) -> &mut Session {
        self
    }
}

impl Deref for Transaction<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        match &self.session {
            Holder::Borrowed(session) => session,
            Holder::Owned(session) => session,
        }
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        match &mut self.session {
            Holder::Borrowed(session) => session,
            Holder::Owned(session) => session,
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.session_mut().rollback_detached();
        }
    }
}
