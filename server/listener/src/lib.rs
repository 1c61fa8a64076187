//! The server side of the protocol: connections, authentication, sessions, order, credit, cancel, deadlines and drain.
//!
//! What a session does with a request is a [`service::Service`]'s business: gates and tablets implement it, and share
//! everything else.
//!
//! Layout, along a request's way: [`listener`] (bind, accept, drain), `admission` (who may connect), `socket` and [`tls`],
//! `handshake`, [`users`] and `throttle` (who it is), [`audit`] (and who it was), `connection` (the task that waits for the socket), `input` (bytes to frames),
//! `reader` (what frames do), `uploads` and `budget` (memory before bytes), `sessions` (who runs next), `run` (running),
//! `flight` (credit and cancel of one request), [`responder`] (replies), `outgoing` (messages to frames), `output` (the
//! bounded queue and the writing of it), [`stats`]. [`files`] lets a process have as many connections as it may.

pub mod audit;
pub mod config;
pub mod error;
pub mod files;
pub mod listener;
pub mod responder;
pub mod service;
pub mod stats;
pub mod tls;
pub mod users;

mod admission;
mod budget;
mod connection;
mod flight;
mod handshake;
mod input;
mod outgoing;
mod output;
mod reader;
mod run;
mod sessions;
mod socket;
mod throttle;
mod uploads;
