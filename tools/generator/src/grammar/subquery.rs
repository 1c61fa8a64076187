//! Subqueries where a value or a condition stands.

use super::Grammar;
use super::select::Wish;
use crate::scope::{Scope, Value};
use crate::tree;
use crate::tree::{Sort, Tree};

impl Grammar<'_> {
    /// A subquery of one value: an aggregate, or the first of an order.
    pub(super) fn scalar(&mut self, scope: &Scope<'_>, sort: Sort, depth: usize) -> Value {
        if depth == 0 || scope.sources.iter().any(|source| source.alias.is_empty()) {
            // Beside groups a subquery could look at what is in no group.
            return self.value(scope, sort, 0);
        }
        let select = self.select(Some(scope), &Wish::scalar(sort, depth - 1));
        let inner = select.values[0].clone();
        let mut value = Value::new(sort, tree!["(", select.tree, ")"]);
        (value.sharp, value.unsigned, value.collation) = (inner.sharp, inner.unsigned, inner.collation);
        value
    }

    /// EXISTS, IN, ANY or ALL.
    pub(super) fn condition_of_subquery(&mut self, scope: &Scope<'_>, depth: usize) -> Tree {
        if depth == 0 || scope.sources.iter().any(|source| source.alias.is_empty()) {
            return self.condition(scope, 0);
        }
        let sort = *self.random.pick(&[Sort::Int, Sort::Int, Sort::Decimal, Sort::Date]);
        let tree = match self.random.below(5) {
            0 => {
                let select = self.select(Some(scope), &Wish::set(vec![sort], depth - 1));
                let word = *self.random.pick(&["EXISTS (", "NOT EXISTS ("]);
                tree![word, select.tree, ")"]
            }
            1 | 2 => {
                let value = self.value(scope, sort, depth - 1);
                let select = self.select(Some(scope), &Wish::set(vec![sort], depth - 1));
                let word = *self.random.pick(&[" IN (", " IN (", " NOT IN ("]);
                tree![value.tree, word, select.tree, ")"]
            }
            3 => {
                let (left, right) = (self.value(scope, sort, 0), self.value(scope, Sort::Int, 0));
                let select = self.select(Some(scope), &Wish::set(vec![sort, Sort::Int], depth - 1));
                tree!["(", left.tree, ", ", right.tree, ") IN (", select.tree, ")"]
            }
            _ => {
                let value = self.value(scope, sort, depth - 1);
                let select = self.select(Some(scope), &Wish::set(vec![sort], depth - 1));
                let operator = *self.random.pick(&[" > ", " <= ", " = ", " <> "]);
                let word = *self.random.pick(&["ANY (", "ALL (", "SOME ("]);
                tree![value.tree, operator, word, select.tree, ")"]
            }
        };
        tree.node(Sort::Condition)
    }
}
