//! `\l`, `\d`, `\dt`, `\shards`: what there is.

use std::collections::BTreeMap;
use std::io::Write;

use vitrail_client::{Column, Error, Row};
use vitrail_sql::lexer::TokenKind;

use super::arguments::words;
use crate::exit::Exit;
use crate::input::Statement;
use crate::lexing::{Tokens, quoted, unquoted};
use crate::output::Sink;
use crate::report;
use crate::run::{self, Flow};
use crate::shell::Shell;
use crate::terminal::{dim, painted, say};

/// `\l`
pub(super) async fn keyspaces(shell: &mut Shell) -> Result<Flow, String> {
    let shards = query(shell, "SHOW VITRAIL SHARDS").await?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in &shards {
        *counts.entry(text(row, 0)).or_default() += 1;
    }
    let mut rows = Vec::new();
    for (keyspace, count) in counts {
        let tables = query(shell, &format!("SHOW TABLES FROM {}", quoted(&keyspace))).await.map(|rows| rows.len());
        let tables = tables.map_or_else(|_| None, |count| Some(count.to_string()));
        rows.push(vec![Some(keyspace), Some(count.to_string()), tables]);
    }
    listing(shell, &[("Keyspace", 253), ("Shards", 8), ("Tables", 8)], &rows)
}

/// `\shards`
pub(super) async fn shards(shell: &mut Shell) -> Result<Flow, String> {
    Ok(run::unasked(shell, &statement("SHOW VITRAIL SHARDS")).await)
}

/// `\dt [pattern]`
pub(super) async fn tables(shell: &mut Shell, pattern: &str) -> Result<Flow, String> {
    let pattern = words(pattern).into_iter().next();
    let like = pattern.map(|pattern| format!(" LIKE '{}'", like(&pattern))).unwrap_or_default();
    Ok(run::unasked(shell, &statement(&format!("SHOW FULL TABLES{like}"))).await)
}

/// A pattern of the shell as one of LIKE.
fn like(pattern: &str) -> String {
    pattern.replace('\'', "''").replace('_', "\\_").replace('*', "%").replace('?', "_")
}

/// `\d [table]`
pub(super) async fn table(shell: &mut Shell, name: &str) -> Result<Flow, String> {
    if name.is_empty() {
        return tables(shell, "").await;
    }
    let name = table_name(name)?;
    let columns = match shell.session.query_all(format!("SHOW FULL COLUMNS FROM {name}"), ()).await {
        Ok(columns) => columns,
        Err(error) => {
            let asked = statement(&name);
            say(&report::failure(&error, &asked, shell.reading.as_deref(), shell.colour()));
            return Ok(Flow::Failed(Exit::Statement));
        }
    };
    // Field, Type, Collation, Null, Key, Default, Extra, Privileges, Comment
    let rows: Vec<Vec<Option<String>>> = columns
        .iter()
        .map(|row| {
            let default = row.raw(5).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let more = [text(row, 6), text(row, 8)].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
            let null = if text(row, 3) == "YES" { "" } else { "not null" };
            vec![Some(text(row, 0)), Some(text(row, 1)), Some(null.into()), default, Some(more.join("; "))]
        })
        .collect();
    let heads = [("Column", 253), ("Type", 253), ("Null", 253), ("Default", 253), ("Comment", 253)];
    let flow = listing(shell, &heads, &rows)?;
    if flow != Flow::Done || !shell.terminal.output || !shell.output.is_standard() {
        return Ok(flow);
    }
    let indexes = query(shell, &format!("SHOW INDEX FROM {name}")).await?;
    let mut found: Vec<(String, bool, Vec<String>)> = Vec::new();
    for row in &indexes {
        let (unique, key, column) = (text(row, 1) == "0", text(row, 2), text(row, 4));
        match found.iter_mut().find(|(known, ..)| *known == key) {
            Some((.., columns)) => columns.push(column),
            None => found.push((key, unique, vec![column])),
        }
    }
    let mut told = String::new();
    for (key, unique, columns) in found {
        let kind = match (key.as_str(), unique) {
            ("PRIMARY", _) => "primary key",
            (_, true) => "unique",
            (_, false) => "index",
        };
        let named = if key == "PRIMARY" { String::new() } else { format!(" {key}") };
        told += &format!("  {}{named} ({})\n", painted(kind, dim(), shell.terminal.colour), columns.join(", "));
    }
    // Nobody need read it.
    let _ = std::io::stdout().write_all(told.as_bytes());
    Ok(flow)
}

/// A table as people write it behind a command, as SQL takes it.
fn table_name(text: &str) -> Result<String, String> {
    let tokens = Tokens::of(text.trim_end_matches(';'));
    let mut parts = Vec::new();
    for (index, token) in tokens.meaningful().enumerate() {
        let fits = match token.kind {
            TokenKind::Word | TokenKind::QuotedName => index % 2 == 0,
            TokenKind::Dot => index % 2 == 1,
            _ => false,
        };
        if !fits || index > 2 {
            return Err(format!("`{text}` names no table; write table or keyspace.table"));
        }
        if token.kind != TokenKind::Dot {
            parts.push(quoted(&unquoted(tokens.source(token))));
        }
    }
    Ok(parts.join("."))
}

/// Writes rows of the shell's own as if they had come from the server.
fn listing(shell: &mut Shell, columns: &[(&str, u8)], rows: &[Vec<Option<String>>]) -> Result<Flow, String> {
    let columns: Vec<Column> = columns.iter().map(|(name, kind)| Column::new(*name, *kind, 45)).collect();
    let (format, look) = (shell.format(), shell.look());
    let mut write = || -> std::io::Result<()> {
        let mut sink = Sink::new(&mut shell.output, None, &shell.interrupts);
        let mut writer = format.writer(&look);
        writer.columns(&columns, &mut sink)?;
        for row in rows {
            let cells: Vec<Option<&[u8]>> = row.iter().map(|cell| cell.as_deref().map(str::as_bytes)).collect();
            writer.row(&cells, &mut sink)?;
        }
        writer.finish(&mut sink)?;
        sink.finish()
    };
    match write() {
        Ok(()) => Ok(Flow::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Flow::Closed),
        Err(error) => Err(format!("cannot write the result: {error}")),
    }
}

fn statement(sql: &str) -> Statement {
    Statement { text: sql.to_owned(), vertical: false, line: 1 }
}

async fn query(shell: &mut Shell, sql: &str) -> Result<Vec<Row>, String> {
    shell.session.query_all(sql, ()).await.map_err(|error: Error| error.to_string())
}

fn text(row: &Row, index: usize) -> String {
    row.raw(index).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns_become_sql() {
        assert_eq!(table_name("flight").unwrap(), "flight");
        assert_eq!(table_name("flights.`or der`;").unwrap(), "flights.`or der`");
        assert!(table_name("a b").is_err());
        assert!(table_name("a; drop table b").is_err());
        assert_eq!(like("fl*_x?'"), "fl%\\_x_''");
    }
}
