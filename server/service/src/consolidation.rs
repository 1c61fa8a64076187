//! What a service's consolidator has shared, as it travels: an array of these is the JSON of `tablet.consolidations`.

use serde::{Deserialize, Serialize};

/// Statements that look alike, and how often their executions were shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consolidation {
    /// Of the statement; the same on every tablet.
    pub fingerprint: u64,
    /// The text, with `?` in place of every literal and bind variable.
    pub statement: String,
    /// Executions that several requests have shared.
    pub shared: u64,
    /// Statements that were not sent to MySQL, because another one's execution answered them.
    pub saved: u64,
    /// The most requests that shared one execution.
    pub largest: u64,
    /// Requests that share the execution of another one, now.
    pub waiting: u64,
}
