//! What can go wrong before a connection exists: binding and TLS set-up.
//!
//! Everything that goes wrong on a connection travels as a [`vitrail_proto::error::ErrorBody`] instead.

use std::io;

/// A listener that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    /// An address cannot be bound.
    #[error("cannot listen on {endpoint}: {source}")]
    Bind {
        /// As configured.
        endpoint: String,
        /// The system's reason.
        source: io::Error,
    },
    /// No address is configured.
    #[error("no address to listen on is configured")]
    NoEndpoint,
    /// A TLS endpoint is configured without a certificate.
    #[error("{endpoint} is to speak tls, but no certificate is configured")]
    NoCertificate {
        /// As configured.
        endpoint: String,
    },
    /// The certificate, the key or the client authorities are not usable.
    #[error("tls cannot be set up: {0}")]
    Tls(String),
}
