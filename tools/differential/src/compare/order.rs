//! Rows and their order: total, by keys with ties, or none; all of them, or some of more.

use std::collections::HashMap;

use super::cells::{Canonical, arrange, same, same_row};
use crate::case::{Order, View};

/// How rows differ from the expected ones, in one line.
pub(super) fn difference(
    found: &[Vec<Canonical>],
    expected: &[Vec<Canonical>],
    unlimited: Option<&[Vec<Canonical>]>,
    view: &View,
) -> Option<String> {
    if found.len() != expected.len() {
        return Some(format!("{} rows instead of {}", found.len(), expected.len()));
    }
    if view.order == Order::Total && unlimited.is_none() {
        let at = found.iter().zip(expected).position(|(found, expected)| !same_row(found, expected));
        return at.map(|at| match unmatched(found, expected) {
            None => format!("the order differs at row {}", at + 1),
            Some(_) => format!("row {} differs", at + 1),
        });
    }
    let keys: &[usize] = match &view.order {
        Order::Keys(keys) => keys,
        _ => &[],
    };
    if let Some(key) = keys.iter().find(|key| expected.first().is_some_and(|row| row.len() <= **key)) {
        return Some(format!("ties({}) names a column that is not there", key + 1));
    }
    let same_keys = |left: &[Canonical], right: &[Canonical]| keys.iter().all(|key| same(&left[*key], &right[*key]));
    if let Some(at) = found.iter().zip(expected).position(|(found, expected)| !same_keys(found, expected)) {
        return Some(format!("the sort keys of row {} differ", at + 1));
    }
    if let Some(unlimited) = unlimited {
        return unmatched(found, unlimited).map(|at| format!("row {} is none of those without LIMIT", at + 1));
    }
    // Keys agree row by row, so that rows with equal keys lie at the same places in both.
    let mut start = 0;
    while start < expected.len() {
        let length = expected[start..].iter().take_while(|row| same_keys(row, &expected[start])).count();
        let run = start..start + length;
        if let Some(at) = unmatched(&found[run.clone()], &expected[run]) {
            return Some(format!("row {} is none that one MySQL gives there (or is there too often)", start + at + 1));
        }
        start += length;
    }
    None
}

/// The first of `found` that has no partner of its own in `pool`.
fn unmatched(found: &[Vec<Canonical>], pool: &[Vec<Canonical>]) -> Option<usize> {
    let mut sorted: Vec<(&Vec<Canonical>, bool)> = pool.iter().map(|row| (row, false)).collect();
    sorted.sort_by(|(left, _), (right, _)| arrange(left, right));
    // By where equal ones begin: how many from there on are taken.
    let mut taken_there: HashMap<usize, usize> = HashMap::new();
    found.iter().position(|row| {
        let start = sorted.partition_point(|(other, _)| arrange(other, row).is_lt());
        let taken = taken_there.entry(start).or_default();
        while sorted.get(start + *taken).is_some_and(|(other, taken)| *taken && arrange(other, row).is_eq()) {
            *taken += 1;
        }
        let candidates = sorted[start + *taken..].iter_mut().take_while(|(other, _)| arrange(other, row).is_eq());
        match candidates.into_iter().find(|(other, taken)| !*taken && same_row(row, other)) {
            Some(partner) => {
                partner.1 = true;
                false
            }
            None => true,
        }
    })
}
