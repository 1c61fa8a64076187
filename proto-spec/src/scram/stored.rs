//! What a server keeps of a password: salt, iterations, StoredKey and ServerKey.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Key, hash, hmac};
use crate::limits::{MAX_ITERATIONS, MIN_ITERATIONS};

/// A user's keys on the server. They prove a password and cannot be used to log in.
///
/// Written as `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`, the last three in base64.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKeys {
    /// PBKDF2 iterations.
    pub iterations: u32,
    /// The salt.
    pub salt: Vec<u8>,
    /// SHA-256 of the ClientKey.
    pub stored_key: Key,
    /// Signs the server's last message.
    pub server_key: Key,
}

/// A text that is not [`StoredKeys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a stored key: expected SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey with 4096 to 600000 iterations")]
pub struct StoredKeysError;

impl StoredKeys {
    /// Derives the keys of a password. Runs PBKDF2: milliseconds to a second, by the iterations (at least 1).
    pub fn derive(password: &[u8], salt: &[u8], iterations: u32) -> StoredKeys {
        let (client_key, server_key) = derive_keys(password, salt, iterations);
        StoredKeys { iterations, salt: salt.to_vec(), stored_key: hash(&client_key), server_key }
    }

    /// Keys for a user that does not exist: no password fits them, and the salt is the same at every try, as a real one's
    /// would be. `secret` belongs to the server and outlives its restarts; `iterations` are those of its real users.
    pub fn mock(secret: &[u8], user: &str, iterations: u32) -> StoredKeys {
        let key = |purpose: &[u8]| hmac(secret, &[purpose, b"\0", user.as_bytes()]);
        StoredKeys {
            iterations,
            salt: key(b"salt")[..16].to_vec(),
            stored_key: key(b"stored"),
            server_key: key(b"server"),
        }
    }
}

/// ClientKey and ServerKey of a password.
pub(super) fn derive_keys(password: &[u8], salt: &[u8], iterations: u32) -> (Key, Key) {
    let mut salted: Key = [0; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, salt, iterations.max(1), &mut salted);
    (hmac(&salted, &[b"Client Key"]), hmac(&salted, &[b"Server Key"]))
}

impl fmt::Display for StoredKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SCRAM-SHA-256${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key),
            STANDARD.encode(self.server_key)
        )
    }
}

/// Shows no key.
impl fmt::Debug for StoredKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl FromStr for StoredKeys {
    type Err = StoredKeysError;

    fn from_str(text: &str) -> Result<StoredKeys, StoredKeysError> {
        read(text).ok_or(StoredKeysError)
    }
}

fn read(text: &str) -> Option<StoredKeys> {
    let (head, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
    let (iterations, salt) = head.split_once(':')?;
    let (stored_key, server_key) = keys.split_once(':')?;
    let iterations = iterations.parse().ok().filter(|count| (MIN_ITERATIONS..=MAX_ITERATIONS).contains(count))?;
    let salt = STANDARD.decode(salt).ok().filter(|salt| (1..=64).contains(&salt.len()))?;
    let key = |text: &str| STANDARD.decode(text).ok().and_then(|bytes| Key::try_from(bytes).ok());
    Some(StoredKeys { iterations, salt, stored_key: key(stored_key)?, server_key: key(server_key)? })
}
