//! Several statements on their way at once: MySQL reads one after the other from the socket, and answers in that order.
//!
//! ```text
//! send_with ─▶ … answer of the first … ─▶ next_statement ─▶ response, next_rows … ─▶ next_statement …
//! ```
//!
//! A statement that fails does not keep those behind it from running.

use bytes::Bytes;

use super::{Connection, State};
use crate::capability;
use crate::error::{Error, Result};

impl Connection {
    /// Sends a statement, and `others` behind it in the same write. [`Connection::response`] comes next; those of the others come after
    /// [`Connection::next_statement`]. Breaks the connection if dropped.
    ///
    /// Errors: as [`Connection::send`].
    pub async fn send_with(&mut self, sql: &[u8], others: &[Bytes]) -> Result<()> {
        for sql in std::iter::once(sql).chain(others.iter().map(|sql| &**sql)) {
            // The command byte counts, and the server refuses what is equal to its limit.
            if sql.len() as u64 + 1 >= self.max_allowed_packet {
                let (size, limit) = (sql.len() as u64, self.max_allowed_packet);
                return Err(Error::TooLarge { what: "statement", size, limit });
            }
        }
        self.commands(capability::COM_QUERY, sql, others).await
    }

    /// Whether a statement was sent behind the one whose answer is being read, or was read last.
    pub fn is_followed(&self) -> bool {
        self.following > 0
    }

    /// Nothing is left to be read of the statement that was answered last. Others may follow it.
    pub fn has_ended(&self) -> bool {
        self.state == State::Ready && (self.following > 0 || self.channel.is_drained())
    }

    /// Goes on to the answer of the next statement, which [`Connection::response`] begins. `false`: none follows, or the answer before
    /// it has not ended.
    pub fn next_statement(&mut self) -> bool {
        if self.state != State::Ready || self.following == 0 {
            return false;
        }
        self.following -= 1;
        self.channel.begin_answer();
        self.state = State::Response;
        true
    }

    /// Reads and drops what is left of the current answer, and all answers that follow it. May be dropped and called again.
    ///
    /// Errors: those that break the connection. Failures of statements are dropped with their answers.
    pub async fn drain_all(&mut self) -> Result<()> {
        loop {
            match self.drain().await {
                Ok(_) => {}
                Err(Error::Server(_)) if self.state == State::Ready => {}
                Err(error) => return Err(error),
            }
            if !self.next_statement() {
                return Ok(());
            }
        }
    }
}
