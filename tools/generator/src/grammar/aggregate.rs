//! Aggregates. Their arguments are of their own query: an aggregate of outer columns alone would be the outer query's.

use super::Grammar;
use crate::scope::{Scope, Value};
use crate::tree;
use crate::tree::Sort;

impl Grammar<'_> {
    /// An aggregate of any kind.
    pub(super) fn aggregate(&mut self, scope: &Scope<'_>) -> Value {
        let own = Scope { sources: scope.sources.clone(), outer: None };
        let depth = usize::from(self.random.chance(30));
        match self.random.weighted(&[5, 4, 3, 1, 5, 3, 6, 2, 2, 1, 1]) {
            0 => Value::new(Sort::Int, tree!["COUNT(*)"]),
            1 => Value::new(Sort::Int, tree!["COUNT(", self.any(&own, depth).tree, ")"]),
            2 => Value::new(Sort::Int, tree!["COUNT(DISTINCT ", self.any(&own, depth).tree, ")"]),
            3 => {
                let (first, second) = (self.any(&own, 0), self.any(&own, 0));
                Value::new(Sort::Int, tree!["COUNT(DISTINCT ", first.tree, ", ", second.tree, ")"])
            }
            4 => match self.random.below(5) {
                0 => Value::new(Sort::Real, tree!["SUM(", self.real(&own, depth).tree, ")"]),
                1 | 2 => Value::new(Sort::Decimal, tree!["SUM(", self.decimal(&own, depth).tree, ")"]),
                _ => Value::new(Sort::Decimal, tree!["SUM(", self.int(&own, depth).tree, ")"]),
            },
            5 => match self.random.below(4) {
                0 => Value::new(Sort::Decimal, tree!["SUM(DISTINCT ", self.int(&own, 0).tree, ")"]),
                1 => Value::new(Sort::Decimal, tree!["AVG(", self.decimal(&own, depth).tree, ")"]),
                _ => Value::new(Sort::Decimal, tree!["AVG(", self.int(&own, depth).tree, ")"]),
            },
            6 => {
                let value = self.extreme(&own);
                let name = *self.random.pick(&["MIN(", "MAX("]);
                Value { tree: tree![name, value.tree, ")"].node(value.sort), ..value }
            }
            7 => {
                let name = *self.random.pick(&["BIT_AND(", "BIT_OR(", "BIT_XOR("]);
                let mut value = Value::new(Sort::Int, tree![name, self.int(&own, depth).tree, ")"]);
                (value.tame, value.unsigned) = (false, true);
                value
            }
            8 => {
                // The order is that of the values themselves: equal ones are the same.
                // A number alone would be the place of a column.
                let Some(value) = self.tame(&own, Sort::Int) else { return Value::new(Sort::Int, tree!["COUNT(*)"]) };
                let direction = *self.random.pick(&["", " DESC"]);
                let distinct = *self.random.pick(&["", "", "DISTINCT "]);
                let separator = *self.random.pick(&["", " SEPARATOR '-'"]);
                let order = value.tree.clone().fixed();
                let tree = tree![
                    "GROUP_CONCAT(",
                    distinct,
                    value.tree.fixed(),
                    " ORDER BY ",
                    order,
                    direction,
                    separator,
                    ")"
                ];
                Value::new(Sort::Text, tree)
            }
            9 => {
                let name = *self.random.pick(&["STDDEV_POP(", "VAR_POP(", "VAR_SAMP(", "STDDEV_SAMP("]);
                let mut value = Value::new(Sort::Real, tree![name, self.int(&own, 0).tree, ")"]);
                // Rounded otherwise in each order of rows: it may only be shown.
                (value.sharp, value.tame) = (false, false);
                value
            }
            _ => Value::new(Sort::Int, tree!["JSON_LENGTH(JSON_ARRAYAGG(", self.int(&own, depth).tree, "))"]),
        }
    }

    /// What MIN and MAX give one value of.
    fn extreme(&mut self, scope: &Scope<'_>) -> Value {
        // MySQL warns of MIN and MAX of dates by the order of a group's rows.
        let mysql = self.is_mysql();
        let moment = move |value: &Value| matches!(value.sort, Sort::Date | Sort::Moment | Sort::Time) && mysql;
        match self.column(scope, |value| value.sharp && value.sort != Sort::Bytes && !moment(value)) {
            Some(value) if self.random.chance(75) => value,
            _ => self.int(scope, 1),
        }
    }
}
