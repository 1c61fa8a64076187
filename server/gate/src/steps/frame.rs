//! What holds the steps of a statement together: the session's transaction with a savepoint, or one of the statement's own.

use std::sync::Arc;
use std::time::Duration;

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;

use crate::calling::Calling;
use crate::cluster::Keyspace;
use crate::session::{Session, TransactionState};
use crate::transaction::{Guard, Transaction, lost_by};
use crate::{facts, failure};

/// See the module.
pub(super) struct Frame {
    /// The transaction is the statement's own.
    own: bool,
    /// The shards that had joined before.
    joined: Vec<Arc<str>>,
}

impl Frame {
    /// Begins a statement. Nothing else may run for the session until [`Frame::end`].
    pub(super) async fn begin(
        session: &mut Session,
        keyspace: &Keyspace,
        calling: &Calling<'_>,
    ) -> Result<Frame, ErrorBody> {
        if matches!(session.transaction, TransactionState::Lost) {
            return Err(failure::transaction_lost());
        }
        if !session.in_transaction() {
            let options = session.next.take().map(|options| *options).unwrap_or_default();
            let own = session.now.autocommit;
            let mut transaction = Transaction::new(options);
            transaction.implicit = own;
            session.transaction = TransactionState::Open(Box::new(transaction));
            return Ok(Frame { own, joined: Vec::new() });
        }
        let mut joined = Vec::new();
        if let TransactionState::Open(transaction) = &session.transaction {
            joined = transaction.joined(&keyspace.name);
            if let Err(error) = transaction.guard(Guard::Steps, &keyspace.name, &joined, calling).await {
                return Err(lose(session, error, calling).await);
            }
        }
        Ok(Frame { own: false, joined })
    }

    /// Ends it: everything is done, or nothing is.
    pub(super) async fn end(
        self,
        session: &mut Session,
        keyspace: &Keyspace,
        calling: &Calling<'_>,
        outcome: Result<Box<ResultEnd>, ErrorBody>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        if self.own {
            // A failure that lost it has taken it out.
            let transaction = session.take_transaction();
            return match (outcome, transaction) {
                (Ok(end), Some(transaction)) => {
                    let committed = transaction.commit(calling).await?;
                    let mut end = ResultEnd { position: committed.position, in_transaction: false, ..*end };
                    facts::and_also(&mut end.ran, Duration::ZERO, committed.ran.map_or(0, |ran| ran.mysql_us));
                    Ok(Box::new(end))
                }
                (Ok(_), None) => Err(failure::internal("the transaction of a statement is gone")),
                (Err(error), transaction) => {
                    if let Some(transaction) = transaction {
                        transaction.rollback(calling).await;
                    }
                    Err(failure::undone(error))
                }
            };
        }
        let error = match outcome {
            Ok(end) => return Ok(Box::new(ResultEnd { in_transaction: true, ..*end })),
            Err(error) => error,
        };
        let TransactionState::Open(transaction) = &mut session.transaction else { return Err(error) };
        let fresh: Vec<Arc<str>> =
            transaction.joined(&keyspace.name).into_iter().filter(|shard| !self.joined.contains(shard)).collect();
        match transaction.undo(Guard::Steps, &keyspace.name, &self.joined, &fresh, calling).await {
            Ok(()) => Err(failure::undone(error)),
            Err(lost) => Err(lose(session, lost, calling).await),
        }
    }
}

/// The session's transaction cannot go on.
async fn lose(session: &mut Session, error: ErrorBody, calling: &Calling<'_>) -> ErrorBody {
    if let Some(transaction) = session.take_transaction() {
        transaction.rollback(calling).await;
    }
    session.transaction = TransactionState::Lost;
    lost_by(error)
}
