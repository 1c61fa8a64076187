//! A process: started, announced, drained and stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vitrail_gate::access::Access;
use vitrail_gate::{Gate, QueryLog, Record};
use vitrail_listener::config::{Config as ListenerConfig, Endpoint};
use vitrail_listener::listener::{Handle, Listener};
use vitrail_service::QueryService;
use vitrail_tablet::{Tablet, TabletService};

use crate::assembly::{self, Served};
use crate::config::{Config, ConfigError, FullWrites};
use crate::error::StartError;
use crate::http::{self, Health};
use crate::metrics::Metrics;
use crate::reload::{self, Credentials, Reloads};
use crate::scratch::ScratchServer;
use crate::{preflight, query_log, users};

/// Which components a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// A gate, and tablets for every shard that is not served elsewhere.
    Both,
    /// A gate over tablets elsewhere.
    Gate,
    /// One tablet, for gates elsewhere.
    Tablet,
}

/// Each connection is an open file.
fn allow_connections(wanted: usize) {
    match vitrail_listener::files::raise_limit() {
        Ok(Some(limit)) if limit < wanted as u64 => tracing::warn!(
            limit,
            "fewer files may be open than listen.max_connections; raise the hard limit (LimitNOFILE= of systemd, ulimit -Hn), \
             or connections beyond it will be refused"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit on open files could not be raised"),
    }
}

/// How long the last records of the log of statements may take.
const LOG_GRACE: Duration = Duration::from_secs(5);

/// A running process.
pub struct Process {
    endpoints: Vec<Endpoint>,
    http: SocketAddr,
    tablets: Vec<Arc<Tablet>>,
    listener: Handle,
    gate: Option<Arc<Gate>>,
    scratch: Option<Arc<ScratchServer>>,
    drain: Duration,
    /// What runs; one reload at a time replaces parts of it.
    running: Mutex<Config>,
    reloads: Arc<Reloads>,
    /// Cancelled first: not ready any more.
    draining: CancellationToken,
    /// Cancelled last: HTTP ends.
    stop: CancellationToken,
    serving: JoinHandle<()>,
    /// Writes the log of statements, until `stop`.
    log: Option<JoinHandle<()>>,
}

impl Process {
    /// Assembles and checks everything, then listens.
    ///
    /// # Errors
    ///
    /// A [`StartError`] whose message says what to do.
    pub async fn start(config: Config, component: Component) -> Result<Process, StartError> {
        let credentials = Credentials::of(&config, None)?;
        let listener_config = listener_config(&config, &credentials)?;
        let drain = listener_config.drain;
        let Assembled { services, gate, scratch, incarnation, logged } =
            assemble(&config, component, credentials.access).await?;

        allow_connections(config.listen.max_connections);
        let listener = Listener::bind(listener_config).await?;
        let handle = listener.handle();
        let (draining, stop) = (CancellationToken::new(), CancellationToken::new());
        let reloads = Arc::new(Reloads::default());
        let log = match logged {
            Some(records) => {
                let file = config.log.file.as_deref();
                let started = query_log::start(file, records, stop.clone()).await;
                let path = || config.log.file.clone().unwrap_or_default();
                Some(started.map_err(|source| StartError::Log { path: path(), source })?)
            }
            None => None,
        };
        let top = config.gate.query_metrics;
        let metrics = Metrics::new(handle.clone(), gate.clone(), scratch.clone(), top, &services, Arc::clone(&reloads));
        let health = Arc::new(Health { metrics, gate: gate.clone(), draining: draining.clone() });
        let address = config.listen.http;
        let http = http::serve(address, health, stop.clone());
        let http = http.await.map_err(|source| StartError::Http { address, source })?;
        let endpoints = listener.addresses().to_vec();
        let tablets = services.iter().filter_map(|served| served.tablet.clone()).collect();
        let serving = serve(listener, gate.clone(), services, incarnation);
        let running = Mutex::new(config);
        Ok(Process {
            endpoints,
            http,
            tablets,
            listener: handle,
            gate,
            scratch,
            drain,
            running,
            reloads,
            draining,
            stop,
            serving,
            log,
        })
    }

    /// Does all that [`Process::start`] does before it listens, so that a configuration can be checked beside a process that runs.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn check(config: &Config, component: Component) -> Result<(), StartError> {
        let credentials = Credentials::of(config, None)?;
        listener_config(config, &credentials)?;
        let assembled = assemble(config, component, credentials.access).await?;
        for tablet in assembled.services.iter().filter_map(|served| served.tablet.as_ref()) {
            tablet.close().await;
        }
        Ok(())
    }

    /// Takes users, grants, certificates and authorities of `config`, and gives the keys that differ but need a restart. No
    /// session ends, but those of users who are gone. All is made ready first: what cannot be used changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Process::start`] has them.
    pub async fn reload(&self, config: Config) -> Result<Vec<String>, StartError> {
        let mut running = self.running.lock().await;
        let earlier = self.listener.users();
        // Keys of passwords take milliseconds each.
        let made = tokio::task::spawn_blocking(move || {
            Credentials::of(&config, Some(&earlier)).map(|credentials| (config, credentials))
        });
        let (config, credentials) = made.await.map_err(|error| StartError::Component(error.to_string()))??;
        let listener_config = listener_config(&config, &credentials)?;
        let restart = reload::need_restart(&running, &config);
        if let Some(gate) = &self.gate {
            gate.set_access(credentials.access);
            users::warn_of_grants_on_nothing(&config);
            gate.set_shares(shares(&config));
        }
        if let (Some(identity), true) = (listener_config.tls, running.listen.tls.is_some()) {
            self.listener.replace_tls(identity);
        }
        self.listener.replace_users(credentials.users);
        running.users = config.users;
        if running.listen.tls.is_some() && config.listen.tls.is_some() {
            running.listen.tls = config.listen.tls;
        }
        Ok(restart)
    }

    /// Where it listens, with the ports that port 0 became.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// `host:port` of the first TCP address, for URLs.
    pub fn address(&self) -> Option<SocketAddr> {
        self.endpoints.iter().find_map(|endpoint| match endpoint {
            Endpoint::Plain(address) | Endpoint::Tls(address) => Some(*address),
            Endpoint::Unix(_) => None,
        })
    }

    /// Where metrics and health are.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The tablets that live in this process.
    pub fn tablets(&self) -> &[Arc<Tablet>] {
        &self.tablets
    }

    /// Where the gate runs what shards cannot answer, unless the configuration wants none.
    pub fn scratch(&self) -> Option<&Arc<ScratchServer>> {
        self.scratch.as_ref()
    }

    /// Begins to drain: not ready, no new connections, sessions move on. Idempotent.
    pub fn drain(&self) {
        self.draining.cancel();
        self.listener.drain(self.drain);
    }

    /// Drains, and waits until every session has ended.
    pub async fn stop(self) {
        self.drain();
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the listener ended badly");
        }
        for tablet in &self.tablets {
            tablet.close().await;
        }
        if let Some(scratch) = &self.scratch {
            scratch.close().await;
        }
        self.stop.cancel();
        if let Some(log) = self.log
            && tokio::time::timeout(LOG_GRACE, log).await.is_err()
        {
            tracing::error!("the log of statements could not be written to its end");
        }
    }

    /// Serves until SIGTERM or SIGINT, then drains. A second signal ends at once. SIGHUP reads the configuration and the schemas anew.
    ///
    /// # Errors
    ///
    /// Signals cannot be waited for.
    pub async fn run_until_signal(self, read: impl Fn() -> Result<Config, ConfigError>) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => self.reload_by(&read).await,
            }
        }
        tracing::info!(drain = ?self.drain, "draining");
        tokio::select! {
            () = self.stop() => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    }

    /// Reloads, and logs what became of it.
    async fn reload_by(&self, read: impl Fn() -> Result<Config, ConfigError>) {
        let outcome = match read() {
            Ok(config) => self.reload(config).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        self.reloads.count(outcome.is_ok());
        if let Some(gate) = self.gate.clone() {
            // Beside it: thousands of tables take a while, and a signal to end must not wait.
            tokio::spawn(async move {
                let findings = gate.refresh().await.len();
                tracing::info!(findings, "schemas were read anew");
            });
        }
        match outcome {
            Ok(restart) => {
                tracing::info!(target: "vitrail::audit", "users, grants and certificates were read anew");
                if !restart.is_empty() {
                    tracing::warn!(keys = restart.join(", "), "these settings have changed and need a restart");
                }
            }
            Err(error) => {
                tracing::error!(target: "vitrail::audit", %error, "the configuration cannot be used: nothing was changed");
            }
        }
    }
}

/// Everything but the listeners.
struct Assembled {
    services: Vec<Served>,
    gate: Option<Arc<Gate>>,
    scratch: Option<Arc<ScratchServer>>,
    incarnation: String,
    /// What the gate writes down.
    logged: Option<mpsc::Receiver<Record>>,
}

async fn assemble(config: &Config, component: Component, access: Access) -> Result<Assembled, StartError> {
    check_component(config, component)?;
    let services = assembly::services(config).await?;
    let incarnation = format!("{:016x}", rand::random::<u64>());
    let (mut logged, mut scratch) = (None, None);
    let gate = match component {
        Component::Tablet => None,
        Component::Both | Component::Gate => {
            let gate_config = vitrail_gate::GateConfig {
                plan_cache_bytes: usize::try_from(config.gate.plan_cache).unwrap_or(usize::MAX),
                // More than a pool has connections would wait for each other.
                scatters: config.gate.scatters.min(config.tablet.pool.size),
                allow_full_writes: config.gate.full_writes == FullWrites::Allow,
                max_rows: (config.gate.max_rows > 0).then_some(config.gate.max_rows),
                share: config.gate.share.into(),
                query_statistics: config.gate.query_statistics,
                gates: config.listen.gates.clone(),
                incarnation: incarnation.clone(),
            };
            let (log, records) = QueryLog::new(config.log.choice(rand::random()));
            logged = Some(records);
            let mut gate = Gate::new(assembly::cluster(config, &services)?, gate_config).with_log(log);
            let shards = services.iter().map(|served| Arc::clone(&served.service));
            if let Some(server) = ScratchServer::new(config, shards.collect()) {
                let server = Arc::new(server);
                gate = gate.with_scratch(Arc::clone(&server) as Arc<dyn QueryService>, config.scratch.limits());
                scratch = Some(server);
            }
            gate.set_access(access);
            users::warn_of_grants_on_nothing(config);
            gate.set_shares(shares(config));
            Some(Arc::new(gate))
        }
    };
    preflight::check(&services, scratch.as_deref(), gate.as_deref()).await?;
    Ok(Assembled { services, gate, scratch, incarnation, logged })
}

/// How the statements of users are shared who have a say of their own.
fn shares(config: &Config) -> impl Iterator<Item = (&str, vitrail_proto::message::Share)> {
    config.users.iter().filter_map(|(name, user)| Some((name.as_str(), user.share?.into())))
}

fn serve(listener: Listener, gate: Option<Arc<Gate>>, services: Vec<Served>, incarnation: String) -> JoinHandle<()> {
    let until_drained = std::future::pending();
    match gate {
        Some(gate) => tokio::spawn(listener.serve(gate, until_drained)),
        None => {
            let served = services.into_iter().next().expect("check_component: a tablet serves exactly one shard");
            let service = Arc::new(TabletService::new(served.service, incarnation));
            tokio::spawn(listener.serve(service, until_drained))
        }
    }
}

fn check_component(config: &Config, component: Component) -> Result<(), StartError> {
    let shards: Vec<_> = config.keyspaces.values().flat_map(|keyspace| &keyspace.shards).collect();
    let problem = |problem: &str| Err(StartError::Component(problem.into()));
    match component {
        _ if shards.is_empty() => problem("nothing to serve: add [keyspaces.NAME] with [[keyspaces.NAME.shards]]"),
        Component::Gate if shards.iter().any(|shard| shard.tablet.is_none()) => {
            problem("`vitrail gate` reaches every shard by its `tablet`; use `vitrail serve` for shards with `mysql`")
        }
        Component::Tablet if shards.len() != 1 || shards[0].tablet.is_some() => {
            problem("`vitrail tablet` serves exactly one shard with `database` and `mysql`")
        }
        _ => Ok(()),
    }
}

fn listener_config(config: &Config, credentials: &Credentials) -> Result<ListenerConfig, StartError> {
    let listen = &config.listen;
    let mut endpoints = Vec::new();
    match &credentials.tls {
        Some(_) => endpoints.push(Endpoint::Tls(listen.address)),
        None if listen.plaintext || listen.address.ip().is_loopback() => {
            endpoints.push(Endpoint::Plain(listen.address));
        }
        None => return Err(StartError::Plaintext(listen.address)),
    }
    endpoints.extend(listen.socket.clone().map(Endpoint::Unix));
    let mut listener = ListenerConfig::new(endpoints, Arc::clone(&credentials.users));
    listener.tls.clone_from(&credentials.tls);
    listener.trust_local = listen.passwordless_loopback;
    listener.limits.connections = listen.max_connections;
    listener.limits.unauthenticated = listen.max_unauthenticated;
    listener.limits.unauthenticated_per_address = listen.max_unauthenticated_per_address;
    listener.limits.authentication = listen.authentication;
    listener.limits.login_failures = listen.login_failures;
    listener.drain = listen.drain;
    Ok(listener)
}
