//! Why a process does not start.

use std::path::PathBuf;

use thiserror::Error;

/// Why a process does not start. Every message says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A user's entry cannot be used.
    #[error("user `{user}`: {problem}")]
    User {
        /// The user.
        user: String,
        /// What is wrong.
        problem: String,
    },
    /// A vschema cannot be used.
    #[error("vschema of keyspace `{keyspace}` ({path}): {problem}")]
    VSchema {
        /// The keyspace.
        keyspace: String,
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A shard cannot be used.
    #[error("shard `{shard}` of keyspace `{keyspace}`: {problem}")]
    Shard {
        /// The keyspace.
        keyspace: String,
        /// The shard.
        shard: String,
        /// What is wrong.
        problem: String,
    },
    /// The keyspaces do not fit together.
    #[error("{0}")]
    Cluster(#[from] vitrail_gate::cluster::ClusterError),
    /// An address cannot be bound.
    #[error("{0}")]
    Listener(#[from] vitrail_listener::error::ListenerError),
    /// What `[listen.tls]` names cannot be used.
    #[error("{problem}; [listen.tls] names {files}")]
    Tls {
        /// The files.
        files: String,
        /// What is wrong, with which of them.
        problem: vitrail_listener::error::ListenerError,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log of statements cannot be opened.
    #[error("cannot write {path}: {source}; choose another `file` under [log]")]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The HTTP address cannot be bound.
    #[error("cannot listen on {address} for HTTP: {source}; choose another `http` under [listen]")]
    Http {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A plaintext address that others can reach.
    #[error(
        "{0} can be reached from other hosts, and there is no [listen.tls]: set certificate and key, or `plaintext = true`"
    )]
    Plaintext(std::net::SocketAddr),
    /// The configuration does not fit the command.
    #[error("{0}")]
    Component(String),
    /// Checks that were made before serving found what must be mended first.
    #[error("{0} finding(s) must be mended first")]
    Preflight(usize),
}
