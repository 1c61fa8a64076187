//! The small form of `make soak`.

use std::time::Duration;

use vitrail_harness::flavours;
use vitrail_trials::{chance, soak};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_seconds_of_everything_at_once() {
    let options = soak::Options {
        vitrail: super::vitrail().to_owned(),
        flavour: flavours()[0],
        length: Duration::from_secs(10),
        pause: Duration::from_secs(5),
        seed: chance::seed(7),
        workers: 12,
    };
    soak::run(&options, |line| eprintln!("{line}")).await;
}
