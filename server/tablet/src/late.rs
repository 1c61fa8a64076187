//! A statement that MySQL does not answer though it was stopped: its caller is told, and what it held is lost.

use std::sync::Arc;

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_service::call::ConnectionId;
use vitrail_service::overdue::Overdue;

use crate::guard::Place;
use crate::shared::Shared;
use crate::stats::add;

/// How long a statement's caller waits, and what goes when that is over. The statement's own task goes on.
pub(crate) struct Late {
    pub(crate) shared: Arc<Shared>,
    pub(crate) overdue: Overdue,
    /// The connection that it runs on, if that is held between calls.
    pub(crate) id: Option<ConnectionId>,
}

impl Late {
    /// Awaits a part of the answer.
    ///
    /// # Errors
    ///
    /// What it means that none came in time.
    pub(crate) async fn wait<T>(&self, answer: impl Future<Output = T>) -> Result<T, ErrorBody> {
        match self.overdue.wait(answer).await {
            Some(answer) => Ok(answer),
            None => Err(self.give_up()),
        }
    }

    /// A held connection whose statement goes on is good for nothing more: its task cleans it up when it ends.
    fn give_up(&self) -> ErrorBody {
        let error = self.overdue.error();
        if let Some(id) = self.id {
            let reserved = self.shared.held.place(id) == Some(Place::Reserved);
            let code = if reserved { Code::SessionLost } else { Code::TxLost };
            add(&self.shared.counters.transactions_lost, u64::from(!reserved));
            self.shared.held.lose(id, ErrorBody::new(code, error.message.clone()));
        }
        self.shared.counters.error(&error);
        error
    }
}
