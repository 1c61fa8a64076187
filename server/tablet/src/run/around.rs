//! What is done on the connection around a statement: settings and values before it, its text, and what it has left after it.

use bytes::Bytes;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::Warning;
use vitrail_sql::bind::substitute;
use vitrail_sql::lexer::LexMode;

use super::Run;
use super::failure::{Again, Failure, Fate};
use crate::comment;
use crate::guard::Place;
use crate::stop::Step;
use crate::values;

impl Run {
    /// Brings the session to the call's settings, and to what the statement may see besides.
    pub(super) async fn apply_settings(&mut self) -> Result<(), Failure> {
        let values = self.statement.values.clone();
        // What writes may run triggers.
        let whole = self.statement.writes || values.as_ref().is_some_and(|values| values.whole);
        let hides = values.as_ref().is_some_and(|values| self.lease.applied.user_variables.may_hide_others(values));
        if hides && self.place == Place::Shared {
            let grace = self.shared.config.limits.kill_grace;
            if !Box::pin(tokio::time::timeout(grace, self.lease.reset())).await.unwrap_or(false) {
                let again = Again::OnAnotherConnection;
                return Err(Failure { again, ..Failure::new(lost_before_sent(), Fate::Lost) });
            }
        }
        let set = match self.lease.applied.difference(&self.call.settings, values.as_deref(), whole) {
            Ok(None) => {
                self.lease.applied.user_variables.reached(values.as_deref(), whole);
                return Ok(());
            }
            Ok(Some(set)) => set,
            Err(body) => return Err(Failure::new(body, Fate::Kept)),
        };
        match Box::pin(self.prepare(&set)).await {
            Ok(()) => {
                self.lease.applied.reached(&self.call.settings);
                self.lease.applied.user_variables.reached(values.as_deref(), whole);
                Ok(())
            }
            Err(failure) => {
                // Some of the assignments may have been made. A held connection has more to lose than they are worth.
                if failure.fate == Fate::Kept && self.place == Place::Shared && !Box::pin(self.lease.reset()).await {
                    return Err(Failure { fate: Fate::Lost, ..failure });
                }
                Err(failure)
            }
        }
    }

    /// Runs a statement that only prepares the connection; whatever happens to it, the call's own statement was not sent.
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<(), Failure> {
        match self.query(Some((sql.as_bytes(), &[]))).await {
            Step::Done(Ok(_)) => Ok(()),
            Step::Done(Err(error)) => {
                let lost = self.lease.connection().is_broken();
                let mut failure = self.failed(&error);
                if lost {
                    failure.again = Again::OnAnotherConnection;
                    if failure.body.executed != Executed::No {
                        *failure.body = lost_before_sent();
                    }
                }
                Err(failure)
            }
            Step::Stopped(why, _) => Err(self.stop_failure(why)),
            Step::Stuck(why) => Err(Failure::new(why.error(), Fate::Lost)),
        }
    }

    /// The statement's text with its binds, quoted as the connection itself reads strings, behind the comment that says whose it is.
    /// A text that has no room for the comment goes without.
    pub(super) fn text(&mut self) -> Result<Bytes, Failure> {
        let connection = self.lease.connection();
        let read = &self.reading.template;
        let mode = LexMode { no_backslash_escapes: connection.status().no_backslash_escapes(), ..read.mode() };
        let limit = self.shared.config.limits.statement_bytes.min(connection.max_allowed_packet().saturating_sub(2));
        if let Some(text) = &self.text
            && read.mode() == mode
            && text.len() as u64 <= limit
        {
            return Ok(text.clone());
        }
        self.write(mode, limit).map(Bytes::from).map_err(|body| Failure::new(body, Fate::Kept))
    }

    /// Writes the text for a connection that reads it in `mode`.
    pub(super) fn write(&self, mode: LexMode, limit: u64) -> Result<Vec<u8>, Box<ErrorBody>> {
        let read = &self.reading.template;
        let mut sql = Vec::with_capacity(read.sql().len() + 128);
        if self.shared.config.comment {
            comment::write(&self.call.application, &self.call.caller, &mut sql);
        }
        let comment = sql.len();
        let binds = &self.statement.binds;
        let written = match read.mode() == mode {
            true => read.write(binds, limit as usize, &mut sql),
            false => substitute(read.sql(), binds, mode, limit as usize, &mut sql),
        };
        written.map_err(|error| Box::new(error.into()))?;
        if sql.len() as u64 > limit {
            sql.drain(..comment);
        }
        Ok(sql)
    }

    /// Reads what the statement left in the values that were sent with it. Where that fails the end has none, and the caller knows
    /// that they are lost.
    pub(super) async fn read_values_back(&mut self) {
        let Some(wanted) = self.statement.values.clone().filter(|values| values.back) else { return };
        let grace = self.shared.config.limits.kill_grace;
        let reading = tokio::time::timeout(grace, values::read_back(self.lease.connection(), &wanted));
        match Box::pin(reading).await {
            Ok(Ok(read)) => {
                self.lease.applied.user_variables.read(&read);
                if let Some(end) = self.outbox.last_end() {
                    end.values = Some(Box::new(read));
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "what a statement assigned is lost"),
            Err(_) => tracing::debug!("reading what a statement assigned took too long"),
        }
    }

    /// Whether there are warnings whose texts are wanted.
    pub(super) fn misses_warnings(&mut self) -> bool {
        self.call.warnings > 0 && self.outbox.last_end().is_some_and(|end| end.warnings > 0)
    }

    /// Fetches the texts of warnings before the connection can be used by anybody else.
    pub(super) async fn fetch_warnings(&mut self) {
        if !self.misses_warnings() {
            return;
        }
        let (wanted, names) = (self.call.warnings, self.shared.names.clone());
        let grace = self.shared.config.limits.kill_grace;
        let Some(end) = self.outbox.last_end() else { return };
        let sql = format!("SHOW WARNINGS LIMIT {wanted}");
        match Box::pin(tokio::time::timeout(grace, self.lease.connection().fetch_all(&sql))).await {
            Ok(Ok(rows)) => end.warning_texts = rows.into_iter().filter_map(|row| warning(row, &names)).collect(),
            Ok(Err(error)) => tracing::debug!(%error, "the texts of warnings are lost"),
            Err(_) => tracing::debug!("the texts of warnings took too long"),
        }
    }
}

/// A row of SHOW WARNINGS.
fn warning(row: Vec<Option<String>>, names: &crate::names::Names) -> Option<Warning> {
    let [level, errno, message] = <[Option<String>; 3]>::try_from(row).ok()?;
    let errno = errno?.parse().ok()?;
    Some(Warning { level: level?, errno, message: names.map_text(errno, &message?).into_owned() })
}

fn lost_before_sent() -> ErrorBody {
    ErrorBody::new(Code::Unavailable, "the connection to MySQL was lost before the statement was sent; send it again")
}
