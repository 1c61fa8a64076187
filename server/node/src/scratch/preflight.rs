//! Whether a configured server can be the scratch server. A name that a statement has not loaded must be an error there, never somebody's
//! rows; so there are no tables to find.

use std::sync::Arc;

use vitrail_mysql::{Connection, Error, Flavour};
use vitrail_service::QueryService;
use vitrail_tablet::TabletConfig;
use vitrail_tablet::config::MysqlConfig;
use vitrail_tablet::preflight::{Finding, Severity, look_at_server, privileges, unreachable};

use super::DATABASE;
use super::likeness::{self, Likeness};
use crate::config::{Config, scratch::is_system_database};

/// What the account needs on the databases of keyspaces and on ours.
pub(super) const PRIVILEGES: [&str; 4] = ["SELECT", "INSERT", "CREATE", "CREATE TEMPORARY TABLES"];

/// Names that a finding lists.
const LISTED: usize = 5;

/// What a configured server should be.
pub(super) struct Expected {
    pub(super) mysql: MysqlConfig,
    shared: bool,
    keyspaces: Vec<String>,
    shards: Vec<Arc<dyn QueryService>>,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { severity, what: what.into(), fix: fix.into() });
    }

    fn error(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.add(Severity::Error, what, fix);
    }
}

impl Expected {
    pub(super) fn new(config: &Config, shards: Vec<Arc<dyn QueryService>>) -> Expected {
        Expected {
            mysql: config.scratch.mysql.clone().unwrap_or_default(),
            shared: config.scratch.shared,
            keyspaces: config.keyspaces.keys().cloned().collect(),
            shards,
        }
    }

    /// Looks at the server, and makes our database there if nothing is wrong. `tablet` is how it will be used.
    pub(super) async fn look(&self, tablet: &TabletConfig) -> Vec<Finding> {
        let tablet = TabletConfig { mysql: self.mysql.clone(), ..tablet.clone() };
        let options = match self.mysql.connect_options() {
            Ok(options) => options,
            Err(error) => {
                let fix = "correct [scratch.mysql]".to_owned();
                return vec![Finding { severity: Severity::Error, what: error.to_string(), fix }];
            }
        };
        let looked = async {
            let mut connection = Connection::connect(&options).await?;
            let findings = self.look_through(&mut connection, &tablet).await?;
            connection.quit().await;
            Ok::<_, Error>(findings.0)
        };
        looked.await.unwrap_or_else(|error| vec![unreachable(&error, &tablet)])
    }

    async fn look_through(&self, connection: &mut Connection, tablet: &TabletConfig) -> Result<Findings, Error> {
        let mut findings = Findings(look_at_server(connection, tablet).await?);
        self.flavour(connection, &mut findings);
        self.variables(connection, &mut findings).await?;
        self.grants(connection, &mut findings).await?;
        self.contents(connection, &mut findings).await?;
        if findings.0.iter().all(|finding| finding.severity != Severity::Error) {
            match connection.execute(&format!("CREATE DATABASE IF NOT EXISTS `{DATABASE}`")).await {
                Err(Error::Server(error)) => findings.error(
                    format!("database `{DATABASE}` cannot be made: {}", error.message),
                    "take a server that can be written to, and an account that may make the database",
                ),
                made => drop(made?),
            }
        }
        Ok(findings)
    }

    fn flavour(&self, connection: &Connection, findings: &mut Findings) {
        let (flavour, version) = (connection.flavour(), connection.version());
        let known: Vec<_> = likeness::flavours(&self.shards).collect();
        let others = known.iter().filter(|(known, _)| *known != flavour).count();
        if others > 0 {
            let severity = if others == known.len() { Severity::Error } else { Severity::Warning };
            findings.add(
                severity,
                format!(
                    "the server is {flavour}, and {others} of {} shards are not: they answer otherwise",
                    known.len()
                ),
                "take a server of the shards' flavour and version",
            );
        } else if let Some((_, other)) = known.iter().find(|(_, known)| *known != version) {
            findings.add(
                Severity::Warning,
                format!("the server is {flavour} {version}, and shards are {other}: what has changed between them may show in answers"),
                "take a server of the shards' version",
            );
        }
    }

    async fn variables(&self, connection: &mut Connection, findings: &mut Findings) -> Result<(), Error> {
        if connection.flavour() == Flavour::MariaDb {
            let row = connection.fetch_row("SELECT @@global.log_bin, @@global.binlog_format").await?;
            let cell = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
            if cell(0) != "0" && !cell(1).eq_ignore_ascii_case("ROW") {
                findings.error(
                    format!("binlog_format is {}: MariaDB would write every temporary table to its binlog", cell(1)),
                    "SET GLOBAL binlog_format = 'ROW', and in the server's configuration, or start it with skip_log_bin",
                );
            }
        }
        // Shards elsewhere may not have been reached yet; the first use looks again.
        if let Ok(likeness) = Likeness::of(&self.shards).await {
            let here = Likeness::of_server(connection).await?;
            for (what, fix) in likeness.differences(&here) {
                findings.error(format!("{what}: statements would mean something else"), fix);
            }
            if likeness.has_more_zones(&here) {
                findings.error(
                    "time zones have names on the shards, and none on the server: CONVERT_TZ() would give NULL",
                    "fill its tables of time zones (mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql mysql)",
                );
            }
        }
        Ok(())
    }

    async fn grants(&self, connection: &mut Connection, findings: &mut Findings) -> Result<(), Error> {
        let rows = connection.fetch_all("SHOW GRANTS").await?;
        let user = &self.mysql.user;
        for name in self.databases() {
            let granted = privileges(&rows, name);
            let has = |wanted: &str| granted.iter().any(|known| known == wanted || known == "ALL PRIVILEGES");
            let missing: Vec<&str> = PRIVILEGES.into_iter().filter(|wanted| !has(wanted)).collect();
            if !missing.is_empty() {
                findings.error(
                    format!("user `{user}` lacks {} on database `{name}`", missing.join(", ")),
                    format!("GRANT {} ON `{name}`.* TO `{user}`@…", missing.join(", ")),
                );
            }
        }
        let global = privileges(&rows, "");
        if global.iter().any(|known| known == "FILE" || known == "ALL PRIVILEGES") {
            findings.add(
                Severity::Warning,
                format!("user `{user}` may read files of the server, and so may the statements of everybody"),
                "take an account with no global privileges",
            );
        }
        Ok(())
    }

    /// What is on the server, as far as the account sees it: what it does not see, its statements do not read.
    async fn contents(&self, connection: &mut Connection, findings: &mut Findings) -> Result<(), Error> {
        let ours = |name: &str| self.databases().any(|known| known.to_lowercase() == name.to_lowercase());
        let rows = connection.fetch_all("SELECT schema_name FROM information_schema.schemata").await?;
        let names = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
        let (known, others): (Vec<String>, Vec<String>) =
            names.filter(|name| !is_system_database(name) || name == DATABASE).partition(|name| ours(name));
        if !self.shared && !others.is_empty() {
            findings.error(
                format!("the server holds other databases: {}", listed(&others)),
                "take an empty server, or set scratch.shared = true if it is meant to be shared",
            );
        }
        let mut tables = Vec::new();
        for database in known {
            let sql = format!("SHOW FULL TABLES FROM `{}`", database.replace('`', "``"));
            let rows = connection.fetch_all(&sql).await?;
            tables.extend(
                rows.into_iter().filter_map(|row| Some(format!("`{database}`.`{}`", row.into_iter().next()??))),
            );
        }
        if !tables.is_empty() {
            findings.error(
                format!("databases with the names of keyspaces hold tables or views: {}", listed(&tables)),
                "take a server without them: a statement would read those where it should read the shards'",
            );
        }
        Ok(())
    }

    /// Databases that statements use.
    fn databases(&self) -> impl Iterator<Item = &str> {
        self.keyspaces.iter().map(String::as_str).chain([DATABASE])
    }
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED { format!("{shown} and {} more", names.len() - LISTED) } else { shown }
}
