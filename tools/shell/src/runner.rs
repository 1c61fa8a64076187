//! Runs one statement on the shell's session, writes its results, and tells how it went.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use tokio::time::Instant;
use vitrail_client::{Client, Error, Outcome, Query, Session};

use crate::exit::Exit;
use crate::format::{Cell, Format};
use crate::say;
use crate::statements::Statement;

/// Texts of warnings fetched per statement.
const WARNINGS: u32 = 20;

/// The shell's session and how it writes.
pub struct Runner {
    session: Session,
    format: Format,
    /// Results go to a terminal: tell rows and time after each, and fit tables to its width.
    terminal: bool,
}

/// Why a statement's results did not get out.
enum Failure {
    Statement(Error),
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Statement(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

impl Runner {
    /// A runner with a session of its own.
    pub fn new(client: Client, format: Format, terminal: bool) -> Runner {
        Runner { session: client.session(), format, terminal }
    }

    /// What the prompt shows: the target, and `*` inside a transaction.
    pub fn prompt(&self) -> String {
        let target = self.session.target().map(|target| target.to_string()).filter(|target| !target.is_empty());
        format!("{}{}", target.as_deref().unwrap_or("vitrail"), if self.session.in_transaction() { "*" } else { "" })
    }

    /// Runs a statement. Ctrl-C cancels it.
    pub async fn run(&mut self, statement: &Statement) -> Exit {
        let started = Instant::now();
        match self.execute(statement, started).await {
            Ok(()) => Exit::Success,
            Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Interrupted,
            Err(Failure::Output(error)) => {
                say(&format!("cannot write the result: {error}"));
                Exit::Usage
            }
            Err(Failure::Statement(error)) => {
                self.report(&error, statement);
                if error.is_connect() { Exit::Connect } else { Exit::Statement }
            }
        }
    }

    /// Ends the session.
    pub async fn close(self) {
        if let Err(error) = self.session.close().await {
            tracing_debug(&error);
        }
    }

    async fn execute(&mut self, statement: &Statement, started: Instant) -> Result<(), Failure> {
        let query = Query::new(&statement.text).warnings(WARNINGS);
        let format = if statement.vertical { Format::Vertical } else { self.format };
        let width = self.terminal.then(comfy_table_width).flatten();
        let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
        let mut rows = {
            let call = self.session.query(query, ());
            tokio::pin!(call);
            tokio::select! {
                rows = &mut call => rows?,
                _ = tokio::signal::ctrl_c() => return Err(Failure::Output(io::ErrorKind::BrokenPipe.into())),
            }
        };
        loop {
            if !rows.columns().is_empty() {
                let mut writer = format.writer(width);
                writer.columns(rows.columns(), &mut out)?;
                loop {
                    let row = tokio::select! {
                        row = rows.next() => row?,
                        _ = tokio::signal::ctrl_c() => { rows.cancel(); continue }
                    };
                    let Some(row) = row else { break };
                    let cells: Vec<Cell<'_>> = (0..row.len()).map(|index| row.raw(index)).collect();
                    writer.row(&cells, &mut out)?;
                }
                writer.finish(&mut out)?;
            }
            out.flush()?;
            let outcome = rows.finish().await?;
            if self.terminal {
                say(&summary(&outcome, started.elapsed()));
            }
            for warning in &outcome.warning_texts {
                say(&format!("{} {}: {}", warning.level, warning.errno, warning.message));
            }
            if !rows.next_result().await? {
                return Ok(());
            }
        }
    }
}

impl Runner {
    fn report(&self, error: &Error, statement: &Statement) {
        say(&error.to_string());
        if statement.line > 1 {
            say(&format!("in the statement that begins on line {}", statement.line));
        }
    }
}

/// The line under a result.
fn summary(outcome: &Outcome, elapsed: Duration, had_columns: bool) -> String {
    let (count, what) = if had_columns { (outcome.rows, "in set") } else { (outcome.affected, "affected") };
    let rows = if count == 1 { "row" } else { "rows" };
    let mut line = format!("{count} {rows} {what} ({:.3} s)", elapsed.as_secs_f64());
    if outcome.warnings > 0 {
        line.push_str(&format!(", {} warning{}", outcome.warnings, if outcome.warnings == 1 { "" } else { "s" }));
    }
    if let Some(capped) = &outcome.capped {
        line.push_str(&format!(", cut at {} rows by the {}", capped.limit, capped.by));
    }
    line
}
