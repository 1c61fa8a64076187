//! The calls under way, so that they can be cancelled by their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vitrail_service::call::CallId;

/// All calls under way. Bounded by the pools and their queues, and by the limits of the consolidator.
#[derive(Debug, Default)]
pub(crate) struct Running {
    calls: DashMap<CallId, CancellationToken, RandomState>,
    /// Executions that have, or wait for, a connection. Several calls may share one.
    executions: AtomicUsize,
    /// The tablet ends: every call is cancelled, those that come now as well.
    closing: AtomicBool,
    /// Woken when an execution ends while the tablet does.
    ended: Notify,
}

/// Keeps a call in the list while it lives.
#[derive(Debug)]
pub(crate) struct Registered {
    running: Arc<Running>,
    id: CallId,
    /// Fires when the call is cancelled, or the tablet ends.
    pub(crate) cancel: CancellationToken,
}

/// Counts an execution while it lives: the tablet does not end before.
#[derive(Debug)]
pub(crate) struct Executing {
    running: Arc<Running>,
}

impl Running {
    /// Puts a call on the list. A second call of the same name takes the name over.
    pub(crate) fn register(self: &Arc<Self>, id: CallId) -> Registered {
        let cancel = CancellationToken::new();
        self.calls.insert(id, cancel.clone());
        // Looked at when it is on the list: either this is seen here, or the call there.
        if self.is_closing() {
            cancel.cancel();
        }
        Registered { running: self.clone(), id, cancel }
    }

    /// Counts an execution.
    pub(crate) fn execute(self: &Arc<Self>) -> Executing {
        self.executions.fetch_add(1, Ordering::SeqCst);
        Executing { running: self.clone() }
    }

    /// Cancels a call, if it is known.
    pub(crate) fn cancel(&self, id: CallId) {
        if let Some(call) = self.calls.get(&id) {
            call.cancel();
        }
    }

    /// The tablet ends. What cancelled a call is this, then.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Stops all executions and waits until the last has ended. One that several calls share ends when they have all left.
    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        for call in &self.calls {
            call.cancel();
        }
        loop {
            let ended = self.ended.notified();
            if self.executions.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.running.calls.remove(&self.id);
    }
}

impl Drop for Executing {
    fn drop(&mut self) {
        if self.running.executions.fetch_sub(1, Ordering::SeqCst) == 1 && self.running.is_closing() {
            self.running.ended.notify_waiters();
        }
    }
}
