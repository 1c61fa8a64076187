//! An execution that several calls may share: it waits for its turn and for a connection by itself, so that it does not end with the call
//! that began it.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::Span;

use super::Run;
use crate::consolidator::round::Round;

impl Run {
    /// Runs a round's statement when its turn has come. Until it goes to MySQL, others may join.
    #[expect(clippy::manual_async_fn, reason = "an async fn would hold the run twice")]
    pub(crate) fn lead(mut self, round: Arc<Round>) -> impl Future<Output = ()> + Send + 'static {
        async move {
            let begin = Instant::now();
            let prepared = async {
                round.turn().await;
                self.shared.lease(self.place, &self.call.caller, None).await
            };
            let lease = self.stops.unless_fired(pin!(prepared)).await.unwrap_or_else(|why| Err(why.error()));
            match lease {
                Ok(lease) => {
                    self.lease = lease;
                    self.clock.waited_since(begin);
                    self.run().await;
                }
                Err(error) => {
                    let error = self.shared.refuse(error);
                    vitrail_trace::failed(&Span::current(), error.code.as_str());
                    self.outbox.finish(Err(error)).await;
                }
            }
        }
    }
}
