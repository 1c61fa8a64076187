//! Several statements in one request.

use vitrail_proto::message::BatchItem;

use crate::params::IntoParams;

/// Statements that run as a chain: the first that fails stops it, and its error names its index.
///
/// ```
/// use vitrail_client::{Batch, params};
/// let batch = Batch::new()
///     .add("insert into t (id) values (:id)", params! { "id" => 1 })
///     .again(params! { "id" => 2 })
///     .atomic();
/// # assert_eq!(batch.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    pub(crate) items: Vec<BatchItem>,
    pub(crate) atomic: bool,
    pub(crate) facts: bool,
}

impl Batch {
    /// Without statements yet.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// One more statement.
    pub fn add(mut self, sql: impl Into<String>, params: impl IntoParams) -> Batch {
        self.items.push(BatchItem { sql: Some(sql.into()), binds: params.into_params() });
        self
    }

    /// The statement before, with other parameters.
    pub fn again(mut self, params: impl IntoParams) -> Batch {
        self.items.push(BatchItem { sql: None, binds: params.into_params() });
        self
    }

    /// All in one transaction: all or nothing.
    pub fn atomic(mut self) -> Batch {
        self.atomic = true;
        self
    }

    /// Asks how each statement runs: [`crate::Outcome::ran`].
    pub fn facts(mut self) -> Batch {
        self.facts = true;
        self
    }

    /// How many statements.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
