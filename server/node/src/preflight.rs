//! What is checked before serving: every MySQL, a configured scratch server, and the schemas against each other. Each finding names its fix.

use vitrail_gate::Gate;
use vitrail_tablet::preflight::{Finding, Severity};

use crate::assembly::Served;
use crate::error::StartError;
use crate::scratch::ScratchServer;

/// Checks everything; logs what it finds.
///
/// # Errors
///
/// How many findings make serving impossible.
pub(crate) async fn check(
    services: &[Served],
    scratch: Option<&ScratchServer>,
    gate: Option<&Gate>,
) -> Result<(), StartError> {
    let mut errors = 0;
    for served in services {
        let Some(tablet) = &served.tablet else { continue };
        let place = format!("{}/{}", served.keyspace, served.shard);
        errors += log(&place, tablet.preflight().await);
    }
    if let Some(scratch) = scratch {
        errors += log("scratch", scratch.preflight().await);
    }
    if errors > 0 {
        return Err(StartError::Preflight(errors));
    }
    if let Some(gate) = gate {
        // The gate logs what it finds: tables that differ between shards, and vschema entries that fit no table.
        gate.refresh().await;
    }
    Ok(())
}

/// Logs what was found at a server; how much of it are errors.
fn log(shard: &str, findings: Vec<Finding>) -> usize {
    let mut errors = 0;
    for Finding { severity, what, fix } in findings {
        match severity {
            Severity::Error => {
                errors += 1;
                tracing::error!(shard, fix, "{what}");
            }
            Severity::Warning => tracing::warn!(shard, fix, "{what}"),
            Severity::Note => tracing::info!(shard, fix, "{what}"),
        }
    }
    errors
}
