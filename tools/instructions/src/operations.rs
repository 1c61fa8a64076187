//! The operations, and the stretch of the process that callgrind counts.

use anyhow::{Context, Result};

#[path = "../../../proto-spec/benches/messages/inputs.rs"]
mod inputs;

#[path = "../../../proto-spec/benches/messages/operations.rs"]
mod messages;

#[path = "../../../server/sql/benches/statements/operations.rs"]
mod statements;

#[path = "../../../server/gate/benches/plan_cache/operations.rs"]
mod plan_cache;

#[path = "../../../server/planner/benches/plans/operations.rs"]
mod plans;

/// How often an operation runs while it is counted.
pub const RUNS: u64 = 100;
/// Runs before that: caches are filled, and buffers have grown.
const BEFORE: u64 = 10;

type Prepare = fn() -> Box<dyn FnMut()>;

/// Of all operations.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|(name, _)| *name)
}

/// Runs one operation, for a callgrind around this process.
pub fn run(name: &str) -> Result<()> {
    let (_, prepare) =
        all().find(|(known, _)| *known == name).with_context(|| format!("no operation is named '{name}'"))?;
    let mut operation = prepare();
    for _ in 0..BEFORE {
        operation();
    }
    counted_by_callgrind(&mut operation);
    Ok(())
}

fn all() -> impl Iterator<Item = &'static (&'static str, Prepare)> {
    [messages::OPERATIONS, statements::OPERATIONS, plan_cache::OPERATIONS, plans::OPERATIONS].into_iter().flatten()
}

/// Callgrind knows this function by its name, and collects while the process is in it.
#[inline(never)]
fn counted_by_callgrind(operation: &mut dyn FnMut()) {
    for _ in 0..RUNS {
        operation();
    }
}
