//! The calls under way, so that they can be cancelled by their names.

use dashmap::DashMap;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vitrail_service::call::CallId;

/// All calls under way. Bounded by the pools and their queues.
#[derive(Debug, Default)]
pub(crate) struct Running {
    calls: DashMap<CallId, CancellationToken>,
    /// Fired at the end of the tablet.
    pub(crate) closing: CancellationToken,
    /// Woken when a call ends while the tablet does.
    ended: Notify,
}

/// Keeps a call in the list while it lives.
#[derive(Debug)]
pub(crate) struct Registered {
    running: std::sync::Arc<Running>,
    id: CallId,
    /// Fires when the call is cancelled.
    pub(crate) cancel: CancellationToken,
}

impl Running {
    /// Puts a call on the list. A second call of the same name takes the name over.
    pub(crate) fn register(self: &std::sync::Arc<Self>, id: CallId) -> Registered {
        let cancel = CancellationToken::new();
        self.calls.insert(id, cancel.clone());
        Registered { running: self.clone(), id, cancel }
    }

    /// Cancels a call, if it is known.
    pub(crate) fn cancel(&self, id: CallId) {
        if let Some(call) = self.calls.get(&id) {
            call.cancel();
        }
    }

    /// Stops all calls and waits until the last has ended.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        loop {
            let ended = self.ended.notified();
            if self.calls.is_empty() {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.running.calls.remove(&self.id);
        if self.running.closing.is_cancelled() {
            self.running.ended.notify_waiters();
        }
    }
}
