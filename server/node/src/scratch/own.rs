//! A scratch server of Vitrail's own: which programs, how it is started, and what is made there.
//!
//! It listens on a Unix socket in a directory that nobody else may enter, keeps nothing (each start has fresh data), waits for no disk, and
//! writes no binlog. Statements run under an account that sees the databases of keyspaces and no others, and no file.

use std::path::PathBuf;
use std::sync::Arc;

use vitrail_mysql::{Binaries, Connection, Error, Flavour, Mysqld, MysqldOptions, Version};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_service::{QueryService, Result};
use vitrail_tablet::TabletConfig;
use vitrail_tablet::config::{MysqlConfig, TlsMode};

use super::likeness::Likeness;
use super::phase::cannot_start;
use super::preflight::PRIVILEGES;
use super::{DATABASE, likeness};
use crate::config::Config;

/// The account that statements run under.
const USER: &str = "vitrail_scratch";

/// Temporary tables may take so many times the bytes of rows that may be loaded: keys, what rows are sorted and grouped in, and what a
/// statement makes of them.
const SPACE: u64 = 8;

/// Connections beyond the pools: kills, look-outs, the administrator.
const FURTHER_CONNECTIONS: usize = 10;

/// How a server of our own is made.
pub(super) struct Own {
    shards: Vec<Arc<dyn QueryService>>,
    keyspaces: Vec<String>,
    data: Option<PathBuf>,
    /// Most bytes of temporary tables.
    space: u64,
    connections: usize,
}

impl Own {
    pub(super) fn new(config: &Config, tablet: &TabletConfig, shards: Vec<Arc<dyn QueryService>>) -> Own {
        Own {
            shards,
            keyspaces: config.keyspaces.keys().cloned().collect(),
            data: config.scratch.data.clone(),
            space: config.scratch.total_bytes.saturating_mul(SPACE),
            connections: tablet.pool.size + tablet.transactions.size + FURTHER_CONNECTIONS,
        }
    }

    /// Starts one that is like the shards' servers; with it, how statements reach it.
    ///
    /// # Errors
    ///
    /// `unsupported` where no such server can be had, `unavailable` where that may change by itself.
    pub(super) async fn start(&self) -> Result<(Mysqld, MysqlConfig)> {
        let (flavour, version) = self.of_the_shards()?;
        let likeness = Likeness::of(&self.shards).await?;
        let binaries =
            Binaries::find_version(flavour, version).await.map_err(|error| not_installed(flavour, &error))?;
        if binaries.version() != version {
            tracing::warn!(
                shards = %version, scratch = %binaries.version(),
                "the scratch server is another version of {flavour} than the shards' servers: what has changed between them may show in \
                 answers; install the same one on this host, or configure one under [scratch]"
            );
        }
        let mut options = MysqldOptions::new(binaries);
        options.temporary.clone_from(&self.data);
        options.arguments = self.arguments(flavour, &likeness);
        if let Some(data) = &self.data {
            std::fs::create_dir_all(data).map_err(|error| cannot_start(&format!("{}: {error}", data.display())))?;
        }
        let server = Mysqld::start(&options).await.map_err(|error| cannot_start(&error))?;
        self.furnish(&server, &likeness).await?;
        tracing::info!(%flavour, version = %options.binaries.version(), process = server.process_id(), "the scratch server was started");
        let mysql = MysqlConfig {
            socket: Some(server.socket().to_owned()),
            user: USER.to_owned(),
            tls: TlsMode::Disable,
            ..MysqlConfig::default()
        };
        Ok((server, mysql))
    }

    /// Flavour and version of the shards' servers.
    fn of_the_shards(&self) -> Result<(Flavour, Version)> {
        let mut known = likeness::flavours(&self.shards);
        let Some(first) = known.next() else {
            let message = "no shard has told yet which MySQL it is, which the scratch server has to be like; send the statement again";
            return Err(ErrorBody::new(Code::Unavailable, message));
        };
        if known.any(|(flavour, _)| flavour != first.0) {
            let message = "some shards are MySQL and some MariaDB, and a scratch server cannot be like both: configure one under [scratch]";
            return Err(ErrorBody::new(Code::Unsupported, message));
        }
        Ok(first)
    }

    fn arguments(&self, flavour: Flavour, likeness: &Likeness) -> Vec<String> {
        let mebibytes = (self.space >> 20).max(64);
        let mut arguments = vec![
            "--innodb-buffer-pool-size=64M".to_owned(),
            "--local-infile=OFF".to_owned(),
            format!("--max-connections={}", self.connections),
        ];
        match flavour {
            // Temporary tables of all sessions lie in one file, on-disk tables that the server makes for itself in one file each.
            Flavour::MariaDb => arguments.extend([
                format!("--innodb-temp-data-file-path=ibtmp1:12M:autoextend:max:{mebibytes}M"),
                format!("--tmp-disk-table-size={}", mebibytes << 20),
                format!("--loose-max-tmp-total-space-usage={}", mebibytes << 20),
                format!("--lower-case-table-names={}", likeness.lower_case_table_names()),
            ]),
            // Each session has files of its own, which no option bounds: see `Limits` in `MysqldOptions`.
            Flavour::MySql => {}
        }
        arguments
    }

    /// Makes the server answer as the shards do, with the database and the account of our connections.
    async fn furnish(&self, server: &Mysqld, likeness: &Likeness) -> Result<()> {
        let furnished = async {
            let mut root = Connection::connect(&server.connect_options()).await?;
            likeness.put_on(&mut root).await?;
            root.execute(&format!("CREATE DATABASE `{DATABASE}`")).await?;
            root.execute(&format!("CREATE USER '{USER}'@'localhost'")).await?;
            for name in self.keyspaces.iter().map(String::as_str).chain([DATABASE]) {
                let grant = format!("GRANT {} ON {}.* TO '{USER}'@'localhost'", PRIVILEGES.join(", "), pattern(name));
                root.execute(&grant).await?;
            }
            root.quit().await;
            Ok::<_, Error>(())
        };
        furnished.await.map_err(|error| cannot_start(&error))
    }
}

/// A database's name as GRANT takes it, where `_` and `%` stand for others unless a backslash is before them.
fn pattern(name: &str) -> String {
    let mut pattern = String::from("`");
    for c in name.chars() {
        match c {
            '_' | '%' | '\\' => pattern.extend(['\\', c]),
            '`' => pattern.push_str("``"),
            c => pattern.push(c),
        }
    }
    pattern.push('`');
    pattern
}

fn not_installed(flavour: Flavour, error: &Error) -> ErrorBody {
    tracing::error!(%error, "the scratch server cannot be started");
    ErrorBody::new(
        Code::Unsupported,
        format!(
            "the statement needs a scratch server, and no {flavour} server was found on the gate's host: install one, or configure one \
             under [scratch] with server = \"configured\""
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_grants_stand_for_themselves() {
        assert_eq!(pattern("shop"), "`shop`");
        assert_eq!(pattern("a_b%c`d\\"), "`a\\_b\\%c``d\\\\`");
    }
}
