//! A process: started, announced, drained and stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vitrail_gate::Gate;
use vitrail_listener::config::{Config as ListenerConfig, Endpoint};
use vitrail_listener::listener::{Handle, Listener};
use vitrail_listener::tls::TlsIdentity;
use vitrail_tablet::{Tablet, TabletService};

use crate::assembly::{self, Served};
use crate::config::{Config, FullWrites};
use crate::error::StartError;
use crate::http::{self, Health};
use crate::metrics::Metrics;
use crate::{preflight, users};

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

/// A running process.
pub struct Process {
    endpoints: Vec<Endpoint>,
    http: SocketAddr,
    tablets: Vec<Arc<Tablet>>,
    listener: Handle,
    drain: Duration,
    /// Cancelled first: not ready any more.
    draining: CancellationToken,
    /// Cancelled last: HTTP ends.
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Process {
    /// Assembles and checks everything, then listens.
    ///
    /// # Errors
    ///
    /// A [`StartError`] whose message says what to do.
    pub async fn start(config: Config, component: Component) -> Result<Process, StartError> {
        check_component(&config, component)?;
        let listener_config = listener_config(&config)?;
        let drain = listener_config.drain;
        let services = assembly::services(&config).await?;
        let incarnation = format!("{:016x}", rand::random::<u64>());
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
                    gates: config.listen.gates.clone(),
                    incarnation: incarnation.clone(),
                };
                let gate = Gate::new(assembly::cluster(&config, &services)?, gate_config);
                gate.set_access(users::access(&config));
                let shares = config.users.iter().filter_map(|(name, user)| Some((name.as_str(), user.share?.into())));
                gate.set_shares(shares);
                Some(Arc::new(gate))
            }
        };
        preflight::check(&services, gate.as_deref()).await?;

        let listener = Listener::bind(listener_config).await?;
        let handle = listener.handle();
        let (draining, stop) = (CancellationToken::new(), CancellationToken::new());
        let metrics = Metrics::new(handle.clone(), gate.clone(), &services);
        let health = Arc::new(Health { metrics, draining: draining.clone() });
        let address = config.listen.http;
        let http = http::serve(address, health, stop.clone());
        let http = http.await.map_err(|source| StartError::Http { address, source })?;
        let endpoints = listener.addresses().to_vec();
        let tablets = services.iter().filter_map(|served| served.tablet.clone()).collect();
        let serving = serve(listener, gate, services, incarnation);
        Ok(Process { endpoints, http, tablets, listener: handle, drain, draining, stop, serving })
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
        self.stop.cancel();
    }

    /// Serves until SIGTERM or SIGINT, then drains. A second signal ends at once.
    ///
    /// # Errors
    ///
    /// Signals cannot be waited for.
    pub async fn run_until_signal(self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!(drain = ?self.drain, "draining");
        tokio::select! {
            () = self.stop() => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    }
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

fn listener_config(config: &Config) -> Result<ListenerConfig, StartError> {
    let listen = &config.listen;
    let mut endpoints = Vec::new();
    let tls = match &listen.tls {
        Some(tls) => {
            endpoints.push(Endpoint::Tls(listen.address));
            let authorities = tls.client_ca.as_deref().map(assembly::read).transpose()?;
            let chain = assembly::read(&tls.certificate)?;
            let key = assembly::read(&tls.key)?;
            let authorities = authorities.as_deref().map(str::as_bytes);
            Some(Arc::new(TlsIdentity::from_pem(chain.as_bytes(), key.as_bytes(), authorities)?))
        }
        None if listen.plaintext || listen.address.ip().is_loopback() => {
            endpoints.push(Endpoint::Plain(listen.address));
            None
        }
        None => return Err(StartError::Plaintext(listen.address)),
    };
    endpoints.extend(listen.socket.clone().map(Endpoint::Unix));
    let mut listener = ListenerConfig::new(endpoints, Arc::new(users::users(config)?));
    listener.tls = tls;
    listener.trust_local = listen.passwordless_loopback;
    listener.limits.connections = listen.max_connections;
    listener.drain = listen.drain;
    Ok(listener)
}
