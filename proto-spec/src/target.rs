//! Targets: `keyspace`, `keyspace:-80`, `keyspace:-80@replica`, `@primary`.

use std::fmt;
use std::str::FromStr;

use crate::document::shortened;

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

/// Longest keyspace or shard name, in bytes.
pub const MAX_TARGET_NAME: usize = 64;

/// A target that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A keyspace with characters other than letters, digits, `_`, `-` and `$`, or too long, or empty before a shard.
    #[error("`{0}` is not a keyspace name: 1 to 64 letters, digits, `_`, `-` or `$`")]
    Keyspace(String),
    /// A shard with characters other than letters, digits, `_` and `-`, or too long or empty.
    #[error("`{0}` is not a shard name: 1 to 64 letters, digits, `_` or `-`, as in `-80`")]
    Shard(String),
    /// Not a tablet type.
    #[error("`{0}` is not a tablet type: primary, replica or rdonly")]
    TabletType(String),
}

impl TabletType {
    /// The name as targets write it.
    pub fn as_str(self) -> &'static str {
        match self {
            TabletType::Primary => "primary",
            TabletType::Replica => "replica",
            TabletType::Rdonly => "rdonly",
        }
    }

    /// The type of a name.
    pub fn parse(name: &str) -> Option<TabletType> {
        [TabletType::Primary, TabletType::Replica, TabletType::Rdonly].into_iter().find(|known| known.as_str() == name)
    }
}

impl Target {
    /// The primaries of `keyspace`.
    pub fn keyspace(keyspace: impl Into<String>) -> Target {
        Target { keyspace: Some(keyspace.into()), ..Target::default() }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Target, TargetError> {
        let (place, tablet_type) = match text.split_once('@') {
            Some((place, name)) => {
                (place, TabletType::parse(name).ok_or_else(|| TargetError::TabletType(shortened(name)))?)
            }
            None => (text, TabletType::Primary),
        };
        let (keyspace, shard) = match place.split_once(':') {
            Some((keyspace, shard)) => (keyspace, Some(shard)),
            None => (place, None),
        };
        let left_open = keyspace.is_empty() && shard.is_none();
        if !left_open && !is_name(keyspace, "_-$") {
            return Err(TargetError::Keyspace(shortened(keyspace)));
        }
        if let Some(shard) = shard
            && !is_name(shard, "_-")
        {
            return Err(TargetError::Shard(shortened(shard)));
        }
        Ok(Target {
            keyspace: (!keyspace.is_empty()).then(|| keyspace.to_owned()),
            shard: shard.map(str::to_owned),
            tablet_type,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyspace.as_deref().unwrap_or_default())?;
        if let Some(shard) = &self.shard {
            write!(f, ":{shard}")?;
        }
        if self.tablet_type != TabletType::Primary {
            write!(f, "@{}", self.tablet_type.as_str())?;
        }
        Ok(())
    }
}

fn is_name(name: &str, marks: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_TARGET_NAME
        && name.chars().all(|character| character.is_alphanumeric() || marks.contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_written() {
        for text in ["", "ks", "ks:-80", "ks:-80@replica", "@replica", "ks@rdonly", "ks:0", "ks:-", "ab-c$:80-c0"] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.to_string(), text);
        }
        assert_eq!("ks@primary".parse::<Target>().unwrap().to_string(), "ks");
        for bad in [":", ":-80", "ks:", "ks:-80:1", "ks@", "ks@master", "k s", "ks:-80@replica@replica", "ks/x"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
