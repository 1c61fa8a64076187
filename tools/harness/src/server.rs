//! One server, with databases on demand.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use tokio::runtime::Runtime;
use tokio::sync::OnceCell;
use vitrail_mysql::mysqld::Port;
use vitrail_mysql::{Address, Binaries, ConnectOptions, Connection, Flavour, Mysqld, MysqldOptions, Tls};

use crate::shared::{self, Place};

/// An account for TCP, on every server, with all privileges.
pub const USER: &str = "vitrail";
/// Its password.
pub const PASSWORD: &str = "v1trail-test";

/// Servers outlive the tests, and so must the runtime that listens to them: each test brings a runtime of its own.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("harness")
        .enable_all()
        .build()
        .expect("a test process can start one thread")
});
/// A start that failed is not tried again for each test.
static MARIADB: OnceCell<Result<Arc<Server>, String>> = OnceCell::const_new();
static MYSQL: OnceCell<Result<Arc<Server>, String>> = OnceCell::const_new();

/// A running server. Dropping it kills it, unless the whole run shares it; the one that a process shares goes with the process.
pub struct Server {
    place: Place,
    /// `None`: whoever runs the tests has started it, and ends it.
    mysqld: Option<Mysqld>,
    /// Counts the databases that were handed out.
    databases: AtomicU32,
}

impl Server {
    /// The server that the run shares if it has one, else one that this process shares.
    pub(crate) async fn shared(flavour: Flavour) -> Arc<Server> {
        let cell = match flavour {
            Flavour::MariaDb => &MARIADB,
            Flavour::MySql => &MYSQL,
        };
        let found = async move {
            match shared::of_the_run(flavour)? {
                Some(place) => Ok(Server { place, mysqld: None, databases: AtomicU32::new(0) }),
                None => Server::try_start(flavour, Vec::new()).await,
            }
        };
        let server = cell.get_or_init(|| async { found.await.map(Arc::new) }).await;
        server.clone().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts a server with a binlog, a free TCP port and further `arguments`. Panics with what to do if it cannot be started.
    pub async fn start(flavour: Flavour, arguments: Vec<String>) -> Server {
        Server::try_start(flavour, arguments).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) async fn try_start(flavour: Flavour, arguments: Vec<String>) -> Result<Server, String> {
        let started = RUNTIME.spawn(async move {
            let mut options = MysqldOptions::new(Binaries::find(flavour).await?);
            options.port = Port::Free;
            options.binlog = true;
            options.arguments = arguments;
            let mysqld = Mysqld::start(&options).await?;
            let mut root = Connection::connect(&mysqld.connect_options()).await?;
            root.execute(&format!("CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'")).await?;
            root.execute(&format!("GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION")).await?;
            root.quit().await;
            Ok::<_, vitrail_mysql::Error>(mysqld)
        });
        let mysqld = started.await.expect("starting a server does not panic").map_err(|error| {
            format!("no {flavour} server for the tests: {error}\n(VITRAIL_FLAVOURS can leave a flavour out, if that is meant)")
        })?;
        let place = Place {
            flavour,
            port: mysqld.port().expect("servers of the harness listen on TCP"),
            socket: mysqld.socket().to_owned(),
            data: mysqld.data().to_owned(),
        };
        Ok(Server { place, mysqld: Some(mysqld), databases: AtomicU32::new(0) })
    }

    /// Makes a database of its own for a test, named after `prefix`, and returns its name, which no other process of the run uses.
    pub async fn database(&self, prefix: &str) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = match &self.mysqld {
            Some(_) => format!("{prefix}_{number}"),
            None => format!("{prefix}_{:x}_{number}", std::process::id()),
        };
        let mut root = self.admin().await;
        root.execute(&format!("CREATE DATABASE `{name}`")).await.expect("root can create databases");
        root.quit().await;
        name
    }

    /// `root` over the Unix socket, in `database` (empty: in none).
    pub fn connect_options(&self, database: &str) -> ConnectOptions {
        let mut options = ConnectOptions::new(Address::unix(&self.place.socket), "root").with_tls(Tls::disabled());
        options.database = (!database.is_empty()).then(|| database.to_owned());
        options
    }

    /// [`USER`] over TCP in the clear, in `database` (empty: in none).
    pub fn tcp_options(&self, database: &str) -> ConnectOptions {
        let mut options =
            ConnectOptions::new(self.tcp_address(), USER).with_password(PASSWORD).with_tls(Tls::disabled());
        options.database = (!database.is_empty()).then(|| database.to_owned());
        options
    }

    /// Its TCP address.
    pub fn tcp_address(&self) -> Address {
        Address::tcp("127.0.0.1", self.place.port)
    }

    /// Its TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// Its Unix socket.
    pub fn socket(&self) -> &Path {
        &self.place.socket
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.place.data
    }

    /// A new connection as `root` in `database`.
    pub async fn connect(&self, database: &str) -> Connection {
        Connection::connect(&self.connect_options(database)).await.expect("the server of the tests answers")
    }

    /// A new connection as `root` in no database.
    pub async fn admin(&self) -> Connection {
        self.connect("").await
    }

    /// Its family.
    pub fn flavour(&self) -> Flavour {
        self.place.flavour
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Kills the server and waits until it is gone. Its connections are lost.
    pub async fn kill(self) {
        let mysqld = self.mysqld.expect("a test kills only what it has started");
        RUNTIME.spawn(mysqld.kill()).await.expect("killing does not panic").expect("a server can be killed");
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}
