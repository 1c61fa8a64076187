//! `make crowd`: 8,000 connections over 20 to MySQL, and 200,000 sessions on 200 connections, their work checked and timed.

use std::path::PathBuf;

use clap::Parser;
use vitrail_trials::rig::{Plan, Rig};
use vitrail_trials::{chance, crowd};

/// Many connections and many sessions over few connections to MySQL.
#[derive(Debug, Parser)]
struct Options {
    /// The binary to try
    #[arg(long)]
    vitrail: PathBuf,
    /// Client connections
    #[arg(long, default_value_t = 8_000)]
    connections: usize,
    /// Sessions
    #[arg(long, default_value_t = 200_000)]
    sessions: usize,
    /// Connections that the sessions share
    #[arg(long, default_value_t = 200)]
    over: usize,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are this command's data")]
async fn main() {
    let options = Options::parse();
    let seed = chance::seed(1);
    let mut failed = false;
    for flavour in vitrail_harness::flavours() {
        // Two shards with 6 connections for statements and 4 for transactions each.
        let plan = Plan { pool: 6, transactions: 4, streams: 0, ..Plan::new(flavour) };
        let mut rig = Rig::start(&options.vitrail, plan.clone()).await;
        let report = crowd::connections(&rig, options.connections, seed).await;
        println!("{flavour}, seed {seed}, {} connections over 20: {report}", options.connections);
        failed |= tell(&report.errors);
        rig.settle().await;
        rig.stop().await;
        let mut rig = Rig::start(&options.vitrail, plan).await;
        let report = crowd::sessions(&rig, options.sessions, options.over, seed).await;
        println!("{flavour}, seed {seed}, {} sessions on {}: {report}", options.sessions, options.over);
        failed |= tell(&report.errors);
        rig.settle().await;
        rig.stop().await;
    }
    if failed {
        std::process::exit(1);
    }
}

/// Prints some of the errors; whether there are any.
#[expect(clippy::print_stderr, reason = "a command that fails says why")]
fn tell(errors: &[String]) -> bool {
    for error in errors.iter().take(10) {
        eprintln!("{error}");
    }
    !errors.is_empty()
}
