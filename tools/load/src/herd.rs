//! `bench herd`: many clients ask the same at the same moment, again and again, and what of it reaches MySQL is counted.

mod reached;
mod read;
mod report;
mod rounds;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

pub use report::HerdReport;

use self::reached::Counter;
use self::read::Read;
use self::report::Herded;
use self::rounds::Herd;
use crate::assertion::Assertion;
use crate::process::{Process, Used};
use crate::report::{Environment, Percentiles, ProcessReport, VERSION, count, errors};
use crate::run::{busy, deliver, note, watched};
use crate::target::Target;

/// What `bench herd` takes.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where to: vitrail://… or mysql://…, with NAME= before it if it is to have another name; several come one after the other
    #[arg(long, short, value_name = "[NAME=]URL", required = true)]
    pub target: Vec<String>,
    /// Clients that ask at the same moment
    #[arg(long, short, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clients: u32,
    /// Sessions that share a connection, where the protocol has sessions
    #[arg(long, default_value_t = 1, value_name = "SESSIONS")]
    pub per_connection: usize,
    /// Make and fill the table of the built-in read first, through each target; what is there is dropped
    #[arg(long)]
    pub prepare: bool,
    /// How long the built-in read takes for one client alone: a count of pairs over as many rows as that needs, tried on the first target
    #[arg(long, default_value = "5ms", value_parser = humantime::parse_duration, conflicts_with = "statement")]
    pub takes: Duration,
    /// Another read, in place of the built-in one; its answer has to be the same each time
    #[arg(long, value_name = "SQL", conflicts_with = "prepare")]
    pub statement: Option<String>,
    /// Measured time of each target
    #[arg(long, short, default_value = "10s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// Time before it that is not measured
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub warmup: Duration,
    /// A MySQL behind the vitrail:// target, or behind the one that is named, whose SELECTs are counted; without it, Vitrail's own count is taken
    #[arg(long, value_name = "[TARGET=]URL")]
    pub mysql: Vec<String>,
    /// A process that works for a target, of this machine or with metrics for Prometheus: its CPU and memory are reported
    #[arg(long, value_name = "TARGET:NAME=PID|:PORT|/SOCKET|http://…/metrics")]
    pub process: Vec<String>,
    /// Write the report as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What the report has to show, as 'ratio<0.02', 'errors<1' or 'vitrail:p99<20ms'; else the exit status is 1
    #[arg(long, value_name = "CONDITION")]
    pub assert: Vec<Assertion<HerdReport>>,
}

/// Measures, prints, and says whether all assertions hold and all answers were right.
///
/// # Errors
///
/// A target that cannot be used, a count that cannot be had, a file that cannot be written.
pub async fn run(options: Options) -> Result<bool> {
    let targets = Target::parse_all(&options.target)?;
    let processes = watched(&targets, &options.process).await?;
    let behind = behind(&targets, &options.mysql)?;
    // All that can be wrong is met before the first target is put under load.
    let mut herds = Vec::new();
    let mut counters = Vec::new();
    for (target, behind) in targets.iter().zip(&behind) {
        let reached = || format!("{} cannot be reached at {}", target.name, target.url);
        herds.push(Herd::open(target, options.clients as usize, options.per_connection).await.with_context(reached)?);
        counters.push(Counter::open(target, behind).await?);
    }
    let mut read = match &options.statement {
        Some(sql) => Read::other(sql),
        None => {
            if options.prepare {
                for (target, herd) in targets.iter().zip(&mut herds) {
                    note(&format!("{}: making the table", target.name));
                    read::prepare(herd.connections()).await.with_context(|| target.name.clone())?;
                }
            }
            Read::that_takes(options.takes, herds[0].connections()).await.with_context(|| targets[0].name.clone())?
        }
    };
    note(&format!("the read is {}", read.sql()));
    let mut reports = Vec::new();
    let mut warnings = Vec::new();
    for (index, (target, herd)) in targets.iter().zip(herds).enumerate() {
        let report = measure(target, herd, &mut read, &mut counters[index], &processes[index], &options, &mut warnings);
        reports.push(report.await.with_context(|| target.name.clone())?);
    }
    let report = HerdReport {
        version: VERSION,
        kind: "herd".into(),
        clients: options.clients as usize,
        per_connection: options.per_connection,
        statement: read.sql().to_owned(),
        duration: options.duration.as_secs_f64(),
        environment: Environment::here(),
        targets: reports,
        warnings,
    };
    let holds = deliver(&report, report::print, options.json.as_deref(), &options.assert)?;
    Ok(holds && report.targets.iter().all(|target| !target.errors.contains_key("wrong answer")))
}

/// The MySQLs of each target whose statements are counted; none: the target is asked itself.
fn behind(targets: &[Target], asked: &[String]) -> Result<Vec<Vec<Target>>> {
    let mut behind: Vec<Vec<Target>> = targets.iter().map(|_| Vec::new()).collect();
    let gates: Vec<usize> = (0..targets.len()).filter(|index| targets[*index].vitrail().is_some()).collect();
    for text in asked {
        let mysql = Target::parse(text).with_context(|| format!("--mysql {text}"))?;
        if mysql.mysql().is_none() {
            bail!("--mysql {text}: SELECTs are counted by a MySQL; its URL begins with mysql://");
        }
        let named = text.find("://").is_some_and(|scheme| text[..scheme].contains('='));
        let index = match (named, gates.as_slice()) {
            (true, _) => targets.iter().position(|target| target.name == mysql.name),
            (false, [only]) => Some(*only),
            (false, _) => {
                bail!("--mysql {text}: write it as TARGET=URL, because not exactly one target is a vitrail:// one")
            }
        };
        match index {
            Some(index) => behind[index].push(mysql),
            None => bail!("--mysql {text}: there is no target `{}`", mysql.name),
        }
    }
    Ok(behind)
}

async fn measure(
    target: &Target,
    mut herd: Herd,
    read: &mut Read,
    counter: &mut Counter,
    processes: &[Process],
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<Herded> {
    let alone = read.learn(herd.connections()).await?;
    note(&format!("{}: {} clients", target.name, count(f64::from(options.clients))));
    herd.begin(target, read);
    herd.rounds(options.warmup, &mut |_| {}).await;
    let before = (counter.now().await?, Used::now(processes).await);
    let name = &target.name;
    let measured = herd
        .rounds(options.duration, &mut |progress| {
            let (rounds, rate) = (count(progress.rounds as f64), count(progress.rate.round()));
            note(&format!("{name}: {rounds} rounds, {rate} a second, {} errors", progress.failed));
        })
        .await;
    let after = (counter.now().await?, Used::now(processes).await);
    herd.end().await;
    let seconds = measured.elapsed.as_secs_f64();
    let statements = measured.record.done() + measured.record.failed();
    let reached = Counter::reached(&before.0, &after.0, statements);
    let used = after.1.since(&before.1);
    warnings.extend(busy(name, used.own.cpu.as_secs_f64() / seconds, Environment::here().cores));
    Ok(Herded {
        name: name.clone(),
        url: target.url.clone(),
        alone,
        rounds: Percentiles::of(&measured.rounds),
        statements,
        reached,
        counted_by: counter.name().to_owned(),
        ratio: reached as f64 / statements.max(1) as f64,
        rate: measured.record.done() as f64 / seconds,
        latency: Percentiles::of(&measured.record.latency()),
        errors: errors(&measured.record.errors, measured.record.done()),
        processes: ProcessReport::all(processes, &used.processes, seconds, statements),
    })
}
