//! Requests that arrive in fragments: memory is reserved for the whole before it is allowed to come.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use crate::budget::Reservation;

/// Refused uploads remembered, so that their fragments under way are dropped.
const MAX_ABANDONED: usize = 1_024;

/// A request of which fragments are missing.
#[derive(Debug)]
pub(crate) struct Upload {
    /// Grows with what arrives, never ahead of it by more than doubling.
    pub(crate) buffer: Vec<u8>,
    /// As its first fragment announced.
    pub(crate) total: usize,
    /// When its first fragment came: deadlines count from here.
    pub(crate) received: Instant,
    /// When its last fragment came.
    pub(crate) progress: Instant,
    pub(crate) memory: Reservation,
}

/// All uploads under way on a connection, and those it has refused.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    pub(crate) open: HashMap<u64, Upload>,
    abandoned: VecDeque<(u64, usize)>,
}

impl Uploads {
    /// Remembers a refused upload, of which at most `free` bytes are still under way.
    pub(crate) fn abandon(&mut self, id: u64, under_way: usize) {
        if under_way == 0 {
            return;
        }
        if self.abandoned.len() == MAX_ABANDONED {
            self.abandoned.pop_front();
        }
        self.abandoned.push_back((id, under_way));
    }

    /// Whether a fragment belongs to a refused upload and is to be dropped.
    pub(crate) fn drops(&mut self, id: u64, bytes: usize, more: bool) -> bool {
        let Some(at) = self.abandoned.iter().position(|(abandoned, _)| *abandoned == id) else { return false };
        let under_way = &mut self.abandoned[at].1;
        if bytes > *under_way {
            return false;
        }
        *under_way -= bytes;
        if !more || *under_way == 0 {
            self.abandoned.remove(at);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_what_was_under_way_and_no_more() {
        let mut uploads = Uploads::default();
        uploads.abandon(7, 100);
        assert!(!uploads.drops(8, 10, true), "another request");
        assert!(uploads.drops(7, 60, true));
        assert!(!uploads.drops(7, 60, true), "more than its free bytes");
        assert!(uploads.drops(7, 40, true));
        assert!(!uploads.drops(7, 1, true), "nothing is under way any more");
        uploads.abandon(9, 100);
        assert!(uploads.drops(9, 1, false), "its last fragment");
        assert!(!uploads.drops(9, 1, false));
        for id in 0..10_000 {
            uploads.abandon(id, 1);
        }
        assert_eq!(uploads.abandoned.len(), MAX_ABANDONED);
    }
}
