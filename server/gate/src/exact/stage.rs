//! The scratch server while one statement uses it, from its turn until it leaves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use vitrail_planner::plan::Exact;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::{Ran, ResultEnd};
use vitrail_proto::rows;
use vitrail_service::call::{Settings, Statement};

use super::Scratch;
use super::budget::Budget;
use super::gather::Gathering;
use super::run::Exacting;
use super::server::{Connection, of_scratch, without_place};
use crate::answer::Answer;
use crate::calling::Calling;
use crate::route::pass::Passing;
use crate::session::Session;
use crate::{failure, scatter, settings};

/// See the module.
pub(crate) struct Stage<'a> {
    pub(super) exacting: &'a Exacting<'a>,
    pub(super) scratch: &'a Scratch,
    pub(super) exact: &'a Exact,
    pub(super) connection: Connection<'a>,
    /// How shards are read.
    reading: Calling<'a>,
    /// How the statement itself runs.
    asking: Calling<'a>,
    pub(super) budget: Budget,
    place: OwnedSemaphorePermit,
    /// When the tier's own patience ends.
    bound: Option<Instant>,
    /// For the turn.
    pub(super) waited: Duration,
}

impl Exacting<'_> {
    /// Waits for a turn on the scratch server.
    pub(crate) async fn stage(&self) -> Result<Stage<'_>, ErrorBody> {
        let (Some(scratch), Some(exact)) = (&self.scope.gate.scratch, &self.resolved.exact) else {
            return Err(failure::internal("a statement for a scratch server without one"));
        };
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
        let connection = Connection::new(&scratch.service, loading);
        let budget = Budget::new(&scratch.total, scratch.limits);
        Ok(Stage { exacting: self, scratch, exact, connection, reading, asking, budget, place, bound, waited })
    }
}

impl Stage<'_> {
    /// Loads the fragments. Gives how their reads ran. `written`: the first of them is a table that is written.
    pub(crate) async fn load(&mut self, session: &mut Session, written: bool) -> Result<Option<Ran>, ErrorBody> {
        let Stage { exacting, scratch, exact, reading, .. } = self;
        let gathering = Gathering { exacting, scratch, exact, reading, written };
        gathering.run(session, &mut self.connection, &mut self.budget).await
    }

    /// How shards are read.
    pub(super) fn reading(&self) -> &Calling<'_> {
        &self.reading
    }

    /// Whether more than one statement reads.
    pub(super) fn reads_often(&self) -> bool {
        self.exact.fragments().iter().filter(|fragment| fragment.copy_of().is_none()).count() > 1
    }

    /// Runs the statement over the fragments, or another one in its place.
    pub(crate) async fn ask(
        &mut self,
        other: Option<&str>,
        max_rows: Option<u64>,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        let resolved = self.exacting.resolved;
        let [of_scratch_server] = &resolved.statements[..] else {
            return Err(failure::internal("a scratch server runs one statement"));
        };
        let sql = other.map_or_else(|| Arc::clone(&of_scratch_server.sql), Arc::from);
        let (exact, calling) = (self.exact, &self.asking);
        let statement = Statement {
            binds: Arc::clone(&of_scratch_server.binds),
            values: calling.values.clone(),
            ..Statement::new(sql, resolved.writes)
        };
        let limits = crate::route::Limits { max_rows, ..self.exacting.scope.limits };
        let began = Instant::now();
        let (mut lane, calls) = self.connection.start(calling.call(max_rows), statement, calling.cancel).await?;
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

    /// Leaves it. An expired bound of the tier's own says so in the error.
    pub(crate) fn leave<T>(self, outcome: Result<T, ErrorBody>) -> Result<T, ErrorBody> {
        let Stage { exacting, scratch, connection, budget, place, bound, .. } = self;
        connection.release((place, budget));
        outcome.map_err(|error| overdue(exacting, error, bound, scratch))
    }
}

/// An expired bound of the tier's own says which.
fn overdue(exacting: &Exacting<'_>, error: ErrorBody, bound: Option<Instant>, scratch: &Scratch) -> ErrorBody {
    let own = bound.is_some_and(|bound| exacting.scope.calling.deadline.is_none_or(|deadline| bound < deadline));
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
