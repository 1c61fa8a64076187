//! Who may come in, and how they prove it.

use std::collections::HashMap;
use std::sync::Arc;

/// All users of a listener.
pub struct Users {
    by_name: HashMap<Arc<str>, User>,
}

/// One user.
#[derive(Clone)]
pub struct User {
    name: Arc<str>,
    certificate: bool,
    gate: bool,
}

impl Users {
    /// The users; of two with the same name the later counts.
    pub fn new(users: impl IntoIterator<Item = User>) -> Users {
        let by_name = users.into_iter().map(|user| (user.name.clone(), user)).collect();
        Users { by_name }
    }

    /// The user of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&User> {
        self.by_name.get(name)
    }
}

impl User {
    /// A user without a proof: comes in only where [`crate::config::Config::trust_local`] allows, until given one.
    pub fn new(name: impl Into<Arc<str>>) -> User {
        User { name: name.into(), certificate: false, gate: false }
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

    pub(crate) fn by_certificate(&self) -> bool {
        self.certificate
    }

    pub(crate) fn is_gate(&self) -> bool {
        self.gate
    }
}
