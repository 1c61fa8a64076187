//! What completion knows of the cluster: keyspaces, shards, tables and their columns, fetched while the user types.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::Notify;
use vitrail_client::{Client, Error, Query, Row, Target};

use crate::lexing::quoted;

/// Tables of a keyspace whose columns are fetched before anybody asks for them.
const EAGER: usize = 200;

/// A column, as completion shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnName {
    /// Its name.
    pub name: String,
    /// Its type, as MySQL writes it.
    pub kind: String,
    /// `PRI`, `UNI`, `MUL` or nothing.
    pub key: String,
}

/// A keyspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyspace {
    /// Its shards, in the order of their key ranges.
    pub shards: Vec<String>,
    /// Its tables and views; columns once they are fetched.
    pub tables: BTreeMap<String, Option<Vec<ColumnName>>>,
}

/// All that is known at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Keyspaces by name.
    pub keyspaces: BTreeMap<String, Keyspace>,
}

/// The names, and the task that keeps them.
#[derive(Debug)]
pub struct Catalogue {
    names: Arc<RwLock<Arc<Names>>>,
    /// Written by [`Catalogue::columns_wanted`], taken by the task.
    wanted: Arc<RwLock<Vec<(String, String)>>>,
    /// Wakes the task: everything is to be fetched again, or something is wanted.
    again: Arc<Notify>,
    wants: Arc<Notify>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Catalogue {
    /// A catalogue over a client; `enabled` fetches.
    pub fn new(client: &Client, enabled: bool) -> Catalogue {
        let mut catalogue = Catalogue {
            names: Arc::default(),
            wanted: Arc::default(),
            again: Arc::default(),
            wants: Arc::default(),
            task: None,
        };
        if enabled {
            let fetcher = Fetcher {
                client: client.clone(),
                names: Arc::clone(&catalogue.names),
                wanted: Arc::clone(&catalogue.wanted),
                again: Arc::clone(&catalogue.again),
                wants: Arc::clone(&catalogue.wants),
            };
            catalogue.task = Some(tokio::spawn(fetcher.run()));
        }
        catalogue
    }

    /// A catalogue that knows these names and fetches nothing.
    #[cfg(test)]
    pub fn with_names(names: Names) -> Catalogue {
        Catalogue {
            names: Arc::new(RwLock::new(Arc::new(names))),
            wanted: Arc::default(),
            again: Arc::default(),
            wants: Arc::default(),
            task: None,
        }
    }

    /// What is known by now.
    pub fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names.read())
    }

    /// Fetches everything again, as after DDL.
    pub fn refresh(&self) {
        self.again.notify_one();
    }

    /// The columns of a table are wanted for the next time.
    pub fn columns_wanted(&self, keyspace: &str, table: &str) {
        let mut wanted = self.wanted.write();
        if wanted.len() < EAGER {
            wanted.push((keyspace.to_owned(), table.to_owned()));
        }
        drop(wanted);
        self.wants.notify_one();
    }

    /// How many shards a keyspace has, as far as is known.
    pub fn shards_of(&self, keyspace: Option<&str>) -> usize {
        let names = self.names();
        keyspace.and_then(|keyspace| names.keyspaces.get(keyspace)).map_or(0, |keyspace| keyspace.shards.len())
    }
}

impl Drop for Catalogue {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Fetcher {
    client: Client,
    names: Arc<RwLock<Arc<Names>>>,
    wanted: Arc<RwLock<Vec<(String, String)>>>,
    again: Arc<Notify>,
    wants: Arc<Notify>,
}

impl Fetcher {
    /// Fetches at once, then whenever it is woken. What cannot be fetched is not offered: completion is no place for errors.
    async fn run(self) {
        if let Err(error) = self.everything().await {
            quiet(&error);
        }
        loop {
            tokio::select! {
                () = self.again.notified() => {
                    if let Err(error) = self.everything().await {
                        quiet(&error);
                    }
                }
                () = self.wants.notified() => {
                    let wanted = std::mem::take(&mut *self.wanted.write());
                    for (keyspace, table) in wanted {
                        self.columns(&keyspace, &table).await;
                    }
                }
            }
        }
    }

    async fn everything(&self) -> Result<(), Error> {
        let mut names = Names::default();
        for row in self.client.query_all("SHOW VITRAIL SHARDS", ()).await? {
            let (keyspace, shard): (String, String) = (row.get(0)?, row.get(1)?);
            names.keyspaces.entry(keyspace).or_default().shards.push(shard);
        }
        let current = self.client.config().target.clone().and_then(|target| target.keyspace);
        for (name, keyspace) in &mut names.keyspaces {
            let Ok(rows) = self.client.query_all(format!("SHOW TABLES FROM {}", quoted(name)), ()).await else {
                continue;
            };
            keyspace.tables = rows.iter().filter_map(|row: &Row| Some((row.get::<String>(0).ok()?, None))).collect();
        }
        // Columns that were known stay until they are fetched again.
        let before = Arc::clone(&self.names.read());
        for (name, keyspace) in &mut names.keyspaces {
            for (table, columns) in &mut keyspace.tables {
                *columns = before.keyspaces.get(name).and_then(|known| known.tables.get(table).cloned().flatten());
            }
        }
        let mut order: Vec<(String, Vec<String>)> = names
            .keyspaces
            .iter()
            .map(|(name, keyspace)| (name.clone(), keyspace.tables.keys().take(EAGER).cloned().collect()))
            .collect();
        order.sort_by_key(|(name, _)| Some(name) != current.as_ref());
        *self.names.write() = Arc::new(names);
        for (keyspace, tables) in order {
            for table in tables {
                self.columns(&keyspace, &table).await;
            }
        }
        Ok(())
    }

    async fn columns(&self, keyspace: &str, table: &str) {
        let query = Query::new(format!("SHOW COLUMNS FROM {}", quoted(table))).target(Target::keyspace(keyspace));
        let Ok(rows) = self.client.query_all(query, ()).await else { return };
        let columns = rows.iter().filter_map(|row| {
            let text = |index: usize| row.raw(index).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            Some(ColumnName { name: text(0)?, kind: text(1)?, key: text(3).unwrap_or_default() })
        });
        let columns: Vec<ColumnName> = columns.collect();
        let mut names = self.names.write();
        if let Some(keyspace) = Arc::make_mut(&mut names).keyspaces.get_mut(keyspace) {
            keyspace.tables.insert(table.to_owned(), Some(columns));
        }
    }
}

/// Nobody asked for this fetch, so nobody is told; the next statement will tell if something is wrong.
fn quiet(_: &Error) {}
