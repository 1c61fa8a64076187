//! Each shard writes as many of its first rows as were found there.

use std::collections::BTreeMap;

use vitrail_planner::plan::{Allotment, ShardStatement};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Value;

use super::rows::{Rows, cells, malformed};
use super::{Done, Stepping, values};
use crate::session::Session;

impl Stepping<'_> {
    /// Writes them. `rows`: the sharding columns of those that were found.
    pub(super) async fn allot(
        &self,
        session: &mut Session,
        allotment: Allotment<'_>,
        rows: Rows,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        done.end.matched = allotment.updates().then_some(0);
        let columns = allotment.columns();
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for row in &rows.list {
            let cells = cells(row, columns.len())?;
            let row = cells.into_iter().zip(columns).map(|(cell, column)| values::own(cell, column));
            let row = row.collect::<Result<Vec<Value>, _>>()?;
            let shard = allotment.home(&row, &self.keyspace.layout)?.ok_or_else(malformed)?;
            *counts.entry(shard).or_default() += 1;
        }
        if counts.is_empty() {
            return Ok(());
        }
        let statement = |(shard, count): (usize, usize)| ShardStatement {
            shard,
            sql: allotment.text(count).into(),
            binds: self.with([]),
        };
        let statements = counts.into_iter().map(statement).collect();
        let end = self.write(session, statements, &self.scope.calling, done).await?;
        done.add(end);
        Ok(())
    }
}
