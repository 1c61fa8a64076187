//! Expressions that tell where the rows of an INSERT go, worked out by one of the keyspace's MySQL servers before the rows are divided.
//!
//! It is asked outside the session's transaction: the expressions read no table.

use std::pin::pin;
use std::sync::Arc;

use vitrail_planner::plan::Asked;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::{Binds, Value};
use vitrail_service::call::{On, Statement};
use vitrail_service::execution::Part;
use vitrail_sql::normalise::Normalised;

use crate::cluster::Keyspace;
use crate::columns::Columns;
use crate::failure;
use crate::merge::row::take_row;
use crate::request::Scope;
use crate::scatter::{self, Calls, Task};
use crate::session::Session;
use crate::steps::rows::cells;
use crate::steps::values;

/// The binds of an INSERT with the values of its expressions.
pub(crate) struct Answered {
    /// What shards are sent.
    pub(crate) binds: Arc<Binds>,
    /// What the plan may use.
    pub(crate) all_binds: Arc<Binds>,
}

/// Works them out.
///
/// # Errors
/// Those of MySQL; a value of a type that the column may take in another way.
pub(crate) async fn ask(
    scope: &Scope<'_>,
    session: &Session,
    keyspace: &Keyspace,
    asked: &Asked,
    statement: &Normalised,
    (binds, all_binds): (&Arc<Binds>, &Arc<Binds>),
) -> Result<Answered, ErrorBody> {
    let shard = keyspace.shards.first().ok_or_else(|| failure::internal("a keyspace without shards"))?;
    let earlier = asked.earlier(statement, all_binds)?;
    let mut with_earlier = Binds::clone(binds);
    earlier.into_iter().for_each(|(name, value)| with_earlier.set(name, value));
    let task = Task {
        service: scope.calling.service(shard),
        shard: keyspace.label(0),
        call: scope.calling.call(None),
        statement: Statement {
            binds: Arc::new(with_earlier),
            values: scope.calling.values.clone(),
            ..Statement::new(asked.query(statement)?, false)
        },
        on: On::Pool,
    };
    let calls = Calls::of(scope.calling.cancel, std::slice::from_ref(&task));
    let mut lane = scatter::start_alone(task, &calls).await?.lane;
    let (mut columns, mut row, mut warned) = (None, None, false);
    while let Some(part) = calls.guard(pin!(lane.next())).await? {
        match part {
            Part::Fields(packed) => columns = Columns::read(&packed, &keyspace.name),
            Part::Rows(batch) => row = take_row(&mut { batch.bytes }),
            Part::End(end) => warned = end.warnings > 0,
        }
    }
    let malformed = || failure::internal("a shard has not worked out what it was asked for");
    let (columns, row) = (columns.ok_or_else(malformed)?.list, row.ok_or_else(malformed)?);
    if warned && asked.replaces() {
        return Err(failure::unsupported(
            "a value of time or chance for a sharding column that MySQL warns of is not supported; send the value itself",
        ));
    }
    let (mut binds, mut all_binds) = (Binds::clone(binds), Binds::clone(all_binds));
    let cells = cells(&row, columns.len())?;
    for (number, ((cell, from), to)) in cells.into_iter().zip(&columns).zip(asked.columns()).enumerate() {
        values::check(from, to, &session.now.settings, false)?;
        let value: Value = values::given(cell, from, to)?;
        all_binds.set(Asked::bind(number), value.clone());
        if asked.replaces() {
            binds.set(Asked::bind(number), value);
        }
    }
    Ok(Answered { binds: Arc::new(binds), all_binds: Arc::new(all_binds) })
}
