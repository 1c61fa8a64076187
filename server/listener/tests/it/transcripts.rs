//! The transcripts of the specification against the listener: it is the server of each conversation, over a socket.
//!
//! The service behind it answers what the transcript answers. What the listener must answer by itself is not scripted, so
//! a request that reached the service wrongly is found. Request ids are shifted by the requests that open the sessions
//! which a transcript takes for granted. Every file of the folder is played; none is left out. Of what only a client can be
//! tested by, frames of kinds to come are passed over; unknown fields and codes are compared by what they decode to.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::{Notify, oneshot};
use vitrail_listener::config::{Config, Endpoint};
use vitrail_listener::listener::Listener;
use vitrail_listener::responder::Responder;
use vitrail_listener::service::{Identity, Peer, RequestContext, Service};
use vitrail_listener::users::{User, Users};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::frame::{EMPTY_DOCUMENT, Flags, HEADER_LEN, Kind};
use vitrail_proto::limits::MIN_MAX_FRAME;
use vitrail_proto::message::{
    Auth, ClientHello, Credit, GoAway, Mechanism, Op, Reply, Request, ServerHello, SessionState,
};
use vitrail_proto::scram::{ClientBinding, ClientExchange};

use crate::client::{Client, hello, op};
use crate::server::loopback;

const MORE: u8 = 1;
const END: u8 = 2;
/// The password of every user of the transcripts.
const PASSWORD: &str = "pencil";
/// Of a larger step, only so many bytes at each end are sent one by one.
const SINGLE: usize = 1024;
/// Memory for requests, where the transcript has none left.
const SCARCE: usize = 100_000;

#[tokio::test]
async fn every_transcript_in_one_chunk_per_step() {
    all(true).await;
}

#[tokio::test]
async fn every_transcript_byte_by_byte() {
    all(false).await;
}

async fn all(whole: bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto-spec/vectors/transcripts");
    let (mut count, mut failed) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let transcript: Json = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let name = transcript["name"].as_str().unwrap().to_owned();
        let played = tokio::spawn(async move { Transcript::read(&transcript).play(whole).await });
        match tokio::time::timeout(Duration::from_secs(20), played).await {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => failed.push(format!("{name}: {panic}")),
            Err(_) => failed.push(format!("{name}: something never came")),
        }
        count += 1;
    }
    assert!(count >= 19, "{count} transcripts");
    assert!(failed.is_empty(), "{failed:#?}");
}

/// A frame of a transcript. Its kind may be one that there is not.
struct Piece {
    kind: u8,
    flags: u8,
    id: u64,
    body: Vec<u8>,
}

/// What happens next in a conversation.
enum Turn {
    /// The client sends this.
    Client(Vec<Piece>),
    /// All of this comes from the server before the client goes on.
    Server(Vec<Piece>),
}

/// What the service does with a request.
struct Scripted {
    request: Request,
    replies: VecDeque<Reply>,
    /// It waits for CANCEL before it ends.
    cancelled: bool,
    end: Result<Reply, ErrorBody>,
    release: Arc<Notify>,
}

struct Transcript {
    /// Whether it begins after the handshake.
    authenticated: bool,
    turns: VecDeque<Turn>,
    script: Vec<Scripted>,
    /// Lets the service answer a request.
    releases: HashMap<u64, Arc<Notify>>,
    /// Sessions that it takes for granted.
    sessions: Vec<u64>,
    /// The session of each request that is answered in its session's order.
    lanes: HashMap<u64, u64>,
    /// The server has no memory for an upload.
    scarce: bool,
}

impl Transcript {
    fn read(transcript: &Json) -> Transcript {
        let mut turns: VecDeque<Turn> = VecDeque::new();
        for step in transcript["steps"].as_array().unwrap() {
            let pieces = pieces(&bytes(step["hex"].as_str().unwrap()));
            if step["side"] == "client" {
                turns.push_back(Turn::Client(pieces));
                continue;
            }
            // Frames of kinds to come are for the client to tolerate: this server has none.
            for piece in pieces.into_iter().filter(|piece| piece.kind < 128) {
                match turns.back_mut() {
                    // A drain begins when all before it is there.
                    Some(Turn::Server(turn)) if piece.kind != Kind::GoAway.number() => turn.push(piece),
                    _ => turns.push_back(Turn::Server(vec![piece])),
                }
            }
        }
        for turn in &mut turns {
            if let Turn::Server(pieces) = turn {
                join_small(pieces);
            }
        }
        let mut read = Transcript {
            authenticated: transcript["authenticated"].as_bool().unwrap(),
            turns,
            script: Vec::new(),
            releases: HashMap::new(),
            sessions: Vec::new(),
            lanes: HashMap::new(),
            scarce: false,
        };
        read.follow();
        read
    }

    /// Finds out what the service is to answer, and what the listener.
    fn follow(&mut self) {
        let mut known = HashSet::new();
        let (mut uploads, mut answers) = (HashMap::<u64, Vec<u8>>::new(), HashMap::<u64, Vec<u8>>::new());
        let mut requests: BTreeMap<u64, Request> = BTreeMap::new();
        let (mut replies, mut cancelled) = (HashMap::<u64, VecDeque<Reply>>::new(), Vec::new());
        let turns = std::mem::take(&mut self.turns);
        for turn in &turns {
            let (Turn::Client(pieces) | Turn::Server(pieces)) = turn;
            for Piece { kind, flags, id, body } in pieces {
                match Kind::from_number(*kind) {
                    Ok(Kind::Request) => {
                        let upload = uploads.entry(*id).or_default();
                        upload.extend_from_slice(body);
                        if flags & MORE != 0 {
                            continue;
                        }
                        let Ok(request) = Request::decode(upload) else { continue };
                        if let Some(session) = request.session {
                            self.lanes.insert(*id, session);
                            if known.insert(session) && request.op != Op::Open {
                                self.sessions.push(session);
                            }
                        }
                        requests.insert(*id, request);
                    }
                    Ok(Kind::Cancel) => {
                        let session = requests.get(id).and_then(|request| request.session);
                        let waits = session.is_some()
                            && requests.iter().any(|(before, request)| before < id && request.session == session);
                        if waits {
                            // It never runs, and is answered at once ("Cancel" of sessions.md).
                            requests.remove(id);
                            self.lanes.remove(id);
                        }
                        cancelled.push(*id);
                    }
                    Ok(Kind::Reply) => {
                        let answer = answers.entry(*id).or_default();
                        answer.extend_from_slice(body);
                        if flags & MORE != 0 {
                            continue;
                        }
                        let reply = Reply::decode(std::mem::take(answer).into()).unwrap();
                        if flags & END == 0 {
                            replies.entry(*id).or_default().push_back(reply);
                        } else if let Some(request) = requests.remove(id) {
                            self.add(*id, request, replies.remove(id), false, Ok(reply));
                        }
                    }
                    Ok(Kind::Error) => {
                        let error = ErrorBody::decode(body).unwrap();
                        self.scarce |= error.code == Code::Exhausted;
                        let request = requests.remove(id);
                        if let Some(request) = request
                            && !of_listener(&error.code)
                        {
                            self.add(*id, request, replies.remove(id), cancelled.contains(id), Err(error));
                        }
                    }
                    _ => {}
                }
            }
        }
        self.turns = turns;
    }

    fn add(
        &mut self,
        id: u64,
        request: Request,
        replies: Option<VecDeque<Reply>>,
        cancelled: bool,
        end: Result<Reply, ErrorBody>,
    ) {
        if matches!(request.op, Op::Open | Op::Close | Op::Reset) {
            return;
        }
        let release = Arc::new(Notify::new());
        if request.credit == 0 {
            // What has rows waits in the listener.
            release.notify_one();
        }
        self.releases.insert(id, release.clone());
        self.script.push(Scripted { request, replies: replies.unwrap_or_default(), cancelled, end, release });
    }

    async fn play(mut self, whole: bool) {
        let ann = User::new("ann").with_password(PASSWORD, 4096);
        let mut config = Config::new(vec![Endpoint::Plain(loopback())], Arc::new(Users::new([ann])));
        config.trust_local = true;
        // The test ends the connections.
        config.limits.farewell = Duration::from_secs(60);
        if self.scarce {
            config.limits.request_memory = SCARCE;
        }
        let listener = Listener::bind(config).await.unwrap();
        let Endpoint::Plain(address) = listener.addresses()[0] else { panic!("it listens on plaintext") };
        let handle = listener.handle();
        let service = Arc::new(Script { left: Mutex::new(std::mem::take(&mut self.script)) });
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve(service.clone(), async move {
            // A dropped sender means the same.
            let _ = stopped.await;
        }));

        let mut client = Client::connect(address).await;
        let mut player = Player { scram: None, shift: self.sessions.len() as u64, partial: HashMap::new() };
        let mut authenticated = self.authenticated;
        if authenticated {
            client.log_in(hello("ann", Mechanism::None, Vec::new())).await;
            for (at, session) in (1..).zip(&self.sessions) {
                assert_eq!(client.ask(at, op(Op::Open, *session)).await.error, None);
            }
        } else {
            assert!(self.sessions.is_empty(), "who starts with a handshake opens the sessions");
        }
        let mut closed = false;
        while let Some(turn) = self.turns.pop_front() {
            match turn {
                Turn::Client(pieces) => {
                    let refused = matches!(self.turns.front(),
                        Some(Turn::Server(next)) if next[0].kind == Kind::Error.number());
                    let bytes: Vec<u8> = pieces.iter().flat_map(|piece| player.outgoing(piece, refused)).collect();
                    send(&mut client, &bytes, whole).await;
                }
                Turn::Server(expected) => {
                    let mut wanted = expected;
                    closed = wanted.iter().any(|piece| piece.kind == Kind::Error.number() && piece.id == 0);
                    let mut seen = Vec::new();
                    if authenticated && !closed {
                        // What the client has sent is read before the service answers: a PING behind it comes back.
                        ping(&mut client).await;
                        let mut pings = 1 + wanted.iter().filter(|piece| piece.kind == Kind::Ping.number()).count();
                        while pings > 0 {
                            seen.push(player.receive(&mut client).await);
                            pings -= usize::from(seen.last().unwrap().kind == Kind::Ping.number());
                        }
                        seen.pop();
                    }
                    for piece in &wanted {
                        if piece.kind == Kind::GoAway.number() {
                            let drain = GoAway::decode(&piece.body).unwrap().drain_ms;
                            handle.drain(Duration::from_millis(drain.into()));
                        }
                        if let Some(release) = self.releases.remove(&piece.id) {
                            release.notify_one();
                        }
                    }
                    while seen.len() < wanted.len() {
                        seen.push(player.receive(&mut client).await);
                    }
                    assert_eq!(seen.len(), wanted.len(), "the server says more");
                    for pieces in [&mut wanted, &mut seen] {
                        pieces.sort_by_key(|piece| match self.lanes.get(&piece.id) {
                            Some(session) => (0, *session),
                            None => (1, piece.id),
                        });
                    }
                    for (wanted, seen) in wanted.into_iter().zip(seen) {
                        authenticated |= player.compare(wanted, seen);
                    }
                    if authenticated && !closed {
                        nothing_more(&mut client).await;
                    }
                }
            }
        }
        assert_eq!(service.left.lock().len(), 0, "requests that never reached the service");
        match closed {
            true => client.closed().await,
            false => nothing_more(&mut client).await,
        }
        drop((client, stop));
        serving.await.unwrap();
    }
}

/// The client's part.
struct Player {
    scram: Option<(ClientExchange, Vec<u8>)>,
    /// What is added to the transcript's request ids.
    shift: u64,
    /// Bodies of messages that have not come whole: the transcript's, and the server's.
    partial: HashMap<u64, [Vec<u8>; 2]>,
}

impl Player {
    /// The bytes of a frame. Proofs are made anew, for the server's nonce is; `refused`: with another password.
    fn outgoing(&mut self, piece: &Piece, refused: bool) -> Vec<u8> {
        let mut body = piece.body.clone();
        if piece.kind == Kind::Hello.number() {
            let hello = ClientHello::decode(&body).unwrap();
            if hello.mechanism == Mechanism::ScramSha256 {
                let first = String::from_utf8(hello.initial.clone()).unwrap();
                let nonce = first.split_once("r=").unwrap().1;
                let (exchange, initial) = ClientExchange::start(&hello.user, nonce, ClientBinding::Unsupported);
                assert_eq!(initial, hello.initial);
                self.scram = Some((exchange, Vec::new()));
            }
        } else if piece.kind == Kind::Auth.number() {
            let (exchange, challenge) = self.scram.as_mut().expect("HELLO comes before AUTH");
            let password = if refused { "another" } else { PASSWORD };
            let (data, _) = exchange.respond(challenge, password.as_bytes(), None).unwrap();
            body.clear();
            Auth { data, authenticated: false }.encode(&mut body);
        }
        let id = if piece.id == 0 { 0 } else { piece.id + self.shift };
        let length = (body.len() as u32).to_le_bytes();
        [&length[..], &[piece.kind, piece.flags, 0, 0], &id.to_le_bytes(), &body].concat()
    }

    async fn receive(&self, client: &mut Client) -> Piece {
        let (header, body) = client.frame().await;
        let id = if header.id == 0 { 0 } else { header.id - self.shift };
        let flags = u8::from(header.flags.more()) * MORE + u8::from(header.flags.end()) * END;
        Piece { kind: header.kind.number(), flags, id, body }
    }

    /// Compares a frame, and the message that it completes. `true`: the handshake has ended.
    fn compare(&mut self, wanted: Piece, seen: Piece) -> bool {
        let shape = |piece: &Piece| (piece.kind, piece.flags, piece.id);
        assert_eq!(shape(&wanted), shape(&seen), "kind, flags and id");
        let bodies = self.partial.entry(seen.id).or_default();
        bodies[0].extend(wanted.body);
        bodies[1].extend(seen.body);
        if seen.flags & MORE != 0 {
            assert_eq!(bodies[0].len(), bodies[1].len(), "cut alike");
            return false;
        }
        let [wanted, body] = self.partial.remove(&seen.id).unwrap();
        match Kind::from_number(seen.kind).unwrap() {
            Kind::Hello => {
                let (wanted, hello) = (ServerHello::decode(&wanted).unwrap(), ServerHello::decode(&body).unwrap());
                let agreed = |hello: &ServerHello| (hello.version, hello.capabilities.clone(), hello.authenticated);
                assert_eq!(agreed(&wanted), agreed(&hello));
                if let Some((_, challenge)) = &mut self.scram {
                    *challenge = hello.challenge;
                }
                return hello.authenticated;
            }
            Kind::Auth => {
                let (wanted, auth) = (Auth::decode(&wanted).unwrap(), Auth::decode(&body).unwrap());
                assert_eq!(wanted.authenticated, auth.authenticated);
                let (exchange, _) = self.scram.take().expect("AUTH answers AUTH");
                exchange.finish(&auth.data).expect("the server proves itself");
                return auth.authenticated;
            }
            Kind::Reply => assert_eq!(Reply::decode(wanted.into()).unwrap(), Reply::decode(body.into()).unwrap()),
            Kind::Error => {
                let [wanted, error] = [wanted, body].map(|body| ErrorBody {
                    message: String::new(), // The texts of vectors are no server's.
                    ..ErrorBody::decode(&body).unwrap()
                });
                assert_eq!(wanted, error, "error of request {}", seen.id);
            }
            Kind::Credit => assert_eq!(Credit::decode(&wanted).unwrap().bytes, Credit::decode(&body).unwrap().bytes),
            Kind::GoAway => {
                assert_eq!(GoAway::decode(&wanted).unwrap().drain_ms, GoAway::decode(&body).unwrap().drain_ms)
            }
            _ => assert_eq!(wanted, body),
        }
        false
    }
}

/// The service: it does what is left of the script.
struct Script {
    left: Mutex<Vec<Scripted>>,
}

#[derive(Default)]
struct Session {
    in_transaction: bool,
}

#[async_trait]
impl Service for Script {
    type Session = Session;

    fn identity(&self) -> Identity {
        Identity { gates: vec!["gate2:15300".into()], ..Identity::default() }
    }

    fn open(&self, _peer: &Arc<Peer>, _state: SessionState) -> Result<Session, ErrorBody> {
        Ok(Session::default())
    }

    async fn handle(
        &self,
        session: &mut Session,
        request: Box<Request>,
        context: &RequestContext,
        responder: &mut Responder,
    ) -> Result<Reply, ErrorBody> {
        let scripted = {
            let mut left = self.left.lock();
            let at = left.iter().position(|scripted| scripted.request == *request);
            at.map(|at| left.remove(at))
        };
        let Some(scripted) = scripted else {
            return Err(ErrorBody::new(Code::Internal, format!("{request:?} is not for the service")));
        };
        scripted.release.notified().await;
        for reply in scripted.replies {
            responder.send(reply).await?;
        }
        if scripted.cancelled {
            context.cancel.cancelled().await;
        }
        session.in_transaction = match &scripted.end {
            Ok(reply) => reply.end.as_ref().is_some_and(|end| end.in_transaction),
            Err(error) => error.in_transaction,
        };
        scripted.end
    }

    async fn reset(&self, session: &mut Session) -> Result<Reply, ErrorBody> {
        *session = Session::default();
        Ok(Reply { end: Some(Box::default()), ..Reply::default() })
    }

    async fn close(&self, _session: Session) {}

    fn is_busy(&self, session: &Session) -> bool {
        session.in_transaction
    }
}

/// What the listener answers by itself, besides requests that it cannot read or that are cancelled while they wait.
fn of_listener(code: &Code) -> bool {
    matches!(code, Code::Skipped | Code::Draining | Code::Exhausted | Code::TooLarge | Code::Protocol)
}

async fn send(client: &mut Client, bytes: &[u8], whole: bool) {
    if whole {
        return client.write(bytes).await;
    }
    let edge = SINGLE.min(bytes.len());
    let (first, rest) = bytes.split_at(edge);
    let (middle, last) = rest.split_at(rest.len() - edge.min(rest.len()));
    for part in first.chunks(1).chain(middle.chunks(997)).chain(last.chunks(1)) {
        client.write(part).await;
    }
}

async fn ping(client: &mut Client) {
    client.send(Kind::Ping, 0, Flags::NONE, &EMPTY_DOCUMENT).await;
}

/// The answer to a PING is the next that comes.
async fn nothing_more(client: &mut Client) {
    ping(client).await;
    let (header, body) = client.frame().await;
    assert_eq!((header.kind, header.flags, body), (Kind::Ping, Flags::END, EMPTY_DOCUMENT.to_vec()), "{header:?}");
}

/// Joins fragments that are smaller than a client can ask for: the listener does not cut so.
fn join_small(pieces: &mut Vec<Piece>) {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in std::mem::take(pieces) {
        let open = joined
            .iter_mut()
            .find(|open| open.id == piece.id && open.flags & MORE != 0 && open.body.len() < MIN_MAX_FRAME as usize);
        match open {
            Some(open) => {
                open.flags = piece.flags;
                open.body.extend(piece.body);
            }
            None => joined.push(piece),
        }
    }
    *pieces = joined;
}

fn pieces(mut bytes: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() {
        let length = u32::from_le_bytes(header[..4].try_into().unwrap()) as usize;
        let id = u64::from_le_bytes(header[8..].try_into().unwrap());
        pieces.push(Piece { kind: header[4], flags: header[5], id, body: rest[..length].to_vec() });
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty(), "steps are whole frames");
    pieces
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}
