//! What conditions prove: which sharding columns are equal, and which values they have.

use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast::{BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator};

use super::columns::{ShardingUse, sharding};
use super::names::idents;
use super::placement::Member;
use super::text::Given;
use super::walk::{Scope, Walk};
use crate::plan::{Pin, Source};
use crate::refusal::Refusal;
use crate::schema::{ColumnClass, ColumnSchema, Domain};
use crate::vschema::{Sharding, ShardingColumn};

impl<'a> Walk<'a> {
    pub(super) fn join(
        &mut self,
        join: &Join,
        scope: &Scope<'a>,
        left: Range<usize>,
        right: Range<usize>,
        outer: &[Scope<'a>],
    ) -> Result<(), Refusal> {
        let (constraint, kept, nullable) = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::CrossJoin(constraint)
            | JoinOperator::StraightJoin(constraint) => (constraint, None, left.start..right.end),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, Some(left), right),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (constraint, Some(right), left),
            _ => return Err(Refusal::unsupported("join-form", "this form of a join is not supported")),
        };
        match constraint {
            JoinConstraint::On(condition) => match kept {
                None => self.facts(condition, scope, nullable, outer),
                Some(kept) => {
                    self.facts(condition, scope, nullable.clone(), outer);
                    self.attach_side(condition, scope, &kept, &nullable);
                }
            },
            JoinConstraint::Using(columns) => {
                for column in columns.iter().filter_map(|name| idents(name)?.last().map(|ident| ident.value.clone())) {
                    self.using(&column, scope, kept.clone(), nullable.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `USING (column)`: equality of the only table on each side that is sharded by it, if no other can have the column.
    fn using(&mut self, column: &str, scope: &Scope<'a>, kept: Option<Range<usize>>, nullable: Range<usize>) {
        let range =
            kept.as_ref().map_or(nullable.clone(), |kept| kept.start.min(nullable.start)..kept.end.max(nullable.end));
        let items = &scope.items[range];
        let [a, b] = items else { return };
        let ident = Ident::new(column);
        let (Some(left), Some(right)) = (sharding(a, &ident, 0), sharding(b, &ident, 0)) else { return };
        if !comparable(&left, &right) {
            return;
        }
        match kept {
            None => self.placements.unite(left.member, right.member, left.number),
            Some(kept) if kept.start < nullable.start => {
                self.placements.attach(right.member, left.member, left.number);
            }
            Some(_) => self.placements.attach(left.member, right.member, left.number),
        }
    }

    /// ON of an outer join: groups of the nullable side follow the kept side's, each the first that it is equal to.
    fn attach_side(&mut self, condition: &Expr, scope: &Scope<'a>, kept: &Range<usize>, nullable: &Range<usize>) {
        if self.text.loose_operators {
            return;
        }
        for (a, b) in equalities(condition) {
            let (Some(a), Some(b)) = (self.column(a, scope, &[]), self.column(b, scope, &[])) else { continue };
            if !comparable(&a, &b) {
                continue;
            }
            for (follower, leader) in [(&a, &b), (&b, &a)] {
                let follows = self.owned(follower.member, scope, nullable) && self.within(leader.member, scope, kept);
                if follows {
                    self.placements.attach(follower.member, leader.member, follower.number);
                    break;
                }
            }
        }
    }

    /// Whether the member itself is among these items.
    pub(super) fn within(&self, member: Member, scope: &Scope<'a>, range: &Range<usize>) -> bool {
        scope.items[range.clone()].iter().any(|item| item.sharded.is_some_and(|(known, _)| known == member))
    }

    /// Whether the member is among these items and its group has not been led away.
    fn owned(&self, member: Member, scope: &Scope<'a>, range: &Range<usize>) -> bool {
        self.within(member, scope, range) && self.within(self.placements.root(member), scope, range)
    }

    /// What the AND-ed parts of a condition prove for the items of `range`, which it restricts.
    pub(super) fn facts(&mut self, condition: &Expr, scope: &Scope<'a>, range: Range<usize>, outer: &[Scope<'a>]) {
        if self.text.loose_operators {
            return;
        }
        for part in conjuncts(condition) {
            match part {
                Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                    self.equality(left, right, scope, &range, outer)
                }
                Expr::InList { expr, list, negated: false } => self.in_list(expr, list, scope, &range),
                _ => {}
            }
        }
    }

    fn equality(&mut self, left: &Expr, right: &Expr, scope: &Scope<'a>, range: &Range<usize>, outer: &[Scope<'a>]) {
        match (self.column(left, scope, outer), self.column(right, scope, outer)) {
            (Some(a), Some(b)) if comparable(&a, &b) => {
                let inside = |column: &ShardingUse<'a>| column.depth == 0 && self.within(column.member, scope, range);
                match (inside(&a), inside(&b)) {
                    (true, true) if self.led_here(a.member, scope) && self.led_here(b.member, scope) => {
                        self.placements.unite(a.member, b.member, a.number);
                    }
                    (true, false) if b.depth > 0 && self.led_here(a.member, scope) => {
                        self.placements.attach(a.member, b.member, a.number);
                    }
                    (false, true) if a.depth > 0 && self.led_here(b.member, scope) => {
                        self.placements.attach(b.member, a.member, a.number);
                    }
                    _ => {}
                }
            }
            (Some(column), None) | (None, Some(column)) => {
                let value = if self.column(left, scope, outer).is_some() { right } else { left };
                let Some((source, given)) = self.text.value(value) else { return };
                if column.depth == 0
                    && self.within(column.member, scope, range)
                    && self.led_here(column.member, scope)
                    && pins(&column, given)
                {
                    self.placements.pin(column.member, column.number, pin(&column, source));
                }
            }
            _ => {}
        }
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], scope: &Scope<'a>, range: &Range<usize>) {
        let Some(column) = self.column(expr, scope, &[]) else { return };
        if !self.within(column.member, scope, range) || !self.led_here(column.member, scope) {
            return;
        }
        let Some((source, given)) = self.text.list(list) else { return };
        if given.iter().all(|given| pins(&column, *given)) {
            self.placements.list(column.member, column.number, pin(&column, source));
        }
    }

    /// Whether the member's group is led by a table of this block.
    fn led_here(&self, member: Member, scope: &Scope<'a>) -> bool {
        self.within(self.placements.root(member), scope, &(0..scope.items.len()))
    }
}

/// Whether a join may fill columns with NULL.
pub(super) fn is_outer(join: &Join) -> bool {
    !matches!(
        join.join_operator,
        JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) | JoinOperator::StraightJoin(_)
    )
}

/// Whether equal values of two sharding columns always have one keyspace id, at the same place of their rows' keyspace ids.
pub(super) fn comparable(a: &ShardingUse<'_>, b: &ShardingUse<'_>) -> bool {
    let function = |column: &ShardingColumn| (column.vindex, column.part);
    let functions = |sharding: &Sharding| sharding.columns.iter().map(function).collect::<Vec<_>>();
    let follows =
        |known: Option<&ColumnSchema>| known.is_none_or(|known| a.get().vindex.follows_equality(&known.class));
    let year = |column: &ColumnSchema| column.domain == Domain::Years;
    let alike = match (a.known, b.known) {
        (Some(a), Some(b)) => {
            std::mem::discriminant(&a.class) == std::mem::discriminant(&b.class) && year(a) == year(b)
        }
        _ => true,
    };
    a.number == b.number
        && functions(a.sharding) == functions(b.sharding)
        && alike
        && follows(a.known)
        && follows(b.known)
}

/// Whether equality with a value of this kind pins the column.
fn pins(column: &ShardingUse<'_>, given: Given) -> bool {
    let Some(known) = column.known else { return given != Given::Fraction };
    let alike = match &known.class {
        // A year of two digits is equal to one of four.
        ColumnClass::Integer if known.domain == Domain::Years => false,
        ColumnClass::Integer => matches!(given, Given::Integer | Given::Text | Given::Bind | Given::Null),
        _ => matches!(given, Given::Text | Given::Bytes | Given::Bind | Given::Null),
    };
    alike && column.get().vindex.follows_equality(&known.class)
}

fn pin(column: &ShardingUse<'_>, source: Source) -> Pin {
    Pin {
        column: Arc::clone(&column.get().column),
        vindex: column.get().vindex,
        part: column.get().part,
        class: column.known.map(|known| known.class.clone()),
        source,
    }
}

/// The parts that AND joins.
pub(super) fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    let (mut parts, mut stack) = (Vec::new(), vec![condition]);
    while let Some(expr) = stack.pop() {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => stack.extend([&**right, &**left]),
            Expr::Nested(inner) => stack.push(inner),
            other => parts.push(other),
        }
    }
    parts
}

fn equalities(condition: &Expr) -> impl Iterator<Item = (&Expr, &Expr)> {
    conjuncts(condition).into_iter().filter_map(|part| match part {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => Some((&**left, &**right)),
        _ => None,
    })
}
