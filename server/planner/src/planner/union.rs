//! UNION, INTERSECT and EXCEPT over several shards: each shard runs all of it over its own rows.
//!
//! Where equal rows may come from several shards, and UNION takes them once, the shards sort by all columns and the gate folds what is equal.
//! Columns are compared by their type in the answer, which is that of all branches together; for texts the statement becomes a derived table,
//! `SELECT *, WEIGHT_STRING(…) FROM (…)`, so that they are weighed under the collation that they have there.

use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast::{
    Expr, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Query, SelectItem, SetExpr, SetOperator, SetQuantifier,
};

use super::answer::{Column, Content};
use super::clauses::{Clause, begins};
use super::group_order::is_constant;
use super::order::{quoted, space_weight};
use super::select;
use super::streams::Rows;
use super::text::Text;
use super::walk::{Scope, Walk};
use crate::plan::{Aggregate, Comparison, Edit, Fold, Grouping, MergePlan, Replacement, SortKey, WindowPlan};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

/// The name of the derived table.
const WRAPPED: &str = "vitrail";

/// The merge of a query that is no plain SELECT.
pub(super) fn merge<'a>(walk: &mut Walk<'a>, query: &Query, scope: &Scope<'a>) -> Result<MergePlan, Refusal> {
    if query.fetch.is_some() || !query.locks.is_empty() {
        return Err(refuse("query-form", "FETCH and locks behind UNION"));
    }
    let body = body(query)?;
    if let Some(uneven) = uneven(body) {
        return Err(uneven);
    }
    let window = select::window(walk, query)?;
    let once = match (scope.rows, body) {
        (Rows::Divided, _) => false,
        (Rows::Repeated, SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, .. })
            if *set_quantifier != SetQuantifier::All =>
        {
            true
        }
        (Rows::Repeated, SetExpr::SetOperation { .. }) => {
            return Err(Refusal::unsupported(
                "union-rows",
                "UNION ALL over several shards would keep rows that each of them gives: constants, rows of reference tables, and what DISTINCT \
                 and UNION leave; pin each part by one value of its sharding column",
            ));
        }
        _ => return Err(refuse("query-form", "this form of a query")),
    };
    let order = order(&query.order_by)?;
    let sorted: Vec<&OrderByExpr> = order.iter().filter(|key| !is_constant(&key.expr)).collect();
    let clauses = Trailing::of(walk.text);
    if !once && sorted.is_empty() {
        clauses.limit(walk, &window)?;
        return Ok(MergePlan::Concat(window));
    }
    let unknown = || {
        Refusal::unsupported(
            "unknown-columns",
            "UNION over several shards needs to know the columns of the answer; write them in place of `*`",
        )
    };
    let columns = scope.columns.as_ref().ok_or_else(unknown)?;
    let mut keys = Keys { columns, added: Vec::new(), sorted: Vec::new() };
    for key in sorted {
        let column = named(&key.expr, columns, matches!(body, SetExpr::SetOperation { .. }))?;
        keys.add(column, matches!(key.options.sort, Some(OrderBySort::Desc)))?;
    }
    if once {
        (0..columns.len()).try_for_each(|column| keys.add(column, false))?;
    }
    let Keys { added, sorted, .. } = keys;
    clauses.edit(walk, &added, &sorted)?;
    clauses.limit(walk, &window)?;
    let hidden = added.len();
    let keys: Vec<SortKey> = sorted.into_iter().map(|(_, key)| key).collect();
    Ok(if once {
        let any = Fold { aggregate: Aggregate::Any, distinct: false };
        let grouping = Grouping {
            group_keys: keys.len(),
            keys,
            whole: false,
            folds: vec![any; columns.len() + hidden],
            having: None,
            order: Vec::new(),
            hidden_columns: hidden,
        };
        MergePlan::Group { grouping: Arc::new(grouping), values: Vec::new(), window }
    } else {
        MergePlan::Sort { keys, window, hidden }
    })
}

/// What the statement's own ORDER BY and LIMIT belong to: parentheses around it left out.
fn body(query: &Query) -> Result<&SetExpr, Refusal> {
    match &*query.body {
        SetExpr::Query(inner) => {
            if inner.order_by.is_some() || inner.limit_clause.is_some() || inner.fetch.is_some() || inner.with.is_some()
            {
                return Err(refuse("query-form", "a query in parentheses with clauses of its own"));
            }
            body(inner)
        }
        other => Ok(other),
    }
}

/// MySQL's error, if two branches list different numbers of columns.
fn uneven(body: &SetExpr) -> Option<Refusal> {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            if let Some(found) = uneven(left).or_else(|| uneven(right)) {
                return Some(found);
            }
            let (left, right) = (listed(left)?, listed(right)?);
            let message = "the used SELECT statements have a different number of columns";
            (left != right).then(|| Refusal::invalid("union-columns", message).with_errno(1222, "21000"))
        }
        SetExpr::Query(query) => uneven(&query.body),
        _ => None,
    }
}

/// How many columns a body lists; `None`: it has `*`.
fn listed(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Select(select) => {
            let plain =
                |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
            select.projection.iter().all(plain).then_some(select.projection.len())
        }
        SetExpr::Query(query) => listed(&query.body),
        SetExpr::SetOperation { left, .. } => listed(left),
        _ => None,
    }
}

fn order(order: &Option<OrderBy>) -> Result<&[OrderByExpr], Refusal> {
    match order.as_ref().map(|order| &order.kind) {
        None => Ok(&[]),
        Some(OrderByKind::Expressions(keys)) => Ok(keys),
        Some(OrderByKind::All(_)) => Err(refuse("order-by", "ORDER BY ALL")),
    }
}

/// The column of the answer that ORDER BY means.
fn named(expr: &Expr, columns: &[Column<'_>], united: bool) -> Result<usize, Refusal> {
    let unknown = |what: &str| {
        Refusal::invalid("order-by", format!("unknown column '{what}' in ORDER BY")).with_errno(1054, "42S22")
    };
    match expr {
        Expr::Value(value) => {
            let position = value.value.to_string().parse::<usize>().ok();
            let index = position.and_then(|position| position.checked_sub(1)).filter(|index| *index < columns.len());
            index.ok_or_else(|| unknown(&value.value.to_string()))
        }
        Expr::Identifier(name) => {
            let same = |column: &Column<'_>| column.name.as_ref().map(|known| known.eq_ignore_ascii_case(&name.value));
            let mut found = columns.iter().enumerate().filter(|(_, column)| same(column) == Some(true));
            match (found.next(), found.next()) {
                (Some((index, _)), None) => Ok(index),
                (None, _) if columns.iter().all(|column| column.name.is_some()) => Err(unknown(&name.value)),
                _ => Err(Refusal::unsupported(
                    "union-order",
                    format!(
                        "ORDER BY `{}` behind UNION over several shards does not tell which column is meant; give each column a name \
                         of its own in the first SELECT",
                        name.value
                    ),
                )),
            }
        }
        Expr::CompoundIdentifier(parts) if united => {
            let table = parts.first().map(|table| table.value.clone()).unwrap_or_default();
            let message = format!("table '{table}' from one of the SELECTs cannot be used in ORDER BY");
            Err(Refusal::invalid("order-by", message).with_errno(1250, "42000"))
        }
        _ => Err(Refusal::unsupported(
            "union-order",
            "behind UNION over several shards, ORDER BY takes names and numbers of columns of the answer",
        )),
    }
}

/// What shards sort by.
struct Keys<'c, 'a> {
    columns: &'c [Column<'a>],
    /// Expressions behind the answer's columns.
    added: Vec<String>,
    /// The column of the answer, from 0, and what is compared of it.
    sorted: Vec<(usize, SortKey)>,
}

impl Keys<'_, '_> {
    fn add(&mut self, column: usize, descending: bool) -> Result<(), Refusal> {
        if self.sorted.iter().any(|(known, _)| *known == column) {
            return Ok(());
        }
        let (compared, comparison) = match &self.columns[column].content {
            Content::Of(ColumnClass::Text(collation)) => {
                let space = space_weight(collation)
                    .ok_or_else(|| incomparable(&format!("text of the collation {collation}")))?;
                let name = self.name(column)?;
                self.added.push(format!("WEIGHT_STRING({name})"));
                (self.columns.len() + self.added.len() - 1, Comparison::Weight(space.to_vec()))
            }
            Content::Of(ColumnClass::Unknown) | Content::Literal => (column, Comparison::Discrete),
            Content::Of(ColumnClass::Float) => return Err(incomparable("floats")),
            Content::Of(ColumnClass::Label | ColumnClass::Timestamp | ColumnClass::Other) => {
                return Err(incomparable("enums, sets, timestamps, bits and documents"));
            }
            Content::Of(_) | Content::Null => (column, Comparison::Native),
        };
        self.sorted.push((column, SortKey { column: compared, descending, comparison }));
        Ok(())
    }

    /// A column of the derived table, all of whose columns need names of their own.
    fn name(&self, column: usize) -> Result<String, Refusal> {
        let names: Option<Vec<String>> =
            self.columns.iter().map(|column| column.name.as_ref().map(|name| name.to_lowercase())).collect();
        let alone = |names: &Vec<String>| names.iter().enumerate().all(|(at, name)| !names[..at].contains(name));
        let name = self.columns[column].name.clone().filter(|_| names.as_ref().is_some_and(alone));
        name.map(|name| quoted(&(WRAPPED.to_owned(), name))).ok_or_else(|| {
            Refusal::unsupported(
                "union-order",
                "UNION of texts over several shards needs a name of its own for each column; give aliases in the first SELECT",
            )
        })
    }
}

/// The clauses behind the last branch, by their tokens.
struct Trailing {
    /// Behind the last token of the branches.
    end: usize,
    order: Option<Range<usize>>,
    limit: Option<Range<usize>>,
}

impl Trailing {
    fn of(text: &Text<'_>) -> Trailing {
        let count = text.tokens.len();
        let (mut depth, mut found) = (0, Trailing { end: count, order: None, limit: None });
        for (index, token) in text.tokens.iter().enumerate() {
            depth += text.nesting(token);
            if depth != 0 {
                continue;
            }
            match begins(text, index) {
                Some(Clause::OrderBy) if found.limit.is_none() => found.order = Some(index..count),
                Some(Clause::Limit) => {
                    if let Some(order) = &mut found.order {
                        order.end = index;
                    }
                    found.limit = Some(index..count);
                }
                _ => continue,
            }
            found.end = found.end.min(index);
        }
        found
    }

    /// Has the shards sort, and give what is compared.
    fn edit(&self, walk: &mut Walk<'_>, added: &[String], sorted: &[(usize, SortKey)]) -> Result<(), Refusal> {
        let text = walk.text;
        let counts = text.tokens.iter().any(|token| text.is_word(token, "SQL_CALC_FOUND_ROWS"));
        if counts {
            return Err(refuse("query-form", "SQL_CALC_FOUND_ROWS beside UNION"));
        }
        let (Some(first), Some(last)) = (text.tokens.first(), text.tokens.get(self.end.wrapping_sub(1))) else {
            return Err(refuse("query-form", "this form of a query"));
        };
        let mut closing = String::new();
        if !added.is_empty() {
            let hidden: Vec<String> =
                added.iter().enumerate().map(|(index, text)| format!(", {text} AS `vitrail${index}`")).collect();
            edit(walk, first.start..first.start, format!("SELECT *{} FROM (", hidden.concat()));
            closing = format!(") AS `{WRAPPED}`");
        }
        let direct =
            |(column, key): &(usize, SortKey)| format!("{}{}", column + 1, if key.descending { " DESC" } else { "" });
        let keys: Vec<String> = sorted.iter().map(direct).collect();
        let order = format!("ORDER BY {}", keys.join(", "));
        match &self.order {
            None => edit(walk, last.end..last.end, format!("{closing} {order}")),
            Some(range) => {
                edit(walk, last.end..last.end, closing);
                edit(walk, text.tokens[range.start].start..text.tokens[range.end - 1].end, order);
            }
        }
        Ok(())
    }

    /// Asks the shards for the sum of LIMIT and OFFSET.
    fn limit(&self, walk: &mut Walk<'_>, window: &WindowPlan) -> Result<(), Refusal> {
        if window.offset.is_none() {
            return Ok(());
        }
        let text = walk.text;
        let numbers = self.limit.as_ref().filter(|range| range.len() > 1);
        let Some(range) = numbers else { return Err(Refusal::invalid("limit", "LIMIT is not where it is expected")) };
        let bytes = text.tokens[range.start + 1].start..text.tokens[range.end - 1].end;
        let (start, end) = (text.anchor(bytes.start), text.anchor(bytes.end));
        walk.edits.push(Edit { start, end, replacement: Replacement::WindowEnd, scatter_only: true });
        Ok(())
    }
}

fn edit(walk: &mut Walk<'_>, bytes: Range<usize>, text: String) {
    if text.is_empty() && bytes.is_empty() {
        return;
    }
    let (start, end) = (walk.text.anchor(bytes.start), walk.text.anchor(bytes.end));
    walk.edits.push(Edit { start, end, replacement: Replacement::Text(text.into()), scatter_only: true });
}

fn incomparable(what: &str) -> Refusal {
    Refusal::unsupported(
        "union-type",
        format!(
            "UNION over several shards, and ORDER BY behind it, cannot compare {what}; pin each part by one value of its sharding column"
        ),
    )
}

fn refuse(reason: &'static str, what: &str) -> Refusal {
    Refusal::unsupported(
        reason,
        format!(
            "{what} over several shards is not supported yet; pin the statement to one shard by its sharding column"
        ),
    )
}
