//! One statement from its begin to its end: what is measured on the way, and where it is counted.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use tokio::time::Instant;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_sql::LexMode;
use vitrail_sql::normalise::{Normalised, StatementKind, normalise};
use vitrail_sql::redact::redacted;

use super::Tier;
use super::figures::Run;
use super::log::Record;
use crate::answer::Answer;
use crate::request::Scope;
use crate::session::Session;

/// Longest text of a statement in figures, in bytes.
const TEXT: usize = 1024;
/// Longest text of a statement in the log, in bytes.
const LOGGED_TEXT: usize = 16 << 10;
/// What stands for a statement that cannot be read.
const UNREADABLE: &str = "(unreadable)";

/// Transactions are begun and ended by statements and by requests: both count as these statements.
pub(crate) static BEGIN: LazyLock<Normalised> = LazyLock::new(|| of("BEGIN"));
/// See [`BEGIN`].
pub(crate) static COMMIT: LazyLock<Normalised> = LazyLock::new(|| of("COMMIT"));
/// See [`BEGIN`].
pub(crate) static ROLLBACK: LazyLock<Normalised> = LazyLock::new(|| of("ROLLBACK"));

/// A code that this version does not know, whatever it is called: a tablet cannot make figures grow.
static OTHER: LazyLock<Code> = LazyLock::new(|| Code::Other("other".into()));

fn of(text: &str) -> Normalised {
    normalise(text.into(), LexMode::default()).expect("one word is a statement")
}

/// A statement under way.
pub(crate) struct Watch {
    began: Instant,
    /// Rows and bytes of earlier statements of the request.
    rows_before: u64,
    bytes_before: u64,
    in_transaction: bool,
    tier: Tier,
    shards: u32,
    keyspace: Option<Arc<str>>,
    advice: Option<Arc<str>>,
    left_to_another: bool,
}

impl Watch {
    /// A statement begins.
    pub(crate) fn begin(session: &Session, answer: &Answer<'_>) -> Watch {
        Watch {
            began: Instant::now(),
            rows_before: answer.rows_passed(),
            bytes_before: answer.bytes_passed(),
            in_transaction: session.in_transaction(),
            tier: Tier::None,
            shards: 0,
            keyspace: None,
            advice: None,
            left_to_another: false,
        }
    }

    /// It runs another statement, which is counted in its place.
    pub(crate) fn leave_to_another(&mut self) {
        self.left_to_another = true;
    }

    /// See [`Watch::leave_to_another`].
    pub(crate) fn is_left_to_another(&self) -> bool {
        self.left_to_another
    }

    /// The gate answers it.
    pub(crate) fn own(&mut self) {
        self.tier = Tier::Own;
    }

    /// It goes to so many shards; `advice`: what would make it cheaper if those are several.
    pub(crate) fn goes_to(&mut self, keyspace: &Arc<str>, shards: usize, advice: Option<&Arc<str>>) {
        self.tier = if shards > 1 { Tier::Scatter } else { Tier::Single };
        self.advice = advice.filter(|_| shards > 1).cloned();
        self.shards = u32::try_from(shards).unwrap_or(u32::MAX);
        self.keyspace = Some(Arc::clone(keyspace));
    }

    /// It goes to the scratch server; `advice`: what would spare it that.
    pub(crate) fn goes_to_scratch(&mut self, keyspace: &Arc<str>, advice: Option<&Arc<str>>) {
        self.tier = Tier::Exact;
        self.advice = advice.cloned();
        self.keyspace = Some(Arc::clone(keyspace));
    }

    /// The statement has ended: counts it, and writes it down if it is to be. `statement`: `None` if it could not be read.
    pub(crate) fn end(
        self,
        scope: &Scope<'_>,
        statement: Option<&Normalised>,
        text: &str,
        outcome: Result<&ResultEnd, &ErrorBody>,
        answer: &Answer<'_>,
    ) {
        if self.left_to_another {
            return;
        }
        let took = self.began.elapsed();
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let (end, error) = (outcome.ok(), outcome.err());
        let ran = end.and_then(|end| end.ran.as_ref());
        let kind = statement.map_or(StatementKind::Other, |statement| statement.kind);
        // What runs on shards without a plan, as COMMIT does, says so itself.
        let tier = match (self.tier, ran) {
            (Tier::None, Some(ran)) if ran.shards > 1 => Tier::Scatter,
            (Tier::None, Some(ran)) if ran.shards == 1 => Tier::Single,
            (Tier::None, _) if error.is_none() => Tier::Own,
            (tier, _) => tier,
        };
        let keyspace = self.keyspace.as_deref().or(scope.target.keyspace.as_deref()).unwrap_or_default();
        let run = Run {
            fingerprint: statement.map_or(0, |statement| statement.fingerprint),
            keyspace,
            kind,
            tier,
            took_us,
            rows: answer.rows_passed() - self.rows_before,
            bytes: answer.bytes_passed() - self.bytes_before,
            affected: end.map_or(0, |end| end.affected),
            shards: self.shards,
            ran,
            advice: self.advice.as_ref(),
            error: error.map(|error| if matches!(error.code, Code::Other(_)) { &*OTHER } else { &error.code }),
            ended: SystemTime::now(),
        };
        let shown = |limit| match statement {
            Some(statement) => redacted(statement.body_text(), statement.mode, limit),
            None => UNREADABLE.to_owned(),
        };
        let insight = &scope.gate.insight;
        insight.statistics.count(&run, || shown(TEXT));
        if let Some(log) = &insight.log
            && let Some(reason) = log.wants(took, error.is_some())
        {
            let text = if log.shows_literals() { cut(text).into_owned() } else { shown(LOGGED_TEXT) };
            log.put(Record {
                reason,
                time: run.ended,
                connection: scope.connection_id,
                session: scope.session_id,
                user: Arc::clone(&scope.calling.caller),
                application: Arc::clone(&scope.calling.application),
                keyspace: keyspace.into(),
                target: scope.target.to_string(),
                fingerprint: run.fingerprint,
                kind: kind.as_str(),
                plan: tier.as_str(),
                text,
                took_us,
                wait_us: ran.map(|ran| ran.wait_us),
                mysql_us: ran.map(|ran| ran.mysql_us),
                rows: run.rows,
                bytes: run.bytes,
                affected: run.affected,
                shards: ran.map_or(self.shards, |ran| ran.shards),
                shared: ran.is_some_and(|ran| ran.shared),
                code: error.map(|error| error.code.clone()),
                errno: error.map(|error| error.errno),
                in_transaction: self.in_transaction,
                traceparent: scope.calling.traceparent.clone(),
            });
        }
    }
}

/// As long as the log allows, cut between two characters.
fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= LOGGED_TEXT {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(LOGGED_TEXT)]))
}
