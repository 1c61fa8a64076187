//! Servers, databases and the process that serves them: set up, announced, cleared away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use vitrail_client::Client;
use vitrail_mysql::mysqld::{Binaries, Mysqld, MysqldOptions};
use vitrail_mysql::{Connection, Flavour};
use vitrail_node::config::{self, Config};
use vitrail_node::process::{Component, Process};

use crate::{Options, dataset, load, say};

/// Ports of the documentation.
const PORT: u16 = 15300;
const HTTP_PORT: u16 = 15380;
/// The database with everything, for the tour's comparison.
pub(crate) const ORACLE: &str = "one_mysql";
/// How long a server may take to end in order.
const STOP: Duration = Duration::from_secs(20);
/// Ends the marker of a data folder that was loaded wholly.
const MARKER: &str = "vitrail-demo";

/// The demo while it runs.
pub(crate) struct Stage {
    mysqld: Mysqld,
    process: Process,
    client: Client,
    shards: usize,
    folder: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Stage {
    /// Starts servers, loads the data, and serves.
    pub(crate) async fn set(options: &Options) -> Result<Stage> {
        let steps = Steps::new();
        let temporary = match options.data_dir {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("vitrail-demo-").tempdir()?),
        };
        let folder = match (&options.data_dir, &temporary) {
            (Some(folder), _) => folder.clone(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => bail!("there is no folder for the data"),
        };
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let loaded = loaded_shards(&folder)?;
        if let Some(shards) = loaded.filter(|shards| *shards != options.shards) {
            bail!("{} holds a demo with {shards} shards: use --shards {shards}, or another folder", folder.display());
        }

        let binaries = binaries(options.flavour).await?;
        let flavour = binaries.flavour();
        steps.begin(&format!("Starting {} {}", flavour.as_str(), binaries.version()));
        let mut mysqld_options = MysqldOptions::new(binaries);
        mysqld_options.data = Some(folder.join("mysql"));
        mysqld_options.durable = options.keep;
        let mysqld = Mysqld::start(&mysqld_options).await?;

        if loaded.is_none() {
            steps.begin("Creating databases and tables");
            create_databases(&mysqld, options.shards).await?;
        }
        let config = configuration(options, &mysqld, &folder)?;
        steps.begin("Starting Vitrail");
        let process = Process::start(config, Component::Both).await.map_err(|error| port_hint(error.into()))?;
        let address = process.address().context("the demo listens on TCP")?;
        let client = Client::connect(&format!("vitrail://demo@{address}/flights?tls=disable")).await?;
        if loaded.is_none() {
            load::through_vitrail(&client, &steps).await?;
            std::fs::write(folder.join(MARKER), options.shards.to_string())?;
        }
        if options.check {
            steps.begin("Loading the same data into one MySQL");
            load::into_one_mysql(&mysqld).await?;
        }
        steps.done();
        Ok(Stage { mysqld, process, client, shards: options.shards, folder, _temporary: temporary })
    }

    /// A client with keyspace `flights`.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A connection to the one MySQL with all data.
    pub(crate) async fn oracle(&self) -> Result<Connection> {
        Ok(Connection::connect(&self.mysqld.connect_options().with_database(ORACLE)).await?)
    }

    /// `2 shards on MariaDB`, for people.
    pub(crate) fn describe(&self) -> String {
        let plural = if self.shards == 1 { "" } else { "s" };
        format!("{} shard{plural} on {}", self.shards, self.mysqld.flavour().as_str())
    }

    /// Tells what is there to try.
    pub(crate) fn announce(&self, elapsed: Duration) {
        let address = self.process.address().map(|address| address.to_string()).unwrap_or_default();
        let program = std::env::args().next().unwrap_or_else(|| "vitrail".into());
        say(&format!(
            "
Ready after {:.0} s: keyspaces `flights` ({}) and `agency` (unsharded).

  BSON-RPC  vitrail://demo@{address}/flights
  metrics   http://{http}/metrics      health  http://{http}/readyz
  data      {folder}

Try, in another terminal:

  {program} sql vitrail://demo@{address}/flights

  SELECT origin, destination, delay FROM flight ORDER BY delay DESC, id LIMIT 3;
  SELECT a.name, COUNT(*) FROM flight f JOIN airport a ON a.iata = f.destination WHERE f.origin = 'SFO' GROUP BY a.name ORDER BY 2 DESC LIMIT 5;
  EXPLAIN FORMAT=VITRAIL SELECT * FROM flight WHERE origin IN ('SFO', 'JFK');

Ctrl-C ends everything.",
            elapsed.as_secs_f64(),
            self.describe(),
            http = self.process.http(),
            folder = self.folder.display(),
        ));
    }

    /// Waits for Ctrl-C or SIGTERM.
    pub(crate) async fn until_signal(&self) -> Result<()> {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result?,
            _ = terminate.recv() => {}
        }
        Ok(())
    }

    /// Ends everything, and removes the data unless it is to be kept.
    pub(crate) async fn clear(self, options: &Options) {
        self.client.close();
        self.process.stop().await;
        if let Err(error) = self.mysqld.stop(STOP).await {
            tracing::warn!(%error, "the server did not end in order");
        }
        if options.data_dir.is_some() && !options.keep {
            for leftover in ["mysql", "vschema"] {
                let _ = std::fs::remove_dir_all(self.folder.join(leftover));
            }
            let _ = std::fs::remove_file(self.folder.join(MARKER));
            // Only if nothing else is in it.
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}

async fn binaries(flavour: Option<Flavour>) -> Result<Binaries> {
    if let Some(flavour) = flavour {
        return Ok(Binaries::find(flavour).await?);
    }
    match Binaries::find(Flavour::MariaDb).await {
        Ok(binaries) => Ok(binaries),
        Err(_) => Binaries::find(Flavour::MySql).await.context(
            "neither MariaDB nor MySQL was found; `make demo` installs MariaDB, or run tools/harness/install-mariadb",
        ),
    }
}

/// How many shards an earlier demo has left in the folder; `None` for a fresh one.
fn loaded_shards(folder: &Path) -> Result<Option<usize>> {
    match std::fs::read_to_string(folder.join(MARKER)) {
        Ok(text) => Ok(Some(text.trim().parse().context("the data folder's marker holds no number")?)),
        Err(_) if folder.join("mysql").exists() => {
            bail!("{} holds data that is not a complete demo: choose another folder", folder.display())
        }
        Err(_) => Ok(None),
    }
}

async fn create_databases(mysqld: &Mysqld, shards: usize) -> Result<()> {
    let mut connection = Connection::connect(&mysqld.connect_options()).await?;
    let flights = (0..shards).map(|shard| (database(shard), dataset::FLIGHTS_SCHEMA));
    let others = [
        ("agency_0".to_owned(), dataset::AGENCY_SCHEMA),
        (ORACLE.to_owned(), dataset::FLIGHTS_SCHEMA),
        (ORACLE.to_owned(), dataset::AGENCY_SCHEMA),
    ];
    for (database, schema) in flights.chain(others) {
        connection.execute(&format!("CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4")).await?;
        connection.execute(&format!("USE {database}")).await?;
        for statement in dataset::statements(schema) {
            connection.execute(&statement).await?;
        }
    }
    connection.quit().await;
    Ok(())
}

fn database(shard: usize) -> String {
    format!("flights_{shard}")
}

/// Names of evenly divided shards: `-80`, `80-`.
fn shard_name(shard: usize, shards: usize) -> String {
    let bound = |number: usize| match number * 256 / shards {
        0 | 256 => String::new(),
        byte => format!("{byte:02x}"),
    };
    format!("{}-{}", bound(shard), bound(shard + 1))
}

/// The same configuration that `vitrail serve` would read, written beside the data.
fn configuration(options: &Options, mysqld: &Mysqld, folder: &Path) -> Result<Config> {
    let free = |port: Option<u16>, usual: u16| port.unwrap_or(if options.check { 0 } else { usual });
    let vschemas = folder.join("vschema");
    std::fs::create_dir_all(&vschemas)?;
    std::fs::write(vschemas.join("flights.json"), dataset::FLIGHTS_VSCHEMA)?;
    std::fs::write(vschemas.join("agency.json"), dataset::AGENCY_VSCHEMA)?;
    let socket = mysqld.socket().display();
    let mut text = format!(
        "[listen]\naddress = \"127.0.0.1:{}\"\nhttp = \"127.0.0.1:{}\"\npasswordless_loopback = true\ndrain = \"2s\"\n\n[users.demo]\ngrants = [{{ role = \"admin\" }}]\n\n\
         [keyspaces.flights]\nvschema = \"flights.json\"\n",
        free(options.port, PORT),
        free(options.http_port, HTTP_PORT)
    );
    let mut shard = |keyspace: &str, name: &str, database: &str| {
        text.push_str(&format!(
            "\n[[keyspaces.{keyspace}.shards]]\nname = \"{name}\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{socket}\", user = \"root\" }}\n"
        ));
    };
    for number in 0..options.shards {
        shard("flights", &shard_name(number, options.shards), &database(number));
    }
    shard("agency", "0", "agency_0");
    let text =
        text.replace("\n[[keyspaces.agency", "\n[keyspaces.agency]\nvschema = \"agency.json\"\n\n[[keyspaces.agency");
    let path = vschemas.join("vitrail.toml");
    std::fs::write(&path, text)?;
    Ok(config::load(&path)?)
}

fn port_hint(error: anyhow::Error) -> anyhow::Error {
    error.context("Vitrail did not start (is another demo running? choose others by --port 0 --http-port 0)")
}

/// Steps of the preparation, shown as a spinner on a terminal and as plain lines elsewhere.
pub(crate) struct Steps {
    all: MultiProgress,
    bar: ProgressBar,
    plain: bool,
}

impl Steps {
    fn new() -> Steps {
        let all = MultiProgress::new();
        let plain = all.is_hidden();
        let bar = all.add(ProgressBar::new_spinner());
        bar.enable_steady_tick(Duration::from_millis(100));
        Steps { all, bar, plain }
    }

    /// The next step.
    pub(crate) fn begin(&self, what: &str) {
        if self.plain { say(&format!("{what} …")) } else { self.bar.set_message(format!("{what} …")) }
    }

    /// A bar for `rows` rows.
    pub(crate) fn rows(&self, what: &str, rows: u64) -> ProgressBar {
        if self.plain {
            say(&format!("{what} …"));
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("  {msg:24} {bar:30} {pos:>6}/{len} rows");
        let bar = self.all.add(ProgressBar::new(rows).with_message(what.to_owned()));
        bar.set_style(style.expect("the template is valid"));
        bar
    }

    fn done(&self) {
        self.bar.finish_and_clear();
    }
}
