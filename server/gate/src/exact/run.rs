//! One statement from its first fragment to its last row.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use vitrail_planner::plan::{Exact, Resolved};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_proto::rows;
use vitrail_proto::value::Binds;
use vitrail_service::call::{Settings, Statement};

use super::Scratch;
use super::budget::Budget;
use super::gather::Gathering;
use super::server::{Connection, of_scratch, without_place};
use super::snapshot::Snapshot;
use crate::answer::Answer;
use crate::calling::Calling;
use crate::request::Scope;
use crate::route::pass::Passing;
use crate::session::Session;
use crate::{facts, failure, scatter, settings};

/// A statement on its way.
pub(crate) struct Exacting<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) resolved: &'a Resolved,
    /// Also those that only plans use.
    pub(crate) binds: &'a Arc<Binds>,
}

impl Exacting<'_> {
    /// Loads the fragments, runs the statement, and puts its rows into `answer`.
    pub(crate) async fn run(
        &self,
        session: &mut Session,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        let (Some(scratch), Some(exact)) = (&self.scope.gate.scratch, &self.resolved.exact) else {
            return Err(failure::internal("a statement for a scratch server without one"));
        };
        if self.resolved.writes && self.scope.limits.read_only {
            return Err(failure::read_only());
        }
        let waiting = Instant::now();
        let place = scratch.place(&self.scope.calling).await?;
        let waited = waiting.elapsed();
        let bound = (!scratch.limits.time.is_zero()).then(|| Instant::now() + scratch.limits.time);
        let calling = &self.scope.calling;
        // Rows are counted by the statement, not by what it is loaded from.
        let reading = bounded(calling.with_settings(settings::without(&calling.settings, "sql_select_limit")), bound);
        let loading = bounded(calling.with_settings(loading_settings()), bound);
        let asking = Calling {
            values: calling.values.clone(),
            settings: Arc::clone(&calling.settings),
            ..bounded(calling.with_settings(Settings::default()), bound)
        };
        let fragments = exact.fragments();
        let reads = fragments.iter().filter(|fragment| fragment.copy_of().is_none()).count();
        let snapshot = Snapshot::begin(session, reads > 1, self.resolved.writes)?;
        let mut connection = Connection::new(&scratch.service, &loading);
        let mut budget = Budget::new(&scratch.total, scratch.limits);
        let gathering = Gathering { exacting: self, scratch, exact, reading: &reading };
        let loaded = gathering.run(session, &mut connection, &mut budget).await;
        let ask = async {
            let ran = loaded?;
            let mut end = self.ask(exact, &asking, &mut connection, answer).await?;
            facts::and_then(&mut end.ran, ran.as_ref());
            Ok(end)
        };
        // The shards are needed no more.
        let (outcome, ()) = tokio::join!(ask, snapshot.end(session, calling));
        connection.release((place, budget));
        let mut end = outcome.map_err(|error| self.overdue(error, bound, scratch))?;
        facts::and_also(&mut end.ran, waited, 0);
        end.in_transaction = session.shows_transaction();
        Ok(end)
    }

    /// An expired bound of the tier's own says which.
    fn overdue(&self, error: ErrorBody, bound: Option<Instant>, scratch: &Scratch) -> ErrorBody {
        let own = bound.is_some_and(|bound| self.scope.calling.deadline.is_none_or(|deadline| bound < deadline));
        if error.code != Code::Deadline || !own {
            return error;
        }
        let message = format!(
            "the statement took longer than {:?} on the scratch server (scratch.time); EXPLAIN ANALYZE FORMAT=VITRAIL shows which of its tables \
             take long: add conditions on them that compare columns with values",
            scratch.limits.time
        );
        ErrorBody { message, ..error }
    }

    /// Runs the statement over the fragments.
    async fn ask(
        &self,
        exact: &Exact,
        calling: &Calling<'_>,
        connection: &mut Connection<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        let [of_scratch_server] = &self.resolved.statements[..] else {
            return Err(failure::internal("a scratch server runs one statement"));
        };
        let statement = Statement {
            binds: Arc::clone(&of_scratch_server.binds),
            values: calling.values.clone(),
            ..Statement::new(Arc::clone(&of_scratch_server.sql), self.resolved.writes)
        };
        let limits = self.scope.limits;
        let began = Instant::now();
        let (mut lane, calls) = connection.start(calling.call(limits.max_rows), statement, calling).await?;
        let named = |fields: &Bytes| name(fields, exact);
        let passing = Passing { limits, in_transaction: false, named };
        let done = passing.run(&mut lane, &calls, answer).await;
        let lanes = std::slice::from_mut(&mut lane);
        if let Some(measure) = &calling.measure {
            measure.asked(answer.rows_passed(), began.elapsed());
        }
        match done {
            Ok(mut end) => {
                end.ran = Some(scatter::ran(lanes));
                Ok(Box::new(without_place(*end)))
            }
            Err(error) => {
                scatter::abandon(lanes, &calls).await;
                Err(of_scratch(error))
            }
        }
    }
}

/// The same, until `bound` at the latest.
fn bounded(calling: Calling<'_>, bound: Option<Instant>) -> Calling<'_> {
    let deadline = match (calling.deadline, bound) {
        (Some(own), Some(bound)) => Some(own.min(bound)),
        (own, bound) => own.or(bound),
    };
    Calling { deadline, ..calling }
}

/// Settings under which a value is stored as it came. Notes are off: they tell of columns that are computed, too, where they say nothing. What else
/// they would tell of is found by [`Body::holds`](super::definition::Body::holds).
fn loading_settings() -> Settings {
    let mut all = Settings::default();
    for (name, value) in [
        ("foreign_key_checks", "0"),
        ("sql_notes", "0"),
        ("sql_mode", "'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'"),
        ("time_zone", "'+00:00'"),
    ] {
        all = settings::with(&all, name, value);
    }
    all
}

/// Puts the tables' own names where those of further temporary tables stand, and the columns' own titles.
fn name(packed: &Bytes, exact: &Exact) -> Option<Bytes> {
    let fragments = exact.fragments();
    if exact.titles().is_empty() && fragments.iter().all(|fragment| fragment.name == fragment.table) {
        return Some(packed.clone());
    }
    let mut columns = rows::columns(packed).collect::<Result<Vec<_>, _>>().ok()?;
    for column in &mut columns {
        let renamed = fragments
            .iter()
            .find(|fragment| *fragment.name == *column.org_table && *fragment.keyspace == *column.schema);
        if let Some(fragment) = renamed {
            column.org_table = (&*fragment.table).into();
        }
        if let Some((_, own)) = exact.titles().iter().find(|(there, _)| *there == *column.name) {
            column.name = own.as_str().into();
        }
    }
    Some(rows::pack_columns(&columns))
}

impl Scratch {
    /// Waits for a turn.
    async fn place(&self, calling: &Calling<'_>) -> Result<OwnedSemaphorePermit, ErrorBody> {
        let until = Instant::now() + self.limits.wait;
        let (until, own) = match calling.deadline {
            Some(deadline) if deadline < until => (deadline, false),
            _ => (until, true),
        };
        tokio::select! {
            biased;
            place = Arc::clone(&self.places).acquire_owned() => {
                place.map_err(|_| failure::internal("the places of the scratch server are closed"))
            }
            () = calling.cancel.cancelled() => Err(failure::cancelled()),
            () = tokio::time::sleep_until(until) => Err(match own {
                true => ErrorBody::new(
                    Code::Exhausted,
                    format!(
                        "{} statements run on the scratch server already (scratch.statements), and none ended within {:?}; try again later",
                        self.limits.statements, self.limits.wait
                    ),
                ),
                false => ErrorBody::new(
                    Code::Deadline,
                    "the deadline has passed while the statement waited for its turn; nothing was executed",
                ),
            }),
        }
    }
}
