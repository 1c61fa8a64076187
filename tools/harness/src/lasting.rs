//! A server that a test may kill, restart on the same data and socket, freeze and thaw.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use vitrail_mysql::{Address, Binaries, ConnectOptions, Connection, Flavour, Mysqld, MysqldOptions, Tls};

use crate::server::RUNTIME;

/// How long an orderly end may take.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What a server keeps when its process is killed: everything that was committed. Nothing waits for the disk, which the kernel
/// still writes.
const SURVIVES_A_KILL: [&str; 1] = ["--innodb-flush-log-at-trx-commit=2"];

/// A server with data of its own that outlives its process. Reached over its Unix socket, whose path stays; `root` has no password.
pub struct Lasting {
    options: MysqldOptions,
    socket: PathBuf,
    /// `None` between a crash and the restart. Dropped before the data goes.
    mysqld: Mutex<Option<Mysqld>>,
    /// The process of the last start, for the end of a test that panics.
    process: std::sync::atomic::AtomicU32,
    _data: tempfile::TempDir,
}

impl Lasting {
    /// Starts a server with further `arguments`. Panics with what to do if it cannot be started.
    pub async fn start(flavour: Flavour, arguments: &[&str]) -> Lasting {
        let data =
            tempfile::Builder::new().prefix("vitrail-lasting-").tempdir().expect("a temporary directory can be made");
        let binaries = RUNTIME.spawn(Binaries::find(flavour)).await.expect("looking for a server does not panic");
        let mut options = MysqldOptions::new(binaries.unwrap_or_else(|error| panic!("no {flavour} server: {error}")));
        options.data = Some(data.path().join("data"));
        options.arguments = SURVIVES_A_KILL.iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        let mut server = Lasting {
            options,
            socket: PathBuf::new(),
            mysqld: Mutex::new(None),
            process: std::sync::atomic::AtomicU32::new(0),
            _data: data,
        };
        server.restart().await;
        server.socket = server.mysqld.get_mut().as_ref().expect("it was just started").socket().to_owned();
        server
    }

    /// Its Unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its family.
    pub fn flavour(&self) -> Flavour {
        self.options.binaries.flavour()
    }

    /// `root` over the Unix socket, in `database` (empty: in none).
    pub fn connect_options(&self, database: &str) -> ConnectOptions {
        let mut options = ConnectOptions::new(Address::unix(&self.socket), "root").with_tls(Tls::disabled());
        options.database = (!database.is_empty()).then(|| database.to_owned());
        options
    }

    /// A new connection as `root` in `database` (empty: in none).
    pub async fn connect(&self, database: &str) -> Connection {
        Connection::connect(&self.connect_options(database)).await.expect("the server of the tests answers")
    }

    /// Kills it (SIGKILL) and waits until it is gone. Its data stays.
    pub async fn crash(&self) {
        let Some(mysqld) = self.mysqld.lock().await.take() else { return };
        RUNTIME.spawn(mysqld.kill()).await.expect("killing does not panic").expect("a server can be killed");
    }

    /// Ends it in order (SIGTERM) and waits until it is gone. Its data stays.
    pub async fn stop(&self) {
        let Some(mysqld) = self.mysqld.lock().await.take() else { return };
        let stopped = RUNTIME.spawn(mysqld.stop(STOP_LIMIT)).await;
        stopped.expect("stopping does not panic").expect("a server can be stopped");
    }

    /// Starts it again on its data, and waits until it answers. Panics with the tail of its log if it cannot be started.
    pub async fn restart(&self) {
        let mut slot = self.mysqld.lock().await;
        assert!(slot.is_none(), "a server is restarted after it was ended");
        let options = self.options.clone();
        let started = RUNTIME.spawn(async move { Mysqld::start(&options).await }).await;
        let mysqld = started.expect("starting does not panic").unwrap_or_else(|error| panic!("{error}"));
        self.process.store(mysqld.process_id(), std::sync::atomic::Ordering::Relaxed);
        *slot = Some(mysqld);
    }

    /// Freezes it (SIGSTOP): it keeps its connections, and answers nobody.
    pub async fn freeze(&self) {
        let mut slot = self.mysqld.lock().await;
        let mysqld = slot.as_mut().expect("a running server is frozen");
        mysqld.freeze().await.expect("a server can be frozen");
    }

    /// Lets it go on after [`Lasting::freeze`].
    pub async fn thaw(&self) {
        let mut slot = self.mysqld.lock().await;
        let mysqld = slot.as_mut().expect("a running server is thawed");
        mysqld.thaw().await.expect("a server can be thawed");
    }
}

impl Drop for Lasting {
    /// Its data can only go when its process is gone: waits for that, for a moment.
    fn drop(&mut self) {
        if self.mysqld.get_mut().take().is_none() {
            return;
        }
        let process = *self.process.get_mut();
        let gone = async {
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            while runs(process) {
                tick.tick().await;
            }
        };
        let waiting = std::thread::scope(|scope| {
            scope.spawn(|| RUNTIME.block_on(async { timeout(Duration::from_secs(10), gone).await.is_ok() })).join()
        });
        let _ = waiting;
    }
}

/// A process that has ended and was not waited for is still listed, with nothing mapped.
fn runs(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/maps")).is_ok_and(|maps| !maps.is_empty())
}
