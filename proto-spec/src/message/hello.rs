//! HELLO and AUTH: how a connection begins.

use crate::document::{Field, Fields, Writer};
use crate::error::ProtocolError;
use crate::limits::{
    CEILING_MAX_FRAME, CEILING_MAX_MESSAGE, MAX_AUTH_DATA, MAX_NAME, MAX_NAMES, MIN_MAX_FRAME, MIN_MAX_MESSAGE,
};

/// How a peer proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// SCRAM-SHA-256 (RFC 7677).
    ScramSha256,
    /// SCRAM-SHA-256-PLUS, bound to the TLS server certificate by `tls-server-end-point` (RFC 5929).
    ScramSha256Plus,
    /// The TLS client certificate names the user.
    External,
    /// No proof; only on loopback or a Unix socket where the server is configured so.
    None,
}

impl Mechanism {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Mechanism::External => "EXTERNAL",
            Mechanism::None => "NONE",
        }
    }

    /// The mechanism of a name.
    pub fn parse(name: &str) -> Option<Mechanism> {
        [Mechanism::ScramSha256, Mechanism::ScramSha256Plus, Mechanism::External, Mechanism::None]
            .into_iter()
            .find(|mechanism| mechanism.as_str() == name)
    }
}

/// Client's HELLO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// Lowest protocol version that the client speaks.
    pub min_version: u32,
    /// Highest.
    pub max_version: u32,
    /// Capabilities by name; unknown ones are ignored.
    pub capabilities: Vec<String>,
    /// Largest frame body that the client accepts, in bytes.
    pub max_frame: u32,
    /// Largest message that the client accepts, in bytes.
    pub max_message: u32,
    /// The user; empty with [`Mechanism::External`].
    pub user: String,
    /// How the user is proved.
    pub mechanism: Mechanism,
    /// First message of the mechanism; empty if it has none.
    pub initial: Vec<u8>,
    /// Driver name and version, for people.
    pub driver: String,
    /// Application name, for people and for MySQL's process list.
    pub application: String,
    /// Instance of the application, for people.
    pub instance: String,
}

/// Server's HELLO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHello {
    /// The chosen protocol version.
    pub version: u32,
    /// The common capabilities.
    pub capabilities: Vec<String>,
    /// Largest frame body that the server accepts, in bytes.
    pub max_frame: u32,
    /// Largest message that the server accepts, in bytes.
    pub max_message: u32,
    /// The connection's number at this server.
    pub connection_id: u64,
    /// `MySQL` or `MariaDB`.
    pub flavour: String,
    /// The version of MySQL behind it, as MySQL says it.
    pub mysql_version: String,
    /// Other gates that serve the same cluster, as `host:port`.
    pub gates: Vec<String>,
    /// Changes whenever the gate's process starts anew.
    pub incarnation: String,
    /// The server will drain this connection after so many milliseconds; 0: never.
    pub max_age_ms: u64,
    /// The mechanism's answer to `initial`; empty if it has none.
    pub challenge: Vec<u8>,
    /// Authentication has ended: requests may follow.
    pub authenticated: bool,
}

/// AUTH, either way: one further message of the mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// The mechanism's bytes.
    pub data: Vec<u8>,
    /// Set by the server on its last: requests may follow.
    pub authenticated: bool,
}

impl ClientHello {
    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Writer::new(out);
        body.integer("min", self.min_version.into());
        body.integer("max", self.max_version.into());
        body.texts("caps", &self.capabilities);
        body.integer("max_frame", self.max_frame.into());
        body.integer("max_message", self.max_message.into());
        body.text("user", &self.user);
        body.text("mech", self.mechanism.as_str());
        body.binary("initial", &self.initial);
        body.text("driver", &self.driver);
        body.text("app", &self.application);
        body.text("instance", &self.instance);
        body.finish();
    }

    /// Reads the body of a client's HELLO.
    pub fn decode(body: &[u8]) -> Result<ClientHello, ProtocolError> {
        let (mut min, mut max, mut caps, mut max_frame, mut max_message) = (None, None, None, None, None);
        let (mut user, mut mechanism, mut initial) = (None, None, None);
        let (mut driver, mut application, mut instance) = (None, None, None);
        for field in Fields::open(body)?.iter() {
            let field = field?;
            let name = |field: &Field<'_>| field.text_within(MAX_NAME).map(str::to_owned);
            match field.name {
                "min" => field.put(&mut min, field.u32()?)?,
                "max" => field.put(&mut max, field.u32()?)?,
                "caps" => field.put(&mut caps, field.texts(MAX_NAMES)?)?,
                "max_frame" => field.put(&mut max_frame, frame_limit(&field)?)?,
                "max_message" => field.put(&mut max_message, message_limit(&field)?)?,
                "user" => field.put(&mut user, name(&field)?)?,
                "mech" => {
                    let known = Mechanism::parse(field.text()?).ok_or_else(|| field.error("is no known mechanism"))?;
                    field.put(&mut mechanism, known)?
                }
                "initial" => field.put(&mut initial, field.binary_within(MAX_AUTH_DATA)?.to_vec())?,
                "driver" => field.put(&mut driver, name(&field)?)?,
                "app" => field.put(&mut application, name(&field)?)?,
                "instance" => field.put(&mut instance, name(&field)?)?,
                _ => field.unknown()?,
            }
        }
        let hello = ClientHello {
            min_version: min.ok_or(ProtocolError::MissingField("min"))?,
            max_version: max.ok_or(ProtocolError::MissingField("max"))?,
            capabilities: caps.unwrap_or_default(),
            max_frame: max_frame.ok_or(ProtocolError::MissingField("max_frame"))?,
            max_message: max_message.ok_or(ProtocolError::MissingField("max_message"))?,
            user: user.unwrap_or_default(),
            mechanism: mechanism.ok_or(ProtocolError::MissingField("mech"))?,
            initial: initial.unwrap_or_default(),
            driver: driver.unwrap_or_default(),
            application: application.unwrap_or_default(),
            instance: instance.unwrap_or_default(),
        };
        if hello.min_version == 0 || hello.min_version > hello.max_version {
            return Err(ProtocolError::field("min", "must be from 1 to `max`"));
        }
        Ok(hello)
    }
}

impl ServerHello {
    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Writer::new(out);
        body.integer("version", self.version.into());
        body.texts("caps", &self.capabilities);
        body.integer("max_frame", self.max_frame.into());
        body.integer("max_message", self.max_message.into());
        body.counter("connection_id", self.connection_id);
        body.text("flavour", &self.flavour);
        body.text("mysql_version", &self.mysql_version);
        body.texts("gates", &self.gates);
        body.text("incarnation", &self.incarnation);
        body.counter("max_age_ms", self.max_age_ms);
        body.binary("challenge", &self.challenge);
        body.boolean("authenticated", self.authenticated);
        body.finish();
    }

    /// Reads the body of a server's HELLO.
    pub fn decode(body: &[u8]) -> Result<ServerHello, ProtocolError> {
        let (mut version, mut caps, mut max_frame, mut max_message) = (None, None, None, None);
        let (mut connection_id, mut flavour, mut mysql_version, mut gates) = (None, None, None, None);
        let (mut incarnation, mut max_age, mut challenge, mut authenticated) = (None, None, None, None);
        for field in Fields::open(body)?.iter() {
            let field = field?;
            match field.name {
                "version" => field.put(&mut version, field.u32()?)?,
                "caps" => field.put(&mut caps, field.texts(MAX_NAMES)?)?,
                "max_frame" => field.put(&mut max_frame, frame_limit(&field)?)?,
                "max_message" => field.put(&mut max_message, message_limit(&field)?)?,
                "connection_id" => field.put(&mut connection_id, field.counter()?)?,
                "flavour" => field.put(&mut flavour, field.text()?.to_owned())?,
                "mysql_version" => field.put(&mut mysql_version, field.text()?.to_owned())?,
                "gates" => field.put(&mut gates, field.texts(MAX_NAMES)?)?,
                "incarnation" => field.put(&mut incarnation, field.text()?.to_owned())?,
                "max_age_ms" => field.put(&mut max_age, field.counter()?)?,
                "challenge" => field.put(&mut challenge, field.binary_within(MAX_AUTH_DATA)?.to_vec())?,
                "authenticated" => field.put(&mut authenticated, field.boolean()?)?,
                _ => field.unknown()?,
            }
        }
        Ok(ServerHello {
            version: version.ok_or(ProtocolError::MissingField("version"))?,
            capabilities: caps.unwrap_or_default(),
            max_frame: max_frame.ok_or(ProtocolError::MissingField("max_frame"))?,
            max_message: max_message.ok_or(ProtocolError::MissingField("max_message"))?,
            connection_id: connection_id.unwrap_or(0),
            flavour: flavour.unwrap_or_default(),
            mysql_version: mysql_version.unwrap_or_default(),
            gates: gates.unwrap_or_default(),
            incarnation: incarnation.unwrap_or_default(),
            max_age_ms: max_age.unwrap_or(0),
            challenge: challenge.unwrap_or_default(),
            authenticated: authenticated.unwrap_or(false),
        })
    }
}

impl Auth {
    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Writer::new(out);
        body.binary("data", &self.data);
        body.flag("authenticated", self.authenticated);
        body.finish();
    }

    /// Reads the body of an AUTH.
    pub fn decode(body: &[u8]) -> Result<Auth, ProtocolError> {
        let (mut data, mut authenticated) = (None, None);
        for field in Fields::open(body)?.iter() {
            let field = field?;
            match field.name {
                "data" => field.put(&mut data, field.binary_within(MAX_AUTH_DATA)?.to_vec())?,
                "authenticated" => field.put(&mut authenticated, field.boolean()?)?,
                _ => field.unknown()?,
            }
        }
        Ok(Auth {
            data: data.ok_or(ProtocolError::MissingField("data"))?,
            authenticated: authenticated.unwrap_or(false),
        })
    }
}

fn frame_limit(field: &Field<'_>) -> Result<u32, ProtocolError> {
    within(field, MIN_MAX_FRAME, CEILING_MAX_FRAME)
}

fn message_limit(field: &Field<'_>) -> Result<u32, ProtocolError> {
    within(field, MIN_MAX_MESSAGE, CEILING_MAX_MESSAGE)
}

fn within(field: &Field<'_>, least: u32, most: u32) -> Result<u32, ProtocolError> {
    let value = field.u32()?;
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(field.error(format!("must be from {least} to {most}")))
    }
}
