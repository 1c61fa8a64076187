//! Work that whoever waits for it does itself, and that goes on in a task of its own as soon as nobody does.
//!
//! A short statement needs no task: the one that asked for it polls it, and a task's memory, queueing and wake-ups are saved. But an exchange
//! with MySQL must come to its end even if the one that asked has gone, and must not stand still while somebody else waits for it. So the
//! work can be let go at any moment, and then a task goes on where it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use parking_lot::Mutex;

/// Boxed by whoever makes it: handed over as it is, it would be moved on the way.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// See the module. Dropped, it lets its work go.
#[derive(Default)]
pub(crate) struct Carried(Mutex<Option<Work>>);

impl Carried {
    pub(crate) fn new(work: Work) -> Carried {
        Carried(Mutex::new(Some(work)))
    }

    /// Carries `work` from now on.
    pub(crate) fn carry(&self, work: Work) {
        let before = self.0.lock().replace(work);
        debug_assert!(before.is_none(), "it carries one work in its life");
    }

    /// Waits for `answer`, which the caller has pinned, and works meanwhile.
    pub(crate) async fn until<T>(&self, answer: Pin<&mut impl Future<Output = T>>) -> T {
        tokio::select! {
            biased;
            never = std::future::poll_fn(|context| self.work(context)) => match never {},
            answer = answer => answer,
        }
    }

    /// Leaves what is not done yet to a task.
    pub(crate) fn let_go(&self) {
        let work = self.0.lock().take();
        if let Some(work) = work {
            tokio::spawn(work);
        }
    }

    /// Does what can be done now. Never ready: whoever waits, waits for what the work brings.
    fn work(&self, context: &mut Context<'_>) -> Poll<std::convert::Infallible> {
        let mut work = self.0.lock();
        if let Some(future) = &mut *work {
            // A panic ends the work, as it would end a task; those who wait for what it brings learn that it brings nothing.
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
            if !matches!(polled, Ok(Poll::Pending)) {
                let done = work.take();
                drop(work);
                drop(done);
            }
        }
        Poll::Pending
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if let Some(work) = self.0.get_mut().take() {
            tokio::spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::{Notify, oneshot};

    use super::*;

    /// Work of two steps, the second of which waits to be told.
    fn work() -> (impl Future<Output = ()> + Send + 'static, Arc<AtomicU32>, Arc<Notify>, oneshot::Receiver<u32>) {
        let (steps, told) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let (sender, receiver) = oneshot::channel();
        let (mine, waits) = (Arc::clone(&steps), Arc::clone(&told));
        let work = async move {
            mine.fetch_add(1, Ordering::SeqCst);
            waits.notified().await;
            mine.fetch_add(1, Ordering::SeqCst);
            let _ = sender.send(7);
        };
        (work, steps, told, receiver)
    }

    #[tokio::test]
    async fn who_waits_does_the_work() {
        let (work, steps, told, receiver) = work();
        let carried = Carried::new(Box::pin(work));
        tokio::task::yield_now().await;
        assert_eq!(steps.load(Ordering::SeqCst), 0, "nobody has waited yet");
        told.notify_one();
        assert_eq!(carried.until(pin!(receiver)).await, Ok(7));
    }

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_any_more() {
        let (work, steps, told, receiver) = work();
        let carried = Carried::new(Box::pin(work));
        let mut never = pin!(std::future::pending());
        tokio::select! {
            biased;
            () = carried.until(never.as_mut()) => unreachable!("it never comes"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(steps.load(Ordering::SeqCst), 1);
        drop(carried);
        told.notify_one();
        assert_eq!(receiver.await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_ends_the_work_and_nothing_else() {
        let (sender, receiver) = oneshot::channel::<u32>();
        let carried = Carried::new(Box::pin(async move {
            let _sender = sender;
            panic!("as it is meant");
        }));
        assert!(carried.until(pin!(receiver)).await.is_err(), "the sender went with the work");
    }
}
