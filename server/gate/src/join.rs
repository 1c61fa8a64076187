//! Joins of rows that lie on different shards: one side is read, the next is asked for rows with the values found, and rows are matched here.
//!
//! Each side is read by statements that go through [`route`] like any other, in the session's transaction if there is one. What a
//! side gives before the last one is kept, up to [`MOST_BYTES`]; a side that is read before another one is read to its end first, because a
//! transaction has one connection per shard, and so that no statement waits for connections while it holds some. The rows of the last side are
//! matched as they come. Joined rows then go the way of a shard's answer, through [`merge`].

mod equality;
mod matching;
mod output;
mod read;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use vitrail_planner::key_range::Shards;
use vitrail_planner::plan::{Join, JoinPlan, Merge, Node, Pick, Resolved, ShardStatement};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::rows;
use vitrail_proto::value::{Binds, Value};
use vitrail_service::execution::Part;

use self::matching::Matcher;
use self::output::{Output, Stream};
use self::read::Reader;
use crate::answer::Answer;
use crate::calling::Calling;
use crate::cluster::Keyspace;
use crate::columns::Columns;
use crate::measure::Measure;
use crate::merge::row::Row;
use crate::route::Limits;
use crate::scatter::{Calls, Lane};
use crate::session::Session;
use crate::{failure, merge};

/// Bytes of a side's rows that are kept.
const MOST_BYTES: usize = 64 << 20;

/// Rows for whose values the next side is asked at once.
const BATCH: usize = 500;

/// A joined statement on its way.
pub(crate) struct Joining<'a> {
    pub(crate) keyspace: &'a Keyspace,
    pub(crate) shards: &'a Shards,
    pub(crate) resolved: &'a Resolved,
    pub(crate) join: &'a Join,
    pub(crate) binds: &'a Arc<Binds>,
    pub(crate) limits: Limits,
    pub(crate) calling: &'a Calling<'a>,
}

impl Joining<'_> {
    /// Joins, and puts the rows into `answer`.
    pub(crate) async fn run(
        &self,
        session: &mut Session,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        let mut reader = Reader::new(self, session);
        let plan = self.join.plan();
        let (packed, first) = match &plan.titles {
            Some(titles) => {
                let first = self.first(&mut reader).await?;
                (titled(&first.packed, titles, plan).ok_or_else(malformed)?, Some(first))
            }
            None => (reader.columns(&self.columns()).await?, None),
        };
        let columns = Columns::read(&packed, &self.keyspace.name).ok_or_else(malformed)?;
        if columns.list.len() != plan.outputs.len() {
            return Err(failure::internal("as many outputs as columns were expected"));
        }
        let order = match &self.resolved.merge {
            Merge::Sort { keys, .. } => merge::bind(keys, &columns.list)?,
            Merge::Group { grouping, .. } => merge::bind(&grouping.keys, &columns.list)?,
            _ => Vec::new(),
        };
        let window = match &self.resolved.merge {
            Merge::Sort { window, .. } => *window,
            _ => Default::default(),
        };
        let (parts, receiver) = mpsc::channel(2);
        let lane = Lane::of_gate(Box::new(Joined { parts: receiver, measure: self.calling.measure.clone() }));
        let stream = Stream::new(parts, plan, order, window);
        let joined = self.join(&mut reader, first, packed, stream);
        let merged = async {
            // Dropped at the end, so that nothing more is joined.
            let mut lanes = [lane];
            let calls = Calls::new(self.calling.cancel, []);
            let cap = self.limits.max_rows;
            merge::rows(&mut lanes, &calls, &self.keyspace.name, &self.resolved.merge, cap, answer).await
        };
        let (joined, merged) = tokio::join!(joined, merged);
        joined?;
        let end = merged?;
        Ok(Box::new(ResultEnd { ran: reader.into_ran(), ..end }))
    }

    /// The statement that tells the columns: it has no rows, and any shard can answer it.
    fn columns(&self) -> Resolved {
        let first: Vec<ShardStatement> = self.resolved.statements.iter().take(1).cloned().collect();
        Resolved { statements: first, merge: Merge::Pass, join: None, ..self.resolved.clone() }
    }

    /// Reads the first side to its end.
    async fn first(&self, reader: &mut Reader<'_, '_>) -> Result<First, ErrorBody> {
        self.enter(0);
        let mut out = Output::kept();
        let packed = reader.first(self.read(0, Vec::new())?, &mut out).await?;
        Ok(First { rows: out.into_rows(), packed })
    }

    async fn join(
        &self,
        reader: &mut Reader<'_, '_>,
        first: Option<First>,
        packed: Bytes,
        stream: Stream,
    ) -> Result<(), ErrorBody> {
        let mut output = Output::Stream(Box::new(stream));
        output.begin(packed).await;
        let First { rows: mut kept, packed } = match first {
            Some(first) => first,
            None => self.first(reader).await?,
        };
        let mut columns = vec![Some(Columns::read(&packed, &self.keyspace.name).ok_or_else(malformed)?)];
        for side in 1..self.join.sides() {
            self.enter(side);
            let last = side + 1 == self.join.sides();
            let mut further = if last { None } else { Some(Output::kept()) };
            let out = further.as_mut().unwrap_or(&mut output);
            columns.push(self.step(reader, side, &kept, &columns, out).await?);
            if let Some(further) = further {
                kept = further.into_rows();
            }
        }
        if self.join.plan().titles.is_some() && columns.iter().any(Option::is_none) {
            // A side that was not asked has not been judged, and MySQL judges a statement whether or not it has rows.
            reader.columns(&self.columns()).await?;
        }
        output.end(reader.end()).await
    }

    /// What is measured from now on is that of a side.
    fn enter(&self, side: usize) {
        if let Some(measure) = &self.calling.measure {
            measure.enter(Node::Shards(Some(side)));
        }
    }

    /// Matches a side with the joined rows of those before.
    async fn step(
        &self,
        reader: &mut Reader<'_, '_>,
        side: usize,
        kept: &[Row],
        before: &[Option<Columns>],
        out: &mut Output,
    ) -> Result<Option<Columns>, ErrorBody> {
        let mut matcher = Matcher::new(self.join, side, before, &self.keyspace.name);
        // Without keys all rows are asked for once.
        let batch = if matcher.has_keys() { BATCH } else { kept.len().max(1) };
        for rows in kept.chunks(batch) {
            if out.is_closed() {
                break;
            }
            if let Some(keys) = matcher.begin(rows)? {
                reader.matching(self.read(side, keys)?, &mut matcher, out).await?;
            }
            matcher.end(out).await?;
        }
        Ok(matcher.into_columns())
    }

    fn read(&self, side: usize, keys: Vec<Vec<Value>>) -> Result<Resolved, ErrorBody> {
        Ok(self.join.read(side, keys, self.binds, self.shards)?)
    }
}

/// The first side, read to its end.
struct First {
    rows: Vec<Row>,
    /// Its columns.
    packed: Bytes,
}

/// The columns of the answer, which are columns of the first side.
fn titled(packed: &Bytes, titles: &[Option<Arc<str>>], plan: &JoinPlan) -> Option<Bytes> {
    let own = rows::columns(packed).collect::<Result<Vec<_>, _>>().ok()?;
    let mut columns = Vec::with_capacity(plan.outputs.len());
    for (index, output) in plan.outputs.iter().enumerate() {
        let Pick::Slot(slot) = output else { return None };
        let mut column = own.get(plan.slots[*slot].column)?.clone();
        if let Some(Some(title)) = titles.get(index) {
            column.name = (&**title).into();
        }
        columns.push(column);
    }
    Some(rows::pack_columns(&columns))
}

/// The joined rows, as those of a shard.
struct Joined {
    parts: mpsc::Receiver<Part>,
    measure: Option<Arc<Measure>>,
}

#[async_trait::async_trait]
impl vitrail_service::execution::PartStream for Joined {
    async fn next(&mut self) -> Result<Option<Part>, ErrorBody> {
        let part = self.parts.recv().await;
        if let (Some(measure), Some(Part::Rows(batch))) = (&self.measure, &part) {
            measure.joined(batch.count.into());
        }
        Ok(part)
    }
}

fn malformed() -> ErrorBody {
    failure::internal("a side of a join has sent rows or columns that cannot be read")
}
