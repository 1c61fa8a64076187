//! What the clients of a soak do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::{sleep, timeout};
use vitrail_client::{Client, Code, Error, Executed, Query, Session, Share, params};

use super::{DEADLINE, World};
use crate::client::{check_error, in_time, write_all, write_one};
use crate::rig::{self, ACCOUNTS, NUMBERS, account};

fn config(world: &World) -> vitrail_client::ClientConfig {
    let mut config = rig::client_config(&rig::url(world.front.address()));
    config.connect_timeout = DEADLINE;
    config.query_timeout = Some(DEADLINE);
    config
}

pub(super) fn client(world: &World) -> Client {
    Client::lazy(config(world)).expect("the configuration is right")
}

/// One client, which does something else all the time.
pub(super) struct Worker {
    pub(super) world: Arc<World>,
    /// One that others use as well, and one of its own.
    pub(super) clients: [Client; 2],
    pub(super) number: u64,
    pub(super) dice: StdRng,
}

impl Worker {
    pub(super) async fn work(mut self) {
        let world = self.world.clone();
        while !world.stop.load(Ordering::Relaxed) {
            let _going_on = world.under_way.read().await;
            match self.act().await {
                Ok(()) => world.good.fetch_add(1, Ordering::Relaxed),
                Err(error) if *error.code() == Code::Unsupported => world.unsupported.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    check_error(&error);
                    world.bad.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
    }

    async fn act(&mut self) -> Result<(), Error> {
        let client = self.clients[self.dice.random_range(0..2)].clone();
        let mine = account(self.dice.random_range(0..2), self.dice.random_range(0..ACCOUNTS));
        let mut session = client.session();
        match self.dice.random_range(0..100) {
            0..25 => {
                let sql = "SELECT id FROM account WHERE id = :id";
                let found =
                    in_time("a read", DEADLINE, session.query_scalar::<i64>(sql, params! { "id" => mine })).await?;
                assert_eq!(found, mine);
                Ok(())
            }
            25..45 => write_one(&mut session, &self.world.ledger, mine, DEADLINE).await,
            45..58 => {
                let both = [account(0, self.number as i64), account(1, self.number as i64)];
                write_all(&client, &self.world.ledger, &both, DEADLINE).await
            }
            58..72 => self.transfer(&mut session).await,
            72..77 => self.stream(&client).await,
            77..81 => self.stop(&mut session, mine).await,
            81..84 => settings(&mut session, mine).await,
            84..87 => variable(&mut session, mine, self.dice.random_range(0..1_000_000)).await,
            87..89 => prepared(&mut session, mine).await,
            89..91 => lock(&mut session, self.number).await,
            91..93 => temporary(&mut session, self.dice.random_range(0..1_000)).await,
            93..95 => shared(&mut session).await,
            95..97 => kill(&client).await,
            _ => self.vanish(mine).await,
        }
    }

    /// Within one shard, whose MySQL alone makes it atomic: no trouble may make or lose money.
    async fn transfer(&mut self, session: &mut Session) -> Result<(), Error> {
        let shard = self.dice.random_range(0..2);
        let mut pair = [0, 1].map(|_| account(shard, self.dice.random_range(0..ACCOUNTS)));
        pair.sort_unstable();
        let moving = async {
            let mut transaction = session.begin().await?;
            for (id, amount) in pair.into_iter().zip([-1, 1]) {
                let sql = "UPDATE account SET balance = balance + :amount WHERE id = :id";
                transaction.execute(sql, params! { "amount" => amount, "id" => id }).await?;
            }
            transaction.commit().await.map(drop)
        };
        in_time("a transfer", DEADLINE * 4, moving).await
    }

    /// All of it, or the beginning.
    async fn stream(&mut self, client: &Client) -> Result<(), Error> {
        let last = self.dice.random_range(1..=ACCOUNTS);
        let whole = self.dice.random_bool(0.5);
        let query = Query::new("SELECT n, padding FROM number WHERE account <= :last")
            .window(self.dice.random_range(1_000..300_000));
        let streaming = async {
            let mut rows = client.query(query, params! { "last" => last }).await?;
            if !whole {
                return rows.next().await.map(drop);
            }
            let mut sum = 0;
            while let Some(row) = rows.next().await? {
                sum += row.get::<i64>(0)?;
            }
            assert_eq!(sum, last * NUMBERS * (NUMBERS + 1) / 2, "rows are missing or there twice");
            Ok(())
        };
        in_time("a stream", DEADLINE, streaming).await
    }

    /// A statement that would take long is cancelled, or runs into its deadline.
    async fn stop(&mut self, session: &mut Session, mine: i64) -> Result<(), Error> {
        let query = Query::new("SELECT SLEEP(30) FROM account WHERE id = :id").deadline(Duration::from_millis(300));
        let cancel = session.cancel_handle();
        let early = self.dice.random_bool(0.5);
        let cancelling = async {
            sleep(Duration::from_millis(100)).await;
            if early {
                cancel.cancel();
            }
        };
        let running = session.query_all(query, params! { "id" => mine });
        let (answer, ()) =
            in_time("a statement that is stopped", DEADLINE, async { tokio::join!(running, cancelling) }).await;
        match answer {
            Err(error) if matches!(*error.code(), Code::Cancelled | Code::Deadline) => {
                assert_eq!(error.executed(), Executed::No, "{error:?}");
                Ok(())
            }
            Err(error) => Err(error),
            // A server that ends in order wakes its sleepers, who say so.
            Ok(rows) => {
                let woken = rows.first().map(|row| row.get::<i64>(0));
                assert!(matches!(woken, Some(Ok(1))), "30 seconds of sleep are over: {woken:?}");
                Ok(())
            }
        }
    }

    /// A client that goes in the middle of a transaction or of a statement.
    async fn vanish(&mut self, mine: i64) -> Result<(), Error> {
        let client = Client::connect_with(config(&self.world)).await?;
        let sleeping = self.dice.random_bool(0.5);
        let outcome = async {
            let mut transaction = client.begin().await?;
            let sql = "UPDATE account SET balance = balance + 1 WHERE id = :id";
            transaction.execute(sql, params! { "id" => mine }).await?;
            if sleeping {
                let sql = "SELECT SLEEP(30) FROM account WHERE id = :id";
                let asleep = transaction.query_all(sql, params! { "id" => mine });
                let _ = timeout(Duration::from_millis(50), asleep).await;
            }
            client.close();
            Ok(())
        };
        in_time("a client that vanishes", DEADLINE * 3, outcome).await
    }
}

/// A setting is the session's own, however its connection is shared.
async fn settings(session: &mut Session, mine: i64) -> Result<(), Error> {
    let setting = async {
        session.execute("SET time_zone = '+05:30'", ()).await?;
        let sql = "SELECT DATE_FORMAT(FROM_UNIXTIME(0), '%H:%i') FROM account WHERE id = :id";
        session.query_scalar::<String>(sql, params! { "id" => mine }).await
    };
    let found = in_time("a setting", DEADLINE * 2, setting).await?;
    assert_eq!(found, "05:30", "another session's time zone");
    Ok(())
}

/// A user variable has its value, or the session says that it is lost.
async fn variable(session: &mut Session, mine: i64, value: i64) -> Result<(), Error> {
    let using = async {
        session.execute(format!("SET @mark = {value}"), ()).await?;
        let sql = "SELECT @mark + 0 FROM account WHERE id = :id";
        session.query_scalar::<Option<i64>>(sql, params! { "id" => mine }).await
    };
    let found = in_time("a user variable", DEADLINE * 2, using).await?;
    assert_eq!(found, Some(value), "a user variable without its value");
    Ok(())
}

/// A prepared statement runs with what its variable has.
async fn prepared(session: &mut Session, mine: i64) -> Result<(), Error> {
    let running = async {
        session.execute("PREPARE one FROM 'SELECT id FROM account WHERE id = ?'", ()).await?;
        session.execute(format!("SET @id = {mine}"), ()).await?;
        session.query_scalar::<i64>("EXECUTE one USING @id", ()).await
    };
    assert_eq!(in_time("a prepared statement", DEADLINE * 3, running).await?, mine);
    Ok(())
}

/// A temporary table is there for as long as its session is told that it is.
async fn temporary(session: &mut Session, value: i64) -> Result<(), Error> {
    let using = async {
        session.set_target("bank:-80".parse().expect("it is a target")).await?;
        session.execute("CREATE TEMPORARY TABLE mine (value BIGINT)", ()).await?;
        session.execute(format!("INSERT INTO mine VALUES ({value})"), ()).await?;
        let found = session.query_scalar::<i64>("SELECT value FROM mine", ()).await?;
        session.execute("DROP TEMPORARY TABLE mine", ()).await?;
        Ok::<_, Error>(found)
    };
    assert_eq!(in_time("a temporary table", DEADLINE * 5, using).await?, value, "another session's table");
    Ok(())
}

/// Many ask the same at once, and may share one answer.
async fn shared(session: &mut Session) -> Result<(), Error> {
    let query = Query::new("SELECT COUNT(*) FROM number").share(Share::Next);
    let found = in_time("a shared read", DEADLINE, session.query_scalar::<i64>(query, ())).await?;
    assert_eq!(found, ACCOUNTS * NUMBERS, "rows are missing or there twice");
    Ok(())
}

/// A session is killed from another one, and knows it.
async fn kill(client: &Client) -> Result<(), Error> {
    let killing = async {
        let (mut victim, mut killer) = (client.session(), client.session());
        let id = victim.query_scalar::<u64>("SELECT CONNECTION_ID()", ()).await?;
        match killer.execute(format!("KILL {id}"), ()).await {
            // Its connection was cut, and the session is another one now.
            Err(error) if *error.code() == Code::NotFound => return Ok(()),
            outcome => outcome?,
        };
        let answer = victim.query_scalar::<u64>("SELECT CONNECTION_ID()", ()).await;
        assert_ne!(answer.ok(), Some(id), "a killed session goes on");
        Ok(())
    };
    in_time("a kill", DEADLINE * 3, killing).await
}

/// A lock is taken and given back, by a session that is pinned for it.
async fn lock(session: &mut Session, number: u64) -> Result<(), Error> {
    let locking = async {
        session.set_target("bank:-80".parse().expect("it is a target")).await?;
        session.execute(format!("SELECT GET_LOCK('worker{number}', 0)"), ()).await?;
        session.execute(format!("SELECT RELEASE_LOCK('worker{number}')"), ()).await.map(drop)
    };
    in_time("a lock", DEADLINE * 2, locking).await
}
