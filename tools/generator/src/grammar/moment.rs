//! Dates, times, and both together.

use super::Grammar;
use crate::scope::{Scope, Value};
use crate::tree;
use crate::tree::{Sort, Tree};

const DAYS: [&str; 5] = ["1 DAY", "-31 DAY", "1 MONTH", "1 YEAR", "2 WEEK"];
const SPANS: [&str; 5] = ["1 DAY", "90 MINUTE", "-1 SECOND", "1 MONTH", "'1:30' HOUR_MINUTE"];

impl Grammar<'_> {
    /// A date.
    pub(super) fn date(&mut self, scope: &Scope<'_>, depth: usize) -> Value {
        if depth == 0 || self.random.chance(50) {
            return self.plain(scope, Sort::Date);
        }
        let depth = depth - 1;
        let tree = match self.random.below(5) {
            0 => tree!["DATE(", self.moment(scope, depth).tree, ")"],
            1 => tree!["LAST_DAY(", self.date(scope, depth).tree, ")"],
            2 | 3 => {
                let name = *self.random.pick(&["DATE_ADD(", "DATE_SUB("]);
                let span = *self.random.pick(&DAYS);
                tree![name, self.date(scope, depth).tree, ", INTERVAL ", span, ")"]
            }
            _ => return self.choice(scope, Sort::Date, depth + 1),
        };
        Value::new(Sort::Date, tree)
    }

    /// A date with a time.
    pub(super) fn moment(&mut self, scope: &Scope<'_>, depth: usize) -> Value {
        if depth == 0 || self.random.chance(50) {
            return self.plain(scope, Sort::Moment);
        }
        let depth = depth - 1;
        let tree = match self.random.below(4) {
            0 => tree!["CAST(", self.date(scope, depth).tree, " AS DATETIME)"],
            1 | 2 => {
                let name = *self.random.pick(&["DATE_ADD(", "DATE_SUB("]);
                let span = *self.random.pick(&SPANS);
                tree![name, self.moment(scope, depth).tree, ", INTERVAL ", span, ")"]
            }
            _ => return self.choice(scope, Sort::Moment, depth + 1),
        };
        Value::new(Sort::Moment, tree)
    }

    /// A time.
    pub(super) fn time(&mut self, scope: &Scope<'_>, depth: usize) -> Value {
        if depth == 0 || self.random.chance(60) {
            return self.plain(scope, Sort::Time);
        }
        let tree = match self.random.below(2) {
            0 => tree!["TIME(", self.moment(scope, depth - 1).tree, ")"],
            _ => return self.choice(scope, Sort::Time, depth),
        };
        Value::new(Sort::Time, tree)
    }

    fn plain(&mut self, scope: &Scope<'_>, sort: Sort) -> Value {
        let column = if self.random.chance(80) { self.tame(scope, sort) } else { None };
        match column {
            Some(value) => value,
            None => self.literal(sort),
        }
    }
}

/// Between two literals of a sort that has some in order.
pub(super) fn range(sort: Sort) -> Option<(Tree, Tree)> {
    let (low, high) = match sort {
        Sort::Int => ("1", "7"),
        Sort::Decimal => ("-3.5", "8.25"),
        Sort::Real => ("-2.5e0", "6e0"),
        Sort::Text => ("'a'", "'m'"),
        Sort::Date => ("DATE'2000-02-01'", "DATE'2002-02-01'"),
        Sort::Moment => ("TIMESTAMP'2000-02-01 00:00:00'", "TIMESTAMP'2002-02-01 00:00:00'"),
        Sort::Time => ("TIME'00:00:00'", "TIME'12:30:00'"),
        _ => return None,
    };
    Some((Tree::from(low).node(sort), Tree::from(high).node(sort)))
}
