//! Why a tablet cannot be started.

use std::path::PathBuf;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A key that must be set is not.
    #[error("`{key}` is not set")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key has a value that makes no sense.
    #[error("`{key}` {problem}")]
    Wrong {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file that a key names cannot be read.
    #[error("cannot read {} of `{key}`: {source}", path.display())]
    File {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("tls: {0}")]
    Tls(vitrail_mysql::Error),
}
