//! Whether a MySQL fits a tablet's configuration. Every finding names its fix.

use vitrail_mysql::text::TextRow;
use vitrail_mysql::{Connection, Error, Flavour, Version};

use crate::config::TabletConfig;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// It works, until it does not.
    Warning,
    /// The tablet cannot serve like this.
    Error,
}

/// One thing that a preflight found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong. For operators: names databases and accounts.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// Oldest versions that are known to work.
const OLDEST: [(Flavour, Version); 2] = [
    (Flavour::MySql, Version { major: 8, minor: 0, patch: 22 }),
    (Flavour::MariaDb, Version { major: 10, minor: 5, patch: 0 }),
];

/// Connections that the tablet needs beside its pools: kills, schema, preflight.
const OWN_CONNECTIONS: usize = 3;

/// Without these a statement of an ordinary application fails.
const NEEDED_PRIVILEGES: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// The finding for a server that does not answer or refuses the login.
pub fn unreachable(error: &Error, config: &TabletConfig) -> Finding {
    let place = match &config.mysql.socket {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", config.mysql.host, config.mysql.port),
    };
    let (what, fix) = match error {
        Error::Server(server) | Error::Login(server) if server.errno == 1049 => (
            format!("database `{}` does not exist at {place}", config.database),
            format!("create it (CREATE DATABASE `{}`), or correct `database`", config.database),
        ),
        Error::Server(server) | Error::Login(server) if matches!(server.errno, 1044 | 1045 | 1130 | 1698) => (
            format!("MySQL at {place} refuses user `{}`: {}", config.mysql.user, server.message),
            "correct `mysql.user` and `mysql.password_file`, or create the account and grant it the database"
                .to_owned(),
        ),
        error => (
            format!("MySQL at {place} cannot be used: {error}"),
            "start the server, or correct `mysql.socket`, or `mysql.host` and `mysql.port`".to_owned(),
        ),
    };
    Finding { severity: Severity::Error, what, fix }
}

/// Looks at a server that answers.
pub(crate) async fn look(connection: &mut Connection, config: &TabletConfig) -> Result<Vec<Finding>, Error> {
    let mut findings = Findings(look_at_server(connection, config).await?);
    grants(connection, config, &mut findings).await?;
    Ok(findings.0)
}

/// The same, without the privileges of the account: versions, and variables of the server.
///
/// # Errors
///
/// The server does not answer what every server does.
pub async fn look_at_server(connection: &mut Connection, config: &TabletConfig) -> Result<Vec<Finding>, Error> {
    let mut findings = Findings(Vec::new());
    version(connection, &mut findings);
    variables(connection, config, &mut findings).await?;
    Ok(findings.0)
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { severity, what: what.into(), fix: fix.into() });
    }
}

fn version(connection: &Connection, findings: &mut Findings) {
    let (flavour, version) = (connection.flavour(), connection.version());
    for (of, oldest) in OLDEST {
        if of == flavour && version < oldest {
            findings.add(
                Severity::Error,
                format!("{} {} is too old", flavour.as_str(), connection.server_version()),
                format!("upgrade to {} {}.{} or newer", flavour.as_str(), oldest.major, oldest.minor),
            );
        }
    }
}

async fn variables(connection: &mut Connection, config: &TabletConfig, findings: &mut Findings) -> Result<(), Error> {
    let row = connection
        .fetch_row(
            "SELECT @@global.sql_mode, @@global.max_connections, @@global.max_allowed_packet, @@character_set_client, \
             @@global.time_zone, @@system_time_zone, @@global.read_only, @@global.autocommit, @@character_set_database",
        )
        .await?;
    let cell = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
    let number = |at: usize| cell(at).parse::<u64>().unwrap_or(0);
    if !cell(0).contains("STRICT_TRANS_TABLES") && !cell(0).contains("STRICT_ALL_TABLES") {
        findings.add(
            Severity::Warning,
            "sql_mode is not strict: MySQL cuts values that do not fit, in silence",
            "SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',STRICT_TRANS_TABLES'), and in the server's configuration",
        );
    }
    let needed = config.pool.size + config.streams.size + config.transactions.size + OWN_CONNECTIONS;
    if number(1) < needed as u64 {
        findings.add(
            Severity::Error,
            format!(
                "max_connections is {}, the tablet uses up to {needed} (pool {}, streams {}, transactions {}, own {OWN_CONNECTIONS})",
                cell(1),
                config.pool.size,
                config.streams.size,
                config.transactions.size
            ),
            format!("SET GLOBAL max_connections = {}, or lower `pool.size` and `transactions.size`", needed + 20),
        );
    }
    if number(2) < config.limits.statement_bytes {
        findings.add(
            Severity::Note,
            format!("max_allowed_packet is {} bytes: larger statements are refused", cell(2)),
            format!(
                "SET GLOBAL max_allowed_packet = {}",
                config.limits.statement_bytes.next_multiple_of(1024).min(1 << 30)
            ),
        );
    }
    if cell(3) != "utf8mb4" {
        findings.add(
            Severity::Error,
            format!("connections use character set {} though utf8mb4 was asked for", cell(3)),
            "remove init_connect and skip_character_set_client_handshake from the server's configuration",
        );
    }
    if cell(4) == "SYSTEM" && !matches!(cell(5), "UTC" | "GMT") {
        findings.add(
            Severity::Note,
            format!("time_zone is SYSTEM ({}): TIMESTAMP values depend on the host", cell(5)),
            "SET GLOBAL time_zone = '+00:00', the same on all shards",
        );
    }
    if !matches!(cell(6), "0" | "OFF" | "NO_LOCK") {
        findings.add(
            Severity::Note,
            "the server is read-only: writes will be refused",
            "SET GLOBAL read_only = 0 if it is meant to be a primary",
        );
    }
    if cell(7) != "1" {
        findings.add(
            Severity::Error,
            "autocommit is off by default: every read would leave a transaction open",
            "SET GLOBAL autocommit = 1, and in the server's configuration",
        );
    }
    if cell(8) != "utf8mb4" {
        findings.add(
            Severity::Note,
            format!("database `{}` makes new tables in character set {}", config.database, cell(8)),
            format!("ALTER DATABASE `{}` CHARACTER SET utf8mb4", config.database),
        );
    }
    Ok(())
}

async fn grants(connection: &mut Connection, config: &TabletConfig, findings: &mut Findings) -> Result<(), Error> {
    let rows = connection.fetch_all("SHOW GRANTS").await?;
    let granted = privileges(&rows, &config.database);
    let has = |privilege: &str| granted.iter().any(|known| known == privilege || known == "ALL PRIVILEGES");
    let missing: Vec<&str> = NEEDED_PRIVILEGES.into_iter().filter(|privilege| !has(privilege)).collect();
    let user = &config.mysql.user;
    if !missing.is_empty() {
        findings.add(
            Severity::Error,
            format!("user `{user}` lacks {} on database `{}`", missing.join(", "), config.database),
            format!("GRANT {} ON `{}`.* TO `{user}`@…", missing.join(", "), config.database),
        );
    }
    if !has("CREATE TEMPORARY TABLES") {
        findings.add(
            Severity::Note,
            format!("user `{user}` cannot create temporary tables: sessions that use them will fail"),
            format!("GRANT CREATE TEMPORARY TABLES ON `{}`.* TO `{user}`@…", config.database),
        );
    }
    Ok(())
}

/// The privileges on `database` that the rows of SHOW GRANTS name, in upper case, or `ALL PRIVILEGES`. An account may kill its own connections without any, so
/// nothing more is needed for cancels.
pub fn privileges(rows: &[TextRow], database: &str) -> Vec<String> {
    let mut all = Vec::new();
    for grant in rows.iter().filter_map(|row| row.first()?.as_deref()) {
        let Some(grant) = grant.strip_prefix("GRANT ") else { continue };
        let Some((list, rest)) = grant.split_once(" ON ") else { continue };
        let Some((object, _)) = rest.split_once(" TO ") else { continue };
        let pattern = object.strip_suffix(".*").unwrap_or_default();
        let applies = pattern == "*" || database_matches(pattern.trim_matches('`'), database);
        if applies {
            all.extend(list.split(", ").map(|privilege| privilege.trim().to_ascii_uppercase()));
        }
    }
    all
}

/// MySQL's patterns in GRANT: `%` and `_`, a backslash before what means itself.
fn database_matches(pattern: &str, name: &str) -> bool {
    fn matches(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'%', rest)), _) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
            (Some((b'\\', [literal, rest @ ..])), Some((byte, name))) => literal == byte && matches(rest, name),
            (Some((b'_', rest)), Some((_, name))) => matches(rest, name),
            (Some((literal, rest)), Some((byte, name))) => literal == byte && matches(rest, name),
            _ => false,
        }
    }
    matches(pattern.as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read_for_the_database() {
        let rows: Vec<TextRow> = [
            "GRANT USAGE ON *.* TO `vitrail`@`%` IDENTIFIED BY PASSWORD '*0'",
            "GRANT SELECT, INSERT ON `vt\\_shop%`.* TO `vitrail`@`%`",
            "GRANT UPDATE ON `other`.* TO `vitrail`@`%`",
            "GRANT DELETE ON `vt_shop_0`.`one_table` TO `vitrail`@`%`",
            "GRANT `role`@`%` TO `vitrail`@`%`",
        ]
        .map(|grant| vec![Some(grant.to_owned())])
        .to_vec();
        assert_eq!(privileges(&rows, "vt_shop_0"), ["USAGE", "SELECT", "INSERT"]);
        assert_eq!(privileges(&rows, "vtxshop_0"), ["USAGE"]);
    }

    #[test]
    fn patterns_match_like_mysql_s() {
        for (pattern, name, matches) in [
            ("a", "a", true),
            ("a%", "abc", true),
            ("%c", "abc", true),
            ("a_c", "abc", true),
            ("a\\_c", "abc", false),
            ("a\\_c", "a_c", true),
            ("", "a", false),
            ("a%b%c", "axxbyyc", true),
        ] {
            assert_eq!(database_matches(pattern, name), matches, "{pattern} {name}");
        }
    }
}
