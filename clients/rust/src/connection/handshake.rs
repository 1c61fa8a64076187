//! HELLO and AUTH: who the client is, proved without sending the password.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::frame::{Flags, Kind, Reassembler, Received, Side, write_message};
use vitrail_proto::limits::{Limits, MAX_UNAUTHENTICATED_FRAME, VERSION};
use vitrail_proto::message::{ClientHello, Mechanism, ServerHello};

use super::ConnectOptions;
use super::input::{self, broken};
use crate::error::Error;

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
    let mechanism = mechanism(options, binding.is_some())?;
    let hello = ClientHello {
        min_version: VERSION,
        max_version: VERSION,
        capabilities: Vec::new(),
        max_frame: limits.max_frame,
        max_message: limits.max_message,
        user: options.user.clone(),
        mechanism,
        initial: Vec::new(),
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
    if !hello.authenticated {
        return Err(Error::protocol("the server asks for a proof that its mechanism does not have"));
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
    let message =
        format!("the connection ended during the handshake: {error}; is this a Vitrail port, with TLS as configured?");
    Error::connect(message).with_source(error)
}

/// How the client proves itself: by its certificate, or not at all.
fn mechanism(options: &ConnectOptions, tls: bool) -> Result<Mechanism, Error> {
    if options.password.is_some() {
        return Err(Error::config(
            "passwords are not supported by this version; use a client certificate or a trusted user",
        ));
    }
    let certificate = options.tls.as_ref().is_some_and(|setup| setup.has_identity) && tls;
    Ok(if certificate { Mechanism::External } else { Mechanism::None })
}

/// SCRAM keys, so that a burst of connections derives them once.
#[derive(Debug, Default)]
pub struct KeyCache(());
