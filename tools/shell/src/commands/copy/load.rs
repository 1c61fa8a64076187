//! `\copy table from file`: INSERTs of many rows each, values bound by the types of the table's columns.

use std::fs::File;
use std::io::BufReader;

use tokio::time::Instant;
use vitrail_client::{Binds, Column, Error, Query, Value};

use super::progress;
use super::separated::{Field, Kind, Records};
use crate::exit::Exit;
use crate::format::{self, Format};
use crate::input::Statement;
use crate::lexing::{quoted, unquoted};
use crate::report;
use crate::run::Flow;
use crate::shell::Shell;
use crate::summary::{counted, duration};
use crate::terminal::say;

/// Rows, values and bytes of one INSERT at most.
const ROWS: usize = 500;
const VALUES: usize = 20_000;
const BYTES: usize = 1 << 20;

/// Loads a file. Its first record names the columns, unless the table's were listed.
pub(super) async fn run(shell: &mut Shell, table: &str, file: &str, format: Format) -> Result<Flow, String> {
    let kind = match format {
        Format::Csv => Kind::Csv,
        Format::Tsv => Kind::Tsv,
        _ => return Err("\\copy reads csv and tsv".into()),
    };
    let opened = File::open(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let size = opened.metadata().map_or(0, |metadata| metadata.len());
    let mut records = Records::new(BufReader::with_capacity(1 << 20, opened), kind);
    let broken = |error: std::io::Error, line: u64| format!("{file}, line {line}: {error}");

    let (table, listed) = match table.split_once('(') {
        Some((name, columns)) => (name.trim(), Some(columns.trim_end_matches(')'))),
        None => (table, None),
    };
    let head = records.next().map_err(|error| broken(error, 1))?.ok_or_else(|| format!("{file} is empty"))?;
    let names: Vec<String> = match listed {
        Some(columns) => columns.split(',').map(|name| unquoted(name.trim())).collect(),
        None => head.iter().flatten().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
    };
    if names.len() != head.len() {
        return Err(format!("{file} has {} columns, and {} are named", head.len(), names.len()));
    }
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    let types = format!("SELECT {} FROM {table} LIMIT 0", names.join(", "));
    let columns: Vec<Column> = match columns(shell, &types).await {
        Ok(columns) => columns,
        Err(error) => return Ok(failed(shell, &error, &types)),
    };

    let mut load = Load { table: table.to_owned(), names, columns, batch: Vec::new(), bytes: 0, loaded: 0 };
    let started = Instant::now();
    let bar = progress(shell, Some(size));
    let result = load.all(shell, &mut records, &bar, file).await;
    bar.finish_and_clear();
    match result {
        Ok(()) => {
            let rate = load.loaded as f64 / started.elapsed().as_secs_f64().max(1e-3);
            let (rows, time) = (counted(load.loaded, "row"), duration(started.elapsed()));
            shell.whisper(&format!("{rows} loaded into {table} in {time}, {rate:.0} a second"));
            Ok(Flow::Done)
        }
        Err(stopped) => {
            let flow = match stopped {
                Stopped::File(message) => {
                    say(&message);
                    Flow::Failed(Exit::Statement)
                }
                Stopped::Statement(error, first) => {
                    say(&format!("{file}, in the rows from line {first} on:"));
                    failed(shell, &error, "")
                }
            };
            let kept = if shell.session.is_in_transaction() { "are in the open transaction" } else { "stay" };
            say(&format!("{} that were loaded before {kept}", counted(load.loaded, "row")));
            Ok(flow)
        }
    }
}

async fn columns(shell: &mut Shell, sql: &str) -> Result<Vec<Column>, Error> {
    let mut rows = shell.session.query(sql, ()).await?;
    while rows.next().await?.is_some() {}
    Ok(rows.columns().to_vec())
}

fn failed(shell: &Shell, error: &Error, sql: &str) -> Flow {
    let statement = Statement { text: sql.to_owned(), vertical: false, line: 1 };
    say(&report::failure(error, &statement, None, shell.colour()));
    Flow::Failed(if error.is_connect() { Exit::Connect } else { Exit::Statement })
}

/// Why a load ended early.
enum Stopped {
    /// The file cannot be read or understood.
    File(String),
    /// The server refused the rows that begin on this line.
    Statement(Error, u64),
}

/// A load under way.
struct Load {
    table: String,
    names: Vec<String>,
    columns: Vec<Column>,
    /// Rows that were read and not sent.
    batch: Vec<Vec<Value>>,
    bytes: usize,
    loaded: u64,
}

impl Load {
    async fn all(
        &mut self,
        shell: &mut Shell,
        records: &mut Records<BufReader<File>>,
        bar: &indicatif::ProgressBar,
        file: &str,
    ) -> Result<(), Stopped> {
        let mut first = records.line();
        loop {
            let line = records.line();
            let record = records.next().map_err(|error| Stopped::File(format!("{file}, line {line}: {error}")))?;
            let ended = record.is_none();
            if let Some(record) = record {
                if record.len() != self.columns.len() {
                    let (found, named) = (record.len(), self.columns.len());
                    return Err(Stopped::File(format!("{file}, line {line}: {found} fields, {named} columns")));
                }
                self.bytes += record.iter().flatten().map(Vec::len).sum::<usize>();
                let values: Result<Vec<Value>, String> =
                    record.into_iter().zip(&self.columns).map(|(field, column)| value(field, column)).collect();
                self.batch.push(values.map_err(|message| Stopped::File(format!("{file}, line {line}: {message}")))?);
            }
            let full =
                self.batch.len() >= ROWS || self.batch.len() * self.columns.len() >= VALUES || self.bytes >= BYTES;
            if full || ended && !self.batch.is_empty() {
                self.send(shell).await.map_err(|error| Stopped::Statement(error, first))?;
                first = records.line();
                bar.set_position(records.bytes());
                bar.set_message(counted(self.loaded, "row"));
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Inserts what was read. Full batches have one text, so that it is planned once.
    async fn send(&mut self, shell: &mut Shell) -> Result<(), Error> {
        let mut binds = Binds::new();
        let mut rows = Vec::with_capacity(self.batch.len());
        for row in self.batch.drain(..) {
            let mut names = Vec::with_capacity(row.len());
            for value in row {
                let name = format!("v{}", binds.len());
                names.push(format!(":{name}"));
                binds.push_unique(name.into(), value);
            }
            rows.push(format!("({})", names.join(",")));
        }
        self.bytes = 0;
        let count = rows.len() as u64;
        let sql = format!("INSERT INTO {} ({}) VALUES {}", self.table, self.names.join(", "), rows.join(", "));
        let during = shell.interrupts.during(shell.session.cancel_handle());
        let result = shell.session.execute(Query::new(sql), binds).await;
        drop(during);
        result?;
        self.loaded += count;
        Ok(())
    }
}

/// A field as the column takes it: bytes from `0x…`, numbers as numbers, so that they find their shard.
fn value(field: Field, column: &Column) -> Result<Value, String> {
    let Some(bytes) = field else { return Ok(Value::Null) };
    if format::kind(column) == format::Kind::Binary {
        let bytes = match bytes.strip_prefix(b"0x") {
            Some(digits) => unhex(digits).ok_or_else(|| format!("`{}` is not hexadecimal", column.name))?,
            None => bytes,
        };
        return Ok(match column.type_code {
            16 => Value::Bit(bytes),
            255 => Value::Geometry(bytes),
            _ => Value::Bytes(bytes),
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("`{}` is not UTF-8 text", column.name))?;
    Ok(match format::kind(column) {
        format::Kind::Number => match (text.parse::<i64>(), text.parse::<u64>(), text.parse::<f64>()) {
            (Ok(number), ..) => Value::Int(number),
            (_, Ok(number), _) => Value::UInt(number),
            (_, _, Ok(number)) if number.is_finite() => Value::Double(number),
            _ => Value::Text(text),
        },
        _ => Value::Text(text),
    })
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_what_their_columns_take() {
        let column = |kind, charset| Column::new("c", kind, charset);
        let read = |text: &str, column: &Column| value(Some(text.as_bytes().to_vec()), column);
        assert_eq!(read("-5", &column(8, 63)), Ok(Value::Int(-5)));
        assert_eq!(read("18446744073709551615", &column(8, 63)), Ok(Value::UInt(u64::MAX)));
        assert_eq!(read("1.50", &column(246, 63)), Ok(Value::Text("1.50".into())));
        assert_eq!(read("0x00fF", &column(252, 63)), Ok(Value::Bytes(vec![0, 255])));
        assert_eq!(read("0x5", &column(252, 63)), Err("`c` is not hexadecimal".into()));
        assert_eq!(read("", &column(253, 45)), Ok(Value::Text(String::new())));
        assert_eq!(value(None, &column(253, 45)), Ok(Value::Null));
    }
}
