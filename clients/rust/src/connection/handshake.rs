//! HELLO and AUTH: who the client is, proved without sending the password.

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::frame::{Flags, Kind, Reassembler, Received, Side, write_message};
use vitrail_proto::limits::{Limits, MAX_UNAUTHENTICATED_FRAME, VERSION};
use vitrail_proto::message::{Auth, ClientHello, Mechanism, ServerHello};
use vitrail_proto::scram::{self, ClientBinding, ClientExchange, ClientKeys, ScramError};

use super::ConnectOptions;
use super::input::{self, broken};
use crate::error::Error;

/// How a server begins that speaks TLS only: an alert record of any version. As the length of a frame it would be above what
/// a handshake allows.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// A stream that may carry requests.
pub(super) struct Greeted {
    pub(super) hello: ServerHello,
    /// What came behind the handshake.
    pub(super) buffer: BytesMut,
    pub(super) messages: Reassembler,
}

pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    binding: Option<Vec<u8>>,
    options: &ConnectOptions,
) -> Result<Greeted, Error> {
    let limits = Limits::default();
    let messages = Reassembler::new(Side::Client, limits);
    let mut talk = Talk { stream, buffer: BytesMut::new(), messages };
    let exchange = Exchange::start(options, binding);
    let hello = ClientHello {
        min_version: VERSION,
        max_version: VERSION,
        capabilities: Vec::new(),
        max_frame: limits.max_frame,
        max_message: limits.max_message,
        user: options.user.clone(),
        mechanism: exchange.mechanism(),
        initial: exchange.initial(),
        driver: concat!("vitrail-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        application: options.application.clone(),
        instance: options.instance.clone(),
    };
    let mut body = Vec::with_capacity(512);
    hello.encode(&mut body);
    talk.send(Kind::Hello, &body).await?;
    let hello = ServerHello::decode(&talk.receive(Kind::Hello).await?).map_err(broken)?;
    if hello.version != VERSION {
        return Err(Error::connect(format!(
            "the server chose protocol version {}, which was not offered",
            hello.version
        )));
    }
    if hello.authenticated {
        if matches!(exchange, Exchange::Scram { .. }) {
            let message = "the server proved nothing of its own: it may be an impostor";
            return Err(Error::connect(message).with_code(Code::Unauthenticated));
        }
    } else {
        let (data, exchange) = exchange.answer(hello.challenge.clone(), options).await?;
        body.clear();
        Auth { data, authenticated: false }.encode(&mut body);
        talk.send(Kind::Auth, &body).await?;
        let last = Auth::decode(&talk.receive(Kind::Auth).await?).map_err(broken)?;
        if !last.authenticated {
            return Err(Error::protocol("the server asks for more than the mechanism has"));
        }
        exchange.finish(&last.data).map_err(unproved)?;
    }
    talk.messages.set_authenticated();
    Ok(Greeted { hello, buffer: talk.buffer, messages: talk.messages })
}

/// The stream during the handshake: one message at a time.
struct Talk<'a, S> {
    stream: &'a mut S,
    buffer: BytesMut,
    messages: Reassembler,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    async fn send(&mut self, kind: Kind, body: &[u8]) -> Result<(), Error> {
        let mut out = Vec::with_capacity(body.len() + 16);
        write_message(&mut out, kind, Flags::NONE, 0, MAX_UNAUTHENTICATED_FRAME, body);
        let sent = async {
            self.stream.write_all(&out).await?;
            self.stream.flush().await
        };
        sent.await.map_err(cut_off)
    }

    async fn receive(&mut self, kind: Kind) -> Result<bytes::Bytes, Error> {
        loop {
            if self.buffer.starts_with(&TLS_ALERT) && self.buffer.get(2).is_some_and(|version| *version != 0) {
                let message = "the server answers in TLS, and this connection is plain text: ask for TLS by \
                               `tls=verify-full` in the URL, and name the authority to trust by `ca=`";
                return Err(Error::connect(message));
            }
            while let Some((_, received)) = input::next(&mut self.buffer, &mut self.messages)? {
                match received {
                    Received::Message(message) if message.kind == kind => return Ok(message.body),
                    Received::Message(message) if message.kind == Kind::Error => {
                        return Err(Error::server(ErrorBody::decode(&message.body).map_err(broken)?));
                    }
                    Received::Skipped => {}
                    _ => return Err(Error::protocol("the server broke the order of the handshake")),
                }
            }
            self.buffer.reserve(4096);
            if self.stream.read_buf(&mut self.buffer).await.map_err(cut_off)? == 0 {
                return Err(cut_off(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

fn cut_off(error: std::io::Error) -> Error {
    let message = format!(
        "the connection ended during the handshake: {error}; is this a Vitrail port, and does it speak TLS? See `tls` in the URL"
    );
    Error::connect(message).with_source(error)
}

/// The client's side of the mechanism.
enum Exchange {
    /// SCRAM, with or without channel binding.
    Scram { exchange: ClientExchange, initial: Vec<u8>, mechanism: Mechanism },
    /// Nothing is proved in messages.
    Silent(Mechanism),
}

impl Exchange {
    /// A password is proved by SCRAM, bound to the TLS channel if there is one; without one the client's certificate speaks, or nothing.
    fn start(options: &ConnectOptions, binding: Option<Vec<u8>>) -> Exchange {
        if options.password.is_none() {
            let certificate = options.tls.as_ref().is_some_and(|tls| tls.has_identity()) && binding.is_some();
            return Exchange::Silent(if certificate { Mechanism::External } else { Mechanism::None });
        }
        let (mechanism, binding) = match binding {
            Some(data) if !data.is_empty() => (Mechanism::ScramSha256Plus, ClientBinding::EndPoint(data)),
            _ => (Mechanism::ScramSha256, ClientBinding::Unsupported),
        };
        let (exchange, initial) = ClientExchange::start(&options.user, &scram::nonce(), binding);
        Exchange::Scram { exchange, initial, mechanism }
    }

    fn mechanism(&self) -> Mechanism {
        match self {
            Exchange::Scram { mechanism, .. } | Exchange::Silent(mechanism) => *mechanism,
        }
    }

    fn initial(&self) -> Vec<u8> {
        match self {
            Exchange::Scram { initial, .. } => initial.clone(),
            Exchange::Silent(_) => Vec::new(),
        }
    }

    /// The proof for the server's challenge, and what must still be checked of its last message.
    async fn answer(self, challenge: Vec<u8>, options: &ConnectOptions) -> Result<(Vec<u8>, ClientExchange), Error> {
        let Exchange::Scram { mut exchange, .. } = self else {
            return Err(Error::connect("the server asks for a password and none is configured")
                .with_code(Code::Unauthenticated));
        };
        let password = options.password.clone().unwrap_or_default();
        let kept = options.keys.get(&options.user);
        // Deriving the keys takes up to a second of computing.
        let derived = tokio::task::spawn_blocking(move || {
            let answer = exchange.respond(&challenge, password.as_bytes(), kept.as_ref());
            (answer, exchange)
        });
        let (answer, exchange) =
            derived.await.map_err(|error| Error::connect("the proof could not be computed").with_source(error))?;
        let (proof, keys) = answer.map_err(unproved)?;
        options.keys.keep(&options.user, keys);
        Ok((proof, exchange))
    }
}

fn unproved(error: ScramError) -> Error {
    Error::connect(format!("authentication failed: {error}")).with_code(Code::Unauthenticated).with_source(error)
}

/// SCRAM keys by user, so that a burst of connections derives them once. Those of another salt or count replace them.
#[derive(Debug, Default)]
pub struct KeyCache(Mutex<Option<(String, ClientKeys)>>);

impl KeyCache {
    fn get(&self, user: &str) -> Option<ClientKeys> {
        self.0.lock().as_ref().filter(|(known, _)| known == user).map(|(_, keys)| keys.clone())
    }

    fn keep(&self, user: &str, keys: ClientKeys) {
        *self.0.lock() = Some((user.to_owned(), keys));
    }
}
