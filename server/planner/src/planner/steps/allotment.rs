//! UPDATE and DELETE with LIMIT of a sharded table without a key: the rows that are found tell how many each shard writes of its own first ones.
//!
//! What is first by ORDER BY over all shards is first on each of them. Rows that are equal in it are any, as in MySQL.

use std::ops::Range;
use std::sync::Arc;

use super::super::clauses::{Clause, Clauses};
use super::super::order::quoted;
use super::super::walk::Walk;
use super::{Target, from, keys, phrase, reading, refuse, returning};
use crate::plan::{AllotmentPlan, Divider, Home, MergePlan, Part, Route, StepsPlan, WritePlan};
use crate::refusal::Refusal;
use crate::schema::ColumnSchema;

/// Plans such a write. `None`: it is of another kind.
pub(super) fn allotment<'a>(
    walk: &mut Walk<'a>,
    target: &Target<'_, 'a>,
    clauses: &Clauses,
) -> Option<Result<(Route, MergePlan), Refusal>> {
    let text = walk.text;
    let ([number], Some(limit)) = (&target.items[..], clauses.get(Clause::Limit)) else { return None };
    let item = &target.scope.items[*number];
    let (_, sharding) = item.sharded?;
    let updates = !target.assignments.is_empty();
    let assigns = (0..text.tokens.len()).any(|index| text.assigns(index));
    let moves = keys::sets_sharding(sharding, target.assignments);
    // The condition is judged twice, and has to be the same.
    let twice = target.together && walk.chance.is_none() && !assigns;
    let ordered = target.returns && clauses.get(Clause::OrderBy).is_some();
    if target.scope.items.len() > 1 || !twice || moves || ordered || text.ignores() {
        return None;
    }
    let columns: Vec<ColumnSchema> = sharding
        .columns
        .iter()
        .map(|column| item.schema.and_then(|schema| schema.column(&column.column)).cloned())
        .collect::<Option<_>>()?;
    let columns: Arc<[ColumnSchema]> = columns.into();
    let dividers = sharding.columns.iter().zip(&*columns).enumerate();
    let home = Home::Divided(dividers.map(|(place, (column, known))| (place, Divider::of(column, known))).collect());
    Some(plan(
        walk,
        target,
        clauses,
        limit,
        AllotmentPlan { before: Vec::new(), after: Vec::new(), columns, home, updates },
    ))
}

fn plan<'a>(
    walk: &mut Walk<'a>,
    target: &Target<'_, 'a>,
    clauses: &Clauses,
    limit: Range<usize>,
    plan: AllotmentPlan,
) -> Result<(Route, MergePlan), Refusal> {
    let text = walk.text;
    let alias = &target.scope.items[target.items[0]].alias;
    let bytes = |range: Range<usize>| text.tokens[range.start].start..text.tokens[range.end - 1].end;
    let slice = |bytes: Range<usize>| Part::Slice(text.anchor(bytes.start), text.anchor(bytes.end));
    let before = vec![slice(text.statement.body.start..text.tokens[limit.start - 1].end)];
    let after = match clauses.get(Clause::Returning) {
        Some(returning) => vec![phrase(" "), slice(bytes(returning))],
        None => Vec::new(),
    };
    let from =
        from(text, clauses, plan.updates).ok_or_else(|| refuse("tables whose place in the text is not known"))?;
    let names: Vec<String> = plan.columns.iter().map(|column| quoted(&(alias.clone(), column.name.clone()))).collect();
    let mut read = vec![Part::Text(format!("SELECT {} FROM ", names.join(", ")).into()), slice(from)];
    for clause in [Clause::Where, Clause::OrderBy, Clause::Limit] {
        if let Some(range) = clauses.get(clause) {
            read.extend([phrase(" "), slice(bytes(range))]);
        }
    }
    read.push(phrase(" FOR UPDATE"));
    let read = reading(walk, read)?;
    let write = WritePlan::Allot(AllotmentPlan { before, after, ..plan });
    walk.steps =
        Some(Arc::new(StepsPlan { read, write, ignores: false, returning: returning(walk, target, clauses, "")? }));
    Ok((Route::AllShards, MergePlan::Writes))
}
