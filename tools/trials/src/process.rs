//! One `vitrail` process: started, measured, signalled.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::metrics::Metrics;

/// How long a start may take, and an end.
const LIMIT: Duration = Duration::from_secs(60);

/// Lines of a log that a failure shows.
const LAST: usize = 60;

/// A running process. Dropped, it is killed.
pub struct Process {
    child: Child,
    id: u32,
    address: SocketAddr,
    http: SocketAddr,
    log: PathBuf,
}

impl Process {
    /// Starts `vitrail COMMAND --config CONFIG` with these variables in its environment, and waits until it serves. Its log goes to a
    /// file beside the configuration.
    pub async fn start(vitrail: &Path, command: &str, config: &Path, environment: &[(&str, String)]) -> Process {
        let log = config.with_extension("log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log file can be made");
        let mut child = Command::new(vitrail)
            .args([command, "--config"])
            .arg(config)
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", vitrail.display()));
        let id = child.id().expect("it was just started");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let told = timeout(LIMIT, async {
            let mut address = None;
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(rest) = line.strip_prefix("vitrail: serving on ") {
                    address = rest.split(' ').next().and_then(|text| text.parse().ok());
                }
                if let Some(http) = line.strip_prefix("vitrail: health and metrics on http://") {
                    return address.zip(http.parse().ok());
                }
            }
            None
        });
        match told.await {
            Ok(Some((address, http))) => Process { child, id, address, http, log },
            _ => panic!("`vitrail {command}` does not serve: {}", read(&log)),
        }
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers with health and metrics.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        memory_of(self.id)
    }

    /// Forgets the most that it has ever needed; its resident memory in bytes now.
    pub fn reset_peak(&self) -> u64 {
        // 5: see proc_pid_clear_refs(5).
        std::fs::write(format!("/proc/{}/clear_refs", self.id), "5").expect("a process of ours may be measured");
        self.memory()
    }

    /// The most resident memory that it has needed since, in bytes.
    pub fn peak(&self) -> u64 {
        status_of(self.id, "VmHWM:")
    }

    /// Open file descriptors.
    pub fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id)).map_or(0, Iterator::count)
    }

    /// What it says of itself now.
    pub async fn metrics(&self) -> Metrics {
        let asked = async {
            let mut stream = TcpStream::connect(self.http).await?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: vitrail\r\nconnection: close\r\n\r\n").await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            Ok::<_, std::io::Error>(text)
        };
        let text = timeout(LIMIT, asked).await.expect("metrics are answered in time").expect("metrics are served");
        Metrics::parse(text.split_once("\r\n\r\n").map_or("", |(_, body)| body))
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// Panics if it has ended, or if a task in it has panicked.
    pub fn check(&mut self) {
        let ended = self.child.try_wait().expect("its state can be asked for");
        let log = self.log();
        assert!(ended.is_none(), "vitrail ended with {ended:?}; its log:\n{log}");
        assert!(!log.contains("panicked"), "a task of vitrail has panicked:\n{log}");
    }

    /// Drains it (SIGTERM) and waits for its end.
    pub async fn stop(mut self) {
        self.signal("TERM").await;
        let ended = timeout(LIMIT, self.child.wait()).await;
        let log = self.log();
        match ended {
            Ok(Ok(status)) => assert!(status.success(), "vitrail ended with {status}; its log:\n{log}"),
            other => panic!("vitrail did not end: {other:?}; its log:\n{log}"),
        }
        assert!(!log.contains("panicked"), "a task of vitrail has panicked:\n{log}");
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a process of ours can be killed");
    }

    /// Sends a signal, as `kill -s NAME`.
    pub async fn signal(&self, name: &str) {
        signal(self.id, name).await;
    }
}

impl Drop for Process {
    /// What it said is of use to whoever looks for the cause of a failure.
    #[expect(clippy::print_stderr, reason = "a failure in a test is a report on standard error")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(LAST)..].join("\n");
            eprintln!("the log of {} ends with:\n{last}", self.log.display());
        }
    }
}

/// Sends a signal to a process of ours.
pub async fn signal(id: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &id.to_string()]).status().await;
    assert!(status.expect("kill can be run").success(), "signal {name} could not be sent");
}

/// Resident memory of a process, in bytes.
pub fn memory_of(id: u32) -> u64 {
    status_of(id, "VmRSS:")
}

/// Bytes of a line of its status.
fn status_of(id: u32, line: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().map_or(0, |kib| kib * 1024)
}

fn read(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
}
