//! Window functions. Those that count rows order them totally.

use super::Grammar;
use crate::scope::{Scope, Value};
use crate::tree;
use crate::tree::{Sort, Tree};

impl Grammar<'_> {
    /// A window function over the rows of a query, of which no two have the same `key`.
    pub(super) fn window(&mut self, scope: &Scope<'_>, key: &[Value]) -> Value {
        let own = Scope { sources: scope.sources.clone(), outer: None };
        let partition = self.partition(&own);
        let keys = || Tree::list(key.iter().map(|value| value.tree.clone()).collect()).fixed();
        let total = |grammar: &mut Self| {
            let first = grammar.column(&own, |value| value.sort != Sort::Json);
            let direction = *grammar.random.pick(&["", " DESC"]);
            let first = match first {
                Some(value) if grammar.random.chance(60) => tree![value.tree, direction, ", "].optional(),
                _ => Tree::nothing(),
            };
            tree!["ORDER BY ", first, keys()]
        };
        match self.random.weighted(&[3, 4, 4, 3, 2, 2, 2]) {
            0 => {
                let order = total(self);
                number(tree!["ROW_NUMBER() OVER (", partition, order, ")"])
            }
            1 => {
                let name = *self.random.pick(&["RANK()", "DENSE_RANK()"]);
                let Some(by) = self.column(&own, |value| value.sort != Sort::Json) else {
                    return number(tree!["COUNT(*) OVER (", partition, ")"]);
                };
                number(tree![name, " OVER (", partition, "ORDER BY (", by.tree, "))"])
            }
            2 => {
                let folded = self.folded(&own);
                Value { tree: tree![folded.tree, " OVER (", partition, ")"].node(folded.sort), ..folded }
            }
            3 => {
                let folded = self.folded(&own);
                let frames = [
                    "",
                    " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                    " ROWS 2 PRECEDING",
                    " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
                    " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
                ];
                let frame = *self.random.pick(&frames);
                let order = total(self);
                let tree = tree![folded.tree, " OVER (", partition, order, Tree::from(frame).optional(), ")"];
                Value { tree: tree.node(folded.sort), ..folded }
            }
            4 => {
                // A range by value is determined whatever ties there are.
                let folded = self.folded(&own);
                let Some(by) = self.tame(&own, Sort::Int) else {
                    return number(tree!["COUNT(*) OVER (", partition, ")"]);
                };
                let by = self.signed(by);
                let frame = " RANGE BETWEEN 2 PRECEDING AND CURRENT ROW";
                let tree = tree![folded.tree, " OVER (", partition, "ORDER BY (", by.tree, ")", frame, ")"];
                Value { tree: tree.node(folded.sort), ..folded }
            }
            5 => {
                let (names, value) = (["LAG(", "LEAD(", "FIRST_VALUE(", "LAST_VALUE("], self.int(&own, 1));
                let name = *self.random.pick(&names);
                let order = total(self);
                Value { tree: tree![name, value.tree, ") OVER (", partition, order, ")"].node(Sort::Int), ..value }
            }
            _ => {
                let order = total(self);
                let name = *self.random.pick(&["NTILE(3)", "CUME_DIST()", "PERCENT_RANK()"]);
                let sort = if name == "NTILE(3)" { Sort::Int } else { Sort::Real };
                let mut value = Value::new(sort, tree![name, " OVER (", partition, order, ")"]);
                (value.tame, value.unsigned) = (false, true);
                value
            }
        }
    }

    fn partition(&mut self, own: &Scope<'_>) -> Tree {
        let value = match self.random.below(4) {
            0 => None,
            1 => {
                // By what leads to the shard, where a source has it.
                let firsts = own.sources.iter().filter_map(|source| source.values.get(*source.key.first()?));
                let firsts: Vec<&Value> = firsts.collect();
                (!firsts.is_empty()).then(|| (*self.random.pick(&firsts)).clone())
            }
            _ => self.column(own, |value| value.sort != Sort::Json),
        };
        match value {
            Some(value) => tree!["PARTITION BY ", value.tree, " "].optional(),
            None => Tree::nothing(),
        }
    }

    fn folded(&mut self, own: &Scope<'_>) -> Value {
        match self.random.below(5) {
            0 => Value::new(Sort::Int, tree!["COUNT(*)"]),
            1 => Value::new(Sort::Int, tree!["COUNT(", self.any(own, 0).tree, ")"]),
            2 => Value::new(Sort::Decimal, tree!["SUM(", self.int(own, 1).tree, ")"]),
            3 => Value::new(Sort::Decimal, tree!["SUM(", self.decimal(own, 1).tree, ")"]),
            _ => {
                let name = *self.random.pick(&["MIN(", "MAX("]);
                let value = self.int(own, 1);
                Value { tree: tree![name, value.tree, ")"].node(Sort::Int), ..value }
            }
        }
    }
}

/// Numbers of rows have no sign.
fn number(tree: Tree) -> Value {
    let mut value = Value::new(Sort::Int, tree);
    value.unsigned = true;
    value
}
