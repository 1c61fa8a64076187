//! Places for statements over several shards, so that they do not wait for each other's MySQL connections.
//!
//! Such a read holds a connection of every shard until its last row is merged. Two of them over full pools could each hold what the
//! other waits for. With no more places than a tablet's pool has connections, each that runs finds one on every shard:
//! statements of one shard, the only others in the pools, wait for nothing while they hold theirs.
//!
//! Identical reads that may share executions wait together and go on together, all but the first: so the tablets see them at the
//! same time. Together they take two places, because tablets run one execution of them and prepare another one.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::Share;
use vitrail_service::identity::{AsItIs, Identity};

use crate::calling::Calling;
use crate::failure;
use crate::scatter::Task;

/// Statements that may wait for each place, before one more is refused.
const WAITING_PER_PLACE: usize = 256;

/// What those take who wait together.
const JOINT_PLACES: u32 = 2;

/// A bounded number of places, given out first come, first served.
pub(crate) struct Places {
    places: Arc<Semaphore>,
    count: usize,
    /// Bounds those that wait and those that run together.
    entrance: Semaphore,
    /// Who waits together. Bounded by the entrance.
    waiting: Mutex<HashMap<Identity, Waiting, BuildHasherDefault<AsItIs>>>,
    /// Numbers groups.
    groups: AtomicU64,
    hasher: RandomState,
}

/// A place; given back when dropped.
pub(crate) struct Place<'a> {
    _place: Arc<OwnedSemaphorePermit>,
    _entrance: SemaphorePermit<'a>,
}

/// A place that comes to all who wait for it. `None`: the places are closed.
type Coming = Shared<BoxFuture<'static, Option<Arc<OwnedSemaphorePermit>>>>;

/// Those of one identity.
enum Waiting {
    /// One, by itself.
    First,
    /// Others, together: a group, and the place that comes to it.
    Together(u64, Coming),
}

impl Places {
    /// `count` places, at least one.
    pub(crate) fn new(count: usize) -> Places {
        let count = count.clamp(1, Semaphore::MAX_PERMITS / (WAITING_PER_PLACE + 1));
        Places {
            places: Arc::new(Semaphore::new(count)),
            count,
            entrance: Semaphore::new(count * (WAITING_PER_PLACE + 1)),
            waiting: Mutex::default(),
            groups: AtomicU64::new(1),
            hasher: RandomState::default(),
        }
    }

    /// Waits for a place for a statement, of which `task` is one shard's part, until the request's deadline or cancel.
    pub(crate) async fn take(&self, calling: &Calling<'_>, task: &Task) -> Result<Place<'_>, ErrorBody> {
        let Ok(entrance) = self.entrance.try_acquire() else {
            return Err(ErrorBody::new(
                Code::Exhausted,
                "too many statements over several shards wait already; try again later",
            ));
        };
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place { _place: Arc::new(place), _entrance: entrance });
        }
        let mut queue = self.queue(task);
        let expired = async {
            match calling.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            place = &mut queue.coming => match place {
                Some(place) => Ok(Place { _place: place, _entrance: entrance }),
                None => Err(failure::internal("the places for statements over several shards are closed")),
            },
            () = calling.cancel.cancelled() => Err(failure::cancelled()),
            () = expired => Err(ErrorBody::new(
                Code::Deadline,
                "the deadline has passed while the statement waited for its turn; nothing was executed",
            )),
        }
    }

    /// Where a statement waits.
    fn queue(&self, task: &Task) -> Queue<'_> {
        if task.statement.share == Share::Off || self.count < JOINT_PLACES as usize {
            return Queue { places: self, identity: None, group: 0, coming: self.coming(1) };
        }
        let identity = Identity::new(&task.call, &task.statement, &self.hasher);
        let mut waiting = self.waiting.lock();
        let (group, coming) = match waiting.get(&identity) {
            None => {
                waiting.insert(identity.clone(), Waiting::First);
                (0, self.coming(1))
            }
            // Those who have their place already have gone on.
            Some(Waiting::Together(group, coming)) if coming.peek().is_none() => (*group, coming.clone()),
            Some(_) => {
                let (group, coming) = (self.groups.fetch_add(1, Ordering::Relaxed), self.coming(JOINT_PLACES));
                waiting.insert(identity.clone(), Waiting::Together(group, coming.clone()));
                (group, coming)
            }
        };
        Queue { places: self, identity: Some(identity), group, coming }
    }

    fn coming(&self, count: u32) -> Coming {
        let places = Arc::clone(&self.places);
        async move { places.acquire_many_owned(count).await.ok().map(Arc::new) }.boxed().shared()
    }
}

/// One that waits; nothing remains of it when it is dropped.
struct Queue<'a> {
    places: &'a Places,
    identity: Option<Identity>,
    /// The number of its group; 0: it waits by itself.
    group: u64,
    /// Forgets what it is when it has come, so that only the number tells its group.
    coming: Coming,
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        let Some(identity) = &self.identity else { return };
        let mut waiting = self.places.waiting.lock();
        let over = match waiting.get(identity) {
            Some(Waiting::First) => self.group == 0,
            // A place that has come must not stay in the list. Before that: the list's own and this one, so nobody else waits.
            Some(Waiting::Together(group, coming)) => {
                *group == self.group && (coming.peek().is_some() || coming.strong_count() == Some(2))
            }
            None => false,
        };
        if over {
            waiting.remove(identity);
        }
    }
}
