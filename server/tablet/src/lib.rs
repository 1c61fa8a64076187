//! The tablet: a query server in front of one MySQL.
//!
//! Layout, along a statement's way:
//!
//! * [`config`] (written with [`units`]) and [`preflight`]: what a tablet is told, and whether MySQL fits it.
//! * [`tablet`]: [`Tablet`], the [`vitrail_service::QueryService`] over one MySQL. `shared`: what its calls share; `connect` and `health`:
//!   how MySQL is reached, and looked after.
//! * `execute` and `conclude`: a statement that is to run, a transaction that is to end.
//! * [`guard`]: refuses what would leave its mark on a connection that others use. `reading`, with `pace`: what is known of texts that
//!   come again.
//! * `riding`: reads that go to MySQL behind one another while connections are few.
//! * `hot_rows`: lines of those who write one row.
//! * `lease`, `settings` and `values`: a connection in a call's hands, brought to the call's settings by difference, and to what the statement
//!   sees of its session.
//! * `run`, with `carried`, `outbox`, `stop`, `late`, `running`, `begin`, `clock` and `comment`: one statement from its text to its last row, or to
//!   its kill.
//! * `consolidator`: identical reads share an execution.
//! * `held`: connections that transactions and reservations hold between calls.
//! * [`mysql_errors`] and [`names`]: what MySQL says, as a client of the keyspace reads it. [`position`]: GTIDs as tokens.
//! * `schema`: the tables of the database. [`stats`]: counters. [`serve`]: the tablet behind a listener.
//!
//! Invariant: a MySQL connection belongs to one run until its exchange is over; a run is never dropped before its end: whoever carries it
//! and goes leaves it to a task.

mod begin;
mod carried;
mod clock;
mod comment;
mod conclude;
pub mod config;
mod connect;
mod consolidator;
pub mod error;
mod execute;
pub mod guard;
mod health;
mod held;
mod hot_rows;
mod late;
mod lease;
pub mod mysql_errors;
pub mod names;
mod outbox;
mod pace;
pub mod position;
pub mod preflight;
mod reading;
mod riding;
mod run;
mod running;
mod schema;
pub mod serve;
mod settings;
mod shared;
pub mod stats;
mod stop;
pub mod tablet;
pub mod units;
mod values;

pub use config::TabletConfig;
pub use consolidator::ConsolidatorStats;
pub use error::StartError;
pub use hot_rows::HotRowStats;
pub use serve::TabletService;
pub use stats::Stats;
pub use tablet::Tablet;
