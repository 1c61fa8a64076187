//! Conditions over several sides: equalities that a side is asked by, and what the gate evaluates itself.

use std::collections::BTreeSet;
use std::ops::Range;

use sqlparser::ast::{BinaryOperator, Expr, Spanned, UnaryOperator};
use vitrail_sql::lexer::{Token, TokenKind};
use vitrail_sql::normalise::LiteralKind;

use super::names::items;
use super::pieces::Piece;
use super::{Building, refuse};
use crate::plan::{Comparator, Condition, Equality, JoinKey, Operand, literal_bind};
use crate::planner::columns::{class, reads_year};
use crate::planner::numbers;
use crate::planner::order::space_weight;
use crate::planner::text::Text;
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

impl Building<'_, '_, '_> {
    /// An equality between one side before and `side`, as a key of `side`. `None`: it is none, or not one that can be proved.
    pub(super) fn key(&mut self, piece: &Piece<'_>, before: &[usize], side: usize) -> Result<Option<JoinKey>, Refusal> {
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = piece.expr else { return Ok(None) };
        let (left_side, right_side) = (self.only_side(left), self.only_side(right));
        let (value, own) = match (left_side, right_side) {
            (Some(a), Some(b)) if b == side && before.contains(&a) => (left, right),
            (Some(a), Some(b)) if a == side && before.contains(&b) => (right, left),
            _ => return Ok(None),
        };
        let Some(equality) = self.equality(value, own) else { return Ok(None) };
        let (Some(value_text), Some(own_text)) = (self.text_of(value), self.text_of(own)) else { return Ok(None) };
        let weight = |text: &String| format!("WEIGHT_STRING({text})");
        let value_slot = self.column_of(value, value_text.clone())?;
        let (left, right) = match &equality {
            Equality::Weight(_) => {
                (self.column_of(value, weight(&value_text))?, self.column_of(own, weight(&own_text))?)
            }
            _ => (value_slot, self.column_of(own, own_text.clone())?),
        };
        self.asked[side].push(own_text);
        Ok(Some(JoinKey { value: value_slot, left, right, equality }))
    }

    /// How the gate decides that two expressions are equal as MySQL does.
    fn equality(&self, left: &Expr, right: &Expr) -> Option<Equality> {
        use ColumnClass::{Binary, Decimal, Integer, Temporal, Text};
        match (self.class(left)?, self.class(right)?) {
            // An integer column is looked up in MySQL by a decimal that was rounded.
            (Integer, Integer) | (Decimal, Decimal) => Some(Equality::Number),
            (Binary, Binary) | (Temporal, Temporal) => Some(Equality::Bytes),
            (Text(left), Text(right)) if left == right => Some(Equality::Weight(space_weight(&left)?.to_vec())),
            _ => None,
        }
    }

    pub(super) fn class(&self, expr: &Expr) -> Option<ColumnClass> {
        class(expr, self.scope).or_else(|| numbers::number(self.walk, expr, self.scope))
    }

    /// A condition of ON: of one side before, that side tells whether it is true.
    pub(super) fn condition_of(&mut self, piece: &Piece<'_>) -> Result<Condition, Refusal> {
        if let Some(side) = self.only_side(piece.expr)
            && self.missing[side].is_none()
            && let Some(text) = self.written(piece.bytes.clone())
        {
            let slot = self.column_of(piece.expr, format!("NULLIF(({text}), 0)"))?;
            return Ok(Condition::Not(Box::new(Condition::IsNull(Operand::Column(slot)))));
        }
        self.condition(piece.expr)
    }

    /// What the gate evaluates of a condition over several sides.
    pub(super) fn condition(&mut self, expr: &Expr) -> Result<Condition, Refusal> {
        use BinaryOperator::{And, Or};
        let uncompared = || refuse("a condition over both sides that is not a comparison of numbers");
        Ok(match expr {
            Expr::Nested(inner) => self.condition(inner)?,
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Condition::Not(Box::new(self.condition(expr)?)),
            Expr::BinaryOp { left, op: And, right } => {
                Condition::And(Box::new(self.condition(left)?), Box::new(self.condition(right)?))
            }
            Expr::BinaryOp { left, op: Or, right } => {
                Condition::Or(Box::new(self.condition(left)?), Box::new(self.condition(right)?))
            }
            Expr::BinaryOp { left, op, right } => {
                let comparator = numbers::comparator(op).ok_or_else(uncompared)?;
                // As for keys.
                if comparator == Comparator::Equal && self.class(left) != self.class(right) {
                    return Err(refuse("equality of an integer and a decimal"));
                }
                Condition::Compare(comparator, self.number(left)?, self.number(right)?)
            }
            Expr::Between { expr, negated, low, high } => {
                let (value, low, high) = (self.number(expr)?, self.number(low)?, self.number(high)?);
                let from = Condition::Compare(Comparator::GreaterOrEqual, value.clone(), low);
                let to = Condition::Compare(Comparator::LessOrEqual, value, high);
                let within = Condition::And(Box::new(from), Box::new(to));
                if *negated { Condition::Not(Box::new(within)) } else { within }
            }
            Expr::IsNull(of) => Condition::IsNull(self.plain(of)?),
            Expr::IsNotNull(of) => Condition::Not(Box::new(Condition::IsNull(self.plain(of)?))),
            _ => return Err(uncompared()),
        })
    }

    /// An integer or decimal of one side.
    pub(super) fn number(&mut self, expr: &Expr) -> Result<Operand, Refusal> {
        let unproved = || refuse("a comparison of both sides whose operands are not proved to be integers or decimals");
        let exact = matches!(self.class(expr), Some(ColumnClass::Integer | ColumnClass::Decimal));
        if !exact || reads_year(expr, self.scope) {
            return Err(unproved());
        }
        // Computed over both sides, it might overflow as MySQL has it.
        let text = self.text_of(expr).ok_or_else(unproved)?;
        self.column_of(expr, text).map(Operand::Column)
    }

    fn plain(&mut self, expr: &Expr) -> Result<Operand, Refusal> {
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) if self.only_side(expr).is_some() => {
                let text = self.text_of(expr).ok_or_else(|| refuse("IS NULL of an expression"))?;
                self.column_of(expr, text).map(Operand::Column)
            }
            Expr::Nested(inner) => self.plain(inner),
            _ => Err(refuse("IS NULL of an expression over both sides")),
        }
    }

    /// The only side that an expression speaks of.
    pub(super) fn only_side(&self, expr: &Expr) -> Option<usize> {
        let sides: BTreeSet<usize> = items(expr, self.scope)?.into_iter().map(|item| self.home[item]).collect();
        <[usize; 1]>::try_from(sides.into_iter().collect::<Vec<_>>()).ok().map(|[side]| side)
    }

    /// The text of a part of the statement that can be written again: literals that the key does not hold become binds.
    pub(super) fn text_of(&mut self, expr: &Expr) -> Option<String> {
        self.written(place(self.walk.text, expr)?)
    }

    pub(super) fn written(&mut self, bytes: Range<usize>) -> Option<String> {
        let statement = self.walk.text.statement;
        let mut changes: Vec<(Range<usize>, String)> = self
            .walk
            .edits
            .iter()
            .filter(|edit| !edit.scatter_only)
            .map(|edit| (statement.position(edit.start)..statement.position(edit.end), String::new()))
            .collect();
        for (index, literal) in statement.literals.iter().enumerate() {
            let (mut span, mut bind) = (literal.span.clone(), format!(":{}", literal_bind(index)));
            if literal.kind == LiteralKind::List {
                // With its parentheses, which such a bind brings along.
                let tokens = &self.walk.text.tokens;
                let open = tokens.iter().rev().find(|token| token.end <= span.start && token.kind == TokenKind::Open);
                let close = tokens.iter().find(|token| token.start >= span.end && token.kind == TokenKind::Close);
                span = open.map_or(span.start, |token| token.start)..close.map_or(span.end, |token| token.end);
                bind.insert(0, ':');
            }
            changes.push((span, bind));
            let inside = bytes.start <= literal.span.start && literal.span.end <= bytes.end;
            let introduced = || {
                let before = self.walk.text.tokens.iter().rev().find(|token| token.end <= literal.span.start);
                before.is_some_and(|token| self.walk.text.str(token).starts_with('_'))
            };
            let plain = match literal.kind {
                LiteralKind::Integer | LiteralKind::Decimal => true,
                LiteralKind::List => {
                    literal.items.iter().all(|(_, kind)| matches!(kind, LiteralKind::Integer | LiteralKind::Decimal))
                }
                LiteralKind::String => !introduced(),
                _ => false,
            };
            if inside && !plain {
                return None;
            }
            if inside {
                self.literals.insert(index);
            }
        }
        changes.retain(|(range, _)| bytes.start <= range.start && range.end <= bytes.end);
        changes.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut text = statement.text[bytes.clone()].to_owned();
        for (range, new) in changes {
            text.replace_range(range.start - bytes.start..range.end - bytes.start, &new);
        }
        Some(text)
    }
}

/// Where an expression stands; `None` for those of which the tree does not tell.
fn place(text: &Text<'_>, expr: &Expr) -> Option<Range<usize>> {
    use BinaryOperator::{Minus, Multiply, Plus};
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => {
            let span = expr.span();
            let (start, end) = (text.byte(span.start)?, text.byte(span.end)?);
            let is_token =
                |found: &Token| found.start <= start && end <= found.end || start <= found.start && found.end <= end;
            let mut tokens = text.tokens.iter().filter(|token| is_token(token));
            let first = tokens.next()?;
            let last = tokens.next_back().unwrap_or(first);
            Some(first.start..last.end)
        }
        Expr::BinaryOp { left, op: Plus | Minus | Multiply, right } => {
            let (left, right) = (place(text, left)?, place(text, right)?);
            let within = |token: &&Token| left.end <= token.start && token.end <= right.start;
            let mut between = text.tokens.iter().filter(within);
            let operator = between.next().is_some_and(|token| matches!(text.str(token), "+" | "-" | "*"));
            (operator && between.next().is_none()).then_some(left.start..right.end)
        }
        _ => None,
    }
}
