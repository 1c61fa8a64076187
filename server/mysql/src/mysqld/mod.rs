//! Server processes of our own: found, initialised, started, stopped, and never left behind.
//!
//! A server runs under a watchdog (`watchdog`), which ends it when this process ends, however that happens. Its data directory is a
//! copy of a template (`data`) that is initialised once for each version, so that a start takes a second rather than ten.
//!
//! Servers have one administrator, `root` on the Unix socket, without password: the socket's directory keeps others out.

mod binaries;
mod data;
mod watchdog;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

pub use binaries::Binaries;

use crate::address::Address;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::flavour::Flavour;
use crate::options::ConnectOptions;
use crate::tls::Tls;
use watchdog::{Signal, Watchdog};

/// Paths of Unix sockets end with a zero within 108 bytes.
const MAX_SOCKET_PATH: usize = 107;
/// Another process may take a free port before the server does.
const PORT_ATTEMPTS: usize = 5;
/// How long a server may take to stand still once it was told to.
const FREEZE_LIMIT: Duration = Duration::from_secs(10);

/// Whether and where a server listens on TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Port {
    /// On its Unix socket alone.
    #[default]
    None,
    /// On a free port of 127.0.0.1.
    Free,
    /// On this port of 127.0.0.1.
    Fixed(u16),
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct MysqldOptions {
    /// Its programs; see [`Binaries::find`].
    pub binaries: Binaries,
    /// Where its data lies. `None`: in a new temporary directory, which goes when the server does. A directory that is given is initialised
    /// if it is empty or absent, and kept.
    pub data: Option<PathBuf>,
    /// Folder of that temporary directory. `None`: the system's for temporary files.
    pub temporary: Option<PathBuf>,
    /// TCP.
    pub port: Port,
    /// Write a binlog with GTIDs.
    pub binlog: bool,
    /// Data survives a crash of the host. Off: nothing waits for the disk.
    pub durable: bool,
    /// Most bytes of each file that the server writes; what needs more fails as on a full disk. MySQL goes on then, MariaDB mostly. `None`: as
    /// much as this process may. Data and logs need 128 MiB.
    pub max_file: Option<u64>,
    /// Further options, such as `--max-connections=20`.
    pub arguments: Vec<String>,
    /// Limit for starting, initialisation excluded.
    pub start_limit: Duration,
}

impl MysqldOptions {
    /// Small memory, no TCP, no binlog, not durable, in a temporary directory.
    pub fn new(binaries: Binaries) -> MysqldOptions {
        MysqldOptions {
            binaries,
            data: None,
            temporary: None,
            port: Port::None,
            binlog: false,
            durable: false,
            max_file: None,
            arguments: Vec::new(),
            start_limit: Duration::from_secs(60),
        }
    }
}

/// A running server. Dropping it kills the server; [`Mysqld::stop`] shuts it down in order.
#[derive(Debug)]
pub struct Mysqld {
    watchdog: Watchdog,
    flavour: Flavour,
    socket: PathBuf,
    port: Option<u16>,
    data: PathBuf,
    log: PathBuf,
    /// Removed with this, after the server is gone: the temporary home of data and socket.
    _home: Option<tempfile::TempDir>,
    _socket_home: Option<tempfile::TempDir>,
}

impl Mysqld {
    /// Starts a server and waits until it answers.
    ///
    /// Errors: [`Error::Mysqld`] with what failed and, if the server ended or did not answer in time, the tail of its log.
    pub async fn start(options: &MysqldOptions) -> Result<Mysqld> {
        let mut last = None;
        for _ in 0..PORT_ATTEMPTS {
            match Mysqld::start_once(options).await {
                Err(Error::Mysqld(text))
                    if options.port == Port::Free && text.to_lowercase().contains("address already in use") =>
                {
                    last = Some(Error::Mysqld(text));
                }
                result => return result,
            }
        }
        Err(last.unwrap_or_else(|| Error::Mysqld("no free port was found".into())))
    }

    async fn start_once(options: &MysqldOptions) -> Result<Mysqld> {
        let (home, data) = match &options.data {
            Some(data) => (None, data.clone()),
            None => {
                let folder = options.temporary.clone().unwrap_or_else(std::env::temp_dir);
                let home = temporary_directory(&folder)?;
                let data = home.path().join("data");
                (Some(home), data)
            }
        };
        data::prepare(&options.binaries, &data).await?;
        let data = data.canonicalize().map_err(|error| cannot("find the data directory again", error))?;

        let mut socket = data.join("mysqld.sock");
        let mut socket_home = None;
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            let home = temporary_directory(Path::new("/tmp"))?;
            socket = home.path().join("mysqld.sock");
            socket_home = Some(home);
        }
        let port = match options.port {
            Port::None => None,
            Port::Free => Some(free_port()?),
            Port::Fixed(port) => Some(port),
        };
        let log = data.join("mysqld.err");
        let _ = std::fs::remove_file(&socket);
        let _ = std::fs::remove_file(&log);

        let mut command = options.binaries.server_command();
        command.extend(arguments(options, &data, &socket, port, &log));
        let remove = home.as_ref().map(tempfile::TempDir::path);
        let watchdog = Watchdog::start(&command, &log, options.max_file, remove).await?;
        let flavour = options.binaries.flavour();
        let mut server = Mysqld { watchdog, flavour, socket, port, data, log, _home: home, _socket_home: socket_home };
        server.wait_until_ready(options.start_limit).await?;
        Ok(server)
    }

    /// How `root` connects: over the Unix socket, without password.
    pub fn connect_options(&self) -> ConnectOptions {
        ConnectOptions::new(Address::unix(&self.socket), "root").with_tls(Tls::disabled())
    }

    /// Its Unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its TCP port on 127.0.0.1, if it has one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its family.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.watchdog.process_id()
    }

    /// Whether it still runs, as far as has been heard.
    pub fn is_running(&mut self) -> bool {
        self.watchdog.is_running()
    }

    /// Waits until it has ended, however that happens. May be dropped and called again.
    pub async fn ended(&mut self) {
        self.watchdog.ended().await;
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Shuts it down in order (SIGTERM), and kills it if that takes longer than `limit`.
    pub async fn stop(mut self, limit: Duration) -> Result<()> {
        self.watchdog.signal(Signal::Terminate).await?;
        if timeout(limit, self.watchdog.ended()).await.is_err() {
            self.watchdog.signal(Signal::Kill).await?;
            self.watchdog.ended().await;
        }
        self.watchdog.finish().await;
        Ok(())
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        self.watchdog.signal(Signal::Kill).await?;
        self.watchdog.ended().await;
        self.watchdog.finish().await;
        Ok(())
    }

    /// Freezes it (SIGSTOP) and waits until it stands still: it keeps its connections, and answers nobody until [`Mysqld::thaw`].
    /// Needs Linux's `/proc`.
    pub async fn freeze(&mut self) -> Result<()> {
        self.watchdog.signal(Signal::Stop).await?;
        let mut tick = interval(Duration::from_millis(1));
        let deadline = Instant::now() + FREEZE_LIMIT;
        while !watchdog::stands_still(self.process_id())
            .map_err(|error| cannot("see whether it stands still", error))?
        {
            if Instant::now() >= deadline {
                return Err(Error::Mysqld(format!("{} does not stand still after SIGSTOP", self.flavour)));
            }
            tick.tick().await;
        }
        Ok(())
    }

    /// Lets a frozen server go on (SIGCONT).
    pub async fn thaw(&mut self) -> Result<()> {
        self.watchdog.signal(Signal::Continue).await
    }

    async fn wait_until_ready(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let options = self.connect_options().with_connect_timeout(limit);
        let mut tick = interval(Duration::from_millis(20));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                status = self.watchdog.ended() => {
                    let status = status.to_owned();
                    return Err(Error::Mysqld(format!(
                        "{} ended at its start with status {status}; its log ends with:\n{}", self.flavour, self.log_tail()
                    )));
                }
                _ = tick.tick() => {}
            }
            match Connection::connect(&options).await {
                Ok(connection) => {
                    connection.quit().await;
                    return Ok(());
                }
                // It answers, yet not as a server that is merely on its way up.
                Err(error) if !is_starting(&error) => return Err(error),
                Err(error) if Instant::now() >= deadline => {
                    return Err(Error::Mysqld(format!(
                        "{} does not answer within {limit:?} ({error}); its log ends with:\n{}",
                        self.flavour,
                        self.log_tail()
                    )));
                }
                Err(_) => {}
            }
        }
    }
}

/// Whether this is what a client sees of a server that is starting.
fn is_starting(error: &Error) -> bool {
    matches!(error, Error::Unreachable { .. } | Error::ConnectTimeout { .. } | Error::Login(_))
}

/// The arguments of a server: little memory, nothing from configuration files, and what `options` say.
fn arguments(options: &MysqldOptions, data: &Path, socket: &Path, port: Option<u16>, log: &Path) -> Vec<String> {
    let flavour = options.binaries.flavour();
    let mut arguments = vec![
        format!("--datadir={}", data.display()),
        format!("--socket={}", socket.display()),
        format!("--pid-file={}", data.join("mysqld.pid").display()),
        format!("--log-error={}", log.display()),
        format!("--tmpdir={}", data.join(data::TEMPORARY_DIRECTORY).display()),
        "--skip-name-resolve".into(),
        "--secure-file-priv=".into(),
        "--performance-schema=OFF".into(),
        "--innodb-buffer-pool-size=32M".into(),
        "--key-buffer-size=1M".into(),
        "--max-allowed-packet=1G".into(),
        "--max-connections=500".into(),
        "--character-set-server=utf8mb4".into(),
        format!("--server-id={}", rand::random_range(1..=u32::MAX)),
    ];
    match port {
        Some(port) => arguments.extend([format!("--port={port}"), "--bind-address=127.0.0.1".into()]),
        None => arguments.push("--skip-networking".into()),
    }
    match (flavour, options.binlog) {
        (_, false) => arguments.push("--skip-log-bin".into()),
        (Flavour::MariaDb, true) => arguments.extend(["--log-bin=binlog".into(), "--binlog-format=ROW".into()]),
        (Flavour::MySql, true) => arguments.extend([
            "--log-bin=binlog".into(),
            "--gtid-mode=ON".into(),
            "--enforce-gtid-consistency=ON".into(),
        ]),
    }
    if !options.durable {
        arguments.extend([
            "--innodb-flush-method=nosync".into(),
            "--innodb-flush-log-at-trx-commit=0".into(),
            "--sync-binlog=0".into(),
            "--skip-innodb-doublewrite".into(),
        ]);
    }
    match flavour {
        Flavour::MySql => arguments.push("--mysqlx=OFF".into()),
        Flavour::MariaDb => arguments.extend([
            // Its installation leaves anonymous accounts, which shadow those of any host.
            format!("--init-file={}", data.join(data::INIT_FILE).display()),
            // Every other directory within its data is a database to it.
            format!("--ignore-db-dirs={}", data::TEMPORARY_DIRECTORY),
        ]),
    }
    arguments.extend(options.arguments.iter().cloned());
    arguments
}

/// A port of 127.0.0.1 that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|error| cannot("find a free port", error))?;
    Ok(listener.local_addr().map_err(|error| cannot("find a free port", error))?.port())
}

fn temporary_directory(parent: &Path) -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("vitrail-mysqld-")
        .tempdir_in(parent)
        .map_err(|error| cannot("make a temporary directory", error))
}

/// An error of an operation on files or processes.
fn cannot(what: &str, error: std::io::Error) -> Error {
    Error::Mysqld(format!("cannot {what}: {error}"))
}
