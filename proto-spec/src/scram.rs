//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) for both sides, over bytes and with injected nonces.
//!
//! Passwords are raw UTF-8 without SASLprep. The server keeps [`StoredKeys`] only and never runs PBKDF2. The client may keep
//! [`ClientKeys`], so that a burst of connections runs it once.

mod binding;
mod client;
mod server;
mod stored;

pub use binding::server_end_point;
pub use client::{ClientBinding, ClientExchange, ClientKeys};
pub use server::ServerExchange;
pub use stored::{StoredKeys, StoredKeysError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// A SHA-256 hash or key.
pub type Key = [u8; 32];

/// Why an exchange failed. Towards the peer all of them are `unauthenticated` with one text, so that nothing is learned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScramError {
    /// A message that does not follow the grammar.
    #[error("malformed SCRAM message")]
    Malformed,
    /// An extension (`m=`) that this side does not know.
    #[error("unknown mandatory SCRAM extension")]
    Extension,
    /// The nonce does not begin with the client's, or changed.
    #[error("SCRAM nonce does not match")]
    Nonce,
    /// The name in the exchange is not the one in HELLO.
    #[error("SCRAM user differs from the user in HELLO")]
    User,
    /// The channel bindings differ, or one side lacks what the other demands.
    #[error("SCRAM channel binding does not match")]
    Binding,
    /// The client believes that the server has no -PLUS, and it has: somebody removed it on the way.
    #[error("SCRAM channel binding was removed on the way")]
    Downgrade,
    /// Fewer than 4,096 or more than 600,000 iterations.
    #[error("the server asks for {0} iterations, which is not from 4096 to 600000")]
    Iterations(u32),
    /// Wrong password, or unknown user.
    #[error("wrong credentials")]
    Proof,
    /// The server does not know the keys either.
    #[error("the server could not prove that it knows the password")]
    ServerSignature,
}

/// A fresh nonce: 18 random bytes as 24 characters of base64.
pub fn nonce() -> String {
    STANDARD.encode(rand::random::<[u8; 18]>())
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn hash(bytes: &[u8]) -> Key {
    Sha256::digest(bytes).into()
}

fn xor(left: &Key, right: &Key) -> Key {
    std::array::from_fn(|at| left[at] ^ right[at])
}

fn decode_base64(text: &str) -> Result<Vec<u8>, ScramError> {
    STANDARD.decode(text).map_err(|_| ScramError::Malformed)
}

/// The value of attribute `name` at the front of `attributes`, which moves behind it.
fn take_attribute<'a>(attributes: &mut &'a str, name: char) -> Result<&'a str, ScramError> {
    let text = *attributes;
    if text.starts_with("m=") {
        return Err(ScramError::Extension);
    }
    let value = text.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).ok_or(ScramError::Malformed)?;
    let (value, rest) = value.split_once(',').unwrap_or((value, ""));
    *attributes = rest;
    Ok(value)
}

/// A nonce is printable ASCII without commas.
fn is_nonce(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

#[cfg(test)]
mod tests;
