//! The listener over real sockets, with a small service behind it.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod cancel;
mod client;
mod credit;
mod drain;
mod handshake;
mod idle;
mod limits;
mod mutations;
mod order;
mod server;
mod service;
mod tls;
mod transcripts;
mod uploads;
