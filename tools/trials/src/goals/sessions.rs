//! What open sessions cost.

use serde_json::Value;

use super::stage::{MySql, Vitrail};
use super::table::Table;
use super::tool::{Tool, number};

/// Many connections, the same with TLS, and a million sessions on a thousand connections.
///
/// # Errors
///
/// What could not be measured.
pub async fn measure(tool: &Tool, mysql: &MySql, table: &mut Table, note: &mut dyn FnMut(&str)) -> Result<(), String> {
    let rows = [
        (
            "sessions",
            false,
            15_000,
            1,
            "resident bytes per idle session, 15,000 with a connection each",
            4096.0,
            2048.0,
        ),
        ("sessions_tls", true, 15_000, 1, "the same with TLS", 24_576.0, 12_288.0),
        (
            "sessions_million",
            false,
            1_000_000,
            1_000,
            "resident bytes per idle session, 1,000,000 on 1,000 connections",
            1024.0,
            512.0,
        ),
    ];
    for (id, tls, sessions, per_connection, what, bound, aim) in rows {
        let vitrail = if tls { Vitrail::start_tls(tool, mysql).await } else { Vitrail::start(tool, mysql, "").await };
        let sessions = tool.count(sessions);
        note(&format!("{sessions} sessions, {per_connection} on a connection ({id})"));
        let found = open(tool, &vitrail, sessions, per_connection).await?;
        table.at_most(id, what, number(&found, "/processes/0/per_session/each")?, "B", bound, aim);
        table.beside(
            &format!("{id}_p99"),
            "  p99 of a statement on each",
            number(&found, "/statements/p99")? / 1e3,
            "ms",
        );
        vitrail.stop().await;
    }
    Ok(())
}

/// What the tool says of the target.
async fn open(tool: &Tool, vitrail: &Vitrail, sessions: usize, per_connection: usize) -> Result<Value, String> {
    let (target, [wanted, per]) = (vitrail.target(), [sessions, per_connection].map(|number| number.to_string()));
    let mut arguments = vec!["--target", &target, "--sessions", &wanted, "--per-connection", &per];
    arguments.extend(["--hold", tool.time("2s"), "--steps", if tool.quick { "2" } else { "8" }]);
    let mut report = tool.bench("sessions", &arguments).await?;
    let found = report["targets"][0].take();
    let (opened, dead) = (number(&found, "/sessions")?, number(&found, "/dead")?);
    if opened as usize != sessions || dead > 0.0 {
        return Err(format!("{opened} of {sessions} sessions were opened, and {dead} connections were lost"));
    }
    Ok(found)
}
