//! FROM and WHERE of the outermost SELECT, taken apart: each table and each AND-ed condition with its place in the text.

use std::ops::Range;

use sqlparser::ast::{BinaryOperator, Expr, JoinConstraint, JoinOperator, Select, TableFactor};
use vitrail_sql::lexer::TokenKind;

use crate::planner::clauses::{Clause, Clauses};
use crate::planner::text::Text;

/// A condition that others are AND-ed with.
#[derive(Clone)]
pub(super) struct Piece<'s> {
    pub(super) expr: &'s Expr,
    pub(super) bytes: Range<usize>,
}

/// What FROM lists, with how it is tied to what stands before.
pub(super) struct Factor<'s> {
    /// Which of the scope's items it is.
    pub(super) item: usize,
    pub(super) bytes: Range<usize>,
    /// ON of a LEFT JOIN whose right side it is.
    pub(super) left: Option<Vec<Piece<'s>>>,
}

/// FROM and WHERE.
pub(super) struct Pieces<'s> {
    /// In an order in which each LEFT JOIN follows what it is tied to.
    pub(super) factors: Vec<Factor<'s>>,
    /// WHERE, and ON of inner joins.
    pub(super) conditions: Vec<Piece<'s>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tie {
    First,
    Inner,
    Left,
    Right,
}

impl<'s> Pieces<'s> {
    /// `None` for forms that are not taken apart: USING, NATURAL, parentheses around joins, LATERAL, JSON_TABLE.
    pub(super) fn of(text: &Text<'_>, clauses: &Clauses, select: &'s Select) -> Option<Pieces<'s>> {
        let mut pieces = Pieces { factors: Vec::new(), conditions: Vec::new() };
        let from = clauses.get(Clause::From)?;
        let mut segments = segments(text, from.start + 1..from.end)?.into_iter();
        for tables in &select.from {
            let first = pieces.factors.len();
            let (tie, bytes, on) = segments.next()?;
            if tie != Tie::First || on.is_some() || !is_plain(&tables.relation) {
                return None;
            }
            pieces.factors.push(Factor { item: first, bytes: span(text, &bytes), left: None });
            for join in &tables.joins {
                let (tie, bytes, on) = segments.next()?;
                let (wanted, constraint) = match &join.join_operator {
                    JoinOperator::Join(on)
                    | JoinOperator::Inner(on)
                    | JoinOperator::CrossJoin(on)
                    | JoinOperator::StraightJoin(on) => (Tie::Inner, on),
                    JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (Tie::Left, on),
                    JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (Tie::Right, on),
                    _ => return None,
                };
                let mut conditions = Vec::new();
                match (constraint, on) {
                    (JoinConstraint::On(expr), Some(on)) => split(text, on, expr, &mut conditions)?,
                    (JoinConstraint::None, None) if wanted == Tie::Inner => {}
                    _ => return None,
                }
                if tie != wanted || !is_plain(&join.relation) {
                    return None;
                }
                let item = pieces.factors.len();
                let mut factor = Factor { item, bytes: span(text, &bytes), left: None };
                match tie {
                    Tie::Left => factor.left = Some(conditions),
                    Tie::Right if item == first + 1 => {
                        let before = &mut pieces.factors[first];
                        before.left = Some(conditions);
                        std::mem::swap(before, &mut factor);
                    }
                    Tie::Right => return None,
                    _ => pieces.conditions.append(&mut conditions),
                }
                pieces.factors.push(factor);
            }
        }
        if segments.next().is_some() {
            return None;
        }
        if let Some(expr) = &select.selection {
            let range = clauses.get(Clause::Where)?;
            split(text, range.start + 1..range.end, expr, &mut pieces.conditions)?;
        }
        Some(pieces)
    }
}

fn is_plain(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Table { args: None, .. } | TableFactor::Derived { lateral: false, .. })
}

/// A table of FROM by its tokens, with those of its ON.
type Segment = (Tie, Range<usize>, Option<Range<usize>>);

/// Each table of FROM by its tokens, with those of its ON.
fn segments(text: &Text<'_>, range: Range<usize>) -> Option<Vec<Segment>> {
    let mut found: Vec<Segment> = Vec::new();
    let (mut tie, mut start, mut on) = (Tie::First, range.start, None);
    let (mut depth, mut index) = (0, range.start);
    let mut close = |tie: Tie, start: usize, on: Option<usize>, end: usize| {
        let table = start..on.unwrap_or(end);
        if table.is_empty() {
            return None;
        }
        found.push((tie, table, on.map(|on| on + 1..end)));
        Some(())
    };
    while index < range.end {
        let token = &text.tokens[index];
        depth += text.nesting(token);
        let is = |at: usize, word: &str| at < range.end && text.is_word(&text.tokens[at], word);
        let called = text.tokens.get(index + 1).is_some_and(|next| next.kind == TokenKind::Open);
        let named = index > range.start
            && (text.tokens[index - 1].kind == TokenKind::Dot || text.is_word(&text.tokens[index - 1], "FOR"));
        if depth != 0 || named {
            index += 1;
            continue;
        }
        let outer = |at: usize| if is(at, "OUTER") { at + 1 } else { at };
        let next = if token.kind == TokenKind::Comma {
            Some((Tie::First, index + 1))
        } else if is(index, "JOIN") || is(index, "STRAIGHT_JOIN") {
            Some((Tie::Inner, index + 1))
        } else if (is(index, "INNER") || is(index, "CROSS")) && is(index + 1, "JOIN") {
            Some((Tie::Inner, index + 2))
        } else if is(index, "LEFT") && !called && is(outer(index + 1), "JOIN") {
            Some((Tie::Left, outer(index + 1) + 1))
        } else if is(index, "RIGHT") && !called && is(outer(index + 1), "JOIN") {
            Some((Tie::Right, outer(index + 1) + 1))
        } else if is(index, "NATURAL") || is(index, "USING") {
            return None;
        } else {
            None
        };
        match next {
            Some((next, after)) => {
                close(tie, start, on, index)?;
                (tie, start, on, index) = (next, after, None, after);
            }
            None => {
                if is(index, "ON") {
                    if on.is_some() {
                        return None;
                    }
                    on = Some(index);
                }
                index += 1;
            }
        }
    }
    close(tie, start, on, range.end)?;
    Some(found)
}

/// Splits a condition at its ANDs.
pub(super) fn split<'s>(
    text: &Text<'_>,
    tokens: Range<usize>,
    expr: &'s Expr,
    into: &mut Vec<Piece<'s>>,
) -> Option<()> {
    if let Expr::Nested(inner) = expr
        && is_wrapped(text, &tokens)
    {
        return split(text, tokens.start + 1..tokens.end - 1, inner, into);
    }
    let mut parts = Vec::new();
    ands(expr, &mut parts);
    if let [only] = parts[..] {
        into.push(Piece { expr: only, bytes: span(text, &tokens) });
        return (!tokens.is_empty()).then_some(());
    }
    let ranges = at_ands(text, tokens);
    if ranges.len() != parts.len() {
        return None;
    }
    parts.into_iter().zip(ranges).try_for_each(|(part, range)| split(text, range, part, into))
}

fn ands<'s>(expr: &'s Expr, into: &mut Vec<&'s Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            ands(left, into);
            ands(right, into);
        }
        other => into.push(other),
    }
}

/// Whether one pair of parentheses is around all of it.
fn is_wrapped(text: &Text<'_>, tokens: &Range<usize>) -> bool {
    let mut depth = 0;
    for index in tokens.clone() {
        depth += text.nesting(&text.tokens[index]);
        if depth == 0 {
            return index + 1 == tokens.end && tokens.len() > 2;
        }
    }
    false
}

fn at_ands(text: &Text<'_>, tokens: Range<usize>) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut depth, mut between) = (Vec::new(), tokens.start, 0, 0);
    for index in tokens.clone() {
        let token = &text.tokens[index];
        depth += text.nesting(token);
        depth += i32::from(text.is_word(token, "CASE")) - i32::from(text.is_word(token, "END"));
        if depth != 0 {
            continue;
        }
        if text.is_word(token, "BETWEEN") {
            between += 1;
        } else if text.is_word(token, "AND") && between > 0 {
            between -= 1;
        } else if text.is_word(token, "AND") || text.str(token) == "&&" {
            parts.push(start..index);
            start = index + 1;
        }
    }
    parts.push(start..tokens.end);
    parts
}

fn span(text: &Text<'_>, tokens: &Range<usize>) -> Range<usize> {
    if tokens.is_empty() {
        return 0..0;
    }
    text.tokens[tokens.start].start..text.tokens[tokens.end - 1].end
}
