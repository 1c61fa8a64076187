//! `make bench`: the table of the hot path's goals.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::time::Instant;
use vitrail_harness::Flavour;
use vitrail_trials::goals::table::Table;
use vitrail_trials::goals::tool::Tool;
use vitrail_trials::goals::{Part, Plan, measure};

/// The table of the hot path's goals.
#[derive(Debug, Parser)]
struct Options {
    /// The binary that serves and measures, as it was built for release
    #[arg(long, default_value = "target/release/vitrail")]
    vitrail: PathBuf,
    /// The server that counts its allocations
    #[arg(long, default_value = "target/release/counted")]
    counted: PathBuf,
    /// Whose MySQL
    #[arg(long, default_value = "mariadb", value_parser = flavour)]
    flavour: Flavour,
    /// A part of the table: statements, waiting, overload, sessions or allocations; may be given several times
    #[arg(long, value_parser = Part::parse)]
    only: Vec<Part>,
    /// Write the table here as JSON
    #[arg(long, default_value = "target/bench/table.json")]
    json: PathBuf,
    /// Exit with status 1 if a bound does not hold
    #[arg(long)]
    check: bool,
}

fn flavour(name: &str) -> Result<Flavour, String> {
    Flavour::parse(name).ok_or_else(|| "take mariadb or mysql".into())
}

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is this command's data")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let plan = Plan {
        tool: Tool { vitrail: options.vitrail, quick: false },
        counted: Some(options.counted),
        flavour: options.flavour,
        parts: if options.only.is_empty() { Part::ALL.to_vec() } else { options.only },
    };
    let started = Instant::now();
    let measured = measure(&plan, &mut |line| eprintln!("{:4.0} s  {line}", started.elapsed().as_secs_f64())).await;
    let table = match measured {
        Ok(table) => table,
        Err(error) => {
            eprintln!("the table cannot be measured: {error}");
            return ExitCode::FAILURE;
        }
    };
    eprintln!("{:4.0} s  done", started.elapsed().as_secs_f64());
    print!("{table}");
    if let Err(error) = write(&table, &options.json) {
        eprintln!("{} cannot be written: {error}", options.json.display());
        return ExitCode::FAILURE;
    }
    if options.check && !table.holds() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn write(table: &Table, path: &std::path::Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, serde_json::to_string_pretty(table)? + "\n")
}
