//! Writes in steps: the rows that are concerned are read, then written by statements of their own.
//!
//! Every statement goes through [`route`] like any other, in the session's transaction or in one that is made for the whole; what fails undoes all
//! of it. Rows are read to their end before one is written, because a transaction has one connection per shard, and because MySQL, too, finds
//! the rows of a statement before it changes them. They are kept meanwhile, up to [`MOST_BYTES`].

mod allot;
mod changes;
mod complete;
mod frame;
mod hanging;
mod insert;
mod keyed;
mod moving;
mod rehearse;
mod returned;
pub(crate) mod rows;
pub(crate) mod values;

use std::collections::HashMap;
use std::sync::Arc;

use vitrail_listener::responder::Responder;
use vitrail_planner::plan::{InsertId, Keyed, Merge, Node, Resolved, ShardStatement, Steps, Write};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::{Ran, ResultEnd, Warning};
use vitrail_proto::value::Binds;

use self::frame::Frame;
use self::moving::Bound;
use self::returned::Returned;
use self::rows::Rows;
use crate::answer::Answer;
use crate::calling::Calling;
use crate::cluster::Keyspace;
use crate::exact::Exacting;
use crate::join::Joining;
use crate::planning::{self, Planned};
use crate::reading::take;
use crate::request::Scope;
use crate::route::{Limits, ends};
use crate::session::Session;
use crate::{facts, failure, route};

/// Bytes of rows that are kept.
const MOST_BYTES: usize = 64 << 20;

/// Rows that one statement writes.
const BATCH: usize = 500;

/// A write on its way.
pub(crate) struct Stepping<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) keyspace: &'a Keyspace,
    pub(crate) resolved: &'a Resolved,
    pub(crate) steps: &'a Steps,
    pub(crate) binds: &'a Arc<Binds>,
}

/// What the statements have done so far.
#[derive(Default)]
struct Done {
    end: ResultEnd,
    ran: Option<Ran>,
    /// The first number that a sequence gave.
    first: Option<u64>,
    /// The rows that it gives back, if it does.
    returned: Option<Returned>,
    /// Tables whose rows are known to move as if they were updated: what holds them.
    bound: HashMap<Arc<str>, Bound>,
}

impl Stepping<'_> {
    /// Writes. Gives the end of the whole, and the first number that a sequence gave for it.
    pub(crate) async fn run(
        &self,
        session: &mut Session,
        answer: &mut Answer<'_>,
    ) -> Result<(Box<ResultEnd>, Option<u64>), ErrorBody> {
        if self.scope.limits.read_only {
            return Err(failure::read_only());
        }
        if self.steps.returns() && !self.scope.gate.is_mariadb() {
            return Err(ErrorBody::new(Code::Invalid, "MySQL has no RETURNING").with_errno(1064, "42000"));
        }
        let calling = &self.scope.calling;
        let frame = Frame::begin(session, self.keyspace, calling).await?;
        let mut done = Done::default();
        if self.steps.returns() {
            done.returned = Some(Returned { rows: Rows::of(&self.keyspace.name), places: HashMap::new() });
        }
        let outcome = Box::pin(self.work(session, &mut done)).await;
        let first = done.first;
        let mut end = outcome.map(|()| ResultEnd { ran: done.ran, ..done.end });
        if let (Ok(own), Some(returned)) = (&mut end, done.returned) {
            end = Box::pin(self.hand_on(returned, std::mem::take(own), answer)).await;
        }
        frame.end(session, self.keyspace, calling, end.map(Box::new)).await.map(|end| (end, first))
    }

    async fn work(&self, session: &mut Session, done: &mut Done) -> Result<(), ErrorBody> {
        if let Write::Rehearse(rehearsal) = self.steps.write() {
            return Box::pin(self.rehearse(session, rehearsal, done)).await;
        }
        self.enter(Node::Read);
        let (rows, end) = self.find(session, done).await?;
        self.judge(session, end, rows.list.is_empty(), done)?;
        self.enter(Node::Write);
        match self.steps.write() {
            Write::Keyed(tables) => self.keyed(session, &tables, rows, done).await?,
            Write::Allot(allotment) => self.allot(session, allotment, rows, done).await?,
            Write::Insert(insertion) => self.insert(session, insertion, rows, done).await?,
            Write::Complete(completion) => self.complete(session, completion, rows, done).await?,
            Write::Rehearse(_) => return Err(failure::internal("a rehearsal reads its rows by itself")),
        }
        self.tell_columns(session, done).await
    }

    /// Reads the rows that are concerned.
    async fn find(&self, session: &mut Session, done: &mut Done) -> Result<(Rows, ResultEnd), ErrorBody> {
        let calling = &self.scope.calling;
        let outcome = match self.steps.read(self.binds, &self.keyspace.layout) {
            Ok(resolved) => self.read(session, &resolved, calling, done).await,
            Err(refusal) => Err(refusal.into()),
        };
        let error = match outcome {
            Err(error) if error.code == Code::Unsupported => error,
            Err(error) => match self.steps.write() {
                Write::Complete(completion) => return Err(complete::judged(completion, self.steps.ignores(), error)),
                _ => return Err(error),
            },
            outcome => return outcome,
        };
        // What turned out not to be proved for these values may be exact all the same.
        let query = self.steps.query();
        match planning::exact(self.scope, session, query, &error, (true, true)).as_deref() {
            Some(Planned::Plan(plan)) => {
                let resolved = plan.resolve(query, self.binds, &self.keyspace.layout)?;
                self.read(session, &resolved, calling, done).await
            }
            _ => Err(error),
        }
    }

    /// EXPLAIN ANALYZE counts the statements by what they are for.
    fn enter(&self, node: Node) {
        if let Some(measure) = &self.scope.calling.measure {
            measure.enter(node);
        }
    }

    /// What would be a warning of a SELECT is an error of a write in a strict `sql_mode`, unless that is told to ignore it.
    /// `none`: no row was read.
    fn judge(&self, session: &Session, end: ResultEnd, none: bool, done: &mut Done) -> Result<(), ErrorBody> {
        let ResultEnd { status, .. } = end;
        let judged = match self.steps.write() {
            Write::Keyed(tables) => tables.iter().all(Keyed::judged),
            Write::Allot(_) => true,
            _ => false,
        };
        if judged {
            done.end = ResultEnd { status, ..ResultEnd::default() };
            return Ok(());
        }
        let strict = values::is_strict(&session.now.settings) && !self.steps.ignores();
        let (mut warnings, mut warning_texts) = (end.warnings, end.warning_texts);
        if self.scope.gate.is_mariadb() && matches!(self.steps.write(), Write::Insert(_)) && !none {
            // It minds what is stored, and not what numbers texts are on the way there; of no row, it is the condition that warns.
            let before = warning_texts.len();
            warning_texts.retain(|warning| warning.errno != 1292);
            let unminded = u32::try_from(before - warning_texts.len()).unwrap_or(u32::MAX);
            warnings = warnings.saturating_sub(unminded);
        }
        let told = |warning: &&Warning| warning.level.eq_ignore_ascii_case("warning") && is_of_data(warning.errno);
        if strict && let Some(warning) = warning_texts.iter().find(told) {
            let state = if warning.errno == 1365 { "22012" } else { "22007" };
            return Err(ErrorBody::new(Code::Data, warning.message.clone()).with_errno(warning.errno, state));
        }
        done.end = ResultEnd { warnings, warning_texts, status, ..ResultEnd::default() };
        Ok(())
    }

    /// Reads rows to their end.
    async fn read(
        &self,
        session: &mut Session,
        resolved: &Resolved,
        calling: &Calling<'_>,
        done: &mut Done,
    ) -> Result<(Rows, ResultEnd), ErrorBody> {
        let limits = Limits { max_rows: None, ..self.scope.limits };
        let (mut responder, replies) = Responder::channel(1);
        let (keyspace, binds) = (self.keyspace, self.binds);
        let run = async move {
            let mut answer = Answer::new(&mut responder, None, true);
            let end = match &resolved.join {
                _ if resolved.exact.is_some() => {
                    let exacting = Exacting { scope: self.scope, resolved, binds };
                    Box::pin(exacting.run(session, &mut answer)).await?
                }
                None => Box::pin(route::run(session, keyspace, resolved, limits, calling, &mut answer)).await?,
                Some(join) => {
                    let shards = &keyspace.layout;
                    let joining = Joining { keyspace, shards, resolved, join, binds, limits, calling };
                    Box::pin(joining.run(session, &mut answer)).await?
                }
            };
            Ok(answer.finish(end))
        };
        let mut rows = Rows::of(&self.keyspace.name);
        let end = take(run, replies, &mut rows).await?;
        if end.capped.is_some() {
            return Err(failure::unsupported(
                "a tablet's limit of rows has cut the rows that this statement is to write; write fewer at a time, or raise the limit",
            ));
        }
        facts::and_then(&mut done.ran, end.ran.as_ref());
        Ok((rows, end))
    }

    /// Runs statements that write, one per shard.
    async fn write(
        &self,
        session: &mut Session,
        statements: Vec<ShardStatement>,
        calling: &Calling<'_>,
        done: &mut Done,
    ) -> Result<ResultEnd, ErrorBody> {
        self.write_as(session, &self.resolved.merge, statements, calling, done).await
    }

    /// The same; `merge` says whether the statements write the same rows.
    async fn write_as(
        &self,
        session: &mut Session,
        merge: &Merge,
        statements: Vec<ShardStatement>,
        calling: &Calling<'_>,
        done: &mut Done,
    ) -> Result<ResultEnd, ErrorBody> {
        let merge = if statements.len() == 1 { Merge::Pass } else { merge.clone() };
        let resolved = self.statements(statements, merge, true);
        self.run_one(session, &resolved, calling, done).await
    }

    /// Runs what writes. The rows that it gives back are kept.
    async fn run_one(
        &self,
        session: &mut Session,
        resolved: &Resolved,
        calling: &Calling<'_>,
        done: &mut Done,
    ) -> Result<ResultEnd, ErrorBody> {
        let (mut responder, replies) = Responder::channel(1);
        let (keyspace, limits) = (self.keyspace, Limits { max_rows: None, ..self.scope.limits });
        let run = async move {
            let mut answer = Answer::new(&mut responder, None, true);
            let end = Box::pin(route::run(session, keyspace, resolved, limits, calling, &mut answer)).await?;
            Ok(answer.finish(end))
        };
        let end = match &mut done.returned {
            Some(returned) => take(run, replies, &mut returned.rows).await?,
            None => take(run, replies, &mut Rows::of(&self.keyspace.name)).await?,
        };
        debug_assert!(!limits.read_only, "refused at the start");
        facts::and_then(&mut done.ran, end.ran.as_ref());
        Ok(end)
    }

    fn statements(&self, mut statements: Vec<ShardStatement>, merge: Merge, writes: bool) -> Resolved {
        statements.sort_by_key(|statement| statement.shard);
        Resolved {
            keyspace: Arc::clone(&self.resolved.keyspace),
            statements,
            merge,
            writes,
            row_key: None,
            shareable: false,
            insert_id: InsertId::Given,
            join: None,
            steps: None,
            exact: None,
        }
    }

    /// The client's binds and these.
    fn with(&self, own: impl IntoIterator<Item = (String, vitrail_proto::value::Value)>) -> Arc<Binds> {
        let mut binds = Binds::clone(self.binds);
        for (name, value) in own {
            binds.set(name, value);
        }
        Arc::new(binds)
    }
}

impl Done {
    /// Adds the end of a statement that did a part of the whole.
    fn add(&mut self, end: ResultEnd) {
        let before = std::mem::take(&mut self.end);
        self.end = ends::add_up(vec![before, end]);
    }
}

/// Whether a warning says that a value does not fit: those become errors of writes.
fn is_of_data(errno: u16) -> bool {
    matches!(errno, 1264 | 1265 | 1292 | 1365 | 1366 | 1406 | 1411 | 1441 | 1525 | 3156)
}
