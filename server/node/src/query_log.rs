//! The log of statements: JSON, one object a line, written by one task that no statement waits for.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_gate::Record;

/// How often a file is looked after: one that was moved away, as log rotation does, is opened anew under its name.
const LOOK: Duration = Duration::from_secs(1);
/// Records that are written at once.
const BATCH: usize = 256;

/// Writes records until `stop`, and then what has arrived. The file is made if it is not there.
///
/// # Errors
///
/// The file cannot be opened.
pub async fn start(
    file: Option<&Path>,
    records: mpsc::Receiver<Record>,
    stop: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let mut sink = match file {
        None => Sink::Stderr(tokio::io::stderr()),
        Some(path) => Sink::File(LogFile::open(path).await?),
    };
    Ok(tokio::spawn(async move { write_all(&mut sink, records, stop).await }))
}

enum Sink {
    Stderr(tokio::io::Stderr),
    File(LogFile),
}

struct LogFile {
    path: PathBuf,
    file: File,
    looked: Instant,
}

async fn write_all(sink: &mut Sink, mut records: mpsc::Receiver<Record>, stop: CancellationToken) {
    let (mut batch, mut text) = (Vec::with_capacity(BATCH), Vec::new());
    let mut failing = false;
    loop {
        tokio::select! {
            count = records.recv_many(&mut batch, BATCH) => if count == 0 { return },
            () = stop.cancelled(), if !records.is_closed() => {
                records.close();
                continue;
            }
        }
        text.clear();
        for record in batch.drain(..) {
            // A map of texts and numbers is always JSON.
            let written = serde_json::to_writer(&mut text, &line(&record));
            debug_assert!(written.is_ok());
            text.push(b'\n');
        }
        let outcome = match sink {
            Sink::Stderr(stderr) => put(stderr, &text).await,
            Sink::File(log) => log.put(&text).await,
        };
        // Once a series: a full disk is not told of a thousand times a second.
        if let Err(error) = &outcome
            && !failing
        {
            tracing::error!(%error, "the log of statements cannot be written");
        }
        failing = outcome.is_err();
    }
}

impl LogFile {
    async fn open(path: &Path) -> io::Result<LogFile> {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path).await?;
        Ok(LogFile { path: path.to_owned(), file, looked: Instant::now() })
    }

    async fn put(&mut self, text: &[u8]) -> io::Result<()> {
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            if !self.is_at_its_path().await {
                *self = LogFile::open(&self.path).await?;
            }
        }
        put(&mut self.file, text).await
    }

    async fn is_at_its_path(&self) -> bool {
        match (self.file.metadata().await, tokio::fs::metadata(&self.path).await) {
            (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }
}

async fn put(out: &mut (impl AsyncWrite + Unpin), text: &[u8]) -> io::Result<()> {
    out.write_all(text).await?;
    out.flush().await
}

/// A record as `docs/operation.md` describes it. What is not known or not so is left out.
fn line(record: &Record) -> Map<String, Value> {
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
    put("time", timestamp(record.time).into());
    put("reason", record.reason.as_str().into());
    put("connection", record.connection.into());
    if let Some(session) = record.session {
        put("session", session.into());
    }
    put("user", record.user.as_ref().into());
    for (name, text) in
        [("application", &*record.application), ("keyspace", &record.keyspace), ("target", &record.target)]
    {
        if !text.is_empty() {
            put(name, text.into());
        }
    }
    put("fingerprint", format!("{:016x}", record.fingerprint).into());
    put("kind", record.kind.into());
    put("plan", record.plan.into());
    put("query", record.text.as_str().into());
    put("took_us", record.took_us.into());
    for (name, number) in [("wait_us", record.wait_us), ("mysql_us", record.mysql_us)] {
        if let Some(number) = number {
            put(name, number.into());
        }
    }
    put("rows", record.rows.into());
    put("bytes", record.bytes.into());
    put("affected", record.affected.into());
    put("shards", record.shards.into());
    if record.shared {
        put("shared", true.into());
    }
    if record.in_transaction {
        put("in_transaction", true.into());
    }
    if let Some(code) = &record.code {
        put("code", code.as_str().into());
    }
    if let Some(errno) = record.errno {
        put("errno", errno.into());
    }
    if let Some(traceparent) = &record.traceparent {
        put("traceparent", traceparent.as_ref().into());
    }
    line
}

/// `2026-11-25T19:30:00.123456Z`
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", since.subsec_micros())
}

/// Year, month and day of a day since 1970, in the Gregorian calendar. Years are counted from March, so that the leap day is the last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000001Z"),
            (951_782_399, "2000-02-28T23:59:59.000001Z"),
            (951_782_400, "2000-02-29T00:00:00.000001Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000001Z"),
            (1_767_225_600, "2026-01-01T00:00:00.000001Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000001Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(1);
            assert_eq!(timestamp(time), expected);
        }
    }
}
