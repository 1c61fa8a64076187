//! What a SELECT shows of the rows that it reads: rows as they are, distinct ones, groups, one row of all, windows.

use super::Grammar;
use super::select::Shown;
use crate::scope::{Scope, Source, Value};
use crate::tree;
use crate::tree::{Id, Sort, Tree};

impl Grammar<'_> {
    pub(super) fn plain_rows(
        &mut self,
        scope: &Scope<'_>,
        depth: usize,
        sorts: Option<&[Sort]>,
        top: bool,
        sharp: bool,
    ) -> Shown {
        let total = scope.key();
        let (mut values, mut key) = (Vec::new(), Vec::new());
        if let (None, false, Some(keys)) = (sorts, top, &total)
            && keys.len() <= 3
            && self.random.chance(70)
        {
            values.extend(keys.iter().cloned());
            key = (0..values.len()).collect();
        }
        values.extend(self.values(scope, depth, sorts, sharp));
        let other = vec![self.any(scope, depth.min(1))];
        Shown { word: "", values, groups: Tree::nothing(), total, other, key, ordered: true, class: None }
    }

    /// Columns of these sorts, or some by chance.
    pub(super) fn values(
        &mut self,
        scope: &Scope<'_>,
        depth: usize,
        sorts: Option<&[Sort]>,
        sharp: bool,
    ) -> Vec<Value> {
        match sorts {
            Some(sorts) => {
                let one = |sort: &Sort| {
                    let value = self.value(scope, *sort, depth.min(1));
                    if sharp { sharpened(value) } else { value }
                };
                sorts.iter().map(one).collect()
            }
            None => {
                let count = 1 + self.random.below(4);
                (0..count).map(|_| if sharp { self.sharp(scope, depth) } else { self.any(scope, depth) }).collect()
            }
        }
    }

    pub(super) fn distinct(&mut self, scope: &Scope<'_>, depth: usize, sorts: Option<&[Sort]>, top: bool) -> Shown {
        let mut values = self.values(scope, depth.min(1), sorts, true);
        let mut class = None;
        if top && self.random.chance(30) {
            class = self.class_of(scope).map(|value| {
                values.push(value);
                values.len() - 1
            });
        }
        // The rows are all there is: ordered by all of them, equal ones cannot be told apart.
        let total = class.is_none().then(|| values.clone());
        let key = (0..values.len()).collect();
        let (groups, other) = (Tree::nothing(), Vec::new());
        Shown { word: "DISTINCT ", values, groups, total, other, key, ordered: class.is_none(), class }
    }

    /// A column of texts any of which stands for those that are equal to it.
    pub(super) fn class_of(&mut self, scope: &Scope<'_>) -> Option<Value> {
        let value = self.column(scope, |value| value.sort == Sort::Text && value.tame && !value.sharp)?;
        self.class = Some(value.collation?);
        Some(value)
    }

    pub(super) fn grouped(&mut self, scope: &Scope<'_>, depth: usize, sorts: Option<&[Sort]>, top: bool) -> Shown {
        let own = Scope { sources: scope.sources.clone(), outer: None };
        let rollup = top && self.random.chance(8);
        let mut keys: Vec<(Id, Value)> = Vec::new();
        for _ in 0..1 + self.random.weighted(&[50, 35, 15]) {
            let column = self.column(&own, |value| value.sharp && value.sort != Sort::Json);
            let key = match column {
                Some(value) if rollup || self.random.chance(75) => value,
                _ if rollup => continue,
                _ => self.sharp(&own, 1),
            };
            let id = self.id();
            keys.push((id, key));
        }
        let class = if top && !rollup && self.random.chance(15) { self.class_of(&own) } else { None };
        // A literal as a key would be the number of a column.
        keys.retain(|(_, key)| key.tree.sql().contains('.'));
        let uses = |(id, value): &(Id, Value)| Value {
            tree: tree![Tree::Uses(*id, "".into()), value.tree.clone()].node(value.sort),
            ..value.clone()
        };
        let known: Vec<Value> = keys.iter().map(uses).collect();
        let mut list: Vec<Tree> = keys.iter().map(|(id, value)| value.tree.clone().named(*id)).collect();
        if let Some(class) = &class {
            list.push(class.tree.clone());
        }
        if list.is_empty() {
            return match sorts {
                Some(_) => self.plain_rows(scope, depth, sorts, top, true),
                None => self.folded_rows(scope),
            };
        }
        let aggregates: Vec<Value> = (0..1 + self.random.below(3)).map(|_| self.aggregate(scope)).collect();
        let groups = list.clone();
        let mut values: Vec<Value> = Vec::new();
        let mut key = Vec::new();
        if sorts.is_none() && (rollup || self.random.chance(85)) {
            values.extend(known.iter().cloned());
            key = (0..values.len()).collect();
        }
        let class_at = class.as_ref().map(|class| {
            values.push(class.clone());
            key.clear();
            values.len() - 1
        });
        let mut total: Vec<Value> = known.clone();
        total.extend(class.clone());
        // What may be read beside groups: aggregates, and keys that are columns: MySQL does not find every expression among the keys
        // again. It has no alias, which says so to subqueries.
        let columns = known.iter().filter(|key| !key.tree.sql().contains(['(', ' '])).cloned();
        let columns = columns.chain(aggregates.iter().filter(|value| value.tame).cloned()).collect();
        let group = Source { id: 0, alias: String::new(), values: columns, names: Vec::new(), key: Vec::new() };
        let post = Scope { sources: vec![group], outer: None };
        match sorts {
            Some(sorts) => values.extend(sorts.iter().map(|sort| sharpened(self.value(&post, *sort, 1)))),
            None if rollup => values.extend(aggregates.clone()),
            None => {
                values.extend(aggregates.clone());
                if depth > 0 && self.random.chance(35) {
                    let value = self.any(&post, 1);
                    values.push(value);
                }
            }
        }
        let having = match self.random.chance(25) && !rollup {
            true => tree![" HAVING ", self.condition(&post, 1)].optional(),
            false => Tree::nothing(),
        };
        let rollup_words = if rollup { " WITH ROLLUP" } else { "" };
        let groups = tree![" GROUP BY ", Tree::list(groups), Tree::from(rollup_words).optional(), having];
        let other = aggregates.into_iter().filter(|value| value.sharp).collect();
        let total = (!rollup).then_some(total);
        Shown { word: "", values, groups, total, other, key, ordered: !rollup, class: class_at }
    }

    /// Aggregates without groups.
    pub(super) fn folded_rows(&mut self, scope: &Scope<'_>) -> Shown {
        let values: Vec<Value> = (0..1 + self.random.below(4)).map(|_| self.aggregate(scope)).collect();
        let (groups, other) = (Tree::nothing(), Vec::new());
        Shown { word: "", values, groups, total: None, other, key: Vec::new(), ordered: false, class: None }
    }

    /// One row with one column.
    pub(super) fn one_row(&mut self, scope: &Scope<'_>, sort: Sort, depth: usize) -> Shown {
        let total = scope.key();
        if total.is_some() && self.random.chance(40) {
            return Shown { total, ..self.plain_rows(scope, depth, Some(&[sort]), false, false) };
        }
        let own = Scope { sources: scope.sources.clone(), outer: None };
        let value = match sort {
            Sort::Int if self.random.chance(50) => Value::new(Sort::Int, tree!["COUNT(*)"]),
            Sort::Decimal if self.random.chance(50) => {
                Value::new(Sort::Decimal, tree!["SUM(", self.decimal(&own, 0).tree, ")"])
            }
            _ => {
                let value = match self.column(&own, |value| value.sort == sort && value.sharp && value.tame) {
                    Some(value) => value,
                    None => self.literal(sort),
                };
                let name = *self.random.pick(&["MIN(", "MAX("]);
                Value { tree: tree![name, value.tree, ")"].node(sort), ..value }
            }
        };
        let (groups, other) = (Tree::nothing(), Vec::new());
        Shown {
            word: "",
            values: vec![value],
            groups,
            total: None,
            other,
            key: Vec::new(),
            ordered: false,
            class: None,
        }
    }

    pub(super) fn windowed(&mut self, scope: &Scope<'_>, depth: usize) -> Shown {
        let total = scope.key();
        let mut values: Vec<Value> = (0..1 + self.random.below(2)).map(|_| self.any(scope, depth.min(1))).collect();
        if let Some(key) = &total {
            for _ in 0..1 + self.random.below(2) {
                let window = self.window(scope, key);
                values.push(window);
            }
        }
        let (groups, other) = (Tree::nothing(), Vec::new());
        Shown { word: "", values, groups, total, other, key: Vec::new(), ordered: true, class: None }
    }

    /// `*`.
    pub(super) fn everything(&mut self, scope: &Scope<'_>) -> Shown {
        let other = vec![self.any(scope, 0)];
        let (groups, total) = (Tree::nothing(), scope.key());
        Shown { word: "", values: Vec::new(), groups, total, other, key: Vec::new(), ordered: true, class: None }
    }
}

/// A value that is the same as those that it is equal to, also in another query of a UNION.
fn sharpened(value: Value) -> Value {
    // Texts that no column has a say in are of the connection's collation.
    let open = value.sort == Sort::Text && value.collation.is_none();
    match open || !value.sharp {
        true => Value::new(Sort::Text, tree!["HEX(", value.tree, ")"]),
        false => value,
    }
}
