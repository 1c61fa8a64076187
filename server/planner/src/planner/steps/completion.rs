//! INSERT … VALUES whose values read tables: the gate reads those values first, and the statement has them in their places then.
//!
//! A value is read as a whole, so that MySQL alone computes it; all else of the statement stays as it was written, and is planned with the values as
//! any other INSERT: DEFAULT, sequences, expressions of time and what divides the rows.

use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast::{Expr, Insert, TableObject};

use super::super::calls::{contains_query, finds, finds_outside_queries, is_clock};
use super::super::walk::Walk;
use super::super::write::last;
use super::super::{PlanContext, Scratch, asking, choose, exact, filling};
use super::{assigned, phrase, reading};
use crate::plan::{Completion, CompletionPlan, MergePlan, Part, Reading, Route, StepsPlan, WritePlan, reading_text};
use crate::refusal::Refusal;
use crate::schema::{ColumnClass, ColumnSchema, TableSchema};

/// Plans such an INSERT or REPLACE, whose rows give values of `columns`.
pub(in super::super) fn completion(
    walk: &mut Walk<'_>,
    insert: &Insert,
    schema: Option<&TableSchema>,
    columns: &[String],
    rows: &[&[Expr]],
) -> Result<(Route, MergePlan), Refusal> {
    let text = walk.text;
    let TableObject::TableName(name) = &insert.table else { return Err(refuse("into a table of this form")) };
    let table = last(name);
    let schema = schema.ok_or_else(|| refuse("into a table whose columns are not known"))?;
    let mut read: Vec<(Range<usize>, &Expr, ColumnSchema)> = Vec::new();
    let mut add = |at: usize, value, bytes: Option<Range<usize>>| {
        let column = columns.get(at).and_then(|name| schema.column(name));
        let column = column.ok_or_else(|| refuse("for a column that is not known"))?;
        let bytes = bytes.ok_or_else(|| refuse("whose place in the text is not known"))?;
        read.push((bytes, value, column.clone()));
        Ok::<_, Refusal>(())
    };
    if insert.source.is_none() {
        for (at, assignment) in insert.assignments.iter().enumerate() {
            if contains_query(&assignment.value) {
                add(at, &assignment.value, filling::assigned_value(text, at))?;
            }
        }
    }
    let ranges = if insert.source.is_none() { Vec::new() } else { text.rows() };
    for (number, row) in rows.iter().enumerate() {
        for (at, value) in row.iter().enumerate().filter(|(_, value)| contains_query(*value)) {
            add(at, value, ranges.get(number).and_then(|range| filling::item(text, range, at)))?;
        }
    }
    for (_, value, _) in &read {
        if names_around(value) {
            return Err(refuse("that names other columns beside it"));
        }
        let once = rows.len() <= 1;
        let reads = assigned::reads(*value, &table);
        if let Some(scratch) = walk.context.scratch
            && !scratch.reopens
        {
            assigned::read_and_inserted(*value, &table)?;
        }
        // The values of a row may see the rows before it.
        if reads && (!once || walk.context.scratch.is_none()) {
            return Err(refuse("that reads the table which is written"));
        }
    }
    let slice = |bytes: Range<usize>| Part::Slice(text.anchor(bytes.start), text.anchor(bytes.end));
    let (mut list, mut statement) = (vec![phrase("SELECT ")], Vec::new());
    let mut end = text.statement.body.start;
    for (number, (bytes, _, _)) in read.iter().enumerate() {
        list.extend([phrase(if number > 0 { ", (" } else { "(" }), slice(bytes.clone()), phrase(")")]);
        statement.extend([slice(end..bytes.start), Part::Text(format!(":{}", Completion::bind(number)).into())]);
        end = bytes.end;
    }
    statement.push(slice(end..text.statement.body.end));
    let names: Vec<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
    let clocked = |(place, (_, value, column)): (usize, &(Range<usize>, &Expr, ColumnSchema))| {
        (column.class == ColumnClass::Timestamp && finds(*value, is_clock)).then_some(place)
    };
    let clocked = read.iter().enumerate().filter_map(clocked).collect();
    let columns = read.into_iter().map(|(_, _, column)| column).collect();
    let read = newest(walk, reading(walk, list)?)?;
    let statement = {
        let completed = reading_text(&statement, text.statement)?;
        // A write in steps is none that can be completed.
        let plan = choose(&completed, &PlanContext { scratch: None, ..*walk.context })?;
        Reading { text: statement, plan, key: completed.key }
    };
    // It has rows of its own.
    let returning = insert.returning.as_ref().map(|_| Vec::new());
    let write = WritePlan::Complete(Box::new(CompletionPlan { statement, columns, clocked, names: names.into() }));
    walk.steps = Some(Arc::new(StepsPlan { read, write, ignores: insert.ignore, returning }));
    Ok((Route::AllShards, MergePlan::Writes))
}

/// What a write reads beside its own rows is locked, and is the newest: the scratch server reads it so, where a shard alone would not.
fn newest(walk: &Walk<'_>, read: Reading) -> Result<Reading, Refusal> {
    let Some(scratch) = walk.context.scratch.filter(|_| read.plan.exact.is_none()) else { return Ok(read) };
    let statement = reading_text(&read.text, walk.text.statement)?;
    let scratch = Scratch { for_write: true, ..scratch };
    let context = PlanContext { scratch: Some(scratch), ..*walk.context };
    let plan = exact::plan(&statement, &context, scratch, refuse("whose rows cannot be locked"));
    // It may read no table.
    Ok(plan.map(|plan| Reading { plan, ..read.clone() }).unwrap_or(read))
}

/// Whether a value names a column outside its subqueries.
fn names_around(value: &Expr) -> bool {
    finds_outside_queries(value, asking::names_column)
}

fn refuse(what: &str) -> Refusal {
    Refusal::unsupported(
        "insert-subquery",
        format!(
            "a value of INSERT over several shards is read before the row is inserted; that is not supported for a subquery {what}; read it before"
        ),
    )
}
