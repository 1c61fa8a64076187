//! Rows that were read are inserted, each on the shard where it belongs.

use std::collections::{BTreeMap, VecDeque};

use vitrail_planner::plan::{Beside, Insertion, ShardStatement};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::value::Value;

use super::rows::{Rows, cells, malformed};
use super::{BATCH, Done, Stepping, values};
use crate::session::Session;
use crate::{failure, sequences};

/// Values of one statement at most.
const MOST_VALUES: usize = 20_000;

impl Stepping<'_> {
    /// Inserts the rows in their order.
    pub(super) async fn insert(
        &self,
        session: &mut Session,
        insertion: Insertion<'_>,
        rows: Rows,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let Rows { columns, list, .. } = rows;
        let mut columns = columns.ok_or_else(malformed)?.list;
        let (targets, beside) = (insertion.columns(), insertion.beside());
        let of_beside = columns.split_off(columns.len().saturating_sub(beside.len()));
        let checked = !insertion.proved().is_empty();
        if checked {
            columns.pop();
        }
        if columns.len() != insertion.given() {
            let message = "Column count doesn't match value count at row 1";
            return Err(ErrorBody::new(Code::Invalid, message).with_errno(1136, "21S01"));
        }
        let settings = std::sync::Arc::clone(&session.now.settings);
        for (place, (from, to)) in columns.iter().zip(targets).enumerate() {
            values::check(from, to, &settings, insertion.proved().contains(&place))?;
        }
        // MySQL stores the instant that the clock tells.
        if !insertion.clocked().is_empty() && !values::is_in_fixed_zone(&settings) {
            return Err(values::ambiguous(insertion.clocked().iter().map(|place| &targets[*place])));
        }
        for (from, beside) in of_beside.iter().zip(beside) {
            beside.to.iter().try_for_each(|to| values::check(from, to, &settings, false))?;
        }
        let counts = targets.iter().position(|column| column.auto_increment);
        let batch = BATCH.min(MOST_VALUES / targets.len().max(1)).max(1);
        for rows in list.chunks(batch) {
            let mut values: Vec<Vec<Value>> = Vec::with_capacity(rows.len());
            let mut beside_them: Vec<Vec<Value>> = Vec::with_capacity(rows.len());
            for row in rows {
                let mut cells = cells(row, columns.len() + usize::from(checked) + beside.len())?;
                let read = cells.split_off(cells.len() - beside.len());
                let read = read.into_iter().zip(of_beside.iter().zip(beside));
                let read = read.map(|(cell, (from, Beside { from: column, to }))| match to {
                    Some(to) => values::given(cell, from, to),
                    None => values::own(cell, column),
                });
                beside_them.push(read.collect::<Result<_, _>>()?);
                if checked && cells.last().copied().flatten() != Some(b"1") {
                    return Err(values::ambiguous(insertion.proved().iter().map(|place| &targets[*place])));
                }
                let of_row = cells
                    .into_iter()
                    .zip(columns.iter().zip(targets))
                    .map(|(cell, (from, to))| values::given(cell, from, to));
                values.push(of_row.collect::<Result<_, _>>()?);
            }
            match (insertion.filling(), counts) {
                (Some((filling, place)), _) => {
                    let open =
                        |row: &Vec<Value>| row.get(place).is_none_or(|value| sequences::is_open(value, &settings));
                    let count = values.iter().filter(|row| open(row)).count() as u64;
                    if count > 0 {
                        let mut next = sequences::numbers(self.scope, filling, count).await?;
                        done.first = done.first.or(Some(next));
                        for row in values.iter_mut().filter(|row| open(row)) {
                            match row.get_mut(place) {
                                Some(value) => *value = Value::UInt(next),
                                None => row.push(Value::UInt(next)),
                            }
                            next += 1;
                        }
                    }
                }
                (None, Some(place)) if values.iter().any(|row| sequences::is_open(&row[place], &settings)) => {
                    return Err(failure::unsupported(format!(
                        "a row gives no value for `{0}`, and each shard would count by itself; give it, or name a sequence for `{0}` in the vschema",
                        targets[place].name
                    )));
                }
                _ => {}
            }
            for statements in self.insertions(insertion, values.into_iter().zip(beside_them))? {
                let end = self.write(session, statements, &self.scope.calling, done).await?;
                done.add(end);
            }
        }
        Ok(())
    }

    /// The statements that insert rows: one for each shard, or of each shard several, one after the other, where rows of it have other values beside them.
    fn insertions(
        &self,
        insertion: Insertion<'_>,
        rows: impl Iterator<Item = (Vec<Value>, Vec<Value>)>,
    ) -> Result<Vec<Vec<ShardStatement>>, ErrorBody> {
        let shards = &self.keyspace.layout;
        let mut by_shard: BTreeMap<usize, VecDeque<Run>> = BTreeMap::new();
        for (row, beside) in rows {
            let mut put = |shard, row, beside| {
                let runs = by_shard.entry(shard).or_default();
                match runs.back_mut() {
                    Some(run) if run.beside == beside => run.rows.push(row),
                    _ => runs.push_back(Run { rows: vec![row], beside }),
                }
            };
            match insertion.home(&row, shards)? {
                Some(shard) => put(shard, row, beside),
                None => (0..shards.len()).for_each(|shard| put(shard, row.clone(), beside.clone())),
            }
        }
        let statement = |(shard, Run { rows, beside }): (usize, Run)| {
            let sql = insertion.text(rows.len()).into();
            let values = rows.into_iter().enumerate().flat_map(|(number, row)| {
                row.into_iter().enumerate().map(move |(column, value)| (Insertion::bind(number, column), value))
            });
            let beside = beside.into_iter().enumerate();
            let beside = beside.map(|(number, value)| (Insertion::bind_beside(number), value));
            ShardStatement { shard, sql, binds: self.with(values.chain(beside)) }
        };
        let mut all = Vec::new();
        while !by_shard.is_empty() {
            let next = by_shard.iter_mut().filter_map(|(shard, runs)| Some((*shard, runs.pop_front()?)));
            all.push(next.map(statement).collect());
            by_shard.retain(|_, runs| !runs.is_empty());
        }
        Ok(all)
    }
}

/// Rows of one shard that follow each other, and have the same values beside them.
struct Run {
    rows: Vec<Vec<Value>>,
    beside: Vec<Value>,
}
