//! An execution that several calls may share: it waits for its turn and for a connection by itself, so that it does not end with the call
//! that began it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::Span;
use vitrail_proto::error::{Code, ErrorBody};

use super::Run;
use super::failure::{Again, Failure, Fate};
use crate::consolidator::Consolidator;
use crate::consolidator::round::Round;
use crate::riding::{Got, Passenger};

/// Longer texts go alone, bytes: several together are written at once.
const LONGEST: usize = 8 << 10;

impl Run {
    /// Runs a round's statement when its turn has come. Until it goes to MySQL, others may join.
    #[expect(clippy::manual_async_fn, reason = "an async fn would hold the run twice")]
    pub(crate) fn lead(
        mut self,
        round: Arc<Round>,
        consolidator: Arc<Consolidator>,
    ) -> impl Future<Output = ()> + Send + 'static {
        async move {
            let begin = Instant::now();
            self.text = self.text_to_ride();
            let prepared = async {
                round.turn().await;
                let passenger = self.passenger(round, consolidator);
                self.shared.lease_or_ride(&self.call.caller, passenger).await
            };
            let got = self.stops.unless_fired(pin!(prepared)).await.unwrap_or_else(|why| Err(why.error()));
            match got {
                Ok(got) => {
                    (self.lease, self.answered) = match got {
                        Got::Lease(lease) => (lease, false),
                        Got::Answer(lease) => (lease, true),
                    };
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

    /// The text of a read that may go behind others, and others behind it.
    fn text_to_ride(&self) -> Option<Bytes> {
        let (pipeline, limits) = (&self.shared.config.pipeline, &self.shared.config.limits);
        if pipeline.depth == 0 || self.statement.values.is_some() || !self.reading.pace.is_within(pipeline.quick) {
            return None;
        }
        let text = self.write(self.reading.template.mode(), limits.statement_bytes).ok()?;
        (text.len() <= LONGEST).then(|| Bytes::from(text))
    }

    /// Its answer is a long one, or the texts of its warnings have to be asked for before the next statement: it runs alone, now and for a while.
    pub(super) fn not_behind_others(&mut self) -> Failure {
        self.text = None;
        self.reading.pace.note(Duration::MAX);
        let body =
            Box::new(ErrorBody::new(Code::Unavailable, "the statement was to run again, and its connection was lost"));
        Failure { again: Again::Alone, ..Failure::new(body, Fate::Kept) }
    }

    /// Takes those off who are behind it, and what was read, so that it can run anew. `false`: the connection was lost.
    pub(super) async fn clear(&mut self) -> bool {
        self.outbox.discard();
        self.shared.call_off(&mut self.lease).await;
        self.lease.connection().is_clean()
    }

    fn passenger(&self, round: Arc<Round>, consolidator: Arc<Consolidator>) -> Option<Passenger> {
        let text = self.text.clone()?;
        let settings = Arc::clone(&self.call.settings);
        Some(Passenger { round, consolidator, settings, text, mode: self.reading.template.mode() })
    }

    /// The texts of those who go behind it.
    pub(super) fn board(&mut self) -> Vec<Bytes> {
        match self.text {
            Some(_) => self.lease.board(self.shared.config.pipeline.depth),
            None => Vec::new(),
        }
    }
}
