//! From TOML text to a [`Config`], with errors that name the file, the place and the nearest known key.

use std::path::{Path, PathBuf};

use thiserror::Error;
use vitrail_proto::limits::AUTHENTICATION_TIME;
use vitrail_tablet::config::MysqlConfig;

use super::{Config, GrantConfig, KeyspaceConfig, ListenConfig, ShardConfig, UserConfig};

/// Why a configuration is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or has a key or a value that does not belong there.
    #[error("{path}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What, where, and what was probably meant.
        message: String,
    },
    /// The keys are right, what they say together is not.
    #[error("{path}: {message}")]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What, and what to do.
        message: String,
    },
}

/// Reads a configuration file. Relative paths in it are taken from its folder.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let mut config = parse(&text, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    for file in files(&mut config) {
        *file = folder.join(&*file);
    }
    Ok(config)
}

/// Parses configuration text; `path` is what errors call it.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let config: Config = toml::from_str(text)
        .map_err(|error| ConfigError::Parse { path: path.to_owned(), message: explain(&error.to_string()) })?;
    if !(0.0..=1.0).contains(&config.log.sample) {
        let message = format!("log.sample is {}, and must be from 0 to 1", config.log.sample);
        return Err(ConfigError::Contradiction { path: path.to_owned(), message });
    }
    let contradiction = |message| ConfigError::Contradiction { path: path.to_owned(), message };
    check_listen(&config.listen).map_err(contradiction)?;
    config.scratch.check(config.keyspaces.keys().map(String::as_str)).map_err(contradiction)?;
    for (name, keyspace) in &config.keyspaces {
        check_keyspace(name, keyspace).map_err(contradiction)?;
    }
    for (name, user) in &config.users {
        check_grants(user).map_err(|problem| contradiction(format!("user `{name}` {problem}")))?;
        let proofs = [user.scram.is_some(), user.password_file.is_some(), user.password.is_some()];
        if proofs.iter().filter(|given| **given).count() > 1 {
            return Err(contradiction(format!(
                "user `{name}` has more than one of scram, password_file and password: keep one"
            )));
        }
    }
    Ok(config)
}

fn check_listen(listen: &ListenConfig) -> Result<(), String> {
    if listen.authentication.is_zero() || listen.authentication > AUTHENTICATION_TIME {
        return Err("listen.authentication is more than 0s, and at most 10s: clients count on it".to_owned());
    }
    if listen.max_unauthenticated == 0 || listen.max_unauthenticated_per_address == 0 {
        return Err(
            "listen.max_unauthenticated and listen.max_unauthenticated_per_address: with 0 nobody could log in"
                .to_owned(),
        );
    }
    Ok(())
}

fn check_keyspace(name: &str, keyspace: &KeyspaceConfig) -> Result<(), String> {
    if keyspace.shards.is_empty() {
        return Err(format!(
            "keyspace `{name}` has no shards: add [[keyspaces.{name}.shards]] with name, database and mysql"
        ));
    }
    for shard in &keyspace.shards {
        check_shard(shard).map_err(|problem| format!("shard `{}` of keyspace `{name}` {problem}", shard.name))?;
    }
    Ok(())
}

fn check_grants(user: &UserConfig) -> Result<(), String> {
    for GrantConfig { keyspace, tables, .. } in user.grants.iter().flatten() {
        if keyspace.is_empty() || tables.is_empty() {
            return Err(
                "has a grant on nothing: leave `keyspace` or `tables` out, or name some, as \"order*\"".to_owned()
            );
        }
        if tables.contains('.') {
            return Err(format!("has a grant on tables `{tables}`: name the keyspace apart, in `keyspace`"));
        }
    }
    Ok(())
}

fn check_shard(shard: &ShardConfig) -> Result<(), &'static str> {
    match (&shard.tablet, &shard.database, &shard.mysql) {
        (Some(_), None, None) | (None, Some(_), Some(_)) => Ok(()),
        (Some(_), ..) => Err("names a tablet and a database: keep either `tablet`, or `database` with `mysql`"),
        (None, None, _) => Err("has no `database`: say which one holds its tables, or give the URL of a `tablet`"),
        (None, Some(_), None) => {
            Err("has no `mysql`: say where the server is, as mysql = { socket = \"…\", user = \"…\" }")
        }
    }
}

/// Every path in the configuration.
fn files(config: &mut Config) -> Vec<&mut PathBuf> {
    let mut files = Vec::new();
    files.extend(&mut config.listen.socket);
    files.extend(&mut config.log.file);
    if let Some(tls) = &mut config.listen.tls {
        files.extend([&mut tls.certificate, &mut tls.key]);
        files.extend(&mut tls.client_ca);
    }
    files.extend(config.users.values_mut().filter_map(|user| user.password_file.as_mut()));
    for keyspace in config.keyspaces.values_mut() {
        files.extend(&mut keyspace.vschema);
        for shard in &mut keyspace.shards {
            files.extend(&mut shard.tablet_password_file);
            files.extend(shard.mysql.iter_mut().flat_map(files_of_mysql));
        }
    }
    files.extend(&mut config.scratch.data);
    files.extend(config.scratch.mysql.iter_mut().flat_map(files_of_mysql));
    files
}

fn files_of_mysql(mysql: &mut MysqlConfig) -> impl Iterator<Item = &mut PathBuf> {
    [&mut mysql.socket, &mut mysql.password_file, &mut mysql.tls_ca].into_iter().flatten()
}

/// Adds the nearest known key to serde's "unknown field `x`, expected one of `a`, `b`".
fn explain(message: &str) -> String {
    let message = message.trim_end();
    let Some((_, rest)) = message.split_once("unknown field `") else { return message.to_owned() };
    let Some((unknown, rest)) = rest.split_once('`') else { return message.to_owned() };
    let known = rest.split('`').skip(1).step_by(2);
    match known.max_by(|a, b| strsim::jaro_winkler(unknown, a).total_cmp(&strsim::jaro_winkler(unknown, b))) {
        Some(nearest) => format!("{message}\ndid you mean `{nearest}`?"),
        None => message.to_owned(),
    }
}
