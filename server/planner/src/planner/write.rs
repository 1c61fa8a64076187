//! Plans for UPDATE and DELETE over sharded keyspaces.

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, ObjectName, OrderByExpr, SelectItem, TableFactor,
    TableWithJoins, Update,
};

use super::calls::contains_query;
use super::names::idents;
use super::placement::Spread;
use super::walk::{Item, Scope, Walk};
use super::{steps, targets};
use crate::plan::{MergePlan, Route};
use crate::refusal::Refusal;

/// Walks an UPDATE and finds its shards.
pub(super) fn update(walk: &mut Walk<'_>, update: &Update) -> Result<(Route, MergePlan), Refusal> {
    let mut scope = Scope::default();
    walk.table_with_joins(&update.table, &mut scope, &[])?;
    if let Some(condition) = &update.selection {
        walk.facts(condition, &scope, 0..scope.items.len(), &[]);
    }
    let single = scope.items.len() == 1;
    walk.subqueries(&update.selection, &scope, &[])?;
    walk.subqueries(&update.assignments, &scope, &[])?;
    walk.subqueries(&update.order_by, &scope, &[])?;
    let targets = assigned(&update.assignments);
    for target in &targets {
        walk.cut_prefix(target, 3);
    }
    if !sharded(walk) {
        return Ok((Route::AnyShard, MergePlan::Pass));
    }
    let written = targets::of_columns(&scope, &targets);
    let moves = |item: &Item<'_>| {
        item.sharded
            .is_some_and(|(_, sharding)| targets.iter().any(|target| sharding.position(&last(target)).is_some()))
    };
    let moves = match &written {
        Some(written) => written.iter().any(|item| moves(&scope.items[*item])),
        None => scope.items.iter().any(moves),
    };
    let read = match single || matches!(walk.placements.spread(), Spread::Pinned(_)) {
        true => Vec::new(),
        false => targets::read_before_they_change(&scope, &update.assignments).ok_or_else(|| {
            Refusal::unsupported(
                "multi-table-write",
                "UPDATE over several tables and shards cannot read a column that it writes in a table before: MySQL's order of the join decides \
                 whether that is the old value; update one table after the other",
            )
        })?,
    };
    let writing = Writing {
        scope: &scope,
        tables: std::slice::from_ref(&update.table),
        assignments: &update.assignments,
        condition: update.selection.as_ref(),
        order_by: &update.order_by,
        written,
        single,
        limited: update.limit.is_some() || !single && !update.order_by.is_empty(),
        moves,
        read: &read,
        returning: None,
        verb: "UPDATE",
    };
    spread(walk, &writing)
}

/// Walks a DELETE and finds its shards.
pub(super) fn delete(walk: &mut Walk<'_>, delete: &Delete) -> Result<(Route, MergePlan), Refusal> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let tables: &[TableWithJoins] = delete.using.as_deref().unwrap_or(from);
    let mut scope = Scope::default();
    for table in tables {
        walk.table_with_joins(table, &mut scope, &[])?;
    }
    if let Some(condition) = &delete.selection {
        walk.facts(condition, &scope, 0..scope.items.len(), &[]);
    }
    for table in &delete.tables {
        walk.cut_prefix(table, 2);
    }
    walk.subqueries(&delete.selection, &scope, &[])?;
    walk.subqueries(&delete.order_by, &scope, &[])?;
    walk.subqueries(&delete.returning, &scope, &[])?;
    if !sharded(walk) {
        return Ok((Route::AnyShard, MergePlan::Pass));
    }
    let single = scope.items.len() == 1 && delete.tables.is_empty();
    let written = if single {
        Some(vec![0])
    } else if delete.tables.is_empty() {
        // DELETE FROM t USING …
        let names: Vec<_> = from.iter().filter_map(|table| name_of(&table.relation)).cloned().collect();
        targets::of_tables(&scope, &names).filter(|_| names.len() == from.len())
    } else {
        targets::of_tables(&scope, &delete.tables)
    };
    let writing = Writing {
        scope: &scope,
        tables,
        assignments: &[],
        condition: delete.selection.as_ref(),
        order_by: &delete.order_by,
        written,
        single,
        limited: delete.limit.is_some() || !single && !delete.order_by.is_empty(),
        moves: false,
        read: &[],
        returning: delete.returning.as_deref(),
        verb: "DELETE",
    };
    spread(walk, &writing)
}

fn sharded(walk: &Walk<'_>) -> bool {
    walk.context.shard.is_none() && walk.keyspace.get().is_some_and(|keyspace| keyspace.sharded)
}

fn name_of(table: &TableFactor) -> Option<&ObjectName> {
    match table {
        TableFactor::Table { alias: None, name, .. } => Some(name),
        _ => None,
    }
}

/// An UPDATE or DELETE in a sharded keyspace.
struct Writing<'w, 'a> {
    scope: &'w Scope<'a>,
    tables: &'w [TableWithJoins],
    assignments: &'w [Assignment],
    condition: Option<&'w Expr>,
    order_by: &'w [OrderByExpr],
    /// The items that it writes, if it is clear which.
    written: Option<Vec<usize>>,
    /// Of one table by itself.
    single: bool,
    /// It may not write all rows that it finds.
    limited: bool,
    /// Sharding columns may change.
    moves: bool,
    /// Items of which values of others are made, as they were.
    read: &'w [usize],
    /// RETURNING: what it gives back.
    returning: Option<&'w [SelectItem]>,
    verb: &'static str,
}

/// Where an UPDATE or DELETE goes.
///
/// ORDER BY without LIMIT needs no merge: all rows are written, and those that their order decides about, by a unique key, are on one shard.
fn spread<'a>(walk: &mut Walk<'a>, writing: &Writing<'_, 'a>) -> Result<(Route, MergePlan), Refusal> {
    let &Writing { scope, single, limited, moves, verb, .. } = writing;
    let all: Vec<usize> = (0..scope.items.len()).collect();
    let writes_sharded = targets::are_sharded(scope, writing.written.as_ref().unwrap_or(&all));
    if limited && !single {
        return match walk.placements.spread() {
            Spread::Pinned(pins) if writes_sharded && !moves => Ok((Route::Pinned(pins), MergePlan::Pass)),
            _ if walk.context.scratch.is_some_and(|scratch| scratch.reopens) && is_constant(writing) => {
                in_steps(walk, writing, false)
            }
            // As MySQL says it, which never takes them.
            _ if verb == "UPDATE" && walk.context.scratch.is_some_and(|scratch| !scratch.reopens) => {
                let clause = if writing.order_by.is_empty() { "LIMIT" } else { "ORDER BY" };
                Err(Refusal::invalid("limited-write", format!("Incorrect usage of UPDATE and {clause}"))
                    .with_errno(1221, "HY000"))
            }
            _ => Err(Refusal::unsupported(
                "limited-write",
                format!(
                    "{verb} of several tables over several shards takes ORDER BY and LIMIT only where the MySQL is a MariaDB, and SET has literals alone: \
                     it computes others of rows that it does not write; pin it by the sharding column"
                ),
            )),
        };
    }
    match walk.placements.spread() {
        _ if !writing.read.is_empty() => in_steps(walk, writing, false),
        Spread::Nowhere if single && !limited => replicated(walk),
        Spread::Pinned(pins) if writes_sharded && !moves => Ok((Route::Pinned(pins), MergePlan::Pass)),
        Spread::Listed(pin) if writes_sharded && !moves && !limited => Ok((Route::Listed(pin), MergePlan::Writes)),
        Spread::Everywhere if writes_sharded && !moves && !limited => Ok((Route::AllShards, MergePlan::Writes)),
        Spread::Apart(_) | Spread::Sealed(_) => in_steps(walk, writing, false),
        _ => in_steps(walk, writing, writes_sharded),
    }
}

/// It is an UPDATE that sets what is the same in all rows. Of a join that is ordered or limited, MariaDB computes what reads columns from the row that it
/// has read last.
fn is_constant(writing: &Writing<'_, '_>) -> bool {
    !writing.assignments.is_empty()
        && writing.assignments.iter().all(|assignment| steps::is_constant(&assignment.value))
}

/// Its rows are found first. `together`: subqueries find what they read on the row's shard.
fn in_steps<'a>(walk: &mut Walk<'a>, writing: &Writing<'_, 'a>, together: bool) -> Result<(Route, MergePlan), Refusal> {
    if writing.returning.is_some_and(|items| items.iter().any(contains_query)) {
        return Err(Refusal::unsupported(
            "returning",
            "RETURNING with a subquery, of a DELETE over several shards whose rows are found first (LIMIT, tables that lie apart), is not supported; \
             read the rows before",
        ));
    }
    let Some(written) = &writing.written else {
        return Err(Refusal::unsupported(
            "multi-table-write",
            format!(
                "{} over several tables and shards must tell which of them it writes; name the table of each column",
                writing.verb
            ),
        ));
    };
    let mut items: Vec<usize> = Vec::new();
    written.iter().for_each(|item| {
        if !items.contains(item) {
            items.push(*item)
        }
    });
    // As MySQL writes them.
    items.sort_unstable();
    let table = |item: &usize| named_table(writing, *item);
    let twice = |number: usize| {
        items[..number].iter().any(|other| table(other).is_none() || table(other) == table(&items[number]))
    };
    let twice = (1..items.len()).any(twice);
    if twice && (writing.assignments.is_empty() || items.iter().any(|item| table(item).is_none())) {
        return Err(Refusal::unsupported(
            "multi-table-write",
            format!(
                "{} over several shards cannot delete from one table by two names; delete by one after the other",
                writing.verb
            ),
        ));
    }
    let &Writing { scope, tables, assignments, condition, order_by, returning, read, .. } = writing;
    let returns = returning.is_some();
    let target =
        steps::Target { scope, items, tables, assignments, condition, order_by, together, returns, twice, read };
    steps::keyed(walk, &target)
}

/// The name of the table behind an item of FROM; `None`: it is not known.
fn named_table(writing: &Writing<'_, '_>, item: usize) -> Option<String> {
    steps::factor(writing.tables, item, writing.scope.items.len()).map(|(_, name)| last(name).to_lowercase())
}

/// The same write on every shard; it must do the same on each.
pub(super) fn replicated(walk: &Walk<'_>) -> Result<(Route, MergePlan), Refusal> {
    if let Some(function) = &walk.chance {
        return Err(Refusal::unsupported(
            "volatile-replicated",
            format!(
                "{function}() could give each shard's copy of a reference table another value; send the value itself"
            ),
        ));
    }
    Ok((Route::AllShards, MergePlan::Replicated))
}

pub(super) fn moves_row(column: &str) -> Refusal {
    Refusal::unsupported(
        "sharding-column-update",
        format!(
            "changing the sharding column `{column}` could move the row to another shard; delete it and insert it anew"
        ),
    )
}

pub(super) fn assigned(assignments: &[Assignment]) -> Vec<sqlparser::ast::ObjectName> {
    assignments
        .iter()
        .flat_map(|assignment| match &assignment.target {
            AssignmentTarget::ColumnName(name) => vec![name.clone()],
            AssignmentTarget::Tuple(names) => names.clone(),
        })
        .collect()
}

pub(super) fn last(name: &sqlparser::ast::ObjectName) -> String {
    idents(name).and_then(|parts| parts.last().map(|ident| ident.value.clone())).unwrap_or_default()
}
