//! A write for the scratch server: the table that it writes is there whole, and its other tables as a query would have them.

use std::ops::Range;

use sqlparser::ast::{Delete, FromTable, Insert, SetExpr, Statement, TableObject, TableWithJoins, Update};
use vitrail_sql::normalise::Normalised;

use super::blocks::{Block, Item};
use super::columns::Words;
use super::conditions;
use super::survey::Survey;
use super::{Found, assemble, refuse};
use crate::plan::{Part, Plan};
use crate::planner::facts::conjuncts;
use crate::planner::text::Text;
use crate::planner::{PlanContext, Scratch};
use crate::refusal::Refusal;

/// A write as the scratch server runs it. Its first fragment is the table that it writes.
pub(in super::super) struct Staged {
    pub(in super::super) plan: Plan,
    /// The rows of an INSERT from behind the table's name on; `None`: those that they may meet are there already.
    pub(in super::super) rows: Option<Vec<Part>>,
    /// Parts that are worked out while rows are written read the table that is written.
    pub(in super::super) reads_itself: bool,
}

/// Plans a write of one table. `rows`: where the rows of an INSERT stand in the text.
pub(in super::super) fn stage(
    (statement, text): (&Normalised, &Text<'_>),
    context: &PlanContext<'_>,
    scratch: Scratch,
    write: &Statement,
    rows: Option<Range<usize>>,
    refusal: &Refusal,
) -> Result<Staged, Refusal> {
    let mut survey = Survey::new(context, text, scratch);
    let before = match write {
        Statement::Insert(of) => insert(&mut survey, of)?,
        Statement::Update(of) => update(&mut survey, of)?,
        Statement::Delete(of) => delete(&mut survey, of)?,
        _ => return Err(refuse("this kind of statement")),
    };
    let Survey { mut references, changes, natural, wildcards, .. } = survey;
    // Values of the rows change on the way.
    for reference in &mut references {
        reference.equalities.retain(|equality| equality.source != 0);
        reference.lock.get_or_insert("LOCK IN SHARE MODE");
        reference.whole |= natural || wildcards < Words::wildcards(text);
    }
    let is_target = |number: usize| {
        let (target, other) = (&references[0], &references[number]);
        (&target.keyspace.name, target.table) == (&other.keyspace.name, other.table)
    };
    let itself: Vec<usize> =
        (1..references.len()).filter(|number| !before.contains(number) && is_target(*number)).collect();
    (references[0].whole, references[0].lock) = (true, Some("FOR UPDATE"));
    references[0].empty = matches!(write, Statement::Insert(_));
    if scratch.reopens && !itself.is_empty() {
        // What is read is what has been written so far: all of it is one table.
        for number in itself.iter().copied().chain([0]) {
            let reference = &mut references[number];
            (reference.whole, reference.lock, reference.empty) = (true, Some("FOR UPDATE"), false);
            reference.conditions.clear();
            reference.equalities.clear();
            reference.first = None;
        }
    }
    let rows = rows.filter(|_| references[0].empty);
    let found = Found { references, changes, listed: "RETURNING" };
    let (plan, rows) = assemble(statement, context, scratch, text, found, rows, refusal)?;
    Ok(Staged { plan, rows, reads_itself: !itself.is_empty() })
}

/// Gives the references that are read before a row is written.
fn insert(survey: &mut Survey<'_>, insert: &Insert) -> Result<Range<usize>, Refusal> {
    let TableObject::TableName(name) = &insert.table else { return Err(refuse("this form of INSERT")) };
    // A subquery may name its columns, and they have no values that others could be read by.
    let row = Block { items: vec![Item { reference: None, ..survey.table(name, None)? }] };
    let row = std::slice::from_ref(&row);
    let mut before = 0..0;
    if let Some(source) = &insert.source {
        let first = survey.references.len();
        if let SetExpr::Values(values) = &*source.body {
            survey.subqueries(values, row)?;
        } else {
            survey.query(source, &[])?;
            before = first..survey.references.len();
        }
    }
    survey.subqueries(&insert.assignments, row)?;
    survey.subqueries(&insert.on, row)?;
    survey.subqueries(&insert.returning, row)?;
    Ok(before)
}

fn update(survey: &mut Survey<'_>, update: &Update) -> Result<Range<usize>, Refusal> {
    let blocks = [one_table(survey, &update.table)?];
    if let Some(condition) = &update.selection {
        restrict(survey, condition, &blocks)?;
    }
    survey.subqueries(&update.assignments, &blocks)?;
    survey.subqueries(&update.order_by, &blocks)?;
    Ok(0..0)
}

fn delete(survey: &mut Survey<'_>, delete: &Delete) -> Result<Range<usize>, Refusal> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let ([table], None, []) = (from.as_slice(), &delete.using, delete.tables.as_slice()) else {
        return Err(refuse("DELETE of several tables"));
    };
    let blocks = [one_table(survey, table)?];
    if let Some(condition) = &delete.selection {
        restrict(survey, condition, &blocks)?;
    }
    survey.subqueries(&delete.order_by, &blocks)?;
    survey.subqueries(&delete.returning, &blocks)?;
    Ok(0..0)
}

fn one_table(survey: &mut Survey<'_>, table: &TableWithJoins) -> Result<Block, Refusal> {
    let (mut block, mut ons) = (Block::default(), Vec::new());
    survey.tables(table, &mut block, &mut ons, &[])?;
    match block.items.as_slice() {
        [Item { reference: Some(0), .. }] => Ok(block),
        _ => Err(refuse("a write of several tables")),
    }
}

/// Only rows are needed that the condition takes.
fn restrict(survey: &mut Survey<'_>, condition: &sqlparser::ast::Expr, blocks: &[Block]) -> Result<(), Refusal> {
    if !survey.text.loose_operators {
        for part in conjuncts(condition) {
            conditions::note(survey, part, blocks, &[0]);
        }
    }
    survey.condition(condition, blocks)
}
