//! Identical reads share executions: who joins which, what each is answered, and what it costs MySQL.
//!
//! A read of a table that another connection has locked stays in MySQL until it is unlocked: that is how these tests hold a
//! statement where they want it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use support::{Answer, Subject, Way, call, call_with, collect, eventually, statement, subjects, subjects_by};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vitrail_harness::Connection;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::Share;
use vitrail_proto::value::{Binds, Value};
use vitrail_service::call::{Call, On, Statement};
use vitrail_service::execution::{Execution, Part, PartStream};
use vitrail_tablet::ConsolidatorStats;

const READ: &str = "SELECT v FROM t ORDER BY v";

fn read(share: Share) -> Statement {
    Statement { share, ..statement(READ, false) }
}

fn start(subject: &Subject, call: Call, statement: Statement) -> JoinHandle<Result<Answer, ErrorBody>> {
    let service = subject.service.clone();
    tokio::spawn(async move { collect(service.execute(call, statement, On::Pool).await?).await })
}

fn stats(subject: &Subject) -> ConsolidatorStats {
    subject.tablet.stats().consolidator
}

fn statements(subject: &Subject) -> u64 {
    subject.tablet.stats().statements
}

async fn saved(subject: &Subject, count: u64) {
    eventually(&format!("{}: {count} saved", subject.name), async || stats(subject).saved == count).await;
}

/// A table with one row, and a connection that has locked it.
async fn locked(subject: &Subject) -> Connection {
    subject.run("CREATE TABLE t (v INT)").await;
    subject.run("INSERT INTO t VALUES (1)").await;
    let mut lock = subject.admin().await;
    lock.execute("LOCK TABLES t WRITE").await.unwrap();
    lock
}

/// The read runs in MySQL, where it waits for the lock.
async fn runs(subject: &Subject) {
    let mut admin = subject.admin().await;
    subject.wait_until_running(&mut admin, READ).await;
}

/// Nothing is left behind.
async fn assert_at_rest(subject: &Subject) {
    eventually("rest", async || {
        let now = stats(subject);
        (now.waiting, now.bytes) == (0, 0) && subject.tablet.stats().pool.in_use == 0
    })
    .await;
    for number in 0..4 {
        let statement = Statement { share: Share::Next, ..statement(&format!("SELECT {number}"), false) };
        let answer = subject.ask(call(), statement, On::Pool).await.unwrap();
        assert_eq!(answer.cell(), number.to_string(), "{}", subject.name);
    }
}

#[tokio::test]
async fn those_that_come_during_a_run_share_the_next_one() {
    for subject in subjects(|_| {}).await {
        let mut lock = locked(&subject).await;
        let before = statements(&subject);
        let first = start(&subject, call(), read(Share::Next));
        runs(&subject).await;
        let others: Vec<_> = (0..9).map(|_| start(&subject, call(), read(Share::Next))).collect();
        saved(&subject, 8).await;
        assert_eq!(stats(&subject).waiting, 8);
        // Others are not identical, and wait for nobody: another text, other settings, another cap.
        let apart = [
            (call(), Statement { share: Share::Next, ..statement("SELECT v FROM t ORDER BY  v", false) }),
            (call_with(&[("sql_mode", "''")], false), read(Share::Next)),
            (Call { max_rows: Some(7), ..call() }, read(Share::Next)),
        ];
        let apart: Vec<_> = apart.into_iter().map(|(call, statement)| start(&subject, call, statement)).collect();
        eventually("four in MySQL", async || statements(&subject) == before + 4).await;
        lock.execute("UNLOCK TABLES").await.unwrap();

        let answer = first.await.unwrap().unwrap();
        assert_eq!(answer.text(), [["1"]]);
        assert!(!answer.end.ran.unwrap().shared);
        let mut shared = 0;
        for other in others {
            let answer = other.await.unwrap().unwrap();
            assert_eq!((answer.text(), answer.end.rows), (vec![vec!["1".to_owned()]], 1), "{}", subject.name);
            shared += u64::from(answer.end.ran.is_some_and(|ran| ran.shared));
        }
        assert_eq!(shared, 8);
        for other in apart {
            assert_eq!(other.await.unwrap().unwrap().text(), [["1"]]);
        }
        assert_eq!(statements(&subject) - before, 5, "{}", subject.name);
        assert_eq!((stats(&subject).shared, stats(&subject).saved), (1, 8));

        let list = subject.service.consolidations(call()).await.unwrap();
        assert_eq!(list.len(), 1, "{list:?}");
        let entry = &list[0];
        assert_eq!((entry.shared, entry.saved, entry.largest, entry.waiting), (1, 8, 9, 0));
        assert_eq!(entry.statement, READ);
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn a_read_may_ask_to_share_what_runs_or_nothing() {
    for subject in subjects(|_| {}).await {
        let mut lock = locked(&subject).await;
        let before = statements(&subject);
        let first = start(&subject, call(), read(Share::Next));
        runs(&subject).await;
        let joined = start(&subject, call(), read(Share::Running));
        saved(&subject, 1).await;
        let alone = start(&subject, call(), read(Share::Off));
        eventually("two in MySQL", async || statements(&subject) == before + 2).await;
        lock.execute("UNLOCK TABLES").await.unwrap();
        for answer in [first, joined, alone] {
            assert_eq!(answer.await.unwrap().unwrap().text(), [["1"]], "{}", subject.name);
        }
        assert_eq!(statements(&subject) - before, 2);
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn until_it_has_a_connection_an_execution_takes_joiners() {
    for subject in subjects(|config| config.pool.size = 1).await {
        let mut lock = locked(&subject).await;
        let before = statements(&subject);
        let blocker = start(&subject, call(), statement("SELECT COUNT(*) FROM t", false));
        eventually("the only connection is taken", async || subject.tablet.stats().pool.in_use == 1).await;
        let readers: Vec<_> = (0..5).map(|_| start(&subject, call(), read(Share::Next))).collect();
        saved(&subject, 4).await;
        lock.execute("UNLOCK TABLES").await.unwrap();
        assert_eq!(blocker.await.unwrap().unwrap().cell(), "1");
        for reader in readers {
            assert_eq!(reader.await.unwrap().unwrap().text(), [["1"]]);
        }
        assert_eq!(statements(&subject) - before, 2, "{}", subject.name);
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn a_cancel_or_a_deadline_takes_only_its_own_request_away() {
    for subject in subjects(|_| {}).await {
        let mut lock = locked(&subject).await;
        let before = statements(&subject);
        // The one that began the execution is cancelled; one that joined comes to its deadline.
        let cancelled = call();
        let id = cancelled.id;
        let first = start(&subject, cancelled, read(Share::Next));
        runs(&subject).await;
        let short = Call { deadline: Some(Instant::now() + Duration::from_millis(200)), ..call() };
        let second = start(&subject, short, read(Share::Running));
        let third = start(&subject, call(), read(Share::Running));
        saved(&subject, 2).await;
        subject.service.cancel(id).await;
        let error = first.await.unwrap().unwrap_err();
        assert_eq!((error.code, error.executed), (Code::Cancelled, Executed::No), "{}", subject.name);
        let error = second.await.unwrap().unwrap_err();
        assert_eq!((error.code, error.executed), (Code::Deadline, Executed::No), "{}", subject.name);
        runs(&subject).await;
        assert_eq!(subject.tablet.stats().killed, 0);
        // So it is with one that has not begun.
        let cancelled = call();
        let id = cancelled.id;
        let fourth = start(&subject, cancelled, read(Share::Next));
        eventually("it forms the next one", async || subject.tablet.stats().consolidator.forming == 1).await;
        let fifth = start(&subject, call(), read(Share::Next));
        saved(&subject, 3).await;
        subject.service.cancel(id).await;
        assert_eq!(fourth.await.unwrap().unwrap_err().code, Code::Cancelled);
        lock.execute("UNLOCK TABLES").await.unwrap();
        for answer in [third, fifth] {
            assert_eq!(answer.await.unwrap().unwrap().text(), [["1"]], "{}", subject.name);
        }
        assert_eq!(statements(&subject) - before, 2);
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn the_last_to_leave_ends_the_statement_in_mysql() {
    for subject in subjects(|_| {}).await {
        let mut lock = locked(&subject).await;
        let mut admin = subject.admin().await;
        let (one, two) = (call(), Call { deadline: Some(Instant::now() + Duration::from_millis(400)), ..call() });
        let id = one.id;
        let first = start(&subject, one, read(Share::Next));
        subject.wait_until_running(&mut admin, READ).await;
        let second = start(&subject, two, read(Share::Running));
        saved(&subject, 1).await;
        subject.service.cancel(id).await;
        assert_eq!(first.await.unwrap().unwrap_err().code, Code::Cancelled);
        let error = second.await.unwrap().unwrap_err();
        assert_eq!((error.code, error.executed), (Code::Deadline, Executed::No), "{}", subject.name);
        // It had its answer when MySQL had stopped.
        subject.assert_not_running(&mut admin, READ).await;

        // Who drops what it waits for leaves as well, and whoever comes then does not wait for the kill.
        let dropped = start(&subject, call(), read(Share::Next));
        subject.wait_until_running(&mut admin, READ).await;
        if subject.way == Way::Direct {
            dropped.abort();
            eventually("the kill", async || subject.running(&mut subject.admin().await).await.is_empty()).await;
        }
        let next = start(&subject, call(), read(Share::Next));
        lock.execute("UNLOCK TABLES").await.unwrap();
        assert_eq!(next.await.unwrap().unwrap().text(), [["1"]]);
        let _ = dropped.await;
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn the_tablet_ends_with_all_who_share() {
    for subject in subjects_by(Way::Direct, |config| config.limits.kill_grace = Duration::from_secs(20)).await {
        let _lock = locked(&subject).await;
        let mut readers = vec![start(&subject, call(), read(Share::Next))];
        runs(&subject).await;
        readers.push(start(&subject, call(), read(Share::Running)));
        readers.extend((0..3).map(|_| start(&subject, call(), read(Share::Next))));
        saved(&subject, 3).await;
        subject.tablet.close().await;
        for reader in readers {
            let error = reader.await.unwrap().unwrap_err();
            assert_eq!((error.code, error.executed), (Code::Unavailable, Executed::No), "{}", subject.name);
        }
        assert_eq!(stats(&subject).waiting, 0);
    }
}

#[tokio::test]
async fn a_failure_is_everybodys() {
    for subject in subjects(|_| {}).await {
        let mut lock = locked(&subject).await;
        let first = start(&subject, call(), read(Share::Next));
        runs(&subject).await;
        let others: Vec<_> = (0..3).map(|_| start(&subject, call(), read(Share::Next))).collect();
        saved(&subject, 2).await;
        lock.execute("DROP TABLE t").await.unwrap();
        lock.execute("UNLOCK TABLES").await.unwrap();
        for failed in others.into_iter().chain([first]) {
            let error = failed.await.unwrap().unwrap_err();
            assert_eq!((error.errno, error.executed), (1146, Executed::No), "{}", subject.name);
            assert_eq!(error.message, "Table 'shop.t' doesn't exist");
        }
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn whoever_comes_too_many_is_refused_at_once() {
    for subject in subjects(|config| {
        config.consolidator.waiters = 2;
        config.consolidator.total_waiters = 3;
    })
    .await
    {
        let mut lock = locked(&subject).await;
        let first = start(&subject, call(), read(Share::Next));
        runs(&subject).await;
        let mut others: Vec<_> = (0..3).map(|_| start(&subject, call(), read(Share::Next))).collect();
        saved(&subject, 2).await;
        let error = subject.ask(call(), read(Share::Next), On::Pool).await.unwrap_err();
        assert_eq!((error.code, error.executed, error.retryable), (Code::Exhausted, Executed::No, true));
        // In all.
        let more = |sql| Statement { share: Share::Next, ..statement(sql, false) };
        others.push(start(&subject, call(), more("SELECT COUNT(*) FROM t")));
        let mut admin = subject.admin().await;
        subject.wait_until_running(&mut admin, "COUNT(*)").await;
        others.push(start(&subject, call(), more("SELECT COUNT(*) FROM t")));
        eventually("another forms", async || stats(&subject).forming == 2).await;
        others.push(start(&subject, call(), more("SELECT COUNT(*) FROM t")));
        saved(&subject, 3).await;
        let error = subject.ask(call(), more("SELECT COUNT(*) FROM t"), On::Pool).await.unwrap_err();
        assert_eq!((error.code, error.retryable), (Code::Exhausted, true));
        assert_eq!(stats(&subject).refused, 2);
        // Alone it runs.
        let alone = start(&subject, call(), read(Share::Off));
        lock.execute("UNLOCK TABLES").await.unwrap();
        for answer in others.into_iter().chain([first, alone]) {
            assert_eq!(answer.await.unwrap().unwrap().cell(), "1", "{}", subject.name);
        }
        assert_at_rest(&subject).await;
    }
}

/// Rows of about 1 KiB.
const ROWS: usize = 3_000;
const STREAM: &str = "SELECT id, filler FROM big ORDER BY id";

async fn big_table(subject: &Subject) {
    subject.run("CREATE TABLE big (id INT PRIMARY KEY, filler VARCHAR(1000))").await;
    subject
        .run(
            "INSERT INTO big WITH RECURSIVE n AS (SELECT 1 a UNION ALL SELECT a + 1 FROM n WHERE a < 1000) \
             SELECT a, REPEAT(CHAR(97 + a % 26), 1000) FROM n",
        )
        .await;
    for more in 1..ROWS / 1000 {
        subject.run(&format!("INSERT INTO big SELECT id + {more}000, filler FROM big WHERE id <= 1000")).await;
    }
}

/// Several executions of one statement that share a run.
async fn together<const N: usize>(subject: &Subject) -> [Execution; N] {
    let mut lock = subject.admin().await;
    lock.execute("LOCK TABLES big WRITE").await.unwrap();
    let saved_before = stats(subject).saved;
    let stream = || Statement { share: Share::Running, ..statement(STREAM, false) };
    let begin = || {
        let (service, statement) = (subject.service.clone(), stream());
        tokio::spawn(async move { service.execute(call(), statement, On::Pool).await })
    };
    let first = begin();
    let mut admin = subject.admin().await;
    subject.wait_until_running(&mut admin, STREAM).await;
    let others: Vec<_> = (1..N).map(|_| begin()).collect();
    saved(subject, saved_before + N as u64 - 1).await;
    lock.execute("UNLOCK TABLES").await.unwrap();
    let mut all = vec![first.await.unwrap().unwrap()];
    for other in others {
        all.push(other.await.unwrap().unwrap());
    }
    all.try_into().unwrap_or_else(|_| panic!("as many as were begun"))
}

fn assert_whole(answer: &Answer, who: &str) {
    let ids = answer.rows.iter().map(|row| String::from_utf8(row[0].clone().unwrap()).unwrap());
    assert!(ids.eq((1..=ROWS).map(|id| id.to_string())), "{who}: {} rows", answer.rows.len());
    assert_eq!(answer.end.rows, ROWS as u64, "{who}");
}

#[tokio::test]
async fn a_stream_is_shared_and_all_read_the_same_bytes() {
    for subject in subjects(|config| config.consolidator.stall = Duration::from_secs(600)).await {
        big_table(&subject).await;
        let before = statements(&subject);
        let executions = together::<8>(&subject).await;
        let readers = executions.map(|execution| tokio::spawn(collect(execution)));
        for reader in readers {
            assert_whole(&reader.await.unwrap().unwrap(), &subject.name);
        }
        assert_eq!(statements(&subject) - before, 1);
        assert_eq!(stats(&subject).cut_off, 0);
        assert_at_rest(&subject).await;
    }
}

/// Tight bounds, so that a reader that stands still is soon too far behind.
async fn impatient(way: Way) -> Vec<Subject> {
    subjects_by(way, |config| {
        config.consolidator.backlog = 128 << 10;
        config.consolidator.stall = Duration::from_millis(100);
    })
    .await
}

#[tokio::test]
async fn a_reader_that_stands_still_delays_nobody_and_misses_nothing() {
    for subject in impatient(Way::Direct).await.into_iter().chain(impatient(Way::Remote).await) {
        big_table(&subject).await;
        let before = statements(&subject);
        let [fast, mut some, none] = together::<3>(&subject).await;
        // One reads a few batches and rests, one reads nothing.
        let mut head = Answer::default();
        for _ in 0..3 {
            match some.parts.next().await.unwrap().unwrap() {
                Part::Fields(fields) => head.fields = fields.to_vec(),
                Part::Rows(batch) => head.rows.extend(rows_of(batch).await),
                Part::End(_) => panic!("the table is larger"),
            }
        }
        assert_whole(&collect(fast).await.unwrap(), &subject.name);
        assert_eq!((stats(&subject).cut_off, statements(&subject) - before), (2, 1));
        // They go on, each by itself, where they were.
        let rest = collect(some).await.unwrap();
        assert!(!head.rows.is_empty() && head.rows.len() < ROWS);
        head.rows.extend(rest.rows);
        head.end = rest.end;
        assert_whole(&head, &subject.name);
        assert_whole(&collect(none).await.unwrap(), &subject.name);
        assert_eq!(statements(&subject) - before, 3);
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn what_has_changed_under_a_slow_reader_is_not_patched_together() {
    for subject in impatient(Way::Direct).await {
        big_table(&subject).await;
        let [fast, mut slow] = together::<2>(&subject).await;
        for _ in 0..3 {
            assert!(slow.parts.next().await.unwrap().is_some());
        }
        assert_whole(&collect(fast).await.unwrap(), &subject.name);
        subject.run("UPDATE big SET filler = 'other' WHERE id = 2").await;
        let error = collect(slow).await.unwrap_err();
        assert_eq!((error.code.clone(), error.retryable), (Code::Exhausted, false), "{}", subject.name);
        assert!(error.message.contains("have changed"), "{error}");
        assert_at_rest(&subject).await;
    }
}

/// The rows of one batch.
async fn rows_of(batch: vitrail_proto::rows::RowBatch) -> Vec<Vec<Option<Vec<u8>>>> {
    struct One(Option<Part>);
    #[async_trait::async_trait]
    impl PartStream for One {
        async fn next(&mut self) -> Result<Option<Part>, ErrorBody> {
            Ok(self.0.take())
        }
    }
    let parts = Box::new(One(Some(Part::Rows(batch))));
    collect(Execution { connection: None, parts }).await.unwrap().rows
}

#[tokio::test]
async fn a_lone_reader_that_stands_still_does_not_hold_up_the_next() {
    for subject in impatient(Way::Direct).await {
        big_table(&subject).await;
        let stream = || Statement { share: Share::Next, ..statement(STREAM, false) };
        let mut stalled = subject.service.execute(call(), stream(), On::Pool).await.unwrap();
        assert!(stalled.parts.next().await.unwrap().is_some());
        let next = subject.ask(call(), stream(), On::Pool).await.unwrap();
        assert_whole(&next, &subject.name);
        let rest = collect(stalled).await.unwrap();
        assert_eq!(rest.end.rows, ROWS as u64);
        assert_at_rest(&subject).await;
    }
}

/// What MySQL itself says of it, the gate's test asks.
#[tokio::test]
async fn five_hundred_identical_reads_reach_mysql_at_most_four_times() {
    for subject in subjects(|_| {}).await {
        subject.run("CREATE TABLE t (v INT)").await;
        subject.run("INSERT INTO t WITH RECURSIVE n AS (SELECT 1 a UNION ALL SELECT a + 1 FROM n WHERE a < 120) SELECT a FROM n").await;
        // Slow: 1.7 million combinations.
        let sql = "SELECT COUNT(*) FROM t a, t b, t c WHERE (a.v * b.v + c.v) % 7 = :r";
        let binds = Arc::new(Binds::from_iter([("r", Value::Int(3))]));
        let before = statements(&subject);
        let readers: Vec<_> = (0..500)
            .map(|_| {
                let statement = Statement { share: Share::Next, binds: Arc::clone(&binds), ..statement(sql, false) };
                start(&subject, call(), statement)
            })
            .collect();
        let mut answers = Vec::new();
        for reader in readers {
            answers.push(reader.await.unwrap().unwrap().cell());
        }
        let executions = statements(&subject) - before;
        assert!((1..=4).contains(&executions), "{}: {executions}", subject.name);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{}", subject.name);
        assert_ne!(answers[0], "0");
        assert_eq!(stats(&subject).saved, 500 - executions);
        assert_at_rest(&subject).await;
    }
}

/// A writes, tells B, B reads: B sees what A wrote, whatever the others read meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_older_than_its_request() {
    for subject in subjects(|_| {}).await {
        subject.run("CREATE TABLE n (id INT PRIMARY KEY, v BIGINT)").await;
        subject.run("INSERT INTO n VALUES (1, 0)").await;
        let subject = Arc::new(subject);
        let read = || Statement { share: Share::Next, ..statement("SELECT v FROM n WHERE id = 1", false) };
        let (written, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let readers: Vec<_> = (0..16)
            .map(|_| {
                let (subject, written, over) = (subject.clone(), written.clone(), over.clone());
                tokio::spawn(async move {
                    let mut reads = 0_u64;
                    while !over.load(Ordering::SeqCst) {
                        // Committed before this request.
                        let least = written.load(Ordering::SeqCst);
                        let seen: u64 = subject.ask(call(), read(), On::Pool).await.unwrap().cell().parse().unwrap();
                        assert!(seen >= least, "{}: {seen} after {least} was committed", subject.name);
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        for number in 1..=1_000 {
            subject.run(&format!("UPDATE n SET v = {number} WHERE id = 1")).await;
            written.store(number, Ordering::SeqCst);
        }
        over.store(true, Ordering::SeqCst);
        let mut reads = 0;
        for reader in readers {
            reads += reader.await.unwrap();
        }
        assert!(stats(&subject).saved > reads / 10, "{}: {:?} of {reads}", subject.name, stats(&subject));
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn it_can_be_switched_off() {
    for subject in subjects_by(Way::Direct, |config| config.consolidator.enabled = false).await {
        let mut lock = locked(&subject).await;
        let before = statements(&subject);
        let readers = [start(&subject, call(), read(Share::Next)), start(&subject, call(), read(Share::Running))];
        eventually("both in MySQL", async || statements(&subject) == before + 2).await;
        lock.execute("UNLOCK TABLES").await.unwrap();
        for reader in readers {
            assert_eq!(reader.await.unwrap().unwrap().text(), [["1"]]);
        }
        assert_eq!(stats(&subject), ConsolidatorStats::default());
    }
}
