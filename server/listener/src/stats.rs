//! Counters of a listener, read as one snapshot by metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a listener has done and holds. Totals only grow; the first four are current values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Open connections.
    pub connections: u64,
    /// Of these, not yet authenticated.
    pub unauthenticated: u64,
    /// Open sessions, without those of stateless requests.
    pub sessions: u64,
    /// Requests without END.
    pub in_flight: u64,
    /// Bytes of requests in memory.
    pub request_memory: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused before a handshake, for want of room or while draining.
    pub refused: u64,
    /// Connections that failed to authenticate.
    pub unauthorised: u64,
    /// Of these, logins that were not looked at because their address had to pause.
    pub throttled: u64,
    /// Connections closed because the peer broke the protocol.
    pub violations: u64,
    /// Connections closed because their socket stalled.
    pub stalled: u64,
    /// Requests received.
    pub requests: u64,
    /// Of these, answered by ERROR.
    pub errors: u64,
    /// Of these, refused for want of memory or room in a queue.
    pub exhausted: u64,
    /// Bytes read from sockets, after TLS.
    pub received: u64,
    /// Bytes written to sockets, before TLS.
    pub sent: u64,
    /// Writes to sockets; `sent / writes` shows how well replies share a system call.
    pub writes: u64,
}

/// The live counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: Counter,
    pub(crate) unauthenticated: Counter,
    pub(crate) sessions: Counter,
    pub(crate) in_flight: Counter,
    pub(crate) accepted: Counter,
    pub(crate) refused: Counter,
    pub(crate) unauthorised: Counter,
    pub(crate) throttled: Counter,
    pub(crate) violations: Counter,
    pub(crate) stalled: Counter,
    pub(crate) requests: Counter,
    pub(crate) errors: Counter,
    pub(crate) exhausted: Counter,
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    pub(crate) writes: Counter,
}

impl Counters {
    pub(crate) fn snapshot(&self, request_memory: usize) -> Stats {
        Stats {
            connections: self.connections.get(),
            unauthenticated: self.unauthenticated.get(),
            sessions: self.sessions.get(),
            in_flight: self.in_flight.get(),
            request_memory: request_memory as u64,
            accepted: self.accepted.get(),
            refused: self.refused.get(),
            unauthorised: self.unauthorised.get(),
            throttled: self.throttled.get(),
            violations: self.violations.get(),
            stalled: self.stalled.get(),
            requests: self.requests.get(),
            errors: self.errors.get(),
            exhausted: self.exhausted.get(),
            received: self.received.get(),
            sent: self.sent.get(),
            writes: self.writes.get(),
        }
    }
}

/// One counter. Relaxed: nothing is ordered by it.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }
}
