//! `[scratch]`: where statements run that shards cannot answer, and what they may take.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vitrail_gate::ScratchLimits;
use vitrail_tablet::config::MysqlConfig;
use vitrail_tablet::units;

/// The scratch server of a gate, and the bounds of the statements that run there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScratchConfig {
    /// Whose server it is.
    pub server: ScratchKind,
    /// Folder in which each start of a server of Vitrail's own makes a directory for its data, which goes with it. The system's for temporary
    /// files if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// How a configured server is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mysql: Option<MysqlConfig>,
    /// A configured server may hold other databases too.
    pub shared: bool,
    /// Most bytes of rows that one statement loads from the shards.
    #[serde(with = "units::bytes")]
    pub statement_bytes: u64,
    /// Most bytes of rows that all statements under way have loaded.
    #[serde(with = "units::bytes")]
    pub total_bytes: u64,
    /// Statements that run at a time.
    pub statements: usize,
    /// How long a statement waits for its turn.
    #[serde(with = "units::duration")]
    pub wait: Duration,
    /// How long a statement may take once it is its turn. `0s`: no limit.
    #[serde(with = "units::duration")]
    pub time: Duration,
}

/// Whose the scratch server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScratchKind {
    /// A process that Vitrail starts when the first statement needs it.
    #[default]
    Own,
    /// One that runs already, at `mysql`.
    Configured,
    /// There is none: such statements are refused.
    None,
}

impl Default for ScratchConfig {
    fn default() -> Self {
        let ScratchLimits { statement_bytes, total_bytes, statements, wait, time } = ScratchLimits::default();
        ScratchConfig {
            server: ScratchKind::default(),
            data: None,
            mysql: None,
            shared: false,
            statement_bytes,
            total_bytes,
            statements,
            wait,
            time,
        }
    }
}

impl ScratchConfig {
    /// The bounds, for a gate.
    pub(crate) fn limits(&self) -> ScratchLimits {
        let ScratchConfig { statement_bytes, total_bytes, statements, wait, time, .. } = *self;
        ScratchLimits { statement_bytes, total_bytes, statements, wait, time }
    }

    /// What is wrong with it, for keyspaces of these names.
    pub(super) fn check<'a>(&self, mut keyspaces: impl Iterator<Item = &'a str>) -> Result<(), String> {
        match (self.server, &self.mysql) {
            (ScratchKind::Configured, None) => {
                return Err("scratch.server is \"configured\", and [scratch.mysql] does not say where it is".to_owned());
            }
            (ScratchKind::Own | ScratchKind::None, Some(_)) => {
                return Err("[scratch.mysql] is of no use without scratch.server = \"configured\"".to_owned());
            }
            _ => {}
        }
        if self.shared && self.server != ScratchKind::Configured {
            return Err("scratch.shared is of no use without scratch.server = \"configured\"".to_owned());
        }
        if self.statements == 0 || self.statement_bytes == 0 || self.total_bytes < self.statement_bytes {
            return Err(
                "scratch.statements and scratch.statement_bytes are at least 1, and scratch.total_bytes is at least \
                        scratch.statement_bytes; scratch.server = \"none\" turns such statements off"
                    .to_owned(),
            );
        }
        if self.server != ScratchKind::None
            && let Some(name) = keyspaces.find(|name| is_system_database(name))
        {
            return Err(format!(
                "keyspace `{name}` has the name of a database that every MySQL has, where a statement on the scratch server would read \
                 the wrong rows: name it otherwise, or set scratch.server = \"none\""
            ));
        }
        Ok(())
    }
}

/// Databases that MySQL, MariaDB or the scratch server itself has, in any letter case.
pub(crate) fn is_system_database(name: &str) -> bool {
    ["mysql", "sys", "information_schema", "performance_schema", crate::scratch::DATABASE]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}
