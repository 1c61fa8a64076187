//! Sends the REPLYs of one request, as credit and the connection's output queue allow.

/// Sends REPLYs before the last one.
pub struct Responder {}
