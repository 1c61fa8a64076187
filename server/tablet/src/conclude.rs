//! The end of a held connection's transaction, and of its being held.

use std::sync::Arc;

use tokio::time::Instant;
use vitrail_mysql::{End, Error, Sent};
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::ResultEnd;
use vitrail_service::Result;
use vitrail_service::call::{Call, Conclusion, ConnectionId};

use crate::clock::Clock;
use crate::guard::Place;
use crate::held::{self, Taken};
use crate::lease::Lease;
use crate::mysql_errors::{self, RolledBack};
use crate::position;
use crate::shared::Shared;
use crate::stats::add;
use crate::stop;

impl Shared {
    /// Ends the transaction of a held connection.
    pub(crate) async fn conclude(
        shared: &Arc<Shared>,
        call: Call,
        id: ConnectionId,
        conclusion: Conclusion,
    ) -> Result<ResultEnd> {
        let taken = match shared.held.take(id) {
            Ok(taken) => taken,
            // What is lost is rolled back.
            Err(error) if conclusion == Conclusion::Rollback && error.code == Code::TxLost => {
                shared.held.remove(id);
                return Ok(ResultEnd::default());
            }
            Err(error) => return Err(error),
        };
        let Taken { mut lease, place, .. } = taken;
        let mut clock = Clock::default();
        clock.send();
        match Shared::exchange(shared, &mut lease, conclusion, call.deadline).await {
            Ok(end) => {
                let gtids = end.gtids();
                let position = gtids.map(|gtids| position::token(&shared.config.keyspace, &shared.config.shard, gtids));
                let pinned = place == Place::Reserved;
                let answer = ResultEnd {
                    status: end.status.0,
                    in_transaction: end.status.in_transaction(),
                    pinned,
                    position,
                    ran: Some(clock.ran()),
                    ..ResultEnd::default()
                };
                if pinned {
                    Shared::put(shared, id, lease, place).await;
                } else {
                    shared.held.remove(id);
                    lease.marked = false;
                }
                Ok(answer)
            }
            Err(_) if conclusion == Conclusion::Rollback && !lease.connection().is_clean() => {
                // MySQL rolls back what a lost connection leaves.
                shared.held.remove(id);
                lease.discard();
                Ok(ResultEnd::default())
            }
            Err(error) => Err(Shared::not_concluded(shared, id, lease, place, &error, conclusion).await),
        }
    }

    /// Sends COMMIT or ROLLBACK. A server that has not answered `limits.kill_grace` after the deadline never will: its connection is
    /// given up, and killed, for where a network stands still it may never hear of that and would keep the locks.
    async fn exchange(
        shared: &Shared,
        lease: &mut Lease,
        conclusion: Conclusion,
        deadline: Option<Instant>,
    ) -> std::result::Result<End, Error> {
        let sql = match conclusion {
            Conclusion::Commit => "COMMIT",
            Conclusion::Rollback => "ROLLBACK",
        };
        let thread = lease.thread();
        let concluding = lease.connection().execute(sql);
        let Some(deadline) = deadline else { return concluding.await };
        let grace = shared.config.limits.kill_grace;
        match tokio::time::timeout_at(deadline.max(Instant::now()) + grace, concluding).await {
            Ok(outcome) => outcome,
            Err(_) => {
                stop::end_connection(&shared.killer, thread, grace).await;
                let source = std::io::ErrorKind::TimedOut.into();
                Err(Error::Io { source, sent: Sent::Something, doing: "reading" })
            }
        }
    }

    /// What becomes of a connection whose transaction did not end as it should, and what its client is told.
    async fn not_concluded(
        shared: &Arc<Shared>,
        id: ConnectionId,
        mut lease: Lease,
        place: Place,
        error: &Error,
        conclusion: Conclusion,
    ) -> ErrorBody {
        let mut body = mysql_errors::to_body(error, &shared.names, conclusion == Conclusion::Commit);
        if !lease.connection().is_clean() {
            add(shared.counters.lost(place), 1);
            shared.held.lose(id, held::gone(place));
            lease.discard();
            if body.executed == Executed::Unknown {
                body.message = "the connection to MySQL was lost during COMMIT; check whether it took effect".into();
            }
        } else if place == Place::Reserved {
            let gone = error.server().map(mysql_errors::rolled_back) == Some(RolledBack::Transaction);
            body.in_transaction = !gone;
            Shared::put(shared, id, lease, place).await;
        } else {
            // MySQL may have kept the transaction; a commit that failed ends it here all the same.
            add(&shared.counters.transactions_lost, 1);
            shared.held.lose(id, held::unknown());
            Shared::clean_up(shared, lease, place).await;
        }
        body
    }

    /// Holds a connection again, unless it is to be held no more.
    async fn put(shared: &Arc<Shared>, id: ConnectionId, lease: Lease, place: Place) {
        if let Some(lease) = shared.held.put(id, lease) {
            Shared::clean_up(shared, lease, place).await;
        }
    }

    /// Gives a held connection back.
    pub(crate) async fn release(shared: &Arc<Shared>, id: ConnectionId) {
        if let Some((lease, place)) = shared.held.remove(id) {
            Shared::clean_up(shared, lease, place).await;
        }
    }

    /// Takes a connection's state off and gives it back to its pool, or closes it.
    pub(crate) async fn clean_up(shared: &Arc<Shared>, mut lease: Lease, place: Place) {
        let dirty = lease.marked || lease.connection().status().in_transaction();
        if !lease.connection().is_clean() {
            return lease.discard();
        }
        if place == Place::Shared && !dirty {
            return;
        }
        let clean = async {
            match place {
                Place::Transaction => lease.roll_back().await,
                Place::Shared | Place::Reserved => lease.reset().await,
            }
        };
        match Box::pin(tokio::time::timeout(shared.config.limits.kill_grace, clean)).await {
            Ok(true) => drop(lease),
            _ => lease.discard(),
        }
    }
}

/// What a client is told whose deadline passes before MySQL has answered. The exchange goes on without it, for a while.
pub(crate) fn overtaken(conclusion: Conclusion) -> ErrorBody {
    match conclusion {
        Conclusion::Commit => ErrorBody::new(
            Code::OutcomeUnknown,
            "the deadline passed during COMMIT, and MySQL may yet finish it; check whether it took effect",
        ),
        Conclusion::Rollback => ErrorBody::new(
            Code::Deadline,
            "the deadline passed during ROLLBACK, which MySQL will finish; nothing was committed",
        ),
    }
}
