//! How hard and how long, as the command line says it.

use std::time::Duration;

use clap::Args;

use crate::drive::Load;
use crate::report::Settings;

/// The lowest rate: an operation in a quarter of an hour.
pub(crate) const LEAST: f64 = 0.001;
/// The highest rate: more than a machine can send.
pub(crate) const MOST: f64 = 10_000_000.0;

/// How hard, and how long.
#[derive(Debug, Clone, Args)]
pub struct LoadOptions {
    /// Clients at work at a time
    #[arg(long, short, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clients: u32,
    /// Sessions that share a connection, where the protocol has sessions
    #[arg(long, default_value_t = 1, value_name = "SESSIONS")]
    pub per_connection: usize,
    /// Operations that are due each second, whether or not earlier ones have ended; without it, each client begins the next when one has ended
    #[arg(long, short, value_parser = rate)]
    pub rate: Option<f64>,
    /// Measured time of each target, over all rounds
    #[arg(long, short, default_value = "10s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// Time before each round that is not measured
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub warmup: Duration,
    /// Rounds, in which the targets take turns; more make the comparison surer
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
    /// Of what clients draw: the same seed draws the same
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// `NAME=NUMBER`
pub fn scale(text: &str) -> Result<(String, i64), String> {
    let (name, number) = text.split_once('=').ok_or("write it as rows=1000")?;
    Ok((name.to_owned(), number.replace('_', "").parse().map_err(|_| format!("`{number}` is no number"))?))
}

/// Operations a second, of an open loop.
pub fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.replace('_', "").parse().map_err(|_| format!("`{text}` is no number"))?;
    if (LEAST..=MOST).contains(&rate) { Ok(rate) } else { Err(format!("a rate is from {LEAST} to {MOST} a second")) }
}

impl LoadOptions {
    /// The load of each round.
    pub fn load(&self) -> Load {
        Load {
            clients: self.clients as usize,
            per_connection: self.per_connection,
            rate: self.rate,
            warmup: self.warmup,
            duration: self.duration / self.rounds,
            seed: self.seed,
        }
    }

    /// The same, for the report.
    pub fn settings(&self) -> Settings {
        let load = self.load();
        Settings {
            clients: load.clients,
            per_connection: load.per_connection,
            rate: load.rate,
            duration: load.duration.as_secs_f64(),
            warmup: load.warmup.as_secs_f64(),
            rounds: self.rounds as usize,
            seed: load.seed,
        }
    }
}
