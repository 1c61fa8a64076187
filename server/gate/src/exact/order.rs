//! Which fragment is read next, and by which values of others.

use vitrail_planner::plan::{Exact, Form, Fragment};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Value;

use super::load::Loaded;
use crate::failure;

/// Rows of a fragment whose values others are read by, at most.
const SOURCE_ROWS: u64 = 50_000;

/// Values that a fragment is read by, at most.
pub(super) const MOST_VALUES: usize = 5_000;

/// What is known of the fragments so far.
pub(super) struct Order {
    /// What was loaded of those that are.
    loaded: Vec<Option<Loaded>>,
    /// Reductions that would not be worth it, by fragment and number.
    useless: Vec<(usize, usize)>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// All that a fragment's own conditions leave.
    Whole(usize),
    /// What the values of a reduction's source need.
    Reduced { fragment: usize, reduction: usize },
    /// A copy of one that is loaded.
    Copy { fragment: usize, of: usize },
}

impl Order {
    pub(super) fn new(exact: &Exact) -> Order {
        Order { loaded: vec![None; exact.fragments().len()], useless: Vec::new() }
    }

    /// Notes that a fragment is loaded.
    pub(super) fn loaded(&mut self, fragment: usize, loaded: Loaded) {
        self.loaded[fragment] = Some(loaded);
    }

    /// Notes that a reduction would leave most of the rows.
    pub(super) fn useless(&mut self, fragment: usize, reduction: usize) {
        self.useless.push((fragment, reduction));
    }

    /// What was loaded of a fragment.
    pub(super) fn of(&self, fragment: usize) -> Loaded {
        self.loaded[fragment].unwrap_or_default()
    }

    /// The next one; `None`: all are loaded.
    pub(super) fn next(&self, fragments: &[Fragment]) -> Option<Next> {
        let open = || (0..fragments.len()).filter(|fragment| self.loaded[*fragment].is_none());
        let copy = open().find_map(|fragment| {
            let of = fragments[fragment].copy_of()?;
            self.loaded[of].map(|_| Next::Copy { fragment, of })
        });
        let reduced = || {
            open()
                .filter_map(|fragment| {
                    let reductions = fragments[fragment].reductions().enumerate();
                    let few = reductions.filter_map(|(number, reduction)| {
                        let rows = self.loaded[reduction.source]?.rows;
                        if rows > SOURCE_ROWS {
                            return None;
                        }
                        let useless = self.useless.contains(&(fragment, number));
                        (!useless).then_some((!reduction.routed, rows, number))
                    });
                    few.min().map(|(_, rows, reduction)| (rows, fragment, reduction))
                })
                .min()
                .map(|(_, fragment, reduction)| Next::Reduced { fragment, reduction })
        };
        let whole = || {
            let rank = |fragment: &usize| (!fragments[*fragment].narrow(), !fragments[*fragment].filtered());
            open().filter(|fragment| fragments[*fragment].copy_of().is_none()).min_by_key(rank).map(Next::Whole)
        };
        copy.or_else(reduced).or_else(whole)
    }
}

/// Whether a value is a date that is none, such as `2000-00-00`: columns may hold one, and strict sql_modes take no literal of it.
pub(super) fn is_odd_date(cell: &[u8]) -> bool {
    let date = cell.get(..10).filter(|date| date[4] == b'-' && date[7] == b'-');
    date.is_some_and(|date| &date[..4] == b"0000" || &date[5..7] == b"00" || &date[8..] == b"00")
}

/// A value of a column, to be asked for.
pub(super) fn value(cell: Vec<u8>, form: Form) -> Result<Value, ErrorBody> {
    let malformed = || failure::internal("the scratch server has sent values that cannot be told");
    if form == Form::Bytes {
        return Ok(Value::Bytes(cell));
    }
    let text = String::from_utf8(cell).map_err(|_| malformed())?;
    Ok(match form {
        Form::Number => match (text.parse(), text.parse()) {
            (Ok(value), _) => Value::Int(value),
            (_, Ok(value)) => Value::UInt(value),
            _ => Value::Decimal(text),
        },
        _ => Value::Text(text),
    })
}

#[cfg(test)]
mod tests {
    use super::is_odd_date;

    #[test]
    fn dates_that_are_none_are_told() {
        for odd in ["0000-00-00", "0000-00-00 00:00:00", "2000-00-07", "2000-07-00 10:00:00.5"] {
            assert!(is_odd_date(odd.as_bytes()), "{odd}");
        }
        for plain in ["", "2000-01-01", "1000-10-20 00:00:00", "12:00:00", "0000", "a text-00-00"] {
            assert!(!is_odd_date(plain.as_bytes()), "{plain}");
        }
    }
}
