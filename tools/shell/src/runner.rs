//! Runs one statement on the shell's session, writes its results, and tells how it went.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use tokio::time::Instant;
use vitrail_client::{Client, Code, Error, Outcome, Query, Session};

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
        let star = if self.session.is_in_transaction() { "*" } else { "" };
        format!("{}{star}", target.as_deref().unwrap_or("vitrail"))
    }

    /// Runs a statement. Ctrl-C cancels it, in MySQL too.
    pub async fn run(&mut self, statement: &Statement) -> Exit {
        let started = Instant::now();
        let canceller = self.session.cancel_handle();
        let interrupts = tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                canceller.cancel();
            }
        });
        let result = self.execute(statement, started).await;
        interrupts.abort();
        match result {
            Ok(()) => Exit::Success,
            // Whoever read our output has enough of it.
            Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Interrupted,
            Err(Failure::Output(error)) => {
                say(&format!("cannot write the result: {error}"));
                Exit::Usage
            }
            Err(Failure::Statement(error)) => {
                self.report(&error, statement);
                match error.code() {
                    Code::Cancelled => Exit::Interrupted,
                    _ if error.is_connect() => Exit::Connect,
                    _ => Exit::Statement,
                }
            }
        }
    }

    /// Ends the session; an open transaction is rolled back.
    pub async fn close(self) {
        // Nothing is lost with it: the gate rolls back what the connection leaves behind.
        let _ = self.session.close().await;
    }

    async fn execute(&mut self, statement: &Statement, started: Instant) -> Result<(), Failure> {
        let query = Query::new(&statement.text).warnings(WARNINGS);
        let format = if statement.vertical { Format::Vertical } else { self.format };
        let width = if self.terminal { terminal_width() } else { None };
        let mut out = BufWriter::with_capacity(64 * 1024, io::stdout());
        let mut rows = self.session.query(query, ()).await?;
        loop {
            let columns = !rows.columns().is_empty();
            if columns {
                let mut writer = format.writer(width);
                writer.columns(rows.columns(), &mut out)?;
                while let Some(row) = rows.next().await? {
                    let cells: Vec<Cell<'_>> = (0..row.len()).map(|index| row.raw(index)).collect();
                    writer.row(&cells, &mut out)?;
                }
                writer.finish(&mut out)?;
            } else {
                while rows.next().await?.is_some() {}
            }
            out.flush()?;
            let outcome = rows.outcome().unwrap_or_default();
            if self.terminal {
                say(&summary(&outcome, started.elapsed(), columns));
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

/// Columns of the terminal, so that tables fit.
fn terminal_width() -> Option<u16> {
    comfy_table::Table::new().width()
}
