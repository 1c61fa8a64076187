//! A budget of bytes that many share: reserved before memory is used, returned when the reservation is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many bytes and no more.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Arc<Budget> {
        Arc::new(Budget { limit, used: AtomicUsize::new(0) })
    }

    /// Bytes reserved now.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Reserves all of `bytes` or nothing. Nobody waits here: two who wait for each other's half would never end.
    fn try_take(&self, bytes: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|total| *total <= self.limit)
            })
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes taken from a connection's budget and from the listener's.
#[derive(Debug)]
pub(crate) struct Reservation {
    bytes: usize,
    connection: Arc<Budget>,
    listener: Arc<Budget>,
}

impl Reservation {
    /// Takes `bytes` from both, or from neither.
    pub(crate) fn take(connection: &Arc<Budget>, listener: &Arc<Budget>, bytes: usize) -> Option<Reservation> {
        if !connection.try_take(bytes) {
            return None;
        }
        if !listener.try_take(bytes) {
            connection.give_back(bytes);
            return None;
        }
        Some(Reservation { bytes, connection: connection.clone(), listener: listener.clone() })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.connection.give_back(self.bytes);
        self.listener.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_from_both_or_from_neither() {
        let (connection, listener) = (Budget::new(100), Budget::new(150));
        let first = Reservation::take(&connection, &listener, 100).unwrap();
        assert!(Reservation::take(&connection, &listener, 1).is_none(), "the connection's budget is used up");
        let other = Budget::new(100);
        assert!(Reservation::take(&other, &listener, 51).is_none(), "the listener's budget is used up");
        assert_eq!(other.used(), 0, "a refused reservation leaves nothing behind");
        drop(first);
        assert_eq!((connection.used(), listener.used()), (0, 0));
        assert!(Reservation::take(&other, &listener, usize::MAX).is_none(), "no overflow");
    }
}
