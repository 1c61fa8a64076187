//! The differential harness: the same schema, rows and statements on one MySQL and through Vitrail over 1, 2 and 4 shards.
//!
//! One MySQL is always right. A statement answers as it does, or is refused by name and tagged so in its file; anything else is a
//! fault. [`case`](mod@case) reads the files of `testdata/sql`, [`lane`] runs them, [`compare`] decides, [`report`] sums up.

pub mod answer;
pub mod case;
pub mod classes;
pub mod clause;
pub mod compare;
pub mod data;
pub mod lane;
pub mod report;
pub mod stage;
pub mod suite;
pub mod tables;
pub mod tags;

use anyhow::{Result, ensure};
use tokio::time::Instant;
use vitrail_harness::Flavour;

use crate::report::Report;
use crate::suite::Selection;

/// The numbers of shards that every suite runs on.
pub const SHARDS: [usize; 3] = [1, 2, 4];

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// On whose servers.
    pub flavours: Vec<Flavour>,
    /// Which cases.
    pub selection: Selection,
}

/// Runs what is asked for, and judges it. Servers come from `vitrail-harness`.
///
/// # Errors
///
/// Files that cannot be read, stages that cannot be set, no case at all.
pub async fn run(options: &Options) -> Result<Report> {
    let started = Instant::now();
    let suites = suite::read(&suite::folder(), &options.selection)?;
    ensure!(
        !suites.is_empty(),
        "no case is like that; ONLY= is a part of a path below testdata/sql, GREP= of a statement"
    );
    let mut report = Report::new(&suites);
    for flavour in &options.flavours {
        for suite in &suites {
            let lanes = SHARDS.map(|shards| lane::run(suite, *flavour, shards));
            let lanes = futures_util::future::join_all(lanes).await;
            for (shards, lane) in SHARDS.into_iter().zip(lanes) {
                let (ran, faults) = lane?;
                report.add(suite, *flavour, shards, ran, faults);
            }
        }
    }
    report.judge(&options.flavours);
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}
