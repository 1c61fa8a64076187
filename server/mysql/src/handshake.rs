//! From an open socket to a session: the server's greeting, TLS, our response, the login.

use std::sync::Arc;

use crate::authentication::{self, Plugin, trim_nonce};
use crate::capability::{self, Capabilities};
use crate::error::{Error, Result};
use crate::flavour::{Flavour, Version};
use crate::options::ConnectOptions;
use crate::packet::Channel;
use crate::response::{End, server_error};
use crate::tls::TlsMode;
use crate::transport::Transport;
use crate::wire::{Reader, put_lenenc, put_lenenc_bytes};

/// The largest packet that we announce; the server's own limit is usually smaller.
const ANNOUNCED_MAX_PACKET: u32 = 1 << 30;
/// A greeting or login packet is far below this.
const MAX_LOGIN_PACKET: usize = 1 << 20;

/// What the server says of itself.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) version_text: String,
    pub(crate) thread_id: u32,
    pub(crate) capabilities: Capabilities,
    nonce: Vec<u8>,
    plugin: Plugin,
}

/// A session that has just been logged in.
pub(crate) struct Session {
    pub(crate) channel: Channel,
    pub(crate) greeting: Greeting,
    pub(crate) capabilities: Capabilities,
    pub(crate) flavour: Flavour,
    pub(crate) version: Version,
    pub(crate) end: End,
}

/// Opens a socket and logs in. No time limit of its own.
pub(crate) async fn open(options: &Arc<ConnectOptions>) -> Result<Session> {
    let transport =
        Transport::open(&options.address, options.local_address).await.map_err(|source| lost(options, source))?;
    let mut channel = Channel::new(transport, MAX_LOGIN_PACKET);
    let greeting = Greeting::parse(&channel.payload().await?)?;
    let (flavour, version) = Flavour::of_greeting(&greeting.version_text);

    let mut capabilities = capability::WANTED & greeting.capabilities;
    if capabilities & capability::REQUIRED != capability::REQUIRED {
        return Err(Error::Authentication(format!("the server's version {} is too old", greeting.version_text)));
    }
    if options.old_eof {
        capabilities &= !capability::DEPRECATE_EOF;
    }
    if options.database.is_some() {
        capabilities |= capability::CONNECT_WITH_DB;
    }
    if wants_tls(options, &channel, greeting.capabilities)? {
        capabilities |= capability::SSL;
    }

    let mut response = Vec::with_capacity(256);
    response.extend_from_slice(&capabilities.to_le_bytes());
    response.extend_from_slice(&ANNOUNCED_MAX_PACKET.to_le_bytes());
    response.push(flavour.handshake_collation(version));
    response.extend_from_slice(&[0; 23]);
    if capabilities & capability::SSL != 0 {
        channel.send_answer(&response).await?;
        // What came before TLS is in the clear and could be anybody's: nothing of it is kept.
        if !channel.is_drained() {
            return Err(Error::Protocol("data before the TLS handshake"));
        }
        let plain = std::mem::replace(&mut channel.transport, Transport::Closed);
        channel.transport = plain.upgrade(&options.tls, &options.address).await?;
    }
    put_login(&mut response, options, &greeting, capabilities);
    channel.send_answer(&response).await?;
    let (plugin, nonce) = (greeting.plugin, greeting.nonce.clone());
    let end = authentication::log_in(&mut channel, options, capabilities, plugin, nonce).await?;
    channel.set_max_packet(options.max_packet);
    Ok(Session { channel, greeting, capabilities, flavour, version, end })
}

/// What an error means while a connection is made: no statement was sent, so that nothing is in doubt.
pub(crate) fn refused(options: &ConnectOptions, error: Error) -> Error {
    match error {
        Error::Server(error) => Error::Login(error),
        Error::Io { source, .. } => lost(options, source),
        Error::Protocol(text) => Error::Authentication(format!("it does not answer as a mysql server: {text}")),
        other => other,
    }
}

fn lost(options: &ConnectOptions, source: std::io::Error) -> Error {
    Error::Unreachable { address: options.address.to_string(), source }
}

/// Whether to speak TLS with this server.
fn wants_tls(options: &ConnectOptions, channel: &Channel, offered: Capabilities) -> Result<bool> {
    let offered = offered & capability::SSL != 0;
    match options.tls.mode() {
        TlsMode::Disable => Ok(false),
        // A Unix socket cannot be read by others.
        TlsMode::Prefer => Ok(offered && !channel.transport.is_private()),
        _ if !offered => Err(Error::Tls(
            "the server does not offer it; set it up there, or choose a mode that does not require it".into(),
        )),
        _ => Ok(true),
    }
}

/// Appends who we are to the fixed part of the response.
fn put_login(out: &mut Vec<u8>, options: &ConnectOptions, greeting: &Greeting, capabilities: Capabilities) {
    let zero_ended = |out: &mut Vec<u8>, text: &str| {
        out.extend(text.bytes().take_while(|&byte| byte != 0));
        out.push(0);
    };
    zero_ended(out, &options.user);
    let answer = greeting.plugin.answer(&options.password, &greeting.nonce);
    if capabilities & capability::PLUGIN_AUTH_LENENC_DATA != 0 {
        put_lenenc_bytes(out, &answer);
    } else {
        out.push(answer.len() as u8);
        out.extend_from_slice(&answer);
    }
    if let Some(database) = &options.database {
        zero_ended(out, database);
    }
    zero_ended(out, greeting.plugin.as_str());
    if capabilities & capability::CONNECT_ATTRS != 0 {
        let process = std::process::id().to_string();
        let attributes = [
            ("_client_name", "vitrail"),
            ("_client_version", env!("CARGO_PKG_VERSION")),
            ("_pid", &process),
            ("program_name", "vitrail"),
        ];
        let mut block = Vec::new();
        for (name, value) in attributes {
            put_lenenc_bytes(&mut block, name.as_bytes());
            put_lenenc_bytes(&mut block, value.as_bytes());
        }
        put_lenenc(out, block.len() as u64);
        out.extend_from_slice(&block);
    }
}

impl Greeting {
    /// Reads the server's first packet: Handshake v10, or an error such as "too many connections".
    fn parse(payload: &[u8]) -> Result<Greeting> {
        let mut reader = Reader::new(payload);
        match reader.u8()? {
            10 => {}
            0xff => return Err(server_error(payload)),
            _ => return Err(Error::Protocol("the peer is not a mysql server")),
        }
        let version_text = String::from_utf8_lossy(reader.until_zero()).into_owned();
        // MariaDB before 11 pretends to be 5.5.5, for replicas that know one digit; `SELECT VERSION()` does not.
        let version_text = version_text.strip_prefix("5.5.5-").map_or(version_text.clone(), str::to_owned);
        let thread_id = reader.u32()?;
        let mut nonce = reader.bytes(8)?.to_vec();
        reader.u8()?;
        let mut capabilities = u32::from(reader.u16()?);
        reader.u8()?;
        reader.u16()?;
        capabilities |= u32::from(reader.u16()?) << 16;
        let length = reader.u8()?;
        reader.bytes(10)?;
        let rest = reader.bytes(usize::from(length).saturating_sub(8).max(13))?;
        nonce.extend_from_slice(trim_nonce(rest));
        let plugin = Plugin::first(reader.until_zero());
        Ok(Greeting { version_text, thread_id, capabilities, nonce, plugin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_that_are_cut_short_or_foreign_are_errors() {
        let mut greeting = b"\x0a9.7.4\0\x07\0\0\0abcdefgh\0\xff\xff\xff\x02\0\xff\xdf\x15".to_vec();
        greeting.extend_from_slice(&[0; 10]);
        greeting.extend_from_slice(b"ijklmnopqrst\0caching_sha2_password\0");
        let parsed = Greeting::parse(&greeting).unwrap();
        assert_eq!((parsed.thread_id, parsed.plugin), (7, Plugin::CachingSha2));
        assert_eq!(parsed.nonce, b"abcdefghijklmnopqrst");
        for cut in 0..greeting.len() - 22 {
            assert!(Greeting::parse(&greeting[..cut]).is_err(), "{cut}");
        }
        assert!(matches!(Greeting::parse(b"SSH-2.0"), Err(Error::Protocol(_))));
        let full = Greeting::parse(b"\xff\x10\x04Too many connections").unwrap_err();
        assert!(full.server().is_some_and(|error| error.errno == 1040), "{full}");
    }
}
