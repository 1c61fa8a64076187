//! Readers that do not read: they cost no memory beyond their credit, and delay nobody.

use std::time::Duration;

use vitrail_client::{Client, Query, Rows, Share, params};
use vitrail_harness::flavours;
use vitrail_trials::client::in_time;
use vitrail_trials::proxy::{Direction, Fault, Framing, Kind, Proxy};
use vitrail_trials::quiet;
use vitrail_trials::rig::{self, Plan, Rig, account};

/// Streams that nobody reads; the pools have room for two statements more.
const STREAMS: usize = 6;
/// About 24 MB from each shard.
const LARGE: &str = "SELECT a.n, a.padding FROM number a JOIN number b ON a.account = b.account";
/// What all streams together may cost: each some batches of 32 KiB in the gate, in the tablet and in the sockets between.
const MEMORY: u64 = 32 << 20;

const DEADLINE: Duration = Duration::from_secs(10);

/// Statements that go on beside the streams.
async fn goes_on(client: &Client) {
    let mut session = client.session();
    for number in 0..50 {
        let query = Query::new("SELECT id FROM account WHERE id = :id").deadline(DEADLINE);
        let id = account(number % 2, number as i64);
        let found = in_time(
            "a read beside a stalled one",
            DEADLINE,
            session.query_scalar::<i64>(query, params! { "id" => id }),
        )
        .await;
        assert_eq!(found.unwrap(), id);
    }
}

fn memory(rig: &mut Rig) -> u64 {
    rig.gate.memory()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_grants_no_credit_costs_no_memory_and_delays_nobody() {
    for flavour in flavours() {
        let mut rig = super::start(Plan { pool: STREAMS + 2, ..Plan::new(flavour) }).await;
        let client = rig.client().await;
        goes_on(&client).await;
        let before = memory(&mut rig);
        let mut streams: Vec<Rows<'static>> = Vec::new();
        for _ in 0..STREAMS {
            let mut rows = client.query(Query::new(LARGE).window(64 << 10), ()).await.unwrap();
            rows.next().await.unwrap().expect("there are rows");
            streams.push(rows);
        }
        // On the same connection, and on another one.
        goes_on(&client).await;
        goes_on(&rig.client().await).await;
        let grown = memory(&mut rig).saturating_sub(before);
        eprintln!("{flavour}: {STREAMS} streams without credit cost {} KiB", grown >> 10);
        assert!(grown < MEMORY, "{grown} bytes");
        // They were only waiting.
        let mut rows = streams.pop().unwrap();
        for _ in 0..10_000 {
            rows.next().await.unwrap().expect("there are more rows");
        }
        drop((rows, streams));
        rig.settle().await;
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_nothing_at_all_costs_no_memory_and_delays_no_other_connection() {
    let flavour = flavours()[0];
    let mut rig = super::start(Plan { pool: STREAMS + 2, ..Plan::new(flavour) }).await;
    let others = rig.client().await;
    goes_on(&others).await;
    let before = memory(&mut rig);
    let proxy = Proxy::to_address(rig.gate.address(), Framing::Vitrail).await;
    let client = Client::connect_with(rig::client_config(&rig::url(proxy.address()))).await.unwrap();
    proxy.arm(Fault { kind: Kind::Stall, direction: Direction::Down, at: 1 });
    let mut waiting = Vec::new();
    for _ in 0..STREAMS {
        let client = client.clone();
        waiting.push(tokio::spawn(async move {
            // Credit for all of it, and an execution of its own: only the socket holds it back.
            let query = Query::new(LARGE).window(128 << 20).share(Share::Off);
            let mut rows = client.query(query, ()).await?;
            while rows.next().await?.is_some() {}
            Ok::<_, vitrail_client::Error>(())
        }));
    }
    quiet::until("all streams run", DEADLINE, async || {
        let metrics = rig.gate.metrics().await;
        let busy = metrics.sum("pool_in_use") + metrics.sum("pool_streams");
        (busy < STREAMS as u64).then(|| format!("{busy} connections are in use"))
    })
    .await;
    goes_on(&others).await;
    let grown = memory(&mut rig).saturating_sub(before);
    eprintln!("{flavour}: {STREAMS} streams over a socket that is not read cost {} KiB", grown >> 10);
    assert!(grown < MEMORY, "{grown} bytes");
    proxy.sever();
    for task in waiting {
        task.await.unwrap().expect_err("its connection is gone");
    }
    rig.settle().await;
    rig.stop().await;
}

/// Neither the client nor the network takes anything more: the server that waits for the network heeds no KILL QUERY.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_result_that_nothing_takes_does_not_stay_in_mysql() {
    for flavour in flavours() {
        let mut rig = super::start(Plan { mysql_proxy: true, ..Plan::new(flavour) }).await;
        let client = rig.client().await;
        goes_on(&client).await;
        rig.mysql_proxies[0].arm(Fault { kind: Kind::Stall, direction: Direction::Down, at: 8_000 });
        let deadline = Duration::from_secs(2);
        let query = Query::new(LARGE).window(64 << 10).deadline(deadline);
        let mut rows = in_time("a long result", deadline, client.query(query, ())).await.unwrap();
        // Nothing is read until the deadline has passed.
        in_time("the network stands still", deadline, async {
            while rig.mysql_proxies[0].messages()[1] <= 8_000 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        tokio::time::sleep(deadline).await;
        let end = async {
            loop {
                match rows.next().await {
                    Ok(Some(_)) => {}
                    ended => break ended.map(drop),
                }
            }
        };
        let error = in_time("its end", DEADLINE, end).await.unwrap_err();
        assert_eq!(error.code().as_str(), "deadline", "{error:?}");
        drop(rows);
        rig.settle().await;
        rig.mysql_proxies[0].disarm();
        goes_on(&client).await;
        rig.settle().await;
        rig.stop().await;
    }
}
