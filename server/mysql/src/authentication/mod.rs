//! Logging in: which plugin answers the server's challenge, and what it may say over which transport.

mod caching_sha2;
mod native;

use crate::capability::Capabilities;
use crate::error::{Error, Result};
use crate::options::ConnectOptions;
use crate::packet::Channel;
use crate::response::{End, server_error};
use crate::wire::Reader;

/// A way of logging in that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plugin {
    CachingSha2,
    Native,
}

impl Plugin {
    fn parse(name: &[u8]) -> Option<Plugin> {
        match name {
            b"caching_sha2_password" => Some(Plugin::CachingSha2),
            b"mysql_native_password" => Some(Plugin::Native),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Plugin::CachingSha2 => "caching_sha2_password",
            Plugin::Native => "mysql_native_password",
        }
    }

    /// The plugin to begin with: the server's choice, or one that it will switch from.
    pub(crate) fn first(name: &[u8]) -> Plugin {
        Plugin::parse(name).unwrap_or(Plugin::Native)
    }

    /// The answer to a challenge; empty for an empty password.
    pub(crate) fn answer(self, password: &str, nonce: &[u8]) -> Vec<u8> {
        if password.is_empty() {
            return Vec::new();
        }
        match self {
            Plugin::CachingSha2 => caching_sha2::scramble(password.as_bytes(), nonce).to_vec(),
            Plugin::Native => native::scramble(password.as_bytes(), nonce).to_vec(),
        }
    }
}

/// Follows the server from our handshake response to its OK.
pub(crate) async fn log_in(
    channel: &mut Channel,
    options: &ConnectOptions,
    capabilities: Capabilities,
    mut plugin: Plugin,
    mut nonce: Vec<u8>,
) -> Result<End> {
    // A login is a handful of packets; a server that never comes to an end is no server.
    for _ in 0..16 {
        let payload = channel.payload().await?;
        match payload.first() {
            Some(0x00) => return End::parse_ok(&payload, capabilities),
            Some(0xff) => return Err(server_error(&payload)),
            Some(0xfe) => {
                let mut reader = Reader::new(&payload[1..]);
                let name = reader.until_zero();
                plugin = Plugin::parse(name).ok_or_else(|| unknown_plugin(name, options))?;
                nonce = trim_nonce(reader.rest()).to_vec();
                channel.send_answer(&plugin.answer(&options.password, &nonce)).await?;
            }
            Some(0x01) if plugin == Plugin::CachingSha2 => {
                caching_sha2::proceed(channel, options, &nonce, &payload[1..]).await?;
            }
            _ => return Err(Error::Protocol("an unknown packet during login")),
        }
    }
    Err(Error::Protocol("a login without end"))
}

/// Servers end the nonce with a zero that is no part of it.
pub(crate) fn trim_nonce(nonce: &[u8]) -> &[u8] {
    nonce.strip_suffix(&[0]).unwrap_or(nonce)
}

fn unknown_plugin(name: &[u8], options: &ConnectOptions) -> Error {
    let name = if name.is_empty() { "mysql_old_password".into() } else { String::from_utf8_lossy(name) };
    Error::Authentication(format!(
        "the account of user {:?} uses the plugin {name}; use caching_sha2_password or mysql_native_password for it",
        options.user
    ))
}
