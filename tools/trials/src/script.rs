//! A conversation with everything in it, to be disturbed at each of its messages; what it is told must be true whatever happens.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;
use vitrail_client::{Client, Code, Error, Executed, Query, params};

use crate::client::{check_consistent, check_error, in_time, write_all, write_one};
use crate::ledger::Ledger;
use crate::rig::{self, ACCOUNTS, NUMBERS, account};

/// Numbers of so many accounts are streamed.
const STREAMED: i64 = 20;

/// What a run of the conversation showed.
#[derive(Debug, Default)]
pub struct Report {
    /// Steps that were answered well.
    pub good: usize,
    /// The errors of the others, with the step's name.
    pub bad: Vec<(&'static str, Error)>,
}

/// A conversation's way through the steps.
pub struct Script<'a> {
    /// Where the gate is, or a proxy before it.
    pub address: SocketAddr,
    /// The books.
    pub ledger: &'a Ledger,
    /// Deadline of each statement.
    pub deadline: Duration,
    /// Which accounts it uses: conversations with different numbers do not wait for each other's locks.
    pub number: i64,
    /// Bytes may arrive otherwise than they were sent, where nothing protects them: answers are not looked at.
    pub corrupted: bool,
}

impl Script<'_> {
    /// Runs all steps, each whether or not the one before succeeded.
    pub async fn run(&self) -> Report {
        let mut report = Report::default();
        let mut config = rig::client_config(&rig::url(self.address));
        config.connect_timeout = self.deadline;
        config.query_timeout = Some(self.deadline);
        // What the client tries again by itself would hide what is tested.
        config.retries = 1;
        let connecting = in_time("connecting", self.deadline, Client::connect_with(config.clone())).await;
        let client = match connecting {
            Ok(client) => client,
            Err(error) => {
                report.note("connect", Err(error));
                // What disturbed the first connection is over.
                match in_time("connecting again", self.deadline, Client::connect_with(config)).await {
                    Ok(client) => client,
                    Err(error) => panic!("the second connection fails as well: {error:?}"),
                }
            }
        };
        report.note("read", self.read(&client).await);
        report.note("write", self.write(&client).await);
        report.note("scatter", self.scatter(&client).await);
        let both = [account(0, self.number), account(1, self.number)];
        report.note("transaction", write_all(&client, self.ledger, &both, self.deadline).await);
        report.note("stream", self.stream(&client).await);
        report.note("upload", self.upload(&client).await);
        report.note("cancel", self.cancel(&client).await);
        report.note("last", self.read(&client).await);
        client.close();
        report
    }

    async fn read(&self, client: &Client) -> Result<(), Error> {
        let id = account(0, self.number);
        let mut session = client.session();
        let query = Query::new("SELECT id FROM account WHERE id = :id").deadline(self.deadline);
        let found =
            in_time("a read", self.deadline, session.query_scalar::<i64>(query, params! { "id" => id })).await?;
        self.answer(found == id, "another account than the one that was asked for");
        in_time("closing a session", self.deadline, session.close()).await
    }

    async fn write(&self, client: &Client) -> Result<(), Error> {
        write_one(&mut client.session(), self.ledger, account(1, self.number), self.deadline).await
    }

    async fn scatter(&self, client: &Client) -> Result<(), Error> {
        let query = Query::new("SELECT COUNT(*) FROM account").deadline(self.deadline);
        let count = in_time("a read over all shards", self.deadline, client.query_scalar::<i64>(query, ())).await?;
        self.answer(count == ACCOUNTS, "another number of accounts than there are");
        Ok(())
    }

    /// Some numbers of both shards, through a window that they do not fit.
    async fn stream(&self, client: &Client) -> Result<(), Error> {
        let query =
            Query::new("SELECT n, padding FROM number WHERE account <= :last").deadline(self.deadline).window(16 << 10);
        let streaming = async {
            let mut rows = client.query(query, params! { "last" => STREAMED }).await?;
            let mut sum = 0;
            while let Some(row) = rows.next().await? {
                sum += row.get::<i64>(0)?;
            }
            rows.finish().await.map(|outcome| (sum, outcome.rows))
        };
        let (sum, _) = in_time("a stream", self.deadline, streaming).await?;
        self.answer(sum == STREAMED * NUMBERS * (NUMBERS + 1) / 2, "rows are missing or there twice");
        Ok(())
    }

    /// A statement that is too large for one frame, and waits for the server's leave.
    async fn upload(&self, client: &Client) -> Result<(), Error> {
        let account = account(0, self.number);
        let entry = self.ledger.begin(&[account]);
        let query = Query::new("INSERT INTO ledger (account, entry, amount, note) VALUES (:account, :entry, 1, :note)");
        let note = "n".repeat(300_000);
        let binds = params! { "account" => account, "entry" => entry, "note" => note };
        let answer = in_time("an upload", self.deadline, client.execute(query.deadline(self.deadline), binds)).await;
        self.ledger.note(entry, crate::ledger::Fate::of(&answer));
        answer.map(drop)
    }

    /// A statement that would take long, cancelled while it runs.
    async fn cancel(&self, client: &Client) -> Result<(), Error> {
        let mut session = client.session();
        let cancel = session.cancel_handle();
        let query = Query::new("SELECT SLEEP(20) FROM account WHERE id = :id").deadline(self.deadline);
        let started = Instant::now();
        let running = session.query_all(query, params! { "id" => account(1, self.number) });
        let cancelling = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cancel.cancel();
            std::future::pending::<()>().await;
        };
        let answer = in_time("a cancelled statement", self.deadline, async {
            tokio::select! {
                answer = running => answer,
                () = cancelling => unreachable!("it waits for ever"),
            }
        })
        .await;
        match answer {
            Err(error) if matches!(*error.code(), Code::Cancelled) => {
                self.answer(error.executed() == Executed::No, "a cancelled read that was executed");
                Ok(())
            }
            Err(error) => Err(error),
            Ok(_) => panic!("20 seconds of sleep were over after {:?}", started.elapsed()),
        }
    }

    fn answer(&self, right: bool, wrong: &str) {
        assert!(right || self.corrupted, "{wrong}");
    }
}

impl Report {
    fn note(&mut self, step: &'static str, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => self.good += 1,
            Err(error) => self.bad.push((step, error)),
        }
    }

    /// Panics if an error contradicts itself, or, where bytes arrived as they were sent, has a code that nothing gives cause for.
    pub fn check(&self, corrupted: bool) {
        for (_, error) in &self.bad {
            if corrupted { check_consistent(error) } else { check_error(error) }
        }
    }
}
