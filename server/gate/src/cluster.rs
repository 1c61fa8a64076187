//! Keyspaces, their shards, and the services in front of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;
use vitrail_planner::key_range::{self, KeyRange, KeyRangeError, Shards};
use vitrail_planner::vschema::{self, VSchema};
use vitrail_proto::error::ErrorBody;
use vitrail_service::QueryService;

use crate::failure;

/// One shard of a keyspace.
#[derive(Clone)]
pub struct Shard {
    /// Its name: the key range (`-80`), or `0` if it is the only one.
    pub name: Arc<str>,
    /// The keyspace ids that it holds.
    pub key_range: KeyRange,
    /// The query server in front of its primary.
    pub service: Arc<dyn QueryService>,
}

/// One keyspace: what an application sees as a database.
#[derive(Clone)]
pub struct Keyspace {
    /// Its name.
    pub name: Arc<str>,
    /// Its shards, sorted by key range.
    pub shards: Vec<Shard>,
    /// The same, as the planner wants them.
    pub(crate) layout: Arc<Shards>,
    /// Whether its rows are divided over shards.
    pub(crate) sharded: bool,
}

/// All keyspaces that a gate serves. Immutable: a changed cluster is another one, see [`crate::Gate::replace`].
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    keyspaces: BTreeMap<Arc<str>, Keyspace>,
    vschema: Arc<VSchema>,
}

/// Why a cluster cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// Two keyspaces have the same name.
    #[error("keyspace '{0}' is there twice")]
    Twice(Arc<str>),
    /// A name that a target cannot express.
    #[error("'{0}' cannot name a keyspace or shard: letters, digits, '_', '-' and '$' only, at most 64")]
    Name(Arc<str>),
    /// The shards do not hold every keyspace id exactly once.
    #[error("keyspace '{keyspace}': {reason}")]
    Shards {
        /// The keyspace.
        keyspace: Arc<str>,
        /// What is wrong with them.
        reason: KeyRangeError,
    },
    /// A keyspace that is not sharded has several shards.
    #[error("keyspace '{keyspace}' is not sharded by its vschema, but has {count} shards")]
    NotSharded {
        /// The keyspace.
        keyspace: Arc<str>,
        /// How many shards it has.
        count: usize,
    },
}

impl Cluster {
    /// A cluster of these keyspaces, each by its vschema and its shards in any order.
    ///
    /// # Errors
    ///
    /// A name that cannot be expressed or is there twice, shards that do not hold every keyspace id exactly once, or several
    /// shards of a keyspace that is not sharded.
    pub fn new(keyspaces: impl IntoIterator<Item = (vschema::Keyspace, Vec<Shard>)>) -> Result<Cluster, ClusterError> {
        let mut known = BTreeMap::new();
        let mut all = VSchema::new();
        for (vschema, mut shards) in keyspaces {
            let name = Arc::clone(&vschema.name);
            check_name(&name)?;
            shards.iter().try_for_each(|shard| check_name(&shard.name))?;
            let plain = shards
                .iter()
                .map(|shard| key_range::Shard { name: shard.name.to_string(), range: shard.key_range.clone() });
            let layout = Shards::new(plain.collect())
                .map_err(|reason| ClusterError::Shards { keyspace: Arc::clone(&name), reason })?;
            if !vschema.sharded && shards.len() > 1 {
                return Err(ClusterError::NotSharded { keyspace: name, count: shards.len() });
            }
            shards.sort_by(|left, right| left.key_range.start.cmp(&right.key_range.start));
            let keyspace =
                Keyspace { name: Arc::clone(&name), shards, layout: Arc::new(layout), sharded: vschema.sharded };
            if known.insert(Arc::clone(&name), keyspace).is_some() {
                return Err(ClusterError::Twice(name));
            }
            all.insert(vschema);
        }
        Ok(Cluster { keyspaces: known, vschema: Arc::new(all) })
    }

    /// How the tables of all keyspaces are spread.
    pub fn vschema(&self) -> &Arc<VSchema> {
        &self.vschema
    }

    /// All keyspaces, sorted by name.
    pub fn keyspaces(&self) -> impl ExactSizeIterator<Item = &Keyspace> {
        self.keyspaces.values()
    }

    /// The keyspace of a name.
    ///
    /// # Errors
    ///
    /// `not_found` (1049) that suggests the nearest name.
    pub fn keyspace(&self, name: &str) -> Result<&Keyspace, ErrorBody> {
        self.keyspaces
            .get(name)
            .ok_or_else(|| failure::unknown_keyspace(name, self.keyspaces.keys().map(|known| &**known)))
    }
}

impl Keyspace {
    /// The index of the shard of a name.
    ///
    /// # Errors
    ///
    /// `not_found` that lists the shards.
    pub fn shard(&self, name: &str) -> Result<usize, ErrorBody> {
        let known = || self.shards.iter().map(|shard| &*shard.name);
        known().position(|known| known == name).ok_or_else(|| failure::unknown_shard(&self.name, name, known()))
    }

    /// The shard's name for errors: empty if it is the only one.
    pub(crate) fn label(&self, shard: usize) -> Arc<str> {
        if self.shards.len() == 1 { Arc::from("") } else { Arc::clone(&self.shards[shard].name) }
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("name", &self.name).field("info", &self.service.info()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace").field("name", &self.name).field("shards", &self.shards).finish_non_exhaustive()
    }
}

fn check_name(name: &Arc<str>) -> Result<(), ClusterError> {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte));
    if fits { Ok(()) } else { Err(ClusterError::Name(Arc::clone(name))) }
}
