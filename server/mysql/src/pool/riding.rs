//! Statements that follow another one on its connection, because those who sent them wait for one.
//!
//! While all connections are in use, each statement costs MySQL and us a wake-up: the server sleeps between an answer and the next statement of
//! a connection. If that is there already, it goes on without. So whoever has a connection may take those along who are next in the
//! queue: [`Pooled::board`] finds them, their statements go out with its own ([`Connection::send_with`]), and when its own answer has
//! been read, [`Pooled::hand_on`] hands the connection to the next of them, whose answer comes next.
//!
//! **Left behind.** Riders can be let off at any time ([`Riders::let_off`]), and are when the connection is dropped. They learn of it
//! ([`Ride::Left`]) and wait anew. What their statements are answered is still on its way then, and has to be read before the
//! connection can be used ([`Connection::drain_all`]). So a rider's statement may run twice: only what has no effect may ride.

use std::any::Any;
use std::collections::VecDeque;

use bytes::Bytes;

use super::Pooled;
use crate::connection::Connection;
use crate::queue::{Seat, Turn};

/// What a call gets that lets its statement ride.
pub enum Ride {
    /// A connection of its own: the statement has not been sent.
    Connection(Pooled),
    /// A connection on which the answer of its statement comes next.
    Answer(Pooled),
    /// It was let off. Its statement may have run, and may yet run.
    Left,
}

/// Those whose statements follow on a connection, in order.
#[derive(Default)]
pub struct Riders(VecDeque<Seat<Pooled>>);

impl Riders {
    /// Whether nobody follows.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets all of them off.
    pub fn let_off(&mut self) {
        self.0.clear();
    }
}

impl Pooled {
    /// Takes those along who are next in the queue: at most `most`, no more than one connection's share of all who wait, and as long as
    /// `accept` gives the statement of the passenger that it is shown. Gives the statements, which are to be sent behind the caller's own.
    pub fn board(&mut self, most: usize, mut accept: impl FnMut(&(dyn Any + Send)) -> Option<Bytes>) -> Vec<Bytes> {
        let queue = &self.shared.queue;
        let share = queue.waiting().div_ceil(self.shared.options.size.max(1));
        let mut statements = Vec::new();
        for _ in 0..most.min(share) {
            let mut statement = None;
            let seat = queue.board(&self.place, |passenger| {
                statement = accept(passenger);
                statement.is_some()
            });
            let (Some(seat), Some(statement)) = (seat, statement) else { break };
            self.riders.0.push_back(seat);
            statements.push(statement);
        }
        statements
    }

    /// Hands the connection, whose last answer has been read, to the next one whose statement was sent on it. Gives it back if that
    /// one has gone: what it is answered has to be read and dropped.
    pub fn hand_on(mut self) -> Option<Pooled> {
        let Some(seat) = self.riders.0.pop_front() else { return Some(self) };
        if !self.next_statement() {
            return Some(self);
        }
        match seat.send(Turn::Ride(self)) {
            Err(Turn::Ride(back)) => Some(back),
            _ => None,
        }
    }

    /// The connection, and those whose statements follow on it.
    pub fn with_riders(&mut self) -> (&mut Connection, &mut Riders) {
        (self.connection.as_mut().expect("the connection leaves only with the guard itself"), &mut self.riders)
    }
}
