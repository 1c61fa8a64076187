//! Runs a resolved statement on its shards: in autocommit, in the session's transaction, or in an implicit one.

pub(crate) mod ends;
pub(crate) mod pass;
mod returned;
mod transactional;
mod work;

use vitrail_planner::plan::Resolved;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;

use self::work::Work;
use crate::answer::Answer;
use crate::calling::Calling;
use crate::cluster::Keyspace;
use crate::failure;
use crate::pins::{Pins, hold};
use crate::session::{Session, TransactionState};
use crate::transaction::{Transaction, lost_by};

/// What a request asks of its statement besides running it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// At most so many rows.
    pub(crate) max_rows: Option<u64>,
    /// Refuse what writes.
    pub(crate) read_only: bool,
}

/// Runs a statement for a session, and puts its rows into `answer`. The end is returned, for the session to add to.
///
/// Outside a transaction, a write over several shards runs in an implicit one. A failure has no effect on any shard, unless
/// its `executed` says otherwise.
///
/// On a shard that the session is pinned to, it runs on that connection. If that is lost, the error says so.
pub(crate) async fn run(
    session: &mut Session,
    keyspace: &Keyspace,
    resolved: &Resolved,
    limits: Limits,
    calling: &Calling<'_>,
    answer: &mut Answer<'_>,
) -> Result<Box<ResultEnd>, ErrorBody> {
    let mut pins = session.pins.take();
    let outcome = dispatch(session, pins.as_deref_mut(), keyspace, resolved, limits, calling, answer).await;
    session.pins = pins;
    match outcome {
        Err(error) => Err(Box::pin(hold::after_failure(session, calling, error)).await),
        done => done,
    }
}

async fn dispatch(
    session: &mut Session,
    pins: Option<&mut Pins>,
    keyspace: &Keyspace,
    resolved: &Resolved,
    limits: Limits,
    calling: &Calling<'_>,
    answer: &mut Answer<'_>,
) -> Result<Box<ResultEnd>, ErrorBody> {
    if resolved.writes && limits.read_only {
        return Err(failure::read_only());
    }
    if matches!(session.transaction, TransactionState::Lost) {
        return Err(failure::transaction_lost());
    }
    if !session.now.autocommit && !session.in_transaction() && !calling.apart {
        let options = session.next.take().map(|options| *options).unwrap_or_default();
        session.transaction = TransactionState::Open(Box::new(Transaction::new(options)));
    }
    // What is rare, or waits for more than one answer, is boxed: an autocommit statement of one shard moves little.
    let mut work = Work { keyspace, resolved, limits, calling, pins: None };
    let together = session.in_transaction() || session.next.is_some() || work.writes_several();
    work.pins = match pins {
        Some(pins) => {
            Box::pin(hold::set_autocommit(pins, keyspace, !together, calling)).await?;
            Some(pins)
        }
        None => None,
    };
    // What reads no table does not begin what is not open.
    if let TransactionState::Open(transaction) = &mut session.transaction
        && (transaction.is_open() || !calling.apart)
    {
        let outcome = Box::pin(work.in_transaction(transaction, answer)).await;
        return match outcome {
            Err(error) if error.loses => {
                let implicit = transaction.implicit;
                if let Some(transaction) = session.take_transaction() {
                    Box::pin(transaction.rollback(calling)).await;
                }
                if implicit {
                    return Err(failure::undone(error.body));
                }
                session.transaction = TransactionState::Lost;
                Err(lost_by(error.body))
            }
            outcome => outcome.map_err(|error| error.body),
        };
    }
    let next = if calling.apart { None } else { session.next.take() };
    if next.is_some() || work.writes_several() {
        let options = next.map(|options| *options).unwrap_or_default();
        return Box::pin(work.in_implicit_transaction(options, answer)).await;
    }
    work.in_autocommit(answer).await
}

#[cfg(test)]
mod tests;
