//! Serves any [`QueryService`] behind a listener, for gates on other hosts.
//!
//! A session of the protocol is at most one held connection and its settings. What a gate does with sessions of its own users is
//! not seen here. How the calls of [`QueryService`] travel:
//!
//! | Call | Request |
//! |---|---|
//! | `execute` on the pool | `execute` without a session, with `state` |
//! | `execute` with `On::Begin` | `open`, `begin`, `execute`, chained; or `execute` with `begin` |
//! | `execute` with `On::Reserve` | `open`, `reserve`, `execute`, chained; or `reserve` with `sql` |
//! | `execute` on a connection | `execute` in the session that holds it; with `state` if the settings have changed |
//! | `execute` with `On::BeginOn` | `execute` with `begin` in the session that holds a reserved connection |
//! | `execute` with `On::Keep` | `reserve` in the session that holds a transaction |
//! | `conclude` | `commit`, `rollback` |
//! | `release` | `close` or `reset` |
//! | `cancel` | CANCEL |
//! | `schema`, `info`, `consolidations` | `tablet.schema`, `tablet.health`, `tablet.consolidations` |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use vitrail_listener::responder::Responder;
use vitrail_listener::service::{Identity, Peer, RequestContext, Service};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::{Op, Reply, Request, ResultEnd, SessionState};
use vitrail_service::call::{Call, CallId, Conclusion, ConnectionId, On, Settings, Statement};
use vitrail_service::execution::{Execution, Part, PartStream};
use vitrail_service::{QueryService, wire};

/// A [`QueryService`] behind a listener. Only users with the role `gate` may use it.
pub struct TabletService {
    service: Arc<dyn QueryService>,
    incarnation: String,
    next_call: AtomicU64,
}

/// What a tablet keeps of a session.
#[derive(Debug)]
pub struct TabletSession {
    /// The user of the connection; requests of gates name the user on whose behalf they come.
    user: Arc<str>,
    /// What every statement expects of its connection.
    settings: Arc<Settings>,
    /// The connection that it holds.
    connection: Option<ConnectionId>,
    /// It was reserved rather than begun.
    reserved: bool,
}

impl TabletService {
    /// Serves `service`. `incarnation` changes with every start of the process.
    pub fn new(service: Arc<dyn QueryService>, incarnation: impl Into<String>) -> TabletService {
        // Calls of this process itself count from the other end, so that no name is used twice.
        TabletService { service, incarnation: incarnation.into(), next_call: AtomicU64::new(1 << 62) }
    }

    fn call(&self, session: &TabletSession, request: &Request, context: &RequestContext) -> Call {
        // Only gates get this far, so the claim is believed.
        let caller = request.caller.as_deref().map_or_else(|| session.user.clone(), Arc::from);
        let id = CallId(self.next_call.fetch_add(1, Ordering::Relaxed));
        wire::read_call(request, id, caller, context.deadline, session.settings.clone())
    }

    /// Runs a statement and sends its answer: in one REPLY if it is small, else part by part.
    async fn execute(
        &self,
        session: &mut TabletSession,
        mut request: Box<Request>,
        on: On,
        context: &RequestContext,
        responder: &mut Responder,
    ) -> Result<Reply, ErrorBody> {
        let call = self.call(session, &request, context);
        let id = call.id;
        let facts = request.facts;
        let begins = matches!(on, On::Begin(_));
        let reserves = matches!(on, On::Reserve);
        session.reserved |= matches!(on, On::Keep(_));
        let statement = wire::take_statement(&mut request).unwrap_or_else(|| Statement {
            row_key: request.row_key.take().map(Arc::from),
            ..Statement::new("", !request.read_only)
        });
        let executed = until_cancelled(self, context, id, self.service.execute(call, statement, on)).await;
        let Execution { connection, mut parts } = executed?;
        if begins || reserves {
            session.connection = connection;
            session.reserved = reserves;
        }
        let outcome = self.hand_on(parts.as_mut(), id, facts, context, responder).await;
        if outcome.is_err() {
            // Stops what runs and waits until it has stopped.
            self.service.cancel(id).await;
            while let Ok(Some(_)) = parts.next().await {}
        }
        if let Err(error) = &outcome
            && begins
            && let Some(connection) = session.connection.take()
        {
            // `begin` and a statement are one request: a failed one leaves nothing behind.
            tracing::debug!(%error, "a transaction was not begun");
            self.service.release(connection).await;
        }
        outcome
    }

    async fn hand_on(
        &self,
        parts: &mut dyn PartStream,
        id: CallId,
        facts: bool,
        context: &RequestContext,
        responder: &mut Responder,
    ) -> Result<Reply, ErrorBody> {
        let mut reply = Reply::default();
        while let Some(part) = until_cancelled(self, context, id, parts.next()).await? {
            match part {
                Part::Fields(fields) => {
                    if reply != Reply::default() {
                        responder.send(std::mem::take(&mut reply)).await?;
                    }
                    reply.fields = Some(fields);
                }
                Part::Rows(rows) => {
                    if reply.rows.is_some() || reply.end.is_some() {
                        responder.send(std::mem::take(&mut reply)).await?;
                    }
                    reply.rows = Some(rows);
                }
                Part::End(mut end) => {
                    if !facts {
                        end.ran = None;
                    }
                    if reply.end.is_some() {
                        responder.send(std::mem::take(&mut reply)).await?;
                    }
                    reply.end = Some(end);
                }
            }
        }
        Ok(reply)
    }

    async fn conclude(
        &self,
        session: &mut TabletSession,
        request: &Request,
        conclusion: Conclusion,
        context: &RequestContext,
    ) -> Result<Reply, ErrorBody> {
        let Some(connection) = session.connection else {
            return Ok(end_reply(ResultEnd::default()));
        };
        let call = self.call(session, request, context);
        let mut outcome = self.service.conclude(call, connection, conclusion).await;
        if !session.reserved {
            session.connection = None;
            if let Err(error) = &mut outcome {
                self.service.release(connection).await;
                error.in_transaction = false;
            }
        }
        outcome.map(|end| end_reply(ResultEnd { ran: end.ran.filter(|_| request.facts), ..end }))
    }

    async fn release(&self, session: &mut TabletSession) {
        if let Some(connection) = session.connection.take() {
            self.service.release(connection).await;
        }
        session.reserved = false;
    }
}

#[async_trait]
impl Service for TabletService {
    type Session = TabletSession;

    fn identity(&self) -> Identity {
        let info = self.service.info();
        Identity {
            flavour: info.flavour,
            mysql_version: info.mysql_version,
            gates: Vec::new(),
            incarnation: self.incarnation.clone(),
        }
    }

    fn open(&self, peer: &Arc<Peer>, state: SessionState) -> Result<TabletSession, ErrorBody> {
        if !peer.gate {
            return Err(ErrorBody::new(
                Code::Denied,
                "tablets serve gates; connect to a gate, or give this user the role `gate`",
            ));
        }
        if state.autocommit == Some(false) {
            return Err(ErrorBody::new(Code::Unsupported, "tablets have no autocommit setting; use the begin request"));
        }
        let settings = Arc::new(wire::settings_of(&state));
        Ok(TabletSession { user: peer.user.clone(), settings, connection: None, reserved: false })
    }

    async fn handle(
        &self,
        session: &mut TabletSession,
        mut request: Box<Request>,
        context: &RequestContext,
        responder: &mut Responder,
    ) -> Result<Reply, ErrorBody> {
        if request.position.is_some() {
            return Err(ErrorBody::new(
                Code::Unsupported,
                "this tablet cannot wait for a position; leave `!position` out",
            ));
        }
        if let Some(state) = &request.state
            && request.session.is_some()
        {
            session.settings = Arc::new(wire::settings_of(state));
        }
        match request.op {
            Op::Execute => {
                if request.sql.is_none() {
                    return Err(ErrorBody::new(Code::Invalid, "`execute` needs `sql`"));
                }
                let on = match (session.connection, &request.begin) {
                    (Some(connection), Some(options)) if session.reserved => On::BeginOn(connection, options.clone()),
                    (Some(_), Some(_)) => return Err(held_already()),
                    (Some(connection), None) => On::Connection(connection),
                    (None, Some(options)) => On::Begin(options.clone()),
                    (None, None) => On::Pool,
                };
                self.execute(session, request, on, context, responder).await
            }
            Op::Begin | Op::Reserve => {
                let on = match (request.op, session.connection) {
                    (Op::Begin, None) => On::Begin(request.begin.clone().unwrap_or_default()),
                    (Op::Reserve, None) => On::Reserve,
                    (Op::Reserve, Some(connection)) if !session.reserved => On::Keep(connection),
                    _ => return Err(held_already()),
                };
                self.execute(session, request, on, context, responder).await
            }
            Op::Commit => self.conclude(session, &request, Conclusion::Commit, context).await,
            Op::Rollback => self.conclude(session, &request, Conclusion::Rollback, context).await,
            Op::TabletSchema => {
                let call = self.call(session, &request, context);
                let schema = self.service.schema(call, wire::take_tables(&mut request)).await?;
                json_reply(&schema)
            }
            Op::TabletConsolidations => {
                let call = self.call(session, &request, context);
                json_reply(&self.service.consolidations(call).await?)
            }
            Op::TabletHealth => json_reply(&self.service.info()),
            op => Err(ErrorBody::new(
                Code::Unsupported,
                format!("tablets do not serve `{}`; send it to a gate", op.as_str()),
            )),
        }
    }

    async fn reset(&self, session: &mut TabletSession) -> Result<Reply, ErrorBody> {
        self.release(session).await;
        Ok(end_reply(ResultEnd::default()))
    }

    async fn close(&self, mut session: TabletSession) {
        self.release(&mut session).await;
    }

    fn is_busy(&self, session: &TabletSession) -> bool {
        session.connection.is_some()
    }
}

/// Awaits one step of a call, and passes on a cancel that comes meanwhile. The call ends by itself then, soon. Its deadline
/// it knows already.
async fn until_cancelled<T>(
    tablet: &TabletService,
    context: &RequestContext,
    id: CallId,
    step: impl Future<Output = Result<T, ErrorBody>>,
) -> Result<T, ErrorBody> {
    tokio::pin!(step);
    tokio::select! {
        biased;
        outcome = &mut step => return outcome,
        () = context.cancel.cancelled() => tablet.service.cancel(id).await,
    }
    step.await
}

fn end_reply(end: ResultEnd) -> Reply {
    Reply { end: Some(Box::new(end)), ..Reply::default() }
}

fn json_reply(value: &impl serde::Serialize) -> Result<Reply, ErrorBody> {
    let json = serde_json::to_string(value)
        .map_err(|error| ErrorBody::new(Code::Internal, format!("the answer cannot be written as JSON: {error}")))?;
    Ok(Reply { json: Some(json), ..Reply::default() })
}

fn held_already() -> ErrorBody {
    ErrorBody::new(Code::Invalid, "the session holds a connection already; commit, roll back or reset first")
}
