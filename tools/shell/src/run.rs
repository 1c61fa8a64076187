//! Runs one statement on the shell's session, writes its results, and tells how it went.

use std::io;

use nu_ansi_term::{Color, Style};
use tokio::time::Instant;
use vitrail_client::{Code, Error, Outcome, Query};

use crate::ask;
use crate::exit::Exit;
use crate::format::{Cell, Format};
use crate::input::Statement;
use crate::meaning;
use crate::output::Sink;
use crate::report;
use crate::shell::Shell;
use crate::summary::{Shape, summary};
use crate::terminal::{painted, say};

/// How a statement or a command went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Well.
    Done,
    /// Not, and it was told.
    Failed(Exit),
    /// Whoever read the results has enough of them.
    Closed,
    /// The user leaves.
    Leave,
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

/// Says to the server that writing every row is meant: somebody was asked, or does not want to be.
const MEANT: &str = "/*vitrail allow_full_writes=1 */ ";

/// Runs a statement. Ctrl-C cancels it, in MySQL too.
pub async fn statement(shell: &mut Shell, statement: &Statement) -> Flow {
    let danger = meaning::danger(&statement.text, &shell.settings.dangerous);
    if shell.interactive
        && shell.settings.safe
        && let Some(danger) = &danger
        && !ask::goes_on(shell, danger).await
    {
        say("not run");
        return Flow::Failed(Exit::Statement);
    }
    shell.last = Some(statement.clone());
    let everywhere = danger.is_some_and(|danger| danger.everywhere) && (shell.interactive || !shell.settings.safe);
    let flow = run(shell, statement, if everywhere { MEANT } else { "" }).await;
    if meaning::changes_schema(&statement.text) {
        shell.catalogue.refresh();
    }
    flow
}

/// Runs a statement that needs no question.
pub async fn unasked(shell: &mut Shell, statement: &Statement) -> Flow {
    run(shell, statement, "").await
}

/// Runs a statement with a directive before it.
async fn run(shell: &mut Shell, statement: &Statement, directive: &str) -> Flow {
    let during = shell.interrupts.during(shell.session.cancel_handle());
    let result = execute(shell, statement, directive).await;
    drop(during);
    let error = match result {
        Ok(()) => return Flow::Done,
        // A pager that was left has shown enough; so has a program that reads our output.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return if shell.interactive { Flow::Done } else { Flow::Closed };
        }
        Err(Failure::Output(error)) => {
            say(&format!("cannot write the result: {error}"));
            return Flow::Failed(Exit::Usage);
        }
        Err(Failure::Statement(error)) => error,
    };
    tell(shell, &error, statement);
    Flow::Failed(match error.code() {
        Code::Cancelled => Exit::Interrupted,
        _ if error.is_connect() => Exit::Connect,
        _ => Exit::Statement,
    })
}

async fn execute(shell: &mut Shell, statement: &Statement, directive: &str) -> Result<(), Failure> {
    let started = Instant::now();
    let mut query = Query::new(format!("{directive}{}", statement.text)).warnings(shell.settings.warnings);
    if shell.terminal.output {
        query = query.facts();
    }
    if shell.settings.max_rows > 0 {
        query = query.max_rows(shell.settings.max_rows);
    }
    let format = if statement.vertical { Format::Vertical } else { shell.format() };
    let (look, lines) = (shell.look(), shell.terminal.size().1);
    let told = shell.terminal.output;
    let changes = meaning::counts_changes(&statement.text);
    let paged = shell.interactive && told && format.is_for_people() && !shell.settings.pager.is_empty();
    let pager = paged.then(|| (shell.settings.pager.clone(), lines.saturating_sub(3)));
    let mut rows = shell.session.query(query, ()).await?;
    loop {
        let columns = !rows.columns().is_empty();
        let mut note = None;
        if columns {
            let pager = pager.as_ref().map(|(command, lines)| (command.as_str(), *lines));
            let mut sink = Sink::new(&mut shell.output, pager, &shell.interrupts);
            let mut writer = format.writer(&look);
            writer.columns(rows.columns(), &mut sink)?;
            while let Some(row) = rows.next().await? {
                let cells: Vec<Cell<'_>> = (0..row.len()).map(|index| row.raw(index)).collect();
                writer.row(&cells, &mut sink)?;
            }
            writer.finish(&mut sink)?;
            note = writer.note();
            sink.finish()?;
        } else {
            while rows.next().await?.is_some() {}
        }
        let outcome = rows.outcome().unwrap_or_default();
        let shape = match (columns, changes || outcome.affected > 0) {
            (true, _) => Shape::Rows,
            (false, true) => Shape::Changes,
            (false, false) => Shape::Nothing,
        };
        if told {
            let recedes = |text: &str| painted(text, crate::terminal::dim(), shell.terminal.colour);
            say(&recedes(&summary(&outcome, started.elapsed(), shape, shell.settings.timing)));
            if let Some(note) = note {
                say(&recedes(&note));
            }
        }
        warnings(&outcome, told, shell.terminal.colour && shell.terminal.errors);
        if !rows.next_result().await? {
            return Ok(());
        }
    }
}

/// Warnings, and a cap where no summary tells of it.
fn warnings(outcome: &Outcome, told: bool, colour: bool) {
    for warning in &outcome.warning_texts {
        let level = painted(&warning.level, Style::new().bold().fg(Color::Yellow), colour);
        say(&format!("{level} {}: {}", warning.errno, warning.message));
    }
    let unseen = u64::from(outcome.warnings).saturating_sub(outcome.warning_texts.len() as u64);
    if unseen > 0 && !outcome.warning_texts.is_empty() {
        say(&format!("and {unseen} more; \\set warnings shows more of them"));
    }
    if let Some(capped) = outcome.capped.as_ref().filter(|_| !told) {
        say(&format!("there are more rows: cut at {} by the limit of the {}", capped.limit, capped.by));
    }
}

/// Tells an error, and picks up a session whose connection was lost.
fn tell(shell: &mut Shell, error: &Error, statement: &Statement) {
    say(&report::failure(error, statement, shell.reading.as_deref(), shell.colour()));
    if !shell.interactive || !(error.is_closed() || error.is_connect()) {
        return;
    }
    match error.code() {
        Code::TxLost | Code::SessionLost => {
            // The same settings on another connection; what was lost has been told.
            let state = shell.session.state();
            shell.session = shell.client.session_with(state);
            say("the next statement runs in a new session with the same settings");
        }
        _ => say("the next statement tries to connect again"),
    }
}
