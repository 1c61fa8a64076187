//! Rows that were read are inserted, each on the shard where it belongs.

use std::collections::BTreeMap;

use vitrail_planner::plan::{Insertion, ShardStatement};
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
        let targets = insertion.columns();
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
        let counts = targets.iter().position(|column| column.auto_increment);
        let batch = BATCH.min(MOST_VALUES / targets.len().max(1)).max(1);
        for rows in list.chunks(batch) {
            let mut values: Vec<Vec<Value>> = Vec::with_capacity(rows.len());
            for row in rows {
                let cells = cells(row, columns.len() + usize::from(checked))?;
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
            let statements = self.insertions(insertion, values)?;
            let end = self.write(session, statements, &self.scope.calling, done).await?;
            done.add(end);
        }
        Ok(())
    }

    fn insertions(&self, insertion: Insertion<'_>, rows: Vec<Vec<Value>>) -> Result<Vec<ShardStatement>, ErrorBody> {
        let shards = &self.keyspace.layout;
        let mut by_shard: BTreeMap<usize, Vec<Vec<Value>>> = BTreeMap::new();
        for row in rows {
            match insertion.home(&row, shards)? {
                Some(shard) => by_shard.entry(shard).or_default().push(row),
                None => (0..shards.len()).for_each(|shard| by_shard.entry(shard).or_default().push(row.clone())),
            }
        }
        let statement = |(shard, rows): (usize, Vec<Vec<Value>>)| ShardStatement {
            shard,
            sql: insertion.text(rows.len()).into(),
            binds: self.with(rows.into_iter().enumerate().flat_map(|(number, row)| {
                row.into_iter().enumerate().map(move |(column, value)| (Insertion::bind(number, column), value))
            })),
        };
        Ok(by_shard.into_iter().map(statement).collect())
    }
}
