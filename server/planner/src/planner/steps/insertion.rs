//! INSERT … SELECT whose rows go to other shards than they are read from: the gate reads them, and inserts each where it belongs.

use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast::{Insert, OnInsert, Query, SelectItem, SetExpr, TableObject};
use vitrail_sql::lexer::TokenKind;

use super::super::calls::{contains_query, finds, is_clock};
use super::super::clauses::Clauses;
use super::super::insert_select::Target;
use super::super::names::idents;
use super::super::text::Text;
use super::super::walk::{Scope, Walk};
use super::super::write::{last, replicated};
use super::duplicates::{Duplicates, Names, duplicates};
use super::keys::quote;
use super::lossless::{self, Lossless};
use super::{phrase, reading};
use crate::plan::{Divider, Filling, Home, InsertPlan, MergePlan, Part, Route, StepsPlan, WritePlan};
use crate::refusal::Refusal;
use crate::schema::{ColumnClass, ColumnSchema, TableSchema};
use crate::vschema::Placement;

/// Plans such an INSERT or REPLACE.
pub(in super::super) fn insertion<'a>(
    walk: &mut Walk<'a>,
    insert: &Insert,
    scope: &Scope<'a>,
    target: &Target<'_, 'a>,
) -> Result<(Route, MergePlan), Refusal> {
    let text = walk.text;
    let TableObject::TableName(name) = &insert.table else { return Err(refuse("into a table of this form")) };
    let schema = target.schema.ok_or_else(|| refuse("into a table whose columns are not known"))?;
    if insert.partitioned.is_some() || insert.insert_alias.is_some() || insert.table_alias.is_some() {
        return Err(refuse("with PARTITION or an alias of the rows"));
    }
    let mut columns: Vec<ColumnSchema> = Vec::with_capacity(target.columns.len() + 1);
    for name in &target.columns {
        let column = schema.column(name).ok_or_else(|| {
            let message = format!("Unknown column '{name}' in 'field list'");
            Refusal::invalid("insert-columns", message).with_errno(1054, "42S22")
        })?;
        if columns.iter().any(|known| known.name == column.name) {
            let message = format!("Column '{name}' specified twice");
            return Err(Refusal::invalid("insert-columns", message).with_errno(1110, "42000"));
        }
        columns.push(column.clone());
    }
    let filling = filling(walk, insert, schema, target, &mut columns)?;
    let home = match target.named.table.map(|table| &table.placement) {
        Some(Placement::Sharded(sharding)) => {
            let mut dividers = Vec::with_capacity(sharding.columns.len());
            for of in &sharding.columns {
                let place = columns.iter().position(|column| column.name.eq_ignore_ascii_case(&of.column));
                let place = place.ok_or_else(|| {
                    let message = format!("the INSERT gives no value for the sharding column `{}`", of.column);
                    Refusal::unsupported("no-sharding-column", message)
                })?;
                dividers.push((place, Divider::of(of, &columns[place])));
            }
            Home::Divided(dividers)
        }
        _ => {
            replicated(walk)?;
            Home::Everywhere
        }
    };
    if insert.returning.as_ref().is_some_and(contains_query) {
        return Err(Refusal::unsupported(
            "returning",
            "RETURNING with a subquery, of INSERT … SELECT over several shards, is not supported; read the rows after it",
        ));
    }
    let returns = insert.returning.is_some();
    let (source, tail) =
        parts(text, insert.on.is_some(), returns).ok_or_else(|| refuse("whose SELECT cannot be told apart"))?;
    let (query, source) = within_parentheses(text, insert.source.as_deref(), source);
    let slice = |bytes: Range<usize>| Part::Slice(text.anchor(bytes.start), text.anchor(bytes.end));
    let (mut after, mut beside) = (Vec::new(), Vec::new());
    match (&insert.on, tail) {
        (Some(OnInsert::DuplicateKeyUpdate(assignments)), Some(tail)) => {
            let names = Names { scope, schema, table: last(name) };
            let Duplicates { tail, read } = duplicates(text, &names, assignments, tail).ok_or_else(|| {
                refuse(
                    "whose ON DUPLICATE KEY UPDATE reads a subquery, or of the SELECT more than columns as they are, integers and decimals in \
                     arithmetic and texts in CONCAT; use VALUES(column)",
                )
            })?;
            after.push(phrase(" "));
            after.extend(tail);
            beside = read;
        }
        (_, Some(tail)) => after.extend([phrase(" "), slice(tail)]),
        _ => {}
    }
    let end = idents(name).and_then(|parts| text.end(parts.last()?));
    let end = end.ok_or_else(|| refuse("into a table whose place in the text is not known"))?;
    let names: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
    let start = text.statement.body.start;
    let before = vec![slice(start..end), Part::Text(format!(" ({})", names.join(", ")).into())];
    let rewritten = query.and_then(|query| lossless::lossless(walk, query, scope, &columns, source.start));
    let (mut read, mut rest, proved) = match rewritten {
        Some(Lossless { list, rest, proved }) => (list, rest, proved),
        None => (Vec::new(), source.start, Vec::new()),
    };
    if !beside.is_empty() {
        let behind = query.and_then(|query| lossless::behind_list(text, query, source.start));
        let behind = behind.ok_or_else(|| {
            refuse("with groups, DISTINCT or a form that cannot be taken apart, whose ON DUPLICATE KEY UPDATE reads the SELECT")
        })?;
        // What was rewritten ends there.
        if read.is_empty() {
            read.push(slice(rest..behind));
        }
        read.extend(beside.iter().map(|(name, _)| phrase(&format!(", {name}"))));
        rest = behind;
    }
    read.push(slice(rest..source.end));
    if is_unlimited(query) && Clauses::of(text).is_some() {
        // `sql_select_limit` would cut; MySQL does not heed it here.
        read.push(Part::Text(format!(" LIMIT {}", u64::MAX).into()));
    }
    let read = reading(walk, read)?;
    let merge = if matches!(home, Home::Everywhere) { MergePlan::Replicated } else { MergePlan::Writes };
    let clocked = query.map_or_else(Vec::new, |query| clocked(query, &columns));
    let (proved, clocked) = (proved.into(), clocked.into());
    let beside = beside.into_iter().map(|(_, beside)| beside).collect();
    let returning = returns.then(|| {
        let nulls = vec!["NULL"; columns.len()];
        let none = Part::Text(format!(" SELECT {} FROM DUAL WHERE 1 = 0", nulls.join(", ")).into());
        before.iter().cloned().chain([none]).chain(after.iter().cloned()).collect()
    });
    let write = WritePlan::Insert(InsertPlan { before, after, columns, home, filling, proved, clocked, beside });
    walk.steps = Some(Arc::new(StepsPlan { read, write, ignores: insert.ignore, returning }));
    Ok((Route::AllShards, merge))
}

/// The column that a sequence fills, added to the others if the SELECT does not give it.
fn filling(
    walk: &Walk<'_>,
    insert: &Insert,
    schema: &TableSchema,
    target: &Target<'_, '_>,
    columns: &mut Vec<ColumnSchema>,
) -> Result<Option<(Filling, usize)>, Refusal> {
    let place =
        |columns: &[ColumnSchema], name: &str| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let Some(auto) = target.named.table.and_then(|table| table.auto_increment.as_ref()) else {
        let counted = schema.columns.iter().find(|column| column.auto_increment);
        return match counted.filter(|column| place(columns, &column.name).is_none()) {
            Some(column) => Err(Refusal::unsupported(
                "auto-increment",
                format!(
                    "each shard counts `{}` by itself, so it would not be unique; give its value, or name a sequence for it in the vschema \
                     (`auto_increment`)",
                    column.name
                ),
            )),
            None => Ok(None),
        };
    };
    let given = place(columns, &auto.column);
    let place = match given {
        Some(place) => place,
        None => {
            let column =
                schema.column(&auto.column).ok_or_else(|| refuse("into a table without its counted column"))?;
            columns.push(column.clone());
            columns.len() - 1
        }
    };
    let sequence = auto.sequence(walk.context.vschema);
    let (keyspace, table) = sequence.map_err(|reason| Refusal::not_found("sequence", reason))?;
    let filling = Filling {
        keyspace,
        table,
        column: Arc::clone(&auto.column),
        updates: insert.on.is_some(),
        given: given.map(|_| None).into_iter().collect(),
    };
    Ok(Some((filling, place)))
}

/// The places of instants that may take the statement's moment as it is.
fn clocked(query: &Query, columns: &[ColumnSchema]) -> Vec<usize> {
    let block = match &*query.body {
        SetExpr::Select(block) => Some(&**block),
        _ => None,
    };
    // A derived table may be merged into the SELECT.
    let inside = block.is_some_and(|block| finds(&block.from, is_clock)) || finds(&query.with, is_clock);
    let takes = |place: usize| match block.map(|block| &block.projection) {
        Some(items) if !inside && items.iter().all(is_one_column) => match items.get(place) {
            Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => is_clock(expr),
            _ => false,
        },
        // Any may be of any column.
        _ => finds(query, is_clock),
    };
    let instant = |(place, column): (usize, &ColumnSchema)| {
        (column.class == ColumnClass::Timestamp && takes(place)).then_some(place)
    };
    columns.iter().enumerate().filter_map(instant).collect()
}

fn is_one_column(item: &SelectItem) -> bool {
    matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
}

/// The bytes of the SELECT, and of what stands behind it.
fn parts(text: &Text<'_>, updates: bool, returns: bool) -> Option<(Range<usize>, Option<Range<usize>>)> {
    let mut depth = 0;
    let mut start = None;
    let mut tail = None;
    for (index, token) in text.tokens.iter().enumerate() {
        let begins = |at: usize| {
            text.tokens.get(at).is_some_and(|token| text.is_word(token, "SELECT") || text.is_word(token, "WITH"))
        };
        let inside = (index..text.tokens.len()).find(|at| text.tokens[*at].kind != TokenKind::Open);
        let opens = token.kind == TokenKind::Open && inside.is_some_and(begins);
        if depth == 0 && start.is_none() && index > 0 && (begins(index) || opens) {
            start = Some(index);
        }
        let duplicate = text.tokens.get(index + 1).is_some_and(|next| text.is_word(next, "DUPLICATE"));
        let on = updates && text.is_word(token, "ON") && duplicate;
        let returning = returns && text.is_word(token, "RETURNING");
        if depth == 0 && start.is_some() && tail.is_none() && (on || returning) {
            tail = Some(index);
        }
        depth += text.nesting(token);
    }
    let end = tail.unwrap_or(text.tokens.len());
    let bytes = |range: Range<usize>| text.tokens[range.start].start..text.tokens[range.end - 1].end;
    Some((bytes(start?..end), tail.map(|tail| bytes(tail..text.tokens.len()))))
}

/// The query inside of parentheses that stand around nothing else, and its bytes.
fn within_parentheses<'q>(
    text: &Text<'_>,
    query: Option<&'q Query>,
    mut bytes: Range<usize>,
) -> (Option<&'q Query>, Range<usize>) {
    let mut query = query;
    while let Some(SetExpr::Query(inner)) = query.map(|query| &*query.body)
        && query.is_some_and(is_bare)
        && let Some(first) = text.tokens.iter().position(|token| token.start == bytes.start)
        && let Some(last) = text.tokens.iter().rposition(|token| token.end == bytes.end)
        && last > first + 1
    {
        bytes = text.tokens[first + 1].start..text.tokens[last - 1].end;
        query = Some(&**inner);
    }
    (query, bytes)
}

/// Nothing of the query stands around its body.
fn is_bare(query: &Query) -> bool {
    query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
}

/// The SELECT may be given a LIMIT at its end.
fn is_unlimited(query: Option<&Query>) -> bool {
    query.is_some_and(|query| {
        query.limit_clause.is_none()
            && query.fetch.is_none()
            && query.locks.is_empty()
            && matches!(&*query.body, SetExpr::Select(_))
    })
}

fn refuse(what: &str) -> Refusal {
    Refusal::unsupported(
        "insert-select",
        format!("INSERT … SELECT over several shards {what} is not supported; read the rows and insert them"),
    )
}
