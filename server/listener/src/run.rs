//! Running requests: the task that owns a session while requests wait in it, and the task of a stateless request.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::{Op, Reply, Request};

use crate::connection::Connection;
use crate::flight::Flight;
use crate::reader::{ended, no_session, skipped};
use crate::responder::{Channel, Responder, expired};
use crate::service::{RequestContext, Service};
use crate::sessions::{After, Received, Taken};

impl<S: Service> Connection<S> {
    /// Runs the requests of a session until none waits, then puts it back.
    pub(crate) async fn run_session(self: Arc<Self>, id: u64, taken: Taken<S::Session>) {
        let Taken { mut session, mut after, mut next } = taken;
        loop {
            after = self.serve(id, &mut session, next, after).await;
            let mut state = self.state.lock();
            if state.closed {
                break;
            }
            match state.sessions.next(id, &mut session, after) {
                Some(waiting) => next = waiting,
                None => {
                    let draining = state.drain.is_some();
                    drop(state);
                    if draining {
                        self.output.wake.notify_one();
                    }
                    return;
                }
            }
        }
        self.output.wake.notify_one();
        if let Some(session) = session {
            self.shared.counters.sessions.subtract(1);
            self.service.close(*session).await;
        }
    }

    /// Runs a request that has no session: a fresh one, closed after the answer.
    pub(crate) async fn run_stateless(self: Arc<Self>, received: Received) {
        let Received { mut request, flight, memory, .. } = received;
        let channel = self.channel(&flight);
        let mut responder = channel.responder();
        let read_only = request.read_only;
        let state = request.state.take().unwrap_or_default();
        match self.service.open(&self.peer, state) {
            Err(error) => {
                self.finish(&flight, channel, Err(error), read_only).await;
            }
            Ok(session) => {
                let mut session = Some(Box::new(session));
                let outcome = self.handle(&mut session, request, &flight, &mut responder).await;
                self.finish(&flight, channel, outcome, read_only).await;
                if let Some(session) = session {
                    self.service.close(*session).await;
                }
            }
        }
        drop(memory);
        if self.state.lock().drain.is_some() {
            self.output.wake.notify_one();
        }
    }

    /// Answers one request of a session.
    async fn serve(&self, id: u64, session: &mut Option<Box<S::Session>>, received: Received, before: After) -> After {
        let Received { request, flight, after_failure, memory } = received;
        let channel = self.channel(&flight);
        let mut responder = channel.responder();
        let read_only = request.read_only;
        let before = After { failed: before.failed || after_failure, ..before };
        let outcome = self.outcome(id, session, request, &flight, &mut responder, before).await;
        let in_transaction = match &outcome {
            Ok(reply) => reply.end.as_ref().is_some_and(|end| end.in_transaction),
            Err(error) => error.in_transaction,
        };
        if in_transaction != before.in_transaction {
            // Before the END is out: the reader may have to refuse what comes next.
            self.state.lock().sessions.set_in_transaction(id, in_transaction);
        }
        let failed = !self.finish(&flight, channel, outcome, read_only).await;
        drop(memory);
        After { failed, in_transaction }
    }

    async fn outcome(
        &self,
        id: u64,
        session: &mut Option<Box<S::Session>>,
        request: Box<Request>,
        flight: &Arc<Flight>,
        responder: &mut Responder,
        before: After,
    ) -> Result<Reply, ErrorBody> {
        // What is not run leaves the transaction as it was.
        let not_run = |error| ErrorBody { in_transaction: before.in_transaction, ..error };
        if request.chain && before.failed {
            return Err(not_run(skipped()));
        }
        if flight.deadline.is_some_and(|at| at <= Instant::now()) {
            return Err(not_run(expired()));
        }
        let draining = self.state.lock().drain.is_some();
        let busy = session.as_ref().is_some_and(|session| self.service.is_busy(session));
        if draining && !busy && request.op != Op::Close {
            return Err(not_run(self.draining()));
        }
        match request.op {
            Op::Open if session.is_some() => {
                Err(not_run(ErrorBody::new(Code::Invalid, format!("session {id} is open already; close it first"))))
            }
            Op::Open => {
                *session = Some(Box::new(self.service.open(&self.peer, request.state.unwrap_or_default())?));
                self.shared.counters.sessions.add(1);
                Ok(ended())
            }
            Op::Close => {
                let closing = session.take().ok_or_else(|| no_session(id))?;
                self.shared.counters.sessions.subtract(1);
                self.service.close(*closing).await;
                Ok(ended())
            }
            Op::Reset => {
                let session = session.as_mut().ok_or_else(|| no_session(id))?;
                self.service.reset(session).await
            }
            _ if session.is_none() => Err(no_session(id)),
            _ => self.handle(session, request, flight, responder).await,
        }
    }

    /// Calls the service. A panic there costs the session, not the process and not the answer.
    async fn handle(
        &self,
        slot: &mut Option<Box<S::Session>>,
        request: Box<Request>,
        flight: &Arc<Flight>,
        responder: &mut Responder,
    ) -> Result<Reply, ErrorBody> {
        let Some(mut session) = slot.take() else {
            return Err(ErrorBody::new(Code::SessionLost, "the session is not open; open it first"));
        };
        let context =
            RequestContext { peer: self.peer.clone(), cancel: flight.cancel.clone(), deadline: flight.deadline };
        let span = tracing::debug_span!(
            "request",
            otel.kind = "server",
            otel.status_code = Empty,
            op = request.op.as_str(),
            connection = self.peer.connection_id,
            id = flight.id,
            session = request.session,
            user = &*self.peer.user,
            traceparent = request.traceparent.as_deref(),
            error.type = Empty,
        );
        vitrail_trace::adopt(&span, request.traceparent.as_deref());
        let handled = self.service.handle(&mut session, request, &context, responder).instrument(span.clone());
        match AssertUnwindSafe(handled).catch_unwind().await {
            Ok(outcome) => {
                *slot = Some(session);
                if let Err(error) = &outcome {
                    vitrail_trace::failed(&span, error.code.as_str());
                }
                outcome
            }
            Err(_) => {
                vitrail_trace::failed(&span, Code::Internal.as_str());
                tracing::error!(
                    connection = self.peer.connection_id,
                    id = flight.id,
                    "a request panicked; its session is lost"
                );
                self.shared.counters.sessions.subtract(u64::from(flight.session.is_some()));
                Err(ErrorBody::new(
                    Code::Internal,
                    "the request failed by a fault of the server, and its session is lost",
                )
                .with_executed(Executed::Unknown))
            }
        }
    }

    /// Sends the END, and forgets the request.
    async fn finish(
        &self,
        flight: &Arc<Flight>,
        channel: Channel,
        outcome: Result<Reply, ErrorBody>,
        read_only: bool,
    ) -> bool {
        let succeeded = channel.finish(outcome, read_only).await;
        if !succeeded {
            self.shared.counters.errors.add(1);
        }
        self.shared.counters.in_flight.subtract(1);
        self.state.lock().flights.remove(&flight.id);
        succeeded
    }

    fn channel(&self, flight: &Arc<Flight>) -> Channel {
        Channel {
            output: self.output.clone(),
            flight: flight.clone(),
            max_frame: self.max_frame,
            max_message: self.max_message,
        }
    }
}
