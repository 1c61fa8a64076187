//! QueryService: the one seam between a gate and its tablets, in this process or over BSON-RPC.
//!
//! Layout: [`call`] (the context of a call and what it runs), [`execution`] (results, pulled part by part), [`QueryService`]
//! itself, [`identity`] (which executions are the same), [`consolidation`] (which were shared), [`overdue`] (answers that do not come),
//! [`wire`] (how all of it is written into requests), and [`remote`] (the implementation over a connection to a tablet's listener).
//!
//! Everything that crosses the seam can be written to a wire. Cancel is a call, never a dropped future: an execution that
//! was started is pulled to its end, or cancelled and then pulled to its end. One that is [`overdue`] may be let go of: a service brings
//! what it has begun to its end by itself.

pub mod call;
pub mod consolidation;
pub mod execution;
pub mod identity;
pub mod overdue;
pub mod remote;

use async_trait::async_trait;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;

use call::{Call, CallId, Conclusion, ConnectionId, On, Statement};
use consolidation::Consolidation;
use execution::{Execution, ServiceInfo};

/// Result of everything on this seam; errors are ready to travel.
pub type Result<T, E = ErrorBody> = std::result::Result<T, E>;

/// A query server in front of one MySQL.
#[async_trait]
pub trait QueryService: Send + Sync + 'static {
    /// Runs one statement. `Ok` means that MySQL has accepted it: the first part (fields or end) is there.
    ///
    /// With [`On::Begin`] and [`On::Reserve`] the execution names the connection that later calls use. If the statement
    /// itself fails, so does the call, and no connection is left behind; on [`On::Connection`] and its like the connection stays.
    ///
    /// A reserved connection that is gone fails with [`vitrail_proto::error::Code::SessionLost`], a transaction's with `TxLost`.
    async fn execute(&self, call: Call, statement: Statement, on: On) -> Result<Execution>;

    /// Ends the transaction of a connection. A connection that was begun returns to the pool; a reserved one stays.
    async fn conclude(&self, call: Call, connection: ConnectionId, conclusion: Conclusion) -> Result<ResultEnd>;

    /// Gives a connection back: rolls back, resets and pools it, or closes it. Idempotent, never fails.
    async fn release(&self, connection: ConnectionId);

    /// Stops what runs under `call`. The execution itself then ends with [`vitrail_proto::error::Code::Cancelled`], or with its whole
    /// result if the cancel was late. Unknown calls are ignored.
    async fn cancel(&self, call: CallId);

    /// Columns, keys and collations of the tables of these names that are there; of every table if none is named.
    async fn schema(&self, call: Call, tables: Vec<String>) -> Result<schema::Schema>;

    /// Which statements shared executions, most saved first; does not touch MySQL.
    async fn consolidations(&self, call: Call) -> Result<Vec<Consolidation>>;

    /// Flavour, version and health, as last known; does not touch MySQL.
    fn info(&self) -> ServiceInfo;
}

pub mod schema;
pub mod wire;
