//! What `bench sessions` has shown, as people read it and as programs do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slope::Slope;
use crate::assertion::Figures;
use crate::report::{Environment, ErrorReport, Percentiles, count, failed, lines};

/// What sessions cost. Times are microseconds, memory is bytes, rates are a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionsReport {
    /// Of the format: 1.
    pub version: u32,
    /// `sessions`.
    pub kind: String,
    /// Sessions that were to be opened.
    pub sessions: usize,
    /// Sessions on each connection, where the protocol has sessions.
    pub per_connection: usize,
    /// What each session ran; absent if nothing.
    pub statement: Option<String>,
    /// Seconds for which nothing was done with them.
    pub hold: f64,
    /// Connections, openings or statements under way at a time, in each client process.
    pub at_once: usize,
    /// Where it ran.
    pub environment: Environment,
    /// In the order of the command line.
    pub targets: Vec<Crowded>,
    /// What to bear in mind.
    pub warnings: Vec<String>,
}

/// What the sessions of one target have shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Crowded {
    /// As the command line calls it.
    pub name: String,
    /// Without a password.
    pub url: String,
    /// Connections that were opened.
    pub connections: usize,
    /// Sessions that were opened, each having run the statement.
    pub sessions: usize,
    /// Connections that the server had closed when the hold was over.
    pub dead: usize,
    /// What its processes used.
    pub processes: Vec<Held>,
    /// What the kernel used for each connection, both ends if both are on this machine; absent where `/proc` does not tell.
    pub kernel: Option<Sockets>,
    /// What the load tester itself used.
    pub client: Client,
    /// Connecting and logging in.
    pub connecting: Option<Percentiles>,
    /// Opening a session, its first statement included.
    pub opening: Option<Percentiles>,
    /// A statement on each session while all were open.
    pub statements: Option<Percentiles>,
    /// Connections opened a second.
    pub connections_per_second: f64,
    /// Sessions opened a second, over connections that were there.
    pub opened_per_second: f64,
    /// Those statements a second.
    pub statements_per_second: f64,
    /// Errors by code.
    pub errors: BTreeMap<String, ErrorReport>,
}

/// Memory of one process of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// Resident bytes before the first session.
    pub empty: u64,
    /// Sessions, and resident bytes with them.
    pub points: Vec<(usize, u64)>,
    /// Of those points: what a session adds; absent with fewer than two.
    pub per_session: Option<Slope>,
    /// Resident bytes after the statements.
    pub after: u64,
    /// CPU seconds of each second of the hold: 1 is a core.
    pub idle_cores: f64,
}

/// Bytes of the kernel for each connection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sockets {
    /// Buffers of sockets.
    pub buffers: f64,
    /// Its objects: sockets, open files.
    pub slab: f64,
}

/// The load tester itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Client {
    /// Client processes.
    pub processes: usize,
    /// Their resident bytes for each session.
    pub per_session: f64,
}

impl Figures for SessionsReport {
    const NAMES: &'static [&'static str] = &[
        "bytes",
        "memory",
        "socket",
        "errors",
        "dead",
        "sessions",
        "rate",
        "opened",
        "connected",
        "p50",
        "p90",
        "p95",
        "p99",
        "p99.9",
        "max",
        "mean",
        "spread",
    ];

    fn targets(&self) -> Vec<&str> {
        self.targets.iter().map(|target| target.name.as_str()).collect()
    }

    fn figure(&self, target: usize, name: &str) -> Option<f64> {
        let target = &self.targets[target];
        Some(match name {
            // Of the target's first process.
            "bytes" => target.processes.first()?.per_session?.each,
            "memory" => target.processes.first()?.points.last()?.1 as f64,
            "socket" => target.kernel.map(|kernel| kernel.buffers + kernel.slab)?,
            "errors" => failed(&target.errors) as f64,
            "dead" => target.dead as f64,
            "sessions" => target.sessions as f64,
            "rate" => target.statements_per_second,
            "opened" => target.opened_per_second,
            "connected" => target.connections_per_second,
            _ => return target.statements.as_ref()?.figure(name),
        })
    }
}

/// Prints a report.
pub(super) fn print(report: &SessionsReport, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    out.write_all(render(report).as_bytes())
}

fn render(report: &SessionsReport) -> String {
    let mut text = String::new();
    for target in &report.targets {
        render_target(target, report, &mut text);
    }
    lines::notes(&report.warnings, &mut text);
    text
}

fn render_target(target: &Crowded, report: &SessionsReport, text: &mut String) {
    let _ = writeln!(text, "{} ({})", target.name, target.url);
    let ran = report.statement.as_ref().map_or("none of them used".to_owned(), |sql| format!("each having run {sql}"));
    let (sessions, connections) = (count(target.sessions as f64), count(target.connections as f64));
    let _ = writeln!(text, "  {sessions} sessions on {connections} connections, {ran}");
    for process in &target.processes {
        let _ = write!(text, "  {}: ", process.name);
        if let Some(slope) = process.per_session {
            let _ = write!(text, "{} bytes a session", count(slope.each.round()));
            if let (Some(low), Some(high)) = (slope.low, slope.high) {
                let _ = write!(text, " ({} to {})", count(low.round()), count(high.round()));
            }
            let _ = write!(text, "; ");
        }
        let full = process.points.last().map_or(process.empty, |point| point.1);
        let [empty, full, after] = [process.empty, full, process.after].map(mebibytes);
        let _ = writeln!(
            text,
            "{empty} MiB empty, {full} with all, {after} after the statements; {:.3} cores while idle",
            process.idle_cores
        );
    }
    if let Some(kernel) = &target.kernel {
        // Below 0 is what others on the machine gave back meanwhile.
        let [buffers, slab] = [kernel.buffers, kernel.slab].map(|bytes| count(bytes.round().max(0.0)));
        let _ = writeln!(text, "  kernel: {buffers} bytes of buffers and {slab} of objects for each connection");
    }
    let _ = writeln!(
        text,
        "  load tester: {} bytes a session, {} client {}",
        count(target.client.per_session.round()),
        target.client.processes,
        if target.client.processes == 1 { "process" } else { "processes" }
    );
    let (connecting, opening) = (target.connecting.as_ref(), target.opening.as_ref());
    let rows = [
        ("connection", connecting, target.connections_per_second),
        ("session", opening, target.opened_per_second),
        ("statement", target.statements.as_ref(), target.statements_per_second),
    ];
    lines::paced(&rows, text);
    lines::errors(&target.errors, text);
    if target.dead > 0 {
        let _ = writeln!(text, "  {} connections were closed by the server while idle", count(target.dead as f64));
    }
    let _ = writeln!(text);
}

fn mebibytes(bytes: u64) -> String {
    count((bytes as f64 / 1_048_576.0).round())
}
