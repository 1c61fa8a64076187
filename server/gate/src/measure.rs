//! What a statement does on its shards, counted and timed: for EXPLAIN ANALYZE.
//!
//! The services of the statement's shards are wrapped: its way through routes, transactions and joins is that of any other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;
use vitrail_planner::plan::Node;
use vitrail_proto::message::ResultEnd;
use vitrail_service::call::{Call, CallId, Conclusion, ConnectionId, On, Statement};
use vitrail_service::consolidation::Consolidation;
use vitrail_service::execution::{Execution, Part, PartStream, ServiceInfo};
use vitrail_service::schema::Schema;
use vitrail_service::{QueryService, Result};

/// What has been measured so far.
#[derive(Debug, Default)]
pub(crate) struct Measure(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What statements are run for, if that is a part of the whole.
    part: Option<Node>,
    on_shards: BTreeMap<(Node, Arc<str>), OnShard>,
    sides: BTreeMap<usize, Side>,
    joined_rows: u64,
    /// Rows of each fragment, and their bytes.
    fragments: BTreeMap<usize, (u64, u64)>,
    /// Rows of the statement on the scratch server, and how long it took.
    asked: Option<(u64, Duration)>,
}

/// What one shard has done for a statement, or for one side of its join.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OnShard {
    /// The first statement's text.
    pub(crate) text: Arc<str>,
    pub(crate) statements: u64,
    pub(crate) rows: u64,
    /// From asking to the last part.
    pub(crate) took: Duration,
    /// Microseconds of waiting for a connection.
    pub(crate) wait_us: u64,
    /// Microseconds in MySQL.
    pub(crate) mysql_us: u64,
}

/// How one side of a join was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) batches: u64,
    pub(crate) took: Duration,
}

impl Measure {
    /// Statements are those of this node from now on.
    pub(crate) fn enter(&self, node: Node) {
        self.0.lock().part = Some(node);
    }

    /// A batch of the side was read.
    pub(crate) fn batch(&self, took: Duration) {
        let mut state = self.0.lock();
        if let Some(Node::Shards(Some(side))) = state.part {
            let side = state.sides.entry(side).or_default();
            side.batches += 1;
            side.took += took;
        }
    }

    /// Rows came out of the join.
    pub(crate) fn joined(&self, rows: u64) {
        self.0.lock().joined_rows += rows;
    }

    /// A fragment is loaded.
    pub(crate) fn loaded(&self, fragment: usize, rows: u64, bytes: u64) {
        self.0.lock().fragments.insert(fragment, (rows, bytes));
    }

    /// The statement has run on the scratch server.
    pub(crate) fn asked(&self, rows: u64, took: Duration) {
        self.0.lock().asked = Some((rows, took));
    }

    /// The service, watched.
    pub(crate) fn watch(self: &Arc<Self>, service: &Arc<dyn QueryService>, shard: &Arc<str>) -> Arc<dyn QueryService> {
        Arc::new(Watched { service: Arc::clone(service), measure: Arc::clone(self), shard: Arc::clone(shard) })
    }

    /// What each shard has done, in order of their names.
    pub(crate) fn on_shards(&self, node: Node) -> Vec<(Arc<str>, OnShard)> {
        let state = self.0.lock();
        let of_node = state.on_shards.iter().filter(|((known, _), _)| *known == node);
        of_node.map(|((_, shard), done)| (Arc::clone(shard), done.clone())).collect()
    }

    /// In one line what is known of a node: nothing of those that have not run.
    pub(crate) fn of(&self, node: Node) -> Option<String> {
        let state = self.0.lock();
        let rows = |side: Option<usize>| -> u64 {
            state
                .on_shards
                .iter()
                .filter(|((known, _), _)| *known == Node::Shards(side))
                .map(|(_, done)| done.rows)
                .sum()
        };
        match node {
            Node::Join if state.sides.is_empty() => None,
            Node::Join => Some(format!("{} rows", state.joined_rows)),
            Node::Side(side) => state.sides.get(&side).map(|Side { batches, took }| {
                let batches = format!("{batches} batch{}", if *batches == 1 { "" } else { "es" });
                format!("{batches}, {} rows, {}", rows(Some(side)), milliseconds(*took))
            }),
            Node::Merge if state.sides.is_empty() => Some(format!("{} rows in", rows(None))),
            Node::Merge => Some(format!("{} rows in", state.joined_rows)),
            Node::Fragment(number) => {
                state.fragments.get(&number).map(|(rows, bytes)| format!("{rows} rows, {bytes} bytes"))
            }
            Node::Scratch => state.asked.map(|(rows, took)| format!("{rows} rows in {}", milliseconds(took))),
            Node::Shards(_) | Node::Read | Node::Write => None,
        }
    }
}

/// A time as a number of milliseconds.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}

struct Watched {
    service: Arc<dyn QueryService>,
    measure: Arc<Measure>,
    shard: Arc<str>,
}

#[async_trait]
impl QueryService for Watched {
    async fn execute(&self, call: Call, statement: Statement, on: On) -> Result<Execution> {
        let began = Instant::now();
        let key = {
            let mut state = self.measure.0.lock();
            let key = (state.part.unwrap_or(Node::Shards(None)), Arc::clone(&self.shard));
            let done = state.on_shards.entry(key.clone()).or_default();
            if done.statements == 0 {
                done.text = Arc::clone(&statement.sql);
            }
            done.statements += 1;
            key
        };
        let Execution { connection, parts } = self.service.execute(call, statement, on).await?;
        let watching = Watching { parts, measure: Arc::clone(&self.measure), key, began };
        Ok(Execution { connection, parts: Box::new(watching) })
    }

    async fn conclude(&self, call: Call, connection: ConnectionId, conclusion: Conclusion) -> Result<ResultEnd> {
        self.service.conclude(call, connection, conclusion).await
    }

    async fn release(&self, connection: ConnectionId) {
        self.service.release(connection).await;
    }

    async fn cancel(&self, call: CallId) {
        self.service.cancel(call).await;
    }

    async fn schema(&self, call: Call, tables: Vec<String>) -> Result<Schema> {
        self.service.schema(call, tables).await
    }

    async fn consolidations(&self, call: Call) -> Result<Vec<Consolidation>> {
        self.service.consolidations(call).await
    }

    fn info(&self) -> ServiceInfo {
        self.service.info()
    }
}

struct Watching {
    parts: Box<dyn PartStream>,
    measure: Arc<Measure>,
    key: (Node, Arc<str>),
    began: Instant,
}

#[async_trait]
impl PartStream for Watching {
    async fn next(&mut self) -> Result<Option<Part>> {
        let part = self.parts.next().await;
        let mut state = self.measure.0.lock();
        let Some(done) = state.on_shards.get_mut(&self.key) else { return part };
        match &part {
            Ok(Some(Part::Rows(batch))) => done.rows += u64::from(batch.count),
            Ok(Some(Part::End(end))) => {
                if let Some(ran) = &end.ran {
                    done.wait_us += ran.wait_us;
                    done.mysql_us += ran.mysql_us;
                }
            }
            Ok(Some(Part::Fields(_))) => {}
            // Once, whatever it ended with.
            Ok(None) | Err(_) => done.took += self.began.elapsed(),
        }
        drop(state);
        part
    }
}
