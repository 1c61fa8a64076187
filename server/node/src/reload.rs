//! What a running process takes anew from its configuration: users, grants, certificates.
//!
//! All of it is made ready first. What cannot be used changes nothing; what can is put in place without a session noticing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use vitrail_gate::access::Access;
use vitrail_listener::tls::TlsIdentity;
use vitrail_listener::users::Users;

use crate::config::Config;
use crate::error::StartError;
use crate::{assembly, users};

/// The parts of a configuration that a running process can take, ready for use.
pub(crate) struct Credentials {
    pub(crate) users: Arc<Users>,
    pub(crate) access: Access,
    /// Where the configuration has TLS.
    pub(crate) tls: Option<Arc<TlsIdentity>>,
}

/// How reloads went.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    done: AtomicU64,
    failed: AtomicU64,
    last_failed: AtomicBool,
}

impl Credentials {
    /// Reads files and derives keys. `earlier` users of the same process keep what others could tell them by.
    ///
    /// # Errors
    ///
    /// The first of a user, a password file, a certificate, a key or an authority that cannot be used.
    pub(crate) fn of(config: &Config, earlier: Option<&Users>) -> Result<Credentials, StartError> {
        let tls = match &config.listen.tls {
            Some(tls) => {
                let authorities = tls.client_ca.as_deref().map(assembly::read).transpose()?;
                let chain = assembly::read(&tls.certificate)?;
                let key = assembly::read(&tls.key)?;
                let authorities = authorities.as_deref().map(str::as_bytes);
                let identity = TlsIdentity::from_pem(chain.as_bytes(), key.as_bytes(), authorities);
                Some(Arc::new(identity.map_err(|problem| StartError::Tls { files: tls.to_string(), problem })?))
            }
            None => None,
        };
        Ok(Credentials { users: Arc::new(users::users(config, earlier)?), access: users::access(config), tls })
    }
}

impl Reloads {
    /// One more.
    pub(crate) fn count(&self, succeeded: bool) {
        if succeeded { &self.done } else { &self.failed }.fetch_add(1, Ordering::Relaxed);
        self.last_failed.store(!succeeded, Ordering::Relaxed);
    }

    /// Those that succeeded, and those that failed.
    pub(crate) fn figures(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// The process runs with an older configuration than its file, because the file cannot be used.
    pub(crate) fn last_failed(&self) -> bool {
        self.last_failed.load(Ordering::Relaxed)
    }
}

/// Keys that differ and are read at start only, as `listen.address`.
pub(crate) fn need_restart(running: &Config, wanted: &Config) -> Vec<String> {
    let (mut running, mut wanted) = (running.clone(), wanted.clone());
    for config in [&mut running, &mut wanted] {
        config.users.clear();
    }
    if running.listen.tls.is_some() && wanted.listen.tls.is_some() {
        wanted.listen.tls.clone_from(&running.listen.tls);
    }
    let mut found = Vec::new();
    match (toml::Value::try_from(&running), toml::Value::try_from(&wanted)) {
        (Ok(running), Ok(wanted)) => differing("", Some(&running), Some(&wanted), &mut found),
        _ if running == wanted => {}
        _ => found.push("the configuration".to_owned()),
    }
    found
}

fn differing(path: &str, left: Option<&toml::Value>, right: Option<&toml::Value>, found: &mut Vec<String>) {
    match (left, right) {
        (left, right) if left == right => {}
        (Some(toml::Value::Table(left)), Some(toml::Value::Table(right))) => {
            let further = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(further) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differing(&path, left.get(key), right.get(key), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    #[test]
    fn what_needs_a_restart_is_named() {
        let config = |text: &str| parse(text, Path::new("test")).expect(text);
        let shard = "[[keyspaces.a.shards]]\nname = \"0\"\ndatabase = \"d\"\nmysql = { socket = \"/s\" }\n";
        let one = config(&format!("{shard}[users.a]\n[listen.tls]\ncertificate = \"c\"\nkey = \"k\""));
        let users =
            config(&format!("{shard}[users.b]\npassword = \"x\"\n[listen.tls]\ncertificate = \"d\"\nkey = \"k\""));
        assert!(need_restart(&one, &users).is_empty());
        let other = config(&format!(
            "{shard}[listen]\nmax_connections = 7\n[gate]\nmax_rows = 9\n[keyspaces.b]\n{}",
            shard.replace(".a.", ".b.")
        ));
        assert_eq!(
            need_restart(&one, &other),
            ["gate.max_rows", "keyspaces.b", "listen.max_connections", "listen.tls"]
        );
    }
}
