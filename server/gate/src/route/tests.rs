//! Statements over scripted shards: what each shard is told, and what the client gets. Only for what real servers do not do
//! on demand: failing commits, lost connections, answers in a chosen order.

mod groups;

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use vitrail_listener::responder::Responder;
use vitrail_planner::key_range::{self, Shards};
use vitrail_planner::plan::{Aggregate, Comparison, Fold, Grouping, Merge, ShardStatement, SortKey, Window};
use vitrail_proto::error::{Code, Executed};
use vitrail_proto::message::{BeginOptions, CommitMode, Share};
use vitrail_proto::value::Binds;
use vitrail_service::QueryService;
use vitrail_service::call::{Call, CallId, Conclusion, ConnectionId, On, Statement};
use vitrail_service::consolidation::Consolidation;
use vitrail_service::execution::{Execution, Part, PartStream, ServiceInfo};
use vitrail_service::schema::Schema;

use super::*;
use crate::cluster::Shard;
use crate::columns::{Own, pack};
use crate::merge;
use crate::merge::row::Packer;
use crate::places::Places;
use crate::preferences::Preferences;
use crate::registry::Seat;
use crate::session::Basis;

/// What a shard answers next to a statement that begins with this text; statements that no script names end well.
struct Line {
    begins: &'static str,
    answer: Result<Vec<Part>, ErrorBody>,
}

/// A shard that does what its script says and notes what it was told.
#[derive(Default)]
struct Scripted {
    script: Mutex<Vec<Line>>,
    log: Mutex<Vec<String>>,
}

impl Scripted {
    fn on(&self, begins: &'static str, answer: Result<Vec<Part>, ErrorBody>) {
        self.script.lock().push(Line { begins, answer });
    }

    fn take(&self, text: &str) -> Option<Result<Vec<Part>, ErrorBody>> {
        let mut script = self.script.lock();
        let index = script.iter().position(|line| text.starts_with(line.begins))?;
        Some(script.remove(index).answer)
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock())
    }
}

struct Parts(VecDeque<Part>);

#[async_trait]
impl PartStream for Parts {
    async fn next(&mut self) -> Result<Option<Part>, ErrorBody> {
        Ok(self.0.pop_front())
    }
}

#[async_trait]
impl QueryService for Scripted {
    async fn execute(&self, _call: Call, statement: Statement, on: On) -> Result<Execution, ErrorBody> {
        let (place, connection) = match on {
            On::Pool => ("", None),
            On::Begin(_) => ("begin; ", Some(ConnectionId(1))),
            On::Reserve => ("reserve; ", Some(ConnectionId(1))),
            On::Connection(_) => ("in: ", None),
            On::BeginOn(..) => ("begin on: ", None),
            On::Keep(_) => ("keep: ", None),
        };
        self.log.lock().push(format!("{place}{}", statement.sql));
        let parts = self.take(&statement.sql).unwrap_or_else(|| Ok(vec![end(1)]))?;
        Ok(Execution { connection, parts: Box::new(Parts(parts.into())) })
    }

    async fn conclude(
        &self,
        _call: Call,
        _connection: ConnectionId,
        conclusion: Conclusion,
    ) -> Result<ResultEnd, ErrorBody> {
        let word = if conclusion == Conclusion::Commit { "COMMIT" } else { "ROLLBACK" };
        self.log.lock().push(word.into());
        self.take(word).unwrap_or_else(|| Ok(Vec::new())).map(|_| ResultEnd::default())
    }

    async fn release(&self, _connection: ConnectionId) {
        self.log.lock().push("release".into());
    }

    async fn cancel(&self, _call: CallId) {}

    async fn schema(&self, _call: Call, _tables: Vec<String>) -> Result<Schema, ErrorBody> {
        Ok(Schema::default())
    }

    async fn consolidations(&self, _call: Call) -> Result<Vec<Consolidation>, ErrorBody> {
        Ok(Vec::new())
    }

    fn info(&self) -> ServiceInfo {
        ServiceInfo::default()
    }
}

fn end(affected: u64) -> Part {
    Part::End(Box::new(ResultEnd { affected, ..ResultEnd::default() }))
}

/// A result of one BIGINT column and one text column, a batch for each row.
fn rows(rows: &[(Option<&str>, &str)]) -> Result<Vec<Part>, ErrorBody> {
    let mut parts = vec![Part::Fields(pack(&[Own::Integer("n"), Own::Text("t")]))];
    for (number, text) in rows {
        let mut packer = Packer::default();
        packer.push_cells([*number, Some(*text)]);
        parts.extend(packer.take().map(Part::Rows));
    }
    parts.push(end(0));
    Ok(parts)
}

struct World {
    left: Arc<Scripted>,
    right: Arc<Scripted>,
    keyspace: Keyspace,
    session: Session,
}

impl World {
    fn new() -> World {
        let (left, right) = (Arc::new(Scripted::default()), Arc::new(Scripted::default()));
        let services: [(&str, Arc<dyn QueryService>); 2] = [("-80", left.clone()), ("80-", right.clone())];
        let shards = services.map(|(name, service)| Shard {
            name: name.into(),
            key_range: name.parse().expect("a range"),
            service,
        });
        let plain = shards
            .iter()
            .map(|shard| key_range::Shard { name: shard.name.to_string(), range: shard.key_range.clone() });
        let layout = Arc::new(Shards::new(plain.collect()).expect("they cover all"));
        let keyspace = Keyspace { name: "k".into(), shards: shards.to_vec(), layout, sharded: true };
        let basis = Basis {
            target: Arc::default(),
            settings: Arc::default(),
            autocommit: true,
            preferences: Preferences::default(),
            holdings: None,
        };
        World { left, right, keyspace, session: Session::new(Seat::alone("anna"), basis, 0) }
    }

    fn begin(&mut self, options: BeginOptions) {
        self.session.transaction = TransactionState::Open(Box::new(Transaction::new(options)));
    }

    /// Runs `sql` on these shards; gives the end and the rows.
    async fn run(
        &mut self,
        shards: &[usize],
        sql: &str,
        merge: Merge,
        limits: Limits,
    ) -> Result<(ResultEnd, Vec<String>), ErrorBody> {
        let writes = matches!(merge, Merge::Writes | Merge::Replicated) || sql.starts_with("INSERT");
        let statements =
            shards.iter().map(|shard| ShardStatement { shard: *shard, sql: sql.into(), binds: Arc::new(Binds::new()) });
        let resolved = Resolved {
            keyspace: "k".into(),
            statements: statements.collect(),
            merge,
            writes,
            row_key: None,
            shareable: !writes,
            insert_id: vitrail_planner::plan::InsertId::Generated,
            join: None,
            steps: None,
            exact: None,
        };
        let cancel = CancellationToken::new();
        let calling = calling(&cancel);
        let (mut responder, mut replies) = Responder::channel(64);
        let mut answer = Answer::new(&mut responder, None, false);
        let end = run(&mut self.session, &self.keyspace, &resolved, limits, &calling, &mut answer).await?;
        let last = answer.finish(end.clone());
        drop(responder);
        let mut bytes = Vec::new();
        while let Some(reply) = replies.recv().await {
            bytes.extend(reply.rows);
        }
        bytes.extend(last.rows);
        Ok((*end, bytes.into_iter().flat_map(|batch| texts(batch.bytes)).collect()))
    }

    fn told(&self) -> (Vec<String>, Vec<String>) {
        (self.left.told(), self.right.told())
    }
}

fn calling(cancel: &CancellationToken) -> Calling<'_> {
    static PLACES: LazyLock<Places> = LazyLock::new(|| Places::new(16));
    Calling {
        preferences: Preferences::default(),
        values: None,
        apart: false,
        measure: None,
        application: Arc::default(),
        caller: "anna".into(),
        deadline: None,
        settings: Arc::default(),
        traceparent: None,
        warnings: 0,
        cancel,
        default_share: Share::Next,
        places: &PLACES,
    }
}

/// Rows as `a|b`, with `NULL`.
fn texts(mut bytes: Bytes) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(row) = merge::row::take_row(&mut bytes) {
        let cells = vitrail_proto::rows::Row::new(row.text()).cells().map(|cell| cell.expect("well formed"));
        let text = |cell: Option<&[u8]>| cell.map_or("NULL".into(), |cell| String::from_utf8_lossy(cell).into_owned());
        found.push(cells.map(text).collect::<Vec<_>>().join("|"));
    }
    found
}

fn sort(limit: Option<u64>, offset: u64, hidden_columns: usize) -> Merge {
    let keys = vec![SortKey { column: 0, descending: false, comparison: Comparison::Native }];
    Merge::Sort { keys, window: Window { offset, limit }, hidden_columns, columns: 2 }
}

/// All rows folded into one.
fn whole(aggregates: Vec<Aggregate>) -> Merge {
    let grouping = Grouping::whole(aggregates.into_iter().map(Fold::of).collect());
    Merge::Group { grouping: Arc::new(grouping), values: Vec::new(), window: Window::default() }
}

fn error(code: Code) -> ErrorBody {
    ErrorBody::new(code, "scripted")
}

#[tokio::test]
async fn rows_are_merged() {
    let left = [(None, "a"), (Some("2"), "b"), (Some("10"), "c")];
    let right = [(Some("-1"), "x"), (Some("9"), "y")];
    let capped = |max_rows| Limits { max_rows: Some(max_rows), read_only: false };
    let concat = |offset, limit| Merge::Concat(Window { offset, limit });
    for (merge, limits, expected, cut) in [
        (concat(0, None), Limits::default(), &["NULL|a", "2|b", "10|c", "-1|x", "9|y"][..], false),
        (concat(2, Some(2)), Limits::default(), &["10|c", "-1|x"], false),
        (concat(0, None), capped(4), &["NULL|a", "2|b", "10|c", "-1|x"], true),
        (concat(0, Some(4)), capped(4), &["NULL|a", "2|b", "10|c", "-1|x"], false),
        (sort(None, 0, 0), Limits::default(), &["NULL|a", "-1|x", "2|b", "9|y", "10|c"], false),
        (sort(Some(2), 1, 0), Limits::default(), &["-1|x", "2|b"], false),
        (sort(None, 0, 1), Limits::default(), &["NULL", "-1", "2", "9", "10"], false),
        (sort(None, 1, 0), capped(1), &["-1|x"], true),
        (whole(vec![Aggregate::Sum, Aggregate::Count]), Limits::default(), &[][..], false),
    ] {
        let mut world = World::new();
        world.left.on("SELECT", rows(&left));
        world.right.on("SELECT", rows(&right));
        let description = format!("{merge:?} {limits:?}");
        match world.run(&[0, 1], "SELECT", merge, limits).await {
            Ok((end, found)) => {
                assert_eq!(found, expected, "{description}");
                assert_eq!((end.rows, end.capped.is_some()), (expected.len() as u64, cut), "{description}");
            }
            // COUNT of a text column: the columns are not what the plan says.
            Err(error) => assert_eq!((error.code, expected.len()), (Code::Internal, 0), "{description}"),
        }
    }
}

#[tokio::test]
async fn aggregates_are_exact() {
    let mut world = World::new();
    let fields = || Part::Fields(pack(&[Own::Unsigned("sum"), Own::Integer("count"), Own::Integer("min")]));
    for (shard, cells) in [
        (&world.left, [Some("18446744073709551615"), Some("3"), None]),
        (&world.right, [Some("18446744073709551615"), Some("0"), Some("-7")]),
    ] {
        let mut packer = Packer::default();
        packer.push_cells(cells);
        shard.on("SELECT", Ok(vec![fields(), Part::Rows(packer.take().expect("a row")), end(0)]));
    }
    let least = SortKey { column: 2, descending: false, comparison: Comparison::Native };
    let merge = whole(vec![Aggregate::Sum, Aggregate::Count, Aggregate::Extreme(least)]);
    let (end, found) = world.run(&[0, 1], "SELECT", merge, Limits::default()).await.expect("merged");
    assert_eq!((end.rows, found), (1, vec!["36893488147419103230|3|-7".to_owned()]));
}

#[tokio::test]
async fn different_columns_are_drift() {
    let mut world = World::new();
    world.left.on("SELECT", rows(&[]));
    world.right.on("SELECT", Ok(vec![Part::Fields(pack(&[Own::Text("n"), Own::Text("t")])), end(0)]));
    let error = world.run(&[0, 1], "SELECT", sort(None, 0, 0), Limits::default()).await.expect_err("drift");
    assert!(error.message.contains("'-80' and '80-'"), "{}", error.message);
}

#[tokio::test]
async fn a_write_over_shards_is_atomic() {
    // Both succeed: an implicit transaction commits, in order.
    let mut world = World::new();
    let (end, _) = world.run(&[0, 1], "INSERT", Merge::Writes, Limits::default()).await.expect("written");
    assert_eq!(end.affected, 2);
    let both = vec!["begin; INSERT".to_owned(), "COMMIT".to_owned()];
    assert_eq!(world.told(), (both.clone(), both));

    // One fails: nothing remains.
    world.right.on("INSERT", Err(error(Code::Constraint)));
    let failed = world.run(&[0, 1], "INSERT", Merge::Writes, Limits::default()).await.expect_err("refused");
    assert_eq!((failed.code, failed.executed, failed.shard.as_deref()), (Code::Constraint, Executed::No, Some("80-")));
    assert_eq!(
        world.told(),
        (vec!["begin; INSERT".to_owned(), "ROLLBACK".to_owned()], vec!["begin; INSERT".to_owned()])
    );

    // The second COMMIT fails: the error says what stands.
    world.right.on("COMMIT", Err(error(Code::Unavailable)));
    let failed = world.run(&[0, 1], "INSERT", Merge::Writes, Limits::default()).await.expect_err("half");
    assert_eq!((failed.executed, failed.retryable), (Executed::Partial, false));
    assert!(failed.message.contains("failed on k:80- after it was done on k:-80"), "{}", failed.message);

    // One shard alone needs no transaction.
    world.told();
    world.run(&[0], "INSERT", Merge::Pass, Limits::default()).await.expect("written");
    assert_eq!(world.told(), (vec!["INSERT".to_owned()], vec![]));
}

/// Connections of two services may have the same number.
#[tokio::test]
async fn a_shard_that_joined_for_a_failed_write_leaves_alone() {
    let mut world = World::new();
    world.begin(BeginOptions::default());
    world.run(&[1], "INSERT a", Merge::Pass, Limits::default()).await.expect("written");
    world.right.on("INSERT b", Err(error(Code::Constraint)));
    world.told();
    world.run(&[0, 1], "INSERT b", Merge::Writes, Limits::default()).await.expect_err("refused");
    let savepoint =
        ["in: SAVEPOINT `vitrail_statement`", "in: INSERT b", "in: ROLLBACK TO SAVEPOINT `vitrail_statement`"];
    let (left, right) = world.told();
    assert_eq!(left, ["begin; INSERT b", "ROLLBACK"]);
    assert_eq!(right, savepoint);
    assert_eq!(world.session.open_transaction().expect("it goes on").seen().shards.lock().as_slice(), ["k:80-".into()]);
}

#[tokio::test]
async fn inside_a_transaction_a_failed_write_leaves_what_was_before() {
    let mut world = World::new();
    world.begin(BeginOptions::default());
    world.run(&[0], "INSERT a", Merge::Pass, Limits::default()).await.expect("written");
    world.right.on("INSERT b", Err(error(Code::Constraint)));
    let failed = world.run(&[0, 1], "INSERT b", Merge::Writes, Limits::default()).await.expect_err("refused");
    assert_eq!(failed.executed, Executed::No);
    assert!(world.session.in_transaction());
    let savepoint =
        ["in: SAVEPOINT `vitrail_statement`", "in: INSERT b", "in: ROLLBACK TO SAVEPOINT `vitrail_statement`"];
    let left: Vec<String> = ["begin; INSERT a"].into_iter().chain(savepoint).map(String::from).collect();
    assert_eq!(world.told(), (left, vec!["begin; INSERT b".to_owned()]));

    // A shard that joins only now sets the client's savepoints first.
    let cancel = CancellationToken::new();
    let TransactionState::Open(transaction) = &mut world.session.transaction else { panic!("no transaction") };
    transaction.set_savepoint("s", &calling(&cancel)).await.expect("set");
    world.run(&[1], "INSERT c", Merge::Pass, Limits::default()).await.expect("written");
    assert_eq!(
        world.told(),
        (vec!["in: SAVEPOINT `s`".into()], vec!["begin; SAVEPOINT `s`".into(), "in: INSERT c".into()])
    );
}

#[tokio::test]
async fn a_lost_participant_loses_all() {
    for (cause, code) in [
        (error(Code::Unavailable), Code::TxLost),
        (error(Code::TxLost), Code::TxLost),
        (error(Code::Conflict), Code::Conflict),
    ] {
        let mut world = World::new();
        world.begin(BeginOptions::default());
        world.run(&[0], "INSERT", Merge::Pass, Limits::default()).await.expect("written");
        world.run(&[1], "INSERT", Merge::Pass, Limits::default()).await.expect("written");
        world.right.on("UPDATE", Err(cause));
        let failed = world.run(&[1], "UPDATE", Merge::Pass, Limits::default()).await.expect_err("lost");
        assert_eq!(failed.code, code);
        assert_eq!(world.left.told().last().map(String::as_str), Some("ROLLBACK"));
        let next =
            world.run(&[0], "INSERT", Merge::Pass, Limits::default()).await.expect_err("nothing slips into autocommit");
        assert_eq!(next.code, Code::TxLost);
        assert_eq!(world.left.told(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn mode_single_refuses_a_second_shard_before_anything_runs() {
    let mut world = World::new();
    world.begin(BeginOptions { mode: Some(CommitMode::Single), ..BeginOptions::default() });
    world.run(&[0], "INSERT", Merge::Pass, Limits::default()).await.expect("written");
    world.told();
    let refused = world.run(&[0, 1], "INSERT", Merge::Writes, Limits::default()).await.expect_err("refused");
    assert_eq!(refused.code, Code::Unsupported);
    assert_eq!(world.told(), (vec![], vec![]));
    assert!(world.session.in_transaction());
}

#[tokio::test]
async fn read_only_requests_do_not_write() {
    let mut world = World::new();
    let limits = Limits { read_only: true, max_rows: None };
    let refused = world.run(&[0], "INSERT", Merge::Pass, limits).await.expect_err("refused");
    assert_eq!((refused.code, refused.errno), (Code::Denied, 1792));
    assert_eq!(world.told(), (vec![], vec![]));
}

#[tokio::test]
async fn without_autocommit_the_first_statement_begins() {
    let mut world = World::new();
    world.session.now.autocommit = false;
    world.run(&[0], "SELECT", Merge::Pass, Limits::default()).await.expect("read");
    assert!(world.session.in_transaction());
    assert_eq!(world.told().0, ["begin; SELECT"]);
}
