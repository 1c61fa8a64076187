//! The few connections that a client's sessions share, and where they lead.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;
use rand::seq::SliceRandom;
use tokio::time::Instant;
use vitrail_proto::error::Code;

use crate::config::{ClientConfig, Endpoint};
use crate::connection::{ConnectOptions, Connection};
use crate::error::Error;
use crate::fields::FieldsCache;

/// Endpoints that servers have named are kept up to this number.
const MAX_LEARNED: usize = 64;
/// First pause after all endpoints have failed; doubles up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Least time that one endpoint gets when there are others.
const LEAST_ATTEMPT: Duration = Duration::from_secs(1);

/// Connections to any of the gates.
pub(crate) struct Pool {
    pub(crate) config: ClientConfig,
    /// The columns of statements that were run.
    pub(crate) fields: FieldsCache,
    options: ConnectOptions,
    state: Mutex<State>,
    /// Held by whoever connects, so that a burst of sessions makes one connection and not one each.
    connecting: tokio::sync::Mutex<()>,
}

struct State {
    /// Open, and not draining as far as known.
    connections: Vec<(Connection, Endpoint)>,
    /// Configured ones, in this client's own random order.
    configured: Vec<Endpoint>,
    /// Named by servers; tried when all configured ones fail.
    learned: Vec<Endpoint>,
    /// Where the next connection starts to look, so that connections spread.
    next: usize,
    /// A connection has been made before: later failures are outages, worth waiting for.
    connected_once: bool,
    closed: bool,
}

impl Pool {
    pub(crate) fn new(config: ClientConfig) -> Result<Pool, Error> {
        if config.endpoints.is_empty() {
            return Err(Error::config("there is no host to connect to"));
        }
        let options = ConnectOptions::from_config(&config)?;
        let mut configured = config.endpoints.clone();
        configured.shuffle(&mut rand::rng());
        let state = State {
            connections: Vec::new(),
            configured,
            learned: Vec::new(),
            next: 0,
            connected_once: false,
            closed: false,
        };
        Ok(Pool {
            config,
            fields: FieldsCache::default(),
            options,
            state: Mutex::new(state),
            connecting: tokio::sync::Mutex::new(()),
        })
    }

    /// A connection for one more session or request: the least loaded, or a new one if all are busy and more are allowed.
    pub(crate) async fn acquire(&self) -> Result<Connection, Error> {
        if let Some(connection) = self.choose()? {
            return Ok(connection);
        }
        let _turn = self.connecting.lock().await;
        // Whoever had the turn before may have made the connection already.
        if let Some(connection) = self.choose()? {
            return Ok(connection);
        }
        match self.connect().await {
            Ok(connection) => Ok(connection),
            Err(error) => self.least_loaded()?.ok_or(error),
        }
    }

    /// Opens connections until there are `pool_min`.
    pub(crate) async fn fill(&self) -> Result<(), Error> {
        let _turn = self.connecting.lock().await;
        while self.state.lock().connections.len() < self.config.pool_min.clamp(1, self.config.pool_max.max(1)) {
            self.connect().await?;
        }
        Ok(())
    }

    pub(crate) fn close(&self) {
        let connections = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.connections)
        };
        for (connection, _) in connections {
            connection.close();
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().connections.len()
    }

    fn choose(&self) -> Result<Option<Connection>, Error> {
        let best = self.least_loaded()?;
        let room = self.connections() < self.config.pool_max.max(1);
        Ok(best.filter(|connection| !room || connection.load() < self.config.sessions_per_connection))
    }

    fn least_loaded(&self) -> Result<Option<Connection>, Error> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::local(Code::Unavailable, "the client was closed").with_code(Code::Unavailable));
        }
        state.connections.retain(|(connection, _)| !connection.is_closed() && !connection.is_draining());
        let best = state.connections.iter().min_by_key(|(connection, _)| connection.load());
        Ok(best.map(|(connection, _)| connection.clone()))
    }

    /// Goes round the endpoints; once it has been connected before, again and again until the time is up.
    async fn connect(&self) -> Result<Connection, Error> {
        let until = Instant::now() + self.options.timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let problem = match self.connect_round(until).await {
                Ok(connection) => return Ok(connection),
                Err(problem) => problem,
            };
            let wait = pause.mul_f64(rand::rng().random_range(0.5..1.0));
            let persistent = self.state.lock().connected_once && !is_final(&problem);
            if !persistent || Instant::now() + wait >= until {
                return Err(problem);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect_round(&self, until: Instant) -> Result<Connection, Error> {
        let candidates = self.candidates();
        let mut problem = None;
        for (index, endpoint) in candidates.iter().enumerate() {
            let left = until.saturating_duration_since(Instant::now());
            let others = (candidates.len() - index) as u32;
            let mut options = self.options.clone();
            options.timeout = (left / others).max(LEAST_ATTEMPT).min(self.options.timeout);
            match Connection::connect(endpoint, &options).await {
                Ok(connection) => {
                    self.adopt(&connection, endpoint);
                    return Ok(connection);
                }
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    tracing::debug!(%endpoint, %error, "cannot connect");
                    problem = Some(error);
                }
            }
        }
        Err(problem.unwrap_or_else(|| Error::config("there is no host to connect to")))
    }

    /// Configured endpoints from the next one on, then the learned ones.
    fn candidates(&self) -> Vec<Endpoint> {
        let mut state = self.state.lock();
        let start = state.next % state.configured.len();
        state.next = start + 1;
        let (before, from) = state.configured.split_at(start);
        from.iter().chain(before).chain(&state.learned).cloned().collect()
    }

    fn adopt(&self, connection: &Connection, endpoint: &Endpoint) {
        let mut state = self.state.lock();
        state.connected_once = true;
        if matches!(endpoint, Endpoint::Tcp { .. }) {
            for gate in &connection.hello().gates {
                let Some(learned) = parse_gate(gate) else { continue };
                let known = state.configured.contains(&learned) || state.learned.contains(&learned);
                if !known && state.learned.len() < MAX_LEARNED {
                    state.learned.push(learned);
                }
            }
        }
        if state.closed {
            connection.close();
        } else {
            state.connections.push((connection.clone(), endpoint.clone()));
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

/// Another host would say the same.
fn is_final(error: &Error) -> bool {
    matches!(error.code(), Code::Unauthenticated | Code::Denied | Code::Invalid)
}

/// `host:port` or `[v6]:port`, as a HELLO names a gate.
fn parse_gate(text: &str) -> Option<Endpoint> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok()?;
    (!host.is_empty()).then(|| Endpoint::Tcp { host: host.to_owned(), port })
}

/// Shared by client and sessions.
pub(crate) type SharedPool = Arc<Pool>;
