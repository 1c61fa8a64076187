//! Flags of every command.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use vitrail_node::config;
use vitrail_node::process::{Component, Process};

use crate::log::Log;
use crate::user;

/// Many MySQL servers, seen as one.
#[derive(Debug, Parser)]
#[command(name = "vitrail", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Examples:
  vitrail demo                                     a sharded demo with real data
  vitrail serve --config vitrail.toml              gate and tablets in one process
  vitrail sql vitrail://app@127.0.0.1:15300/shop   the SQL shell
  vitrail sql -e 'SELECT 1' --format json          one statement")]
pub struct Cli {
    /// What to run
    #[command(subcommand)]
    pub command: Command,
    /// How to log
    #[command(flatten)]
    pub log: Log,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start MySQL servers of our own with real flight data, and serve them sharded
    Demo(vitrail_demo::Options),
    /// Serve existing MySQL servers: gate and tablets in one process
    Serve(Serve),
    /// Serve as a gate alone: every shard is a tablet elsewhere
    Gate(Serve),
    /// Serve one shard to gates over BSON-RPC
    Tablet(Serve),
    /// The SQL shell
    Sql(vitrail_shell::Options),
    /// The load tester: Vitrail, MySQL and proxies under the same load
    Bench(vitrail_load::Options),
    /// Make a user's entry for the configuration, with SCRAM keys in place of the password
    User(user::Options),
}

impl Command {
    /// What its spans are exported as, if it serves.
    pub fn service(&self) -> Option<&'static str> {
        match self {
            Command::Demo(_) | Command::Serve(_) => Some("vitrail"),
            Command::Gate(_) => Some("vitrail-gate"),
            Command::Tablet(_) => Some("vitrail-tablet"),
            Command::Sql(_) | Command::Bench(_) | Command::User(_) => None,
        }
    }
}

/// Flags of `serve`, `gate` and `tablet`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file; server/node/config.reference.toml has every key
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Read the configuration, check every MySQL, say what is wrong, and leave
    #[arg(long)]
    check: bool,
}

impl Serve {
    /// Gate and tablets.
    pub async fn serve(self) -> Result<()> {
        self.run(Component::Both).await
    }

    /// A gate alone.
    pub async fn gate(self) -> Result<()> {
        self.run(Component::Gate).await
    }

    /// A tablet alone.
    pub async fn tablet(self) -> Result<()> {
        self.run(Component::Tablet).await
    }

    async fn run(self, component: Component) -> Result<()> {
        let config = config::load(&self.config)?;
        if self.check {
            return Ok(Process::check(&config, component).await?);
        }
        let process = Process::start(config, component).await?;
        announce(&process);
        process.run_until_signal(|| config::load(&self.config)).await?;
        Ok(())
    }
}

/// One line per address, on standard output: scripts wait for it, and read the port that 0 became. Nobody need listen.
fn announce(process: &Process) {
    let mut out = std::io::stdout();
    for endpoint in process.endpoints() {
        let _ = writeln!(out, "vitrail: serving on {endpoint}");
    }
    let _ = writeln!(out, "vitrail: health and metrics on http://{}", process.http());
}
