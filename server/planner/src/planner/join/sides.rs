//! Which tables are read together: those whose rows that belong together lie on one shard.

use std::collections::BTreeSet;

use sqlparser::ast::{BinaryOperator, Expr};

use super::names::{items, rejects_null};
use super::pieces::{Factor, Pieces};
use crate::planner::walk::{Scope, Walk};

/// Tables that one statement reads.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Which, in the order of the factors.
    pub(super) items: BTreeSet<usize>,
    /// A LEFT JOIN ties it to the others: this factor's.
    pub(super) tied_by: Option<usize>,
    /// Its sharded tables, if any, are pinned or listed.
    pub(super) pinned: bool,
}

/// LEFT JOINs that a condition makes inner ones become so.
pub(super) fn simplify(pieces: &mut Pieces<'_>, scope: &Scope<'_>) {
    loop {
        let conditions = &pieces.conditions;
        let rejected = pieces.factors.iter_mut().find_map(|factor| {
            let item = factor.item;
            factor.left.take_if(|_| conditions.iter().any(|piece| rejects_null(piece.expr, item, scope)))
        });
        match rejected {
            Some(mut on) => pieces.conditions.append(&mut on),
            None => return,
        }
    }
}

/// Divides the tables into `least` sides or more. `None`: they are not divided in a way that can be read.
pub(super) fn divide(walk: &Walk<'_>, pieces: &Pieces<'_>, scope: &Scope<'_>, least: usize) -> Option<Vec<Side>> {
    let mut sides: Vec<Side> = Vec::new();
    let mut roots: Vec<usize> = Vec::new();
    let mut home: Vec<Option<usize>> = vec![None; scope.items.len()];
    for factor in &pieces.factors {
        let item = &scope.items[factor.item];
        item.schema?;
        let Some(member) = item.sharded.map(|(member, _)| member).or(item.streams) else { continue };
        let root = walk.placements.root(member);
        let side = roots.iter().position(|known| *known == root).unwrap_or_else(|| {
            roots.push(root);
            sides.push(Side { pinned: walk.placements.is_pinned(member), ..Side::default() });
            sides.len() - 1
        });
        home[factor.item] = Some(side);
    }
    // Inner tables come with those that conditions tie them to.
    let is_inner = |side: usize, home: &[Option<usize>]| {
        pieces.factors.iter().any(|factor| factor.left.is_none() && home[factor.item] == Some(side))
    };
    loop {
        let free = |factor: &&Factor<'_>| home[factor.item].is_none();
        let inner = pieces.factors.iter().filter(free).filter(|factor| factor.left.is_none()).find_map(|factor| {
            let tied = pieces.conditions.iter().find_map(|piece| {
                let named = items(piece.expr, scope)?;
                if !named.contains(&factor.item) {
                    return None;
                }
                let others: BTreeSet<usize> =
                    named.iter().filter(|item| **item != factor.item).filter_map(|item| home[*item]).collect();
                others.into_iter().find(|side| is_inner(*side, &home))
            });
            Some((factor.item, tied?))
        });
        let found = inner.or_else(|| {
            pieces.factors.iter().filter(free).find_map(|factor| {
                let on = factor.left.as_ref()?;
                let tied = tied_to(on, factor.item, scope, &home)?;
                Some((factor.item, tied))
            })
        });
        match found {
            Some((item, side)) => home[item] = Some(side),
            None => break,
        }
    }
    // What nothing ties to a sharded table.
    let loose: Vec<usize> = pieces
        .factors
        .iter()
        .filter(|factor| home[factor.item].is_none() && factor.left.is_none())
        .map(|factor| factor.item)
        .collect();
    if !loose.is_empty() {
        let side = (0..sides.len()).find(|side| is_inner(*side, &home)).unwrap_or_else(|| {
            sides.push(Side { pinned: true, ..Side::default() });
            sides.len() - 1
        });
        for item in loose {
            home[item] = Some(side);
        }
        for factor in &pieces.factors {
            if let (None, Some(on)) = (home[factor.item], &factor.left) {
                home[factor.item] = Some(tied_to(on, factor.item, scope, &home)?);
            }
        }
    }
    for (number, factor) in pieces.factors.iter().enumerate() {
        let side = home[factor.item]?;
        let Some(on) = &factor.left else {
            if sides[side].tied_by.is_some() {
                return None;
            }
            sides[side].items.insert(factor.item);
            continue;
        };
        let within = on.iter().all(|piece| {
            items(piece.expr, scope).is_some_and(|named| named.iter().all(|item| home[*item] == Some(side)))
        });
        match (sides[side].items.is_empty(), within) {
            // The first of its side.
            (true, false) => sides[side].tied_by = Some(number),
            (true, true) => return None,
            // Its rows lie with theirs, and what it is tied to does not.
            (false, false) if sides[side].tied_by.is_none() => {
                home[factor.item] = Some(sides.len());
                sides.push(Side { items: [factor.item].into(), tied_by: Some(number), pinned: false });
                continue;
            }
            (false, false) => return None,
            // A row that is missing has no further ones.
            (false, true) if sides[side].tied_by.is_some() => {
                let equality = |expr: &Expr| matches!(expr, Expr::BinaryOp { op: BinaryOperator::Eq, .. });
                let others = || sides[side].items.iter();
                if !on
                    .iter()
                    .any(|piece| equality(piece.expr) && others().any(|item| rejects_null(piece.expr, *item, scope)))
                {
                    return None;
                }
            }
            (false, true) => {}
        }
        sides[side].items.insert(factor.item);
    }
    (sides.len() >= least).then_some(sides)
}

/// The one side that the ON of a LEFT JOIN speaks of.
fn tied_to(on: &[super::pieces::Piece<'_>], item: usize, scope: &Scope<'_>, home: &[Option<usize>]) -> Option<usize> {
    let mut tied = BTreeSet::new();
    for piece in on {
        for named in items(piece.expr, scope)? {
            if named != item {
                tied.insert(home[named]?);
            }
        }
    }
    <[usize; 1]>::try_from(tied.into_iter().collect::<Vec<_>>()).ok().map(|[side]| side)
}
