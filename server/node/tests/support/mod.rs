//! Vitrail over real databases of a test server: in one process, or a gate with tablets behind their own listeners.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a panic in a test is the report")]
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod guarded;
pub mod raw;

use std::path::Path;

use vitrail_client::Client;
use vitrail_harness::Cluster;
use vitrail_mysql::{Connection, Flavour};
use vitrail_node::config;
use vitrail_node::process::{Component, Process};

/// How gate and tablets are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All in one process.
    Together,
    /// Each tablet behind a listener, the gate reaches it over BSON-RPC.
    Apart,
}

/// Both.
pub const SHAPES: [Shape; 2] = [Shape::Together, Shape::Apart];

/// Shop: `users` and `orders` sharded by user id, `country` on every shard, and an unsharded keyspace.
pub const SCHEMA: &[&str] = &[
    "CREATE TABLE users (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(80) NOT NULL, email VARCHAR(80) NOT NULL, UNIQUE KEY email (email)) \
     CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
    "CREATE TABLE orders (id BIGINT NOT NULL, user_id BIGINT NOT NULL, total DECIMAL(10,2) NOT NULL, note LONGBLOB, PRIMARY KEY (user_id, id)) \
     CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
    "CREATE TABLE country (code CHAR(2) NOT NULL PRIMARY KEY, name VARCHAR(60) NOT NULL) CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
];

const VSCHEMA: &str = r#"{
  "sharded": true,
  "vindexes": { "hash": { "type": "hash" } },
  "tables": {
    "users": { "column_vindexes": [{ "column": "id", "name": "hash" }] },
    "orders": { "column_vindexes": [{ "column": "user_id", "name": "hash" }] },
    "country": { "type": "reference" }
  }
}"#;

/// Runs a test in every shape and flavour.
pub async fn everywhere<F: AsyncFn(Vitrail)>(shards: usize, test: F) {
    everywhere_with(shards, "", test).await;
}

/// The same, with further configuration.
pub async fn everywhere_with<F: AsyncFn(Vitrail)>(shards: usize, more: &str, test: F) {
    for flavour in vitrail_harness::flavours() {
        for shape in SHAPES {
            eprintln!("{flavour}, {shape:?}, {shards} shards");
            test(Vitrail::start_with(flavour, shards, shape, more).await).await;
        }
    }
}

/// A running Vitrail over a cluster of databases.
pub struct Vitrail {
    /// The databases behind it.
    pub databases: Cluster,
    /// What clients talk to.
    pub gate: Process,
    /// Tablets behind their own listeners ([`Shape::Apart`]).
    pub tablets: Vec<Process>,
    /// The configuration of the gate's process, for a second gate.
    pub config: String,
    folder: tempfile::TempDir,
}

impl Vitrail {
    /// Starts it with tables, empty.
    pub async fn start(flavour: Flavour, shards: usize, shape: Shape) -> Vitrail {
        Vitrail::start_with(flavour, shards, shape, "").await
    }

    /// The same, with further configuration.
    pub async fn start_with(flavour: Flavour, shards: usize, shape: Shape, more: &str) -> Vitrail {
        let databases = Cluster::new(flavour, shards, "shop").await;
        databases.execute_everywhere(SCHEMA).await;
        let mut admin = databases.server.connect(&databases.unsharded).await;
        admin.execute("CREATE TABLE setting (name VARCHAR(40) NOT NULL PRIMARY KEY, value TEXT)").await.unwrap();
        admin.quit().await;

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shop.json"), VSCHEMA).unwrap();
        let socket = databases.server.socket().display().to_string();
        let local = |database: &str| {
            format!("database = \"{database}\"\nmysql = {{ socket = \"{socket}\", user = \"root\" }}\n")
        };
        let mut tablets = Vec::new();
        let mut config = format!("{}{more}\n[keyspaces.shop]\nvschema = \"shop.json\"\n", listen());
        let names = Cluster::shard_names(shards);
        let mut all: Vec<(&str, &str, &str)> = names
            .iter()
            .zip(&databases.shards)
            .map(|(name, database)| ("shop", name.as_str(), database.as_str()))
            .collect();
        all.push(("plain", "0", &databases.unsharded));
        for (keyspace, name, database) in all {
            if keyspace == "plain" {
                config.push_str("\n[keyspaces.plain]\n");
            }
            let body = match shape {
                Shape::Together => local(database),
                Shape::Apart => {
                    let head = format!(
                        "{}{more}\n[keyspaces.{keyspace}]\n",
                        listen().replace("[users.app]", "[users.app]\nrole = \"gate\"")
                    );
                    let text =
                        format!("{head}\n[[keyspaces.{keyspace}.shards]]\nname = \"{name}\"\n{}", local(database));
                    let tablet = start(&text, folder.path(), Component::Tablet).await;
                    let body = format!("tablet = \"vitrail://app@{}?tls=disable\"\n", tablet.address().unwrap());
                    tablets.push(tablet);
                    body
                }
            };
            config.push_str(&format!("\n[[keyspaces.{keyspace}.shards]]\nname = \"{name}\"\n{body}"));
        }
        let component = if shape == Shape::Apart { Component::Gate } else { Component::Both };
        let gate = start(&config, folder.path(), component).await;
        Vitrail { databases, gate, tablets, config, folder }
    }

    /// Another gate over the same shards.
    pub async fn another_gate(&self) -> Process {
        start(&self.config, self.folder.path(), Component::Both).await
    }

    /// `vitrail://app@127.0.0.1:port/shop?tls=disable`
    pub fn url(&self) -> String {
        url(&self.gate)
    }

    /// A client with keyspace `shop`.
    pub async fn client(&self) -> Client {
        Client::connect(&self.url()).await.unwrap()
    }

    /// A connection to one shard's database, past Vitrail.
    pub async fn shard(&self, index: usize) -> Connection {
        self.databases.server.connect(&self.databases.shards[index]).await
    }

    /// Ends it in order.
    pub async fn stop(self) {
        self.gate.stop().await;
        for tablet in self.tablets {
            tablet.stop().await;
        }
    }
}

/// The URL of a process.
pub fn url(process: &Process) -> String {
    format!("vitrail://app@{}/shop?tls=disable", process.address().unwrap())
}

fn listen() -> String {
    "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\ndrain = \"5s\"\n\n[users.app]\ngrants = [{ role = \"admin\" }]\n".into()
}

async fn start(text: &str, folder: &Path, component: Component) -> Process {
    let path = folder.join("vitrail.toml");
    std::fs::write(&path, text).unwrap();
    let config = config::load(&path).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Process::start(config, component).await.unwrap_or_else(|error| panic!("{error}\n{text}"))
}
