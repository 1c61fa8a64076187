//! Statements over shards that no plan makes one answer of: their tables' rows are loaded into temporary tables on a scratch MySQL, and
//! the statement runs there.
//!
//! Layout: `run` (one statement from its first fragment to its last row), `stage` (the scratch server while it is there), `rehearse` (what a write does there
//! besides), `gather` (its fragments, from the shards to the scratch server), `order` (which
//! fragment is read next, and how), `seen` (the values by which others are read), `load` (rows on their way into a temporary table), `feed` (statements
//! that wait for the scratch server), `server` (one connection there), `definition` (a table's definition as a temporary one has it), `snapshot` (what
//! holds the reads together), `budget`, `limits`.

mod budget;
mod definition;
mod feed;
mod gather;
mod limits;
mod load;
mod order;
mod rehearse;
mod run;
mod seen;
mod server;
mod snapshot;
mod stage;

use std::sync::Arc;

use tokio::sync::Semaphore;
use vitrail_service::QueryService;

pub(crate) use definition::KeyPart;
pub use limits::ScratchLimits;
pub(crate) use run::Exacting;
pub(crate) use stage::Stage;

use self::budget::Total;
use self::definition::Definitions;

/// The server where such statements run.
pub(crate) struct Scratch {
    /// Holds no tables of anybody: each statement reserves a connection, fills temporary tables there, and releases it.
    service: Arc<dyn QueryService>,
    limits: ScratchLimits,
    /// Statements that may run, first come, first served.
    places: Arc<Semaphore>,
    /// What all of them have loaded.
    total: Arc<Total>,
    definitions: Definitions,
}

impl Scratch {
    pub(crate) fn new(service: Arc<dyn QueryService>, limits: ScratchLimits) -> Scratch {
        Scratch {
            service,
            limits,
            places: Arc::new(Semaphore::new(limits.statements.clamp(1, Semaphore::MAX_PERMITS))),
            total: Arc::default(),
            definitions: Definitions::default(),
        }
    }
}
