//! Statements that write on both shards, with a fault at each of their messages: a statement is there on both or on neither, and what its
//! client is told of it, and of its transaction, is true.
//!
//! The short form takes a seeded sample of the places, `VITRAIL_TRIALS=full` all of them.

use std::time::Duration;

use rand::seq::SliceRandom;
use vitrail_client::{Client, Code, Error, Executed, Query, params};
use vitrail_harness::{Flavour, flavours};
use vitrail_trials::chance;
use vitrail_trials::client::{check_error, in_time};
use vitrail_trials::proxy::{Direction, Fault, Kind};
use vitrail_trials::quiet;
use vitrail_trials::rig::{Plan, Rig, SHARDS, account};

/// Of each statement.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long a statement that a crash has hit may take, with all that has to come back.
const LIMIT: Duration = Duration::from_secs(60);
/// Places of the short form, of each flavour.
const SAMPLE: usize = 24;
/// Crashes of the short form, of each flavour: a server that comes back takes a second or two.
const CRASHES: usize = 3;

/// A statement that writes one row on each shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    Insert,
    Update,
    Delete,
    /// In steps: with LIMIT.
    Limited,
    /// In steps: its row goes from the first shard to the second.
    Moved,
    /// In steps: INSERT … SELECT of rows of the other shard each.
    Copied,
}

/// What the statement is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// Nothing: it commits by itself.
    Autocommit,
    /// A transaction that has written on the first shard before, and commits afterwards.
    Transaction,
}

/// One place where one thing goes wrong.
#[derive(Debug, Clone, Copy)]
struct Place {
    write: Write,
    frame: Frame,
    /// Behind whose proxy.
    shard: usize,
    fault: Fault,
}

/// What a client was told.
#[derive(Debug)]
struct Told {
    statement: Result<(), Error>,
    /// Of the transaction around it: of what it wrote before, and of its end.
    frame: Option<(Result<(), Error>, Result<(), Error>)>,
}

impl Told {
    fn errors(&self) -> impl Iterator<Item = &Error> {
        let frame = self.frame.iter().flat_map(|(before, commit)| [before, commit]);
        [&self.statement].into_iter().chain(frame).filter_map(|told| told.as_ref().err())
    }
}

impl Write {
    const ALL: [Write; 6] = [Write::Insert, Write::Update, Write::Delete, Write::Limited, Write::Moved, Write::Copied];

    fn sql(self) -> &'static str {
        match self {
            Write::Insert => {
                "INSERT INTO ledger (account, entry, amount) VALUES (:first, :entry, 1), (:second, :entry, 1)"
            }
            Write::Update => "UPDATE ledger SET amount = amount + 1 WHERE entry = :entry",
            Write::Delete => "DELETE FROM ledger WHERE entry = :entry",
            Write::Limited => "UPDATE journal SET amount = amount + 1 WHERE entry = :entry ORDER BY account LIMIT 10",
            Write::Moved => {
                "UPDATE journal SET account = :second, amount = 1 WHERE entry = :entry AND account = :first"
            }
            Write::Copied => {
                "INSERT INTO journal (account, entry, amount) \
                 SELECT CASE account WHEN :first THEN :second ELSE :first END, :entry, 1 FROM journal WHERE entry = -:entry"
            }
        }
    }

    fn table(self) -> &'static str {
        match self {
            Write::Insert | Write::Update | Write::Delete => "ledger",
            Write::Limited | Write::Moved | Write::Copied => "journal",
        }
    }

    /// Makes the rows that it changes.
    async fn prepare(self, rig: &Rig, entry: i64) {
        let (shards, entry) = match self {
            Write::Insert => return,
            Write::Update | Write::Delete | Write::Limited => (2, entry),
            Write::Moved => (1, entry),
            Write::Copied => (2, -entry),
        };
        for (shard, account) in accounts().into_iter().enumerate().take(shards) {
            let mut connection = rig.shard(shard).await;
            let table = self.table();
            let sql = format!("INSERT INTO {table} (account, entry, amount) VALUES ({account}, {entry}, 0)");
            connection.execute(&sql).await.unwrap();
            connection.quit().await;
        }
    }

    /// Whether it was done on a shard; panics if it was done by halves, or twice.
    async fn is_done(self, rig: &Rig, shard: usize, entry: i64) -> bool {
        let table = self.table();
        let sql = format!("SELECT COUNT(*), COALESCE(SUM(amount), 0) FROM {table} WHERE entry = {entry}");
        let mut connection = rig.shard(shard).await;
        let row = connection.fetch_all(&sql).await.unwrap().remove(0);
        connection.quit().await;
        let cells: Vec<i64> = row.into_iter().map(|cell| cell.unwrap().parse().unwrap()).collect();
        // The row is removed from there, appears there, or is changed there.
        let (before, after) = match (self, shard) {
            (Write::Insert | Write::Copied, _) | (Write::Moved, 1) => ([0, 0], [1, 1]),
            (Write::Delete, _) | (Write::Moved, _) => ([1, 0], [0, 0]),
            (Write::Update | Write::Limited, _) => ([1, 0], [1, 1]),
        };
        match &cells[..] {
            cells if cells == before => false,
            cells if cells == after => true,
            _ => panic!("{self:?} left rows and a sum of {cells:?} on shard {shard}"),
        }
    }
}

/// Nobody else writes on these.
fn accounts() -> [i64; 2] {
    [account(0, 5), account(1, 5)]
}

/// Runs a write as its frame wants it. The entry before it is what its transaction writes first.
async fn run(client: &Client, write: Write, frame: Frame, entry: i64) -> Told {
    let binds = || params! { "first" => accounts()[0], "second" => accounts()[1], "entry" => entry };
    let query = || Query::new(write.sql()).deadline(DEADLINE);
    if frame == Frame::Autocommit {
        let statement = in_time("a write", DEADLINE, client.execute(query(), binds())).await.map(drop);
        return Told { statement, frame: None };
    }
    let mut transaction = client.begin().await.unwrap();
    let before = "INSERT INTO ledger (account, entry, amount) VALUES (:account, :entry, 1)";
    let before = Query::new(before).deadline(DEADLINE);
    let before = transaction.execute(before, params! { "account" => accounts()[0], "entry" => entry - 1 });
    let before = in_time("the first write", DEADLINE, before).await.map(drop);
    let statement = in_time("a write", DEADLINE, transaction.execute(query(), binds())).await.map(drop);
    let commit = in_time("COMMIT", DEADLINE, transaction.commit()).await.map(drop);
    Told { statement, frame: Some((before, commit)) }
}

/// Holds what was told against what is there.
async fn judge(rig: &Rig, place: Place, told: &Told, entry: i64) {
    let done = [place.write.is_done(rig, 0, entry).await, place.write.is_done(rig, 1, entry).await];
    let wrong = |what: &str| panic!("{place:?}: {what}; done: {done:?}, told: {told:?}");
    told.errors().for_each(check_error);
    let Some((before, commit)) = &told.frame else {
        if !fits(&told.statement, done) {
            wrong("the statement is not as it was told");
        }
        return;
    };
    let first = Write::Insert.is_done(rig, 0, entry - 1).await;
    // What failed in a transaction is undone, and whether the rest goes on shows at its end.
    for (told, done, what) in [(before, [first, false], "the first write"), (&told.statement, done, "the statement")] {
        if told.is_err() && done != [false; 2] {
            wrong(&format!("{what} failed in a transaction, and is there"));
        }
    }
    let whole = |written: &Result<(), Error>, done: &[bool]| match commit {
        Ok(()) => done.iter().all(|done| *done == written.is_ok()),
        Err(error) if error.executed() == Executed::No => done.iter().all(|done| !*done),
        Err(_) => true,
    };
    if !whole(before, &[first]) || !whole(&told.statement, &done) {
        wrong("the transaction is not as its end was told");
    }
    if before.is_ok() && told.statement.is_ok() && (first != done[0] || !fits(commit, done)) {
        wrong("a part of the transaction is there that was not told");
    }
}

/// Whether what is there on each shard fits what was told of its commit.
fn fits(told: &Result<(), Error>, done: [bool; 2]) -> bool {
    match told {
        Ok(()) => done == [true; 2],
        Err(error) => match error.executed() {
            Executed::No => done == [false; 2],
            // It says where it was done.
            Executed::Partial => {
                let (_, places) = error.message().split_once("after it was done on ").expect("it says where");
                let (places, _) = places.split_once(": ").expect("a cause follows");
                let is_named =
                    |shard: usize| places.split(", ").any(|place| place == format!("bank:{}", SHARDS[shard]));
                (is_named(0) || is_named(1)) && (0..2).all(|shard| !is_named(shard) || done[shard])
            }
            _ => true,
        },
    }
}

/// All places, from the number of messages that an undisturbed run has on each leg.
async fn places(rig: &mut Rig, client: &Client, kinds: &[Kind], next: &mut i64) -> Vec<Place> {
    let mut places = Vec::new();
    for write in Write::ALL {
        for frame in [Frame::Autocommit, Frame::Transaction] {
            // Once for the connections that are kept, once to count.
            for round in 0..2 {
                *next += 2;
                write.prepare(rig, *next).await;
                rig.settle().await;
                for proxy in &rig.mysql_proxies {
                    proxy.disarm();
                }
                let told = run(client, write, frame, *next).await;
                assert_eq!(told.errors().count(), 0, "{told:?}");
                for (shard, proxy) in rig.mysql_proxies.iter().enumerate().filter(|_| round == 1) {
                    for (direction, count) in [Direction::Up, Direction::Down].into_iter().zip(proxy.messages()) {
                        let faults = (0..count)
                            .flat_map(|at| kinds.iter().map(move |kind| Fault { kind: *kind, direction, at }));
                        places.extend(faults.map(|fault| Place { write, frame, shard, fault }));
                    }
                }
            }
        }
    }
    places
}

/// The places to try: all, or a seeded sample.
fn chosen(mut places: Vec<Place>, sample: usize, seed: u64) -> Vec<Place> {
    let all = places.len();
    places.shuffle(&mut chance::dice(seed, 1));
    if std::env::var("VITRAIL_TRIALS").as_deref() != Ok("full") {
        places.truncate(sample);
    }
    eprintln!("{} places of {all}, seed {seed}", places.len());
    places
}

async fn start(flavour: Flavour) -> (Rig, Client) {
    let rig = super::start(Plan { mysql_proxy: true, pool: 3, transactions: 3, ..Plan::new(flavour) }).await;
    let mut config = rig.client_config();
    // What the client tries again by itself would hide what is tested.
    config.retries = 0;
    let client = Client::connect_with(config).await.unwrap();
    (rig, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_there_on_all_shards_or_on_none() {
    let seed = chance::seed(20_261_126);
    for flavour in flavours() {
        let (mut rig, client) = start(flavour).await;
        let mut entry = 0;
        let kinds = [Kind::Close, Kind::Reset, Kind::Truncate, Kind::Stall];
        let all = places(&mut rig, &client, &kinds, &mut entry).await;
        let mut failed = 0;
        for place in chosen(all, SAMPLE, seed) {
            entry += 2;
            place.write.prepare(&rig, entry).await;
            rig.mysql_proxies[place.shard].arm(place.fault);
            let told = run(&client, place.write, place.frame, entry).await;
            rig.mysql_proxies[place.shard].disarm();
            rig.mysql_proxies[place.shard].sever();
            failed += usize::from(told.errors().next().is_some());
            rig.settle().await;
            judge(&rig, place, &told, entry).await;
        }
        assert!(failed > 0, "{flavour}: no fault was felt");
        eprintln!("{flavour}: {failed} were told of a fault");
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_survives_a_crash_on_all_shards_or_on_none() {
    let seed = chance::seed(20_261_126);
    for flavour in flavours() {
        let (mut rig, client) = start(flavour).await;
        let mut entry = 0;
        let all = places(&mut rig, &client, &[Kind::Stall], &mut entry).await;
        let mut crashes = 0;
        for place in chosen(all, CRASHES, seed) {
            entry += 2;
            place.write.prepare(&rig, entry).await;
            rig.mysql_proxies[place.shard].arm(place.fault);
            let mut running = std::pin::pin!(run(&client, place.write, place.frame, entry));
            let ended = tokio::select! {
                told = &mut running => Some(told),
                () = until_reached(&rig, place) => None,
            };
            let told = match ended {
                Some(told) => told,
                None => {
                    crashes += 1;
                    tokio::join!(running, crash(&rig, place.shard)).0
                }
            };
            rig.mysql_proxies[place.shard].disarm();
            rig.settle().await;
            judge(&rig, place, &told, entry).await;
        }
        assert!(crashes > 0, "{flavour}: no place was reached");
        rig.stop().await;
    }
}

async fn until_reached(rig: &Rig, place: Place) {
    let proxy = &rig.mysql_proxies[place.shard];
    quiet::until("the place is reached", LIMIT, async || (!proxy.has_fired()).then(|| format!("{place:?}"))).await;
}

/// Kills a shard's MySQL, and starts it again.
async fn crash(rig: &Rig, shard: usize) {
    rig.servers[shard].crash().await;
    rig.mysql_proxies[shard].disarm();
    rig.mysql_proxies[shard].sever();
    rig.servers[shard].restart().await;
}

/// An error of one shard undoes the statement on all, and its transaction goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_on_one_shard_undoes_the_statement_on_all() {
    for flavour in flavours() {
        let (rig, client) = start(flavour).await;
        let (first, second) = (account(0, 5), account(1, 5));
        for (number, new) in [account(0, 0) + 100_000, account(1, 0) + 100_000].into_iter().enumerate() {
            // The row of the other shard is there already.
            let there = [second, first][number];
            let sql = format!("INSERT INTO account (id, balance) VALUES ({new}, 1), ({there}, 1)");
            let error = client.execute(sql.as_str(), ()).await.expect_err("a duplicate key");
            assert_eq!((error.errno(), error.executed()), (1062, Executed::No), "{flavour}: {error:?}");
            let mut transaction = client.begin().await.unwrap();
            transaction.execute("UPDATE account SET balance = balance + 1 WHERE id > 0", ()).await.unwrap();
            let error = transaction.execute(sql.as_str(), ()).await.expect_err("a duplicate key");
            assert_ne!(error.code(), &Code::TxLost, "{flavour}: {error:?}");
            transaction.execute("UPDATE account SET balance = balance - 1 WHERE id > 0", ()).await.unwrap();
            transaction.commit().await.unwrap();
            let found: i64 = client
                .query_scalar(format!("SELECT COUNT(*) FROM account WHERE id = {new}").as_str(), ())
                .await
                .unwrap();
            assert_eq!(found, 0, "{flavour}: half of a statement is there");
        }
        assert_eq!(rig.total().await, vitrail_trials::rig::ACCOUNTS * vitrail_trials::rig::BALANCE);
        rig.stop().await;
    }
}
