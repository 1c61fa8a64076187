//! What a gate or a tablet implements to be served.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{Reply, Request, SessionState};

use crate::responder::Responder;
use crate::users::Users;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The connection's number.
    pub connection_id: u64,
    /// The authenticated user.
    pub user: Arc<str>,
    /// The user has role `gate`: its `caller` is believed.
    pub gate: bool,
    /// Application name from its HELLO.
    pub application: Arc<str>,
    /// `ip:port`, or `unix`.
    pub address: Arc<str>,
}

impl Peer {
    /// Its user is still one of these, and still a gate, or still none.
    pub(crate) fn is_of(&self, users: &Users) -> bool {
        users.get(&self.user).is_some_and(|user| user.is_gate() == self.gate)
    }
}

/// What HELLO says of the service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// `MySQL` or `MariaDB`.
    pub flavour: String,
    /// As MySQL says it.
    pub mysql_version: String,
    /// Other gates of the cluster.
    pub gates: Vec<String>,
    /// Changes with every start of the process.
    pub incarnation: String,
}

/// What a request brings besides its body.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Whose connection.
    pub peer: Arc<Peer>,
    /// Cancelled by CANCEL, or when the connection is gone. The service stops what runs in MySQL, waits for it, and
    /// answers [`vitrail_proto::error::Code::Cancelled`], or the whole result if it was late.
    pub cancel: CancellationToken,
    /// When it must have been answered. The service stops what runs and answers [`vitrail_proto::error::Code::Deadline`].
    pub deadline: Option<Instant>,
}

/// A gate or a tablet behind a listener.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// What it keeps per session. Small: there are many.
    type Session: Send + 'static;

    /// For HELLO.
    fn identity(&self) -> Identity;

    /// Opens a session; touches no MySQL. Also called, with the request's `state`, for each stateless request.
    fn open(&self, peer: &Arc<Peer>, state: SessionState) -> Result<Self::Session, ErrorBody>;

    /// Answers one request of any op but `open`, `close` and `reset`. Earlier REPLYs go through `responder`; the one returned is the last
    /// (END). Requests of one session come one at a time. Never dropped before it returns.
    async fn handle(
        &self,
        session: &mut Self::Session,
        request: Box<Request>,
        context: &RequestContext,
        responder: &mut Responder,
    ) -> Result<Reply, ErrorBody>;

    /// Takes a session back to how it was opened: rolls back, releases what it holds.
    async fn reset(&self, session: &mut Self::Session) -> Result<Reply, ErrorBody>;

    /// Ends a session: rolls back, releases what it holds.
    async fn close(&self, session: Self::Session);

    /// In a transaction or pinned: may go on while the listener drains.
    fn is_busy(&self, session: &Self::Session) -> bool;
}
