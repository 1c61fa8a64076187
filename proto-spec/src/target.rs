//! Targets: `keyspace`, `keyspace:-80`, `keyspace:-80@replica`, `@primary`.

/// Which kind of tablet answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TabletType {
    /// The only one that takes writes.
    #[default]
    Primary,
    /// A replica that serves reads.
    Replica,
    /// A replica for long-running reads.
    Rdonly,
}

/// Where statements of a session go. Every part may be left open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Target {
    /// The default keyspace of unqualified table names.
    pub keyspace: Option<String>,
    /// An explicit shard by name (`-80`, `80-`, `0`, `-`): statements go there as they are.
    pub shard: Option<String>,
    /// Primary unless said otherwise.
    pub tablet_type: TabletType,
}
