//! One request of a session: which op, under which target, and what its end says of the session.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use vitrail_listener::responder::Responder;
use vitrail_listener::service::RequestContext;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::{BeginOptions, Op, Reply, Request, ResultEnd, Share};
use vitrail_proto::target::Target;
use vitrail_proto::value::Binds;
use vitrail_sql::normalise::{Normalised, StatementKind};

use crate::access::Permit;
use crate::answer::Answer;
use crate::calling::Calling;
use crate::cluster::Keyspace;
use crate::gate::{Gate, check_tablet_type};
use crate::insight::watch::{self, Watch};
use crate::pins::hold;
use crate::preferences::Preferences;
use crate::registry::Kill;
use crate::route::Limits;
use crate::session::{Session, TransactionState};
use crate::stats::Counters;
use crate::view::View;
use crate::{control, facts, failure, statement};

/// Everything that one statement of a request needs to know.
pub(crate) struct Scope<'a> {
    pub(crate) gate: &'a Gate,
    pub(crate) view: Arc<View>,
    /// Where the statement goes: the request's target, or else the session's.
    pub(crate) target: Arc<Target>,
    pub(crate) limits: Limits,
    /// What the user may do, at the moment.
    pub(crate) permit: Arc<Permit>,
    /// The client's connection.
    pub(crate) connection_id: u64,
    /// The client's session; `None`: stateless.
    pub(crate) session_id: Option<u64>,
    /// What the request itself says and a session cannot change.
    asked: Asked,
    pub(crate) calling: Calling<'a>,
}

/// What a request says for all of its statements.
struct Asked {
    /// It has a target of its own.
    target: bool,
    deadline: Option<Instant>,
    share: Option<Share>,
    /// Texts of warnings that the client wants at once.
    warnings: u32,
}

/// Texts of warnings that are fetched with each statement that has any: pooling loses them, and `SHOW WARNINGS` may come.
const WARNINGS: u32 = 64;

impl Scope<'_> {
    /// The one shard that statements on this keyspace go to; `None` if they may go to several.
    pub(crate) fn only_shard(&self, keyspace: &Keyspace) -> Result<Option<usize>, ErrorBody> {
        match &self.target.shard {
            Some(shard) if self.target.keyspace.as_deref() == Some(&*keyspace.name) => keyspace.shard(shard).map(Some),
            _ => Ok((!keyspace.sharded).then_some(0)),
        }
    }

    /// Takes over what the session is now, which earlier items of a batch may have changed, and what the directives before the
    /// statement say.
    ///
    /// # Errors
    /// Directives that cannot be read, or that name no variable.
    pub(crate) fn begin_statement(&mut self, session: &Session, statement: &Normalised) -> Result<(), ErrorBody> {
        if !self.asked.target && !Arc::ptr_eq(&self.target, &session.now.target) {
            check_tablet_type(&session.now.target)?;
            self.target = Arc::clone(&session.now.target);
        }
        self.calling.settings = Arc::clone(&session.now.settings);
        let session =
            Preferences { share: self.asked.share.or(session.now.preferences.share), ..session.now.preferences };
        let preferences = session.with_directives(statement)?;
        // A COMMIT that is overtaken leaves an unknown outcome: only a request may ask for that.
        let limited = !matches!(statement.kind, StatementKind::Commit | StatementKind::Rollback);
        let timeout = (limited && preferences.statement_timeout > 0)
            .then(|| Duration::from_millis(preferences.statement_timeout.into()));
        self.calling.deadline = self.asked.deadline.or_else(|| timeout.map(|timeout| Instant::now() + timeout));
        self.calling.preferences = preferences;
        Ok(())
    }

    /// Leaves as many texts of warnings in an end as the client asked for.
    pub(crate) fn cut_warnings(&self, end: &mut ResultEnd) {
        end.warning_texts.truncate(usize::try_from(self.asked.warnings).unwrap_or(usize::MAX));
    }
}

/// Answers a request of a session that is at rest, and takes it back there. A killed one says so.
pub(crate) async fn handle(
    gate: &Gate,
    session: &mut Session,
    request: Box<Request>,
    context: &RequestContext,
    responder: &mut Responder,
) -> Result<Reply, ErrorBody> {
    if !session.wake(&context.cancel) {
        return Err(failure::session_killed());
    }
    let outcome = respond(gate, session, request, context, responder).await;
    let killed = session.seat.entry.killed();
    if let Err(held) = session.rest() {
        Box::pin(hold::give_up(held, &session.user, &session.now.settings)).await;
    }
    match (outcome, killed) {
        // What was done before the kill met it stands, and is answered.
        (Err(error), Some(Kill::Session)) => {
            session.transaction = TransactionState::None;
            Err(ErrorBody { executed: error.executed, ..failure::session_killed() })
        }
        (Err(error), Some(Kill::Query)) if error.code == Code::Cancelled => {
            Err(ErrorBody { message: "the statement was stopped by KILL QUERY".into(), ..error })
        }
        (outcome, _) => outcome,
    }
}

/// Answers a request. Afterwards the session's transaction is as the answer says.
async fn respond(
    gate: &Gate,
    session: &mut Session,
    mut request: Box<Request>,
    context: &RequestContext,
    responder: &mut Responder,
) -> Result<Reply, ErrorBody> {
    Counters::count(&gate.counters.statements);
    let mut answer = Answer::new(responder, request.fields_hash, request.facts);
    let running = async {
        let mut scope = scope(gate, session, &mut request, context)?;
        perform(&mut scope, session, request, &mut answer).await
    };
    match running.await {
        Ok(end) => Ok(answer.finish(end)),
        Err(mut error) => {
            Counters::count(&gate.counters.errors);
            hold::tidy(session).await;
            // A lost transaction is one that the client has to end, too.
            error.in_transaction = !matches!(session.transaction, TransactionState::None);
            error.normalise();
            Err(error)
        }
    }
}

fn scope<'a>(
    gate: &'a Gate,
    session: &Session,
    request: &mut Request,
    context: &'a RequestContext,
) -> Result<Scope<'a>, ErrorBody> {
    if request.position.is_some() {
        return Err(failure::unsupported(
            "reads that wait for a position are not supported yet; leave 'position' out, primaries are always current",
        ));
    }
    let asked = Asked {
        target: request.target.is_some(),
        deadline: context.deadline,
        share: request.share,
        warnings: request.warnings,
    };
    let believed = request.caller.take().filter(|_| context.peer.gate);
    let caller = believed.map_or_else(|| Arc::clone(&context.peer.user), Arc::from);
    let permit = gate.access.load().permit(&caller)?;
    let target = match request.target.take() {
        Some(_) if session.in_transaction() => {
            return Err(ErrorBody::new(
                Code::Invalid,
                "a request cannot have a target of its own inside a transaction",
            ));
        }
        Some(target) => {
            gate.check_target(&target, &permit)?;
            Arc::new(target)
        }
        None => Arc::clone(&session.now.target),
    };
    check_tablet_type(&target)?;
    let default_share = gate.share_of(&caller);
    Ok(Scope {
        gate,
        view: gate.view.load_full(),
        target,
        limits: Limits { max_rows: request.max_rows.or(gate.config.max_rows), read_only: request.read_only },
        permit,
        connection_id: context.peer.connection_id,
        session_id: request.session,
        asked,
        calling: Calling {
            caller,
            application: Arc::clone(&context.peer.application),
            deadline: context.deadline,
            settings: Arc::clone(&session.now.settings),
            preferences: session.now.preferences,
            values: None,
            apart: false,
            measure: None,
            traceparent: request.traceparent.take().map(Arc::from),
            default_share,
            warnings: request.warnings.max(WARNINGS),
            cancel: &context.cancel,
            places: &gate.places,
        },
    })
}

async fn perform(
    scope: &mut Scope<'_>,
    session: &mut Session,
    request: Box<Request>,
    answer: &mut Answer<'_>,
) -> Result<Box<ResultEnd>, ErrorBody> {
    match request.op {
        Op::Execute => {
            let sql = request.sql.ok_or_else(|| missing("sql"))?;
            // Boxed: each level above would move it.
            let executing = Box::pin(statement::execute(scope, session, &sql, Arc::new(request.binds), answer));
            let end = executing.await?;
            Ok(conclude(session, end).await)
        }
        Op::Batch if request.atomic => Box::pin(atomic_batch(scope, session, request, answer)).await,
        Op::Batch => Box::pin(batch(scope, session, request, answer)).await,
        Op::Begin | Op::Commit | Op::Rollback => Box::pin(transact(scope, session, &request, answer)).await,
        Op::Describe => Err(failure::unsupported(
            "describe is not supported yet: columns are known for certain only when the statement runs; run it with LIMIT 0",
        )),
        Op::Reserve | Op::TabletSchema | Op::TabletHealth | Op::TabletConsolidations => {
            Err(failure::unsupported(format!("'{}' is for tablets, and this is a gate", request.op.as_str())))
        }
        op => Err(failure::unsupported(format!("'{}' is not supported by this gate", op.as_str()))),
    }
}

/// Begins or ends the session's transaction.
async fn transact(
    scope: &mut Scope<'_>,
    session: &mut Session,
    request: &Request,
    answer: &Answer<'_>,
) -> Result<Box<ResultEnd>, ErrorBody> {
    let watch = Watch::begin(session, answer);
    let (statement, text, outcome) = match request.op {
        Op::Begin => {
            let begun = control::begin(scope, session, request.begin.clone().unwrap_or_default()).await;
            (&watch::BEGIN, "BEGIN", begun.map(|()| ResultEnd::default()))
        }
        Op::Commit => (&watch::COMMIT, "COMMIT", control::commit(scope, session).await),
        _ => {
            control::rollback(scope, session).await;
            (&watch::ROLLBACK, "ROLLBACK", Ok(ResultEnd::default()))
        }
    };
    watch.end(scope, Some(statement), text, outcome.as_ref(), answer);
    Ok(conclude(session, Box::new(outcome?)).await)
}

/// Items run one after the other; the first failure ends the batch, and earlier items stand.
async fn batch(
    scope: &mut Scope<'_>,
    session: &mut Session,
    request: Box<Request>,
    answer: &mut Answer<'_>,
) -> Result<Box<ResultEnd>, ErrorBody> {
    let mut items = request.items.into_iter().enumerate().peekable();
    let mut previous: Option<Arc<str>> = None;
    while let Some((index, item)) = items.next() {
        let number = u32::try_from(index).map_err(|_| failure::internal("more items than can be numbered"))?;
        let sql =
            item.sql.map(Arc::from).or_else(|| previous.clone()).ok_or_else(|| missing("sql of the first item"))?;
        previous = Some(Arc::clone(&sql));
        answer.set_item(number);
        let binds: Arc<Binds> = Arc::new(item.binds);
        let end = match statement::execute(scope, session, &sql, binds, answer).await {
            Ok(end) => conclude(session, end).await,
            Err(mut error) => {
                error.item = Some(number);
                return Err(error);
            }
        };
        if items.peek().is_none() {
            return Ok(end);
        }
        answer.end(end).await?;
    }
    Err(ErrorBody::new(Code::Invalid, "a batch needs at least one item"))
}

/// All items or none: in a transaction of its own, or under a savepoint of the one that is open.
async fn atomic_batch(
    scope: &mut Scope<'_>,
    session: &mut Session,
    request: Box<Request>,
    answer: &mut Answer<'_>,
) -> Result<Box<ResultEnd>, ErrorBody> {
    if session.in_transaction() {
        return Err(failure::unsupported(
            "an atomic batch inside a transaction is not supported; set a savepoint, and send a plain batch",
        ));
    }
    control::begin(scope, session, BeginOptions::default()).await?;
    match batch(scope, session, request, answer).await {
        Ok(end) => {
            let committed = control::commit(scope, session).await?;
            let mut end = Box::new(ResultEnd {
                in_transaction: session.shows_transaction(),
                position: committed.position,
                ..*end
            });
            facts::and_also(&mut end.ran, Duration::ZERO, committed.ran.map_or(0, |ran| ran.mysql_us));
            Ok(end)
        }
        Err(error) => {
            control::rollback(scope, session).await;
            Err(error)
        }
    }
}

/// Writes into an end what became of the session. Pins that are not needed any more end.
async fn conclude(session: &mut Session, mut end: Box<ResultEnd>) -> Box<ResultEnd> {
    hold::tidy(session).await;
    end.in_transaction = session.shows_transaction();
    end.pinned = session.pins.is_some();
    end.state = session.news();
    end
}

fn missing(what: &str) -> ErrorBody {
    ErrorBody::new(Code::Invalid, format!("the request lacks its {what}"))
}
