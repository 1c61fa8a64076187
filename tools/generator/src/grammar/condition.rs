//! Conditions: comparisons of all kinds, subqueries, and what joins them.

use super::Grammar;
use super::moment::range;
use crate::scope::{Scope, Value};
use crate::tree;
use crate::tree::{Sort, Tree};

const COMPARED: [Sort; 11] = [
    Sort::Int,
    Sort::Int,
    Sort::Int,
    Sort::Decimal,
    Sort::Text,
    Sort::Text,
    Sort::Date,
    Sort::Moment,
    Sort::Time,
    Sort::Real,
    Sort::Bytes,
];

impl Grammar<'_> {
    /// A condition.
    pub(super) fn condition(&mut self, scope: &Scope<'_>, depth: usize) -> Tree {
        let weights = if depth == 0 { [8, 4, 4, 3, 2, 0, 0, 0, 0, 1, 2] } else { [8, 3, 3, 3, 3, 6, 2, 3, 2, 1, 2] };
        let tree = match self.random.weighted(&weights) {
            0 => self.comparison(scope, depth),
            1 => {
                let value = self.any(scope, depth.saturating_sub(1));
                let test = *self.random.pick(&[" IS NULL", " IS NOT NULL"]);
                tree![value.tree, test]
            }
            2 => self.between(scope, depth),
            3 => self.in_list(scope, depth),
            4 => self.pattern(scope, depth),
            5 => {
                let (left, right) = (self.condition(scope, depth - 1), self.condition(scope, depth - 1));
                let operator = *self.random.pick(&[" AND ", " AND ", " OR ", " OR ", " XOR "]);
                tree!["(", left, operator, right, ")"]
            }
            6 => tree!["NOT (", self.condition(scope, depth - 1), ")"],
            7 => return self.condition_of_subquery(scope, depth),
            8 => self.rows(scope, depth),
            9 => {
                let condition = self.condition(scope, 0);
                let test = *self.random.pick(&[" IS TRUE", " IS NOT TRUE", " IS FALSE", " IS UNKNOWN"]);
                tree!["(", condition, ")", test]
            }
            _ => self.pinned(scope),
        };
        tree.node(Sort::Condition)
    }

    /// Two expressions of a sort that go together.
    pub(super) fn two(&mut self, scope: &Scope<'_>, depth: usize) -> (Value, Value) {
        let sort = *self.random.pick(&COMPARED);
        let depth = depth.saturating_sub(1);
        // Columns that cannot be computed with can be compared.
        let first = match self.random.chance(50) {
            true => self.column(scope, |value| value.sort == sort),
            false => None,
        };
        let first = match first {
            Some(value) => value,
            None => self.like(scope, sort, None, depth),
        };
        let second = match self.random.chance(40) {
            true => self.literal(sort),
            false => self.like(scope, sort, first.collation, depth),
        };
        (first, second)
    }

    fn comparison(&mut self, scope: &Scope<'_>, depth: usize) -> Tree {
        if self.random.chance(4)
            && let Some(value) = self.tame(scope, Sort::Int)
        {
            // What the session has set, or NULL.
            return tree![value.tree, " > @v"];
        }
        let (left, right) = self.two(scope, depth);
        let operator = *self.random.pick(&[" = ", " = ", " = ", " <> ", " < ", " <= ", " > ", " >= ", " <=> "]);
        tree![left.tree, operator, right.tree]
    }

    fn between(&mut self, scope: &Scope<'_>, depth: usize) -> Tree {
        let sort = *self.random.pick(&COMPARED);
        let Some((low, high)) = range(sort) else { return self.comparison(scope, depth) };
        let value = self.value(scope, sort, depth.saturating_sub(1));
        let word = *self.random.pick(&[" BETWEEN ", " BETWEEN ", " NOT BETWEEN "]);
        tree![value.tree, word, low, " AND ", high]
    }

    fn in_list(&mut self, scope: &Scope<'_>, depth: usize) -> Tree {
        let sort = *self.random.pick(&COMPARED);
        let value = match self.random.chance(60) {
            true => self.column(scope, |value| value.sort == sort),
            false => None,
        };
        let value = match value {
            Some(value) => value,
            None => self.value(scope, sort, depth.saturating_sub(1)),
        };
        let mut list: Vec<Tree> = (0..1 + self.random.below(4)).map(|_| self.literal(sort).tree).collect();
        if self.random.chance(10) {
            list.push("NULL".into());
        }
        let word = *self.random.pick(&[" IN (", " IN (", " NOT IN ("]);
        tree![value.tree, word, Tree::list(list), ")"]
    }

    fn pattern(&mut self, scope: &Scope<'_>, depth: usize) -> Tree {
        let text = self.text(scope, depth.saturating_sub(1));
        match self.random.below(5) {
            0 => {
                let pattern = *self.random.pick(&["'^a'", "'[0-9]'", "'o+'", "'b$'"]);
                tree![text.tree, " REGEXP ", pattern]
            }
            1 => {
                let part = self.literal(Sort::Text);
                tree!["STRCMP(", text.tree, ", ", part.tree, ") = 0"]
            }
            _ => {
                let pattern = *self.random.pick(&["'a%'", "'%o%'", "'_'", "'%b'", "'a\\\\%%'", "''", "'%'"]);
                let word = *self.random.pick(&[" LIKE ", " LIKE ", " NOT LIKE "]);
                tree![text.tree, word, pattern]
            }
        }
    }

    /// Rows of two, compared as one.
    fn rows(&mut self, scope: &Scope<'_>, depth: usize) -> Tree {
        let ((a, b), (c, d)) = (self.two(scope, depth), self.two(scope, depth));
        let operator = *self.random.pick(&[" = ", " <> ", " < ", " >= ", " <=> "]);
        tree!["(", a.tree, ", ", c.tree, ")", operator, "(", b.tree, ", ", d.tree, ")"]
    }

    /// What a router looks for: the column that leads to a shard, and a value.
    fn pinned(&mut self, scope: &Scope<'_>) -> Tree {
        let keys = scope.sources.iter().filter(|source| source.key.len() <= 2);
        let keys = keys.filter_map(|source| source.values.get(*source.key.first()?));
        let keys: Vec<&Value> =
            keys.filter(|value| matches!(value.sort, Sort::Int | Sort::Text | Sort::Bytes)).collect();
        if keys.is_empty() {
            return self.comparison(scope, 0);
        }
        let value = (*self.random.pick(&keys)).clone();
        let literal = match value.sort {
            Sort::Int => self.random.between(0, 11).to_string(),
            _ => format!("'{}'", self.random.pick(&["a", "b", "K1", "zoe"])),
        };
        if self.random.chance(25) {
            let other = match value.sort {
                Sort::Int => "3".to_owned(),
                _ => "'a'".to_owned(),
            };
            return tree![value.tree, " IN (", literal, ", ", other, ")"];
        }
        tree![value.tree, " = ", literal]
    }
}
