//! Which fragment is read next, and by which values of others.

use vitrail_planner::plan::{Exact, Fragment};

use super::load::Loaded;

/// Rows of a fragment whose values others are read by, at most.
const SOURCE_ROWS: u64 = 50_000;

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
