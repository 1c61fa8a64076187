//! Users of the configuration, as the listener knows them.

use vitrail_gate::access::{Access, Grant, Permit, Right};
use vitrail_listener::users::{User, Users};
use vitrail_proto::scram::StoredKeys;

use crate::config::{Config, GrantConfig, GrantRole, Role, UserConfig};
use crate::error::StartError;

/// Rounds of PBKDF2 for passwords that stand in the configuration: RFC 7677's least, since they are in clear beside it.
const ITERATIONS: u32 = 4_096;

/// All users. Those that a running process had `earlier` keep their salts: clients keep keys by them.
///
/// # Errors
///
/// SCRAM keys that do not parse, or a password file that cannot be read.
pub(crate) fn users(config: &Config, earlier: Option<&Users>) -> Result<Users, StartError> {
    let salt = |name: &str| earlier.and_then(|earlier| earlier.salt(name));
    let made = config.users.iter().map(|(name, user)| one(name, user, config, salt(name)));
    let users = Users::new(made.collect::<Result<Vec<_>, _>>()?);
    Ok(match earlier {
        Some(earlier) => users.succeeding(earlier),
        None => users,
    })
}

/// What each user may do.
pub(crate) fn access(config: &Config) -> Access {
    Access::of(config.users.iter().map(|(name, user)| (name.as_str().into(), grants(user.grants.as_deref()))))
}

/// Tells of grants on keyspaces that are not there, which are most often misspelt.
pub(crate) fn warn_of_grants_on_nothing(config: &Config) {
    for (name, user) in &config.users {
        for grant in grants(user.grants.as_deref()) {
            let pattern = grant.keyspace.clone();
            let permit = Permit::new(name.as_str().into(), vec![grant]);
            if !config.keyspaces.keys().any(|keyspace| permit.sees_keyspace(keyspace)) {
                tracing::warn!(user = name, keyspace = &*pattern, "a grant chooses no keyspace that is served");
            }
        }
    }
}

fn grants(config: Option<&[GrantConfig]>) -> Vec<Grant> {
    let Some(config) = config else { return vec![Grant::everything(Right::Write)] };
    let grant = |grant: &GrantConfig| Grant {
        right: match grant.role {
            GrantRole::Reader => Right::Read,
            GrantRole::Writer => Right::Write,
            GrantRole::Admin => Right::Admin,
        },
        keyspace: grant.keyspace.as_str().into(),
        tables: grant.tables.as_str().into(),
    };
    config.iter().map(grant).collect()
}

fn one(name: &str, config: &UserConfig, all: &Config, salt: Option<&[u8]>) -> Result<User, StartError> {
    let mut user = User::new(name);
    let problem = |problem: String| StartError::User { user: name.to_owned(), problem };
    let password = match (&config.password, &config.password_file) {
        (Some(password), _) => Some(password.clone()),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| problem(format!("cannot read password_file {}: {error}", path.display())))?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, None) => None,
    };
    if let Some(text) = &config.scram {
        let keys = text.parse::<StoredKeys>();
        user = user
            .with_keys(keys.map_err(|error| problem(format!("scram: {error}; make it with `vitrail user {name}`")))?);
    } else if let Some(password) = password {
        let fresh: [u8; 16] = rand::random();
        user = user.with_keys(StoredKeys::derive(password.as_bytes(), salt.unwrap_or(&fresh), ITERATIONS));
    }
    if all.listen.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()) {
        user = user.with_certificate();
    }
    if config.role == Role::Gate {
        user = user.with_gate_role();
    }
    Ok(user)
}
