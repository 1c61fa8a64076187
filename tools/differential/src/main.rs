//! `make diff`: every statement of `testdata/sql` on one MySQL and through Vitrail, compared.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use vitrail_differential::report::Report;
use vitrail_differential::suite::Selection;
use vitrail_differential::{Options, run, tags};

/// Runs the statements of testdata/sql on one MySQL and through Vitrail over 1, 2 and 4 shards, and compares the answers.
///
/// VITRAIL_FLAVOURS says on whose servers: mariadb, mysql or both.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only files with this in their path below testdata/sql
    #[arg(long)]
    only: Option<String>,
    /// Only statements with this in them, in any letter case
    #[arg(long)]
    grep: Option<String>,
    /// Rewrites the tags `exact` to what was found; read the diff
    #[arg(long)]
    update: bool,
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
    let selection = Selection { only: arguments.only, grep: arguments.grep };
    let options = Options { flavours: vitrail_harness::flavours(), selection };
    let mut report = run(&options).await?;
    if arguments.update {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let changed = tags::rewrite(&root, &report, &options.flavours)?;
        say(&format!("{changed} tags rewritten; read the diff with care\n"));
        report.tags.clear();
    }
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
    eprintln!("differential: {text}");
}
