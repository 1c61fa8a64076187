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
use vitrail_tablet::preflight::{Finding, Severity};

use super::likeness::Likeness;
use super::phase::cannot_start;
use super::preflight::PRIVILEGES;
use super::{DATABASE, likeness};
use crate::config::Config;

/// The account that statements run under.
const USER: &str = "vitrail_scratch";

/// Temporary tables may take so many times the bytes of rows that may be loaded. Short rows take ten times their bytes with a key or two; and
/// statements make more rows of them.
const SPACE: u64 = 16;

/// What a server needs for itself in one file.
const LEAST_SPACE: u64 = 128 << 20;

/// More than this is no bound, and more than some servers take.
const MOST_SPACE: u64 = 16 << 40;

/// Connections beyond the pools: kills, look-outs, the administrator.
const FURTHER_CONNECTIONS: usize = 10;

/// How a server of our own is made.
pub(super) struct Own {
    shards: Vec<Arc<dyn QueryService>>,
    keyspaces: Vec<String>,
    data: Option<PathBuf>,
    /// Most bytes of one table that a statement makes the server write to the disk.
    of_statement: u64,
    /// Most bytes of a file that holds the temporary tables of all.
    of_all: u64,
    connections: usize,
}

/// A server that was started.
pub(super) struct Started {
    pub(super) server: Mysqld,
    /// How statements reach it.
    pub(super) mysql: MysqlConfig,
    /// It has no names of time zones, and the shards have.
    pub(super) lacks_zones: bool,
}

impl Own {
    pub(super) fn new(config: &Config, tablet: &TabletConfig, shards: Vec<Arc<dyn QueryService>>) -> Own {
        Own {
            shards,
            keyspaces: config.keyspaces.keys().cloned().collect(),
            data: config.scratch.data.clone(),
            of_statement: space(config.scratch.statement_bytes),
            of_all: space(config.scratch.total_bytes),
            connections: tablet.pool.size + tablet.transactions.size + FURTHER_CONNECTIONS,
        }
    }

    /// Starts one that is like the shards' servers.
    ///
    /// # Errors
    ///
    /// `unsupported` where no such server can be had, `unavailable` where that may change by itself.
    pub(super) async fn start(&self) -> Result<Started> {
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
        self.bound(&mut options, &likeness);
        if let Some(data) = &self.data {
            std::fs::create_dir_all(data).map_err(|error| cannot_start(&format!("{}: {error}", data.display())))?;
        }
        let server = Mysqld::start(&options).await.map_err(|error| cannot_start(&error))?;
        let lacks_zones = self.furnish(&server, &likeness).await?;
        tracing::info!(%flavour, version = %options.binaries.version(), process = server.process_id(), "the scratch server was started");
        let mysql = MysqlConfig {
            socket: Some(server.socket().to_owned()),
            user: USER.to_owned(),
            tls: TlsMode::Disable,
            ..MysqlConfig::default()
        };
        Ok(Started { server, mysql, lacks_zones })
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

    /// Little memory, and bounded space: a statement that needs more fails as on a full disk.
    fn bound(&self, options: &mut MysqldOptions, likeness: &Likeness) {
        options.arguments = vec![
            "--innodb-buffer-pool-size=64M".to_owned(),
            "--local-infile=OFF".to_owned(),
            format!("--max-connections={}", self.connections),
        ];
        match options.binaries.flavour() {
            // The temporary tables of all sessions lie in one file; those that the server makes for itself have one each.
            Flavour::MariaDb => {
                options.max_file = Some(self.of_all);
                options.arguments.extend([
                    format!("--innodb-temp-data-file-path=ibtmp1:12M:autoextend:max:{}M", self.of_all >> 20),
                    format!("--tmp-disk-table-size={}", self.of_statement),
                    format!("--loose-max-tmp-total-space-usage={}", self.of_all),
                    format!("--lower-case-table-names={}", likeness.lower_case_table_names()),
                ]);
            }
            // Each session has files of its own, which no option of the server bounds.
            Flavour::MySql => options.max_file = Some(self.of_statement),
        }
    }

    /// Makes the server answer as the shards do, with the database and the account of our connections. Gives whether it lacks the names of
    /// time zones.
    async fn furnish(&self, server: &Mysqld, likeness: &Likeness) -> Result<bool> {
        let furnished = async {
            let mut root = Connection::connect(&server.connect_options()).await?;
            let has = likeness.put_on(&mut root).await?;
            root.execute(&format!("CREATE DATABASE `{DATABASE}`")).await?;
            root.execute(&format!("CREATE USER '{USER}'@'localhost'")).await?;
            for name in self.keyspaces.iter().map(String::as_str).chain([DATABASE]) {
                let grant = format!("GRANT {} ON {}.* TO '{USER}'@'localhost'", PRIVILEGES.join(", "), pattern(name));
                root.execute(&grant).await?;
            }
            root.quit().await;
            Ok::<_, Error>(has)
        };
        let has = furnished.await.map_err(|error| cannot_start(&error))?;
        match likeness.differences(&has).into_iter().next() {
            None => Ok(likeness.has_more_zones(&has)),
            Some((what, fix)) => Err(unlike(&what, &fix)),
        }
    }

    /// Whether a server could be started, as far as is known without starting one.
    pub(super) async fn preflight(&self) -> Vec<Finding> {
        let Ok((flavour, version)) = self.of_the_shards() else { return Vec::new() };
        match Binaries::find_version(flavour, version).await {
            Ok(_) => Vec::new(),
            Err(_) => vec![Finding {
                severity: Severity::Warning,
                what: format!(
                    "no {flavour} server was found on this host: statements that need a scratch server will be refused"
                ),
                fix: "install one, configure one under [scratch], or set scratch.server = \"none\"".to_owned(),
            }],
        }
    }
}

/// In whole mebibytes.
fn space(loaded: u64) -> u64 {
    loaded.saturating_mul(SPACE).clamp(LEAST_SPACE, MOST_SPACE) >> 20 << 20
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

fn unlike(what: &str, fix: &str) -> ErrorBody {
    tracing::error!(fix, "the scratch server cannot be made like the shards' servers: {what}");
    ErrorBody::new(
        Code::Unsupported,
        format!(
            "the statement needs a scratch server, and that of the gate cannot be made like the shards' servers: {what}; mend that, or \
             configure one under [scratch]"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_installed_is_named() {
        let error = not_installed(Flavour::MySql, &Error::Mysqld("nowhere".into()));
        assert_eq!((error.code, error.errno, error.retryable), (Code::Unsupported, 1235, false));
        assert!(
            error.message.contains("no MySQL server was found") && error.message.contains("[scratch]"),
            "{}",
            error.message
        );
    }

    #[test]
    fn space_is_a_multiple_of_what_may_be_loaded() {
        assert_eq!((space(64 << 20), space(1), space(u64::MAX)), (1 << 30, 128 << 20, 16 << 40));
    }

    #[test]
    fn names_in_grants_stand_for_themselves() {
        assert_eq!(pattern("shop"), "`shop`");
        assert_eq!(pattern("a_b%c`d\\"), "`a\\_b\\%c``d\\\\`");
    }
}
