//! A service whose statements are commands: enough to see order, credit, cancel and drain from outside.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use vitrail_listener::responder::Responder;
use vitrail_listener::service::{Identity, Peer, RequestContext, Service};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::{Op, Reply, Request, SessionState};
use vitrail_proto::rows::RowBatch;

/// Commands, each the `sql` of an `execute`:
///
/// * `echo TEXT` answers the text, `whoami` the user and its role.
/// * `add N` adds to the session's sum and answers it.
/// * `hold NAME` waits until the test releases the name, the request is cancelled, or its deadline passes.
/// * `stream COUNT SIZE` sends so many REPLYs with one row of that size each.
/// * `row SIZE` answers one row with the END.
/// * `fail` fails, `panic` panics.
pub struct Commands {
    holds: Mutex<HashMap<String, Arc<Notify>>>,
    events: mpsc::UnboundedSender<String>,
}

#[derive(Default)]
pub struct Session {
    sum: i64,
    in_transaction: bool,
}

impl Commands {
    pub fn new() -> (Arc<Commands>, mpsc::UnboundedReceiver<String>) {
        let (events, seen) = mpsc::unbounded_channel();
        (Arc::new(Commands { holds: Mutex::default(), events }), seen)
    }

    /// Lets `hold NAME` go on, now or when it comes.
    pub fn release(&self, name: &str) {
        self.hold(name).notify_one();
    }

    fn hold(&self, name: &str) -> Arc<Notify> {
        self.holds.lock().entry(name.to_owned()).or_default().clone()
    }

    fn event(&self, event: impl Into<String>) {
        // A test that does not look has dropped the receiver.
        let _ = self.events.send(event.into());
    }
}

#[async_trait]
impl Service for Commands {
    type Session = Session;

    fn identity(&self) -> Identity {
        Identity { flavour: "MariaDB".into(), gates: vec!["other:15300".into()], ..Identity::default() }
    }

    fn open(&self, _peer: &Arc<Peer>, _state: SessionState) -> Result<Session, ErrorBody> {
        Ok(Session::default())
    }

    async fn handle(
        &self,
        session: &mut Session,
        request: Box<Request>,
        context: &RequestContext,
        responder: &mut Responder,
    ) -> Result<Reply, ErrorBody> {
        match request.op {
            Op::Begin => session.in_transaction = true,
            Op::Commit | Op::Rollback => session.in_transaction = false,
            _ => {}
        }
        let sql = request.sql.unwrap_or_default();
        let (command, rest) = sql.split_once(' ').unwrap_or((&sql, ""));
        match command {
            "" => Ok(text("")),
            "echo" => Ok(text(rest)),
            "whoami" => Ok(text(&format!("{}{}", context.peer.user, if context.peer.gate { " gate" } else { "" }))),
            "add" => {
                session.sum += rest.parse::<i64>().unwrap();
                Ok(text(&session.sum.to_string()))
            }
            "hold" => {
                self.event(format!("holding {rest}"));
                let expired = async {
                    match context.deadline {
                        Some(at) => tokio::time::sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                };
                let released = self.hold(rest);
                let outcome = tokio::select! {
                    () = released.notified() => Ok(text(rest)),
                    () = context.cancel.cancelled() => Err(ErrorBody::new(Code::Cancelled, "stopped")),
                    () = expired => Err(ErrorBody::new(Code::Deadline, "too late")),
                };
                self.event(format!("held {rest}"));
                outcome
            }
            "stream" => {
                let (count, size) = rest.split_once(' ').unwrap();
                for sent in 0..count.parse::<u32>().unwrap() {
                    let reply = Reply { rows: Some(row(size.parse().unwrap(), sent as u8)), ..Reply::default() };
                    if let Err(error) = responder.send(reply).await {
                        self.event(format!("stopped after {sent}: {}", error.code.as_str()));
                        return Err(error);
                    }
                    self.event(format!("sent {sent}"));
                }
                Ok(text(""))
            }
            "row" => Ok(Reply { rows: Some(row(rest.parse().unwrap(), 7)), ..text("") }),
            "fail" => Err(ErrorBody::new(Code::Invalid, "as asked")),
            "panic" => panic!("as asked"),
            other => Err(ErrorBody::new(Code::Unsupported, format!("no command {other}"))),
        }
    }

    async fn reset(&self, session: &mut Session) -> Result<Reply, ErrorBody> {
        *session = Session::default();
        Ok(text(""))
    }

    async fn close(&self, session: Session) {
        self.event(if session.in_transaction { "rolled back" } else { "closed" });
    }

    fn is_busy(&self, session: &Session) -> bool {
        session.in_transaction
    }
}

fn text(answer: &str) -> Reply {
    Reply { json: Some(answer.to_owned()), end: Some(Box::default()), ..Reply::default() }
}

fn row(size: usize, fill: u8) -> RowBatch {
    let mut bytes = Vec::with_capacity(4 + size);
    bytes.extend_from_slice(&(size as u32).to_le_bytes());
    bytes.resize(4 + size, fill);
    RowBatch { bytes: bytes.into(), count: 1 }
}
