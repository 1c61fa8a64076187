//! The bodies of the messages, as owned values. Each has `encode` (appends one BSON document) and `decode`.
//!
//! CANCEL and PING have no fields: their body is [`crate::frame::EMPTY_DOCUMENT`], and [`decode_empty`] checks what came.

mod control;
mod hello;
mod reply;
mod request;
mod session;

pub use control::{Credit, GoAway, decode_empty};
pub use hello::{Auth, ClientHello, Mechanism, ServerHello};
pub use reply::{Capped, Ran, Reply, ResultEnd, Warning};
pub use request::{BatchItem, Op, Request, Share};
pub use session::{BeginOptions, CommitMode, Isolation, SessionState, SessionValues};

pub use crate::limits::DEFAULT_CREDIT;
