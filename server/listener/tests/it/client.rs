//! A client that sends exactly what a test says, frame by frame.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::frame::{EMPTY_DOCUMENT, Flags, HEADER_LEN, Header, Kind};
use vitrail_proto::message::{Auth, ClientHello, Credit, GoAway, Mechanism, Op, Reply, Request, ServerHello};
use vitrail_proto::scram::{self, ClientBinding, ClientExchange};

/// Anything that carries bytes both ways.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

pub struct Client {
    pub wire: Box<dyn Wire>,
}

/// A message put together again.
#[derive(Debug)]
pub struct Message {
    pub kind: Kind,
    pub id: u64,
    pub end: bool,
    /// Body lengths of its frames.
    pub frames: Vec<usize>,
    pub body: Vec<u8>,
}

/// The END of a request and the REPLYs before it.
#[derive(Debug)]
pub struct Answer {
    pub id: u64,
    pub replies: Vec<Reply>,
    pub error: Option<ErrorBody>,
}

impl Answer {
    /// The text of its last reply.
    pub fn text(&self) -> &str {
        assert_eq!(self.error, None);
        self.replies.last().and_then(|reply| reply.json.as_deref()).expect("the answer has a text")
    }

    /// The same, or nothing.
    pub fn text_or_empty(&self) -> &str {
        self.replies.last().and_then(|reply| reply.json.as_deref()).unwrap_or_default()
    }

    pub fn code(&self) -> Code {
        self.error.as_ref().expect("the answer is an error").code.clone()
    }
}

pub fn hello(user: &str, mechanism: Mechanism, initial: Vec<u8>) -> ClientHello {
    ClientHello {
        min_version: 1,
        max_version: 1,
        capabilities: vec!["of-the-future".into()],
        max_frame: 256 * 1024,
        max_message: 128 * 1024 * 1024,
        user: user.into(),
        mechanism,
        initial,
        driver: "test/1".into(),
        application: "tests".into(),
        instance: "1".into(),
    }
}

/// An `execute` of a command.
pub fn execute(session: impl Into<Option<u64>>, command: &str) -> Request {
    let mut request = Request::new(Op::Execute);
    request.session = session.into();
    request.sql = Some(command.into());
    request
}

pub fn op(op: Op, session: u64) -> Request {
    let mut request = Request::new(op);
    request.session = Some(session);
    request
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client { wire: Box::new(stream) }
    }

    pub async fn trusted(address: SocketAddr, user: &str) -> Client {
        let mut client = Client::connect(address).await;
        client.log_in(hello(user, Mechanism::None, Vec::new())).await;
        client
    }

    /// A handshake without a proof.
    pub async fn log_in(&mut self, hello: ClientHello) -> ServerHello {
        self.hello(&hello).await;
        let answer = self.message().await;
        assert_eq!(answer.kind, Kind::Hello, "{answer:?}");
        let hello = ServerHello::decode(&answer.body).unwrap();
        assert!(hello.authenticated);
        hello
    }

    /// The whole of SCRAM. The server proves itself too.
    pub async fn scram(&mut self, user: &str, password: &str, binding: ClientBinding) -> Result<(), ErrorBody> {
        let mechanism = match binding {
            ClientBinding::EndPoint(_) => Mechanism::ScramSha256Plus,
            _ => Mechanism::ScramSha256,
        };
        let (mut exchange, initial) = ClientExchange::start(user, &scram::nonce(), binding);
        self.hello(&hello(user, mechanism, initial)).await;
        let first = self.message().await;
        if first.kind == Kind::Error {
            return Err(ErrorBody::decode(&first.body).unwrap());
        }
        let first = ServerHello::decode(&first.body).unwrap();
        assert!(!first.authenticated);
        let (data, _) = exchange.respond(&first.challenge, password.as_bytes(), None).unwrap();
        let mut body = Vec::new();
        Auth { data, authenticated: false }.encode(&mut body);
        self.send(Kind::Auth, 0, Flags::NONE, &body).await;
        let last = self.message().await;
        if last.kind == Kind::Error {
            return Err(ErrorBody::decode(&last.body).unwrap());
        }
        let last = Auth::decode(&last.body).unwrap();
        assert!(last.authenticated);
        exchange.finish(&last.data).unwrap();
        Ok(())
    }

    pub async fn hello(&mut self, hello: &ClientHello) {
        let mut body = Vec::new();
        hello.encode(&mut body);
        self.send(Kind::Hello, 0, Flags::NONE, &body).await;
    }

    pub async fn request(&mut self, id: u64, request: &Request) {
        let bytes = frame(Kind::Request, id, Flags::NONE, &body(request));
        self.write(&bytes).await;
    }

    /// Several requests in one write.
    pub async fn requests(&mut self, requests: &[(u64, Request)]) {
        let bytes: Vec<u8> =
            requests.iter().flat_map(|(id, request)| frame(Kind::Request, *id, Flags::NONE, &body(request))).collect();
        self.write(&bytes).await;
    }

    pub async fn cancel(&mut self, id: u64) {
        self.send(Kind::Cancel, id, Flags::NONE, &EMPTY_DOCUMENT).await;
    }

    pub async fn credit(&mut self, id: u64, bytes: u32) {
        let mut body = Vec::new();
        Credit { bytes }.encode(&mut body);
        self.send(Kind::Credit, id, Flags::NONE, &body).await;
    }

    pub async fn send(&mut self, kind: Kind, id: u64, flags: Flags, body: &[u8]) {
        self.write(&frame(kind, id, flags, body)).await;
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).await.unwrap();
        self.wire.flush().await.unwrap();
    }

    /// The next frame; `None` at the end of the stream.
    pub async fn try_frame(&mut self) -> Option<(Header, Vec<u8>)> {
        let mut head = [0; HEADER_LEN];
        self.wire.read_exact(&mut head).await.ok()?;
        let header = Header::decode(&head).unwrap();
        let mut body = vec![0; header.length as usize];
        self.wire.read_exact(&mut body).await.ok()?;
        Some((header, body))
    }

    pub async fn frame(&mut self) -> (Header, Vec<u8>) {
        self.try_frame().await.expect("the connection lives")
    }

    /// The next message, which must not be interleaved with others.
    pub async fn message(&mut self) -> Message {
        let (header, mut body) = self.frame().await;
        let mut frames = vec![body.len()];
        let mut last = header;
        while last.flags.more() {
            let (next, fragment) = self.frame().await;
            assert_eq!((next.id, next.kind), (header.id, header.kind));
            frames.push(fragment.len());
            body.extend(fragment);
            last = next;
        }
        Message { kind: header.kind, id: header.id, end: last.flags.end(), frames, body }
    }

    /// Reads until the next END of a request, granting no credit. REPLYs of other requests are not expected.
    pub async fn answer(&mut self) -> Answer {
        let mut replies = Vec::new();
        loop {
            let message = self.message().await;
            match message.kind {
                Kind::Reply => {
                    replies.push(Reply::decode(message.body.clone().into()).unwrap());
                    if message.end {
                        return Answer { id: message.id, replies, error: None };
                    }
                }
                Kind::Error => {
                    let error = ErrorBody::decode(&message.body).unwrap();
                    return Answer { id: message.id, replies, error: Some(error) };
                }
                other => panic!("{other:?} in place of an answer"),
            }
        }
    }

    /// Reads two answers: ids and lengths of their texts.
    pub async fn two_lengths(&mut self) -> [(u64, usize); 2] {
        let (first, second) = (self.answer().await, self.answer().await);
        [(first.id, first.text().len()), (second.id, second.text().len())]
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, id: u64, request: Request) -> Answer {
        self.request(id, &request).await;
        let answer = self.answer().await;
        assert_eq!(answer.id, id);
        answer
    }

    pub async fn go_away(&mut self) -> GoAway {
        let message = self.message().await;
        assert_eq!((message.kind, message.id), (Kind::GoAway, 0));
        GoAway::decode(&message.body).unwrap()
    }

    /// The error on id 0, after which the server closes.
    pub async fn refused(&mut self) -> ErrorBody {
        let message = self.message().await;
        assert_eq!((message.kind, message.id), (Kind::Error, 0), "{message:?}");
        let error = ErrorBody::decode(&message.body).unwrap();
        self.closed().await;
        error
    }

    /// The server has closed the connection.
    pub async fn closed(&mut self) {
        let next = self.try_frame().await;
        assert!(next.is_none(), "{next:?}");
    }
}

pub fn body(request: &Request) -> Vec<u8> {
    let mut body = Vec::new();
    request.encode(&mut body);
    body
}

pub fn frame(kind: Kind, id: u64, flags: Flags, body: &[u8]) -> Vec<u8> {
    let header = Header { length: body.len() as u32, kind, flags, id };
    [&header.encode()[..], body].concat()
}

/// A request as fragments of `size` bytes.
pub fn fragments(id: u64, request: &Request, size: usize) -> Vec<Vec<u8>> {
    let body = body(request);
    let count = body.len().div_ceil(size);
    body.chunks(size)
        .enumerate()
        .map(|(at, part)| frame(Kind::Request, id, Flags::NONE.with_more(at + 1 < count), part))
        .collect()
}
