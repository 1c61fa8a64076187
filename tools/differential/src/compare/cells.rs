//! Cells as they are compared.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::answer::Row;
use crate::case::Kind;

/// Doubles are equal within this, relatively.
const TOLERANCE: f64 = 1e-12;

/// A cell as it is compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Canonical {
    Null,
    Bytes(Vec<u8>),
    Class(u64),
    Real(f64),
}

/// A row as it is compared. Without `kinds` all cells are exact.
pub(super) fn canonical(row: &Row, kinds: &[Kind], classes: &HashMap<Vec<u8>, u64>) -> Vec<Canonical> {
    row.iter()
        .enumerate()
        .map(|(index, cell)| {
            let Some(bytes) = cell else { return Canonical::Null };
            let exact = || Canonical::Bytes(bytes.clone());
            match kinds.get(index).copied().unwrap_or(Kind::Exact) {
                Kind::Exact => exact(),
                Kind::Real => {
                    let text = std::str::from_utf8(bytes).ok();
                    text.and_then(|text| text.parse().ok()).map_or_else(exact, Canonical::Real)
                }
                Kind::Class => classes.get(bytes).copied().map_or_else(exact, Canonical::Class),
                Kind::Volatile => Canonical::Bytes(shape(bytes)),
            }
        })
        .collect()
}

/// Runs of digits become `9`, runs of letters `a`.
fn shape(bytes: &[u8]) -> Vec<u8> {
    let mut shape: Vec<u8> = bytes
        .iter()
        .map(|byte| match byte {
            b'0'..=b'9' => b'9',
            b'a'..=b'z' | b'A'..=b'Z' => b'a',
            other => *other,
        })
        .collect();
    shape.dedup_by(|next, last| next == last && matches!(next, b'9' | b'a'));
    shape
}

/// Whether two cells are equal.
pub(super) fn same(left: &Canonical, right: &Canonical) -> bool {
    match (left, right) {
        (Canonical::Real(left), Canonical::Real(right)) => {
            left == right || (left - right).abs() <= TOLERANCE * left.abs().max(right.abs())
        }
        (left, right) => left == right,
    }
}

/// Whether two rows are equal.
pub(super) fn same_row(left: &[Canonical], right: &[Canonical]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
}

/// Any total order that puts equal exact cells together.
pub(super) fn arrange(left: &[Canonical], right: &[Canonical]) -> Ordering {
    let rank = |cell: &Canonical| match cell {
        Canonical::Null => 0,
        Canonical::Bytes(_) => 1,
        Canonical::Class(_) => 2,
        Canonical::Real(_) => 3,
    };
    let one = |left: &Canonical, right: &Canonical| match (left, right) {
        (Canonical::Bytes(left), Canonical::Bytes(right)) => left.cmp(right),
        (Canonical::Class(left), Canonical::Class(right)) => left.cmp(right),
        // Nearly equal ones must not be torn apart by the cells that follow: whoever pairs rows compares them again.
        (Canonical::Real(_), Canonical::Real(_)) => Ordering::Equal,
        (left, right) => rank(left).cmp(&rank(right)),
    };
    left.iter().zip(right).map(|(left, right)| one(left, right)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// A row for people.
pub(super) fn show(row: &Row) -> String {
    let cells = row.iter().map(|cell| match cell {
        None => "NULL".to_owned(),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("{text:?}"),
            Err(_) => format!("0x{}", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>()),
        },
    });
    cells.collect::<Vec<_>>().join(" | ")
}
