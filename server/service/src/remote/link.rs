//! The few connections to one tablet, made when needed, with a growing pause after failures.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use vitrail_client::Error;
use vitrail_client::config::Endpoint;
use vitrail_client::connection::{ConnectOptions, Connection};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Link {
    endpoint: Endpoint,
    options: ConnectOptions,
    most: usize,
    connections: Mutex<Vec<Connection>>,
    /// Held by whoever connects; guards the pause after a failure.
    connecting: tokio::sync::Mutex<Pause>,
}

#[derive(Default)]
struct Pause {
    until: Option<Instant>,
    next: Duration,
}

impl Link {
    pub(super) fn new(endpoint: Endpoint, options: ConnectOptions, connections: usize) -> Link {
        Link {
            endpoint,
            options,
            most: connections.max(1),
            connections: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// The least busy connection; a new one while there are fewer than allowed and all are busy. Waits at most until `deadline`.
    pub(super) async fn connection(&self, deadline: Option<Instant>) -> Result<Connection, Error> {
        if let Some(connection) = self.idlest(true) {
            return Ok(connection);
        }
        let attempt = self.connect();
        match deadline {
            None => attempt.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, attempt).await {
                Ok(result) => result,
                Err(_) => Err(Error::from(vitrail_proto::error::ErrorBody::new(
                    vitrail_proto::error::Code::Deadline,
                    "the deadline passed while connecting to a tablet",
                ))),
            },
        }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let mut pause = self.connecting.lock().await;
        if let Some(connection) = self.idlest(true) {
            return Ok(connection);
        }
        if let Some(until) = pause.until {
            tokio::time::sleep_until(until).await;
        }
        match Connection::connect(&self.endpoint, &self.options).await {
            Ok(connection) => {
                *pause = Pause::default();
                self.connections.lock().push(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                pause.next = (pause.next * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                pause.until = Some(Instant::now() + pause.next);
                self.idlest(false).ok_or(error)
            }
        }
    }

    fn idlest(&self, may_grow: bool) -> Option<Connection> {
        let mut connections = self.connections.lock();
        connections.retain(|connection| !connection.is_closed() && !connection.is_draining());
        let room = may_grow && connections.len() < self.most;
        let best = connections.iter().min_by_key(|connection| connection.in_flight())?;
        (!room || best.in_flight() == 0).then(|| best.clone())
    }
}
