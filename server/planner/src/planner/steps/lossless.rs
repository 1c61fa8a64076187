//! Columns of an INSERT … SELECT whose text may not be their whole value: they are read in a form that is, or checked row by row.
//!
//! The text of a FLOAT has six digits, that of a TIMESTAMP names two instants when clocks are set back, and that of a document loses the types of dates
//! and decimals in it. Only plain columns are known to be of such a type, and only where nothing else of the SELECT sees what they are read as.

use sqlparser::ast::{Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, Visit};

use super::super::calls::Calls;
use super::super::clauses::listed;
use super::super::order::{self, quoted};
use super::super::text::Text;
use super::super::walk::{Scope, Walk};
use super::phrase;
use crate::plan::Part;
use crate::schema::{ColumnClass, ColumnSchema, Domain};

/// A SELECT that gives whole values.
pub(super) struct Lossless {
    /// Its text up to FROM.
    pub(super) list: Vec<Part>,
    /// Behind the list: where the rest of the text begins, in bytes.
    pub(super) rest: usize,
    /// The columns, by place, that its last one tells about: 1 if each of them survives being sent as text.
    pub(super) proved: Vec<usize>,
}

/// How a column is read.
enum Form {
    /// By this expression.
    As(String),
    /// By this one, if this condition holds.
    Proved(String, String),
}

/// Rewrites a SELECT whose text begins at byte `start`; `None` if there is nothing to rewrite, or nobody can tell.
pub(super) fn lossless(
    walk: &Walk<'_>,
    query: &Query,
    scope: &Scope<'_>,
    targets: &[ColumnSchema],
    start: usize,
) -> Option<Lossless> {
    let SetExpr::Select(block) = &*query.body else { return None };
    if query.with.is_some() || !is_plain(block) {
        return None;
    }
    let outputs = order::outputs(walk, block, scope).ok()?;
    let form = |place: usize, target: &ColumnSchema| {
        let (alias, name) = outputs.get(place)?.column.as_ref()?;
        let schema = scope.items.iter().find(|item| item.alias == *alias)?.schema?;
        form(&quoted(&(alias.clone(), name.clone())), schema.column(name)?, target, query)
    };
    let forms: Vec<Option<Form>> = targets.iter().enumerate().map(|(place, target)| form(place, target)).collect();
    if forms.iter().all(Option::is_none) || outputs.len() > forms.len() {
        return None;
    }
    let text = walk.text;
    let select = text.tokens.iter().position(|token| token.start == start)?;
    if !text.is_word(&text.tokens[select], "SELECT") {
        // In parentheses.
        return None;
    }
    let from = end_of_list(text, select)?;
    let parts = listed(text, select, from);
    let first = parts.first()?.start;
    let slice = |start: usize, end: usize| Part::Slice(text.anchor(start), text.anchor(end));
    let mut list = vec![slice(start, first)];
    let stars = block
        .projection
        .iter()
        .any(|item| !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }));
    for (place, output) in outputs.iter().enumerate() {
        if place > 0 {
            list.push(phrase(", "));
        }
        let (own, as_read) = match (stars, block.projection.get(place)) {
            // A list of stars alone is a list of columns.
            (true, _) => {
                let (alias, name) = output.column.clone()?;
                (phrase(&quoted(&(alias, name.clone()))), Some(name))
            }
            (false, Some(item)) => {
                let part = parts.get(place)?;
                let name = match item {
                    SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
                    SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => output.name.clone(),
                    _ => None,
                };
                (slice(part.start, part.end), name)
            }
            (false, None) => return None,
        };
        match forms.get(place).and_then(Option::as_ref) {
            Some(Form::As(expression) | Form::Proved(expression, _)) => {
                list.push(phrase(&format!("{expression} AS {}", super::keys::quote(&as_read?))));
            }
            None => list.push(own),
        }
    }
    let proved = |(place, form): (usize, &Option<Form>)| match form {
        Some(Form::Proved(_, condition)) => Some((place, format!("({condition})"))),
        _ => None,
    };
    let (proved, conditions): (Vec<usize>, Vec<String>) = forms.iter().enumerate().filter_map(proved).unzip();
    if !conditions.is_empty() {
        list.push(phrase(&format!(", {}", conditions.join(" AND "))));
    }
    let rest = parts.last()?.end;
    Some(Lossless { list, rest, proved })
}

/// Where the list of a SELECT ends that begins at byte `start`, if further columns can be read behind it.
pub(super) fn behind_list(text: &Text<'_>, query: &Query, start: usize) -> Option<usize> {
    let SetExpr::Select(block) = &*query.body else { return None };
    let select = text.tokens.iter().position(|token| token.start == start)?;
    if query.with.is_some() || !is_plain(block) || !text.is_word(&text.tokens[select], "SELECT") {
        return None;
    }
    Some(listed(text, select, end_of_list(text, select)?).last()?.end)
}

/// Whether each row gives its own columns, and nothing reads the list but ORDER BY.
fn is_plain(block: &Select) -> bool {
    let mut calls = Calls::default();
    let _ = block.projection.visit(&mut calls);
    let grouped = !matches!(&block.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty());
    block.distinct.is_none() && block.having.is_none() && !grouped && !calls.aggregate && !calls.window
}

/// How `name` is read for `target`; `None`: as it is.
fn form(name: &str, read: &ColumnSchema, target: &ColumnSchema, query: &Query) -> Option<Form> {
    match (&read.class, &target.class) {
        (ColumnClass::Float, ColumnClass::Float | ColumnClass::Double) => Some(Form::As(format!("{name} + 0e0"))),
        (ColumnClass::Timestamp, ColumnClass::Timestamp) => {
            let again = format!("UNIX_TIMESTAMP(CAST({name} AS DATETIME(6)))");
            let instant = format!("UNIX_TIMESTAMP({name})");
            Some(Form::Proved(name.to_owned(), format!("{name} IS NULL OR {instant} = 0 OR {instant} = {again}")))
        }
        // The order of texts is another.
        _ if (read.domain, target.domain) == (Domain::Documents, Domain::Documents) && query.order_by.is_none() => {
            Some(Form::Proved(format!("CAST({name} AS CHAR)"), super::keys::survives(name)))
        }
        _ => None,
    }
}

/// The token behind the list of the SELECT that stands at `select`: the FROM of its own.
fn end_of_list(text: &Text<'_>, select: usize) -> Option<usize> {
    let mut depth = 0;
    (select + 1..text.tokens.len()).find(|index| {
        depth += text.nesting(&text.tokens[*index]);
        depth == 0 && text.is_word(&text.tokens[*index], "FROM")
    })
}
