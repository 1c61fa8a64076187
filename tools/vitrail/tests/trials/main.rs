//! Trials: real processes over real servers that are killed, frozen and restarted, clients that vanish, networks that misbehave.
//!
//! `VITRAIL_TRIALS=full` walks through all of what the short forms take samples of; `VITRAIL_SEED` chooses the samples.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a panic in a test is the report")]

mod atomicity;
mod boundaries;
mod crowds;
mod definitions;
mod sequences;
mod signals;
mod soaking;
mod stalled;
mod vanishing;

use std::path::Path;

use vitrail_trials::rig::{Plan, Rig};

/// The binary that is tried.
fn vitrail() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_vitrail"))
}

async fn start(plan: Plan) -> Rig {
    Rig::start(vitrail(), plan).await
}
