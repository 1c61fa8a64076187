//! Values of sharding columns in an INSERT that are no literals: which expressions a MySQL can work out beforehand.

use std::ops::Range;

use sqlparser::ast::Expr;

use super::calls::{contains_query, finds, is_volatile};
use super::functions;
use super::walk::Walk;
use crate::plan::{Asked, Edit, Expression, Replacement, Source};
use crate::refusal::Refusal;
use crate::schema::ColumnSchema;

/// Expressions that one statement has worked out beforehand, at most: as many columns as a SELECT of MySQL lists.
const MOST: usize = 4096;

/// Has the value of an expression, which stands at `bytes`, worked out for a column.
pub(super) fn ask(
    walk: &mut Walk<'_>,
    expr: &Expr,
    bytes: Option<Range<usize>>,
    column: Option<&ColumnSchema>,
) -> Result<Source, Refusal> {
    let column = column.ok_or_else(|| refuse("an expression for a column whose type is not known"))?;
    if contains_query(expr) {
        return Err(refuse("a subquery"));
    }
    if finds(expr, names_column) {
        return Err(refuse("an expression of other columns"));
    }
    if (0..walk.text.tokens.len()).any(|index| walk.text.assigns(index)) {
        return Err(refuse("an expression beside assignments of user variables"));
    }
    if walk.asked.len() == MOST {
        return Err(refuse("more than 4096 expressions"));
    }
    let bytes = bytes.ok_or_else(|| refuse("an expression whose place in the text is not known"))?;
    let bind = Asked::bind(walk.asked.len());
    let (start, end) = (walk.text.anchor(bytes.start), walk.text.anchor(bytes.end));
    let replaced = is_volatile(expr);
    if replaced {
        let replacement = Replacement::Text(format!(":{bind}").into());
        walk.edits.push(Edit { start, end, replacement, scatter_only: false });
    }
    walk.asked.push(Expression { start, end, column: column.clone(), replaced });
    Ok(Source::Bind(bind.into()))
}

/// DEFAULT is a name here, too.
fn names_column(expr: &Expr) -> bool {
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
