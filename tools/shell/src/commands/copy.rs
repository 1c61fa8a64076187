//! `\copy`: rows into a file, or from one into a table, streamed either way.

mod load;
mod separated;

use std::io::{BufWriter, Write};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;
use vitrail_client::Query;

use super::arguments::words;
use crate::exit::Exit;
use crate::format::{Cell, Format};
use crate::input::Statement;
use crate::report;
use crate::run::Flow;
use crate::shell::Shell;
use crate::summary::{counted, duration};
use crate::terminal::say;

/// How often a progress line changes, in rows.
const TOLD: u64 = 512;

/// What is copied, which way, and how it is written.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    /// A table with its columns, or a query.
    what: What,
    file: String,
    format: Format,
    into_file: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    /// As written; the list of columns with it if given.
    Table(String),
    Query(String),
}

/// `\copy table|(query) to|from file [format]`
pub(super) async fn run(shell: &mut Shell, line: &str) -> Result<Flow, String> {
    let order = parse(line)?;
    match (&order.what, order.into_file) {
        (What::Query(sql), true) => unload(shell, sql, &order).await,
        (What::Table(table), true) => unload(shell, &select(table), &order).await,
        (What::Table(table), false) => load::run(shell, table, &order.file, order.format).await,
        (What::Query(_), false) => Err("rows go into a table: \\copy table from file".into()),
    }
}

fn parse(line: &str) -> Result<Order, String> {
    const USAGE: &str = "\\copy table to file, \\copy (query) to file, or \\copy table from file; then csv, tsv, …";
    let line = line.trim().trim_end_matches(';');
    let (what, rest) = match line.strip_prefix('(') {
        Some(inside) => {
            let end = closing(inside).ok_or("the parenthesis of the query is not closed")?;
            (What::Query(inside[..end].trim().to_owned()), &inside[end + 1..])
        }
        None => {
            let lower = line.to_ascii_lowercase();
            let to = [lower.find(" to "), lower.find(" from ")].into_iter().flatten().min().ok_or(USAGE)?;
            (What::Table(line[..to].trim().to_owned()), &line[to..])
        }
    };
    let rest = words(rest);
    let [direction, file, format @ ..] = &rest[..] else { return Err(USAGE.into()) };
    let into_file = match direction.to_ascii_lowercase().as_str() {
        "to" => true,
        "from" => false,
        _ => return Err(USAGE.into()),
    };
    let ending = || file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let format = match format {
        [] => ending().and_then(|ending| Format::from_str(&ending, true).ok()).unwrap_or(Format::Csv),
        [name] => Format::from_str(name, true).map_err(|_| format!("there is no format `{name}`"))?,
        _ => return Err(USAGE.into()),
    };
    Ok(Order { what, file: file.clone(), format, into_file })
}

/// Where the parenthesis before `text` closes.
fn closing(text: &str) -> Option<usize> {
    use vitrail_sql::lexer::TokenKind;
    let tokens = crate::lexing::Tokens::of(text);
    let mut depth = 1;
    tokens.list.iter().find_map(|token| {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(token.start)
    })
}

/// All rows of a table, or the columns of it that are listed.
fn select(table: &str) -> String {
    match table.split_once('(') {
        Some((name, columns)) => format!("SELECT {} FROM {}", columns.trim_end_matches(')'), name.trim()),
        None => format!("SELECT * FROM {table}"),
    }
}

/// Writes the rows of a query into a file.
async fn unload(shell: &mut Shell, sql: &str, order: &Order) -> Result<Flow, String> {
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", order.file);
    let started = Instant::now();
    let file = std::fs::File::create(&order.file).map_err(failed)?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let bar = progress(shell, None);
    let mut look = shell.look();
    (look.width, look.colour) = (None, false);
    let mut writer = order.format.writer(&look);
    let during = shell.interrupts.during(shell.session.cancel_handle());
    let mut count = 0_u64;
    let result = async {
        let mut rows = shell.session.query(Query::new(sql).window(4 << 20), ()).await.map_err(Failure::Statement)?;
        writer.columns(rows.columns(), &mut file)?;
        while let Some(row) = rows.next().await.map_err(Failure::Statement)? {
            let cells: Vec<Cell<'_>> = (0..row.len()).map(|index| row.raw(index)).collect();
            writer.row(&cells, &mut file)?;
            count += 1;
            if count.is_multiple_of(TOLD) {
                bar.set_position(count);
            }
        }
        writer.finish(&mut file)?;
        file.flush()?;
        Ok(rows.outcome().and_then(|outcome| outcome.capped))
    };
    let result: Result<_, Failure> = result.await;
    drop(during);
    bar.finish_and_clear();
    match result {
        Ok(capped) => {
            shell.whisper(&format!(
                "{} written to {} in {}",
                counted(count, "row"),
                order.file,
                duration(started.elapsed())
            ));
            if let Some(capped) = capped {
                say(&format!("there are more rows: cut at {} by the limit of the {}", capped.limit, capped.by));
            }
            Ok(Flow::Done)
        }
        Err(Failure::Output(error)) => Err(failed(error)),
        Err(Failure::Statement(error)) => {
            let statement = Statement { text: sql.to_owned(), vertical: false, line: 1 };
            say(&report::failure(&error, &statement, shell.reading.as_deref(), shell.colour()));
            say(&format!("{} holds the first {} only", order.file, counted(count, "row")));
            Ok(Flow::Failed(if error.is_connect() { Exit::Connect } else { Exit::Statement }))
        }
    }
}

enum Failure {
    Statement(vitrail_client::Error),
    Output(std::io::Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Output(error)
    }
}

/// A line that says how far it is, on a terminal. `bytes`: how many there are to read.
fn progress(shell: &Shell, bytes: Option<u64>) -> ProgressBar {
    if !shell.terminal.errors || !shell.terminal.colour {
        return ProgressBar::hidden();
    }
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{bar:30} {bytes}/{total_bytes}, {msg}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {human_pos} rows, {elapsed}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is valid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read() {
        let order = |what, file: &str, format, into_file| Order { what, file: file.into(), format, into_file };
        let table = |name: &str| What::Table(name.into());
        let cases = [
            ("flight to a.csv", order(table("flight"), "a.csv", Format::Csv, true)),
            ("flight TO '/tmp/a b.tsv'", order(table("flight"), "/tmp/a b.tsv", Format::Tsv, true)),
            ("flight (id, origin) from x csv", order(table("flight (id, origin)"), "x", Format::Csv, false)),
            (
                "(select ')' from t where a in (1, 2)) to out.jsonl;",
                order(What::Query("select ')' from t where a in (1, 2)".into()), "out.jsonl", Format::Jsonl, true),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line).unwrap(), expected, "{line}");
        }
        for wrong in ["", "flight", "flight to", "(select 1 to x", "flight to x nonsense", "flight to x csv tsv"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(select("t (a, b)"), "SELECT a, b FROM t");
    }
}
