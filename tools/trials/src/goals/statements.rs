//! What statements cost the server beside its MySQL, and how many there are beside direct MySQL and a forwarder that does nothing.

use serde_json::Value;

use super::stage::{MIB, MySql, Vitrail};
use super::table::Table;
use super::tool::{Tool, number, target};

/// Point selects by few and by many, and a long result.
///
/// # Errors
///
/// What could not be measured.
pub async fn measure(tool: &Tool, mysql: &MySql, table: &mut Table, note: &mut dyn FnMut(&str)) -> Result<(), String> {
    let vitrail = Vitrail::start(tool, mysql, "").await;
    let run = Run { tool, mysql, vitrail: &vitrail };
    let few = if tool.quick { 8 } else { 64 };

    note(&format!("point selects by {few} clients: MySQL, forwarder, Vitrail"));
    let report = run.compared("point-select", few, ["8s", "500ms", "4"], true).await?;
    table.ran_on(&report);
    let what = "server CPU per point select / mysqld's when it is asked directly, 64 clients with a connection each";
    cost(&report, "cpu_64", what, [1.2, 0.9], table)?;

    note("point selects by 64 sessions on 4 connections: MySQL, Vitrail");
    let what = "server CPU per point select / mysqld's when it is asked directly, 64 sessions on 4 connections";
    cost(&run.sharing("10s", ["64", "16"]).await?, "cpu_64_on_4", what, [0.8, 0.4], table)?;
    let what = "point selects by 64 clients / MySQL with 64 connections";
    table.at_least("throughput_64", what, ratio(&report, "vitrail")?, "", 0.5, 0.7);
    beside(&report, "throughput_64", table)?;

    let many = tool.count(2_000);
    note(&format!("point selects by {many} clients: MySQL, forwarder, Vitrail"));
    let report = run.compared("point-select", many, ["8s", "1s", "2"], false).await?;
    let what = "point selects by 2,000 clients / MySQL with 2,000 connections";
    table.at_least("throughput_2000", what, ratio(&report, "vitrail")?, "", 1.5, 2.0);
    beside(&report, "throughput_2000", table)?;

    note("a result of 100,000 rows: MySQL, forwarder, Vitrail");
    run.compared("rows", 1, ["300ms", "0s", "1"], true).await?;
    vitrail.stop().await;
    // One that has seen no more than a client's point selects: it has no memory to spare that would hide what long results need.
    let vitrail = Vitrail::start(tool, mysql, "").await;
    let run = Run { tool, mysql, vitrail: &vitrail };
    run.sharing("1s", ["1", "1"]).await?;
    vitrail.settle().await;
    let (report, before, peak) = vitrail.peak(run.compared("rows", 1, ["8s", "500ms", "4"], false)).await;
    let report = report?;
    let what = "results of 100,000 rows × 10 columns / MySQL";
    table.at_least("rows", what, ratio(&report, "vitrail")?, "", 0.7, 0.95);
    beside(&report, "rows", table)?;
    let grown = peak.saturating_sub(before) as f64 / MIB;
    table.at_most(
        "rows_memory",
        "growth of the server's resident memory meanwhile, at its peak",
        grown,
        "MiB",
        4.0,
        None,
    );
    vitrail.stop().await;
    Ok(())
}

/// The runs over one Vitrail.
struct Run<'a> {
    tool: &'a Tool,
    mysql: &'a MySql,
    vitrail: &'a Vitrail,
}

impl Run<'_> {
    /// The targets `direct`, `floor` and `vitrail` in turns; the time is that of each target, of each warm-up, and the number of rounds.
    async fn compared(
        &self,
        workload: &str,
        clients: usize,
        [duration, warmup, rounds]: [&str; 3],
        prepare: bool,
    ) -> Result<Value, String> {
        let (direct, vitrail, clients) = (self.mysql.target(), self.vitrail.target(), clients.to_string());
        let process = self.process();
        let mut arguments = vec!["--workload", workload, "--target", &direct, "--floor", "--target", &vitrail];
        arguments.extend(["--process", &process, "--clients", &clients]);
        arguments.extend([
            "--duration",
            self.tool.time(duration),
            "--rounds",
            if self.tool.quick { "1" } else { rounds },
        ]);
        arguments.extend(["--warmup", if self.tool.quick { "100ms" } else { warmup }]);
        if prepare {
            arguments.push("--prepare");
        }
        self.run(arguments).await
    }

    /// Point selects on MySQL and Vitrail in turns, by so many clients, of which so many share a connection to Vitrail.
    async fn sharing(&self, duration: &str, [clients, per_connection]: [&str; 2]) -> Result<Value, String> {
        let (direct, vitrail) = (self.mysql.target(), self.vitrail.target());
        let process = self.process();
        let mut arguments = vec!["--workload", "point-select", "--target", &direct, "--target", &vitrail];
        arguments.extend(["--process", &process]);
        arguments.extend(["--clients", clients, "--per-connection", per_connection]);
        arguments.extend(["--duration", self.tool.time(duration), "--rounds", if self.tool.quick { "1" } else { "5" }]);
        arguments.extend(["--warmup", if self.tool.quick { "100ms" } else { "500ms" }]);
        self.run(arguments).await
    }

    async fn run(&self, mut arguments: Vec<&str>) -> Result<Value, String> {
        if self.tool.quick {
            arguments.extend(["--scale", "rows=2000"]);
        }
        self.tool.bench("run", &arguments).await
    }

    /// The server's own MySQL, which the tool cannot find by itself.
    fn process(&self) -> String {
        format!("vitrail:mysql={}", self.mysql.server().socket().display())
    }
}

/// CPU of a statement: the server's against that of its MySQL when nothing is in between, which is the same whatever the server does.
fn cost(report: &Value, id: &str, what: &str, [bound, aim]: [f64; 2], table: &mut Table) -> Result<(), String> {
    let vitrail = target(report, "vitrail")?;
    let server = number(vitrail, "/processes/0/cpu_per_statement")?;
    let behind = number(vitrail, "/processes/1/cpu_per_statement")?;
    let direct = number(target(report, "direct")?, "/processes/0/cpu_per_statement")?;
    table.at_most(id, what, server / direct, "", bound, aim);
    table.beside(&format!("{id}_server"), "  the server's", server, "µs");
    table.beside(&format!("{id}_mysql"), "  mysqld's, directly", direct, "µs");
    table.beside(&format!("{id}_behind"), "  mysqld's behind the server", behind, "µs");
    Ok(())
}

/// How many a target did, of those that direct MySQL did.
fn ratio(report: &Value, name: &str) -> Result<f64, String> {
    let comparisons = report["comparisons"].as_array().into_iter().flatten();
    let found = comparisons.into_iter().find(|comparison| comparison["target"] == name);
    number(found.ok_or_else(|| format!("the report does not compare {name}"))?, "/rate/ratio")
}

/// What the ratio is of, and the forwarder's.
fn beside(report: &Value, id: &str, table: &mut Table) -> Result<(), String> {
    table.beside(&format!("{id}_floor"), "  the forwarder / MySQL", ratio(report, "floor")?, "");
    for (name, what) in [("direct", "  MySQL"), ("floor", "  the forwarder"), ("vitrail", "  Vitrail")] {
        table.beside(&format!("{id}_{name}_rate"), what, number(target(report, name)?, "/rate")?, "/s");
    }
    Ok(())
}
