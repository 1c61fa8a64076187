//! `bench sessions`: what open sessions cost a server, and how fast it is with all of them.
//!
//! Sessions are opened in steps. At each the server's memory is read until it stands still; a line through the steps says what one more session
//! costs, so that what a server needs anyway does not count. Client processes hold the sessions (a process may open only so many files), told by
//! lines of JSON.

mod crew;
mod crowd;
mod door;
mod kernel;
mod message;
mod report;
mod slope;
mod source;
mod steady;
mod worker;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::time::Instant;

pub use report::SessionsReport;
pub(crate) use worker::run as work;

use self::crew::{Crew, Measured};
use self::crowd::{CONNECT, OPEN, STATEMENT};
use self::kernel::Kernel;
use self::message::{Begin, Task};
use self::report::{Client, Crowded, Held, Sockets};
use self::slope::Slope;
use self::source::Source;
use self::steady::Steady;
use crate::assertion::Assertion;
use crate::process::{Process, Used};
use crate::report::{Environment, Percentiles, VERSION, count, errors};
use crate::run::{deliver, note, watched};
use crate::target::Target;

/// What `bench sessions` takes.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where to: vitrail://… or mysql://…, with NAME= before it if it is to have another name; several come one after the other
    #[arg(long, short, value_name = "[NAME=]URL", required = true)]
    pub target: Vec<String>,
    /// Sessions to open
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub sessions: u32,
    /// Sessions on each connection, where the protocol has sessions; servers take 4,096 at most
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub per_connection: u32,
    /// What each session runs when it is opened, and again when all are open; identical ones do not share an execution
    #[arg(long, default_value = "SELECT 1", value_name = "SQL")]
    pub statement: String,
    /// Sessions run nothing
    #[arg(long, conflicts_with = "statement")]
    pub idle: bool,
    /// How long nothing is done with the open sessions, before those that the server has closed are counted
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub hold: Duration,
    /// Connections that are opened, and statements that run, at a time, by each client process
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub at_once: u32,
    /// Numbers of sessions at which the server's memory is read
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub steps: u32,
    /// An address of this machine that connections come from; several take turns. Towards loopback there are as many as are needed, unless some are given
    #[arg(long, value_name = "IP")]
    pub local_address: Vec<IpAddr>,
    /// A process that works for a target, of this machine or with metrics for Prometheus: its memory is reported
    #[arg(long, value_name = "TARGET:NAME=PID|:PORT|/SOCKET|http://…/metrics")]
    pub process: Vec<String>,
    /// Write the report as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What the report has to show, as 'bytes<4096', 'errors<1' or 'vitrail:p99<20ms'; else the exit status is 1
    #[arg(long, value_name = "CONDITION")]
    pub assert: Vec<Assertion<SessionsReport>>,
}

/// Measures, prints, and says whether all assertions hold.
///
/// # Errors
///
/// A target that cannot be used, a process that cannot be started, a file that cannot be written.
pub async fn run(options: Options) -> Result<bool> {
    let targets = Target::parse_all(&options.target)?;
    let processes = watched(&targets, &options.process).await?;
    let mut warnings = Vec::new();
    let mut reports = Vec::new();
    for ((target, processes), text) in targets.iter().zip(processes).zip(&options.target) {
        let crowded = crowd(target, text, &processes, &options, &mut warnings).await;
        reports.push(crowded.with_context(|| format!("{} at {}", target.name, target.url))?);
    }
    let report = SessionsReport {
        version: VERSION,
        kind: "sessions".into(),
        sessions: options.sessions as usize,
        per_connection: options.per_connection as usize,
        statement: options.statement().map(str::to_owned),
        hold: options.hold.as_secs_f64(),
        at_once: options.at_once as usize,
        environment: Environment::here(),
        targets: reports,
        warnings,
    };
    deliver(&report, report::print, options.json.as_deref(), &options.assert)
}

impl Options {
    fn statement(&self) -> Option<&str> {
        (!self.idle).then_some(self.statement.as_str())
    }

    /// The numbers of sessions at which memory is read; full connections except for the last.
    fn numbers(&self, per_connection: usize) -> Vec<usize> {
        let (all, steps) = (self.sessions as usize, self.steps as usize);
        let full = |number: usize| number.next_multiple_of(per_connection).min(all);
        let mut numbers: Vec<usize> = (1..=steps).map(|step| full((all * step).div_ceil(steps))).collect();
        numbers.dedup();
        numbers
    }
}

/// Fills one target with sessions.
async fn crowd(
    target: &Target,
    text: &str,
    processes: &[Process],
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<Crowded> {
    let name = &target.name;
    // MySQL has one session on each connection.
    let per_connection = if target.mysql().is_some() { 1 } else { options.per_connection as usize };
    try_it(target, options).await?;
    if processes.is_empty() {
        warnings.push(format!(
            "{name} is no process of this machine that may be looked at: its memory was not measured; --process names it"
        ));
    }
    let begin = Begin {
        target: text.to_owned(),
        statement: options.statement().map(str::to_owned),
        per_connection,
        at_once: options.at_once as usize,
        source: Source::towards(target, &options.local_address),
        first: 0,
    };
    let mut crew = Crew::start(&begin, options.sessions as usize).await?;
    let empty = Steady::of(processes).await;
    let idle_clients = crew.memory().await;
    let kernel = Kernel::now();
    let mut points: Vec<(usize, Vec<u64>)> = Vec::new();
    let mut unsteady = false;
    for number in options.numbers(per_connection) {
        let mut progress = progress(name, "open", options.sessions as u64, 0);
        let measured = crew.open(number, &mut progress).await?;
        if measured.sessions == 0 {
            bail!("no session could be opened: {}", example(&measured));
        }
        let steady = Steady::of(processes).await;
        unsteady |= !steady.settled;
        note(&line(name, &measured, &steady, processes));
        points.push((measured.sessions, steady.memory));
    }
    if unsteady {
        warnings.push(format!(
            "the memory of {name} did not stand still: what a session costs is less sure than its bounds say"
        ));
    }
    let full = kernel.zip(Kernel::now());
    let clients = crew.memory().await.saturating_sub(idle_clients);
    note(&format!("{name}: holding for {}", humantime::format_duration(options.hold)));
    let (before, since) = (Used::now(processes).await, Instant::now());
    tokio::time::sleep(options.hold).await;
    let (used, held) = (Used::now(processes).await.since(&before), since.elapsed().as_secs_f64());
    let dead = crew.all(&Task::Look, &mut |_| {}).await?.dead;
    let started = Instant::now();
    let opened = points.last().map_or(0, |point| point.0) as u64;
    let mut measured =
        crew.all(&Task::Run, &mut progress(name, "have run the statement again", opened, opened)).await?;
    let running = started.elapsed();
    let last = Steady::of(processes).await;
    let size = crew.size();
    crew.end().await?;
    let held = processes.iter().enumerate().map(|(index, process)| {
        let points: Vec<(usize, u64)> = points.iter().map(|(sessions, memory)| (*sessions, memory[index])).collect();
        let line: Vec<(f64, f64)> =
            points.iter().map(|(sessions, memory)| (*sessions as f64, *memory as f64)).collect();
        Held {
            name: process.name.clone(),
            empty: empty.memory[index],
            points,
            per_session: Slope::through(&line),
            after: last.memory[index],
            idle_cores: used.processes[index].unwrap_or_default().cpu.as_secs_f64() / held,
        }
    });
    let held: Vec<Held> = held.collect();
    for process in held.iter().filter(|process| process.per_session.is_some_and(|slope| slope.each <= 0.0)) {
        warnings.push(format!(
            "the memory of {} did not grow with the sessions: it lived on what it held before; measure a server that was started just now, or more sessions",
            process.name
        ));
    }
    let per_connection =
        |(before, after): (u64, u64)| (after as f64 - before as f64) / measured.connections.max(1) as f64;
    let statements = std::mem::replace(&mut measured.times[STATEMENT], crate::record::histogram());
    let done = statements.len() + measured.times.iter().map(|times| times.len()).sum::<u64>();
    let ran = options.statement().is_some();
    Ok(Crowded {
        name: name.clone(),
        url: target.url.clone(),
        connections: measured.connections,
        sessions: measured.sessions,
        dead,
        processes: held,
        kernel: full.map(|(before, after)| Sockets {
            buffers: per_connection((before.buffers, after.buffers)),
            slab: per_connection((before.slab, after.slab)),
        }),
        client: Client { processes: size, per_session: clients as f64 / measured.sessions.max(1) as f64 },
        connecting: Percentiles::of(&measured.times[CONNECT]),
        opening: Percentiles::of(&measured.times[OPEN]),
        statements: ran.then(|| Percentiles::of(&statements)).flatten(),
        connections_per_second: rate(measured.connections, measured.spent[0]),
        opened_per_second: rate(measured.sessions, measured.spent[1]),
        statements_per_second: if ran { rate(statements.len() as usize, running) } else { 0.0 },
        errors: errors(&measured.errors, done),
    })
}

fn rate(number: usize, time: Duration) -> f64 {
    if number == 0 { 0.0 } else { number as f64 / time.as_secs_f64() }
}

/// A connection of its own: a target that cannot be used says so once, and not for each session.
async fn try_it(target: &Target, options: &Options) -> Result<()> {
    let mut opened = target.open(1, 1).await.context("it cannot be reached")?;
    if let (Some(connection), Some(sql)) = (opened.first_mut(), options.statement()) {
        connection.text(sql).await.with_context(|| format!("it does not run the statement {sql}"))?;
    }
    Ok(())
}

/// Lines of how far it is, with the pace since the line before.
fn progress(name: &str, what: &'static str, of: u64, base: u64) -> impl FnMut(u64) + Send {
    let (name, mut last) = (name.to_owned(), None::<(u64, Instant)>);
    move |done| {
        let now = Instant::now();
        let mut line =
            format!("{name}: {} of {} sessions {what}", count(done.saturating_sub(base) as f64), count(of as f64));
        if let Some((before, at)) = last {
            let rate = done.saturating_sub(before) as f64 / (now - at).as_secs_f64();
            line += &format!(", {} a second", count(rate.round()));
        }
        last = Some((done, now));
        note(&line);
    }
}

/// A step that is done.
fn line(name: &str, measured: &Measured, steady: &Steady, processes: &[Process]) -> String {
    let (sessions, connections) = (count(measured.sessions as f64), count(measured.connections as f64));
    let mut line = format!("{name}: {sessions} sessions on {connections} connections");
    for (process, memory) in processes.iter().zip(&steady.memory) {
        line += &format!(", {} {:.1} MiB", process.name, *memory as f64 / 1_048_576.0);
    }
    let failed: u64 = measured.errors.values().map(|errors| errors.count).sum();
    if failed > 0 {
        line += &format!(", {} errors, as {}", count(failed as f64), example(measured));
    }
    line
}

fn example(measured: &Measured) -> String {
    let first = measured.errors.iter().next();
    first.map_or_else(|| "it was not tried".into(), |(code, errors)| format!("{code}: {}", errors.example))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn numbers(sessions: &str, steps: &str, per_connection: usize) -> Vec<usize> {
        let arguments = ["bench", "--target", "mysql://localhost", "--sessions", sessions, "--steps", steps];
        Cli::parse_from(arguments).options.numbers(per_connection)
    }

    #[test]
    fn steps_end_with_all_sessions_and_fill_connections() {
        assert_eq!(numbers("100", "4", 1), [25, 50, 75, 100]);
        assert_eq!(numbers("100", "4", 40), [40, 80, 100]);
        assert_eq!(numbers("3", "10", 1), [1, 2, 3]);
        assert_eq!(numbers("7", "1", 1_000), [7]);
    }
}
