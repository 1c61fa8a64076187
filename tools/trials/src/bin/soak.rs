//! `make soak`: every kind of client and every kind of trouble at random, for ten minutes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use vitrail_trials::{chance, soak};

/// Every kind of client and every kind of trouble, at random.
#[derive(Debug, Parser)]
struct Options {
    /// The binary to try
    #[arg(long)]
    vitrail: PathBuf,
    /// How long, in seconds, divided among the flavours
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Clients
    #[arg(long, default_value_t = 24)]
    workers: u64,
    /// Seconds between two looks at everything
    #[arg(long, default_value_t = 20)]
    pause: u64,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what it sees is this command's data")]
async fn main() {
    let options = Options::parse();
    let seed = chance::seed(rand::random());
    let flavours = vitrail_harness::flavours();
    for flavour in &flavours {
        println!("{flavour}, seed {seed}");
        let length = Duration::from_secs(options.seconds) / flavours.len() as u32;
        let pause = Duration::from_secs(options.pause);
        let options = soak::Options {
            vitrail: options.vitrail.clone(),
            flavour: *flavour,
            length,
            pause,
            seed,
            workers: options.workers,
        };
        soak::run(&options, |line| println!("{line}")).await;
    }
}
