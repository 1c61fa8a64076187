//! `[log]`: which statements a gate writes down.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vitrail_gate::QueryLogConfig;
use vitrail_tablet::units;

/// Which statements are written down: JSON, one object a line.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Statements that take so long are written down. `0s`: none for that.
    #[serde(with = "units::duration")]
    pub slow: Duration,
    /// So many of all statements are written down, from 0 to 1.
    pub sample: f64,
    /// All statements that fail are written down.
    pub errors: bool,
    /// Texts are as they were sent; otherwise they are without literals and comments.
    pub literals: bool,
    /// The file, which is opened anew when it was moved away; standard error if absent.
    pub file: Option<PathBuf>,
}

impl LogConfig {
    /// For a gate. `seed` decides which statements the sample takes.
    pub(crate) fn choice(&self, seed: u64) -> QueryLogConfig {
        let LogConfig { slow, sample, errors, literals, .. } = *self;
        QueryLogConfig { slow, sample, errors, literals, seed }
    }
}
