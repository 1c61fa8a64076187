//! More statements than the pool can run, in an open loop: what is done of them, and what becomes of the others.

use std::time::Duration;

use serde_json::Value;

use super::stage::{MIB, MySql, Vitrail};
use super::table::Table;
use super::tool::{Tool, number};

/// A statement that holds its connection for 5 ms and nothing else; no two are alike, so that none shares the execution of another.
pub(super) const SLOW: &str = r#"
[scale]
microseconds = 5_000

[[operation]]
name = "slow"
[[operation.step]]
sql = "SELECT SLEEP(:pause / 1000000), :number"
binds = { pause = "microseconds", number = { uniform = [1, 1_000_000_000] } }
rows = 1
first = [0]
"#;

/// The code of those that were refused because of overload.
pub const THROTTLED: &str = "throttled 61001";

/// A pool, and what is asked of it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Connections to MySQL.
    pub connections: usize,
    /// How long each statement holds one.
    pub takes: Duration,
    /// `[tablet.overload]`: target and interval.
    pub overload: [Duration; 2],
    /// Statements that are due each second.
    pub rate: usize,
    /// Sessions that send them: more than wait at a time.
    pub clients: usize,
    /// Of those, on each connection.
    pub per_connection: usize,
    /// How long it is measured what the pool can do, and not measured before.
    pub alone: [Duration; 2],
    /// How long it is measured what it does of too much, and not measured before: overload has to last for an interval before anybody is refused.
    pub under: [Duration; 2],
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What the pool does in a closed loop with twice as many clients as connections, statements a second.
    pub most: f64,
    /// What it did of too much.
    pub done: f64,
    /// Statements a second that were sent.
    pub sent: f64,
    /// Statements that were refused.
    pub refused: f64,
    /// Of those, the share that was refused as throttled.
    pub throttled: f64,
    /// Milliseconds until 99 of 100 of these knew.
    pub refused_p99: f64,
    /// The same of those that were done.
    pub done_p99: f64,
    /// Resident bytes of the server before.
    pub before: u64,
    /// The most of them meanwhile.
    pub peak: u64,
}

impl Scene {
    /// That of the goals, with the settings that a server has by itself; or one that soon shows the same.
    pub fn of_the_goals(tool: &Tool) -> Scene {
        let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
        if tool.quick {
            return Scene {
                connections: 2,
                takes: millis(20),
                overload: [millis(50), millis(100)],
                rate: 300,
                clients: 400,
                per_connection: 100,
                alone: [millis(500); 2],
                under: [millis(500); 2],
            };
        }
        Scene {
            connections: 20,
            takes: millis(5),
            overload: [seconds(1), seconds(3)],
            rate: 12_000,
            clients: 8_000,
            per_connection: 100,
            alone: [seconds(6), seconds(1)],
            // Within 5 s they are refused for the first time.
            under: [seconds(12), seconds(8)],
        }
    }

    /// The tables of the configuration.
    pub fn tables(&self) -> String {
        let [target, interval] = self.overload.map(|time| time.as_millis());
        format!(
            "[tablet.pool]\nsize = {}\n\n[tablet.overload]\ntarget = \"{target}ms\"\ninterval = \"{interval}ms\"\n",
            self.connections
        )
    }

    /// Runs it on a server that has these [`tables`](Scene::tables).
    ///
    /// # Errors
    ///
    /// What could not be measured.
    pub async fn play(&self, tool: &Tool, vitrail: &Vitrail) -> Result<Seen, String> {
        let clients = (2 * self.connections).to_string();
        let alone = self.run(tool, vitrail, &["--clients", &clients], self.alone).await?;
        if let Some(errors) = alone["errors"].as_object().filter(|errors| !errors.is_empty()) {
            return Err(format!("the pool was not overloaded, and statements failed: {errors:?}"));
        }
        vitrail.settle().await;
        let [clients, per, rate] = [self.clients, self.per_connection, self.rate].map(|number| number.to_string());
        let arguments = ["--clients", &clients, "--per-connection", &per, "--rate", &rate];
        let (target, before, peak) = vitrail.peak(self.run(tool, vitrail, &arguments, self.under)).await;
        let target = target?;
        let (done, refused, throttled) =
            (number(&target, "/latency/count")?, failed(&target), &target["errors"][THROTTLED]);
        let missed = number(&target, "/missed")?;
        if missed > 0.01 * (done + refused) {
            return Err(format!("{missed} statements were due and not sent: more clients are needed"));
        }
        let of = throttled["count"].as_f64().unwrap_or(0.0);
        Ok(Seen {
            most: number(&alone, "/rate")?,
            done: number(&target, "/rate")?,
            sent: (done + refused) / self.under[0].as_secs_f64(),
            refused,
            throttled: if refused > 0.0 { of / refused } else { 0.0 },
            refused_p99: throttled.pointer("/took/p99").and_then(Value::as_f64).unwrap_or(0.0) / 1e3,
            done_p99: number(&target, "/latency/p99")? / 1e3,
            before,
            peak,
        })
    }

    async fn run(
        &self,
        tool: &Tool,
        vitrail: &Vitrail,
        more: &[&str],
        [duration, warmup]: [Duration; 2],
    ) -> Result<Value, String> {
        let (slow, target) = (vitrail.file("slow.toml", SLOW).display().to_string(), vitrail.target());
        let scale = format!("microseconds={}", self.takes.as_micros());
        let [duration, warmup] = [duration, warmup].map(|time| format!("{}ms", time.as_millis()));
        let mut arguments = vec!["--workload", &slow, "--target", &target, "--scale", &scale, "--rounds", "1"];
        arguments.extend(["--duration", &duration, "--warmup", &warmup]);
        arguments.extend(more);
        let mut report = tool.bench_with_errors("run", &arguments).await?;
        Ok(report["targets"][0].take())
    }
}

fn failed(target: &Value) -> f64 {
    let errors = target["errors"].as_object().into_iter().flatten();
    errors.filter_map(|(_, error)| error["count"].as_f64()).sum()
}

/// Three times what the pool can do.
///
/// # Errors
///
/// What could not be measured.
pub async fn measure(tool: &Tool, mysql: &MySql, table: &mut Table, note: &mut dyn FnMut(&str)) -> Result<(), String> {
    let scene = Scene::of_the_goals(tool);
    note(&format!("{} statements of 5 ms a second on {} connections", scene.rate, scene.connections));
    let vitrail = Vitrail::start(tool, mysql, &scene.tables()).await;
    let seen = scene.play(tool, &vitrail).await?;
    vitrail.stop().await;
    let what = "12,000/s of 5 ms on 20 connections: done / what the pool can do";
    table.at_least("overload_goodput", what, seen.done / seen.most, "", 0.9, None);
    table.beside("overload_most", "  what the pool can do", seen.most, "/s");
    table.beside("overload_sent", "  sent", seen.sent, "/s");
    table.beside("overload_done_p99", "  p99 of those that were done", seen.done_p99, "ms");
    table.at_least("overload_typed", "refusals that say `throttled`, of all", seen.throttled, "", 1.0, None);
    table.at_most("overload_refused_p99", "p99 until a refusal is there", seen.refused_p99, "ms", 50.0, None);
    let grown = seen.peak.saturating_sub(seen.before) as f64 / MIB;
    // At most `tablet.pool.queue` statements wait, 5,000, and each may cost 36 KiB; each of the 8,000 sessions 2 KiB.
    let what = "growth of the server's resident memory meanwhile, at its peak";
    table.at_most("overload_memory", what, grown, "MiB", 192.0, None);
    Ok(())
}
