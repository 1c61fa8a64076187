//! `vitrail bench`: a load tester for Vitrail, MySQL and whatever speaks one of their protocols.
//!
//! Layout: [`target`] and [`connection`] (a session, whichever protocol), [`statement`] and [`value`] (what is sent), [`workload`] (what
//! clients do), [`drive`] (a slot of time under load), [`record`] and [`process`] (what is measured), [`statistics`] (how sure that is), and the
//! commands: [`run`]. [`report`] is what they say, [`assertion`] what it has to say.

pub mod assertion;
pub mod connection;
pub mod drive;
pub mod process;
pub mod record;
pub mod report;
pub mod run;
pub mod statement;
pub mod statistics;
pub mod target;
pub mod value;
pub mod workload;

use anyhow::Result;
use clap::{Args, Subcommand};

/// What `vitrail bench` takes.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// What to measure
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Put targets under the same load, in turns, and compare them
    Run(Box<run::Options>),
    /// Print the JSON Schema of reports
    Schema,
    /// Print the vschema that a sharded keyspace needs for the tables of workloads
    Vschema {
        /// Names, or files that end with .toml; all that come with the tool without any
        workload: Vec<String>,
    },
}

/// Runs a command; false if what it measured is not as it has to be.
///
/// # Errors
///
/// What could not be measured, and why.
pub async fn run(options: Options) -> Result<bool> {
    match options.command {
        Command::Run(options) => run::run(*options).await,
        Command::Schema => show(&schemars::schema_for!(report::Report)),
        Command::Vschema { workload } => show(&workload::vschema(&workload)?),
    }
}

/// Prints JSON.
fn show(value: &impl serde::Serialize) -> Result<bool> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Ok(true)
}
