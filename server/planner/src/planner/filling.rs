//! How an INSERT is edited whose column a sequence fills: every row gets a bind in the place of the column's value.

use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast::{Expr, Insert, OnInsert};
use vitrail_sql::lexer::TokenKind;

use super::names::is_default;
use super::text::{Given, Text};
use super::walk::Walk;
use crate::plan::{Edit, Filling, Replacement, Source};
use crate::refusal::Refusal;
use crate::vschema::AutoIncrement;

/// Edits the statement, whose rows give values of `columns`: afterwards every row has a bind in the place of the column's value.
pub(super) fn fill(
    walk: &mut Walk<'_>,
    insert: &Insert,
    auto: &AutoIncrement,
    columns: &[String],
    rows: &[&[Expr]],
) -> Result<Filling, Refusal> {
    let found = auto.sequence(walk.context.vschema);
    let (keyspace, table) = found.map_err(|reason| Refusal::not_found("sequence", reason))?;
    let at = columns.iter().position(|name| name.eq_ignore_ascii_case(&auto.column));
    let given = match (at, insert.source.is_none()) {
        (Some(at), true) => {
            let value = insert.assignments.get(at).map(|assignment| &assignment.value);
            let span = assigned_value(walk.text, at).ok_or_else(unreadable)?;
            put(walk, span, Filling::bind(0), 1);
            vec![given(walk.text, value, auto)?]
        }
        (None, true) => {
            let start = after_word(walk.text, "SET").ok_or_else(unreadable)?;
            put(walk, start..start, format!(" {} = :{},", quoted(&auto.column), Filling::bind(0)), 0);
            vec![None]
        }
        (at, false) => {
            let ranges = walk.text.rows();
            if ranges.len() != rows.len() {
                return Err(unreadable());
            }
            // `() VALUES ()` names none.
            let (alone, comma) = if columns.is_empty() { (true, "") } else { (false, ", ") };
            if at.is_none() {
                let name = quoted(&auto.column);
                let (start, list) = match column_list(walk.text).ok_or_else(unreadable)? {
                    List::Inside(start) => (start, format!("{name}{comma}")),
                    List::Missing(start) if alone => (start, format!("({name}) ")),
                    List::Missing(_) => {
                        return Err(Refusal::unsupported(
                            "sequence-columns",
                            format!("name the columns of the INSERT, so that {name} can be filled from its sequence"),
                        ));
                    }
                };
                put(walk, start..start, list, 0);
            }
            let mut sources = Vec::with_capacity(rows.len());
            for (row, (values, range)) in rows.iter().zip(ranges).enumerate() {
                match at {
                    None => {
                        let start = range.start + 1;
                        put(walk, start..start, format!(":{}{comma}", Filling::bind(row)), 0);
                        sources.push(None);
                    }
                    Some(at) => {
                        let span = item(walk.text, &range, at).ok_or_else(unreadable)?;
                        put(walk, span, Filling::bind(row), 1);
                        sources.push(given(walk.text, values.get(at), auto)?);
                    }
                }
            }
            sources
        }
    };
    let updates = matches!(insert.on, Some(OnInsert::DuplicateKeyUpdate(_)));
    Ok(Filling { keyspace, table, column: Arc::clone(&auto.column), updates, given })
}

/// What a row gives, if the plan can tell.
fn given(text: &Text<'_>, value: Option<&Expr>, auto: &AutoIncrement) -> Result<Option<Source>, Refusal> {
    match value {
        None => {
            Err(Refusal::invalid("column-count", "Column count doesn't match value count").with_errno(1136, "21S01"))
        }
        Some(value) if is_default(value) => Ok(None),
        Some(value) => match text.value(value) {
            Some((source, Given::Integer | Given::Text | Given::Null | Given::Bind)) => Ok(Some(source)),
            _ => Err(Refusal::unsupported(
                "sequence-expression",
                format!(
                    "the value of `{}` must be an integer, a bind variable, NULL or DEFAULT: its sequence has to know whether it is open",
                    auto.column
                ),
            )),
        },
    }
}

/// Puts text over a span; with a bind's name, the colon that it needs.
fn put(walk: &mut Walk<'_>, span: Range<usize>, text: String, colon: usize) {
    let text = if colon > 0 { format!(":{text}") } else { text };
    walk.edits.push(Edit {
        start: walk.text.anchor(span.start),
        end: walk.text.anchor(span.end),
        replacement: Replacement::Text(text.into()),
        scatter_only: false,
    });
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Behind the first word of this spelling outside parentheses.
fn after_word(text: &Text<'_>, word: &str) -> Option<usize> {
    let mut depth = 0;
    let token = text.tokens.iter().find(|token| {
        depth += text.nesting(token);
        depth == 0 && text.is_word(token, word)
    })?;
    Some(token.end)
}

/// Where columns are named before VALUES.
enum List {
    /// Behind the parenthesis that opens it.
    Inside(usize),
    /// There is none: where it would stand.
    Missing(usize),
}

/// The column list: the last parentheses before VALUES.
fn column_list(text: &Text<'_>) -> Option<List> {
    let mut depth = 0;
    let mut found = None;
    for token in &text.tokens {
        if depth == 0 && (text.is_word(token, "VALUES") || text.is_word(token, "VALUE")) {
            return Some(found.map_or(List::Missing(token.start), List::Inside));
        }
        if depth == 0 && token.kind == TokenKind::Open {
            found = Some(token.end);
        }
        depth += text.nesting(token);
    }
    None
}

/// The span of an item of a row.
pub(super) fn item(text: &Text<'_>, row: &Range<usize>, at: usize) -> Option<Range<usize>> {
    let inside = text.tokens.iter().filter(|token| token.start > row.start && token.end < row.end);
    nth(text, inside, at)
}

/// The span of the value of an assignment behind SET.
pub(super) fn assigned_value(text: &Text<'_>, at: usize) -> Option<Range<usize>> {
    let start = after_word(text, "SET")?;
    let behind = text.tokens.iter().filter(move |token| token.start >= start);
    let mut depth = 0;
    let assignments = behind.take_while(|token| {
        let ends = depth == 0 && ["ON", "AS", "RETURNING"].iter().any(|word| text.is_word(token, word));
        depth += text.nesting(token);
        !ends
    });
    let whole = nth(text, assignments, at)?;
    let mut inside = text.tokens.iter().filter(|token| token.start >= whole.start && token.end <= whole.end);
    let equals = inside.find(|token| matches!(text.str(token), "=" | ":="))?;
    let first = inside.next().filter(|token| token.start >= equals.end)?;
    Some(first.start..whole.end)
}

/// The span of one of the items that commas divide.
fn nth<'t>(
    text: &Text<'_>,
    tokens: impl Iterator<Item = &'t vitrail_sql::lexer::Token>,
    at: usize,
) -> Option<Range<usize>> {
    let (mut depth, mut index) = (0, 0);
    let mut span: Option<Range<usize>> = None;
    for token in tokens {
        if depth == 0 && text.str(token) == "," {
            if index == at {
                return span;
            }
            index += 1;
            continue;
        }
        depth += text.nesting(token);
        if index == at {
            span = Some(span.map_or(token.start, |span| span.start)..token.end);
        }
    }
    span.filter(|_| index == at)
}

fn unreadable() -> Refusal {
    Refusal::invalid("insert-rows", "the rows of the INSERT cannot be told apart")
}
