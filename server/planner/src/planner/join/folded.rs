//! A subquery that folds rows of one table into one value: its parts, in the tree and in the text.

use std::ops::{ControlFlow, Range};

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Select, SelectItem, SetExpr,
    visit_expressions,
};
use vitrail_sql::lexer::TokenKind;

use super::names::items;
use super::pieces::Piece;
use crate::planner::calls::contains_query;
use crate::planner::groups;
use crate::planner::text::Text;
use crate::planner::walk::Scope;

/// The SELECT of a query that has nothing but a list, one table and conditions.
pub(super) fn plain(query: &Query) -> Option<&Select> {
    let bare = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty();
    let SetExpr::Select(select) = &*query.body else { return None };
    let one_group = select.distinct.is_none()
        && !groups::is_grouped(select)
        && select.having.is_none()
        && select.named_window.is_empty();
    let one_table = matches!(select.from.as_slice(), [only] if only.joins.is_empty());
    (bare && one_group && one_table).then_some(select)
}

/// The only thing that a SELECT lists: an aggregate that is NULL of no rows.
pub(super) fn aggregate(select: &Select) -> Option<(&Function, &Expr)> {
    let [SelectItem::UnnamedExpr(Expr::Function(function))] = select.projection.as_slice() else { return None };
    let name = function.name.to_string().to_ascii_uppercase();
    let plain = function.over.is_none() && function.filter.is_none() && function.within_group.is_empty();
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))]
            if plain
                && list.duplicate_treatment.is_none()
                && list.clauses.is_empty()
                && !contains_query(argument)
                && matches!(&*name, "SUM" | "AVG" | "MIN" | "MAX") =>
        {
            Some((function, argument))
        }
        _ => None,
    }
}

/// Where the parts of a subquery stand.
pub(super) struct Place {
    /// The bytes of what FROM lists.
    pub(super) table: Range<usize>,
    /// The tokens behind WHERE.
    pub(super) condition: Option<Range<usize>>,
}

impl Place {
    /// The subquery is one operand of the comparison: it begins or ends it.
    pub(super) fn of(text: &Text<'_>, piece: &Piece<'_>, turned: bool) -> Option<Place> {
        let tokens = &text.tokens;
        let first = tokens.iter().position(|token| token.start >= piece.bytes.start)?;
        let end = tokens.iter().position(|token| token.start >= piece.bytes.end).unwrap_or(tokens.len());
        let (open, close) =
            if turned { (first, matching(text, first..end)?) } else { (opening(text, first..end)?, end - 1) };
        if !text.is_word(tokens.get(open + 1)?, "SELECT") || tokens.get(close)?.kind != TokenKind::Close {
            return None;
        }
        let (mut depth, mut from, mut condition) = (0, None, None);
        for index in open + 2..close {
            depth += text.nesting(&tokens[index]);
            if depth != 0 || tokens[index - 1].kind == TokenKind::Dot {
                continue;
            }
            if text.is_word(&tokens[index], "FROM") && from.is_none() {
                from = Some(index);
            } else if text.is_word(&tokens[index], "WHERE") && from.is_some() && condition.is_none() {
                condition = Some(index);
            }
        }
        let (from, until) = (from? + 1, condition.unwrap_or(close));
        let table = tokens.get(from..until).filter(|tokens| !tokens.is_empty())?;
        let table = table[0].start..table[table.len() - 1].end;
        Some(Place { table, condition: condition.map(|condition| condition + 1..close) })
    }
}

/// The token that closes what the first one opens.
fn matching(text: &Text<'_>, tokens: Range<usize>) -> Option<usize> {
    let mut depth = 0;
    tokens.into_iter().find(|index| {
        depth += text.nesting(&text.tokens[*index]);
        depth == 0
    })
}

/// The token that opens what the last one closes.
fn opening(text: &Text<'_>, tokens: Range<usize>) -> Option<usize> {
    let mut depth = 0;
    tokens.rev().find(|index| {
        depth += text.nesting(&text.tokens[*index]);
        depth == 0
    })
}

/// Whose columns an expression names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The subquery's, or nobody's.
    Own,
    /// Those of the query around it.
    Outer,
    Both,
}

/// `None`: a name is not known, or may be that of several.
pub(super) fn whose(expr: &Expr, own: &Scope<'_>, outer: &Scope<'_>) -> Option<Whose> {
    let item = own.items.first()?;
    let schema = item.schema?;
    let (mut inside, mut outside, mut unknown) = (false, false, false);
    let _ = visit_expressions(expr, |part| {
        match part {
            Expr::Identifier(name) if name.quote_style.is_none() && name.value.starts_with('@') => unknown = true,
            Expr::Identifier(name) if schema.column(&name.value).is_some() => inside = true,
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, _] | [_, table, _] if table.value.eq_ignore_ascii_case(&item.alias) => inside = true,
                [_, _] | [_, _, _] => outside = true,
                _ => unknown = true,
            },
            Expr::Identifier(_) => outside = true,
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    // What is outside is one column there.
    let known = !outside || inside || items(expr, outer).is_some_and(|items| items.len() == 1);
    match (inside, outside) {
        _ if unknown || !known => None,
        (_, false) => Some(Whose::Own),
        (false, true) => Some(Whose::Outer),
        (true, true) => Some(Whose::Both),
    }
}
