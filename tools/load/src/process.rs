//! CPU time and memory of processes: of this machine from `/proc`, of others from their metrics.

mod metrics;
mod used;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::target::Listening;
use metrics::Metrics;
pub(crate) use used::Used;

/// How a process is named.
pub(crate) const FORM: &str = "NAME=PID, NAME=:PORT, NAME=/SOCKET or NAME=http://HOST:PORT/metrics";

/// A process that is watched.
#[derive(Debug, Clone)]
pub struct Process {
    /// What reports call it.
    pub name: String,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// Of this machine, by its id.
    Local(u32),
    /// Of any machine.
    Metrics(Metrics),
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of all its threads, user and system: of this machine's processes in the kernel's ticks of 10 ms.
    pub cpu: Duration,
    /// Resident bytes.
    pub memory: u64,
}

impl Process {
    /// This one.
    pub fn this() -> Process {
        Process::local("load tester", std::process::id())
    }

    /// One of this machine.
    pub fn local(name: &str, id: u32) -> Process {
        Process { name: name.to_owned(), source: Source::Local(id) }
    }

    /// Reads `NAME=PID`, `NAME=:port`, `NAME=/path/of/socket` or `NAME=http://host:port/metrics`, and looks whether it is there.
    ///
    /// # Errors
    ///
    /// There is no such process, or its metrics cannot be read or lack what is needed.
    pub async fn parse(text: &str) -> Result<Process> {
        let (name, what) = text.split_once('=').with_context(|| format!("a process is {FORM}"))?;
        if what.contains("://") {
            let metrics = Metrics::of(what)?;
            metrics.usage().await?;
            return Ok(Process { name: name.to_owned(), source: Source::Metrics(metrics) });
        }
        let id = if let Some(port) = what.strip_prefix(':') {
            of(&Listening::Tcp("localhost".into(), port.parse().context("a port is a number")?))
        } else if what.starts_with('/') {
            of(&Listening::Unix(what.into()))
        } else {
            let id = what.parse().with_context(|| format!("`{what}` is no process id; a process is {FORM}"))?;
            Path::new(&format!("/proc/{id}")).exists().then_some(id)
        };
        match id {
            Some(id) => Ok(Process::local(name, id)),
            None => bail!("{what} is no process of this machine that may be looked at"),
        }
    }

    /// What it has used so far; `None` once it is gone, or its metrics are not answered.
    pub async fn usage(&self) -> Option<Usage> {
        match &self.source {
            Source::Local(id) => local(*id),
            Source::Metrics(metrics) => metrics.usage().await.ok(),
        }
    }
}

fn local(id: u32) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name may hold blanks and parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let pages: u64 = fields.get(21)?.parse().ok()?;
    let cpu = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    Some(Usage { cpu, memory: pages * rustix::param::page_size() as u64 })
}

/// The process that listens there, if it is of this machine and may be looked at.
pub fn of(listening: &Listening) -> Option<u32> {
    let inode = match listening {
        Listening::Tcp(host, port) if is_local(host) => {
            ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| tcp_inode(table, *port))?
        }
        Listening::Tcp(..) => return None,
        Listening::Unix(path) => unix_inode(path)?,
    };
    let wanted = format!("socket:[{inode}]");
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let open = std::fs::read_dir(entry.path().join("fd")).ok()?;
        open.flatten()
            .any(|file| std::fs::read_link(file.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str()))
            .then_some(id)
    })
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.starts_with("127.") || host == "::1" || host == "[::1]"
}

/// Lines are `sl local_address rem_address st … inode`; a listening socket's state is 0A.
fn tcp_inode(table: &str, port: u16) -> Option<String> {
    let text = std::fs::read_to_string(table).ok()?;
    text.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        (local == port && *fields.get(3)? == "0A").then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    })
}

/// Lines are `Num RefCount Protocol Flags Type St Inode Path`; a listening socket has the flag 00010000.
fn unix_inode(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string("/proc/net/unix").ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (Path::new(fields.get(7)?) == path && *fields.get(3)? == "00010000").then(|| fields[6].to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listening_process_is_found_and_measured() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert_eq!(of(&Listening::Tcp("localhost".into(), port)), Some(std::process::id()));
        assert_eq!(of(&Listening::Tcp("192.0.2.1".into(), port)), None);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        assert_eq!(of(&Listening::Unix(path.clone())), Some(std::process::id()));
        let process = Process::parse(&format!("me={}", path.display())).await.expect("found");
        assert!(matches!(process.source, Source::Local(id) if id == std::process::id()));
        assert!(process.usage().await.expect("it lives").memory > 1 << 20);
        for (text, says) in
            [("gone=4194304", "no process of this machine"), ("x=y", "`y` is no process id"), ("7", "NAME=PID")]
        {
            let error = Process::parse(text).await.expect_err("refused");
            assert!(format!("{error:#}").contains(says), "{error:#}");
        }
    }
}
