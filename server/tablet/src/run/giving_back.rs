//! The end of a statement: its connection goes back to where it belongs, and the caller reads what became of it.

use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_service::call::ConnectionId;

use super::Run;
use super::failure::{Failure, Fate};
use crate::guard::Place;
use crate::held;
use crate::shared::Shared;
use crate::stats::add;
use crate::stop::Why;

impl Run {
    /// Gives the connection back to where it belongs, and says what the caller reads.
    pub(super) async fn give_back(&mut self, mut outcome: Result<(), Failure>) -> Result<(), ErrorBody> {
        if outcome.is_err() {
            self.outbox.discard();
        }
        if self.lease.is_followed() && (outcome.is_err() || self.killed || !self.lease.can_be_handed_on()) {
            Box::pin(self.shared.call_off(&mut self.lease)).await;
        }
        let grace = self.shared.config.limits.kill_grace;
        let settled = !self.killed || {
            let settle = self.lease.connection().settle_after_kill();
            matches!(Box::pin(tokio::time::timeout(grace, settle)).await, Ok(Ok(())))
        };
        let lost = !settled || !self.lease.connection().has_ended();
        if !lost && let Err(failure) = &mut outcome {
            Box::pin(self.look_what_a_routine_left(failure)).await;
        }
        let lost = lost || !self.end_what_was_begun(&outcome).await;
        let failed_to_open = outcome.is_err() && self.outbox.is_unopened() && self.taken_here;
        let abandoned = self.taken_here && !self.outbox.is_delivered() && self.stopped == Some(Why::Abandoned);
        let fate = match &outcome {
            _ if lost => Fate::Lost,
            Ok(()) => Fate::Kept,
            Err(failure) => failure.fate,
        };
        let in_transaction = !lost && fate == Fate::Kept && self.lease.connection().status().in_transaction();
        let mut outcome = outcome.map_err(|failure| *failure.body);
        if self.place == Place::Shared || failed_to_open || abandoned {
            self.retire(lost).await;
            return outcome;
        }
        let id = self.id.expect("a held connection has a name");
        match fate {
            Fate::Kept => {
                if let Some(lease) = self.lease.take()
                    && let Some(lease) = self.shared.held.put(id, lease)
                {
                    Shared::clean_up(&self.shared, lease, self.place).await;
                }
                if let Err(error) = &mut outcome {
                    error.in_transaction = in_transaction || self.place == Place::Transaction;
                }
            }
            Fate::RolledBack | Fate::Ended | Fate::Lost => {
                outcome = outcome.map_err(|error| self.lost_transaction(error, fate));
                Box::pin(self.lose(id, fate, lost)).await;
            }
        }
        outcome
    }

    /// A statement that failed leaves no transaction that was begun for it on a reserved connection. `false`: the connection is lost.
    async fn end_what_was_begun(&mut self, outcome: &Result<(), Failure>) -> bool {
        let kept = matches!(outcome, Err(failure) if failure.fate == Fate::Kept);
        if !self.begins_on || !kept || !self.lease.connection().is_clean() {
            return true;
        }
        let grace = self.shared.config.limits.kill_grace;
        let rolled_back = Box::pin(tokio::time::timeout(grace, self.lease.roll_back())).await;
        // What it was reserved for is still there.
        self.lease.marked = true;
        matches!(rolled_back, Ok(true))
    }

    /// What a caller reads whose transaction went with the statement.
    fn lost_transaction(&self, mut error: ErrorBody, fate: Fate) -> ErrorBody {
        error.in_transaction = false;
        if self.place == Place::Reserved && self.stopped == Some(Why::Expired) {
            return held::too_old(Place::Reserved).with_executed(error.executed);
        }
        if fate == Fate::Lost && self.place == Place::Transaction && self.stopped.is_none() {
            // MySQL rolls back what its connection leaves open: no effect remains.
            error = ErrorBody::new(
                Code::TxLost,
                "the connection to MySQL was lost and with it the transaction, which is rolled back; roll back, then begin anew",
            );
        } else if self.place == Place::Transaction && fate != Fate::Ended {
            error.executed = Executed::No;
        } else if fate == Fate::Lost && self.place == Place::Reserved && self.stopped.is_none() {
            // It may have run in autocommit: what is known of its effect stands.
            error = held::gone(Place::Reserved).with_executed(error.executed);
        }
        error
    }

    async fn lose(&mut self, id: ConnectionId, fate: Fate, lost: bool) {
        let why = match (self.place, fate, self.stopped) {
            (Place::Reserved, _, Some(Why::Expired)) => Some(held::too_old(Place::Reserved)),
            (Place::Reserved, Fate::RolledBack, _) => None,
            (Place::Reserved, ..) => Some(held::gone(Place::Reserved)),
            (_, _, Some(Why::Expired)) => Some(Why::Expired.error()),
            (_, Fate::Ended, _) => Some(ErrorBody::new(
                Code::TxLost,
                "the transaction was ended by an earlier statement; roll back, then begin anew",
            )),
            _ => Some(ErrorBody::new(
                Code::TxLost,
                "the transaction was rolled back by an earlier error; roll back, then begin anew",
            )),
        };
        match why {
            None => {
                if let Some(lease) = self.lease.take()
                    && let Some(lease) = self.shared.held.put(id, lease)
                {
                    Shared::clean_up(&self.shared, lease, self.place).await;
                }
            }
            Some(why) => {
                add(self.shared.counters.lost(self.place), 1);
                self.shared.held.lose(id, why);
                self.retire_lease(lost).await;
            }
        }
    }

    /// The connection is nobody's any more.
    async fn retire(&mut self, lost: bool) {
        if let Some(id) = self.id {
            self.shared.held.remove(id);
        }
        self.retire_lease(lost).await;
    }

    async fn retire_lease(&mut self, lost: bool) {
        let Some(mut lease) = self.lease.take() else { return };
        if lost {
            lease.discard();
        } else if lease.is_followed() {
            Shared::hand_on(&self.shared, lease);
        } else {
            let place = if self.reading.passed.reset_after { Place::Reserved } else { self.place };
            Shared::clean_up(&self.shared, lease, place).await;
        }
    }
}
