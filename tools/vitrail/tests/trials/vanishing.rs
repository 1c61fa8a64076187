//! Clients that vanish in the middle of something: nothing of it may stay, in MySQL or in Vitrail.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use vitrail_client::{BeginOptions, Client, Query, Rows, Session, Target, Transaction, params};
use vitrail_harness::flavours;
use vitrail_trials::client::in_time;
use vitrail_trials::proxy::{Direction, Fault, Framing, Kind, Proxy};
use vitrail_trials::quiet;
use vitrail_trials::rig::{self, BALANCE, Plan, Rig, account};

const LIMIT: Duration = Duration::from_secs(30);

/// How a client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    /// It closes its socket (FIN).
    Closing,
    /// Its host says that nobody is there (RST).
    Reset,
}

/// What a client holds while it goes.
enum Holding {
    Task(tokio::task::JoinHandle<()>),
    Transaction(Box<Transaction<'static>>),
    Rows(Box<Rows<'static>>),
    Session(Box<Session>),
}

/// A client behind a proxy, so that its connection can be reset.
struct Guest {
    client: Client,
    proxy: Proxy,
}

impl Guest {
    async fn new(rig: &Rig) -> Guest {
        let proxy = Proxy::to_address(rig.gate.address(), Framing::Vitrail).await;
        let mut config = rig::client_config(&rig::url(proxy.address()));
        config.retries = 0;
        Guest { client: Client::connect_with(config).await.unwrap(), proxy }
    }

    /// Goes, and only then lets go of what it held.
    async fn go(self, how: Going, holding: Holding) {
        match how {
            Going::Closing => self.client.close(),
            Going::Reset => self.proxy.sever(),
        }
        match holding {
            Holding::Task(task) => {
                in_time("what a client waits for ends with its connection", LIMIT, task).await.unwrap()
            }
            Holding::Transaction(transaction) => drop(transaction),
            Holding::Rows(rows) => drop(rows),
            Holding::Session(session) => drop(session),
        }
    }

    /// Runs a statement that takes long, in a task of its own; returns once MySQL runs it.
    async fn start(&self, rig: &Rig, shard: usize, sql: &'static str) -> Holding {
        let client = self.client.clone();
        let id = account(shard, 7);
        let task = tokio::spawn(async move {
            client.execute(Query::new(sql), params! { "id" => id }).await.expect_err("its client vanishes");
        });
        until_running(rig, shard, "SLEEP(100)").await;
        Holding::Task(task)
    }
}

/// Waits until a shard's MySQL runs a statement with this text.
async fn until_running(rig: &Rig, shard: usize, text: &str) {
    until_so_many_run(rig, shard, text, 1).await;
}

/// Waits until a shard's MySQL runs so many statements with this text.
async fn until_so_many_run(rig: &Rig, shard: usize, text: &str, wanted: usize) {
    let mut connection = rig.shard(shard).await;
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info LIKE '%{text}%'"
    );
    quiet::until("MySQL runs the statement", LIMIT, async || {
        let count = connection.fetch_cell(&sql).await.unwrap().unwrap();
        (count.parse::<usize>().unwrap() < wanted).then(|| format!("{count} of {wanted} run"))
    })
    .await;
    connection.quit().await;
}

async fn in_every_shape(trial: impl AsyncFn(&mut Rig, Going)) {
    for flavour in flavours() {
        for apart in [false, true] {
            let mut rig = super::start(Plan { apart, pool: 2, transactions: 3, ..Plan::new(flavour) }).await;
            for how in [Going::Closing, Going::Reset] {
                eprintln!("{flavour}, apart: {apart}, {how:?}");
                trial(&mut rig, how).await;
                rig.settle().await;
                assert_eq!(rig.total().await, rig::ACCOUNTS * BALANCE, "what was not committed is not there");
            }
            rig.stop().await;
        }
    }
}

/// Another client can use what the one that went had locked.
async fn nobody_holds(rig: &Rig, accounts: &[i64]) {
    let client = rig.client().await;
    for id in accounts {
        let query = Query::new("UPDATE account SET balance = balance + 0 WHERE id = :id").deadline(LIMIT);
        in_time("a row that was locked", LIMIT, client.execute(query, params! { "id" => *id })).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_of_a_client_that_vanishes() {
    in_every_shape(async |rig, how| {
        // In the middle of a read, and of a write.
        let guest = Guest::new(rig).await;
        let holding = guest.start(rig, 0, "SELECT SLEEP(100) FROM account WHERE id = :id").await;
        guest.go(how, holding).await;
        rig.settle().await;
        let guest = Guest::new(rig).await;
        let holding = guest.start(rig, 1, "UPDATE account SET balance = balance + 1 + SLEEP(100) WHERE id = :id").await;
        guest.go(how, holding).await;
        rig.settle().await;

        // Of a transaction that has locked rows of both shards.
        let guest = Guest::new(rig).await;
        let locked = [account(0, 3), account(1, 3)];
        let mut transaction = guest.client.begin().await.unwrap();
        for id in locked {
            let sql = "UPDATE account SET balance = balance + 1 WHERE id = :id";
            transaction.execute(sql, params! { "id" => id }).await.unwrap();
        }
        guest.go(how, Holding::Transaction(Box::new(transaction))).await;
        nobody_holds(rig, &locked).await;

        // Of a transaction whose statement runs.
        let guest = Guest::new(rig).await;
        let (client, id) = (guest.client.clone(), locked[1]);
        let task = tokio::spawn(async move {
            let mut transaction = client.begin_with(BeginOptions::default()).await.unwrap();
            let sql = "UPDATE account SET balance = balance + 1 WHERE id = :id";
            transaction.execute(sql, params! { "id" => id }).await.unwrap();
            let sql = "SELECT SLEEP(100) FROM account WHERE id = :id";
            transaction.execute(sql, params! { "id" => id }).await.expect_err("its client vanishes");
        });
        until_running(rig, 1, "SLEEP(100)").await;
        guest.go(how, Holding::Task(task)).await;
        nobody_holds(rig, &locked).await;

        // Of streams that nobody reads, from one shard and from both.
        for last in [2, rig::ACCOUNTS] {
            let guest = Guest::new(rig).await;
            let sql =
                "SELECT a.n, a.padding FROM number a JOIN number b ON a.account = b.account WHERE a.account <= :last";
            let sql = if last == 2 { sql.replace("a.account <= :last", "a.account = :last") } else { sql.to_owned() };
            let query = Query::new(sql).window(1024);
            let mut rows = guest.client.query(query, params! { "last" => last }).await.unwrap();
            rows.next().await.unwrap().expect("there are rows");
            guest.go(how, Holding::Rows(Box::new(rows))).await;
            rig.settle().await;
        }
        nobody_holds(rig, &locked).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_of_a_client_that_vanishes_before_its_statement_ran() {
    in_every_shape(async |rig, how| {
        // In the middle of an upload, for which the server keeps memory free.
        let guest = Guest::new(rig).await;
        guest.proxy.arm(Fault { kind: Kind::Stall, direction: Direction::Up, at: 2 });
        let client = guest.client.clone();
        let task = tokio::spawn(async move {
            let binds = params! { "id" => account(0, 1), "note" => "n".repeat(2_000_000) };
            let sql = "INSERT INTO ledger (account, entry, amount, note) VALUES (:id, 0, 0, :note)";
            client.execute(sql, binds).await.expect_err("its client vanishes");
        });
        quiet::until("the server keeps memory for the upload", LIMIT, async || {
            let kept = rig.gate.metrics().await.sum("request_memory_bytes");
            (kept < 1_000_000).then(|| format!("{kept} bytes"))
        })
        .await;
        guest.go(how, Holding::Task(task)).await;

        // While it waits for a connection to MySQL, which others use.
        let others = Guest::new(rig).await;
        let mut busy = Vec::new();
        for _ in 0..2 {
            busy.push(others.start(rig, 0, "SELECT SLEEP(100) FROM account WHERE id = :id").await);
        }
        until_so_many_run(rig, 0, "SLEEP(100)", 2).await;
        let guest = Guest::new(rig).await;
        let mut waiting = Vec::new();
        for _ in 0..10 {
            let client = guest.client.clone();
            waiting.push(tokio::spawn(async move {
                let sql = "INSERT INTO ledger (account, entry, amount) VALUES (:id, 0, 0)";
                client.execute(sql, params! { "id" => account(0, 1) }).await.expect_err("its client vanishes");
            }));
        }
        let tablet = if rig.tablets.is_empty() { &rig.gate } else { &rig.tablets[0] };
        quiet::until("ten statements wait", LIMIT, async || {
            let waiting = tablet.metrics().await.sum("pool_waiting");
            (waiting != 10).then(|| format!("{waiting} wait"))
        })
        .await;
        let first = waiting.pop().unwrap();
        guest.go(how, Holding::Task(first)).await;
        quiet::until("nobody waits", LIMIT, async || {
            let waiting = tablet.metrics().await.sum("pool_waiting");
            (waiting != 0).then(|| format!("{waiting} wait"))
        })
        .await;
        for task in waiting {
            task.await.unwrap();
        }
        let mut busy = busy.into_iter();
        others.go(how, busy.next().unwrap()).await;
        for holding in busy {
            let Holding::Task(task) = holding else { unreachable!("statements run in tasks") };
            task.await.unwrap();
        }
        rig.settle().await;
        let mut shard = rig.shard(0).await;
        assert_eq!(shard.fetch_cell("SELECT COUNT(*) FROM ledger").await.unwrap().as_deref(), Some("0"));
        shard.quit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_of_a_client_process_that_is_killed() {
    for flavour in flavours() {
        let mut rig = super::start(Plan { pool: 2, transactions: 3, ..Plan::new(flavour) }).await;
        let id = account(1, 9);
        let sleep = format!("SELECT SLEEP(100) FROM account WHERE id = {id}");
        for text in [sleep.clone(), format!("BEGIN; UPDATE account SET balance = balance + 1 WHERE id = {id}; {sleep}")]
        {
            let mut shell = Command::new(super::vitrail())
                .args(["sql", &rig.url(), "-e", &text])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            until_running(&rig, 1, "SLEEP(100)").await;
            shell.kill().await.unwrap();
            rig.settle().await;
            nobody_holds(&rig, &[id]).await;
        }
        assert_eq!(rig.total().await, rig::ACCOUNTS * BALANCE);
        rig.stop().await;
    }
}

/// A session that is pinned to a MySQL connection by a lock gives both back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_goes_with_the_client_that_had_it() {
    in_every_shape(async |rig, how| {
        let guest = Guest::new(rig).await;
        let mut session = guest.client.session();
        session.set_target("bank:-80".parse::<Target>().unwrap()).await.unwrap();
        match session.query_scalar::<i64>("SELECT GET_LOCK('trial', 0)", ()).await {
            Ok(got) => assert_eq!(got, 1),
            // What cannot be had cannot be left behind.
            Err(error) => return assert_eq!(error.code().as_str(), "unsupported", "{error}"),
        }
        guest.go(how, Holding::Session(Box::new(session))).await;
        let mut shard = rig.shard(0).await;
        quiet::until("the lock is free", LIMIT, async || {
            let free = shard.fetch_cell("SELECT IS_FREE_LOCK('trial')").await.unwrap();
            (free.as_deref() != Some("1")).then(|| "it is not".to_owned())
        })
        .await;
        shard.quit().await;
    })
    .await;
}
