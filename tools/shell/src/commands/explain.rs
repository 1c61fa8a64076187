//! `\explain`: how Vitrail runs a statement.

use std::io::Write;

use nu_ansi_term::Style;

use crate::input::Statement;
use crate::output::Sink;
use crate::report;
use crate::run::Flow;
use crate::shell::Shell;
use crate::terminal::{painted, say};

/// The plan of the statement given, of the one before the command, or of the last.
pub(super) async fn run(shell: &mut Shell, given: &str, before: Option<&Statement>) -> Result<Flow, String> {
    let statement = chosen(shell, given, before).ok_or("\\explain takes a statement, or explains the last one")?;
    let sql = format!("EXPLAIN FORMAT=VITRAIL {}", statement.text);
    let rows = match shell.session.query_all(sql, ()).await {
        Ok(rows) => rows,
        Err(error) => {
            say(&report::failure(&error, &statement, shell.reading.as_deref(), shell.colour()));
            return Ok(Flow::Failed(crate::Exit::Statement));
        }
    };
    let colour = shell.look().colour;
    let mut sink = Sink::new(&mut shell.output, None, &shell.interrupts);
    for row in &rows {
        let line = String::from_utf8_lossy(row.raw(0).unwrap_or_default());
        // What is done stands out, what it is done with recedes.
        let text = line.trim_start();
        let (verb, rest) = text.split_at(text.find([' ', '(']).unwrap_or(text.len()));
        let indent = &line[..line.len() - text.len()];
        let verb = painted(verb, Style::new().bold(), colour);
        writeln!(sink, "{indent}{verb}{rest}").map_err(|error| error.to_string())?;
    }
    sink.finish().map_err(|error| error.to_string())?;
    Ok(Flow::Done)
}

/// The statement that a command takes.
pub(super) fn chosen(shell: &Shell, given: &str, before: Option<&Statement>) -> Option<Statement> {
    let given = given.trim().trim_end_matches(';').trim_end();
    match given.is_empty() {
        false => Some(Statement { text: given.to_owned(), vertical: false, line: 1 }),
        true => before.or(shell.last.as_ref()).cloned(),
    }
}
