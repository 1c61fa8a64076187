//! MySQL and MariaDB from the client's side: raw connections, pools, kills, and server processes of our own.
//!
//! Layout, from bytes upward:
//!
//! * [`address`], [`tls`] and `transport`: where a server is and how its bytes are carried.
//! * `packet`: packets of the MySQL protocol, and rows packed in place as [`vitrail_proto::rows`] has them.
//! * `handshake` and `authentication`: from an open socket to a session.
//! * [`response`]: OK, ERR and what a session-tracking server adds to them.
//! * [`connection`]: one connection, pulled by one task; [`text`] reads small results as strings.
//! * [`kill`]: stopping a statement from the side. [`connector`]: opens connections, and knows when there is no use in trying.
//! * [`pool`]: connections, shared fairly by those who need them; `queue`: who is next.
//! * [`flavour`]: everything in which MariaDB and MySQL differ.
//! * [`mysqld`]: server processes of our own, for the demo and the tests.
//!
//! Invariant: no cell of a result is looked at on the way from the socket to a row batch.

pub mod address;
mod authentication;
mod capability;
pub mod connection;
pub mod connector;
pub mod error;
pub mod flavour;
mod handshake;
pub mod kill;
pub mod mysqld;
pub mod options;
mod packet;
pub mod pool;
mod queue;
pub mod response;
pub mod text;
pub mod tls;
mod transport;
mod wire;

pub use address::Address;
pub use connection::{Columns, Connection, Response, RowsOrEnd};
pub use connector::Connector;
pub use error::{Error, Result, Sent, ServerError};
pub use flavour::{Flavour, Version};
pub use kill::Killer;
pub use mysqld::{Binaries, Mysqld, MysqldOptions};
pub use options::{ConnectOptions, PublicKey};
pub use pool::{Pool, PoolOptions, PoolStats, Pooled, Ride, Riders};
pub use queue::{Overload, Passenger};
pub use response::{Change, End, Status};
pub use tls::{Tls, TlsMode};
