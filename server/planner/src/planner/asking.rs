//! Values of sharding columns in an INSERT that are no literals: which expressions a MySQL can work out beforehand.

mod row;

use std::ops::Range;

use sqlparser::ast::Expr;

pub(super) use self::row::Row;
use super::calls::{contains_query, is_volatile};
use super::functions;
use super::walk::Walk;
use crate::plan::{Asked, Edit, Expression, Part, Replacement, Source};
use crate::refusal::Refusal;
use crate::schema::{ColumnSchema, Domain};

/// Expressions that one statement has worked out beforehand, at most: as many columns as a SELECT of MySQL lists.
const MOST: usize = 4096;

/// Has the value of an expression, which stands at `bytes`, worked out for a column: the one at `at` of a row.
pub(super) fn ask(
    walk: &mut Walk<'_>,
    expr: &Expr,
    bytes: Option<Range<usize>>,
    column: Option<&ColumnSchema>,
    (row, at): (&Row<'_>, usize),
) -> Result<Source, Refusal> {
    let column = column.ok_or_else(|| refuse("an expression for a column whose type is not known"))?;
    if contains_query(expr) {
        return Err(refuse("a subquery"));
    }
    if (0..walk.text.tokens.len()).any(|index| walk.text.assigns(index)) {
        return Err(refuse("an expression beside assignments of user variables"));
    }
    if walk.asked.list.len() == MOST {
        return Err(refuse("more than 4096 expressions"));
    }
    let bytes = bytes.ok_or_else(|| refuse("an expression whose place in the text is not known"))?;
    let mut puts = row.puts(walk.text, expr, at).ok_or_else(|| {
        refuse("an expression of other columns, but integers in arithmetic and texts that are put together")
    })?;
    puts.sort_by_key(|put| put.bytes.start);
    let slice = |bytes: Range<usize>| Part::Slice(walk.text.anchor(bytes.start), walk.text.anchor(bytes.end));
    let (mut text, mut end) = (Vec::with_capacity(2 * puts.len() + 1), bytes.start);
    for put in puts {
        let bind = Asked::earlier_bind(walk.asked.earlier.len());
        let signed = !matches!(put.earlier.column.domain, Domain::Integers { least: 0, .. });
        let put_in = match (put.number, signed) {
            (true, true) => format!("CAST(:{bind} AS SIGNED)"),
            (true, false) => format!("CAST(:{bind} AS UNSIGNED)"),
            (false, _) => format!("CAST(:{bind} AS CHAR)"),
        };
        text.extend([slice(end..put.bytes.start), Part::Text(put_in.into())]);
        end = put.bytes.end;
        walk.asked.earlier.push(put.earlier);
    }
    text.push(slice(end..bytes.end));
    let bind = Asked::bind(walk.asked.list.len());
    let (start, end) = (walk.text.anchor(bytes.start), walk.text.anchor(bytes.end));
    let replaced = is_volatile(expr);
    if replaced {
        let replacement = Replacement::Text(format!(":{bind}").into());
        walk.edits.push(Edit { start, end, replacement, scatter_only: false });
    }
    walk.asked.list.push(Expression { text, column: column.clone(), replaced });
    Ok(Source::Bind(bind.into()))
}

/// DEFAULT is a name here, too.
pub(super) fn names_column(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(name) => {
            name.quote_style.is_some() || !name.value.starts_with('@') && !functions::is_bare_call(&name.value)
        }
        Expr::CompoundIdentifier(_) => true,
        _ => false,
    }
}

fn refuse(what: &str) -> Refusal {
    Refusal::unsupported(
        "sharding-expression",
        format!(
            "the sharding column's value tells where the row goes, and is not worked out beforehand with {what}; give a literal, a bind variable, or \
             what is made of them"
        ),
    )
}
