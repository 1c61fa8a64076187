//! A bounded pool of connections, served first come, first served.
//!
//! The queue is tokio's semaphore, which is fair; behind it lies a stack of idle connections, so that the warmest is used first and the
//! others can age. No crate's pool is used: bb8 lets newcomers overtake waiters, has no bound on them, ages its connections
//! without jitter, and cannot look whether an idle connection still lives without a round trip; what would be left of it is this stack.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::options::ConnectOptions;

/// Bounds of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Connections at most, those that are being opened included.
    pub size: usize,
    /// Callers that may wait for one; the next is refused at once.
    pub max_waiters: usize,
    /// The longest wait for a connection.
    pub wait_limit: Duration,
    /// A connection that was idle for longer is replaced. Keep it below MySQL's `wait_timeout`.
    pub max_idle: Duration,
    /// A connection older than this is replaced when it is given back; each draws up to a tenth less, so that not all age at once.
    pub max_age: Duration,
}

impl Default for PoolOptions {
    fn default() -> PoolOptions {
        PoolOptions {
            size: 16,
            max_waiters: 10_000,
            wait_limit: Duration::from_secs(10),
            max_idle: Duration::from_secs(600),
            max_age: Duration::from_secs(3600),
        }
    }
}

/// What a pool does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Connections at most.
    pub size: usize,
    /// Connections in callers' hands.
    pub in_use: usize,
    /// Connections that wait for use.
    pub idle: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// Callers that have ever had to wait.
    pub waited_total: u64,
    /// How long they waited, together.
    pub wait_time_total: Duration,
    /// Connections ever opened.
    pub opened_total: u64,
}

/// The pool. Clones share it.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

/// A connection out of the pool; goes back when dropped, if it is clean, else is closed.
pub struct Pooled {
    /// Always there until drop.
    connection: Option<Connection>,
    /// When this connection is too old to go back.
    expires: Instant,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

struct Shared {
    connect: Arc<ConnectOptions>,
    options: PoolOptions,
    /// One permit for each connection, open or not; its queue is the pool's.
    permits: Arc<Semaphore>,
    /// The last given back is the first taken. Never more than `size`.
    idle: Mutex<Vec<Idle>>,
    /// Callers in the queue; admits or refuses the next.
    waiting: AtomicUsize,
    waited: AtomicU64,
    wait_micros: AtomicU64,
    opened: AtomicU64,
}

struct Idle {
    connection: Connection,
    expires: Instant,
    since: Instant,
}

impl Pool {
    /// A pool of connections made with `connect`; none is opened yet.
    pub fn new(connect: ConnectOptions, options: PoolOptions) -> Pool {
        Pool {
            shared: Arc::new(Shared {
                connect: Arc::new(connect),
                options,
                permits: Arc::new(Semaphore::new(options.size)),
                idle: Mutex::new(Vec::new()),
                waiting: AtomicUsize::new(0),
                waited: AtomicU64::new(0),
                wait_micros: AtomicU64::new(0),
                opened: AtomicU64::new(0),
            }),
        }
    }

    /// A connection, by `deadline` if there is one. Waits in turn; an idle connection that the server has closed is replaced.
    ///
    /// Errors: [`Error::QueueFull`] at once, [`Error::WaitTimeout`], [`Error::PoolClosed`], and what opening a connection can fail with,
    /// which is tried once.
    pub async fn get(&self, deadline: Option<Instant>) -> Result<Pooled> {
        let permit = match self.shared.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(tokio::sync::TryAcquireError::Closed) => return Err(Error::PoolClosed),
            Err(tokio::sync::TryAcquireError::NoPermits) => self.wait(deadline).await?,
        };
        // Newest first: if that one idled for too long, so did all others.
        while let Some(mut idle) = self.shared.pop_idle() {
            if idle.connection.is_alive().await {
                return Ok(self.pooled(idle.connection, idle.expires, permit));
            }
        }
        let connection = self.shared.open(deadline).await?;
        let lived = self.shared.options.max_age.mul_f64(1.0 - rand::rng().random_range(0.0..0.1));
        let expires = connection.created() + lived;
        Ok(self.pooled(connection, expires, permit))
    }

    /// What the pool does at the moment.
    pub fn stats(&self) -> PoolStats {
        let shared = &self.shared;
        let free = shared.permits.available_permits();
        PoolStats {
            size: shared.options.size,
            in_use: shared.options.size.saturating_sub(free),
            idle: shared.idle.lock().len(),
            waiting: shared.waiting.load(Ordering::Relaxed),
            waited_total: shared.waited.load(Ordering::Relaxed),
            wait_time_total: Duration::from_micros(shared.wait_micros.load(Ordering::Relaxed)),
            opened_total: shared.opened.load(Ordering::Relaxed),
        }
    }

    /// What its connections are made with.
    pub fn connect_options(&self) -> &Arc<ConnectOptions> {
        &self.shared.connect
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
        self.shared.permits.close();
        let idle = std::mem::take(&mut *self.shared.idle.lock());
        for idle in idle {
            idle.connection.quit().await;
        }
    }

    /// Waits in the queue for a permit.
    async fn wait(&self, deadline: Option<Instant>) -> Result<OwnedSemaphorePermit> {
        let shared = &self.shared;
        let place = Place::take(shared)?;
        let start = Instant::now();
        let limit = start + shared.options.wait_limit;
        let until = deadline.map_or(limit, |deadline| deadline.min(limit));
        let outcome = timeout_at(until, shared.permits.clone().acquire_owned()).await;
        drop(place);
        let waited = start.elapsed();
        shared.waited.fetch_add(1, Ordering::Relaxed);
        shared.wait_micros.fetch_add(waited.as_micros() as u64, Ordering::Relaxed);
        match outcome {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::PoolClosed),
            Err(_) => Err(Error::WaitTimeout { waited, deadline: until < limit }),
        }
    }

    fn pooled(&self, connection: Connection, expires: Instant, permit: OwnedSemaphorePermit) -> Pooled {
        Pooled { connection: Some(connection), expires, shared: self.shared.clone(), _permit: permit }
    }
}

impl Shared {
    async fn open(&self, deadline: Option<Instant>) -> Result<Connection> {
        let connecting = Connection::connect_shared(&self.connect);
        let connection = match deadline {
            None => connecting.await?,
            Some(deadline) => {
                let start = Instant::now();
                timeout_at(deadline, connecting)
                    .await
                    .unwrap_or_else(|_| Err(Error::WaitTimeout { waited: start.elapsed(), deadline: true }))?
            }
        };
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(connection)
    }

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

/// A place in the queue, counted while it is held.
struct Place<'a>(&'a Shared);

impl<'a> Place<'a> {
    fn take(shared: &'a Shared) -> Result<Place<'a>> {
        let waiting = shared.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(shared);
        if waiting >= shared.options.max_waiters {
            return Err(Error::QueueFull { size: shared.options.size, waiting });
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pooled {
    /// Closes the connection instead of giving it back; its place in the pool becomes free.
    pub fn discard(mut self) {
        self.connection = None;
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
    /// Back to the stack before the permit is released: whoever waits finds it there.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let now = Instant::now();
        if !connection.is_clean() || now >= self.expires || self.shared.permits.is_closed() {
            return;
        }
        connection.release_buffers();
        self.shared.idle.lock().push(Idle { connection, expires: self.expires, since: now });
    }
}
