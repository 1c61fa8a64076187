//! Starts a listener on a free port, and hands out clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use vitrail_listener::config::{Config, Endpoint};
use vitrail_listener::listener::{Handle, Listener};
use vitrail_listener::users::{User, Users};

use crate::client::Client;
use crate::service::Commands;

pub struct Server {
    pub address: SocketAddr,
    pub handle: Handle,
    pub service: Arc<Commands>,
    pub events: mpsc::UnboundedReceiver<String>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Server {
    /// With the defaults, on a plaintext port of loopback; user `ann`, password `secret`; NONE is allowed.
    pub async fn start() -> Server {
        Server::with(|_| {}).await
    }

    pub async fn with(configure: impl FnOnce(&mut Config)) -> Server {
        let users = Users::new([
            User::new("ann").with_password("secret", 4096),
            User::new("gate-1").with_password("gate", 4096).with_certificate().with_gate_role(),
            User::new("bob"),
        ]);
        let mut config = Config::new(vec![Endpoint::Plain(loopback())], Arc::new(users));
        config.trust_local = true;
        config.limits.farewell = Duration::from_millis(20);
        configure(&mut config);
        let listener = Listener::bind(config).await.unwrap();
        let address = match &listener.addresses()[0] {
            Endpoint::Plain(address) | Endpoint::Tls(address) => *address,
            Endpoint::Unix(_) => loopback(),
        };
        let (service, events) = Commands::new();
        let (stop, stopped) = oneshot::channel();
        let handle = listener.handle();
        let serving = tokio::spawn(listener.serve(service.clone(), async move {
            // A dropped sender means the test is over.
            let _ = stopped.await;
        }));
        Server { address, handle, service, events, stop: Some(stop), serving }
    }

    /// A client that is logged in as `ann` without a password.
    pub async fn client(&self) -> Client {
        Client::trusted(self.address, "ann").await
    }

    pub async fn event(&mut self) -> String {
        self.events.recv().await.expect("the service lives as long as the test")
    }

    /// Waits for an event, skipping others.
    pub async fn event_like(&mut self, expected: &str) {
        while self.event().await != expected {}
    }

    /// Shuts down and waits for the end.
    pub async fn stop(mut self) {
        self.stop.take().map(|stop| stop.send(()));
        self.serving.await.unwrap();
    }

    /// Waits for the end of a drain that is under way.
    pub async fn ended(self) {
        self.serving.await.unwrap();
    }
}

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
