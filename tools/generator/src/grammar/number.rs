//! Numbers. Integers cannot overflow: products have a small literal on one side, and what is unsigned is made signed first.

use super::Grammar;
use crate::scope::{Scope, Value};
use crate::tree;
use crate::tree::{Sort, Tree};

impl Grammar<'_> {
    /// An integer.
    pub(super) fn int(&mut self, scope: &Scope<'_>, depth: usize) -> Value {
        if depth == 0 || self.random.chance(35) {
            let column = if self.random.chance(75) { self.tame(scope, Sort::Int) } else { None };
            return match column {
                Some(value) => value,
                None => self.literal(Sort::Int),
            };
        }
        let depth = depth - 1;
        let tree = match self.random.weighted(&[6, 5, 4, 2, 2, 2, 6, 3, 3, 3, 3, 2, 2, 2, 4, 1, 1, 1]) {
            0 => {
                let (left, right) = (self.signed_int(scope, depth), self.signed_int(scope, depth));
                tree!["(", left, " + ", right, ")"]
            }
            1 => {
                let (left, right) = (self.signed_int(scope, depth), self.signed_int(scope, depth));
                tree!["(", left, " - ", right, ")"]
            }
            2 => tree!["(", self.signed_int(scope, depth), " * ", self.small(), ")"],
            3 => tree!["(", self.signed_int(scope, depth), " DIV ", self.small(), ")"],
            4 => tree!["(", self.signed_int(scope, depth), " % ", self.small(), ")"],
            5 => {
                let name = *self.random.pick(&["ABS(", "SIGN("]);
                tree![name, self.signed_int(scope, depth), ")"]
            }
            6 => return self.choice(scope, Sort::Int, depth + 1),
            7 => {
                let name = *self.random.pick(&["GREATEST(", "LEAST("]);
                tree![name, self.signed_int(scope, depth), ", ", self.signed_int(scope, depth), ")"]
            }
            8 => {
                let name = *self.random.pick(&["CHAR_LENGTH(", "LENGTH(", "ASCII(", "BIT_LENGTH("]);
                let text = self.text(scope, depth);
                tree![name, text.tree, ")"]
            }
            9 => {
                let text = self.text(scope, depth);
                let part = self.literal(Sort::Text);
                tree!["LOCATE(", part.tree, ", ", text.tree, ")"]
            }
            10 => {
                let names = ["YEAR(", "MONTH(", "DAY(", "QUARTER(", "DAYOFWEEK(", "WEEKDAY(", "TO_DAYS(", "DAYOFYEAR("];
                let name = *self.random.pick(&names);
                let date = self.date(scope, depth);
                tree![name, date.tree, ")"]
            }
            11 => {
                let name = *self.random.pick(&["HOUR(", "MINUTE(", "SECOND(", "MICROSECOND("]);
                let moment = self.moment(scope, depth);
                tree![name, moment.tree, ")"]
            }
            12 => {
                let (left, right) = (self.date(scope, depth), self.date(scope, depth));
                tree!["DATEDIFF(", left.tree, ", ", right.tree, ")"]
            }
            13 => {
                let unit = *self.random.pick(&["DAY", "HOUR", "MONTH", "YEAR", "WEEK"]);
                let (left, right) = (self.moment(scope, depth), self.moment(scope, depth));
                tree!["TIMESTAMPDIFF(", unit, ", ", left.tree, ", ", right.tree, ")"]
            }
            14 => {
                let condition = self.condition(scope, depth);
                tree!["(", condition, ")"]
            }
            15 => {
                let decimal = self.decimal(scope, depth);
                tree!["CAST(", decimal.tree, " AS SIGNED)"]
            }
            16 => {
                let json = self.json(scope);
                tree!["JSON_LENGTH(", json.tree, ")"]
            }
            _ => return self.scalar(scope, Sort::Int, depth),
        };
        Value::new(Sort::Int, tree)
    }

    /// A decimal.
    pub(super) fn decimal(&mut self, scope: &Scope<'_>, depth: usize) -> Value {
        if depth == 0 || self.random.chance(35) {
            let column = if self.random.chance(75) { self.tame(scope, Sort::Decimal) } else { None };
            return match column {
                Some(value) => value,
                None => self.literal(Sort::Decimal),
            };
        }
        let depth = depth - 1;
        let tree = match self.random.weighted(&[4, 3, 3, 2, 2, 3, 3, 2, 1]) {
            0 => {
                let (left, right) = (self.decimal(scope, depth), self.decimal(scope, depth));
                let operator = *self.random.pick(&[" + ", " - "]);
                tree!["(", left.tree, operator, right.tree, ")"]
            }
            1 => {
                let left = self.decimal(scope, depth);
                tree!["(", left.tree, " + ", self.signed_int(scope, depth), ")"]
            }
            2 => {
                let left = self.decimal(scope, depth);
                tree!["(", left.tree, " * ", self.small(), ")"]
            }
            3 => {
                let left = self.decimal(scope, depth);
                tree!["(", left.tree, " / ", self.small(), ")"]
            }
            4 => tree!["(", self.signed_int(scope, depth), " / ", self.small(), ")"],
            5 => {
                let value = self.decimal(scope, depth);
                match self.random.below(3) {
                    0 => tree!["ROUND(", value.tree, ", 1)"],
                    1 => tree!["TRUNCATE(", value.tree, ", 1)"],
                    _ => tree!["ABS(", value.tree, ")"],
                }
            }
            6 => return self.choice(scope, Sort::Decimal, depth + 1),
            7 => tree!["CAST(", self.signed_int(scope, depth), " AS DECIMAL(20, 2))"],
            _ => return self.scalar(scope, Sort::Decimal, depth),
        };
        Value::new(Sort::Decimal, tree)
    }

    /// A double. No product and no rounding: they make -0, which is equal to 0 and looks otherwise.
    pub(super) fn real(&mut self, scope: &Scope<'_>, depth: usize) -> Value {
        if depth == 0 || self.random.chance(50) {
            return match self.tame(scope, Sort::Real) {
                Some(value) => value,
                None => self.literal(Sort::Real),
            };
        }
        let depth = depth - 1;
        let tree = match self.random.below(3) {
            0 => {
                let (left, right) = (self.real(scope, depth), self.real(scope, depth));
                tree!["(", left.tree, " + ", right.tree, ")"]
            }
            1 => {
                let left = self.real(scope, depth);
                tree!["(", left.tree, " + ", self.signed_int(scope, depth), ")"]
            }
            _ => return self.choice(scope, Sort::Real, depth + 1),
        };
        Value::new(Sort::Real, tree)
    }

    /// The number as a signed one.
    pub(super) fn signed(&mut self, value: Value) -> Value {
        if value.unsigned { Value::new(Sort::Int, tree!["CAST(", value.tree, " AS SIGNED)"]) } else { value }
    }

    fn signed_int(&mut self, scope: &Scope<'_>, depth: usize) -> Tree {
        let value = self.int(scope, depth);
        self.signed(value).tree
    }

    /// A literal that is neither 0 nor large.
    fn small(&mut self) -> Tree {
        Tree::from((*self.random.pick(&["2", "3", "5", "7"])).to_owned())
    }
}
