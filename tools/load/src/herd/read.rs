//! The read that everybody runs.
//!
//! The built-in one counts the pairs of `n` rows and all others: a real read of a table, without a function that a server might answer by itself or
//! refuse to share, whose time grows with `n` and whose answer is known.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;
use vitrail_client::Binds;

use crate::connection::{Answer, Connection, Failure};
use crate::statement::Statement;
use crate::workload::Workload;

/// The workload that has the table.
const WORKLOAD: &str = "herd";
/// Where the search for a time begins.
const FIRST: u64 = 40;
/// Trials of each number of rows; the median counts.
const TRIALS: usize = 9;
/// Corrections of the number of rows.
const CORRECTIONS: usize = 3;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Read {
    statement: Statement,
    /// What has to come; `None` until it has been learnt from the target.
    expected: Option<Answer>,
    /// It is the same for every target.
    known: bool,
}

/// Makes and fills the table.
pub(super) async fn prepare(connections: &mut [Connection]) -> Result<()> {
    let few = connections.len().min(4);
    Workload::load(WORKLOAD, &[])?.prepare(&mut connections[..few], &|_, _| {}).await
}

impl Read {
    /// One of the user's; its first answer from each target is what all others have to be.
    pub(super) fn other(sql: &str) -> Read {
        Read { statement: Statement::new(sql), expected: None, known: false }
    }

    /// The built-in one, over as many rows as it takes.
    pub(super) async fn that_takes(wanted: Duration, connections: &mut [Connection]) -> Result<Read> {
        let connection = connections.first_mut().context("there is no client")?;
        let rows = rows(connection).await?;
        let mut number = FIRST.min(rows);
        for _ in 0..CORRECTIONS {
            let read = Read::pairs(number, rows);
            let took = read.time(connection).await?;
            let ideal = number as f64 * wanted.as_secs_f64() / took.as_secs_f64();
            if ideal > rows as f64 * 1.5 {
                let most = took.as_secs_f64() * rows as f64 / number as f64;
                bail!(
                    "{wanted:?} is more than the built-in read can take here, which is about {most:.3} s; --statement names another"
                );
            }
            number = (ideal.round() as u64).clamp(1, rows);
        }
        Ok(Read::pairs(number, rows))
    }

    fn pairs(number: u64, rows: u64) -> Read {
        let sql = format!("SELECT COUNT(*) FROM load_herd a JOIN load_herd b ON a.k <> b.k WHERE a.id <= {number}");
        let first = vec![Some((number * (rows - 1)).to_string())];
        Read { statement: Statement::new(sql), expected: Some(Answer { rows: 1, affected: 0, first }), known: true }
    }

    /// Its text.
    pub(super) fn sql(&self) -> &str {
        self.statement.template()
    }

    /// Learns what has to come, where it is not known, and how long it takes for one alone, in microseconds.
    pub(super) async fn learn(&mut self, connections: &mut [Connection]) -> Result<u64> {
        let connection = connections.first_mut().context("there is no client")?;
        if !self.known {
            let answer = connection.answer(&self.statement, &Binds::new()).await;
            self.expected = Some(answer.with_context(|| format!("the read does not run: {}", self.sql()))?);
        }
        Ok(u64::try_from(self.time(connection).await?.as_micros())?)
    }

    /// Runs it, and looks whether the answer is right.
    pub(super) async fn run(&self, connection: &mut Connection) -> Result<(), Failure> {
        let answer = connection.answer(&self.statement, &Binds::new()).await?;
        match &self.expected {
            Some(expected) if (expected.rows, &expected.first) != (answer.rows, &answer.first) => {
                Err(Failure::wrong(format!(
                    "{} rows that begin with {:?} came, and {} with {:?} had to",
                    answer.rows, answer.first, expected.rows, expected.first
                )))
            }
            _ => Ok(()),
        }
    }

    /// The median of some trials by one client.
    async fn time(&self, connection: &mut Connection) -> Result<Duration> {
        let mut times = Vec::with_capacity(TRIALS);
        for _ in 0..TRIALS {
            let started = Instant::now();
            self.run(connection).await.with_context(|| self.sql().to_owned())?;
            times.push(started.elapsed());
        }
        times.sort_unstable();
        Ok(times[TRIALS / 2])
    }
}

/// Rows of the table.
async fn rows(connection: &mut Connection) -> Result<u64> {
    let answer = connection.text("SELECT COUNT(*) FROM load_herd").await;
    let answer = answer
        .context("the table of the built-in read cannot be read; --prepare makes it, --statement names another read")?;
    let rows = answer.first.first().cloned().flatten().and_then(|text| text.parse().ok());
    rows.filter(|rows| *rows > 1).context("the table load_herd is empty; --prepare fills it")
}
