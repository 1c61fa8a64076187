//! `vitrail bench`: a load tester for Vitrail, MySQL and whatever speaks one of their protocols.
//!
//! Layout: [`target`] and [`connection`] (a session, whichever protocol), [`statement`] and [`value`] (what is sent), [`workload`] (what
//! clients do), [`drive`] (a slot of time under load), [`record`] and [`process`] (what is measured), [`statistics`] (how sure that is), and the
//! commands: [`run`], [`sessions`], [`herd`], [`sweep`], [`compare`]. [`report`] is what they say, [`assertion`] what it has to say. `view` shows a run on a terminal, `forward` is its floor.

pub mod assertion;
pub mod compare;
pub mod connection;
pub mod drive;
mod forward;
pub mod herd;
pub mod process;
pub mod record;
pub mod report;
pub mod run;
pub mod sessions;
pub mod statement;
pub mod statistics;
pub mod sweep;
pub mod target;
pub mod value;
mod view;
pub mod workload;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

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
    /// Have many clients ask the same at the same moment, and count what of it reaches MySQL
    Herd(Box<herd::Options>),
    /// Open many sessions, and measure what each costs and how fast they are
    Sessions(Box<sessions::Options>),
    /// A client process of `sessions`
    #[command(hide = true)]
    SessionsWorker,
    /// The forwarder of `run --floor`
    #[command(hide = true)]
    Forward {
        /// HOST:PORT
        to: String,
    },
    /// Find the highest rate at which targets keep their latency
    ///
    /// A step lasts --duration divided by --rounds, and the first has the --rate, where one is given.
    Sweep(Box<sweep::Options>),
    /// Compare the reports of two runs, as those before and after a change
    Compare(compare::Options),
    /// Print the JSON Schema of reports
    Schema {
        /// Of which command
        #[arg(value_enum, default_value_t)]
        of: Reporting,
    },
    /// Print the vschema that a sharded keyspace needs for the tables of workloads
    Vschema {
        /// Names, or files that end with .toml; all that come with the tool without any
        workload: Vec<String>,
    },
}

/// The commands that report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Reporting {
    /// `bench run`
    #[default]
    Run,
    /// `bench sessions`
    Sessions,
    /// `bench herd`
    Herd,
    /// `bench sweep`
    Sweep,
    /// `bench compare`
    Compare,
}

impl Reporting {
    /// The schema of its report.
    pub fn schema(self) -> schemars::Schema {
        match self {
            Reporting::Run => schemars::schema_for!(report::Report),
            Reporting::Sessions => schemars::schema_for!(sessions::SessionsReport),
            Reporting::Herd => schemars::schema_for!(herd::HerdReport),
            Reporting::Sweep => schemars::schema_for!(sweep::SweepReport),
            Reporting::Compare => schemars::schema_for!(compare::CompareReport),
        }
    }
}

/// Runs a command; false if what it measured is not as it has to be.
///
/// # Errors
///
/// What could not be measured, and why.
pub async fn run(options: Options) -> Result<bool> {
    match options.command {
        Command::Run(options) => run::run(*options).await,
        Command::Herd(options) => herd::run(*options).await,
        Command::Sessions(options) => sessions::run(*options).await,
        Command::Sweep(options) => sweep::run(*options).await,
        Command::Compare(options) => compare::run(&options),
        Command::SessionsWorker => sessions::work().await.map(|()| true),
        Command::Forward { to } => forward::forward(&to).await.map(|()| true),
        Command::Schema { of } => show(&of.schema()),
        Command::Vschema { workload } => show(&workload::vschema(&workload)?),
    }
}

/// Prints JSON.
fn show(value: &impl serde::Serialize) -> Result<bool> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Ok(true)
}
