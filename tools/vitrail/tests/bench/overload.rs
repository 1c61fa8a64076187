//! More statements than the pool can run: those that are refused know at once, and the others are done as fast as before.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use vitrail_client::{Client, params};
use vitrail_harness::flavours;
use vitrail_trials::goals::overload::Scene;
use vitrail_trials::goals::stage::{MIB, MySql, Vitrail};
use vitrail_trials::goals::tool::Tool;
use vitrail_trials::rig::client_config;

use crate::stage::{VITRAIL, turn_alone};

/// A pool so slow that no machine is in its way: 100 statements a second, of which three times as many are asked for.
fn scene() -> Scene {
    let millis = Duration::from_millis;
    Scene {
        connections: 4,
        takes: millis(40),
        overload: [millis(500), millis(500)],
        rate: 300,
        clients: 2_000,
        per_connection: 100,
        alone: [millis(2_000), millis(500)],
        under: [millis(4_000), millis(3_000)],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_an_overloaded_pool_are_typed_and_quick_and_its_memory_is_bounded() {
    let _turn = turn_alone().await;
    for flavour in flavours() {
        let (scene, tool) = (scene(), Tool { vitrail: Path::new(VITRAIL).to_owned(), quick: true });
        let mysql = MySql::start(flavour).await;
        let vitrail = Vitrail::start(&tool, &mysql, &scene.tables()).await;
        let (seen, asked) = tokio::join!(scene.play(&tool, &vitrail), refused(&vitrail));
        let seen = seen.unwrap_or_else(|error| panic!("{flavour}: {error}"));
        eprintln!("{flavour}: {seen:?}; one by itself was refused after {asked:?}");
        // 200 of 300 are too many.
        assert!(seen.refused > 400.0, "{flavour}: {seen:?}");
        assert!(seen.throttled == 1.0, "{flavour}: {seen:?}");
        // Whoever waits is served after half a second; who is refused does not wait.
        assert!(seen.done_p99 > 400.0 && seen.refused_p99 < 250.0, "{flavour}: {seen:?}");
        assert!(seen.done > 0.75 * seen.most, "{flavour}: {seen:?}");
        // 50 wait at a time, at some 40 KB each. Without a bound there would be 1,400 at the end.
        let grown = (seen.peak - seen.before) as f64 / MIB;
        assert!(grown < 24.0, "{flavour}: {grown} MiB: {seen:?}");
        vitrail.stop().await;
        mysql.stop().await;
    }
}

/// Asks until it is refused, and looks at the error; how long that took.
async fn refused(vitrail: &Vitrail) -> Duration {
    let mut config = client_config(&vitrail.url());
    config.retries = 0;
    let client = Client::connect_with(config).await.unwrap();
    let mut session = client.session();
    let asking = async {
        loop {
            let began = Instant::now();
            if let Err(error) = session.execute("SELECT SLEEP(0.02)", params! {}).await {
                return (error, began.elapsed());
            }
        }
    };
    let (error, took) = timeout(Duration::from_secs(60), asking).await.unwrap();
    assert_eq!((error.code().as_str(), error.errno()), ("throttled", 61_001), "{error}");
    assert!(error.is_retryable(), "{error}");
    // The statement was not sent: there is nothing to be in doubt about.
    assert_eq!(error.executed(), vitrail_client::Executed::No, "{error}");
    took
}
