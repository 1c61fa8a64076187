//! HELLO and AUTH: agree on a version and limits, and find out who is there. No request is read before that.

use std::io::{self, IoSlice};

use tokio::net::TcpStream;
use tokio::time::Instant;
use vitrail_proto::error::{Code, ErrorBody, ProtocolError};
use vitrail_proto::frame::{HEADER_LEN, Header, Kind};
use vitrail_proto::limits::{MAX_UNAUTHENTICATED_FRAME, MIN_MAX_FRAME, VERSION};
use vitrail_proto::message::{Auth, ClientHello, Mechanism, ServerHello};
use vitrail_proto::scram::{self, ServerExchange};

use crate::audit;
use crate::input::admit;
use crate::listener::{Origin, Shared};
use crate::outgoing::{CONNECTION, Outgoing};
use crate::service::{Peer, Service};
use crate::socket::Socket;
use crate::users::{User, Users};

/// Capabilities of this server. Version 1 has none.
const CAPABILITIES: [&str; 0] = [];
/// Bytes read at once.
const READ_BYTES: usize = 1024;

/// A connection whose user is known.
pub(crate) struct Established {
    pub(crate) socket: Socket,
    pub(crate) peer: Peer,
    /// Largest frame body that the peer accepts.
    pub(crate) max_frame: u32,
    /// Largest message that the peer accepts.
    pub(crate) max_message: u32,
}

/// Greets a peer. `None`: it was told why not, where possible, and left.
pub(crate) async fn shake<S: Service>(
    shared: &Shared,
    service: &S,
    socket: Socket,
    origin: Origin,
) -> Option<Established> {
    let mut greeting = Greeting { socket, buffer: Vec::new(), user: String::new(), mechanism: "" };
    match greeting.negotiate(shared, service, &origin).await {
        Ok((peer, max_frame, max_message)) => {
            audit::login(&peer, greeting.mechanism);
            Some(Established { socket: greeting.socket, peer, max_frame, max_message })
        }
        Err(failure) => {
            let error = match failure {
                Failure::Lost => return None,
                Failure::Violation(error) => {
                    shared.counters.violations.add(1);
                    error
                }
                Failure::Refused(error) => {
                    shared.counters.unauthorised.add(1);
                    error
                }
            };
            let (user, mechanism) = (&*greeting.user, greeting.mechanism);
            audit::refused(&shared.refusals, user, &origin.to_string(), mechanism, &error.message);
            if greeting.send(Outgoing::error(CONNECTION, error)).await.is_ok() {
                greeting.farewell().await;
            }
            None
        }
    }
}

/// Why a handshake fails.
enum Failure {
    /// The socket is gone.
    Lost,
    /// The peer does not speak the protocol.
    Violation(ErrorBody),
    /// It does, but may not come in.
    Refused(ErrorBody),
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Failure {
        Failure::Lost
    }
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Failure {
        Failure::Violation(error.into())
    }
}

/// A socket during its handshake, and what was read too far.
struct Greeting {
    socket: Socket,
    buffer: Vec<u8>,
    /// Whom and how HELLO names, for the log.
    user: String,
    mechanism: &'static str,
}

impl Greeting {
    async fn negotiate<S: Service>(
        &mut self,
        shared: &Shared,
        service: &S,
        origin: &Origin,
    ) -> Result<(Peer, u32, u32), Failure> {
        let hello = ClientHello::decode(&self.receive(Kind::Hello).await?)?;
        self.user.clone_from(&hello.user);
        self.mechanism = hello.mechanism.as_str();
        if hello.min_version > VERSION || hello.max_version < VERSION {
            return Err(Failure::Refused(ErrorBody::new(
                Code::Unsupported,
                format!(
                    "the server speaks versions {VERSION} to {VERSION} of the protocol, the client {} to {}",
                    hello.min_version, hello.max_version
                ),
            )));
        }
        if hello.max_frame < MIN_MAX_FRAME || hello.max_message < hello.max_frame {
            return Err(Failure::Violation(ErrorBody::new(
                Code::Protocol,
                format!("max_frame is at least {MIN_MAX_FRAME} bytes, and max_message at least max_frame"),
            )));
        }
        let identity = service.identity();
        let mut answer = ServerHello {
            version: VERSION,
            capabilities: CAPABILITIES
                .iter()
                .filter(|known| hello.capabilities.iter().any(|offered| offered == *known))
                .map(|name| (*name).to_owned())
                .collect(),
            max_frame: shared.limits.max_frame,
            max_message: shared.limits.max_message,
            connection_id: shared.new_connection_id(),
            flavour: identity.flavour,
            mysql_version: identity.mysql_version,
            gates: identity.gates,
            incarnation: identity.incarnation,
            max_age_ms: shared.max_age_ms(),
            challenge: Vec::new(),
            authenticated: false,
        };
        let connection_id = answer.connection_id;
        let users = shared.users.load_full();
        let user = match hello.mechanism {
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                self.scram(shared, &users, origin, &hello, &mut answer).await?
            }
            Mechanism::External => {
                let user = external(&users, origin, &hello.user)?;
                answer.authenticated = true;
                self.end(Outgoing::hello(&answer)).await?;
                user
            }
            Mechanism::None => {
                let user = trusted(shared, &users, origin, &hello.user)?;
                answer.authenticated = true;
                self.end(Outgoing::hello(&answer)).await?;
                user
            }
        };
        let peer = Peer {
            connection_id,
            user: user.name().clone(),
            gate: user.is_gate(),
            application: hello.application.into(),
            address: origin.to_string().into(),
        };
        Ok((peer, hello.max_frame, hello.max_message))
    }

    /// SCRAM in two round trips: first messages inside the HELLOs, the rest in one AUTH each way. An unknown user goes
    /// through the same motions.
    async fn scram<'s>(
        &mut self,
        shared: &Shared,
        users: &'s Users,
        origin: &Origin,
        hello: &ClientHello,
        answer: &mut ServerHello,
    ) -> Result<&'s User, Failure> {
        pause(shared, origin)?;
        let user = users.get(&hello.user);
        let keys = match user.and_then(User::keys) {
            Some(keys) => keys.clone(),
            None => users.mock(&hello.user),
        };
        let plus = hello.mechanism == Mechanism::ScramSha256Plus;
        let denied = || {
            shared.throttle.failed(origin.ip(), Instant::now());
            Failure::Refused(denied(&hello.user))
        };
        let (exchange, server_first) = ServerExchange::start(
            &hello.initial,
            plus,
            origin.end_point.as_deref(),
            &hello.user,
            keys,
            &scram::nonce(),
        )
        .map_err(|_| denied())?;
        answer.challenge = server_first;
        self.send(Outgoing::hello(answer)).await?;
        let proof = Auth::decode(&self.receive(Kind::Auth).await?)?;
        // Others from there may have failed meanwhile: nothing is told of a guess that comes too fast.
        pause(shared, origin)?;
        let server_final = exchange.finish(&proof.data).map_err(|_| denied())?;
        let user = user.filter(|user| user.keys().is_some()).ok_or_else(denied)?;
        self.end(Outgoing::auth(&Auth { data: server_final, authenticated: true })).await?;
        Ok(user)
    }

    /// Sends the last message of the handshake. What the peer has sent already, it sent before it knew that it may.
    async fn end(&mut self, message: Outgoing) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            return Err(Failure::Violation(ErrorBody::new(
                Code::Protocol,
                "nothing may follow the client's part of the handshake before the server has ended it",
            )));
        }
        self.buffer = Vec::new();
        Ok(self.send(message).await?)
    }

    /// The next frame's body, which must be of `kind`.
    async fn receive(&mut self, kind: Kind) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(head) = self.buffer.first_chunk::<HEADER_LEN>() {
                let header = admit(Header::decode(head)?, MAX_UNAUTHENTICATED_FRAME)?;
                if header.kind != kind || header.flags.more() {
                    return Err(Failure::Violation(ErrorBody::new(
                        Code::Protocol,
                        format!("expected one {kind:?} frame on id 0, got {:?} on id {}", header.kind, header.id),
                    )));
                }
                let total = HEADER_LEN + header.length as usize;
                if self.buffer.len() >= total {
                    let rest = self.buffer.split_off(total);
                    let mut frame = std::mem::replace(&mut self.buffer, rest);
                    frame.drain(..HEADER_LEN);
                    return Ok(frame);
                }
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        loop {
            self.socket.readable().await?;
            let used = self.buffer.len();
            self.buffer.resize(used + READ_BYTES, 0);
            let read = self.socket.try_read(&mut self.buffer[used..]);
            self.buffer.truncate(used + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn send(&mut self, message: Outgoing) -> io::Result<()> {
        for frame in message.into_frames(MAX_UNAUTHENTICATED_FRAME) {
            for bytes in &frame.0 {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    match self.socket.try_write(&[IoSlice::new(rest)]) {
                        Ok(written) => rest = &rest[written..],
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.writable().await?,
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        loop {
            match self.socket.try_flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.writable().await?,
                other => return other,
            }
        }
    }

    /// FIN, then waits for the peer's, so that the error is not lost. The time for authentication bounds it.
    async fn farewell(&mut self) {
        self.socket.finish();
        loop {
            self.buffer.clear();
            if self.read().await.is_err() {
                return;
            }
        }
    }
}

/// Refuses while the address has to pause.
fn pause(shared: &Shared, origin: &Origin) -> Result<(), Failure> {
    let Some(left) = shared.throttle.pause(origin.ip(), Instant::now()) else { return Ok(()) };
    shared.counters.throttled.add(1);
    let message = "too many logins from your address have failed; pause before the next one";
    let mut error = ErrorBody::new(Code::Throttled, message);
    error.retry_after_ms = Some(u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1));
    Err(Failure::Refused(error))
}

/// Tells a client that speaks plaintext on a port for TLS, and leaves it.
pub(crate) async fn turn_away(stream: TcpStream) {
    let Ok(socket) = Socket::tcp(stream) else { return };
    let mut greeting = Greeting { socket, buffer: Vec::new(), user: String::new(), mechanism: "" };
    let message = "this port speaks TLS; connect with `tls=verify-full` in the URL";
    if greeting.send(Outgoing::error(CONNECTION, ErrorBody::new(Code::Protocol, message))).await.is_ok() {
        greeting.farewell().await;
    }
}

/// The same for an unknown user as for a wrong password.
fn denied(user: &str) -> ErrorBody {
    ErrorBody::new(
        Code::Unauthenticated,
        format!("access denied for user '{user}'; check user name, password and mechanism"),
    )
}

/// The certificate names the user; HELLO may name one of several.
fn external<'s>(users: &'s Users, origin: &Origin, user: &str) -> Result<&'s User, Failure> {
    origin
        .certificate_names
        .iter()
        .filter(|name| user.is_empty() || ***name == *user)
        .find_map(|name| users.get(name).filter(|user| user.by_certificate()))
        .ok_or_else(|| Failure::Refused(denied(user)))
}

/// A known user without a proof, from this machine, if the operator trusts it.
fn trusted<'s>(shared: &Shared, users: &'s Users, origin: &Origin, user: &str) -> Result<&'s User, Failure> {
    if !shared.trust_local || !origin.is_local() {
        return Err(Failure::Refused(ErrorBody::new(
            Code::Unauthenticated,
            "mechanism NONE is not allowed here; log in with a password",
        )));
    }
    users.get(user).ok_or_else(|| Failure::Refused(denied(user)))
}
