//! QueryService over a connection to a tablet's listener.
//!
//! One round trip per call: what a call needs (`open`, `begin` or `reserve`, and the statement) leaves in one write, chained.
//! Errors name the shard, never a host.

mod link;
mod parts;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use vitrail_client::config::Endpoint;
use vitrail_client::connection::{Canceller, ConnectOptions, Connection, Pending};
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::{Op, Ran, Reply, Request, ResultEnd};

use crate::call::{Call, CallId, Conclusion, ConnectionId, On, Settings, Statement};
use crate::consolidation::Consolidation;
use crate::execution::{Execution, ServiceInfo};
use crate::schema::Schema;
use crate::{QueryService, Result, wire};
use link::Link;
use parts::RemoteParts;

/// Where a remote tablet is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    /// `keyspace/shard`, for errors.
    pub shard: String,
    /// The tablet's listener.
    pub endpoint: Endpoint,
    /// Credentials and TLS; the user should have role `gate` at the tablet.
    pub options: ConnectOptions,
    /// Connections that calls are spread over; one carries many calls, more use more cores.
    pub connections: usize,
    /// How often the tablet's health is asked for.
    pub health_interval: Duration,
}

/// A tablet behind its listener.
pub struct RemoteService {
    inner: Arc<Inner>,
}

struct Inner {
    shard: String,
    link: Link,
    /// MySQL connections that transactions and reservations hold at the tablet; one session each.
    sessions: Mutex<HashMap<ConnectionId, Held>>,
    next_session: AtomicU64,
    /// What can be cancelled: calls that wait for their first reply or whose parts are being pulled.
    calls: Mutex<HashMap<CallId, Canceller>>,
    /// Written by the health task.
    info: Mutex<ServiceInfo>,
}

/// A session at the tablet.
#[derive(Clone)]
struct Held {
    connection: Connection,
    session: u64,
    /// Taken by `Reserve`: outlives its transactions.
    reserved: bool,
    /// What the session was last told; `None` if nobody knows, because the request that told it failed.
    settings: Option<Arc<Settings>>,
}

impl RemoteService {
    /// A service that connects when it is first needed, and looks after its tablet's health until it is dropped.
    pub fn start(config: RemoteConfig) -> RemoteService {
        let inner = Arc::new(Inner {
            shard: config.shard,
            link: Link::new(config.endpoint, config.options, config.connections),
            sessions: Mutex::default(),
            next_session: AtomicU64::new(1),
            calls: Mutex::default(),
            info: Mutex::default(),
        });
        tokio::spawn(watch_health(Arc::downgrade(&inner), config.health_interval));
        RemoteService { inner }
    }
}

#[async_trait]
impl QueryService for RemoteService {
    async fn execute(&self, call: Call, statement: Statement, on: On) -> Result<Execution> {
        let inner = &self.inner;
        let mut request = Request::new(Op::Execute);
        wire::write_call(&mut request, &call);
        wire::write_statement(&mut request, &statement);
        match on {
            On::Pool => inner.execute_pooled(&call, request, statement.writes).await,
            On::Begin(options) => {
                let mut begin = Request::new(Op::Begin);
                begin.begin = Some(options);
                inner.execute_held(&call, request, begin).await
            }
            On::Reserve => inner.execute_held(&call, request, Request::new(Op::Reserve)).await,
            On::Connection(connection) => inner.execute_on(&call, request, connection).await,
            On::BeginOn(connection, options) => {
                request.begin = Some(options);
                inner.execute_on(&call, request, connection).await
            }
            On::Keep(connection) => {
                request.op = Op::Reserve;
                inner.keep(connection);
                inner.execute_on(&call, request, connection).await
            }
        }
    }

    async fn conclude(&self, call: Call, connection: ConnectionId, conclusion: Conclusion) -> Result<ResultEnd> {
        let inner = &self.inner;
        let held = match inner.held(connection) {
            Ok(held) => held,
            // What is lost is rolled back.
            Err(_) if conclusion == Conclusion::Rollback => return Ok(ResultEnd::default()),
            Err(error) => return Err(error),
        };
        let mut request = Request::new(match conclusion {
            Conclusion::Commit => Op::Commit,
            Conclusion::Rollback => Op::Rollback,
        });
        wire::write_call(&mut request, &call);
        request.session = Some(held.session);
        let mut close = Request::new(Op::Close);
        close.session = Some(held.session);
        let pending = if held.reserved {
            held.connection.request(&request)
        } else {
            let [pending, closing] = held.connection.requests([(&request, None), (&close, None)]);
            inner.sessions.lock().remove(&connection);
            closing.detach();
            pending
        };
        let _guard = CallGuard::new(inner.clone(), call.id, &pending);
        match pending.last().await {
            Ok(reply) => Ok(*reply.end.unwrap_or_default()),
            // What a lost connection had open is rolled back by the tablet, so a rollback has been done.
            Err(error) if error.is_closed() && conclusion == Conclusion::Rollback => Ok(ResultEnd::default()),
            Err(error) => Err(inner.error(error)),
        }
    }

    async fn release(&self, connection: ConnectionId) {
        let Some(held) = self.inner.sessions.lock().remove(&connection) else { return };
        let mut close = Request::new(Op::Close);
        close.session = Some(held.session);
        // A failure means that the session is gone already.
        let _ = held.connection.request(&close).last().await;
    }

    async fn cancel(&self, call: CallId) {
        let canceller = self.inner.calls.lock().get(&call).cloned();
        if let Some(canceller) = canceller {
            canceller.cancel();
        }
    }

    async fn schema(&self, call: Call, tables: Vec<String>) -> Result<Schema> {
        let inner = &self.inner;
        let mut request = Request::new(Op::TabletSchema);
        wire::write_call(&mut request, &call);
        wire::write_tables(&mut request, tables);
        let json = inner.json(&request).await?;
        serde_json::from_str(&json).map_err(|error| inner.broken(&format!("its schema cannot be read: {error}")))
    }

    async fn consolidations(&self, call: Call) -> Result<Vec<Consolidation>> {
        let inner = &self.inner;
        let mut request = Request::new(Op::TabletConsolidations);
        wire::write_call(&mut request, &call);
        let json = inner.json(&request).await?;
        serde_json::from_str(&json)
            .map_err(|error| inner.broken(&format!("its list of consolidations cannot be read: {error}")))
    }

    fn info(&self) -> ServiceInfo {
        self.inner.info.lock().clone()
    }
}

impl Inner {
    /// Runs a statement on any pooled connection. One that surely had no effect is tried once more over another connection.
    async fn execute_pooled(self: &Arc<Self>, call: &Call, mut request: Request, writes: bool) -> Result<Execution> {
        request.state = Some(wire::state_of(&call.settings));
        let mut again = true;
        loop {
            let connection = self.link.connection(call.deadline).await.map_err(|error| self.error(error))?;
            let pending = connection.request(&request);
            let guard = CallGuard::new(self.clone(), call.id, &pending);
            match first_reply(pending).await {
                Ok((pending, first)) => return Ok(self.execution(None, pending, first, guard, None, None)),
                Err(error) if error.is_closed() && again && (!writes || error.executed() == Executed::No) => {
                    again = false
                }
                Err(error) => {
                    let mut body = self.error(error);
                    if !writes && body.code == Code::OutcomeUnknown {
                        body = self.unreachable();
                    }
                    return Err(body);
                }
            }
        }
    }

    /// Opens a session, takes a connection for it by `taking`, and runs the statement there.
    async fn execute_held(
        self: &Arc<Self>,
        call: &Call,
        mut request: Request,
        mut taking: Request,
    ) -> Result<Execution> {
        let connection = self.link.connection(call.deadline).await.map_err(|error| self.error(error))?;
        let session = connection.new_session_id();
        let mut open = Request::new(Op::Open);
        open.state = Some(wire::state_of(&call.settings));
        let reserved = taking.op == Op::Reserve;
        wire::write_call(&mut taking, call);
        for request in [&mut open, &mut taking, &mut request] {
            request.session = Some(session);
        }
        // The tablet takes the connection for `taking`, and it is before that that a line for the row is stood in.
        taking.row_key = request.row_key.take();
        taking.chain = true;
        request.chain = true;
        let [opening, taken, pending] = connection.requests([&open, &taking, &request].map(|request| (request, None)));
        let mut close = CloseUnlessKept { connection: connection.clone(), session, kept: false };
        let guard = CallGuard::new(self.clone(), call.id, &pending);
        let (pending, first) = match first_reply(pending).await {
            Ok(answer) => answer,
            Err(error) => {
                // The first that failed is the reason; the others were skipped. Answers come in order: these are there.
                for earlier in [opening, taken] {
                    if let Err(reason) = earlier.last().await {
                        return Err(self.not_begun(reason, reserved));
                    }
                }
                return Err(self.not_begun(error, reserved));
            }
        };
        // Answers come in order: the one to `taking` is there, and says how long the connection was waited for.
        let before = taken.last().await.ok().and_then(|reply| reply.end?.ran);
        opening.detach();
        close.kept = true;
        let id = ConnectionId(self.next_session.fetch_add(1, Ordering::Relaxed));
        let held = Held { connection, session, reserved, settings: Some(call.settings.clone()) };
        self.sessions.lock().insert(id, held);
        Ok(self.execution(Some(id), pending, first, guard, Some(reserved), before))
    }

    async fn execute_on(self: &Arc<Self>, call: &Call, mut request: Request, id: ConnectionId) -> Result<Execution> {
        let held = self.held(id)?;
        request.session = Some(held.session);
        let knows = |known: &Arc<Settings>| Arc::ptr_eq(known, &call.settings) || *known == call.settings;
        let changes = !held.settings.as_ref().is_some_and(knows);
        if changes {
            request.state = Some(wire::state_of(&call.settings));
            self.note_settings(id, None);
        }
        let pending = held.connection.request(&request);
        let guard = CallGuard::new(self.clone(), call.id, &pending);
        let (pending, first) = first_reply(pending).await.map_err(|error| self.lost_or(error, held.reserved))?;
        if changes {
            self.note_settings(id, Some(call.settings.clone()));
        }
        Ok(self.execution(None, pending, first, guard, Some(held.reserved), None))
    }

    fn execution(
        self: &Arc<Self>,
        connection: Option<ConnectionId>,
        pending: Pending,
        first: Reply,
        guard: CallGuard,
        reserved: Option<bool>,
        before: Option<Ran>,
    ) -> Execution {
        let parts = RemoteParts::new(self.clone(), pending, first, guard, reserved, before);
        Execution { connection, parts: Box::new(parts) }
    }

    /// The session of a connection, if its transport still lives.
    fn held(&self, id: ConnectionId) -> Result<Held> {
        let mut sessions = self.sessions.lock();
        match sessions.get(&id) {
            Some(held) if !held.connection.is_closed() => Ok(held.clone()),
            _ => match sessions.remove(&id) {
                Some(held) if held.reserved => Err(self.session_lost()),
                _ => Err(self.tx_lost()),
            },
        }
    }

    fn note_settings(&self, id: ConnectionId, settings: Option<Arc<Settings>>) {
        if let Some(held) = self.sessions.lock().get_mut(&id) {
            held.settings = settings;
        }
    }

    /// A begun connection is a reserved one from now on. Noted before the tablet hears of it: one that is released too late
    /// does less harm than one that is released under its owner.
    fn keep(&self, id: ConnectionId) {
        if let Some(held) = self.sessions.lock().get_mut(&id) {
            held.reserved = true;
        }
    }

    async fn json(&self, request: &Request) -> Result<String> {
        let connection = self.link.connection(None).await.map_err(|error| self.error(error))?;
        let reply = connection.request(request).last().await.map_err(|error| self.error(error))?;
        reply.json.ok_or_else(|| self.broken("an administrative answer has no document"))
    }

    /// An error of the client as one that may travel on: with the shard, without the host.
    fn error(&self, error: vitrail_client::Error) -> ErrorBody {
        if error.as_server_error().is_some() {
            let mut body = error.into_body();
            body.shard.get_or_insert_with(|| self.shard.clone());
            return body;
        }
        let code = error.code().clone();
        tracing::debug!(shard = self.shard, %error, "call to a tablet failed");
        match code {
            Code::OutcomeUnknown => ErrorBody::new(
                Code::OutcomeUnknown,
                format!(
                    "the tablet of {} went away before it answered; look whether the statement took effect",
                    self.shard
                ),
            )
            .with_shard(&self.shard),
            Code::Unavailable | Code::Unauthenticated | Code::Denied => self.unreachable(),
            Code::TooLarge | Code::Invalid | Code::Deadline => error.into_body().with_shard(&self.shard),
            _ => self.broken("its answer could not be read"),
        }
    }

    /// The same for a call on a held connection: with the transport, its transaction is gone. A reserved one may have been in
    /// autocommit, so there a statement that was sent may have taken effect.
    fn lost_or(&self, error: vitrail_client::Error, reserved: bool) -> ErrorBody {
        match (error.is_closed(), reserved) {
            (true, false) => self.tx_lost(),
            (true, true) => self.session_lost().with_executed(error.executed()),
            (false, _) => self.error(error),
        }
    }

    /// The same for a call that was to take a connection: a transaction that has not begun leaves nothing behind, and loses nothing.
    fn not_begun(&self, error: vitrail_client::Error, reserved: bool) -> ErrorBody {
        if error.is_closed() && !reserved { self.unreachable() } else { self.error(error) }
    }

    fn unreachable(&self) -> ErrorBody {
        let message = format!("the tablet of {} cannot be reached; try again", self.shard);
        ErrorBody::new(Code::Unavailable, message).with_shard(&self.shard)
    }

    fn tx_lost(&self) -> ErrorBody {
        let message = format!(
            "the connection to the tablet of {} was lost and the transaction with it; roll back and try again",
            self.shard
        );
        let mut body = ErrorBody::new(Code::TxLost, message).with_shard(&self.shard);
        body.retryable = true;
        body
    }

    fn session_lost(&self) -> ErrorBody {
        let message = format!(
            "the connection to the tablet of {} was lost, and with it the reserved connection to MySQL and all its state",
            self.shard
        );
        let mut body = ErrorBody::new(Code::SessionLost, message).with_shard(&self.shard);
        body.retryable = false;
        body
    }

    fn broken(&self, what: &str) -> ErrorBody {
        let message = format!("the tablet of {} broke the protocol: {what}", self.shard);
        ErrorBody::new(Code::Internal, message).with_executed(Executed::Unknown).with_shard(&self.shard)
    }
}

impl std::fmt::Debug for RemoteService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteService").field("shard", &self.inner.shard).finish_non_exhaustive()
    }
}

/// Makes a call known for cancelling, until dropped.
struct CallGuard {
    inner: Arc<Inner>,
    id: CallId,
}

impl CallGuard {
    fn new(inner: Arc<Inner>, id: CallId, pending: &Pending) -> CallGuard {
        inner.calls.lock().insert(id, pending.canceller());
        CallGuard { inner, id }
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.inner.calls.lock().remove(&self.id);
    }
}

/// Closes a session whose opening did not lead to an execution, or whose call was dropped meanwhile.
struct CloseUnlessKept {
    connection: Connection,
    session: u64,
    kept: bool,
}

impl Drop for CloseUnlessKept {
    fn drop(&mut self) {
        if !self.kept {
            let mut close = Request::new(Op::Close);
            close.session = Some(self.session);
            self.connection.request(&close).detach();
        }
    }
}

/// An answer always has a reply: `Pending` itself makes an error of one that has none.
async fn first_reply(mut pending: Pending) -> Result<(Pending, Reply), vitrail_client::Error> {
    let first = pending.first().await?;
    Ok((pending, first))
}

/// Asks for the tablet's health until the service is gone.
async fn watch_health(inner: std::sync::Weak<Inner>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let mut request = Request::new(Op::TabletHealth);
        request.deadline_ms = Some(u32::try_from(interval.as_millis()).unwrap_or(u32::MAX).clamp(1000, 60_000));
        let health = inner.json(&request).await.ok().and_then(|json| serde_json::from_str::<ServiceInfo>(&json).ok());
        let mut info = inner.info.lock();
        match health {
            Some(health) => *info = health,
            None => info.healthy = false,
        }
    }
}
