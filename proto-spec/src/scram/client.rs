//! The client's side of an exchange.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use super::stored::derive_keys;
use super::{Key, ScramError, decode_base64, hash, hmac, is_nonce, take_attribute, xor};
use crate::limits::{MAX_ITERATIONS, MIN_ITERATIONS};

/// How the exchange is bound to its channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientBinding {
    /// The client cannot bind (`n`).
    Unsupported,
    /// The client could bind, and believes that the server cannot (`y`).
    Unused,
    /// Bound by `tls-server-end-point` (`p`): mechanism SCRAM-SHA-256-PLUS.
    EndPoint(Vec<u8>),
}

impl ClientBinding {
    fn header(&self) -> &'static str {
        match self {
            ClientBinding::Unsupported => "n,,",
            ClientBinding::Unused => "y,,",
            ClientBinding::EndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            ClientBinding::EndPoint(data) => data,
            _ => &[],
        }
    }
}

/// Keys that a client may keep, so that it need not run PBKDF2 again for the same salt and count.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientKeys {
    salt: Vec<u8>,
    iterations: u32,
    client_key: Key,
    server_key: Key,
}

/// Shows no key.
impl std::fmt::Debug for ClientKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// An exchange on the client.
pub struct ClientExchange {
    binding: ClientBinding,
    bare: String,
    nonce: String,
    signature: Option<Key>,
}

impl ClientExchange {
    /// Begins; the second value goes into HELLO's `initial`. `nonce`: see [`super::nonce`].
    pub fn start(user: &str, nonce: &str, binding: ClientBinding) -> (ClientExchange, Vec<u8>) {
        let bare = format!("n={},r={nonce}", user.replace('=', "=3D").replace(',', "=2C"));
        let message = format!("{}{bare}", binding.header()).into_bytes();
        (ClientExchange { binding, bare, nonce: nonce.to_owned(), signature: None }, message)
    }

    /// Answers the server's challenge. Runs PBKDF2 (up to a second) unless `kept` has the same salt and count. Returns the
    /// message for AUTH and the keys to keep.
    pub fn respond(
        &mut self,
        server_first: &[u8],
        password: &[u8],
        kept: Option<&ClientKeys>,
    ) -> Result<(Vec<u8>, ClientKeys), ScramError> {
        let text = std::str::from_utf8(server_first).map_err(|_| ScramError::Malformed)?;
        let mut attributes = text;
        let nonce = take_attribute(&mut attributes, 'r')?;
        let salt = decode_base64(take_attribute(&mut attributes, 's')?)?;
        let count = take_attribute(&mut attributes, 'i')?;
        let iterations: u32 = count.parse().map_err(|_| ScramError::Malformed)?;
        if !attributes.is_empty() || salt.is_empty() || !is_nonce(nonce) {
            return Err(ScramError::Malformed);
        }
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
            return Err(ScramError::Iterations(iterations));
        }
        let keys = match kept {
            Some(kept) if kept.salt == salt && kept.iterations == iterations => kept.clone(),
            _ => {
                let (client_key, server_key) = derive_keys(password, &salt, iterations);
                ClientKeys { salt, iterations, client_key, server_key }
            }
        };
        let bound = [self.binding.header().as_bytes(), self.binding.data()].concat();
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(bound));
        let message: [&[u8]; 5] = [self.bare.as_bytes(), b",", server_first, b",", without_proof.as_bytes()];
        let proof = xor(&keys.client_key, &hmac(&hash(&keys.client_key), &message));
        self.signature = Some(hmac(&keys.server_key, &message));
        Ok((format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes(), keys))
    }

    /// Checks that the server knows the keys as well.
    pub fn finish(self, server_final: &[u8]) -> Result<(), ScramError> {
        let mut text = std::str::from_utf8(server_final).map_err(|_| ScramError::Malformed)?;
        let signature = decode_base64(take_attribute(&mut text, 'v')?)?;
        match self.signature {
            Some(expected) if text.is_empty() && bool::from(expected.ct_eq(&signature)) => Ok(()),
            _ => Err(ScramError::ServerSignature),
        }
    }
}
