//! A bounded pool of connections, shared fairly by the users who need them.
//!
//! A queue hands out places; behind it lies a stack of idle connections, so that the warmest is used first and the others can
//! age. No crate's pool is used: bb8 lets newcomers overtake waiters, has no bound on them, ages its connections without jitter, and
//! cannot look whether an idle connection still lives without a round trip; what would be left of it is this stack.
//!
//! **Streams.** Whoever reads a long result may move its connection among the streams, of which there are a few: its place goes to the
//! next who waits, so that short statements do not wait for long results. The server sees at most `size + streams` connections.
//!
//! **Riding.** Those who wait may let their statements be sent behind somebody else's, on its connection (see [`riding`]).

mod riding;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::connector::Connector;
use crate::error::Result;
use crate::options::ConnectOptions;
use crate::queue::{Limits, Overload, Passenger, Place, Queue, Turn};

pub use self::riding::{Ride, Riders};

/// Bounds of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Connections at most, those that are being opened included.
    pub size: usize,
    /// Connections of one user at most; 0: as many as there are.
    pub per_user: usize,
    /// Further connections that may be moved among the streams.
    pub streams: usize,
    /// Callers that may wait for one; the next is refused at once.
    pub max_waiters: usize,
    /// The longest wait for a connection.
    pub wait_limit: Duration,
    /// When those who wait are too many.
    pub overload: Overload,
    /// A connection that was idle for longer is replaced. Keep it below MySQL's `wait_timeout`.
    pub max_idle: Duration,
    /// A connection older than this is replaced when it is given back; each draws up to a tenth less, so that not all age at once.
    pub max_age: Duration,
}

impl Default for PoolOptions {
    fn default() -> PoolOptions {
        PoolOptions {
            size: 16,
            per_user: 0,
            streams: 0,
            max_waiters: 10_000,
            wait_limit: Duration::from_secs(10),
            overload: Overload::default(),
            max_idle: Duration::from_secs(600),
            max_age: Duration::from_secs(3600),
        }
    }
}

/// What a pool does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Connections at most, streams left out.
    pub size: usize,
    /// Connections in callers' hands, streams left out.
    pub in_use: usize,
    /// Connections that wait for use.
    pub idle: usize,
    /// Connections among the streams.
    pub streams: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// How long the one waits who has waited longest.
    pub delay: Duration,
    /// Callers that have ever had to wait.
    pub waited_total: u64,
    /// How long they waited, together.
    pub wait_time_total: Duration,
    /// Callers of them whose statements went behind others, on their connections.
    pub boarded_total: u64,
    /// Callers that were refused because others waited for too long already.
    pub shed_total: u64,
    /// Callers that were refused because too many waited.
    pub overflowed_total: u64,
    /// Connections that were ever moved among the streams.
    pub streams_total: u64,
    /// Connections ever opened, by all pools over the same server.
    pub opened_total: u64,
}

/// The pool. Clones share it.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

/// A connection out of the pool; goes back when dropped, if it is clean, else is closed.
pub struct Pooled {
    /// Always there until drop. Boxed: it changes hands often.
    connection: Option<Box<Connection>>,
    /// Whose statements follow on it.
    riders: Riders,
    /// When this connection is too old to go back.
    expires: Instant,
    shared: Arc<Shared>,
    place: Place<Pooled>,
    /// The place is one of the streams'.
    streams: bool,
}

struct Shared {
    connector: Arc<Connector>,
    options: PoolOptions,
    /// A place for each connection, open or not.
    queue: Arc<Queue<Pooled>>,
    /// The streams' places, for which nobody waits.
    streams: Arc<Queue<Pooled>>,
    /// The last given back is the first taken. Never more than `size` and `streams` together.
    idle: Mutex<Vec<Idle>>,
    /// Whoever names no user.
    nobody: Arc<str>,
}

struct Idle {
    connection: Box<Connection>,
    expires: Instant,
    since: Instant,
}

impl Pool {
    /// A pool of connections made with `connect`; none is opened yet.
    pub fn new(connect: ConnectOptions, options: PoolOptions) -> Pool {
        Pool::over(Connector::new(connect), options)
    }

    /// A pool beside others over one server.
    pub fn over(connector: Arc<Connector>, options: PoolOptions) -> Pool {
        let per_user = if options.per_user == 0 { options.size } else { options.per_user.min(options.size) };
        let limits = Limits {
            size: options.size,
            per_user,
            waiters: options.max_waiters,
            wait: options.wait_limit,
            overload: options.overload,
        };
        let streams = Limits { size: options.streams, per_user: options.streams, waiters: 0, ..limits };
        Pool {
            shared: Arc::new(Shared {
                connector,
                options,
                queue: Queue::new(limits),
                streams: Queue::new(streams),
                idle: Mutex::new(Vec::new()),
                nobody: Arc::default(),
            }),
        }
    }

    /// A connection for nobody in particular; see [`Pool::get_for`].
    pub async fn get(&self, deadline: Option<Instant>) -> Result<Pooled> {
        self.get_for(&self.shared.nobody, deadline).await
    }

    /// A connection for `user`, by `deadline` if there is one. Waits in turn; an idle connection that the server has closed is replaced.
    ///
    /// Errors: [`Error::QueueFull`](crate::Error::QueueFull) and [`Error::Overloaded`](crate::Error::Overloaded) at once,
    /// [`Error::WaitTimeout`](crate::Error::WaitTimeout), [`Error::PoolClosed`](crate::Error::PoolClosed), and what opening a connection
    /// can fail with, which is tried once.
    pub async fn get_for(&self, user: &Arc<str>, deadline: Option<Instant>) -> Result<Pooled> {
        match self.wait(user, deadline, None).await? {
            Ride::Connection(connection) => Ok(connection),
            Ride::Answer(_) | Ride::Left => unreachable!("nobody takes along whoever brings no passenger"),
        }
    }

    /// The same for a statement that may go behind another one; see [`riding`].
    ///
    /// Errors: as [`Pool::get_for`].
    pub async fn ride_for(&self, user: &Arc<str>, deadline: Option<Instant>, passenger: Passenger) -> Result<Ride> {
        self.wait(user, deadline, Some(passenger)).await
    }

    async fn wait(&self, user: &Arc<str>, deadline: Option<Instant>, passenger: Option<Passenger>) -> Result<Ride> {
        let place = match self.shared.queue.take(user, deadline, passenger).await? {
            Turn::Place(place) => place,
            Turn::Ride(connection) => return Ok(Ride::Answer(connection)),
            Turn::Left => return Ok(Ride::Left),
        };
        // Newest first: if that one idled for too long, so did all others.
        while let Some(mut idle) = self.shared.pop_idle() {
            if idle.connection.is_alive().await {
                return Ok(Ride::Connection(self.pooled(idle.connection, idle.expires, place)));
            }
        }
        // Boxed, as it is rare.
        let connection = Box::pin(self.shared.connector.open(deadline)).await?;
        let lived = self.shared.options.max_age.mul_f64(1.0 - rand::rng().random_range(0.0..0.1));
        let expires = connection.created() + lived;
        Ok(Ride::Connection(self.pooled(Box::new(connection), expires, place)))
    }

    /// What the pool does at the moment.
    pub fn stats(&self) -> PoolStats {
        let shared = &self.shared;
        let (queue, streams) = (shared.queue.figures(), shared.streams.figures());
        PoolStats {
            size: shared.options.size,
            in_use: queue.taken,
            idle: shared.idle.lock().len(),
            streams: streams.taken,
            waiting: queue.waiting,
            delay: queue.delay,
            waited_total: queue.waited,
            wait_time_total: queue.wait_time,
            boarded_total: queue.boarded,
            shed_total: queue.shed,
            overflowed_total: queue.overflowed,
            streams_total: streams.served,
            opened_total: shared.connector.opened(),
        }
    }

    /// What its connections are made with.
    pub fn connect_options(&self) -> &Arc<ConnectOptions> {
        self.shared.connector.options()
    }

    /// Closes idle connections that idled for too long or are too old. For a caller's slow tick; the pool has no task of its own.
    pub async fn reap(&self) {
        let now = Instant::now();
        let stale: Vec<Idle> = {
            let mut idle = self.shared.idle.lock();
            let (stale, fresh) = idle.drain(..).partition(|idle| self.shared.is_stale(idle, now));
            *idle = fresh;
            stale
        };
        for idle in stale {
            idle.connection.quit().await;
        }
    }

    /// Refuses new callers and all that wait, and closes what is idle. Connections in use close when they are given back.
    pub async fn close(&self) {
        self.shared.queue.close();
        let idle = std::mem::take(&mut *self.shared.idle.lock());
        for idle in idle {
            idle.connection.quit().await;
        }
    }

    fn pooled(&self, connection: Box<Connection>, expires: Instant, place: Place<Pooled>) -> Pooled {
        let riders = Riders::default();
        Pooled { connection: Some(connection), riders, expires, shared: self.shared.clone(), place, streams: false }
    }
}

impl Shared {
    /// The idle connection that was used last, if it is still good by its age.
    fn pop_idle(&self) -> Option<Idle> {
        let now = Instant::now();
        let mut idle = self.idle.lock();
        loop {
            let candidate = idle.pop()?;
            if !self.is_stale(&candidate, now) {
                return Some(candidate);
            }
        }
    }

    fn is_stale(&self, idle: &Idle, now: Instant) -> bool {
        now >= idle.expires || now.duration_since(idle.since) > self.options.max_idle
    }
}

impl Pooled {
    /// Closes the connection instead of giving it back; its place in the pool becomes free.
    pub fn discard(mut self) {
        self.connection = None;
    }

    /// Moves the connection among the streams, if a place is free there: whoever waits in the pool is served. `true` if it is there.
    pub fn stream(&mut self) -> bool {
        if !self.streams
            && let Some(place) = self.shared.streams.try_take(&self.shared.nobody)
        {
            self.place = place;
            self.streams = true;
        }
        self.streams
    }
}

impl Deref for Pooled {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("the connection leaves only with the guard itself")
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("the connection leaves only with the guard itself")
    }
}

impl Drop for Pooled {
    /// Back to the stack before the place is given back: whoever waits finds it there.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let now = Instant::now();
        if !connection.is_clean() || now >= self.expires || self.shared.queue.is_closed() {
            return;
        }
        connection.release_buffers();
        self.shared.idle.lock().push(Idle { connection, expires: self.expires, since: now });
    }
}
