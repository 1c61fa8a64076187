//! Joins of tables whose rows that belong together lie on different shards: each side is read by a statement of its own, and the gate matches rows.
//!
//! A side has all tables whose rows are proved to lie together. Its statement has its own conditions, and gives the columns that are
//! needed of it. The planner plans it as any other, so that all that holds for statements over shards holds for it. The first side drives; each
//! further one is asked for rows with the values of those before, in batches. Equality is decided in the gate where it can be proved: of
//! integers, decimals and bytes, and of texts of one collation by their weights. What is made of the joined rows (order, groups, DISTINCT,
//! LIMIT) is planned as if they came from one shard, and MySQL tells the columns of the answer.

mod columns;
mod conditions;
mod folded;
mod lookup;
mod names;
mod pieces;
mod sides;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast::{BinaryOperator, Expr, LockType, Query, Select, SelectItem, SetExpr};

use self::lookup::LookupSide;
use self::names::{is_null_without, items};
use self::pieces::{Piece, Pieces};
use self::sides::{Side, divide, simplify};
use super::calls::is_volatile;
use super::clauses::{Clause, Clauses};
use super::text::Text;
use super::walk::{Scope, Walk};
use super::{PlanContext, row_limit, select, why_alone};
use crate::plan::{
    Condition, JoinPlan, MergePlan, Part, Pick, Reading, Replacement, SidePlan, Slot, Step, key_bind, reading_text,
};
use crate::refusal::Refusal;

/// A join in the making.
struct Building<'w, 's, 'a> {
    walk: &'w mut Walk<'a>,
    scope: &'s Scope<'a>,
    /// The side of each item.
    home: Vec<usize>,
    /// The columns that each side gives.
    columns: Vec<Vec<String>>,
    slots: Vec<Slot>,
    /// Literals of the statement that columns name as binds.
    literals: BTreeSet<usize>,
    /// What each side is asked by.
    asked: Vec<Vec<String>>,
    /// The tables of each side that may have no row.
    missing: Vec<Option<BTreeSet<usize>>>,
    /// The side that gives what names no column.
    driver: usize,
    /// Rows are locked: FOR UPDATE.
    locks: bool,
    /// The bytes of WITH, which each side may name tables of.
    with: Option<Range<usize>>,
}

/// Whether a statement that was refused so may be run as a join in the gate.
pub(super) fn may_help(refusal: &Refusal) -> bool {
    matches!(refusal.reason, "join-across-shards" | "reference-rows")
}

/// The merge of the joined rows, and how they are joined.
pub(super) fn plan<'a>(
    walk: &mut Walk<'a>,
    query: &Query,
    scope: &Scope<'a>,
) -> Result<(MergePlan, JoinPlan), Refusal> {
    let SetExpr::Select(select) = &*query.body else { return Err(refuse("UNION")) };
    let text = walk.text;
    let clauses = Clauses::of(text).ok_or_else(|| refuse("clauses that cannot be told apart"))?;
    let counts_rows = text.tokens.iter().any(|token| text.is_word(token, "SQL_CALC_FOUND_ROWS"));
    let recursive = query.with.as_ref().is_some_and(|with| with.recursive);
    if text.loose_operators || counts_rows || recursive || walk.volatile.is_some() {
        return Err(refuse("`||` as OR, XOR, SQL_CALC_FOUND_ROWS, WITH RECURSIVE, and functions of time or chance"));
    }
    let locks = match query.locks.as_slice() {
        [] => false,
        [lock] if lock.lock_type == LockType::Update && lock.of.is_none() && lock.nonblock.is_none() => true,
        _ => return Err(refuse("locks but FOR UPDATE of all tables")),
    };
    let mut pieces = Pieces::of(text, &clauses, select).ok_or_else(|| refuse("USING, NATURAL, and nested joins"))?;
    simplify(&mut pieces, scope);
    // A table that WITH names would not be in sight, and what outer joins make of columns would not be told by a statement without rows.
    let takes = query.with.is_none() && !scope.outer_joins;
    let lookups = if takes { lookup::take(walk, &mut pieces, scope)? } else { Vec::new() };
    let least = if lookups.is_empty() { 2 } else { 1 };
    let sides =
        divide(walk, &pieces, scope, least).ok_or_else(|| refuse("tables in FROM that cannot be read apart"))?;
    walk.joined = true;
    walk.added.clear();
    let merge = select::merge(walk, query, scope)?;
    let having = matches!(&merge, MergePlan::Group { grouping, .. } if grouping.having.is_some());
    if select.having.is_some() && !having {
        return Err(refuse("HAVING of this form"));
    }
    let mut home = vec![0; scope.items.len()];
    for (number, side) in sides.iter().enumerate() {
        side.items.iter().for_each(|item| home[*item] = number);
    }
    let mut order = order(walk, &pieces, &sides, scope, &home)?;
    let count = sides.len() + lookups.len();
    let mut building = Building {
        walk,
        scope,
        home,
        columns: vec![Vec::new(); count],
        slots: Vec::new(),
        literals: BTreeSet::new(),
        asked: vec![Vec::new(); count],
        locks,
        missing: sides
            .iter()
            .map(|side| side.tied_by.map(|_| side.items.clone()))
            .chain(lookups.iter().map(|_| None))
            .collect(),
        driver: order[0],
        with: query.with.as_ref().and_then(|_| clauses.before_select(text)),
    };
    let added = std::mem::take(&mut building.walk.added);
    let outputs = building.outputs(select, &merge, &added)?;
    let mut steps = building.steps(&pieces, &sides, &order)?;
    let lookups = lookups.into_iter().zip(sides.len()..).map(|(lookup, number)| building.lookup(lookup, number));
    let lookups: Vec<LookupSide> = lookups.collect::<Result<_, _>>()?;
    let mut plans = Vec::with_capacity(count);
    for (place, number) in order.iter().enumerate() {
        let parts = building.text(&pieces, &sides[*number], *number);
        let mut step = std::mem::take(&mut steps[place].step);
        step.columns = building.columns[*number].len().max(1);
        plans.push(building.side(parts, &steps[place].own, None, step)?);
    }
    order.extend(sides.len()..count);
    for LookupSide { text, own, group_by, step } in lookups {
        plans.push(building.side(text, &own, Some(&group_by), step)?);
    }
    let Building { walk, slots, literals, .. } = building;
    let slots: Vec<Slot> = slots
        .into_iter()
        .map(|slot| Slot { side: order.iter().position(|known| *known == slot.side).unwrap_or_default(), ..slot })
        .collect();
    let titles = titles(select, &merge, &outputs, &slots);
    // The statement itself is asked for its columns alone.
    let none = row_limit::words(text, clauses.get(Clause::Limit), 0);
    clauses.replace(walk, Clause::Limit, Replacement::Text(none.into()));
    Ok((merge, JoinPlan { sides: plans, slots, outputs, titles, literals: literals.into_iter().collect() }))
}

/// The aliases of the columns of the answer, where all of them are columns of the first side as it gives them.
fn titles(select: &Select, merge: &MergePlan, outputs: &[Pick], slots: &[Slot]) -> Option<Vec<Option<Arc<str>>>> {
    let rows = matches!(merge, MergePlan::Concat(_) | MergePlan::Sort { .. }) && select.distinct.is_none();
    let of_first = outputs.iter().all(|output| matches!(output, Pick::Slot(slot) if slots[*slot].side == 0));
    if !rows || !of_first {
        return None;
    }
    let is_column = |expr: &Expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    let title = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) if is_column(expr) => Some(None),
        SelectItem::ExprWithAlias { expr, alias } if is_column(expr) => Some(Some(Arc::from(&*alias.value))),
        _ => None,
    };
    select.projection.iter().map(title).collect()
}

/// The refusal of a join that the gate cannot do either.
fn refuse(what: &str) -> Refusal {
    Refusal::unsupported(
        "join-across-shards",
        format!(
            "rows that belong together may lie on different shards, and this join of them is not supported yet: {what}; join the tables by \
             equality of their sharding columns, or pin each by one value"
        ),
    )
}

/// A step with the conditions that its side fulfils by itself.
#[derive(Default)]
struct Planned {
    step: Step,
    own: Vec<Range<usize>>,
}

/// In which order the sides are read: first the one that gives fewest rows, as far as the statement tells.
fn order(
    walk: &Walk<'_>,
    pieces: &Pieces<'_>,
    sides: &[Side],
    scope: &Scope<'_>,
    home: &[usize],
) -> Result<Vec<usize>, Refusal> {
    let named = |expr: &Expr| -> BTreeSet<usize> {
        items(expr, scope).unwrap_or_default().into_iter().map(|item| home[item]).collect()
    };
    let own = |side: usize| pieces.conditions.iter().filter(|piece| named(piece.expr) == [side].into()).count();
    // Whether the side is asked on some shards only, once those before are known.
    let routed = |side: usize, before: &[usize]| {
        let mut all = pieces
            .conditions
            .iter()
            .chain(sides[side].tied_by.iter().flat_map(|at| pieces.factors[*at].left.iter().flatten()));
        all.any(|piece| match piece.expr {
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                let leads = |from: &Expr, to: &Expr| {
                    let from = named(from);
                    !from.is_empty()
                        && from.iter().all(|side| before.contains(side))
                        && walk.column(to, scope, &[]).is_some()
                        && named(to) == [side].into()
                };
                leads(left, right) || leads(right, left)
            }
            _ => false,
        })
    };
    let tied = |side: usize, before: &[usize]| {
        pieces.conditions.iter().any(|piece| {
            let sides = named(piece.expr);
            sides.contains(&side) && sides.iter().any(|other| before.contains(other))
        })
    };
    let ready = |side: usize, before: &[usize]| match sides[side].tied_by {
        None => true,
        Some(at) => pieces.factors[at]
            .left
            .iter()
            .flatten()
            .all(|piece| named(piece.expr).iter().all(|other| *other == side || before.contains(other))),
    };
    let first = (0..sides.len())
        .filter(|side| sides[*side].tied_by.is_none())
        .max_by_key(|side| {
            let leads = (0..sides.len()).filter(|other| other != side && routed(*other, &[*side])).count();
            (sides[*side].pinned, own(*side), leads, std::cmp::Reverse(*side))
        })
        .ok_or_else(|| refuse("no table that every row has"))?;
    let mut order = vec![first];
    while order.len() < sides.len() {
        let next = (0..sides.len())
            .filter(|side| !order.contains(side) && ready(*side, &order))
            .max_by_key(|side| {
                let outer = sides[*side].tied_by.is_some();
                (tied(*side, &order) || outer, !outer, routed(*side, &order), own(*side), std::cmp::Reverse(*side))
            })
            .ok_or_else(|| refuse("outer joins that depend on each other"))?;
        order.push(next);
    }
    Ok(order)
}

impl Building<'_, '_, '_> {
    /// The number of a column that one side gives; what names no column comes from the first.
    fn column_of(&mut self, expr: &Expr, text: String) -> Result<usize, Refusal> {
        if is_volatile(expr) {
            return Err(refuse("functions of time or chance"));
        }
        let named = items(expr, self.scope).ok_or_else(|| refuse("a name that may be that of several columns"))?;
        let sides: BTreeSet<usize> = named.into_iter().map(|item| self.home[item]).collect();
        let side = match sides.into_iter().collect::<Vec<_>>()[..] {
            [] => self.driver,
            [side] => side,
            _ => return Err(refuse("an expression over both sides")),
        };
        if self.missing[side].as_ref().is_some_and(|items| !is_null_without(expr, items, self.scope)) {
            return Err(refuse(
                "an expression of the LEFT JOIN's right side that may have a value without a row of it",
            ));
        }
        let columns = &mut self.columns[side];
        let column = columns.iter().position(|known| *known == text).unwrap_or_else(|| {
            columns.push(text);
            columns.len() - 1
        });
        let slot = Slot { side, column };
        Ok(self.slots.iter().position(|known| *known == slot).unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        }))
    }

    /// How each side, in the order of reading, belongs to those before.
    fn steps(&mut self, pieces: &Pieces<'_>, sides: &[Side], order: &[usize]) -> Result<Vec<Planned>, Refusal> {
        let mut steps = Vec::with_capacity(order.len());
        let mut open: Vec<&Piece<'_>> = pieces.conditions.iter().collect();
        for (place, side) in order.iter().enumerate() {
            let before = &order[..place];
            let mut planned = Planned::default();
            let outer = sides[*side].tied_by;
            planned.step.outer = outer.is_some();
            let on: Vec<&Piece<'_>> = outer.iter().flat_map(|at| pieces.factors[*at].left.iter().flatten()).collect();
            let mut rest = Vec::new();
            let mut due = Vec::new();
            for piece in open {
                let named = items(piece.expr, self.scope)
                    .ok_or_else(|| refuse("a condition with a name that may be that of several columns"))?;
                let of: BTreeSet<usize> = named.into_iter().map(|item| self.home[item]).collect();
                let known = |other: &usize| other == side || before.contains(other);
                // What names no column is the first's.
                if !of.iter().all(known) { rest.push(piece) } else { due.push((piece, of)) }
            }
            open = rest;
            let (mut matches, mut after) = (None, None);
            for piece in on {
                let named = items(piece.expr, self.scope).ok_or_else(|| refuse("ON with an unknown name"))?;
                if named.iter().all(|item| self.home[*item] == *side) {
                    planned.own.push(piece.bytes.clone());
                } else if let Some(key) = self.key(piece, before, *side)? {
                    planned.step.keys.push(key);
                } else {
                    and(&mut matches, self.condition_of(piece)?);
                }
            }
            for (piece, of) in due {
                if outer.is_some() {
                    and(&mut after, self.condition(piece.expr)?);
                } else if of.iter().all(|of| of == side) {
                    planned.own.push(piece.bytes.clone());
                } else if let Some(key) = self.key(piece, before, *side)? {
                    planned.step.keys.push(key);
                } else {
                    and(&mut matches, self.condition(piece.expr)?);
                }
            }
            (planned.step.matches, planned.step.after) = (matches, after);
            steps.push(planned);
        }
        Ok(steps)
    }

    /// What a side selects, and from where.
    fn text(&self, pieces: &Pieces<'_>, side: &Side, number: usize) -> Vec<Part> {
        let columns = &self.columns[number];
        let columns = if columns.is_empty() { "1".to_owned() } else { columns.join(", ") };
        let mut parts: Vec<Part> = self.with.iter().map(|with| self.slice(with)).collect();
        parts.push(Part::Text(format!("SELECT {columns} FROM ").into()));
        let mut first = true;
        for factor in pieces.factors.iter().filter(|factor| side.items.contains(&factor.item)) {
            let on = factor.left.as_ref().filter(|_| !first);
            if !first {
                parts.push(Part::Text(if on.is_some() { " LEFT JOIN " } else { " INNER JOIN " }.into()));
            }
            parts.push(self.slice(&factor.bytes));
            match on {
                Some(on) => {
                    parts.push(Part::Text(" ON ".into()));
                    self.all_of(on.iter().map(|piece| &piece.bytes), &mut parts);
                }
                None if !first => parts.push(Part::Text(" ON TRUE".into())),
                None => {}
            }
            first = false;
        }
        parts
    }

    fn all_of<'b>(&self, conditions: impl Iterator<Item = &'b Range<usize>>, parts: &mut Vec<Part>) {
        for (index, bytes) in conditions.enumerate() {
            parts.push(Part::Text(if index > 0 { " AND (" } else { "(" }.into()));
            parts.push(self.slice(bytes));
            parts.push(Part::Text(")".into()));
        }
    }

    fn slice(&self, bytes: &Range<usize>) -> Part {
        Part::Slice(self.walk.text.anchor(bytes.start), self.walk.text.anchor(bytes.end))
    }

    /// Plans what reads a side. `groups`: it gives a row for each of them.
    fn side(
        &self,
        mut text: Vec<Part>,
        own: &[Range<usize>],
        groups: Option<&str>,
        step: Step,
    ) -> Result<SidePlan, Refusal> {
        let number = self.slots.len();
        debug_assert!(step.keys.iter().all(|key| key.value < number && key.right < number), "slots exist");
        if !own.is_empty() {
            text.push(Part::Text(" WHERE ".into()));
            self.all_of(own.iter(), &mut text);
        }
        let side = step.keys.first().map(|key| self.slots[key.right].side);
        for (index, asked) in side.iter().flat_map(|side| self.asked[*side].iter()).enumerate() {
            let before = if own.is_empty() && index == 0 { " WHERE" } else { " AND" };
            text.push(Part::Text(format!("{before} {asked} IN ::{}", key_bind(index)).into()));
        }
        if let Some(groups) = groups {
            text.push(Part::Text(format!(" GROUP BY {groups}").into()));
        }
        // `sql_select_limit` would cut.
        let lock = if self.locks { " FOR UPDATE" } else { "" };
        text.push(Part::Text(format!(" LIMIT {}{lock}", u64::MAX).into()));
        let statement = reading_text(&text, self.walk.text.statement)?;
        // What a side cannot do on shards, the whole can on the scratch server.
        let plan = super::choose(&statement, &PlanContext { scratch: None, ..*self.walk.context })?;
        let alone = why_alone(&Text::new(&statement), &plan.merge).is_some();
        let folded = groups.is_some() && matches!(plan.merge, MergePlan::Group { .. });
        let plain = folded || matches!(plan.merge, MergePlan::Pass | MergePlan::Concat(_));
        if plan.join.is_some() || plan.writes != self.locks || alone || !plain {
            return Err(refuse("a side that is a join itself"));
        }
        Ok(SidePlan { reading: Reading { text, plan, key: statement.key }, step })
    }
}

fn and(into: &mut Option<Condition>, condition: Condition) {
    *into = Some(match into.take() {
        None => condition,
        Some(before) => Condition::And(Box::new(before), Box::new(condition)),
    });
}
