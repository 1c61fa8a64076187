//! Tablets over the harness's servers, asked directly and through their listener, and short ways to ask them.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use vitrail_client::config::ClientConfig;
use vitrail_client::connection::ConnectOptions;
use vitrail_harness::{Connection, Server};
use vitrail_listener::config::{Config, Endpoint};
use vitrail_listener::listener::Listener;
use vitrail_listener::users::{User, Users};
use vitrail_mysql::Address;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::{Binds, Value};
use vitrail_service::QueryService;
use vitrail_service::call::{Call, CallId, ConnectionId, On, Settings, Statement};
use vitrail_service::execution::{Execution, Part};
use vitrail_service::remote::{RemoteConfig, RemoteService};
use vitrail_tablet::{Tablet, TabletConfig, TabletService};

/// The keyspace of every tablet here; its database has another name.
pub const KEYSPACE: &str = "shop";

/// How a tablet is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In this process.
    Direct,
    /// By the protocol, through a listener.
    Remote,
}

static NEXT_CALL: AtomicU64 = AtomicU64::new(1);

/// A service under test, and what is behind it.
pub struct Subject {
    /// Flavour and way, for messages.
    pub name: String,
    /// How it is asked.
    pub way: Way,
    /// What is asked.
    pub service: Arc<dyn QueryService>,
    /// The tablet behind it.
    pub tablet: Arc<Tablet>,
    /// The MySQL behind that.
    pub server: Arc<Server>,
    /// The physical database.
    pub database: String,
    /// Ends the listener, if there is one.
    pub listener: Option<DropGuard>,
}

/// A whole answer.
#[derive(Debug, Default)]
pub struct Answer {
    pub fields: Vec<u8>,
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    pub end: ResultEnd,
    pub connection: Option<ConnectionId>,
}

impl Answer {
    /// The rows as text, NULL as `NULL`.
    pub fn text(&self) -> Vec<Vec<String>> {
        let cell = |cell: &Option<Vec<u8>>| match cell {
            None => "NULL".to_owned(),
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        self.rows.iter().map(|row| row.iter().map(cell).collect()).collect()
    }

    /// The first cell of the first row.
    pub fn cell(&self) -> String {
        self.text().into_iter().flatten().next().expect("a row")
    }
}

/// One subject for each flavour and way. `tune` changes the configuration.
pub async fn subjects(tune: impl Fn(&mut TabletConfig)) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for way in [Way::Direct, Way::Remote] {
        subjects.extend(subjects_by(way, &tune).await);
    }
    subjects
}

/// One subject for each flavour.
pub async fn subjects_by(way: Way, tune: impl Fn(&mut TabletConfig)) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for flavour in vitrail_harness::flavours() {
        let server = vitrail_harness::server(flavour).await;
        subjects.push(subject_on(server, way, &tune).await);
    }
    subjects
}

/// A subject on a server of its own or a shared one.
pub async fn subject_on(server: Arc<Server>, way: Way, tune: impl Fn(&mut TabletConfig)) -> Subject {
    let database = server.database("vt_shop").await;
    let mut config = config(&server, &database);
    tune(&mut config);
    let tablet = Tablet::start(config).await.expect("the configuration is right");
    let (service, listener) = serve(&tablet, way).await;
    let name = format!("{} {way:?}", server.flavour());
    Subject { name, way, service, tablet, server, database, listener }
}

/// The service that asks a tablet in some way, and what ends its listener.
pub async fn serve(tablet: &Arc<Tablet>, way: Way) -> (Arc<dyn QueryService>, Option<DropGuard>) {
    if way == Way::Direct {
        return (tablet.clone(), None);
    }
    let (endpoint, guard) = listen(tablet).await;
    (Arc::new(remote(endpoint, "gate")), Some(guard))
}

/// A listener in front of a tablet, for the users `gate`, who has that role, and `app`, who has not.
pub async fn listen(tablet: &Arc<Tablet>) -> (vitrail_client::Endpoint, DropGuard) {
    let users = Users::new([User::new("gate").with_gate_role(), User::new("app")]);
    let mut config = Config::new(vec![Endpoint::Plain(([127, 0, 0, 1], 0).into())], Arc::new(users));
    config.trust_local = true;
    config.drain = Duration::ZERO;
    let listener = Listener::bind(config).await.expect("the loopback address has free ports");
    let Endpoint::Plain(address) = listener.addresses()[0].clone() else { unreachable!("it listens on TCP") };
    let stop = CancellationToken::new();
    let service = Arc::new(TabletService::new(tablet.clone(), "tests"));
    tokio::spawn(listener.serve(service, stop.clone().cancelled_owned()));
    let endpoint = vitrail_client::Endpoint::Tcp { host: address.ip().to_string(), port: address.port() };
    (endpoint, stop.drop_guard())
}

/// A client of a listener.
pub fn remote(endpoint: vitrail_client::Endpoint, user: &str) -> RemoteService {
    let client = ClientConfig::from_url(&format!("vitrail://{user}@localhost/?tls=disable")).unwrap();
    RemoteService::start(RemoteConfig {
        shard: format!("{KEYSPACE}/-80"),
        endpoint,
        options: ConnectOptions::from_config(&client).unwrap(),
        connections: 2,
        health_interval: Duration::from_secs(60),
    })
}

/// A configuration with limits that suit tests.
pub fn config(server: &Server, database: &str) -> TabletConfig {
    let options = server.connect_options(database);
    let Address::Unix(socket) = options.address.clone() else { panic!("the harness connects by socket") };
    let mut config = TabletConfig { keyspace: KEYSPACE.into(), shard: "-80".into(), ..TabletConfig::default() };
    config.database = database.to_owned();
    config.mysql.socket = Some(socket);
    config.mysql.user = options.user.clone();
    config.mysql.password = options.password.clone();
    config.pool.size = 4;
    config.transactions.size = 4;
    config
}

impl Subject {
    /// A connection beside the tablet.
    pub async fn admin(&self) -> Connection {
        self.server.connect(&self.database).await
    }

    /// A statement that may write, in autocommit.
    pub async fn run(&self, sql: &str) -> Answer {
        self.on(sql, On::Pool).await.unwrap_or_else(|error| panic!("{}: {sql}: {error}", self.name))
    }

    /// A statement that fails.
    pub async fn fail(&self, sql: &str, on: On) -> ErrorBody {
        match self.on(sql, on).await {
            Ok(answer) => panic!("{}: {sql} did not fail: {answer:?}", self.name),
            Err(error) => error,
        }
    }

    /// A statement that may write.
    pub async fn on(&self, sql: &str, on: On) -> Result<Answer, ErrorBody> {
        self.ask(call(), statement(sql, true), on).await
    }

    /// Runs and pulls to the end.
    pub async fn ask(&self, call: Call, statement: Statement, on: On) -> Result<Answer, ErrorBody> {
        collect(self.service.execute(call, statement, on).await?).await
    }

    /// The statement texts that MySQL runs now, but for those that ask.
    pub async fn running(&self, admin: &mut Connection) -> Vec<(u64, String)> {
        let sql = format!(
            "SELECT ID, INFO FROM information_schema.PROCESSLIST WHERE DB = '{}' AND COMMAND = 'Query' AND ID <> CONNECTION_ID()",
            self.database
        );
        let rows = admin.fetch_all(&sql).await.expect("the process list can be read");
        rows.into_iter().filter_map(|row| Some((row[0].as_ref()?.parse().ok()?, row[1].clone()?))).collect()
    }

    /// Waits until a statement that contains `part` runs; its thread.
    pub async fn wait_until_running(&self, admin: &mut Connection, part: &str) -> u64 {
        let give_up = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some((thread, _)) = self.running(admin).await.into_iter().find(|(_, text)| text.contains(part)) {
                return thread;
            }
            assert!(Instant::now() < give_up, "{}: {part} never ran", self.name);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until no statement that contains `part` runs.
    pub async fn wait_until_gone(&self, admin: &mut Connection, part: &str) {
        let give_up = Instant::now() + Duration::from_secs(20);
        while self.running(admin).await.iter().any(|(_, text)| text.contains(part)) {
            assert!(Instant::now() < give_up, "{}: {part} goes on and on", self.name);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Asserts that no statement that contains `part` runs.
    pub async fn assert_not_running(&self, admin: &mut Connection, part: &str) {
        let running = self.running(admin).await;
        assert!(!running.iter().any(|(_, text)| text.contains(part)), "{}: {running:?}", self.name);
    }
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < give_up, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A call without limits.
pub fn call() -> Call {
    Call {
        id: CallId(NEXT_CALL.fetch_add(1, Ordering::Relaxed)),
        caller: "anna".into(),
        application: Arc::default(),
        deadline: None,
        settings: Arc::default(),
        max_rows: None,
        warnings: 0,
        traceparent: None,
    }
}

/// A call with settings.
pub fn call_with(variables: &[(&str, &str)], found_rows: bool) -> Call {
    let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Call { settings: Arc::new(Settings { variables, found_rows }), ..call() }
}

/// A statement without binds.
pub fn statement(sql: &str, writes: bool) -> Statement {
    Statement::new(sql, writes)
}

/// A statement with binds.
pub fn bound<const N: usize>(sql: &str, binds: [(&str, Value); N], writes: bool) -> Statement {
    Statement { binds: Arc::new(Binds::from_iter(binds)), ..Statement::new(sql, writes) }
}

/// Pulls one whole answer, if there is one.
pub async fn collect_of(execution: Result<Execution, ErrorBody>) -> Result<Answer, ErrorBody> {
    collect(execution?).await
}

/// Pulls one whole answer; of several results the last.
pub async fn collect(execution: Execution) -> Result<Answer, ErrorBody> {
    let Execution { connection, mut parts } = execution;
    let mut answer = Answer { connection, ..Answer::default() };
    while let Some(part) = parts.next().await? {
        match part {
            Part::Fields(fields) => answer.fields = fields.to_vec(),
            Part::Rows(batch) => {
                let before = answer.rows.len();
                let mut packed: &[u8] = &batch.bytes;
                while let Some((length, rest)) = packed.split_first_chunk::<4>() {
                    let (row, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
                    answer.rows.push(cells(row));
                    packed = rest;
                }
                assert_eq!(answer.rows.len() - before, batch.count as usize);
            }
            Part::End(end) => answer.end = *end,
        }
    }
    Ok(answer)
}

fn cells(mut row: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut cells = Vec::new();
    while let Some((&first, rest)) = row.split_first() {
        let (length, rest) = match first {
            0xfb => {
                cells.push(None);
                row = rest;
                continue;
            }
            0xfc => (u16::from_le_bytes([rest[0], rest[1]]) as usize, &rest[2..]),
            0xfd => (u32::from_le_bytes([rest[0], rest[1], rest[2], 0]) as usize, &rest[3..]),
            0xfe => (u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            short => (short as usize, rest),
        };
        let (cell, rest) = rest.split_at(length);
        cells.push(Some(cell.to_vec()));
        row = rest;
    }
    cells
}

/// Whether `needle` is in `haystack`.
pub fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}
