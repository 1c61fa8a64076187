//! What is checked before serving: every MySQL, and the schemas against each other. Each finding names its fix.

use vitrail_gate::Gate;
use vitrail_tablet::preflight::Severity;

use crate::assembly::Served;
use crate::error::StartError;

/// Checks everything; logs what it finds.
///
/// # Errors
///
/// How many findings make serving impossible.
pub(crate) async fn check(services: &[Served], gate: Option<&Gate>) -> Result<(), StartError> {
    let mut errors = 0;
    for served in services {
        let Some(tablet) = &served.tablet else { continue };
        let place = format!("{}/{}", served.keyspace, served.shard);
        for finding in tablet.preflight().await {
            match finding.severity {
                Severity::Error => {
                    errors += 1;
                    tracing::error!(shard = place, fix = finding.fix, "{}", finding.what);
                }
                Severity::Warning => tracing::warn!(shard = place, fix = finding.fix, "{}", finding.what),
                Severity::Note => tracing::info!(shard = place, fix = finding.fix, "{}", finding.what),
            }
        }
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
