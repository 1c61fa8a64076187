//! A gate over tablets whose shards are databases of a real server, and short ways to ask it.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use vitrail_client::config::ClientConfig;
use vitrail_client::connection::ConnectOptions;
use vitrail_gate::{Cluster, Gate, GateConfig, Session, Shard};
use vitrail_harness::{Cluster as Databases, Flavour};
use vitrail_listener::config::{Config, Endpoint};
use vitrail_listener::listener::Listener;
use vitrail_listener::responder::Responder;
use vitrail_listener::service::{Peer, RequestContext, Service};
use vitrail_listener::users::{User, Users};
use vitrail_mysql::Address;
use vitrail_planner::vschema::Keyspace;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{Op, Reply, Request, ResultEnd, SessionState};
use vitrail_proto::rows::{Column, RowBatch, columns};
use vitrail_service::QueryService;
use vitrail_service::remote::{RemoteConfig, RemoteService};
use vitrail_tablet::{Tablet, TabletConfig, TabletService};

/// How the gate asks its tablets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In this process.
    Direct,
    /// By the protocol, through each tablet's listener.
    Remote,
}

/// Every flavour of the harness, asked in every way.
pub fn settings() -> Vec<(Flavour, Way)> {
    vitrail_harness::flavours()
        .into_iter()
        .flat_map(|flavour| [(flavour, Way::Direct), (flavour, Way::Remote)])
        .collect()
}

/// A gate over the shards of one keyspace.
pub struct World {
    pub gate: Gate,
    pub peer: Arc<Peer>,
    /// What the shards are, and an oracle beside them.
    pub databases: Databases,
    /// What serves the shards, in their order.
    pub tablets: Vec<Arc<Tablet>>,
    /// End the tablets' listeners.
    _listeners: Vec<DropGuard>,
}

/// The end and the rows of an answer, each row as [`joined`] has it.
pub type Outcome = Result<(ResultEnd, Vec<String>), ErrorBody>;

impl World {
    /// Puts a gate over `databases`. `tune` changes the configuration of each tablet.
    pub async fn over(
        databases: Databases,
        way: Way,
        keyspace: &str,
        vschema: &str,
        tune: impl Fn(&mut TabletConfig),
    ) -> World {
        World::beside(databases, way, (keyspace, vschema), None, tune).await
    }

    /// The same; beside it, an unsharded keyspace on the oracle's database.
    pub async fn beside(
        databases: Databases,
        way: Way,
        (keyspace, vschema): (&str, &str),
        unsharded: Option<(&str, &str)>,
        tune: impl Fn(&mut TabletConfig),
    ) -> World {
        let (mut tablets, mut listeners) = (Vec::new(), Vec::new());
        let names = Databases::shard_names(databases.shards.len());
        let shards: Vec<_> =
            names.iter().map(String::as_str).zip(databases.shards.iter().map(String::as_str)).collect();
        let only = [("-", databases.oracle.as_str())];
        let mut keyspaces = Vec::new();
        let mut gate_config = GateConfig::default();
        for ((keyspace, vschema), shards) in
            [((keyspace, vschema), shards.as_slice())].into_iter().chain(unsharded.map(|named| (named, &only[..])))
        {
            let mut served = Vec::new();
            for (name, database) in shards {
                let mut config = tablet_config(&databases, keyspace, name, database);
                tune(&mut config);
                gate_config.scatters = gate_config.scatters.min(config.pool.size);
                let tablet = Tablet::start(config).await.expect("a tablet");
                tablets.push(Arc::clone(&tablet));
                let service: Arc<dyn QueryService> = match way {
                    Way::Direct => tablet,
                    Way::Remote => {
                        let (service, listener) = listen(tablet, format!("{keyspace}/{name}")).await;
                        listeners.push(listener);
                        Arc::new(service)
                    }
                };
                served.push(Shard { name: (*name).into(), key_range: name.parse().expect("a range"), service });
            }
            keyspaces.push((Keyspace::from_json(keyspace, vschema).expect("a vschema"), served));
        }
        let gate = Gate::new(Cluster::new(keyspaces).expect("a cluster"), gate_config);
        let peer = Peer {
            connection_id: 7,
            user: "anna".into(),
            gate: false,
            application: "test".into(),
            address: "unix".into(),
        };
        World { gate, peer: Arc::new(peer), databases, tablets, _listeners: listeners }
    }

    pub fn open(&self) -> Session {
        self.gate.open(&self.peer, SessionState::default()).expect("a session")
    }

    pub async fn run(&self, session: &mut Session, sql: &str) -> Outcome {
        let mut request = Request::new(Op::Execute);
        request.sql = Some(sql.into());
        self.request(session, request).await
    }

    /// The columns of an answer that fits one reply, each as [`column`] has it, and its rows.
    pub async fn table(&self, session: &mut Session, sql: &str) -> Result<(Vec<String>, Vec<String>), ErrorBody> {
        let mut request = Request::new(Op::Execute);
        request.sql = Some(sql.into());
        let (mut responder, _replies) = Responder::channel(64);
        let context = RequestContext { peer: Arc::clone(&self.peer), cancel: CancellationToken::new(), deadline: None };
        let reply = self.gate.handle(session, Box::new(request), &context, &mut responder).await?;
        let fields = reply.fields.clone().unwrap_or_default();
        Ok((columns(&fields).map(|field| column(&field.expect("well formed"))).collect(), texts(&reply)))
    }

    pub async fn request(&self, session: &mut Session, request: Request) -> Outcome {
        self.request_until(session, request, CancellationToken::new(), None).await
    }

    pub async fn request_until(
        &self,
        session: &mut Session,
        request: Request,
        cancel: CancellationToken,
        deadline: Option<Instant>,
    ) -> Outcome {
        let (mut responder, mut replies) = Responder::channel(64);
        let context = RequestContext { peer: Arc::clone(&self.peer), cancel, deadline };
        let answered = async move { self.gate.handle(session, Box::new(request), &context, &mut responder).await };
        let read = async {
            let mut rows = Vec::new();
            while let Some(reply) = replies.recv().await {
                rows.extend(texts(&reply));
            }
            rows
        };
        let (last, mut rows) = tokio::join!(answered, read);
        let last = last?;
        rows.extend(texts(&last));
        Ok((*last.end.expect("the last reply has an end"), rows))
    }
}

fn tablet_config(databases: &Databases, keyspace: &str, shard: &str, database: &str) -> TabletConfig {
    let options = databases.server.connect_options(database);
    let Address::Unix(socket) = options.address.clone() else { panic!("the harness connects by socket") };
    let mut config = TabletConfig { keyspace: keyspace.into(), shard: shard.into(), ..TabletConfig::default() };
    database.clone_into(&mut config.database);
    config.mysql.socket = Some(socket);
    config.mysql.user.clone_from(&options.user);
    config.mysql.password.clone_from(&options.password);
    config
}

/// Waits until MySQL runs a statement that contains `part`.
pub async fn until_running(databases: &Databases, part: &str) {
    let mut admin = databases.server.admin().await;
    let quoted = part.replace('\'', "''");
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%{quoted}%' AND ID <> CONNECTION_ID()"
    );
    let end = Instant::now() + Duration::from_secs(60);
    while admin.fetch_cell(&sql).await.expect("a count").as_deref() == Some("0") {
        assert!(Instant::now() < end, "{part} never ran");
        tokio::task::yield_now().await;
    }
}

/// What of a column has to be as on one MySQL.
pub fn column(column: &Column<'_>) -> String {
    let Column { name, column_type, charset, decimals, flags, .. } = column;
    format!("{name} type {} charset {charset} decimals {decimals} flags {flags}", column_type.name())
}

/// A row as `a|b`; NULL is `NULL`.
pub fn joined(cells: impl IntoIterator<Item = Option<String>>) -> String {
    cells.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())).collect::<Vec<_>>().join("|")
}

/// The rows of a reply as text.
fn texts(reply: &Reply) -> Vec<String> {
    let text = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
    let rows = reply.rows.iter().flat_map(RowBatch::rows).map(|row| row.expect("well formed"));
    rows.map(|row| joined(row.cells().map(|cell| cell.expect("well formed").map(text)))).collect()
}

/// A listener on a free port in front of a tablet, and the service that asks it.
async fn listen(tablet: Arc<Tablet>, shard: String) -> (RemoteService, DropGuard) {
    let users = Users::new([User::new("gate").with_gate_role()]);
    let mut config = Config::new(vec![Endpoint::Plain(([127, 0, 0, 1], 0).into())], Arc::new(users));
    config.trust_local = true;
    config.drain = Duration::ZERO;
    let listener = Listener::bind(config).await.expect("the loopback address has free ports");
    let Endpoint::Plain(address) = listener.addresses()[0].clone() else { unreachable!("it listens on TCP") };
    let stop = CancellationToken::new();
    let service = Arc::new(TabletService::new(tablet, "tests"));
    tokio::spawn(listener.serve(service, stop.clone().cancelled_owned()));
    let client = ClientConfig::from_url("vitrail://gate@localhost/?tls=disable").expect("a URL");
    let remote = RemoteService::start(RemoteConfig {
        shard,
        endpoint: vitrail_client::Endpoint::Tcp { host: address.ip().to_string(), port: address.port() },
        options: ConnectOptions::from_config(&client).expect("options"),
        connections: 2,
        health_interval: Duration::from_secs(60),
    });
    (remote, stop.drop_guard())
}
