//! Server processes: started, stopped, restarted, and gone with whoever started them.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, interval, timeout};
use vitrail_harness::flavours;
use vitrail_mysql::mysqld::Port;
use vitrail_mysql::{Address, Binaries, Connection, Error, Flavour, Mysqld, MysqldOptions, Version};

/// Waits until `gone` holds.
async fn until(what: &str, gone: impl Fn() -> bool) {
    let mut tick = interval(Duration::from_millis(10));
    let waited = timeout(Duration::from_secs(20), async {
        while !gone() {
            tick.tick().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

fn runs(process: u32) -> bool {
    // A process that has ended and was not waited for is still listed, with nothing mapped.
    std::fs::read_to_string(format!("/proc/{process}/maps")).is_ok_and(|maps| !maps.is_empty())
}

#[tokio::test]
async fn data_survives_a_stop_in_order_and_a_kill_of_a_durable_server() {
    for flavour in flavours() {
        let folder = tempfile::tempdir().unwrap();
        // Deeper than a socket's path may be.
        let data = folder.path().join("d".repeat(100)).join("data");
        let mut options = MysqldOptions::new(Binaries::find(flavour).await.unwrap());
        options.data = Some(data.clone());
        options.durable = true;

        let server = Mysqld::start(&options).await.unwrap();
        assert!(!server.socket().starts_with(folder.path()), "the path is too long for a socket");
        let mut root = Connection::connect(&server.connect_options()).await.unwrap();
        assert_eq!(root.flavour(), flavour);
        assert_eq!(root.fetch_cell("SELECT @@skip_networking").await.unwrap().as_deref(), Some("1"));
        root.execute("CREATE DATABASE kept").await.unwrap();
        root.execute("CREATE TABLE kept.t (id INT PRIMARY KEY) ENGINE=InnoDB").await.unwrap();
        root.execute("INSERT INTO kept.t VALUES (1)").await.unwrap();
        let process = server.process_id();
        server.stop(Duration::from_secs(30)).await.unwrap();
        assert!(!runs(process));
        assert!(root.ping().await.is_err());

        let mut server = Mysqld::start(&options).await.unwrap();
        assert!(server.is_running());
        let mut root = Connection::connect(&server.connect_options()).await.unwrap();
        root.execute("INSERT INTO kept.t VALUES (2)").await.unwrap();
        server.kill().await.unwrap();

        let server = Mysqld::start(&options).await.unwrap();
        let mut root = Connection::connect(&server.connect_options()).await.unwrap();
        let count = root.fetch_cell("SELECT COUNT(*) FROM kept.t").await.unwrap();
        assert_eq!(count.as_deref(), Some("2"));
        let process = server.process_id();
        drop(server);
        until("a dropped server is gone", || !runs(process)).await;
        assert!(data.join("mysql").is_dir(), "a folder that was given is kept");
    }
}

#[tokio::test]
async fn a_second_start_is_quick_and_its_own() {
    for flavour in flavours() {
        let mut options = MysqldOptions::new(Binaries::find(flavour).await.unwrap());
        options.port = Port::Free;
        let first = Mysqld::start(&options).await.unwrap();
        let start = Instant::now();
        let second = Mysqld::start(&options).await.unwrap();
        let took = start.elapsed();
        assert!(took < Duration::from_secs(15), "{took:?}");
        assert_ne!(first.port(), second.port());
        // Anonymous accounts would shadow those of any host.
        for server in [&first, &second] {
            let mut root = Connection::connect(&server.connect_options()).await.unwrap();
            assert_eq!(
                root.fetch_cell("SELECT COUNT(*) FROM mysql.user WHERE user = ''").await.unwrap().as_deref(),
                Some("0")
            );
            root.execute("CREATE USER u@'%' IDENTIFIED BY 'p'").await.unwrap();
            let mut options = server.connect_options().with_password("p");
            options.address = Address::tcp("127.0.0.1", server.port().unwrap());
            options.user = "u".into();
            let mut user = Connection::connect(&options).await.unwrap();
            assert_eq!(user.fetch_cell("SELECT CURRENT_USER()").await.unwrap().as_deref(), Some("u@%"));
        }
        if flavour == Flavour::MySql {
            let mut identities = Vec::new();
            for server in [&first, &second] {
                let mut root = Connection::connect(&server.connect_options()).await.unwrap();
                identities.push(root.fetch_cell("SELECT @@server_uuid").await.unwrap());
            }
            assert_ne!(identities[0], identities[1]);
        }
        let data = first.data().to_owned();
        first.kill().await.unwrap();
        assert!(!data.exists(), "temporary data goes with its server");
    }
}

/// A server that starts removes what looks like a temporary table from its temporary directory.
#[tokio::test]
async fn a_start_leaves_other_servers_their_temporary_tables() {
    for flavour in flavours() {
        let options = MysqldOptions::new(Binaries::find(flavour).await.unwrap());
        let server = Mysqld::start(&options).await.unwrap();
        let mut root = Connection::connect(&server.connect_options()).await.unwrap();
        let directory = root.fetch_cell("SELECT @@tmpdir").await.unwrap().unwrap();
        let table = Path::new(&directory).join("#sql-temptable-1-2-3.MAI");
        std::fs::write(&table, "in use").unwrap();
        let other = Mysqld::start(&options).await.unwrap();
        assert!(table.exists(), "{flavour}: {}", table.display());
        other.kill().await.unwrap();

        assert!(table.starts_with(server.data()), "{flavour}: {}", table.display());
        let seen =
            root.fetch_cell("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name LIKE '%tmp%'").await;
        assert_eq!(seen.unwrap().as_deref(), Some("0"), "{flavour}: its directory is no database");
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    for flavour in flavours() {
        let mut options = MysqldOptions::new(Binaries::find(flavour).await.unwrap());
        options.arguments.push("--no-such-option-at-all".into());
        let start = Instant::now();
        let error = Mysqld::start(&options).await.unwrap_err();
        assert!(matches!(&error, Error::Mysqld(text) if text.contains("no-such-option-at-all")), "{error}");
        assert!(start.elapsed() < Duration::from_secs(30), "its end is noticed at once");

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("letter.txt"), "not a database").unwrap();
        let mut options = MysqldOptions::new(Binaries::find(flavour).await.unwrap());
        options.data = Some(folder.path().to_owned());
        let error = Mysqld::start(&options).await.unwrap_err();
        assert!(matches!(&error, Error::Mysqld(text) if text.contains("neither empty nor")), "{error}");
    }
}

#[tokio::test]
async fn a_server_is_of_the_version_that_is_wanted_if_there_is_one() {
    for flavour in flavours() {
        let installed = Binaries::find(flavour).await.unwrap();
        assert_eq!(Binaries::find_version(flavour, installed.version()).await.unwrap(), installed);
        let other = Binaries::find_version(flavour, Version::new(1, 2, 3)).await.unwrap();
        assert_eq!((other.flavour(), other), (flavour, installed));
    }
}

#[tokio::test]
async fn a_bounded_server_lies_where_it_is_told_and_says_that_it_is_full() {
    for flavour in flavours() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = MysqldOptions::new(Binaries::find(flavour).await.unwrap());
        options.temporary = Some(folder.path().to_owned());
        options.max_file = Some(128 << 20);
        let mut server = Mysqld::start(&options).await.unwrap();
        assert!(server.data().starts_with(folder.path().canonicalize().unwrap()), "{}", server.data().display());
        let mut root = Connection::connect(&server.connect_options()).await.unwrap();
        root.execute("CREATE DATABASE d").await.unwrap();
        let (column, value) = match flavour {
            Flavour::MySql => ("LONGTEXT", "REPEAT('x', 8 << 20)"),
            // A full disk while it undoes such a row is the end of MariaDB.
            Flavour::MariaDb => ("VARCHAR(4000)", "REPEAT('x', 4000)"),
        };
        root.execute(&format!("CREATE TEMPORARY TABLE d.t (s {column}) ENGINE=InnoDB CHARSET latin1")).await.unwrap();
        root.execute("CREATE TEMPORARY TABLE d.u LIKE d.t").await.unwrap();
        root.execute(&format!("INSERT INTO d.t VALUES ({value})")).await.unwrap();
        let full = async {
            for _ in 0..12 {
                root.execute("INSERT INTO d.u SELECT * FROM d.t").await?;
                root.execute("INSERT INTO d.t SELECT * FROM d.u").await?;
            }
            Ok::<_, Error>(())
        };
        let error = full.await.unwrap_err();
        assert!(matches!(&error, Error::Server(error) if error.errno == 1114), "{error}");
        assert_eq!(root.fetch_cell("SELECT COUNT(*) > 1 FROM d.t").await.unwrap().as_deref(), Some("1"));

        root.execute("SHUTDOWN").await.unwrap();
        timeout(Duration::from_secs(60), server.ended()).await.expect("whoever waits hears of the end");
        assert!(!server.is_running());
        drop(server);
        until("its data is gone", || std::fs::read_dir(folder.path()).unwrap().next().is_none()).await;
    }
}

/// Started by the test below as a process of its own; does nothing by itself.
#[tokio::test]
#[ignore = "the other half of a_server_ends_with_a_process_that_is_killed"]
async fn start_a_server_and_wait_to_be_killed() {
    let flavour = flavours()[0];
    let server = Mysqld::start(&MysqldOptions::new(Binaries::find(flavour).await.unwrap())).await.unwrap();
    println!("server {} {}", server.process_id(), server.data().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_server_ends_with_a_process_that_is_killed() {
    for flavour in flavours() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "start_a_server_and_wait_to_be_killed", "--ignored", "--nocapture"])
            .env("VITRAIL_FLAVOURS", flavour.as_str())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (process, data) = loop {
            let line = lines.next_line().await.unwrap().expect("the child tells of its server");
            if let Some((_, rest)) = line.split_once("server ")
                && let Some((process, data)) = rest.split_once(' ')
            {
                break (process.parse::<u32>().unwrap(), data.to_owned());
            }
        };
        assert!(runs(process) && Path::new(&data).is_dir());
        child.kill().await.unwrap();
        until("the server is gone", || !runs(process)).await;
        until("its temporary data is gone", || !Path::new(&data).exists()).await;
    }
}
