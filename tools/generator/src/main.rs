//! `make fuzz-sql`: statements by chance on one MySQL and through Vitrail, compared.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use vitrail_generator::report::Report;
use vitrail_generator::{Options, run};

/// Runs generated statements on one MySQL and through Vitrail over 1, 2 and 4 shards, and compares the answers.
///
/// VITRAIL_FLAVOURS says on whose servers: mariadb, mysql or both.
#[derive(Debug, Parser)]
struct Arguments {
    /// Stands for schemas, rows and statements; the same seed gives the same ones
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Statements on each flavour
    #[arg(long, default_value_t = 2000)]
    statements: usize,
    /// So many of a hundred statements write
    #[arg(long, default_value_t = 17)]
    writes: usize,
    /// A refusal is a fault
    #[arg(long)]
    strict: bool,
    /// But for refusals whose reason has this in it; may be given again
    #[arg(long, value_name = "REASON", requires = "strict")]
    refusal: Vec<String>,
    /// The first world of the seed
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Ends with so many faults
    #[arg(long, default_value_t = 10)]
    faults: usize,
    /// Where the scripts of faults go
    #[arg(long, default_value = "target/generator")]
    folder: PathBuf,
    /// Where the summary goes
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match work(Arguments::parse()).await {
        Ok(report) if report.is_right() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

async fn work(arguments: Arguments) -> Result<Report> {
    let options = Options {
        seed: arguments.seed,
        statements: arguments.statements,
        flavours: vitrail_harness::flavours(),
        writes: arguments.writes,
        allowed: arguments.strict.then_some(arguments.refusal),
        first: arguments.first,
        faults: arguments.faults,
        folder: arguments.folder,
        progress: true,
    };
    let report = run(&options).await?;
    say(report.text().trim_end());
    if let Some(path) = &arguments.json {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(report)
}

#[expect(clippy::print_stdout, reason = "the report is this command's data")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "a command-line program talks to people on standard error")]
fn complain(text: &str) {
    eprintln!("generator: {text}");
}
