//! A pooled connection in the hands of one call, and what its session was brought to.

use bytes::Bytes;
use vitrail_mysql::{Connection, Pooled, Riders};

use crate::hot_rows::Turn;
use crate::riding::Passenger;
use crate::settings::Applied;

/// A connection out of a pool. Dropped clean, it goes back to the pool with its settings; dropped in any other state, or while
/// somebody's transaction or session state is on it, it is closed.
pub(crate) struct Lease {
    /// Absent only after [`Lease::take`].
    connection: Option<Pooled>,
    /// Session variables beyond those of a fresh connection.
    pub(crate) applied: Applied,
    /// A transaction, or state of one session, is on it.
    pub(crate) marked: bool,
    /// At the row that the statement or transaction writes first; over when the connection is given back.
    pub(crate) turn: Option<Turn>,
}

const TAKEN: &str = "a lease is not used after it was taken";

impl Lease {
    /// Takes over a connection, with what it was brought to before.
    pub(crate) fn new(mut connection: Pooled) -> Lease {
        let applied = connection.memo().take().and_then(|memo| memo.downcast::<Applied>().ok());
        Lease {
            connection: Some(connection),
            applied: applied.map(|applied| *applied).unwrap_or_default(),
            marked: false,
            turn: None,
        }
    }

    /// A lease without a connection, until one is there.
    pub(crate) fn none() -> Lease {
        Lease { connection: None, applied: Applied::default(), marked: false, turn: None }
    }

    /// Moves the connection into a lease of its own; `None` if that was done before.
    pub(crate) fn take(&mut self) -> Option<Lease> {
        let connection = self.connection.take()?;
        Some(Lease {
            connection: Some(connection),
            applied: std::mem::take(&mut self.applied),
            marked: self.marked,
            turn: self.turn.take(),
        })
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect(TAKEN)
    }

    /// MySQL's id of the connection.
    pub(crate) fn thread(&self) -> u64 {
        self.connection.as_ref().expect(TAKEN).thread_id()
    }

    /// Counts the connection with those of long results, if there is a place among them. `true` if it is there.
    pub(crate) fn stream(&mut self) -> bool {
        self.connection.as_mut().expect(TAKEN).stream()
    }

    /// Takes reads along that wait and fit behind the one that goes next, at most so many. Gives their texts.
    pub(crate) fn board(&mut self, most: usize) -> Vec<Bytes> {
        let Lease { connection, applied, .. } = self;
        let connection = connection.as_mut().expect(TAKEN);
        let (escapes, limit) = (connection.status().no_backslash_escapes(), connection.max_allowed_packet());
        connection.board(most, |passenger| passenger.downcast_ref::<Passenger>()?.board(applied, escapes, limit))
    }

    /// The connection, and those who are behind on it.
    pub(crate) fn with_riders(&mut self) -> (&mut Connection, &mut Riders) {
        self.connection.as_mut().expect(TAKEN).with_riders()
    }

    /// Somebody is behind, or what somebody was answered who was.
    pub(crate) fn is_followed(&mut self) -> bool {
        let (connection, riders) = self.with_riders();
        connection.is_followed() || !riders.is_empty()
    }

    /// The next one can have the connection as it is.
    pub(crate) fn can_be_handed_on(&mut self) -> bool {
        let marked = self.marked;
        let (connection, riders) = self.with_riders();
        !marked && !riders.is_empty() && connection.has_ended() && !connection.status().in_transaction()
    }

    /// Hands the connection to the next one who is behind. Gives it back if that one has gone.
    pub(crate) fn hand_on(mut self) -> Option<Lease> {
        let mut connection = self.connection.take()?;
        self.remember(&mut connection);
        connection.hand_on().map(Lease::new)
    }

    /// Leaves what the session was brought to with its connection.
    fn remember(&mut self, connection: &mut Connection) {
        *connection.memo() = match self.applied.is_fresh() {
            true => None,
            false => Some(Box::new(std::mem::take(&mut self.applied))),
        };
    }

    /// Rolls back what is open. `false`: the connection is lost.
    pub(crate) async fn roll_back(&mut self) -> bool {
        let rolled_back = self.connection().execute("ROLLBACK").await.is_ok();
        self.marked &= !rolled_back;
        rolled_back
    }

    /// Takes the session back to a fresh one. `false`: the connection is lost.
    pub(crate) async fn reset(&mut self) -> bool {
        self.applied.reset();
        let reset = self.connection().reset().await.is_ok();
        self.marked &= !reset;
        reset
    }

    /// Closes the connection.
    pub(crate) fn discard(mut self) {
        if let Some(connection) = self.connection.take() {
            connection.discard();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.marked || self.applied.user_variables.are_too_many() {
            connection.discard();
        } else {
            self.remember(&mut connection);
        }
    }
}
