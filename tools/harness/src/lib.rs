//! Real servers for tests: MariaDB and MySQL, started once for a run of all tests (`make test`), or else once for each test process.
//!
//! ```no_run
//! # async fn example() {
//! for flavour in vitrail_harness::flavours() {
//!     let server = vitrail_harness::server(flavour).await;
//!     let database = server.database("accounts").await;
//!     let mut connection = server.connect(&database).await;
//!     connection.execute("CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
//! }
//! # }
//! ```
//!
//! A flavour that cannot be started fails the test with what to install: silence would pass for success. `VITRAIL_FLAVOURS=mariadb`
//! (or `mysql`, or `mariadb,mysql`) says which ones to use.
//!
//! Servers end with the test process, however it ends; see [`vitrail_mysql::mysqld`].

mod cluster;
mod lasting;
mod run;
mod server;
mod shared;

pub use cluster::Cluster;
pub use lasting::Lasting;
pub use run::Run;
pub use server::{PASSWORD, Server, USER};
pub use vitrail_mysql::{ConnectOptions, Connection, Flavour};

use std::sync::Arc;

/// The flavours that this run tests, from `VITRAIL_FLAVOURS`; both by default. Panics on a name that is unknown.
pub fn flavours() -> Vec<Flavour> {
    match std::env::var("VITRAIL_FLAVOURS") {
        Ok(names) if !names.trim().is_empty() => parse_flavours(&names),
        _ => Flavour::ALL.to_vec(),
    }
}

/// The server of `flavour` that this run or this process shares. Panics with what to do if it cannot be started.
pub async fn server(flavour: Flavour) -> Arc<Server> {
    Server::shared(flavour).await
}

/// A server of `flavour` for one test alone, which may kill it.
pub async fn private_server(flavour: Flavour) -> Server {
    Server::start(flavour, Vec::new()).await
}

fn parse_flavours(names: &str) -> Vec<Flavour> {
    names
        .split(',')
        .map(|name| {
            Flavour::parse(name.trim())
                .unwrap_or_else(|| panic!("VITRAIL_FLAVOURS names {name:?}; it may name mariadb and mysql"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flavours_are_named_in_any_case() {
        assert_eq!(parse_flavours("MariaDB, mysql"), Flavour::ALL);
        assert_eq!(parse_flavours("mysql"), [Flavour::MySql]);
    }

    #[test]
    #[should_panic(expected = "may name mariadb and mysql")]
    fn an_unknown_flavour_is_no_flavour() {
        parse_flavours("oracle");
    }
}
