//! INSERT … SELECT whose rows stay on the shard that they are read from.
//!
//! That is proved where each sharding column of the target takes the same column of one sharded table that is read: both have the same type and
//! vindex, so that the value is stored as it was read, and leads where it came from.

use sqlparser::ast::{GroupByExpr, Insert, Query, SetExpr, Visit};

use super::calls::Calls;
use super::insert::wrong_count;
use super::names::Named;
use super::walk::{Scope, Walk};
use super::{groups, order, select};
use crate::plan::{MergePlan, Route, WindowPlan};
use crate::refusal::Refusal;
use crate::schema::{ColumnClass, TableSchema};
use crate::vschema::{Placement, Sharding};

/// What is inserted into.
pub(super) struct Target<'t, 'a> {
    pub(super) named: &'t Named<'a>,
    pub(super) schema: Option<&'a TableSchema>,
    /// Those that are given, in order.
    pub(super) columns: Vec<String>,
}

/// Where such an INSERT goes: to the shards of its SELECT.
pub(super) fn plan<'a>(
    walk: &mut Walk<'a>,
    insert: &Insert,
    (query, scope): (&Query, &Scope<'a>),
    target: &Target<'_, 'a>,
) -> Result<(Route, MergePlan), Refusal> {
    let Some(Placement::Sharded(sharding)) = target.named.table.map(|table| &table.placement) else {
        return Err(refuse("into a reference table is not supported"));
    };
    if insert.returning.is_some() {
        return Err(refuse("with RETURNING is not supported where each shard inserts what it reads"));
    }
    let counts = |schema: &TableSchema| schema.columns.iter().any(|column| column.auto_increment);
    if target.named.table.is_some_and(|table| table.auto_increment.is_some()) || target.schema.is_none_or(counts) {
        return Err(refuse(
            "into a table with an AUTO_INCREMENT column, or of columns that are not known, is not supported",
        ));
    }
    let SetExpr::Select(block) = &*query.body else {
        return Err(refuse("of a UNION is not supported"));
    };
    let mut calls = Calls::default();
    let _ = block.projection.visit(&mut calls);
    let _ = block.having.visit(&mut calls);
    let _ = query.order_by.visit(&mut calls);
    let rolls_up = !matches!(&block.group_by, GroupByExpr::Expressions(_, modifiers) if modifiers.is_empty());
    // Without a row to fold, and in the rows that sum up, the sharding column is NULL.
    if rolls_up || calls.aggregate && !groups::is_grouped(block) || !stays(walk, block, scope, target, sharding)? {
        return Err(refuse(
            "into a sharded table needs its sharding columns filled, as they are, from those of one sharded table, with the same types and vindexes",
        ));
    }
    // The order decides at most which of several rows with one key is inserted, and those are on one shard.
    let limited = query.limit_clause.is_some() || query.fetch.is_some();
    let unordered = Query { order_by: query.order_by.clone().filter(|_| limited), ..query.clone() };
    match select::route(walk, &unordered, scope)? {
        (Route::Pinned(pins), MergePlan::Pass) => Ok((Route::Pinned(pins), MergePlan::Pass)),
        (route @ (Route::Listed(_) | Route::AllShards), MergePlan::Concat(window))
            if window == WindowPlan::default() =>
        {
            Ok((route, MergePlan::Writes))
        }
        _ => Err(refuse("is not supported where rows of several shards have to be merged, folded or limited first")),
    }
}

/// Whether the value of each sharding column comes from where it goes to.
fn stays(
    walk: &Walk<'_>,
    block: &sqlparser::ast::Select,
    scope: &Scope<'_>,
    target: &Target<'_, '_>,
    sharding: &Sharding,
) -> Result<bool, Refusal> {
    let Ok(outputs) = order::outputs(walk, block, scope) else { return Ok(false) };
    if outputs.len() != target.columns.len() {
        return Err(wrong_count(0));
    }
    let mut from = None;
    for (number, column) in sharding.columns.iter().enumerate() {
        let mut given = target.columns.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(&column.column));
        let (Some((at, _)), None) = (given.next(), given.next()) else { return Ok(false) };
        let Some((alias, name)) = &outputs[at].column else { return Ok(false) };
        let Some(index) = scope.items.iter().position(|item| item.alias == *alias) else { return Ok(false) };
        let item = &scope.items[index];
        let Some((_, source)) = item.sharded else { return Ok(false) };
        let known = |schema: Option<&TableSchema>, name: &str| {
            schema.and_then(|schema| schema.column(name)).map(|column| (column.class.clone(), column.domain))
        };
        let (read, stored) = (known(item.schema, name), known(target.schema, &column.column));
        let same_place = source.columns.len() == sharding.columns.len()
            && source.columns[number].column.eq_ignore_ascii_case(name)
            && (source.columns[number].vindex, source.columns[number].part) == (column.vindex, column.part);
        // Other types may be changed on their way.
        let plain = matches!(&read, Some((ColumnClass::Integer | ColumnClass::Binary | ColumnClass::Text(_), _)));
        if !same_place || !plain || read != stored || *from.get_or_insert(index) != index {
            return Ok(false);
        }
        if !groups::never_null(block, index) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn refuse(what: &str) -> Refusal {
    Refusal::unsupported("insert-select", format!("INSERT … SELECT {what}; read the rows and insert them"))
}
