//! The demo: MySQL servers of our own, real flight data over several shards, and a tour that one MySQL confirms.
//!
//! Layout: [`Options`] and [`run`], `dataset` (what is loaded), `stage` (servers, databases, the serving process), `load` (data
//! through Vitrail), `tour` and `check` (the tour, compared with one MySQL).

mod check;
mod dataset;
mod load;
mod stage;
mod tour;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use vitrail_mysql::Flavour;

use stage::Stage;

/// What `vitrail demo` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Shards of keyspace `flights`: 1, 2, 4 or 8
    #[arg(long, default_value_t = 2, value_parser = shards)]
    pub shards: usize,

    /// Keep the servers' data in this folder [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Leave the data folder behind at the end; a later demo starts from it
    #[arg(long, requires = "data_dir")]
    pub keep: bool,

    /// Run the tour, compare each answer with one MySQL that holds the same data, and leave with 0 if all are equal, else 1
    #[arg(long)]
    pub check: bool,

    /// Which server to start [default: whichever is installed, MariaDB first]
    #[arg(long, value_parser = flavour)]
    pub flavour: Option<Flavour>,

    /// Port of BSON-RPC; 0 takes a free one [default: 15300, with --check a free one]
    #[arg(long)]
    pub port: Option<u16>,

    /// Port of metrics and health; 0 takes a free one [default: 15380, with --check a free one]
    #[arg(long)]
    pub http_port: Option<u16>,
}

fn shards(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(shards @ (1 | 2 | 4 | 8)) => Ok(shards),
        _ => Err("1, 2, 4 or 8".into()),
    }
}

fn flavour(text: &str) -> Result<Flavour, String> {
    Flavour::parse(text).ok_or_else(|| "mariadb or mysql".into())
}

/// Runs the demo until Ctrl-C, or its tour.
///
/// # Errors
///
/// What could not be started, or how many answers of the tour differ.
pub async fn run(options: Options) -> Result<()> {
    let started = tokio::time::Instant::now();
    let stage = tokio::select! {
        stage = Stage::set(&options) => stage?,
        _ = tokio::signal::ctrl_c() => bail!("interrupted; everything that was started has been ended"),
    };
    if options.check {
        let result = check::run(&stage).await;
        stage.clear(&options).await;
        return result;
    }
    stage.announce(started.elapsed());
    stage.until_signal().await?;
    say("\nEnding the servers …");
    stage.clear(&options).await;
    Ok(())
}

/// What the demo tells goes to standard output: it is its data. Nobody need listen.
pub(crate) fn say(message: &str) {
    let _ = writeln!(std::io::stdout(), "{message}");
}
