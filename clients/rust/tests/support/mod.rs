//! A real listener with a service that understands a few words instead of SQL.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::{BufMut, BytesMut};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vitrail_client::{ClientConfig, Endpoint, TlsMode};
use vitrail_listener::config::Config;
use vitrail_listener::listener::{Handle, Listener};
use vitrail_listener::responder::Responder;
use vitrail_listener::service::{Identity, Peer, RequestContext, Service};
use vitrail_listener::users::{User, Users};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::{Op, Reply, Request, ResultEnd, SessionState};
use vitrail_proto::rows::RowBatch;

/// The password of user `app`.
pub const PASSWORD: &str = "a secret, ünd more";

/// What a session of the service is.
pub struct TestSession {
    opened: SessionState,
    state: SessionState,
    in_transaction: bool,
    pinned: bool,
}

/// The service. Its statements:
///
/// * `echo`: one row with the bind `a` (or NULL); `state`: one row with the session's settings;
/// * `rows N SIZE`: N rows of SIZE bytes; `wait`: until cancelled, late or released; `fail CODE`: that error;
/// * `whoami`: one row with the user; `set NAME VALUE`: a setting; `pin`: pins the session; `write`: counts.
#[derive(Default)]
pub struct TestService {
    /// Statements that were started.
    pub started: AtomicUsize,
    /// `write`s.
    pub written: AtomicUsize,
    /// REPLYs of `rows` that were accepted.
    pub sent: AtomicUsize,
    /// Rollbacks, also those by closing.
    pub rolled_back: AtomicUsize,
    /// `wait`s that are under way.
    pub waiting: tokio::sync::watch::Sender<usize>,
    /// Fields that were sent, not those that the client held.
    pub fields_sent: AtomicUsize,
    /// Other gates, for HELLO.
    pub gates: Vec<String>,
}

impl TestService {
    async fn statement(
        &self,
        session: &mut TestSession,
        request: &Request,
        context: &RequestContext,
        responder: &mut Responder,
    ) -> Result<Reply, ErrorBody> {
        self.started.fetch_add(1, Ordering::SeqCst);
        let sql = request.sql.clone().unwrap_or_default();
        let words: Vec<&str> = sql.split(' ').collect();
        let end = |session: &TestSession| ResultEnd {
            in_transaction: session.in_transaction,
            pinned: session.pinned,
            ..ResultEnd::default()
        };
        match words[..] {
            ["echo"] => {
                let cell = match request.binds.get("a") {
                    Some(vitrail_proto::value::Value::Text(text)) => Some(text.clone().into_bytes()),
                    Some(vitrail_proto::value::Value::Bytes(bytes)) => Some(bytes.clone()),
                    Some(vitrail_proto::value::Value::Int(number)) => Some(number.to_string().into_bytes()),
                    _ => None,
                };
                Ok(one_row(cell.as_deref(), end(session)))
            }
            ["state"] => {
                let text = format!("{:?} {:?}", session.state.target, session.state.variables);
                Ok(one_row(Some(text.as_bytes()), end(session)))
            }
            ["rows", count, size] => {
                let (count, size): (u64, usize) = (count.parse().unwrap(), size.parse().unwrap());
                let mut sent = 0;
                let mut fields = Some(fields());
                while sent < count {
                    let mut batch = BytesMut::new();
                    let mut rows = 0;
                    while sent < count && (rows == 0 || batch.len() + size < 32 * 1024) {
                        put_row(&mut batch, Some(&vec![b'x'; size]));
                        rows += 1;
                        sent += 1;
                    }
                    let rows = Some(RowBatch { bytes: batch.freeze(), count: rows });
                    responder.send(Reply { fields: fields.take(), rows, ..Reply::default() }).await?;
                    self.sent.fetch_add(1, Ordering::SeqCst);
                }
                Ok(Reply { end: Some(Box::new(ResultEnd { rows: count, ..end(session) })), ..Reply::default() })
            }
            ["whoami"] => Ok(one_row(Some(context.peer.user.as_bytes()), end(session))),
            ["wait"] => {
                self.waiting.send_modify(|count| *count += 1);
                let deadline = async {
                    match context.deadline {
                        Some(deadline) => tokio::time::sleep_until(deadline).await,
                        None => std::future::pending().await,
                    }
                };
                let code = tokio::select! {
                    () = context.cancel.cancelled() => Code::Cancelled,
                    () = deadline => Code::Deadline,
                };
                self.waiting.send_modify(|count| *count -= 1);
                let mut error = ErrorBody::new(code, "stopped");
                error.in_transaction = session.in_transaction;
                Err(error)
            }
            ["fail", code] => {
                let mut error = ErrorBody::new(Code::parse(code), "as asked");
                error.in_transaction = session.in_transaction;
                Err(error)
            }
            ["set", name, value] => {
                let change = (name.to_owned(), value.to_owned());
                session.state.variables.push(change.clone());
                let state = Some(SessionState { variables: vec![change], ..SessionState::default() });
                Ok(Reply { end: Some(Box::new(ResultEnd { state, ..end(session) })), ..Reply::default() })
            }
            ["pin"] => {
                session.pinned = true;
                Ok(Reply { end: Some(Box::new(end(session))), ..Reply::default() })
            }
            ["write"] => {
                self.written.fetch_add(1, Ordering::SeqCst);
                Ok(Reply { end: Some(Box::new(ResultEnd { affected: 1, ..end(session) })), ..Reply::default() })
            }
            _ => Err(ErrorBody::new(Code::Invalid, format!("not understood: {sql}"))),
        }
    }
}

#[async_trait]
impl Service for TestService {
    type Session = TestSession;

    fn identity(&self) -> Identity {
        Identity {
            flavour: "MariaDB".into(),
            mysql_version: "10.11.0-test".into(),
            gates: self.gates.clone(),
            incarnation: "1".into(),
        }
    }

    fn open(&self, _peer: &Arc<Peer>, state: SessionState) -> Result<TestSession, ErrorBody> {
        if state.target.as_ref().is_some_and(|target| target.keyspace.as_deref() == Some("nowhere")) {
            return Err(ErrorBody::new(Code::NotFound, "unknown keyspace `nowhere`").with_errno(1049, "42000"));
        }
        Ok(TestSession { opened: state.clone(), state, in_transaction: false, pinned: false })
    }

    async fn handle(
        &self,
        session: &mut TestSession,
        request: Box<Request>,
        context: &RequestContext,
        responder: &mut Responder,
    ) -> Result<Reply, ErrorBody> {
        let end = |session: &TestSession| {
            let (in_transaction, pinned) = (session.in_transaction, session.pinned);
            Some(Box::new(ResultEnd { in_transaction, pinned, ..ResultEnd::default() }))
        };
        match request.op {
            Op::Execute => {
                let mut reply = self.statement(session, &request, context, responder).await?;
                if let Some(fields) = reply.fields.take() {
                    let hash = vitrail_proto::rows::fields_hash(&fields);
                    reply.fields_hash = Some(hash);
                    if request.fields_hash != Some(hash) {
                        self.fields_sent.fetch_add(1, Ordering::SeqCst);
                        reply.fields = Some(fields);
                    }
                }
                Ok(reply)
            }
            Op::Begin => {
                session.in_transaction = true;
                Ok(Reply { end: end(session), ..Reply::default() })
            }
            Op::Commit => {
                session.in_transaction = false;
                Ok(Reply { end: end(session), ..Reply::default() })
            }
            Op::Rollback => {
                session.in_transaction = false;
                self.rolled_back.fetch_add(1, Ordering::SeqCst);
                Ok(Reply { end: end(session), ..Reply::default() })
            }
            Op::Reserve => {
                session.pinned = true;
                Ok(Reply { end: end(session), ..Reply::default() })
            }
            Op::Describe => {
                Ok(Reply { fields: Some(fields()), parameters: Some(2), end: Some(Box::default()), ..Reply::default() })
            }
            Op::Batch => {
                let last = request.items.len() - 1;
                for index in 0..=last {
                    let end = ResultEnd { affected: 1, item: Some(index as u32), ..ResultEnd::default() };
                    let reply = Reply { end: Some(Box::new(end)), ..Reply::default() };
                    if index == last {
                        return Ok(reply);
                    }
                    responder.send(reply).await?;
                }
                unreachable!("a batch has items")
            }
            _ => Err(ErrorBody::new(Code::Unsupported, "not in this service")),
        }
    }

    async fn reset(&self, session: &mut TestSession) -> Result<Reply, ErrorBody> {
        session.state = session.opened.clone();
        session.in_transaction = false;
        session.pinned = false;
        Ok(Reply { end: Some(Box::default()), ..Reply::default() })
    }

    async fn close(&self, session: TestSession) {
        if session.in_transaction {
            self.rolled_back.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn is_busy(&self, session: &TestSession) -> bool {
        session.in_transaction || session.pinned
    }
}

/// One VARCHAR column `a`.
fn fields() -> bytes::Bytes {
    let mut definition = vec![];
    for text in ["def", "k", "t", "t", "a", "a"] {
        definition.push(text.len() as u8);
        definition.extend_from_slice(text.as_bytes());
    }
    definition.extend_from_slice(&[0x0C, 45, 0, 0xFF, 0, 0, 0, 253, 0, 0, 0, 0, 0]);
    let mut packed = BytesMut::new();
    packed.put_u32_le(definition.len() as u32);
    packed.put_slice(&definition);
    packed.freeze()
}

fn put_row(out: &mut BytesMut, cell: Option<&[u8]>) {
    let Some(cell) = cell else {
        out.put_u32_le(1);
        out.put_u8(0xFB);
        return;
    };
    let mut row = Vec::with_capacity(cell.len() + 9);
    match cell.len() {
        short @ 0..251 => row.push(short as u8),
        medium @ 251..65536 => {
            row.push(0xFC);
            row.extend_from_slice(&(medium as u16).to_le_bytes());
        }
        long => {
            row.push(0xFE);
            row.extend_from_slice(&(long as u64).to_le_bytes());
        }
    }
    row.extend_from_slice(cell);
    out.put_u32_le(row.len() as u32);
    out.put_slice(&row);
}

fn one_row(cell: Option<&[u8]>, end: ResultEnd) -> Reply {
    let mut rows = BytesMut::new();
    put_row(&mut rows, cell);
    Reply {
        fields: Some(fields()),
        rows: Some(RowBatch { bytes: rows.freeze(), count: 1 }),
        end: Some(Box::new(ResultEnd { rows: 1, ..end })),
        ..Reply::default()
    }
}

/// `app` with its password, `gate-1` with a certificate, `nobody` without a proof.
pub fn users() -> Users {
    let keys = vitrail_proto::scram::StoredKeys::derive(PASSWORD.as_bytes(), b"0123456789abcdef", 4096);
    Users::new([User::new("app").with_keys(keys), User::new("gate-1").with_certificate(), User::new("nobody")])
}

/// A listener on a free port of the loopback, with its service.
pub struct Server {
    pub service: Arc<TestService>,
    endpoint: vitrail_listener::config::Endpoint,
    pub handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// One that starts now.
    pub async fn start() -> Server {
        Server::start_with(TestService::default()).await
    }

    pub async fn start_with(service: TestService) -> Server {
        let endpoint = vitrail_listener::config::Endpoint::Plain("127.0.0.1:0".parse().unwrap());
        let mut config = Config::new(vec![endpoint], Arc::new(users()));
        config.trust_local = true;
        Server::listen(service, config).await
    }

    /// One with a listener of its own kind.
    pub async fn listen(service: TestService, config: Config) -> Server {
        let listener = Listener::bind(config).await.unwrap();
        let endpoint = listener.addresses()[0].clone();
        let handle = listener.handle();
        let service = Arc::new(service);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = service.clone();
        let task = tokio::spawn(async move {
            listener
                .serve(serving, async {
                    let _ = stopped.await;
                })
                .await;
        });
        Server { service, endpoint, handle, stop: Some(stop), task }
    }

    /// Where it listens, if by TCP.
    pub fn address(&self) -> std::net::SocketAddr {
        use vitrail_listener::config::Endpoint::{Plain, Tls, Unix};
        match &self.endpoint {
            Plain(address) | Tls(address) => *address,
            Unix(path) => panic!("{} has no address", path.display()),
        }
    }

    /// Begins to drain.
    pub fn drain(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has ended.
    pub async fn ended(self) {
        self.task.await.unwrap();
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp { host: self.address().ip().to_string(), port: self.address().port() }
    }
}

/// A configuration for these servers, by password.
pub fn config(servers: &[&Server]) -> ClientConfig {
    let mut config = ClientConfig::default();
    config.endpoints = servers.iter().map(|server| server.endpoint()).collect();
    config.user = "app".into();
    config.password = Some(PASSWORD.into());
    config.tls.mode = TlsMode::Disable;
    config
}

/// A server behind a proxy whose connections can be cut as by a SIGKILL: no GOAWAY, no answer, no way back.
pub struct Proxy {
    pub server: Server,
    address: std::net::SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn start() -> Proxy {
        let server = Server::start().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = server.address();
        let task = tokio::spawn(async move {
            let mut pipes = tokio::task::JoinSet::new();
            loop {
                let (mut inside, _) = listener.accept().await.unwrap();
                pipes.spawn(async move {
                    let mut outside = tokio::net::TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
                });
            }
        });
        Proxy { server, address, task }
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp { host: self.address.ip().to_string(), port: self.address.port() }
    }

    pub fn kill(&self) {
        self.task.abort();
    }
}
