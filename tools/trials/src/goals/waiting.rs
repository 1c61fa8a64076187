//! Many who want the same at the same moment, and many who wait for few connections.

use super::overload::SLOW;
use super::stage::{MySql, Vitrail};
use super::table::Table;
use super::tool::{Tool, number};

/// A herd, and fairness.
///
/// # Errors
///
/// What could not be measured.
pub async fn measure(tool: &Tool, mysql: &MySql, table: &mut Table, note: &mut dyn FnMut(&str)) -> Result<(), String> {
    herd(tool, mysql, table, note).await?;
    fairness(tool, mysql, table, note).await
}

async fn herd(tool: &Tool, mysql: &MySql, table: &mut Table, note: &mut dyn FnMut(&str)) -> Result<(), String> {
    let vitrail = Vitrail::start(tool, mysql, "").await;
    let clients = tool.count(1_000).to_string();
    note(&format!("{clients} clients with one identical read of 5 ms"));
    let (target, counter) = (vitrail.target(), mysql.target().replacen("direct=", "vitrail=", 1));
    let mut arguments = vec!["--target", &target, "--mysql", &counter, "--prepare", "--clients", &clients];
    arguments.extend(["--duration", tool.time("8s"), "--warmup", tool.time("1s")]);
    let report = tool.bench("herd", &arguments).await?;
    let what = "statements reaching MySQL per client statement: 1,000 clients, one read of 5 ms";
    let found = number(&report, "/targets/0/ratio")?;
    table.at_most("herd", what, found, "", 1.0 / 50.0, 1.0 / 500.0);
    vitrail.stop().await;
    Ok(())
}

async fn fairness(tool: &Tool, mysql: &MySql, table: &mut Table, note: &mut dyn FnMut(&str)) -> Result<(), String> {
    // All may wait, for as long as it takes.
    let tables = "[tablet.pool]\nsize = 20\nqueue = 20000\nwait = \"60s\"\n\n[tablet.overload]\ntarget = \"0s\"\n";
    let vitrail = Vitrail::start(tool, mysql, tables).await;
    let clients = tool.count(10_000).to_string();
    note(&format!("{clients} clients wait for 20 connections"));
    let slow = vitrail.file("slow.toml", SLOW);
    let (target, slow) = (vitrail.target(), slow.display().to_string());
    let mut arguments = vec!["--workload", &slow, "--target", &target, "--clients", &clients, "--rounds", "1"];
    // A turn takes 2.5 s: the first one is none, because all come at once.
    arguments.extend(["--duration", if tool.quick { "1s" } else { "15s" }, "--warmup", tool.time("6s")]);
    let report = tool.bench("run", &arguments).await?;
    let what = "p99/p50 of the latency of 10,000 waiting clients, 20 connections to MySQL";
    table.at_most("fairness", what, number(&report, "/targets/0/latency/spread")?, "", 2.0, 1.1);
    table.beside("fairness_p50", "  p50", number(&report, "/targets/0/latency/p50")? / 1e3, "ms");
    table.beside("fairness_p99", "  p99", number(&report, "/targets/0/latency/p99")? / 1e3, "ms");
    vitrail.stop().await;
    Ok(())
}
