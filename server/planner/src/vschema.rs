//! The vschema: which keyspaces are sharded, and how each table's rows find their shard. Read in Vitess's JSON form.
//!
//! Everything that the form can say and the planner cannot do is refused by name, never skipped.

mod check;
mod functions;
mod json;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use thiserror::Error;

pub use check::{Finding, Severity, validate};

use crate::vindex::{Part, Vindex};

/// The vschema of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VSchema {
    keyspaces: BTreeMap<Arc<str>, Keyspace>,
}

/// The vschema of one keyspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyspace {
    /// Its name.
    pub name: Arc<str>,
    /// Rows are divided over shards.
    pub sharded: bool,
    /// Its tables are not found by an unqualified name from another default keyspace.
    pub require_explicit_routing: bool,
    tables: HashMap<String, Table>,
}

/// A table, as far as routing goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: Arc<str>,
    /// Where its rows are.
    pub placement: Placement,
    /// The columns that the vschema lists.
    pub columns: Vec<String>,
    /// They are all that there are.
    pub columns_complete: bool,
    /// The column that a sequence fills, where an INSERT leaves it open.
    pub auto_increment: Option<AutoIncrement>,
    /// It is the table of a sequence: one row with `id` 0, the next value in `next_id`, and in `cache` how many are taken at a time.
    pub sequence: bool,
}

/// A column that a sequence fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoIncrement {
    /// The column.
    pub column: Arc<str>,
    /// The keyspace of the sequence; `None`: the one that has a sequence of this name.
    pub keyspace: Option<Arc<str>>,
    /// The sequence's table.
    pub sequence: Arc<str>,
}

/// Where the rows of a table are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// The keyspace has one shard, and they are there.
    Unsharded,
    /// All of them on every shard.
    Reference,
    /// By the values of columns.
    Sharded(Sharding),
}

/// The columns that decide a row's shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharding {
    /// At least one, and mostly one; in the order in which they make up the keyspace id.
    pub columns: Vec<ShardingColumn>,
}

/// One of the columns that decide a row's shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardingColumn {
    /// Its name.
    pub column: Arc<str>,
    /// The function from its value to the keyspace id.
    pub vindex: Vindex,
    /// What of that stands in the row's keyspace id.
    pub part: Part,
}

/// A vschema that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VSchemaError {
    /// Not JSON, or not of the form.
    #[error("the vschema of keyspace `{keyspace}` cannot be read: {reason}")]
    Form {
        /// The keyspace.
        keyspace: String,
        /// What the JSON reader says.
        reason: String,
    },
    /// A vindex whose type is not known.
    #[error("the vindex `{vindex}` of keyspace `{keyspace}` has the unknown type `{kind}`{hint}")]
    UnknownVindex {
        /// The keyspace.
        keyspace: String,
        /// The vindex's name.
        vindex: String,
        /// Its type.
        kind: String,
        /// The nearest known type, or nothing.
        hint: String,
    },
    /// A feature that is not supported.
    #[error("{feature} is not supported yet ({place} of keyspace `{keyspace}`)")]
    Unsupported {
        /// The keyspace.
        keyspace: String,
        /// Which table or vindex.
        place: String,
        /// What is not supported.
        feature: String,
    },
    /// A contradiction inside.
    #[error("{place} of keyspace `{keyspace}`: {reason}")]
    Inconsistent {
        /// The keyspace.
        keyspace: String,
        /// Which table or vindex.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

// === impl VSchema ===

impl VSchema {
    /// A cluster without keyspaces.
    pub fn new() -> VSchema {
        VSchema::default()
    }

    /// Adds or replaces a keyspace.
    pub fn insert(&mut self, keyspace: Keyspace) {
        self.keyspaces.insert(Arc::clone(&keyspace.name), keyspace);
    }

    /// The keyspace of this name.
    pub fn keyspace(&self, name: &str) -> Option<&Keyspace> {
        self.keyspaces.get(name)
    }

    /// All keyspaces by name.
    pub fn keyspaces(&self) -> impl Iterator<Item = &Keyspace> {
        self.keyspaces.values()
    }
}

// === impl Keyspace ===

impl Keyspace {
    /// An unsharded keyspace, whose tables need no mention.
    pub fn unsharded(name: &str) -> Keyspace {
        Keyspace { name: name.into(), sharded: false, require_explicit_routing: false, tables: HashMap::new() }
    }

    /// Reads the vschema of one keyspace.
    pub fn from_json(name: &str, text: &str) -> Result<Keyspace, VSchemaError> {
        json::read(name, text)
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// All tables, sorted by name.
    pub fn tables(&self) -> Vec<&Table> {
        let mut tables: Vec<&Table> = self.tables.values().collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        tables
    }
}

// === impl Sharding ===

impl Sharding {
    /// Which of the columns has this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.column.eq_ignore_ascii_case(name))
    }

    /// Their names, for messages.
    pub(crate) fn names(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| format!("`{}`", column.column)).collect();
        names.join(", ")
    }
}

// === impl AutoIncrement ===

impl AutoIncrement {
    /// Keyspace and table of the sequence.
    ///
    /// # Errors
    /// Why there is none, or not only one.
    pub(crate) fn sequence(&self, vschema: &VSchema) -> Result<(Arc<str>, Arc<str>), String> {
        let name = &self.sequence;
        let in_keyspace = |keyspace: &Keyspace| {
            let table = keyspace.table(name).filter(|table| table.sequence)?;
            Some((Arc::clone(&keyspace.name), Arc::clone(&table.name)))
        };
        if let Some(owner) = &self.keyspace {
            let keyspace = vschema.keyspace(owner);
            let keyspace =
                keyspace.ok_or_else(|| format!("there is no keyspace `{owner}` for the sequence `{name}`"))?;
            return in_keyspace(keyspace).ok_or_else(|| {
                format!("the vschema of keyspace `{owner}` has no table `{name}` of the type `sequence`")
            });
        }
        let mut found = vschema.keyspaces().filter_map(in_keyspace);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(format!("no keyspace's vschema has a table `{name}` of the type `sequence`")),
            _ => Err(format!("several keyspaces have a sequence `{name}`: write `keyspace.{name}` in the vschema")),
        }
    }
}

#[cfg(test)]
mod tests;
