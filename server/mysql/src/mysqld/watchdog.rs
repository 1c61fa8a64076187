//! A shell that runs a server as its child and ends it when the pipe to this process closes.
//!
//! The kernel closes that pipe whenever this process ends: by return, panic or SIGKILL. (`prctl(PR_SET_PDEATHSIG)` would need unsafe
//! code, and fires already when the *thread* ends that started the child.) The shell leads its own process group, so that Ctrl-C in a
//! terminal reaches us alone, and we shut the server down in order.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::cannot;
use crate::error::{Error, Result};

/// `$1` is a directory to remove at the end, or empty; `$2` takes what the server says before it opens its log, which is the same file; `$3`
/// bounds each of the server's files, in blocks of 512 bytes, unless it is empty: a write beyond it fails, and no signal comes; the
/// rest is the server's command. Lines on standard input are names of signals; its
/// end is KILL. Tells the server's process id and then its exit status on standard output.
const SCRIPT: &str = r#"
remove=$1
log=$2
blocks=$3
shift 3
[ -z "$blocks" ] || { trap '' XFSZ; ulimit -f "$blocks"; }
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
server=$!
trap '' PIPE
echo "$server"
{
    while read -r signal; do kill -s "$signal" "$server"; done
    kill -s KILL "$server"
} <&3 >/dev/null 2>&1 &
ears=$!
wait "$server"
status=$?
kill -s KILL "$ears"
wait "$ears" 2>/dev/null
echo "$status"
while read -r ignored; do :; done <&3
[ -z "$remove" ] || rm -rf -- "$remove"
"#;

/// A signal for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM: shut down in order.
    Terminate,
    /// SIGKILL.
    Kill,
    /// SIGSTOP: it keeps its sockets, and answers nobody.
    Stop,
    /// SIGCONT: it goes on.
    Continue,
}

/// A server under its watchdog. Dropping this kills the server.
#[derive(Debug)]
pub(super) struct Watchdog {
    shell: Child,
    /// Closing it kills the server.
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    process_id: u32,
    status: Option<String>,
}

impl Watchdog {
    /// Starts `command`, whose files have at most `max_file` bytes each; `remove` is a directory that goes when all is over.
    pub(super) async fn start(
        command: &[String],
        log: &Path,
        max_file: Option<u64>,
        remove: Option<&Path>,
    ) -> Result<Watchdog> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "vitrail-watchdog"])
            .arg(remove.unwrap_or(Path::new("")))
            .arg(log)
            .arg(max_file.map_or_else(String::new, |bytes| bytes.div_ceil(512).to_string()))
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| cannot("start a shell for the mysql server", error))?;
        let stdin = shell.stdin.take();
        let stdout = shell.stdout.take().ok_or_else(|| Error::Mysqld("the shell has no output".into()))?;
        let mut lines = BufReader::new(stdout).lines();
        let process_id = lines
            .next_line()
            .await
            .ok()
            .flatten()
            .and_then(|line| line.parse().ok())
            .ok_or_else(|| Error::Mysqld("the shell did not tell the server's process id".into()))?;
        Ok(Watchdog { shell, stdin, lines, process_id, status: None })
    }

    pub(super) fn process_id(&self) -> u32 {
        self.process_id
    }

    /// Sends a signal; none if the server has ended.
    pub(super) async fn signal(&mut self, signal: Signal) -> Result<()> {
        let line: &[u8] = match signal {
            Signal::Terminate => b"TERM\n",
            Signal::Kill => b"KILL\n",
            Signal::Stop => b"STOP\n",
            Signal::Continue => b"CONT\n",
        };
        match &mut self.stdin {
            Some(stdin) if self.status.is_none() => {
                stdin.write_all(line).await.map_err(|error| cannot("signal the mysql server", error))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the server has ended; its exit status, as the shell tells it. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> &str {
        if self.status.is_none() {
            let line = self.lines.next_line().await.ok().flatten();
            self.status = Some(line.unwrap_or_else(|| "unknown".into()));
        }
        self.status.as_deref().unwrap_or("unknown")
    }

    /// Whether the server runs, without waiting.
    pub(super) fn is_running(&mut self) -> bool {
        if self.status.is_none() {
            use std::future::Future;
            let waker = std::task::Waker::noop();
            let mut context = std::task::Context::from_waker(waker);
            let ended = std::pin::pin!(self.ended());
            let _ = ended.poll(&mut context);
        }
        self.status.is_none()
    }

    /// Lets the shell clean up and waits for it. After the server has ended.
    pub(super) async fn finish(&mut self) {
        self.stdin = None;
        let _ = self.shell.wait().await;
    }
}

/// Whether every thread of a process is stopped, as Linux's `/proc` tells it. Threads on other processors run on for a moment after a
/// signal to stop.
pub(super) fn stands_still(process: u32) -> std::io::Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // One that ends meanwhile has run.
        let Ok(stat) = std::fs::read_to_string(thread?.path().join("stat")) else { return Ok(false) };
        // proc(5): the state follows the name, which is in parentheses and may contain some.
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        if state != Some('T') {
            return Ok(false);
        }
    }
    Ok(true)
}
