//! Plans for INSERT and REPLACE over sharded keyspaces.

use std::ops::Range;

use sqlparser::ast::{Expr, Insert, OnInsert, SetExpr, TableObject, Value as SqlValue};

use super::calls::contains_query;
use super::insert_select::{self, Target};
use super::names::is_default;
use super::text::Given;
use super::walk::{Scope, Walk};
use super::write::{assigned, last, moves_row, replicated};
use super::{asking, filling, steps};
use crate::plan::{Divider, Filling, Ids, MergePlan, Route, RowPlan, Source};
use crate::refusal::Refusal;
use crate::schema::{ColumnSchema, TableSchema};
use crate::vschema::{Placement, Sharding, ShardingColumn};

/// Walks an INSERT or REPLACE and, in a sharded keyspace, divides its rows.
pub(super) fn insert(walk: &mut Walk<'_>, insert: &Insert) -> Result<(Route, MergePlan), Refusal> {
    let TableObject::TableName(name) = &insert.table else {
        return Err(Refusal::unsupported("insert-form", "this form of INSERT is not supported"));
    };
    let named = walk.name(name)?;
    let source = match &insert.source {
        Some(source) => Some((&**source, walk.query(source, &[])?)),
        None => None,
    };
    walk.subqueries(&insert.on, &Scope::default(), &[])?;
    walk.subqueries(&insert.assignments, &Scope::default(), &[])?;
    walk.subqueries(&insert.returning, &Scope::default(), &[])?;
    for column in insert.columns.iter().chain(&assigned(&insert.assignments)) {
        walk.cut_prefix(column, 3);
    }
    let table = name.0.last().map(ToString::to_string).unwrap_or_default().replace('`', "");
    if !named.keyspace.sharded || walk.context.shard.is_some() {
        let schema = walk.schema(&named.keyspace.name, &table);
        walk.ids = ids_of(walk, insert, schema, &table);
        return Ok((Route::AnyShard, MergePlan::Pass));
    }
    // Below they have to be given.
    walk.ids = Ids::Given;
    if let Some((query, scope)) = source.filter(|(query, _)| !matches!(&*query.body, SetExpr::Values(_))) {
        let schema = walk.schema(&named.keyspace.name, &table);
        let columns = columns(insert, schema, &table)?;
        if let Some(Placement::Sharded(sharding)) = named.table.map(|table| &table.placement) {
            keeps_sharding(insert, sharding)?;
        }
        let target = Target { named: &named, schema, columns };
        let edits = walk.edits.len();
        return match insert_select::plan(walk, insert, (query, &scope), &target) {
            Err(refusal) if refusal.errno.is_none() => {
                walk.edits.truncate(edits);
                walk.join = None;
                steps::insertion(walk, insert, &scope, &target)
            }
            done => done,
        };
    }
    let schema = walk.schema(&named.keyspace.name, &table);
    let rows: Vec<&[Expr]> = match insert.source.as_deref().map(|source| &*source.body) {
        Some(SetExpr::Values(values)) => values.rows.iter().map(|row| row.content.as_slice()).collect(),
        _ => Vec::new(),
    };
    // `() VALUES ()`: rows of defaults.
    let defaults = insert.columns.is_empty() && rows.first().is_some_and(|row| row.is_empty());
    let columns = if defaults { Vec::new() } else { columns(insert, schema, &table)? };
    if let Some(row) = rows.iter().position(|row| row.len() != columns.len()) {
        return Err(wrong_count(row));
    }
    let auto = named.table.and_then(|table| table.auto_increment.as_ref());
    let placement = named.table.map(|table| &table.placement);
    if reads_first(insert, placement, &columns, &rows, walk.placements.mark() > 0) {
        return steps::completion(walk, insert, schema, &columns, &rows);
    }
    if walk.placements.mark() > 0 {
        return Err(Refusal::unsupported(
            "insert-subquery",
            "ON DUPLICATE KEY UPDATE and RETURNING of an INSERT cannot read a sharded table; read it before",
        ));
    }
    match auto {
        Some(auto) => walk.filling = Some(filling::fill(walk, insert, auto, &columns, &rows)?),
        None => auto_increment(insert, schema, &columns, &rows)?,
    }
    match placement {
        Some(Placement::Sharded(sharding)) => {
            keeps_sharding(insert, sharding)?;
            let set: Vec<&Expr> = insert.assignments.iter().map(|assignment| &assignment.value).collect();
            let row = |values| asking::Row {
                table: &table,
                schema,
                columns: &columns,
                values,
                named: !insert.assignments.is_empty() || !insert.columns.is_empty(),
                filled: auto.map(|auto| &*auto.column),
            };
            let given: Vec<asking::Row<'_>> = match insert.source {
                None => vec![row(set)],
                Some(_) => rows.iter().map(|values| row(values.iter().collect())).collect(),
            };
            let mut dividers = Vec::with_capacity(sharding.columns.len());
            let mut sources = Vec::with_capacity(sharding.columns.len());
            for ShardingColumn { column, vindex, part } in &sharding.columns {
                let known = schema.and_then(|schema| schema.column(column));
                sources.push(if auto.is_some_and(|auto| auto.column.eq_ignore_ascii_case(column)) {
                    (0..rows.len().max(1)).map(|row| Source::Bind(Filling::bind(row).into())).collect()
                } else {
                    match columns.iter().position(|name| name.eq_ignore_ascii_case(column)) {
                        Some(at) => values_of(walk, insert, &given, at, known)?,
                        None => {
                            let default = known.and_then(ColumnSchema::default_value).ok_or_else(|| {
                                Refusal::unsupported(
                                    "no-sharding-column",
                                    format!(
                                        "the INSERT into `{table}` gives no value for its sharding column `{column}`"
                                    ),
                                )
                            })?;
                            vec![Source::Constant(default); rows.len().max(1)]
                        }
                    }
                });
                dividers.push(Divider { vindex: *vindex, part: *part, known: known.cloned().map(Box::new) });
            }
            let rows = rows_of(walk, insert, rows.len(), sources)?;
            Ok((Route::Rows { columns: dividers, rows }, MergePlan::Writes))
        }
        _ => replicated(walk),
    }
}

/// Whether values have to be read before the rows can be inserted: those that read sharded tables (`over_shards`: something in the statement does), and
/// those that tell where a row goes.
fn reads_first(
    insert: &Insert,
    placement: Option<&Placement>,
    columns: &[String],
    rows: &[&[Expr]],
    over_shards: bool,
) -> bool {
    let decides = |at: usize| match placement {
        Some(Placement::Sharded(sharding)) => columns.get(at).is_some_and(|name| sharding.position(name).is_some()),
        _ => false,
    };
    let is_read = |(at, value): (usize, &Expr)| (over_shards || decides(at)) && contains_query(value);
    let set = insert.assignments.iter().map(|assignment| &assignment.value);
    set.enumerate().any(is_read) || rows.iter().any(|row| row.iter().enumerate().any(is_read))
}

/// An update of the row that is there already may not move it.
fn keeps_sharding(insert: &Insert, sharding: &Sharding) -> Result<(), Refusal> {
    let Some(OnInsert::DuplicateKeyUpdate(assignments)) = &insert.on else { return Ok(()) };
    match assigned(assignments).iter().find_map(|column| sharding.position(&last(column))) {
        Some(column) => Err(moves_row(&sharding.columns[column].column)),
        None => Ok(()),
    }
}

/// The value of one sharding column, which stands at `at`, in each row.
fn values_of(
    walk: &mut Walk<'_>,
    insert: &Insert,
    rows: &[asking::Row<'_>],
    at: usize,
    column: Option<&ColumnSchema>,
) -> Result<Vec<Source>, Refusal> {
    let text = walk.text;
    let ranges = if insert.source.is_none() { Vec::new() } else { text.rows() };
    let mut of_row = |(index, row): (usize, &asking::Row<'_>)| {
        let expr = row.values.get(at).ok_or_else(|| wrong_count(index))?;
        let bytes = || match insert.source {
            None => filling::assigned_value(text, at),
            Some(_) => filling::item(text, ranges.get(index)?, at),
        };
        match text.value(expr) {
            // What a fraction is in a column that is not known would be a guess.
            Some((_, Given::Fraction)) if column.is_none() => Err(Refusal::unsupported(
                "sharding-value",
                "the type of the sharding column is not known; give it an integer, a text or bytes",
            )),
            Some((source, _)) => Ok(source),
            None => match column.and_then(ColumnSchema::default_value).filter(|_| is_default(expr)) {
                Some(default) => Ok(Source::Constant(default)),
                None => asking::ask(walk, expr, bytes(), column, (row, at)),
            },
        }
    };
    rows.iter().enumerate().map(&mut of_row).collect()
}

/// The rows of an INSERT: where they stand in the text, and the values of their sharding columns, given column by column.
fn rows_of(walk: &Walk<'_>, insert: &Insert, count: usize, columns: Vec<Vec<Source>>) -> Result<Vec<RowPlan>, Refusal> {
    // The only row of INSERT … SET is its text.
    let body = walk.text.statement.body.start;
    let ranges = if insert.source.is_none() { vec![Range { start: body, end: body }] } else { walk.text.rows() };
    if insert.source.is_some() && ranges.len() != count {
        return Err(Refusal::invalid("insert-rows", "the rows of the INSERT cannot be told apart"));
    }
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let row = |range: Range<usize>| RowPlan {
        sources: columns.iter_mut().filter_map(Iterator::next).collect(),
        start: walk.text.anchor(range.start),
        end: walk.text.anchor(range.end),
    };
    Ok(ranges.into_iter().map(row).collect())
}

pub(super) fn wrong_count(row: usize) -> Refusal {
    Refusal::invalid("column-count", format!("Column count doesn't match value count at row {}", row + 1))
        .with_errno(1136, "21S01")
}

fn columns(insert: &Insert, schema: Option<&TableSchema>, table: &str) -> Result<Vec<String>, Refusal> {
    if !insert.assignments.is_empty() {
        return Ok(assigned(&insert.assignments).iter().map(last).collect());
    }
    if !insert.columns.is_empty() {
        return Ok(insert.columns.iter().map(last).collect());
    }
    match schema {
        Some(schema) => {
            Ok(schema.columns.iter().filter(|column| !column.invisible).map(|column| column.name.clone()).collect())
        }
        None => Err(Refusal::unsupported(
            "insert-columns",
            format!("the columns of `{table}` are not known; name them in the INSERT"),
        )),
    }
}

/// Rows whose ids a plan remembers.
const MOST_IDS: usize = 64;

/// Where the values of the AUTO_INCREMENT column come from.
fn ids_of(walk: &Walk<'_>, insert: &Insert, schema: Option<&TableSchema>, table: &str) -> Ids {
    let Some(known) = schema else { return Ids::Unknown };
    let Some(column) = known.columns.iter().find(|column| column.auto_increment) else { return Ids::Given };
    let Ok(columns) = columns(insert, schema, table) else { return Ids::Unknown };
    let Some(at) = columns.iter().position(|name| name.eq_ignore_ascii_case(&column.name)) else {
        // An update of the row that is there already tells that row's value.
        return if insert.on.is_none() { Ids::Generated } else { Ids::Unknown };
    };
    let given: Vec<Option<&Expr>> = match insert.source.as_deref().map(|source| &*source.body) {
        Some(SetExpr::Values(values)) => values.rows.iter().map(|row| row.content.get(at)).collect(),
        Some(_) => return Ids::Unknown,
        None => vec![insert.assignments.get(at).map(|assignment| &assignment.value)],
    };
    if given.len() > MOST_IDS || insert.on.is_some() {
        return Ids::Unknown;
    }
    let sources = given.into_iter().map(|expr| match expr? {
        expr if is_default(expr) => Some(Source::Constant(vitrail_proto::value::Value::Null)),
        expr => walk.text.value(expr).map(|(source, _)| source),
    });
    sources.collect::<Option<Vec<_>>>().map_or(Ids::Unknown, Ids::From)
}

/// Each shard would count by itself, and two rows would get one number.
fn auto_increment(
    insert: &Insert,
    schema: Option<&TableSchema>,
    columns: &[String],
    rows: &[&[Expr]],
) -> Result<(), Refusal> {
    let Some(column) = schema.and_then(|schema| schema.columns.iter().find(|column| column.auto_increment)) else {
        return Ok(());
    };
    let leaves_open = |expr: Option<&Expr>| match expr {
        Some(Expr::Value(value)) => {
            matches!(&value.value, SqlValue::Null)
                || matches!(&value.value, SqlValue::Number(number, _) if number == "0")
        }
        Some(expr) => is_default(expr),
        None => true,
    };
    let open = match columns.iter().position(|name| name.eq_ignore_ascii_case(&column.name)) {
        None => true,
        Some(at) if insert.source.is_none() => {
            leaves_open(insert.assignments.get(at).map(|assignment| &assignment.value))
        }
        Some(at) => rows.iter().any(|row| leaves_open(row.get(at))),
    };
    if open {
        return Err(Refusal::unsupported(
            "auto-increment",
            format!(
                "each shard counts `{}` by itself, so it would not be unique; give its value, or name a sequence for it in the vschema (`auto_increment`)",
                column.name
            ),
        ));
    }
    Ok(())
}
