//! What holds the reads of one statement together: the session's transaction, or a snapshot of each shard that is the statement's own.

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{BeginOptions, Isolation};

use crate::calling::Calling;
use crate::failure;
use crate::session::{Session, TransactionState};
use crate::transaction::Transaction;

/// See the module.
pub(super) struct Snapshot {
    /// The transaction is the statement's own.
    own: bool,
}

impl Snapshot {
    /// Begins. `several`: more than one statement reads. Without a transaction, each shard shows one moment to all of them.
    pub(super) fn begin(session: &mut Session, several: bool, locks: bool) -> Result<Snapshot, ErrorBody> {
        if matches!(session.transaction, TransactionState::Lost) {
            return Err(failure::transaction_lost());
        }
        let own = several && !session.in_transaction() && session.now.autocommit;
        if own {
            let options = session.next.take().map(|options| *options).unwrap_or_default();
            let isolation = repeatable(options.isolation);
            let options = BeginOptions {
                isolation: Some(isolation),
                read_only: Some(!locks),
                snapshot: isolation == Isolation::RepeatableRead,
                ..options
            };
            let mut transaction = Transaction::new(options);
            transaction.implicit = true;
            session.transaction = TransactionState::Open(Box::new(transaction));
        }
        Ok(Snapshot { own })
    }

    /// Ends what [`Snapshot::begin`] has begun: it has changed nothing.
    pub(super) async fn end(self, session: &mut Session, calling: &Calling<'_>) {
        if self.own
            && let Some(transaction) = session.take_transaction()
        {
            transaction.rollback(calling).await;
        }
    }
}

/// The least isolation under which a transaction sees one moment.
fn repeatable(isolation: Option<Isolation>) -> Isolation {
    match isolation {
        Some(Isolation::Serializable) => Isolation::Serializable,
        _ => Isolation::RepeatableRead,
    }
}
