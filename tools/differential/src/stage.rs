//! One suite put on a stage: Vitrail over some shards, and one MySQL of its own beside it, with the same rows.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use vitrail_client::{Client, ClientConfig, Session};
use vitrail_harness::{Cluster, Flavour, Server};
use vitrail_mysql::Connection;
use vitrail_node::config;
use vitrail_node::process::{Component, Process};

use crate::answer::{self, Answer};
use crate::suite::Suite;

/// Writes without WHERE are cases too.
const FULL_WRITES: &str = "[gate]\nfull_writes = \"allow\"\n";

/// A running stage.
pub struct Stage {
    databases: Cluster,
    process: Process,
    client: Client,
    /// Tables that every shard has whole.
    references: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Makes databases and tables, starts Vitrail, and loads the rows through it.
    ///
    /// # Errors
    ///
    /// A schema, vschema or row that MySQL or Vitrail does not take.
    pub async fn set(suite: &Suite, flavour: Flavour, shards: usize) -> Result<Stage> {
        let databases = Cluster::new(flavour, shards, &format!("{}_{shards}", suite.name)).await;
        for database in databases.shards.iter().chain([&databases.oracle]) {
            let mut connection = databases.server.connect(database).await;
            for statement in suite.schema(flavour) {
                connection
                    .execute(statement)
                    .await
                    .with_context(|| format!("schema of {}: {statement}", suite.name))?;
            }
            connection.quit().await;
        }
        let stage = Stage::over(databases, &suite.vschema, None, None).await?;
        stage.load(suite).await?;
        Ok(stage)
    }

    /// Starts Vitrail over databases whose tables are there. `beside`: another keyspace, unsharded, with its name and vschema. `scratch`: the
    /// server that runs what shards cannot answer, shared with other stages; without one, Vitrail starts its own.
    ///
    /// # Errors
    ///
    /// A vschema that Vitrail does not take.
    pub async fn over(
        databases: Cluster,
        vschema: &str,
        beside: Option<(&str, &str)>,
        scratch: Option<&Server>,
    ) -> Result<Stage> {
        let folder = tempfile::Builder::new().prefix("vitrail-differential-").tempdir()?;
        let path = folder.path().join("vitrail.toml");
        std::fs::write(folder.path().join("vschema.json"), vschema)?;
        let mut text = configuration(&databases.oracle, &databases);
        if let Some((name, vschema)) = beside {
            std::fs::write(folder.path().join("beside.json"), vschema)?;
            text.push_str(&format!("\n[keyspaces.{name}]\nvschema = \"beside.json\"\n"));
            text.push_str(&shard(name, "-", &databases.unsharded, &databases));
        }
        if let Some(server) = scratch {
            let socket = server.socket().display();
            text.push_str(&format!(
                "\n[scratch]\nserver = \"configured\"\nshared = true\nmysql = {{ socket = \"{socket}\", user = \"root\" }}\n"
            ));
        }
        std::fs::write(&path, text)?;
        let process = Process::start(config::load(&path)?, Component::Both).await?;
        let address = process.address().ok_or_else(|| anyhow!("Vitrail listens on TCP"))?;
        let mut config = ClientConfig::from_url(&format!("vitrail://app@{address}/{}?tls=disable", databases.oracle))?;
        config.retries = 0;
        let client = Client::connect_with(config).await?;
        let references = references(vschema)?;
        Ok(Stage { databases, process, client, references, _folder: folder })
    }

    /// The suite's keyspace, which is called like the one MySQL's database.
    pub fn keyspace(&self) -> &str {
        &self.databases.oracle
    }

    /// A new session of Vitrail, in the suite's keyspace.
    pub fn session(&self) -> Session {
        self.client.session()
    }

    /// A new connection to the one MySQL.
    pub async fn oracle(&self) -> Connection {
        self.databases.server.connect(&self.databases.oracle).await
    }

    /// A new connection to each shard, past Vitrail.
    pub async fn shards(&self) -> Vec<Connection> {
        let mut all = Vec::new();
        for database in &self.databases.shards {
            all.push(self.databases.server.connect(database).await);
        }
        all
    }

    /// Whether every shard has the whole table.
    pub fn is_reference(&self, table: &str) -> bool {
        self.references.iter().any(|name| name == table)
    }

    /// Ends Vitrail, and drops the databases.
    pub async fn strike(self) {
        self.client.close();
        self.process.stop().await;
        drop_databases(&self.databases.server, &self.databases).await;
    }

    async fn load(&self, suite: &Suite) -> Result<()> {
        let (mut session, mut oracle) = (self.session(), self.oracle().await);
        for sql in &suite.rows {
            let found = answer::of_vitrail(&mut session, sql).await?;
            let expected = answer::of_mysql(&mut oracle, sql).await?;
            let (Answer::Done(found), Answer::Done(expected)) = (&found, &expected) else {
                let start: String = sql.chars().take(200).collect();
                bail!("rows of {}: {start}: {} instead of {}", suite.name, found.summary(), expected.summary());
            };
            if found.affected != expected.affected {
                bail!("rows of {}: {} rows instead of {}", suite.name, found.affected, expected.affected);
            }
        }
        oracle.quit().await;
        session.close().await?;
        Ok(())
    }
}

fn configuration(keyspace: &str, databases: &Cluster) -> String {
    let mut text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\ndrain = \"1s\"\n\n\
         [users.app]\ngrants = [{{ role = \"admin\" }}]\n\n{FULL_WRITES}\n\
         [keyspaces.{keyspace}]\nvschema = \"vschema.json\"\n"
    );
    for (name, database) in Cluster::shard_names(databases.shards.len()).iter().zip(&databases.shards) {
        text.push_str(&shard(keyspace, name, database, databases));
    }
    text
}

fn shard(keyspace: &str, name: &str, database: &str, databases: &Cluster) -> String {
    let socket = databases.server.socket().display();
    format!(
        "\n[[keyspaces.{keyspace}.shards]]\nname = \"{name}\"\ndatabase = \"{database}\"\n\
         mysql = {{ socket = \"{socket}\", user = \"root\" }}\n"
    )
}

/// The reference tables of a vschema.
fn references(vschema: &str) -> Result<Vec<String>> {
    let vschema: serde_json::Value = serde_json::from_str(vschema).context("the vschema is no JSON")?;
    let tables = vschema["tables"].as_object().context("the vschema has no tables")?;
    let references = tables.iter().filter(|(_, table)| table["type"] == "reference");
    Ok(references.map(|(name, _)| name.clone()).collect())
}

async fn drop_databases(server: &Arc<Server>, databases: &Cluster) {
    let mut admin = server.admin().await;
    for database in databases.shards.iter().chain([&databases.oracle, &databases.unsharded]) {
        // What stays behind goes with the server.
        let _ = admin.execute(&format!("DROP DATABASE `{database}`")).await;
    }
    admin.quit().await;
}
