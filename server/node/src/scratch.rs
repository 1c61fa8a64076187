//! The scratch server: a MySQL that holds nobody's tables, where statements run that shards cannot answer.
//!
//! [`ScratchServer`] is a [`QueryService`] over it. A server of Vitrail's own is started when somebody needs it first (`own`, made like the
//! shards' by `likeness`), and again when it has died; `phase` has the one start that all wait for; `running` is what one start has
//! made: a tablet over the server, and who looks after the process. `lost` words what a lost server means to a client, and `preflight`
//! checks a configured one.
//!
//! Whatever happens here, no row of a shard changes: what is lost can be sent again.

mod likeness;
mod lost;
mod own;
mod phase;
mod preflight;
mod running;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_service::call::{Call, CallId, Conclusion, ConnectionId, On, Statement};
use vitrail_service::consolidation::Consolidation;
use vitrail_service::execution::{Execution, ServiceInfo};
use vitrail_service::schema::Schema;
use vitrail_service::{QueryService, Result};
use vitrail_tablet::preflight::Finding;

use crate::config::Config;
use lost::LostOr;
use phase::Phases;
use running::Running;

/// The database that connections begin in. It never has tables.
pub(crate) const DATABASE: &str = "vitrail_scratch";

/// How long a call waits for the news that the process has ended whose connections it has lost.
const NEWS: Duration = Duration::from_secs(1);

/// A MySQL for statements that shards cannot answer, started when somebody needs it.
pub struct ScratchServer {
    phases: Arc<Phases>,
    /// Calls that have not reached the server yet, so that they can be cancelled. Bounded by those who call.
    waiting: Mutex<HashMap<CallId, CancellationToken>>,
}

/// What a scratch server has done and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScratchStats {
    /// It runs, or (a configured one) is in use.
    pub running: bool,
    /// Starts that succeeded.
    pub starts: u64,
    /// Starts that failed.
    pub failed_starts: u64,
    /// Connections that statements have reserved.
    pub reserved: u64,
}

impl ScratchServer {
    /// The scratch server of a configuration, unless it wants none. It is started by its first use; `shards` tell which MySQL it has to
    /// be like.
    pub fn new(config: &Config, shards: Vec<Arc<dyn QueryService>>) -> Option<ScratchServer> {
        Some(ScratchServer { phases: Arc::new(Phases::new(config, shards)?), waiting: Mutex::default() })
    }

    /// Checks a configured server, or whether one of Vitrail's own could be started; starts none. Empty: nothing is wrong.
    pub async fn preflight(&self) -> Vec<Finding> {
        self.phases.preflight().await
    }

    /// Whether it is running, how often it was started, and what it holds.
    pub fn stats(&self) -> ScratchStats {
        self.phases.stats()
    }

    /// Process id of a server of Vitrail's own that runs.
    pub fn process_id(&self) -> Option<u32> {
        self.phases.running().and_then(|running| running.process_id())
    }

    /// Ends the statements under way, and the server if it is Vitrail's own. It is not started again.
    pub async fn close(&self) {
        self.phases.close().await;
    }

    /// The server, as soon as it is there.
    async fn ready(&self, call: &Call, cancelled: &CancellationToken) -> Result<Arc<Running>> {
        let too_late = async {
            match call.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ready = self.phases.ready() => ready,
            () = cancelled.cancelled() => Err(ErrorBody::new(Code::Cancelled, "the statement was cancelled before it began")),
            () = too_late => Err(ErrorBody::new(Code::Deadline, "the scratch server was not ready before the deadline")),
        }
    }

    /// Runs a statement on a connection that is taken for it.
    async fn begin(&self, call: Call, statement: Statement, on: On) -> Result<Execution> {
        let waiting = Waiting::new(self, call.id);
        let mut again = true;
        loop {
            let running = self.ready(&call, &waiting.cancelled).await?;
            let executing = running.execute(call.clone(), statement.clone(), on.clone());
            tokio::pin!(executing);
            let outcome = tokio::select! {
                // First, so that the tablet knows the call before it hears of its cancel.
                biased;
                outcome = &mut executing => outcome,
                () = waiting.cancelled.cancelled() => {
                    running.tablet.cancel(call.id).await;
                    executing.await
                }
            };
            // The process may have ended a moment ago. Nothing that this call did is anywhere else.
            if again && matches!(&outcome, Err(LostOr::Lost(_))) && running.has_ended(news(call.deadline)).await {
                again = false;
                continue;
            }
            return outcome.map_err(LostOr::told);
        }
    }

    /// What was made on the connection `id`, and its name there.
    fn known(&self, id: ConnectionId) -> Result<(Arc<Running>, ConnectionId)> {
        let known = self.phases.running().and_then(|running| Some((running.local(id)?, running)));
        known.map(|(local, running)| (running, local)).ok_or_else(lost::lost)
    }
}

fn news(deadline: Option<Instant>) -> Instant {
    let patience = Instant::now() + NEWS;
    deadline.map_or(patience, |deadline| deadline.min(patience))
}

/// Keeps a call among those that wait, while it lives.
struct Waiting<'a> {
    server: &'a ScratchServer,
    call: CallId,
    cancelled: CancellationToken,
}

impl Waiting<'_> {
    fn new(server: &ScratchServer, call: CallId) -> Waiting<'_> {
        let cancelled = CancellationToken::new();
        server.waiting.lock().insert(call, cancelled.clone());
        Waiting { server, call, cancelled }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.server.waiting.lock().remove(&self.call);
    }
}

#[async_trait]
impl QueryService for ScratchServer {
    async fn execute(&self, call: Call, statement: Statement, on: On) -> Result<Execution> {
        let id = match &on {
            On::Pool | On::Begin(_) | On::Reserve => return self.begin(call, statement, on).await,
            On::Connection(id) | On::Keep(id) | On::BeginOn(id, _) => *id,
        };
        let (running, local) = self.known(id)?;
        let on = match on {
            On::BeginOn(_, options) => On::BeginOn(local, options),
            On::Keep(_) => On::Keep(local),
            _ => On::Connection(local),
        };
        running.execute(call, statement, on).await.map_err(LostOr::told)
    }

    async fn conclude(&self, call: Call, connection: ConnectionId, conclusion: Conclusion) -> Result<ResultEnd> {
        let (running, local) = self.known(connection)?;
        running.tablet.conclude(call, local, conclusion).await.map_err(lost::told)
    }

    async fn release(&self, connection: ConnectionId) {
        // That of a server that is gone went with it.
        if let Ok((running, local)) = self.known(connection) {
            running.tablet.release(local).await;
        }
    }

    async fn cancel(&self, call: CallId) {
        if let Some(waiting) = self.waiting.lock().get(&call) {
            waiting.cancel();
        }
        if let Some(running) = self.phases.running() {
            running.tablet.cancel(call).await;
        }
    }

    async fn schema(&self, call: Call, tables: Vec<String>) -> Result<Schema> {
        let waiting = Waiting::new(self, call.id);
        let running = self.ready(&call, &waiting.cancelled).await?;
        running.tablet.schema(call, tables).await.map_err(lost::told)
    }

    async fn consolidations(&self, _: Call) -> Result<Vec<Consolidation>> {
        Ok(Vec::new())
    }

    /// What is known of a server that runs; starts none.
    fn info(&self) -> ServiceInfo {
        self.phases.running().map(|running| running.tablet.info()).unwrap_or_default()
    }
}
