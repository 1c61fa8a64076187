//! Shards as databases of one server, beside an oracle that holds the same data in one.

use std::sync::Arc;

use vitrail_mysql::{Connection, Flavour};

use crate::server::Server;

/// Databases for a sharded keyspace, an unsharded one, and the oracle.
pub struct Cluster {
    /// The server that holds them all.
    pub server: Arc<Server>,
    /// One database for each shard, in the order of their key ranges.
    pub shards: Vec<String>,
    /// The unsharded keyspace's database.
    pub unsharded: String,
    /// One database for what all shards hold together.
    pub oracle: String,
}

impl Cluster {
    /// Empty databases for `shards` shards on the shared server of `flavour`; names begin with `prefix`.
    pub async fn new(flavour: Flavour, shards: usize, prefix: &str) -> Cluster {
        let server = Server::shared(flavour).await;
        let mut names = Vec::with_capacity(shards);
        for number in 0..shards {
            names.push(server.database(&format!("{prefix}_shard{number}")).await);
        }
        let unsharded = server.database(&format!("{prefix}_unsharded")).await;
        let oracle = server.database(&format!("{prefix}_oracle")).await;
        Cluster { server, shards: names, unsharded, oracle }
    }

    /// Names of `count` shards that divide the keyspace ids evenly: `-` for one, `-80` and `80-` for two, and so on.
    /// `count` is a power of two up to 256.
    pub fn shard_names(count: usize) -> Vec<String> {
        assert!(count.is_power_of_two() && count <= 256, "{count} shards cannot be named by one byte each");
        let bound = |number: usize| match number * 256 / count {
            0 | 256 => String::new(),
            byte => format!("{byte:02x}"),
        };
        (0..count).map(|number| format!("{}-{}", bound(number), bound(number + 1))).collect()
    }

    /// Runs each of `statements` in all shards and in the oracle: for schemas and reference tables.
    pub async fn execute_everywhere(&self, statements: &[&str]) {
        for database in self.shards.iter().chain([&self.oracle]) {
            let mut connection: Connection = self.server.connect(database).await;
            for statement in statements {
                if let Err(error) = connection.execute(statement).await {
                    panic!("{database}: {statement}: {error}");
                }
            }
            connection.quit().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_named_by_their_key_ranges() {
        assert_eq!(Cluster::shard_names(1), ["-"]);
        assert_eq!(Cluster::shard_names(2), ["-80", "80-"]);
        assert_eq!(Cluster::shard_names(4), ["-40", "40-80", "80-c0", "c0-"]);
    }
}
