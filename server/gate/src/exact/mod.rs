//! Statements over shards that no plan makes one answer of: their tables' rows are loaded into temporary tables on a scratch MySQL, and
//! the statement runs there.

mod limits;

use std::sync::Arc;

use vitrail_service::QueryService;

pub use limits::ScratchLimits;

/// The server where such statements run.
#[expect(dead_code, reason = "given by the process before statements go there")]
pub(crate) struct Scratch {
    /// Holds no tables of anybody: each statement reserves a connection, fills temporary tables there, and releases it.
    pub(crate) service: Arc<dyn QueryService>,
    pub(crate) limits: ScratchLimits,
}
