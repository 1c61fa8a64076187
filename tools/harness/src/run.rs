//! The servers of one run of tests.

use crate::server::Server;
use crate::{flavours, shared};

/// One server of each flavour, for a command and all that it starts.
pub struct Run {
    servers: Vec<Server>,
}

impl Run {
    /// Starts the servers, side by side.
    ///
    /// # Errors
    ///
    /// Which flavour could not be started, and why.
    pub async fn start() -> Result<Run, String> {
        let starting: Vec<_> =
            flavours().into_iter().map(|flavour| tokio::spawn(Server::try_start(flavour, Vec::new()))).collect();
        let mut servers = Vec::new();
        for started in starting {
            servers.push(started.await.map_err(|error| error.to_string())??);
        }
        Ok(Run { servers })
    }

    /// The environment variable that tells test processes where the servers are, and its value.
    pub fn variable(&self) -> (&'static str, String) {
        (shared::VARIABLE, shared::write(self.servers.iter().map(Server::place)))
    }

    /// Ends the servers.
    pub async fn stop(self) {
        for server in self.servers {
            server.kill().await;
        }
    }
}
