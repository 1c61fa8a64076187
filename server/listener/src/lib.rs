//! The server side of the protocol: connections, authentication, sessions, order, credit, cancel, deadlines and drain.
//!
//! What a session does with a request is a [`service::Service`]'s business: gates and tablets implement it, and share everything else.

pub mod error;
pub mod responder;
pub mod service;
