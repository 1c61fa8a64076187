//! Stopping a statement from the side.
//!
//! KILL QUERY names a connection, not a statement: one that comes late hits whatever runs then. So whoever kills
//!
//! 1. keeps the connection and has [`Killer::kill_query`] answered,
//! 2. reads the statement's own result to its end (an error 1317, or the whole result if the kill was late), and
//! 3. calls [`Connection::settle_after_kill`] before anything else runs on that connection.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::flavour::Flavour;
use crate::options::ConnectOptions;

/// Keeps one connection for kills, so that they work while all other connections are busy or the server is full.
pub struct Killer {
    options: Arc<ConnectOptions>,
    /// Taken by one kill at a time; opened again when it is found lost.
    connection: Mutex<Option<Connection>>,
}

impl Killer {
    /// A killer for the server of `options`; connects at the first kill, or in [`Killer::warm_up`].
    pub fn new(options: Arc<ConnectOptions>) -> Killer {
        Killer { options, connection: Mutex::new(None) }
    }

    /// Connects now, so that the first kill need not.
    pub async fn warm_up(&self) -> Result<()> {
        let mut slot = self.connection.lock().await;
        if slot.is_none() {
            *slot = Some(Connection::connect_shared(&self.options).await?);
        }
        Ok(())
    }

    /// Stops the statement that `thread_id` runs; its transaction and session stay. `Ok` once the server has taken the kill, or if
    /// the thread is gone. A connection that turns out lost is replaced once. Bounded by twice the connect timeout.
    pub async fn kill_query(&self, thread_id: u64) -> Result<()> {
        self.kill(&format!("KILL QUERY {thread_id}")).await
    }

    /// Ends the connection `thread_id` with all that it holds.
    pub async fn kill_connection(&self, thread_id: u64) -> Result<()> {
        self.kill(&format!("KILL CONNECTION {thread_id}")).await
    }

    async fn kill(&self, sql: &str) -> Result<()> {
        let mut slot = self.connection.lock().await;
        // Taken out while it is used: if this future is dropped, the connection goes with it.
        let kept = match slot.take() {
            Some(mut connection) => connection.is_alive().await.then_some(connection),
            None => None,
        };
        if let Some(mut connection) = kept {
            match self.run(&mut connection, sql).await {
                Err(Error::Io { .. } | Error::ConnectTimeout { .. }) => {}
                Err(Error::Server(error)) if error.is_fatal() => {}
                result => {
                    *slot = connection.is_clean().then_some(connection);
                    return result;
                }
            }
        }
        // KILL twice is KILL once: the kept connection may be tried in vain.
        let mut connection = Connection::connect_shared(&self.options).await?;
        let result = self.run(&mut connection, sql).await;
        *slot = connection.is_clean().then_some(connection);
        result
    }

    async fn run(&self, connection: &mut Connection, sql: &str) -> Result<()> {
        let limit = self.options.connect_timeout;
        match timeout(limit, connection.execute(sql)).await {
            Err(_) => Err(Error::ConnectTimeout { address: self.options.address.to_string(), limit }),
            Ok(Err(Error::Server(error))) if error.errno == Flavour::NO_SUCH_THREAD_ERRNO => Ok(()),
            Ok(result) => result.map(|_| ()),
        }
    }
}
