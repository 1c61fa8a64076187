//! Who may come in, and how they prove it.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use vitrail_proto::limits::MIN_ITERATIONS;
use vitrail_proto::scram::StoredKeys;

/// All users of a listener. Passwords are not kept: only what SCRAM needs to check them.
pub struct Users {
    by_name: HashMap<Arc<str>, User>,
    /// Makes the stable fake salts of unknown users.
    secret: [u8; 32],
    /// Iterations that unknown users pretend to have.
    iterations: u32,
}

/// One user.
#[derive(Clone)]
pub struct User {
    name: Arc<str>,
    keys: Option<StoredKeys>,
    certificate: bool,
    gate: bool,
}

impl Users {
    /// The users; of two with the same name the later counts.
    pub fn new(users: impl IntoIterator<Item = User>) -> Users {
        let by_name: HashMap<Arc<str>, User> = users.into_iter().map(|user| (user.name.clone(), user)).collect();
        // The same at every start with the same users, and on every gate: a fake salt that changed would give itself away.
        let mut keys: Vec<_> = by_name.values().filter_map(User::keys).collect();
        keys.sort_by_key(|keys| keys.server_key);
        let iterations = keys.iter().map(|keys| keys.iterations).max().unwrap_or(MIN_ITERATIONS);
        let secret = match keys.is_empty() {
            true => rand::random(),
            false => keys.iter().fold(Sha256::new(), |hash, keys| hash.chain_update(keys.server_key)).finalize().into(),
        };
        Users { by_name, secret, iterations }
    }

    /// The same users in the place of `earlier` ones: unknown users keep their fake salts, which would give themselves away by
    /// changing when others do not.
    #[must_use]
    pub fn succeeding(mut self, earlier: &Users) -> Users {
        self.secret = earlier.secret;
        self
    }

    /// The salt of a user's password.
    pub fn salt(&self, name: &str) -> Option<&[u8]> {
        self.get(name).and_then(User::keys).map(|keys| keys.salt.as_slice())
    }

    /// The user of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&User> {
        self.by_name.get(name)
    }

    /// What SCRAM shows for a user that does not exist or has no password, so that nobody can tell.
    pub(crate) fn mock(&self, name: &str) -> StoredKeys {
        StoredKeys::mock(&self.secret, name, self.iterations)
    }
}

impl User {
    /// A user without a proof: comes in only where [`crate::config::Config::trust_local`] allows, until given one.
    pub fn new(name: impl Into<Arc<str>>) -> User {
        User { name: name.into(), keys: None, certificate: false, gate: false }
    }

    /// The same, with SCRAM keys of its password.
    #[must_use]
    pub fn with_keys(mut self, keys: StoredKeys) -> User {
        self.keys = Some(keys);
        self
    }

    /// The same, with keys derived from its password under a fresh salt. Takes milliseconds and more, by the iterations
    /// (4,096 to 600,000: clients refuse others).
    #[must_use]
    pub fn with_password(self, password: &str, iterations: u32) -> User {
        let salt: [u8; 16] = rand::random();
        self.with_keys(StoredKeys::derive(password.as_bytes(), &salt, iterations))
    }

    /// The same, also proved by a client certificate with a DNS name equal to the user's (mechanism EXTERNAL).
    #[must_use]
    pub fn with_certificate(mut self) -> User {
        self.certificate = true;
        self
    }

    /// The same, with role `gate`: the `caller` that its requests name is believed.
    #[must_use]
    pub fn with_gate_role(mut self) -> User {
        self.gate = true;
        self
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn keys(&self) -> Option<&StoredKeys> {
        self.keys.as_ref()
    }

    pub(crate) fn by_certificate(&self) -> bool {
        self.certificate
    }

    pub(crate) fn is_gate(&self) -> bool {
        self.gate
    }
}
