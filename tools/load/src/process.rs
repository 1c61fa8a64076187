//! CPU time and memory of processes on this machine, from `/proc`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::target::Listening;

/// A process that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// What reports call it.
    pub name: String,
    /// Its id.
    pub id: u32,
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of all its threads, user and system, in the kernel's ticks of 10 ms.
    pub cpu: Duration,
    /// Resident bytes.
    pub memory: u64,
}

impl Process {
    /// This one.
    pub fn this() -> Process {
        Process { name: "load tester".into(), id: std::process::id() }
    }

    /// Reads `NAME=PID` or `NAME=PORT_OF:port` or `NAME=/path/of/socket`.
    ///
    /// # Errors
    ///
    /// There is no such process.
    pub fn parse(text: &str) -> Result<Process> {
        let (name, what) = text.split_once('=').context("a process is NAME=PID, NAME=:PORT or NAME=/SOCKET")?;
        let id = if let Some(port) = what.strip_prefix(':') {
            of(&Listening::Tcp("localhost".into(), port.parse().context("a port is a number")?))
        } else if what.starts_with('/') {
            of(&Listening::Unix(what.into()))
        } else {
            let id = what.parse().context("a process id is a number")?;
            Path::new(&format!("/proc/{id}")).exists().then_some(id)
        };
        match id {
            Some(id) => Ok(Process { name: name.to_owned(), id }),
            None => bail!("{what} is no process of this machine that may be looked at"),
        }
    }

    /// What it has used so far; `None` once it is gone.
    pub fn usage(&self) -> Option<Usage> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id)).ok()?;
        // The name may hold blanks and parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let pages: u64 = fields.get(21)?.parse().ok()?;
        let cpu = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
        Some(Usage { cpu, memory: pages * rustix::param::page_size() as u64 })
    }
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

    #[test]
    fn a_listening_process_is_found_and_measured() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert_eq!(of(&Listening::Tcp("localhost".into(), port)), Some(std::process::id()));
        assert_eq!(of(&Listening::Tcp("192.0.2.1".into(), port)), None);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        assert_eq!(of(&Listening::Unix(path.clone())), Some(std::process::id()));
        let process = Process::parse(&format!("me={}", path.display())).expect("found");
        assert_eq!((process.name.as_str(), process.id), ("me", std::process::id()));
        assert!(process.usage().expect("it lives").memory > 1 << 20);
        assert!(Process::parse("gone=4194304").is_err());
    }
}
