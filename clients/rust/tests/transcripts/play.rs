//! One run of a transcript, with the client as one side.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use vitrail_client::connection::{Canceller, ConnectOptions, Connection, Pending};
use vitrail_client::{ClientConfig, Code, Error, TlsMode};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::frame::{Kind, Message, Reassembler, Received, Side};
use vitrail_proto::limits::{FREE_UPLOAD, Limits};
use vitrail_proto::message::{Auth, ClientHello, Credit, Mechanism, Op, Reply, Request, ServerHello};
use vitrail_proto::scram::{ServerExchange, StoredKeys};

use crate::Manner;
use crate::hello::server_hello;
use crate::server::Server;
use crate::transcript::{Sent, Step, Transcript};

const PASSWORD: &str = "pencil";

/// The proof of the password, as far as it has come.
enum Proof {
    None,
    Challenged(ServerExchange),
    Signed(Vec<u8>),
    Refused,
}

/// One run of one transcript.
pub(crate) struct Play<'a> {
    transcript: &'a Transcript,
    server: Server,
    /// What the client makes of the server's frames by the rules of the specification.
    reference: Reassembler,
    connecting: Option<JoinHandle<Result<Connection, Error>>>,
    connection: Option<Connection>,
    hello: Option<ClientHello>,
    proof: Proof,
    pending: HashMap<u64, Pending>,
    cancellers: HashMap<u64, Canceller>,
    pings: VecDeque<JoinHandle<Result<Duration, Error>>>,
    /// So much of each request the transcript has sent by now.
    due: HashMap<u64, usize>,
    order: Vec<(Kind, u64)>,
    credits: BTreeMap<u64, u64>,
}

impl<'a> Play<'a> {
    pub(crate) async fn run(transcript: &'a Transcript, manner: Manner) {
        let limits = Limits { max_frame: manner.max_frame, ..Limits::default() };
        let (client, stream) = tokio::io::duplex(manner.pipe);
        let options = options(transcript);
        // What transcripts announce is the default.
        let accepted = if transcript.authenticated { limits } else { Limits::default() };
        let mut play = Play {
            transcript,
            server: Server {
                stream,
                check: Reassembler::new(Side::Server, accepted),
                opening: VecDeque::new(),
                order: Vec::new(),
                requests: HashMap::new(),
                credits: BTreeMap::new(),
            },
            reference: Reassembler::new(Side::Client, Limits::default()),
            connecting: Some(tokio::spawn(async move { Connection::connect_raw(client, None, &options).await })),
            connection: None,
            hello: None,
            proof: Proof::None,
            pending: HashMap::new(),
            cancellers: HashMap::new(),
            pings: VecDeque::new(),
            due: HashMap::new(),
            order: Vec::new(),
            credits: BTreeMap::new(),
        };
        if transcript.authenticated {
            play.greet(limits).await;
        }
        for step in &transcript.steps {
            match (step.side, step.manner) {
                (_, Sent::Never) => {}
                (Side::Client, _) => play.client(step).await,
                (Side::Server, _) => play.server(step).await,
            }
        }
        play.end().await;
    }

    /// What `authenticated` transcripts leave out.
    async fn greet(&mut self, limits: Limits) {
        self.server.receive_opening(Kind::Hello).await;
        let mut body = Vec::new();
        server_hello(limits).encode(&mut body);
        self.server.send_opening(Kind::Hello, &body).await;
        self.connected().await.unwrap();
    }

    /// The handshake is over on the server's side: what it is on the client's.
    async fn connected(&mut self) -> Result<(), Error> {
        let connection = self.connecting.take().unwrap().await.unwrap()?;
        self.server.check.set_authenticated();
        self.reference.set_authenticated();
        self.connection = Some(connection);
        Ok(())
    }

    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("requests come after authentication")
    }

    async fn client(&mut self, step: &Step) {
        for (header, body) in &step.frames {
            let id = header.id;
            match header.kind {
                Kind::Hello => {
                    let hello = ClientHello::decode(&self.server.receive_opening(Kind::Hello).await).unwrap();
                    let written = ClientHello::decode(body).unwrap();
                    assert_eq!((&hello.user, hello.mechanism), (&written.user, written.mechanism));
                    self.hello = Some(hello);
                }
                Kind::Auth => {
                    let auth = Auth::decode(&self.server.receive_opening(Kind::Auth).await).unwrap();
                    let Proof::Challenged(exchange) = std::mem::replace(&mut self.proof, Proof::Refused) else {
                        panic!("an AUTH without a challenge")
                    };
                    if let Ok(signature) = exchange.finish(&auth.data) {
                        self.proof = Proof::Signed(signature);
                    }
                }
                Kind::Request => self.request(step, id, body.len()).await,
                Kind::Cancel => {
                    self.cancellers[&id].cancel();
                    // Of an ended request there is nothing left to cancel.
                    if self.pending.contains_key(&id) {
                        self.order.push((Kind::Cancel, id));
                        self.server.receive_until(|server| server.order.last() == Some(&(Kind::Cancel, id))).await;
                    }
                }
                Kind::Credit => {
                    let sum = self.credits.entry(id).or_default();
                    *sum += u64::from(Credit::decode(body).unwrap().bytes);
                    let sum = *sum;
                    let pending = self.pending.get_mut(&id).unwrap();
                    assert!(pending.next().now_or_never().is_none(), "a reply came before its credit");
                    self.server.receive_until(|server| server.credits.get(&id) >= Some(&sum)).await;
                }
                Kind::Ping => {
                    let connection = self.connection().clone();
                    self.pings.push_back(tokio::spawn(async move { connection.ping().await }));
                    self.order.push((Kind::Ping, 0));
                    self.server.receive_until(|server| server.order.last() == Some(&(Kind::Ping, 0))).await;
                }
                kind => panic!("step {}: clients send no {kind:?}", step.at),
            }
        }
    }

    /// A request begins or goes on; so much of it as the transcript has sent must have come.
    async fn request(&mut self, step: &Step, id: u64, bytes: usize) {
        if !self.due.contains_key(&id) {
            let request = match step.manner {
                Sent::Replaced => statement(),
                _ => self.transcript.request(id),
            };
            let pending = self.connection().request(&request);
            self.cancellers.insert(id, pending.canceller());
            self.pending.insert(id, pending);
            self.order.push((Kind::Request, id));
        }
        let due = self.due.entry(id).or_default();
        *due += bytes;
        let due = match step.manner {
            Sent::Replaced => 1,
            _ => encoded(&self.transcript.request(id)).len().min(*due),
        };
        self.server.receive_until(|server| server.requests.get(&id).is_some_and(|body| body.len() >= due)).await;
    }

    async fn server(&mut self, step: &Step) {
        let mut messages = Vec::new();
        for (header, body) in &step.frames {
            if let Received::Message(message) = self.reference.push(*header, body.clone()).unwrap() {
                messages.push(message);
            }
        }
        let opening =
            messages.first().map(|message| message.kind).filter(|kind| [Kind::Hello, Kind::Auth].contains(kind));
        match opening {
            Some(Kind::Hello) => return self.server_hello(&messages[0].body).await,
            Some(_) => return self.server_auth(&messages[0].body).await,
            None => {}
        }
        for message in &messages {
            match message.kind {
                Kind::Credit => self.server.check.grant(message.id),
                Kind::Error => self.server.check.give_up(message.id),
                _ => {}
            }
        }
        self.server.send(&step.data).await;
        for message in messages {
            self.answered(message).await;
        }
    }

    /// HELLO as it is written, with a challenge to the client's nonce in the place of the written one.
    async fn server_hello(&mut self, written: &[u8]) {
        let mut hello = ServerHello::decode(written).unwrap();
        if !hello.authenticated {
            let client = self.hello.as_ref().unwrap();
            let keys = StoredKeys::derive(PASSWORD.as_bytes(), b"salt and pepper", 4096);
            let (exchange, challenge) =
                ServerExchange::start(&client.initial, false, None, &client.user, keys, "server-nonce").unwrap();
            hello.challenge = challenge;
            self.proof = Proof::Challenged(exchange);
        }
        let mut body = Vec::new();
        hello.encode(&mut body);
        self.server.send_opening(Kind::Hello, &body).await;
        if hello.authenticated {
            self.connected().await.unwrap();
            assert_eq!(*self.connection().hello(), hello);
        }
    }

    /// AUTH as it is written, with the signature for this exchange.
    async fn server_auth(&mut self, written: &[u8]) {
        let Proof::Signed(signature) = std::mem::replace(&mut self.proof, Proof::None) else {
            panic!("the client's proof is wrong")
        };
        let mut body = Vec::new();
        Auth { data: signature, authenticated: Auth::decode(written).unwrap().authenticated }.encode(&mut body);
        self.server.send_opening(Kind::Auth, &body).await;
        self.connected().await.unwrap();
    }

    /// What the application sees of a message from the server.
    async fn answered(&mut self, message: Message) {
        let (name, id) = (&self.transcript.name, message.id);
        match message.kind {
            Kind::Reply => {
                let pending = self.pending.get_mut(&id).unwrap();
                let reply = pending.next().await.unwrap_or_else(|error| panic!("{name}, request {id}: {error}"));
                assert_eq!(reply, Some(Reply::decode(message.body).unwrap()), "{name}, request {id}");
                if message.flags.end() {
                    assert_eq!(pending.next().await.unwrap(), None, "{name}, request {id}");
                    self.pending.remove(&id);
                }
            }
            Kind::Error if id == 0 => self.refused(&ErrorBody::decode(&message.body).unwrap()).await,
            Kind::Error => {
                let error = self.pending.remove(&id).unwrap().next().await.expect_err("an ERROR is an error");
                assert_same(name, &error, &ErrorBody::decode(&message.body).unwrap());
            }
            Kind::GoAway => {
                while !self.connection().is_draining() {
                    tokio::task::yield_now().await;
                }
            }
            Kind::Ping => {
                self.pings.pop_front().unwrap().await.unwrap().unwrap();
            }
            Kind::Credit => {}
            kind => panic!("{name}: servers send no {kind:?}"),
        }
    }

    /// An ERROR of the connection: it cannot be made, or is over.
    async fn refused(&mut self, body: &ErrorBody) {
        let name = &self.transcript.name;
        if self.connecting.is_some() {
            if let Proof::Signed(_) = self.proof {
                panic!("{name}: the wrong password was proved")
            }
            let error = self.connected().await.expect_err("the server refuses");
            return assert_same(name, &error, body);
        }
        let connection = self.connection();
        connection.closed().await;
        let error = connection.request(&statement()).last().await.unwrap_err();
        assert_eq!(*error.code(), Code::Unavailable, "{name}: nothing is sent any more");
    }

    /// Nothing is left open, and the client has sent what the transcript's client sends: no more, and in this order.
    async fn end(mut self) {
        let name = &self.transcript.name;
        assert!(self.pending.is_empty() && self.pings.is_empty() && self.connecting.is_none(), "{name} ends too early");
        if let Some(connection) = self.connection.take() {
            assert_eq!(connection.in_flight(), 0, "{name}");
            drop(connection);
        }
        self.cancellers.clear();
        while self.server.receive().await {}
        assert_eq!(self.server.order, self.order, "{name}");
        assert_eq!(self.server.credits, self.credits, "{name}");
        for (id, written) in &self.transcript.requests {
            let sent = &self.server.requests[id];
            let replaced = |step: &&Step| step.manner == Sent::Replaced && step.frames[0].0.id == *id;
            if self.transcript.steps.iter().find(replaced).is_some() {
                assert_eq!(*sent, encoded(&statement()), "{name}, request {id}");
                continue;
            }
            let request = self.transcript.request(*id);
            let announced = u32::from_le_bytes(*written.first_chunk().unwrap()) as usize;
            if written.len() == announced {
                assert_eq!(Request::decode(sent).unwrap(), request, "{name}, request {id}");
            } else {
                assert_eq!(sent.len(), FREE_UPLOAD as usize, "{name}, request {id} was refused");
                assert!(sent == written, "{name}, request {id}");
            }
        }
    }
}

/// Stands in for what the client cannot send.
fn statement() -> Request {
    let mut request = Request::new(Op::Execute);
    request.sql = Some("select 1".into());
    request
}

fn encoded(request: &Request) -> Vec<u8> {
    let mut body = Vec::new();
    request.encode(&mut body);
    body
}

/// The client as the transcript has it: with a password if its HELLO proves one, and with another if that is refused.
fn options(transcript: &Transcript) -> ConnectOptions {
    let frames = |side| transcript.steps.iter().filter(move |step| step.side == side).flat_map(|step| &step.frames);
    let mut config = ClientConfig::default();
    config.tls.mode = TlsMode::Disable;
    config.user = "ann".into();
    if let Some((_, body)) = frames(Side::Client).find(|(header, _)| header.kind == Kind::Hello)
        && ClientHello::decode(body).unwrap().mechanism == Mechanism::ScramSha256
    {
        let refused = frames(Side::Server).any(|(header, body)| {
            header.kind == Kind::Error && ErrorBody::decode(body).unwrap().code == Code::Unauthenticated
        });
        config.password = Some(if refused { "pen" } else { PASSWORD }.into());
    }
    ConnectOptions::from_config(&config).unwrap()
}

/// The application learns all that the server said.
fn assert_same(name: &str, error: &Error, body: &ErrorBody) {
    assert_eq!(error.as_server_error(), Some(body), "{name}");
    assert_eq!(
        (error.code(), error.errno(), error.sqlstate(), error.executed(), error.is_retryable(), error.in_transaction()),
        (&body.code, body.errno, &*body.sqlstate, body.executed, body.retryable, body.in_transaction),
        "{name}"
    );
}
