//! What one start has made: a tablet over the server, and who looks after the process.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_mysql::Mysqld;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_service::QueryService;
use vitrail_service::call::{Call, ConnectionId, On, Statement};
use vitrail_service::execution::Execution;
use vitrail_tablet::Tablet;

use super::lost::{Answer, LostOr};

/// Bits of a connection's name that its tablet has given; those above them tell the start, so that no connection is ever taken for one
/// of a server that has died.
const LOCAL_BITS: u32 = 44;

/// Starts are told apart by what these bits leave.
const STARTS: u64 = 1 << (u64::BITS - LOCAL_BITS);

/// A server that was started, or a configured one that was reached. Dropping it ends a server of Vitrail's own.
pub(super) struct Running {
    start: u64,
    pub(super) tablet: Arc<Tablet>,
    /// Of Vitrail's own.
    process: Option<Process>,
    /// It has no names of time zones, and the shards have.
    lacks_zones: bool,
}

struct Process {
    id: u32,
    /// Cancelled when it has ended.
    ended: CancellationToken,
    /// Cancelled to end it.
    stop: CancellationToken,
    /// Whoever closes it waits for it.
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    /// The `start`th one. `server` is Vitrail's own.
    pub(super) fn new(start: u64, tablet: Arc<Tablet>, server: Option<Mysqld>, lacks_zones: bool) -> Running {
        let process = server.map(|server| {
            let (ended, stop) = (CancellationToken::new(), CancellationToken::new());
            Process {
                id: server.process_id(),
                keeper: Mutex::new(Some(tokio::spawn(keep(server, Arc::clone(&tablet), ended.clone(), stop.clone())))),
                ended,
                stop,
            }
        });
        Running { start: start % STARTS, tablet, process, lacks_zones }
    }

    /// As far as has been heard.
    pub(super) fn lives(&self) -> bool {
        self.process.as_ref().is_none_or(|process| !process.ended.is_cancelled())
    }

    /// Whether the process has ended; waits for that until `deadline`.
    pub(super) async fn has_ended(&self, deadline: Instant) -> bool {
        match &self.process {
            Some(process) => tokio::time::timeout_at(deadline, process.ended.cancelled()).await.is_ok(),
            None => false,
        }
    }

    pub(super) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().filter(|_| self.lives()).map(|process| process.id)
    }

    /// The tablet's name of a connection; `None` if it is of another start.
    pub(super) fn local(&self, id: ConnectionId) -> Option<ConnectionId> {
        (id.0 >> LOCAL_BITS == self.start).then_some(ConnectionId(id.0 & ((1 << LOCAL_BITS) - 1)))
    }

    /// Runs a statement; `on` has the tablet's names.
    pub(super) async fn execute(&self, call: Call, statement: Statement, on: On) -> Result<Execution, LostOr> {
        if self.lacks_zones && names_zones(&statement.sql) {
            return Err(LostOr::Other(no_zones()));
        }
        let Execution { connection, parts } = self.tablet.execute(call, statement, on).await.map_err(LostOr::new)?;
        let connection = connection.map(|local| ConnectionId(self.start << LOCAL_BITS | local.0));
        Ok(Execution { connection, parts: Box::new(Answer(parts)) })
    }

    /// Ends what runs there, and the server if it is Vitrail's own.
    pub(super) async fn close(&self) {
        self.tablet.close().await;
        let Some(process) = &self.process else { return };
        process.stop.cancel();
        let keeper = process.keeper.lock().take();
        if let Some(keeper) = keeper {
            let _ = keeper.await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// May ask for time zones by their names; a text that only looks like that counts, too. Rows that are loaded do not.
fn names_zones(sql: &str) -> bool {
    const FUNCTION: &[u8] = b"CONVERT_TZ";
    !sql.starts_with("INSERT ")
        && sql.as_bytes().windows(FUNCTION.len()).any(|part| part.eq_ignore_ascii_case(FUNCTION))
}

fn no_zones() -> ErrorBody {
    ErrorBody::new(
        Code::Unsupported,
        "CONVERT_TZ() over shards needs a scratch server that knows time zones by their names, which Vitrail's own does not: configure one \
         under [scratch]",
    )
}

/// Waits for the end of a server, or ends it: it has nothing that anybody would want to keep.
async fn keep(mut server: Mysqld, tablet: Arc<Tablet>, ended: CancellationToken, stop: CancellationToken) {
    tokio::select! {
        () = server.ended() => {
            ended.cancel();
            tracing::error!(log = server.log_tail(), "the scratch server has ended; the next statement that needs it starts it again");
            tablet.close().await;
        }
        () = stop.cancelled() => {
            ended.cancel();
            if let Err(error) = server.kill().await {
                tracing::warn!(%error, "the scratch server could not be told to end");
            }
        }
    }
}
