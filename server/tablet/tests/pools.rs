//! Pools: who waits for whom, who is refused, and what becomes of them when MySQL goes away and comes back.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{KEYSPACE, Subject, Way, call, eventually, serve, statement, subjects};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use vitrail_mysql::{Binaries, Connection, Mysqld, MysqldOptions};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::BeginOptions;
use vitrail_service::QueryService;
use vitrail_service::call::{Call, CallId, Conclusion, On};
use vitrail_service::execution::Part;
use vitrail_tablet::{Tablet, TabletConfig};

/// Far longer than any test.
const SLOW: &str = "SELECT SLEEP(300)";

fn call_of(user: &str) -> Call {
    Call { caller: user.into(), ..call() }
}

/// Runs [`SLOW`] for a user until it is cancelled.
fn keep_busy(subject: &Subject, user: &str) -> (CallId, tokio::task::JoinHandle<()>) {
    let (call, service) = (call_of(user), subject.service.clone());
    let id = call.id;
    let running = tokio::spawn(async move {
        let error =
            support::collect_of(service.execute(call, statement(SLOW, false), On::Pool).await).await.unwrap_err();
        assert_eq!(error.code, Code::Cancelled, "{error}");
    });
    (id, running)
}

#[tokio::test]
async fn a_long_result_leaves_its_place_to_short_ones() {
    leaves_its_place(8 << 10).await;
}

#[tokio::test]
async fn a_result_whose_reader_is_slow_does_so_too() {
    leaves_its_place(1 << 40).await;
}

/// A result that is long from `after` bytes on, whose reader takes its beginning and no more.
async fn leaves_its_place(after: u64) {
    for subject in subjects(|config| {
        config.pool.size = 1;
        config.streams.size = 1;
        config.streams.after = after;
    })
    .await
    {
        subject.run("CREATE TABLE t (a INT PRIMARY KEY)").await;
        subject.run("INSERT INTO t VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)").await;
        // However little arrives at a time, the first row is long enough.
        let sql = "SELECT REPEAT('x', 10000) FROM t a, t b, t c, t d, t e, t f";
        let long = call();
        let id = long.id;
        let mut execution = subject.service.execute(long, statement(sql, false), On::Pool).await.unwrap();
        eventually("the move to the streams", async || subject.tablet.stats().pool.streams == 1).await;
        for _ in 0..3 {
            assert_eq!(subject.run("SELECT 1").await.cell(), "1");
        }
        let stats = subject.tablet.stats().pool;
        assert_eq!((stats.in_use, stats.streams, stats.streams_total), (0, 1, 1), "{}", subject.name);
        subject.service.cancel(id).await;
        while let Ok(Some(part)) = execution.parts.next().await {
            assert!(!matches!(part, Part::End(_)), "it is endless");
        }
        eventually("the end of the stream", async || subject.tablet.stats().pool.streams == 0).await;
        assert!(subject.tablet.stats().pool.idle <= 2);
    }
}

#[tokio::test]
async fn a_user_has_at_most_its_connections() {
    for subject in subjects(|config| config.pool.per_user = 2).await {
        let busy = [keep_busy(&subject, "greedy"), keep_busy(&subject, "greedy")];
        eventually("two that run", async || subject.tablet.stats().pool.in_use == 2).await;
        let third = Call { deadline: Some(Instant::now() + Duration::from_millis(300)), ..call_of("greedy") };
        let error = subject.ask(third, statement("SELECT 1", false), On::Pool).await.unwrap_err();
        assert_eq!(error.code, Code::Deadline, "{}: {error}", subject.name);
        for _ in 0..3 {
            subject.ask(call_of("modest"), statement("SELECT 1", false), On::Pool).await.unwrap();
        }
        for (id, running) in busy {
            subject.service.cancel(id).await;
            running.await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_newest_are_refused_while_others_wait_too_long() {
    for subject in subjects(|config| {
        config.pool.size = 1;
        config.overload.target = Duration::from_millis(100);
        config.overload.interval = Duration::from_millis(100);
    })
    .await
    {
        let (id, busy) = keep_busy(&subject, "anna");
        eventually("one that runs", async || subject.tablet.stats().pool.in_use == 1).await;
        let waiting = tokio::spawn({
            let service = subject.service.clone();
            async move {
                support::collect_of(service.execute(call_of("anna"), statement("SELECT 1", false), On::Pool).await)
                    .await
            }
        });
        eventually("a long delay", async || subject.tablet.stats().pool.delay > Duration::from_millis(300)).await;
        let error = subject.ask(call_of("anna"), statement("SELECT 2", false), On::Pool).await.unwrap_err();
        assert_eq!((error.code.clone(), error.errno, error.retryable), (Code::Throttled, 61001, true), "{error}");
        assert!(error.retry_after_ms.is_some_and(|millis| millis >= 300), "{error}");
        assert_eq!(subject.tablet.stats().pool.shed_total, 1);
        // Whoever waits is served, and so is whoever comes later.
        subject.service.cancel(id).await;
        busy.await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().cell(), "1");
        subject.ask(call_of("anna"), statement("SELECT 3", false), On::Pool).await.unwrap();
    }
}

/// A MySQL in a directory of its own, so that it can come back where it was.
struct Home {
    _directory: tempfile::TempDir,
    options: MysqldOptions,
    mysqld: Option<Mysqld>,
}

impl Home {
    async fn new(flavour: vitrail_harness::Flavour) -> Home {
        let directory = tempfile::tempdir().unwrap();
        let options = MysqldOptions {
            data: Some(directory.path().join("data")),
            ..MysqldOptions::new(Binaries::find(flavour).await.unwrap())
        };
        let mut home = Home { _directory: directory, options, mysqld: None };
        home.start().await;
        let mut root = Connection::connect(&home.mysqld.as_ref().unwrap().connect_options()).await.unwrap();
        root.execute("CREATE DATABASE vt_shop").await.unwrap();
        root.execute("CREATE TABLE vt_shop.t (id INT PRIMARY KEY)").await.unwrap();
        home
    }

    async fn start(&mut self) {
        self.mysqld = Some(Mysqld::start(&self.options).await.unwrap());
    }

    async fn kill(&mut self) {
        self.mysqld.take().unwrap().kill().await.unwrap();
    }

    async fn signal(&self, signal: &str) {
        let id = self.mysqld.as_ref().unwrap().process_id().to_string();
        let status = tokio::process::Command::new("kill").args([signal, &id]).status().await.unwrap();
        assert!(status.success());
        if signal == "-STOP" {
            // Each of its threads stops when it next runs, and until then one may answer.
            eventually("the stop", async || all_threads_are_stopped(&id)).await;
        }
    }

    async fn tablet(&self, tune: impl Fn(&mut TabletConfig)) -> Arc<Tablet> {
        let mut config =
            TabletConfig { keyspace: KEYSPACE.into(), database: "vt_shop".into(), ..TabletConfig::default() };
        config.mysql.socket = Some(self.mysqld.as_ref().unwrap().socket().to_owned());
        config.mysql.user = "root".into();
        tune(&mut config);
        Tablet::start(config).await.unwrap()
    }
}

async fn ask(service: &Arc<dyn QueryService>, call: Call, sql: &str, on: On) -> Result<support::Answer, ErrorBody> {
    support::collect_of(service.execute(call, statement(sql, true), on).await).await
}

/// Statements of every kind, each the first on a connection that MySQL may have closed meanwhile.
async fn use_every_pool(service: &Arc<dyn QueryService>, name: &str) {
    let settings = support::call_with(&[("sql_mode", "''"), ("time_zone", "'+01:00'")], false);
    let set = ask(service, settings, "SELECT @@time_zone", On::Pool).await;
    assert_eq!(set.unwrap_or_else(|error| panic!("{name}: {error}")).cell(), "+01:00");
    let begun = ask(service, call(), "DELETE FROM t", On::Begin(BeginOptions::default())).await;
    let connection = begun.unwrap_or_else(|error| panic!("{name}: {error}")).connection.unwrap();
    service.conclude(call(), connection, Conclusion::Commit).await.unwrap();
    let reserved = ask(service, call(), "SET @a = 1", On::Reserve).await;
    let connection = reserved.unwrap_or_else(|error| panic!("{name}: {error}")).connection.unwrap();
    service.release(connection).await;
}

#[tokio::test]
async fn a_killed_mysql_is_used_again_when_it_is_back() {
    for flavour in vitrail_harness::flavours() {
        let mut home = Home::new(flavour).await;
        let tablet = home.tablet(|_| {}).await;
        for way in [Way::Direct, Way::Remote] {
            let name = format!("{flavour} {way:?}");
            let (service, _listener) = serve(&tablet, way).await;
            // Several idle connections in each pool.
            let mut warming = JoinSet::new();
            for _ in 0..3 {
                let service = service.clone();
                warming.spawn(async move {
                    ask(&service, call(), "SELECT SLEEP(0.2)", On::Pool).await.unwrap();
                    let begun = ask(&service, call(), "SELECT SLEEP(0.2)", On::Begin(BeginOptions::default())).await;
                    service.conclude(call(), begun.unwrap().connection.unwrap(), Conclusion::Commit).await.unwrap();
                });
            }
            warming.join_all().await;
            let stats = tablet.stats();
            assert!(stats.pool.idle >= 2 && stats.held_pool.idle >= 2, "{name}: {stats:?}");

            // Back before a statement has noticed: none does. On a slow machine the watch over its health may have been quicker.
            home.kill().await;
            home.start().await;
            eventually("health", async || tablet.info().healthy).await;
            use_every_pool(&service, &name).await;

            // Gone: whoever comes is told so, and nobody waits for it.
            home.kill().await;
            let mut callers = JoinSet::new();
            for number in 0..1_000 {
                let service = service.clone();
                let on = if number % 2 == 0 { On::Pool } else { On::Begin(BeginOptions::default()) };
                callers.spawn(async move { ask(&service, call(), "SELECT 1", on).await.unwrap_err() });
            }
            let told = timeout(Duration::from_secs(30), callers.join_all()).await.expect("everybody is answered");
            for error in told {
                assert_eq!((error.code.clone(), error.retryable), (Code::Unavailable, true), "{name}: {error}");
            }
            assert!(!tablet.info().healthy);

            // Back: it is found by itself.
            home.start().await;
            eventually("health", async || tablet.info().healthy).await;
            use_every_pool(&service, &name).await;
            assert_eq!(tablet.stats().pool.in_use + tablet.stats().held_pool.in_use, 0, "{name}");
        }
        tablet.close().await;
    }
}

fn all_threads_are_stopped(process: &str) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    // One that has ended meanwhile answers nobody.
    let states = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    states.into_iter().all(|stat| stat.rsplit_once(") ").unwrap().1.starts_with('T'))
}

#[tokio::test]
async fn a_stopped_mysql_keeps_nobody_waiting_for_ever() {
    for flavour in vitrail_harness::flavours() {
        let home = Home::new(flavour).await;
        let tablet = home
            .tablet(|config| {
                config.pool.size = 4;
                config.mysql.connect_timeout = Duration::from_millis(500);
                config.limits.kill_grace = Duration::from_millis(500);
                config.overload.target = Duration::from_millis(100);
                config.overload.interval = Duration::from_millis(100);
            })
            .await;
        let service: Arc<dyn QueryService> = tablet.clone();
        ask(&service, call(), "SELECT 1", On::Pool).await.unwrap();
        home.signal("-STOP").await;
        let mut callers = JoinSet::new();
        for _ in 0..200 {
            let service = service.clone();
            callers.spawn(async move {
                let call = Call { deadline: Some(Instant::now() + Duration::from_secs(1)), ..call() };
                ask(&service, call, "SELECT 1", On::Pool).await.unwrap_err()
            });
        }
        let told = timeout(Duration::from_secs(30), callers.join_all()).await.expect("everybody is answered");
        for error in &told {
            let known = [Code::Deadline, Code::Unavailable, Code::Throttled, Code::OutcomeUnknown];
            assert!(known.contains(&error.code), "{flavour}: {error}");
        }
        home.signal("-CONT").await;
        // Each pool finds it by itself, in its own time.
        eventually("an answer", async || ask(&service, call(), "SELECT 1", On::Pool).await.is_ok()).await;
        eventually("a transaction", async || {
            let Ok(begun) = ask(&service, call(), "SELECT 1", On::Begin(BeginOptions::default())).await else {
                return false;
            };
            service.conclude(call(), begun.connection.unwrap(), Conclusion::Commit).await.is_ok()
        })
        .await;
        use_every_pool(&service, flavour.as_str()).await;
        tablet.close().await;
    }
}
