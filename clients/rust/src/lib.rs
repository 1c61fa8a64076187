//! Client for Vitrail: SQL over BSON-RPC on sharded MySQL.
//!
//! ```no_run
//! use vitrail_client::{Client, params};
//!
//! # async fn run() -> Result<(), vitrail_client::Error> {
//! let client = Client::connect("vitrail://demo@127.0.0.1:15300/flights").await?;
//! let mut rows = client
//!     .query("select destination, delay from flight where origin = :origin", params! { "origin" => "ORD" })
//!     .await?;
//! while let Some(row) = rows.next().await? {
//!     println!("{} {}", row.get::<&str>("destination")?, row.get::<i32>("delay")?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Behaviour
//!
//! * A [`Client`] is cheap to clone and keeps a few connections. Each carries many sessions and requests at once: one slow
//!   reader does not hold up the others.
//! * A [`Session`] keeps settings and order. It opens with its first statement and survives the loss of its connection, and a
//!   gate that drains or dies, unless a transaction or something pinned was open.
//! * A [`Transaction`] rolls back when dropped. [`Rows`] cancel their statement when dropped before their end.
//! * The client repeats a statement by itself only outside a transaction, before a row was seen, and when the server said
//!   that nothing was executed; or when the connection was lost under a [`Query::read_only`] one. Everything else is for the
//!   application: [`Error::is_retryable`] and [`Error::executed`] say what is known.
//!
//! # Many statements at once
//!
//! Requests do not wait for each other's answers, and sessions run side by side. Two statements that are awaited together
//! (`tokio::join!` over clones of the client) share one connection:
//!
//! ```text
//!    one after the other            together
//!  | client    | server    |     | client    | server    |
//!  |-----------|-----------|     |-----------|-----------|
//!  | send A    |           |     | send A    |           |
//!  |           | run A     |     | send B    | run A     |
//!  | read A    |           |     |           | run B     |
//!  | send B    |           |     | read A    |           |
//!  |           | run B     |     | read B    |           |
//!  | read B    |           |
//! ```
//!
//! Within one session a [`Batch`] does the same: its statements leave in one request, and the first failure stops it.
//!
//! Layout: [`client`], [`session`], [`transaction`], [`batch`] (what applications use); [`query`], [`params`], [`rows`], [`row`],
//! [`column`], [`outcome`] (what goes in and comes out); [`config`] (URL and options); [`connection`] (the protocol's own level).

pub mod batch;
pub mod client;
pub mod column;
pub mod config;
pub mod connection;
pub mod error;
mod fields;
pub mod outcome;
pub mod params;
mod pool;
pub mod query;
pub mod row;
pub mod rows;
pub mod session;
pub mod transaction;

pub use batch::Batch;
pub use client::Client;
pub use column::Column;
pub use config::{ClientConfig, Endpoint, Tls, TlsMode};
pub use error::Error;
pub use outcome::Outcome;
pub use params::{IntoParams, ToValue, decimal, list};
pub use query::Query;
pub use row::{FromCell, Row};
pub use rows::Rows;
pub use session::{CancelHandle, Session};
pub use transaction::Transaction;
pub use vitrail_proto::error::{Code, ErrorBody, Executed};
pub use vitrail_proto::message::{BeginOptions, CommitMode, Isolation, Ran, SessionState, Share, Warning};
pub use vitrail_proto::target::{TabletType, Target};
pub use vitrail_proto::value::{Binds, Value};
