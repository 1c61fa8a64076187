//! The statement's own rows are inserted, with values that were read before.

use vitrail_planner::plan::{Completion, InsertId};
use vitrail_proto::error::ErrorBody;

use super::rows::{Rows, cells, malformed};
use super::{Done, Stepping, values};
use crate::session::Session;
use crate::{failure, statement};

impl Stepping<'_> {
    /// Inserts them. `rows`: one, with all the values.
    pub(super) async fn complete(
        &self,
        session: &mut Session,
        completion: Completion<'_>,
        rows: Rows,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let columns = rows.columns.ok_or_else(malformed)?.list;
        let [row] = &rows.list[..] else { return Err(malformed()) };
        let (settings, targets) = (&session.now.settings, completion.columns());
        if !completion.clocked().is_empty() && !values::is_in_fixed_zone(settings) {
            return Err(values::ambiguous(completion.clocked().iter().map(|place| &targets[*place])));
        }
        let cells = cells(row, targets.len())?;
        let mut read = Vec::with_capacity(cells.len());
        for (number, (cell, (from, to))) in cells.into_iter().zip(columns.iter().zip(targets)).enumerate() {
            values::check(from, to, settings, false)?;
            read.push((Completion::bind(number), values::given(cell, from, to)?));
        }
        let binds = self.with(read);
        let (plan, completed) = (completion.plan(), completion.statement());
        let preparing = statement::prepare(self.scope, session, self.keyspace, plan, completed, (&binds, &binds));
        let resolved = Box::pin(preparing).await?.resolved;
        if let InsertId::Sequence(first) = resolved.insert_id {
            done.first = Some(first);
        }
        let end = self.run_one(session, &resolved, &self.scope.calling, done).await?;
        done.add(end);
        Ok(())
    }
}

/// The error of what reads a value, as it is the statement's: MySQL may have meant a column of the row by a name that no table has.
pub(super) fn judged(completion: Completion<'_>, ignores: bool, error: ErrorBody) -> ErrorBody {
    if ignores && error.errno == 1242 {
        return failure::unsupported(
            "a subquery among the values of this INSERT IGNORE gives more than one row, which MySQL would take for NULL; over several shards it is \
             read before; leave IGNORE out",
        );
    }
    let name = error.message.split('\'').nth(1).and_then(|name| name.rsplit('.').next());
    if error.errno == 1054 && name.is_some_and(|name| completion.names(name)) {
        return failure::unsupported(
            "a subquery among the values of this INSERT names a column of the row that is inserted; over several shards it is read before there is \
             one; send the value itself",
        );
    }
    error
}
