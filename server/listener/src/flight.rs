//! One request in flight: its credit, and how it is stopped.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::output::Lane;

/// Credit balances stay below this (PROTOCOL 16).
const MAX_BALANCE: i64 = 1 << 31;

/// A request from its receipt to its END, shared by the task that runs it and the reader that gets CREDIT and CANCEL.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) id: u64,
    pub(crate) session: Option<u64>,
    /// Cancelled by CANCEL and when the connection is lost.
    pub(crate) cancel: CancellationToken,
    /// When it must have been answered.
    pub(crate) deadline: Option<Instant>,
    /// REPLY body bytes that the client still takes; the last frame may have taken it below zero.
    balance: AtomicI64,
    /// Wakes the one task that waits for credit.
    credited: Notify,
}

impl Flight {
    pub(crate) fn new(id: u64, session: Option<u64>, credit: u32, deadline: Option<Instant>) -> Flight {
        Flight {
            id,
            session,
            cancel: CancellationToken::new(),
            deadline,
            balance: AtomicI64::new(i64::from(credit)),
            credited: Notify::new(),
        }
    }

    /// The lane of its frames in the output queue.
    pub(crate) fn lane(&self) -> Lane {
        self.session.map_or(Lane::Request(self.id), Lane::Session)
    }

    /// Adds credit; `false` if the balance left its range.
    pub(crate) fn grant(&self, bytes: u32) -> bool {
        let before = self.balance.fetch_add(i64::from(bytes), Ordering::AcqRel);
        self.credited.notify_one();
        before + i64::from(bytes) < MAX_BALANCE
    }

    /// Whether a frame may go.
    pub(crate) fn has_credit(&self) -> bool {
        self.balance.load(Ordering::Acquire) > 0
    }

    /// Waits until a frame may go.
    pub(crate) async fn credit(&self) {
        while !self.has_credit() {
            self.credited.notified().await;
        }
    }

    /// Takes what a frame costs.
    pub(crate) fn spend(&self, bytes: usize) {
        self.balance.fetch_sub(bytes as i64, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balance_goes_below_zero_by_one_frame_and_stays_in_range() {
        let flight = Flight::new(1, None, 10, None);
        assert!(flight.has_credit());
        flight.spend(1000);
        assert!(!flight.has_credit());
        assert!(flight.grant(990));
        assert!(!flight.has_credit(), "zero is not credit");
        assert!(flight.grant(1));
        assert!(flight.has_credit());
        assert!(!flight.grant(u32::MAX), "beyond the range");
    }
}
