//! Servers and processes put together: two shards on servers of their own, and `vitrail` over them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vitrail_client::{Client, ClientConfig};
use vitrail_harness::{Flavour, Lasting};
use vitrail_mysql::Connection;

use crate::process::Process;
use crate::proxy::{Framing, Proxy};
use crate::quiet;

/// Names of the two shards.
pub const SHARDS: [&str; 2] = ["-80", "80-"];

/// Accounts have the ids from 1 to this; their balance is [`BALANCE`] at first.
pub const ACCOUNTS: i64 = 200;
/// What every account has at first.
pub const BALANCE: i64 = 1_000;
/// Rows of `number` on each account, to be streamed.
pub const NUMBERS: i64 = 40;

const SCHEMA: [&str; 4] = [
    "CREATE TABLE account (id BIGINT NOT NULL PRIMARY KEY, balance BIGINT NOT NULL) ENGINE=InnoDB",
    // Without a unique key: what is written twice is there twice.
    "CREATE TABLE ledger (account BIGINT NOT NULL, entry BIGINT NOT NULL, amount BIGINT NOT NULL, note MEDIUMTEXT, KEY (account), KEY (entry)) ENGINE=InnoDB",
    "CREATE TABLE journal (account BIGINT NOT NULL, entry BIGINT NOT NULL, amount BIGINT NOT NULL, PRIMARY KEY (account, entry), KEY (entry)) ENGINE=InnoDB",
    "CREATE TABLE number (account BIGINT NOT NULL, n BIGINT NOT NULL, padding VARCHAR(200) NOT NULL, PRIMARY KEY (account, n)) ENGINE=InnoDB",
];

const VSCHEMA: &str = r#"{"sharded": true, "vindexes": {"bits": {"type": "reverse_bits"}}, "tables": {
    "account": {"column_vindexes": [{"column": "id", "name": "bits"}]},
    "journal": {"column_vindexes": [{"column": "account", "name": "bits"}]},
    "ledger": {"column_vindexes": [{"column": "account", "name": "bits"}]},
    "number": {"column_vindexes": [{"column": "account", "name": "bits"}]}}}"#;

/// How a rig is put together.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whose servers.
    pub flavour: Flavour,
    /// A gate, and each tablet in a process of its own; else all in one.
    pub apart: bool,
    /// A proxy between each tablet and its MySQL.
    pub mysql_proxy: bool,
    /// A proxy between the gate and each tablet; needs `apart`.
    pub tablet_proxy: bool,
    /// MySQL connections of each shard for autocommit.
    pub pool: usize,
    /// The same for long results.
    pub streams: usize,
    /// The same for transactions.
    pub transactions: usize,
    /// Most client connections.
    pub clients: usize,
    /// `tablet.limits.kill_grace`.
    pub kill_grace: Duration,
    /// `tablet.transactions.max_idle`: what a peer holds that a network has cut off without a word goes after so long.
    pub max_idle: Duration,
    /// Limit of one attempt to connect to MySQL.
    pub connect_timeout: Duration,
    /// More variables for each process.
    pub environment: Vec<(&'static str, String)>,
}

impl Plan {
    /// All in one process, small pools.
    pub fn new(flavour: Flavour) -> Plan {
        Plan {
            flavour,
            apart: false,
            mysql_proxy: false,
            tablet_proxy: false,
            pool: 8,
            streams: 1,
            transactions: 8,
            clients: 20_000,
            kill_grace: Duration::from_secs(2),
            max_idle: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(2),
            environment: Vec::new(),
        }
    }
}

/// A running Vitrail over two servers.
pub struct Rig {
    /// One for each shard.
    pub servers: Vec<Lasting>,
    /// What clients talk to.
    pub gate: Process,
    /// Tablets with processes of their own.
    pub tablets: Vec<Process>,
    /// In front of each shard's MySQL, if the plan has them.
    pub mysql_proxies: Vec<Proxy>,
    /// In front of each tablet, if the plan has them.
    pub tablet_proxies: Vec<Proxy>,
    vitrail: PathBuf,
    plan: Plan,
    folder: tempfile::TempDir,
}

impl Rig {
    /// Starts all of it. `vitrail` is the binary.
    pub async fn start(vitrail: &Path, plan: Plan) -> Rig {
        vitrail_listener::files::raise_limit().expect("more files may be opened");
        let (first, second) = tokio::join!(server(plan.flavour, 0), server(plan.flavour, 1));
        let servers = vec![first, second];
        let folder =
            tempfile::Builder::new().prefix("vitrail-trial-").tempdir().expect("a temporary folder can be made");
        std::fs::write(folder.path().join("bank.json"), VSCHEMA).expect("the folder can be written");
        let mut mysql_proxies = Vec::new();
        let mut bodies = Vec::new();
        for (index, server) in servers.iter().enumerate() {
            let mysql = if plan.mysql_proxy {
                let proxy = Proxy::to_socket(server.socket(), Framing::MySql).await;
                let text = format!("host = \"127.0.0.1\", port = {}, tls = \"disable\"", proxy.address().port());
                mysql_proxies.push(proxy);
                text
            } else {
                format!("socket = \"{}\"", server.socket().display())
            };
            let limit = plan.connect_timeout.as_millis();
            bodies.push(format!(
                "database = \"bank_{index}\"\nmysql = {{ {mysql}, user = \"root\", connect_timeout = \"{limit}ms\" }}\n"
            ));
        }
        let mut tablets = Vec::new();
        let mut tablet_proxies = Vec::new();
        if plan.apart {
            for (index, body) in bodies.iter_mut().enumerate() {
                let config = folder.path().join(format!("tablet{index}.toml"));
                std::fs::write(&config, config_text(&plan, "gate", &[(SHARDS[index], body)]))
                    .expect("the folder can be written");
                let tablet = Process::start(vitrail, "tablet", &config, &plan.environment).await;
                let mut address = tablet.address();
                if plan.tablet_proxy {
                    let proxy = Proxy::to_address(address, Framing::Vitrail).await;
                    address = proxy.address();
                    tablet_proxies.push(proxy);
                }
                *body = format!("tablet = \"vitrail://app@{address}?tls=disable\"\n");
                tablets.push(tablet);
            }
        }
        let shards: Vec<(&str, &str)> = SHARDS.into_iter().zip(bodies.iter().map(String::as_str)).collect();
        let config = folder.path().join("gate.toml");
        std::fs::write(&config, config_text(&plan, "application", &shards)).expect("the folder can be written");
        let gate = Process::start(vitrail, gate_command(&plan), &config, &plan.environment).await;
        Rig { servers, gate, tablets, mysql_proxies, tablet_proxies, vitrail: vitrail.to_owned(), plan, folder }
    }

    /// The URL of the gate.
    pub fn url(&self) -> String {
        url(self.gate.address())
    }

    /// A configuration of a client of the gate, with one connection.
    pub fn client_config(&self) -> ClientConfig {
        client_config(&self.url())
    }

    /// A client of the gate with a connection of its own.
    pub async fn client(&self) -> Client {
        Client::connect_with(self.client_config()).await.expect("the gate takes connections")
    }

    /// A connection to one shard's database, past Vitrail.
    pub async fn shard(&self, index: usize) -> Connection {
        self.servers[index].connect(&format!("bank_{index}")).await
    }

    /// The sum of all balances, asked of the shards.
    pub async fn total(&self) -> i64 {
        let mut total = 0;
        for index in 0..self.servers.len() {
            let mut connection = self.shard(index).await;
            let sum = connection
                .fetch_cell("SELECT COALESCE(SUM(balance), 0) FROM account")
                .await
                .expect("balances can be read");
            total += sum.and_then(|text| text.parse::<i64>().ok()).expect("a sum is a number");
            connection.quit().await;
        }
        total
    }

    /// Starts the gate's process anew: in order, or after a kill. It has another address then.
    pub async fn restart_gate(&mut self, kill: bool) {
        let config = self.folder.path().join("gate.toml");
        let next = Process::start(&self.vitrail, gate_command(&self.plan), &config, &self.plan.environment).await;
        end(std::mem::replace(&mut self.gate, next), kill).await;
    }

    /// Starts a tablet's process anew: in order, or after a kill. Its proxy leads there.
    pub async fn restart_tablet(&mut self, index: usize, kill: bool) {
        let config = self.folder.path().join(format!("tablet{index}.toml"));
        let next = Process::start(&self.vitrail, "tablet", &config, &self.plan.environment).await;
        self.tablet_proxies[index].retarget(next.address());
        end(std::mem::replace(&mut self.tablets[index], next), kill).await;
    }

    /// All processes of Vitrail.
    pub fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        self.tablets.iter_mut().chain([&mut self.gate])
    }

    /// Waits until nothing is left of what clients did: no statement and no transaction in MySQL, no connection in use. Checks that no
    /// task has panicked and that MySQL has no more connections than the plan allows.
    pub async fn settle(&mut self) {
        for server in &self.servers {
            quiet::mysql(server).await;
        }
        if self.plan.apart {
            quiet::until("the gate has no request in flight", Duration::from_secs(30), async || {
                let busy = self.gate.metrics().await.sum("requests_in_flight");
                (busy > 0).then(|| format!("{busy} in flight"))
            })
            .await;
            for tablet in &self.tablets {
                quiet::until("the tablet's pools are at rest", Duration::from_secs(30), async || {
                    let metrics = tablet.metrics().await;
                    let busy = metrics.sum("requests_in_flight")
                        + metrics.sum("pool_in_use")
                        + metrics.sum("transaction_pool_in_use");
                    (busy > 0).then(|| format!("{busy} requests and connections"))
                })
                .await;
            }
        } else {
            quiet::process(&self.gate).await;
        }
        for server in &self.servers {
            let most = self.most_mysql_connections();
            quiet::until("MySQL has no connection too many", Duration::from_secs(30), async || {
                let found = quiet::connections(server).await;
                (found > most).then(|| format!("{found} connections, at most {most} are allowed"))
            })
            .await;
        }
        for process in self.processes() {
            process.check();
        }
    }

    /// The most connections that each MySQL may see: the pools, and those for kills and look-outs.
    pub fn most_mysql_connections(&self) -> usize {
        self.plan.pool + self.plan.streams + self.plan.transactions + 3
    }

    /// Ends all of it in order.
    pub async fn stop(self) {
        self.gate.stop().await;
        for tablet in self.tablets {
            tablet.stop().await;
        }
        for server in &self.servers {
            server.crash().await;
        }
    }
}

/// A configuration of a client with one connection.
pub fn client_config(url: &str) -> ClientConfig {
    let mut config = ClientConfig::from_url(url).expect("the URL is right");
    config.pool_max = 1;
    config
}

/// The URL of an address that leads to a gate.
pub fn url(address: std::net::SocketAddr) -> String {
    format!("vitrail://app@{address}/bank?tls=disable")
}

async fn end(process: Process, kill: bool) {
    if kill { process.kill().await } else { process.stop().await }
}

fn gate_command(plan: &Plan) -> &'static str {
    if plan.apart { "gate" } else { "serve" }
}

fn config_text(plan: &Plan, role: &str, shards: &[(&str, &str)]) -> String {
    // Whoever asks a tablet is a gate.
    let administrator = match role {
        "gate" => "",
        _ => "[users.admin]\ngrants = [{ role = \"admin\" }]\n\n",
    };
    let mut text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\ndrain = \"2s\"\nmax_connections = {}\n\n\
         [users.app]\nrole = \"{role}\"\n\n{administrator}[tablet.pool]\nsize = {}\nqueue = 100000\nwait = \"60s\"\n\n\
         [tablet.transactions]\nsize = {}\nqueue = 100000\nwait = \"60s\"\nmax_idle = \"{}ms\"\n\n[tablet.streams]\nsize = {}\n\n\
         [tablet.overload]\ntarget = \"0s\"\n\n\
         [tablet.hot_rows]\nqueue = 100000\ntotal = 100000\nwait = \"60s\"\n\n[tablet.limits]\nkill_grace = \"{}ms\"\n\n\
         [keyspaces.bank]\nvschema = \"bank.json\"\n",
        plan.clients,
        plan.pool,
        plan.transactions,
        plan.max_idle.as_millis(),
        plan.streams,
        plan.kill_grace.as_millis()
    );
    for (name, body) in shards {
        write!(text, "\n[[keyspaces.bank.shards]]\nname = \"{name}\"\n{body}")
            .expect("writing to a String cannot fail");
    }
    text
}

/// A server with its shard's tables and rows.
async fn server(flavour: Flavour, index: usize) -> Lasting {
    let server = Lasting::start(flavour, &["--max-connections=100"]).await;
    let mut connection = server.connect("").await;
    let database = format!("bank_{index}");
    let mut run = async |sql: String| {
        connection.execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    };
    run(format!("CREATE DATABASE {database}")).await;
    run(format!("USE {database}")).await;
    for table in SCHEMA {
        run(table.to_owned()).await;
    }
    let mine: Vec<i64> = (1..=ACCOUNTS).filter(|id| shard_of(*id) == index).collect();
    let accounts: Vec<String> = mine.iter().map(|id| format!("({id}, {BALANCE})")).collect();
    run(format!("INSERT INTO account VALUES {}", accounts.join(", "))).await;
    for id in &mine {
        let numbers: Vec<String> = (1..=NUMBERS).map(|n| format!("({id}, {n}, REPEAT('x', 150))")).collect();
        run(format!("INSERT INTO number VALUES {}", numbers.join(", "))).await;
    }
    connection.quit().await;
    server
}

/// An account on each shard, by number.
pub fn account(shard: usize, number: i64) -> i64 {
    let within = number.rem_euclid(ACCOUNTS / 2);
    2 * within + if shard == 1 { 1 } else { 2 }
}

/// The shard of an account: `reverse_bits` makes the lowest bit of the id the highest one of its keyspace id.
pub fn shard_of(account: i64) -> usize {
    usize::from(account & 1 == 1)
}
