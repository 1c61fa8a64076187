//! From a plan to the texts for the shards, with the literals and binds of one statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use vitrail_proto::value::{Binds, Value};
use vitrail_sql::normalise::Normalised;

use super::stored::{equal_integer, stored};
use super::{
    Divider, Edit, Exact, ExactPlan, Ids, InsertId, Join, Merge, MergePlan, Pin, Pins, Plan, Replacement, Resolved,
    Route, RowPlan, ShardStatement, Source, Steps, Window, WindowPlan,
};
use crate::key_range::{KeyspaceId, Shards};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;
use crate::vindex::{Part, VindexError};

impl Plan {
    /// Finds the shards of `statement`, which has the key that the plan was made for, and makes their texts.
    /// `shards` are those of [`Plan::keyspace`].
    ///
    /// # Errors
    /// A bind that is missing, a value without a keyspace id, a shard that is not there.
    pub fn resolve(&self, statement: &Normalised, binds: &Arc<Binds>, shards: &Shards) -> Result<Resolved, Refusal> {
        let values = Values { statement, binds };
        if let Some(exact) = &self.exact {
            return self.exact(exact, statement, binds);
        }
        let statements = match &self.route {
            Route::Rows { columns, rows } => self.split(&values, columns, rows, shards)?,
            route => {
                let chosen = self.choose(route, &values, shards)?;
                let sql = self.edited(&values, chosen.len() > 1)?;
                let statement = |shard| ShardStatement { shard, sql: Arc::clone(&sql), binds: Arc::clone(binds) };
                chosen.into_iter().map(statement).collect()
            }
        };
        if statements.len() > 1
            && let Some(function) = &self.series
        {
            return Err(Refusal::unsupported(
                "statement-series",
                format!(
                    "{function}() with a seed gives all rows of a statement one series of values, and two shards would not share it; send the \
                     values themselves, or write to one shard at a time"
                ),
            ));
        }
        if statements.len() > 1
            && let Some(reason) = self.alone
        {
            return Err(Refusal::unsupported("one-shard-only", reason));
        }
        let merge = if statements.len() > 1 { self.merge(&values)? } else { Merge::Pass };
        let join = match &self.join {
            Some(join) if statements.len() > 1 => Some(Box::new(Join::of(join, statement)?)),
            _ => None,
        };
        let steps = match &self.steps {
            Some(steps) if statements.len() > 1 || steps.always() => Some(Box::new(Steps::of(steps, self, &values)?)),
            _ => None,
        };
        let row_key = self.row.as_ref().filter(|_| statements.len() == 1);
        let row_key = row_key.and_then(|row| row.name(|source| values.one(source).ok()));
        Ok(Resolved {
            keyspace: Arc::clone(&self.keyspace),
            statements,
            merge,
            writes: self.writes,
            row_key,
            shareable: self.shareable,
            insert_id: self.insert_id(&values),
            join,
            steps,
            exact: None,
        })
    }

    fn exact(&self, plan: &Arc<ExactPlan>, statement: &Normalised, binds: &Arc<Binds>) -> Result<Resolved, Refusal> {
        let (exact, sql) = Exact::of(plan, statement)?;
        Ok(Resolved {
            keyspace: Arc::clone(&self.keyspace),
            statements: vec![ShardStatement { shard: 0, sql, binds: Arc::clone(binds) }],
            merge: Merge::Pass,
            writes: self.writes,
            row_key: None,
            shareable: false,
            insert_id: InsertId::Generated,
            join: None,
            steps: None,
            exact: Some(Box::new(exact)),
        })
    }

    fn insert_id(&self, values: &Values<'_>) -> InsertId {
        let sources = match &self.ids {
            Ids::Generated => return InsertId::Generated,
            Ids::Given => return InsertId::Given,
            Ids::Unknown => return InsertId::Unknown,
            Ids::From(sources) => sources,
        };
        let (mut given, mut generated) = (0, 0);
        for source in sources {
            match values.one(source) {
                // Zero is made up, too, unless the sql_mode says otherwise.
                Ok(Value::Int(number)) if number > 0 => given += 1,
                Ok(Value::UInt(number)) if number > 0 => given += 1,
                Ok(Value::Null) => generated += 1,
                _ => return InsertId::Unknown,
            }
        }
        match (given, generated) {
            (_, 0) => InsertId::Given,
            (0, _) => InsertId::Generated,
            _ => InsertId::Unknown,
        }
    }

    fn choose(&self, route: &Route, values: &Values<'_>, shards: &Shards) -> Result<Vec<usize>, Refusal> {
        match route {
            Route::AnyShard => Ok(vec![0]),
            Route::AllShards | Route::Rows { .. } => Ok((0..shards.len()).collect()),
            Route::Named(name) => match shards.by_name(name) {
                Some(shard) => Ok(vec![shard]),
                None => {
                    let names: Vec<&str> = shards.iter().map(|shard| &*shard.name).collect();
                    Err(Refusal::not_found(
                        "unknown-shard",
                        format!("keyspace `{}` has no shard `{name}`; it has {}", self.keyspace, names.join(", ")),
                    ))
                }
            },
            Route::Pinned(pins) => {
                let mut found: Option<KeyspaceId> = None;
                for pins in pins {
                    // Equality with NULL holds for no row: any shard gives the right answer.
                    let Some(id) = pinned_id(pins, values)? else { continue };
                    match &found {
                        Some(known) if *known != id => {
                            return Err(Refusal::unsupported(
                                "two-keyspace-ids",
                                "the statement's tables are pinned to different keyspace ids; send one statement for each",
                            ));
                        }
                        _ => found = Some(id),
                    }
                }
                Ok(vec![found.map_or(0, |id| shards.find(&id))])
            }
            Route::Listed(pins) => {
                let mut chosen = Vec::new();
                let (ids, whole) = listed_ids(pins, values)?;
                for id in ids {
                    if whole {
                        chosen.push(shards.find(&id));
                    } else {
                        chosen.extend(shards.beginning_with(&id));
                    }
                }
                chosen.sort_unstable();
                chosen.dedup();
                if chosen.is_empty() {
                    chosen.push(0);
                }
                Ok(chosen)
            }
        }
    }

    fn split(
        &self,
        values: &Values<'_>,
        columns: &[Divider],
        rows: &[RowPlan],
        shards: &Shards,
    ) -> Result<Vec<ShardStatement>, Refusal> {
        let mut by_shard: BTreeMap<usize, Vec<&RowPlan>> = BTreeMap::new();
        for row in rows {
            let id = id_of_row(columns, row, values)?;
            by_shard.entry(shards.find(&id)).or_default().push(row);
        }
        if by_shard.len() == 1 {
            let sql = self.edited(values, false)?;
            return Ok(by_shard
                .into_keys()
                .map(|shard| ShardStatement { shard, sql: Arc::clone(&sql), binds: Arc::clone(values.binds) })
                .collect());
        }
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let at = |anchor| values.position(anchor);
        let (start, end) = (at(first.start)?, at(last.end)?);
        let mut statements = Vec::with_capacity(by_shard.len());
        for (shard, rows) in by_shard {
            let mut sql = self.edited_part(values, true, 0..start)?;
            for (index, row) in rows.into_iter().enumerate() {
                if index > 0 {
                    sql.push_str(", ");
                }
                sql.push_str(&self.edited_part(values, true, at(row.start)?..at(row.end)?)?);
            }
            sql.push_str(&self.edited_part(values, true, end..values.statement.text.len())?);
            statements.push(ShardStatement { shard, sql: sql.into(), binds: Arc::clone(values.binds) });
        }
        Ok(statements)
    }

    fn edited(&self, values: &Values<'_>, scatter: bool) -> Result<Arc<str>, Refusal> {
        if !self.edits.iter().any(|edit| scatter || !edit.scatter_only) {
            return Ok(Arc::clone(&values.statement.text));
        }
        Ok(self.edited_part(values, scatter, 0..values.statement.text.len())?.into())
    }

    /// The text of `range` with the edits that lie inside.
    fn edited_part(
        &self,
        values: &Values<'_>,
        scatter: bool,
        range: std::ops::Range<usize>,
    ) -> Result<String, Refusal> {
        let text = &values.statement.text;
        let mut out = String::with_capacity(range.len() + 32);
        let mut position = range.start;
        for edit in self.edits.iter().filter(|edit| scatter || !edit.scatter_only) {
            let (start, end) = (values.position(edit.start)?, values.position(edit.end)?);
            if start < position || end > range.end {
                continue;
            }
            out.push_str(values.slice(text, position..start)?);
            out.push_str(&self.replacement(values, edit)?);
            position = end;
        }
        out.push_str(values.slice(text, position..range.end)?);
        Ok(out)
    }

    /// Pieces of the text, with the edits that lie inside.
    pub(super) fn pieces(&self, parts: &[super::Part], values: &Values<'_>) -> Result<String, Refusal> {
        let mut out = String::new();
        for part in parts {
            match part {
                super::Part::Text(text) => out.push_str(text),
                super::Part::Slice(start, end) => {
                    let range = values.position(*start)?..values.position(*end)?;
                    out.push_str(&self.edited_part(values, false, range)?);
                }
            }
        }
        Ok(out)
    }

    fn replacement(&self, values: &Values<'_>, edit: &Edit) -> Result<Arc<str>, Refusal> {
        match &edit.replacement {
            Replacement::Text(text) => Ok(Arc::clone(text)),
            Replacement::Without(_) => Ok("".into()),
            Replacement::WindowEnd => {
                let window = self.window().map_or(Ok(Window::default()), |window| values.window(window))?;
                // MySQL's own largest LIMIT stands for no limit.
                let end = window.limit.map_or(u64::MAX, |limit| limit.saturating_add(window.offset));
                Ok(end.to_string().into())
            }
        }
    }

    fn window(&self) -> Option<&WindowPlan> {
        match &self.merge {
            MergePlan::Concat(window) | MergePlan::Sort { window, .. } | MergePlan::Group { window, .. } => {
                Some(window)
            }
            _ => None,
        }
    }

    fn merge(&self, values: &Values<'_>) -> Result<Merge, Refusal> {
        Ok(match &self.merge {
            MergePlan::Pass => Merge::Pass,
            MergePlan::Concat(window) => Merge::Concat(values.window(window)?),
            MergePlan::Sort { keys, window, hidden, columns } => Merge::Sort {
                keys: keys.clone(),
                window: values.window(window)?,
                hidden_columns: *hidden,
                columns: *columns,
            },
            MergePlan::Group { grouping, values: compared, window } => Merge::Group {
                grouping: Arc::clone(grouping),
                values: compared.iter().map(|source| values.number(source)).collect::<Result<_, _>>()?,
                window: values.window(window)?,
            },
            MergePlan::Writes => Merge::Writes,
            MergePlan::Replicated => Merge::Replicated,
        })
    }
}

/// The keyspace id that the values of all sharding columns lead to; none if one of them is equal to nothing.
fn pinned_id(pins: &Pins, values: &Values<'_>) -> Result<Option<KeyspaceId>, Refusal> {
    if let [pin] = pins.columns.as_slice()
        && pin.part == Part::Whole
    {
        return id_of(pin, values.one(&pin.source)?);
    }
    let mut row = KeyspaceId(Vec::new());
    for (number, pin) in pins.columns.iter().enumerate() {
        let Some(id) = id_of(pin, values.one(&pin.source)?)? else { return Ok(None) };
        pin.part.append(&id, &mut row, number + 1 == pins.columns.len());
    }
    Ok(Some(row))
}

/// The keyspace ids that lists of values lead to, and whether they are whole: otherwise they begin so.
fn listed_ids(pins: &Pins, values: &Values<'_>) -> Result<(Vec<KeyspaceId>, bool), Refusal> {
    let mut ids: Vec<KeyspaceId> = Vec::new();
    for (number, pin) in pins.columns.iter().enumerate() {
        let mut of_column = Vec::new();
        for value in values.many(&pin.source)? {
            of_column.extend(id_of(pin, value)?);
        }
        if pins.columns.len() == 1 && pins.all && pin.part == Part::Whole {
            return Ok((of_column, true));
        }
        of_column.sort_unstable();
        of_column.dedup();
        if number > 0 && ids.len().saturating_mul(of_column.len()) > MOST_COMBINATIONS {
            return Ok((ids, false));
        }
        let last = pins.all && number + 1 == pins.columns.len();
        let longer = |id: &KeyspaceId, of_column: &KeyspaceId| {
            let mut id = id.clone();
            pin.part.append(of_column, &mut id, last);
            id
        };
        let shorter = if number == 0 { vec![KeyspaceId(Vec::new())] } else { ids };
        ids = shorter.iter().flat_map(|id| of_column.iter().map(move |of_column| longer(id, of_column))).collect();
    }
    Ok((ids, pins.all))
}

/// Of values of several sharding columns; with more of them, those of the first columns choose the shards.
const MOST_COMBINATIONS: usize = 1 << 16;

fn id_of(pin: &Pin, value: Value) -> Result<Option<KeyspaceId>, Refusal> {
    let value = if pin.class == Some(ColumnClass::Integer) { equal_integer(value) } else { Ok(value) };
    match value.and_then(|value| pin.vindex.keyspace_id(&value, pin.class.as_ref())) {
        Ok(id) => Ok(Some(id)),
        Err(VindexError::Null) => Ok(None),
        // MySQL would convert it, and find rows or none.
        Err(other) => Err(Refusal::unsupported(
            "sharding-comparison",
            format!("{other}; compare the sharding column with a plain value of its type"),
        )),
    }
}

/// The keyspace id of a row that is inserted.
fn id_of_row(columns: &[Divider], row: &RowPlan, values: &Values<'_>) -> Result<KeyspaceId, Refusal> {
    let mut of_row = Vec::with_capacity(columns.len());
    for (column, source) in columns.iter().zip(&row.sources) {
        let value = values.one(source)?;
        of_row.push(match &column.known {
            Some(known) => stored(value, known)?,
            None => value,
        });
    }
    id_of_values(columns.iter().zip(&of_row))
}

/// The keyspace id that the stored values of a row's sharding columns lead to.
pub(super) fn id_of_values<'v>(
    columns: impl ExactSizeIterator<Item = (&'v Divider, &'v Value)>,
) -> Result<KeyspaceId, Refusal> {
    let count = columns.len();
    let mut row_id = KeyspaceId(Vec::new());
    for (number, (column, value)) in columns.enumerate() {
        let class = column.known.as_ref().map(|known| &known.class);
        let id = column.vindex.keyspace_id(value, class).map_err(|error| match error {
            VindexError::Null => Refusal::constraint("null-sharding-column", "a sharding column cannot be NULL")
                .with_errno(1048, "23000"),
            other => value_refusal(&other),
        })?;
        if count == 1 && column.part == Part::Whole {
            return Ok(id);
        }
        column.part.append(&id, &mut row_id, number + 1 == count);
    }
    Ok(row_id)
}

fn value_refusal(error: &VindexError) -> Refusal {
    Refusal::unsupported("sharding-value", format!("the value of the sharding column leads to no shard: {error}"))
}

/// The literals and binds of one statement.
pub(super) struct Values<'a> {
    pub(super) statement: &'a Normalised,
    pub(super) binds: &'a Arc<Binds>,
}

impl Values<'_> {
    fn position(&self, anchor: vitrail_sql::normalise::Anchor) -> Result<usize, Refusal> {
        Ok(self.statement.position(anchor))
    }

    fn slice<'t>(&self, text: &'t str, range: std::ops::Range<usize>) -> Result<&'t str, Refusal> {
        text.get(range).ok_or_else(|| Refusal::invalid("edit", "the plan does not fit the statement"))
    }

    pub(super) fn one(&self, source: &Source) -> Result<Value, Refusal> {
        match source {
            Source::Constant(value) => Ok(value.clone()),
            Source::Literal { index, negated } => {
                let value = self.literal(*index)?;
                if *negated { negate(value) } else { Ok(value) }
            }
            Source::Bind(name) => self.bind(name).cloned(),
            Source::Several(_) => Err(Refusal::invalid("list", "a list stands where one value is needed")),
        }
    }

    fn many(&self, source: &Source) -> Result<Vec<Value>, Refusal> {
        match source {
            Source::Several(sources) => sources.iter().map(|source| self.one(source)).collect(),
            source => match self.one(source)? {
                Value::List(values) => Ok(values),
                value => Ok(vec![value]),
            },
        }
    }

    fn literal(&self, index: usize) -> Result<Value, Refusal> {
        self.statement.literal_value(index).map_err(|error| Refusal::invalid("literal", error.to_string()))
    }

    fn bind(&self, name: &str) -> Result<&Value, Refusal> {
        self.binds.get(name).ok_or_else(|| {
            // MySQL's ER_WRONG_ARGUMENTS, as for a prepared statement that lacks a parameter.
            Refusal::invalid("missing-bind", format!("the bind variable `:{name}` has no value"))
                .with_errno(1210, "HY000")
        })
    }

    /// A number that HAVING compares with.
    fn number(&self, source: &Source) -> Result<Value, Refusal> {
        match self.one(source)? {
            value @ (Value::Null | Value::Int(_) | Value::UInt(_) | Value::Decimal(_)) => Ok(value),
            _ => Err(Refusal::unsupported(
                "having",
                "HAVING over several shards compares with integers, decimals and NULL; send the value as one of these",
            )),
        }
    }

    fn window(&self, window: &WindowPlan) -> Result<Window, Refusal> {
        let number = |source: &Source| match self.one(source)? {
            Value::Int(value) if value >= 0 => Ok(value.cast_unsigned()),
            Value::UInt(value) => Ok(value),
            _ => Err(Refusal::invalid("limit", "LIMIT and OFFSET take integers from 0 on")),
        };
        let limit = window.limit.as_ref().map(number).transpose()?;
        let offset = window.offset.as_ref().map(number).transpose()?.unwrap_or(0);
        Ok(Window { offset, limit })
    }
}

fn negate(value: Value) -> Result<Value, Refusal> {
    match value {
        Value::Int(value) if value != i64::MIN => Ok(Value::Int(-value)),
        Value::UInt(value) if value == i64::MIN.unsigned_abs() => Ok(Value::Int(i64::MIN)),
        Value::UInt(value) => Ok(Value::Decimal(format!("-{value}"))),
        Value::Decimal(text) => Ok(Value::Decimal(format!("-{text}"))),
        Value::Double(value) => Ok(Value::Double(-value)),
        _ => Err(Refusal::invalid("literal", "a minus stands before a literal that is no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vindex::Vindex;
    use vitrail_sql::normalise::normalise;

    /// `multicol` over one column takes its part of the vindex's id, too, on every way to a shard.
    #[test]
    fn a_single_column_gives_its_part() {
        let statement = normalise("SELECT 1".into(), Default::default()).expect("a statement");
        let binds = Arc::default();
        let values = Values { statement: &statement, binds: &binds };
        let source = Source::Constant(Value::Text("abc".into()));
        for (part, expected) in [(Part::First(2), "6162"), (Part::Whole, "616263")] {
            let pin = Pin { column: "c".into(), vindex: Vindex::Binary, part, class: None, source: source.clone() };
            let pins = Pins { columns: vec![pin], all: true };
            let divider = Divider { vindex: Vindex::Binary, part, known: None };
            let anchor = statement.anchor(0);
            let row = RowPlan { sources: vec![source.clone()], start: anchor, end: anchor };
            let ids = [
                pinned_id(&pins, &values).expect("a value").expect("an id"),
                listed_ids(&pins, &values).expect("a list").0.remove(0),
                id_of_row(&[divider], &row, &values).expect("an id"),
            ];
            assert_eq!(ids.map(|id| id.to_string()), [expected; 3], "{part:?}");
        }
    }
}
