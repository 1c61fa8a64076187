//! Places for statements over several shards, so that they do not wait for each other's MySQL connections.
//!
//! Such a read holds a connection of every shard until its last row is merged. Two of them over full pools could each hold what the
//! other waits for. With no more places than a tablet's pool has connections, each that runs finds one on every shard:
//! statements of one shard, the only others in the pools, wait for nothing while they hold theirs.

use tokio::sync::{Semaphore, SemaphorePermit};
use vitrail_proto::error::{Code, ErrorBody};

use crate::calling::Calling;
use crate::failure;

/// Statements that may wait for each place, before one more is refused.
const WAITING_PER_PLACE: usize = 256;

/// A bounded number of places, given out first come, first served.
pub(crate) struct Places {
    places: Semaphore,
    /// Bounds those that wait and those that run together.
    entrance: Semaphore,
}

/// A place; given back when dropped.
pub(crate) struct Place<'a> {
    _place: SemaphorePermit<'a>,
    _entrance: SemaphorePermit<'a>,
}

impl Places {
    /// `count` places, at least one.
    pub(crate) fn new(count: usize) -> Places {
        let count = count.clamp(1, Semaphore::MAX_PERMITS / (WAITING_PER_PLACE + 1));
        Places { places: Semaphore::new(count), entrance: Semaphore::new(count * (WAITING_PER_PLACE + 1)) }
    }

    /// Waits for a place, until the request's deadline or cancel.
    pub(crate) async fn take(&self, calling: &Calling<'_>) -> Result<Place<'_>, ErrorBody> {
        let Ok(entrance) = self.entrance.try_acquire() else {
            return Err(ErrorBody::new(
                Code::Exhausted,
                "too many statements over several shards wait already; try again later",
            ));
        };
        let expired = async {
            match calling.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            place = self.places.acquire() => match place {
                Ok(place) => Ok(Place { _place: place, _entrance: entrance }),
                Err(_) => Err(failure::internal("the places for statements over several shards are closed")),
            },
            () = calling.cancel.cancelled() => Err(failure::cancelled()),
            () = expired => Err(ErrorBody::new(
                Code::Deadline,
                "the deadline has passed while the statement waited for its turn; nothing was executed",
            )),
        }
    }
}
