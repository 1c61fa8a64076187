//! SELECT: plain, DISTINCT, grouped, folded into one row, with windows.

use vitrail_differential::case::Kind;

use super::{Grammar, Ordered, Read};
use crate::scope::{Scope, Source, Value};
use crate::tree;
use crate::tree::{Id, Sort, Tree};

/// A query within a statement.
#[derive(Debug, Clone)]
pub(super) struct Select {
    /// The query.
    pub(super) tree: Tree,
    /// What is known of its columns.
    pub(super) values: Vec<Value>,
    /// Their names.
    pub(super) names: Vec<String>,
    /// What stands for them.
    pub(super) ids: Vec<Id>,
    /// Places of columns that no two rows share; empty if that is not known.
    pub(super) key: Vec<usize>,
}

/// What a query is wanted for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// Its columns; by chance if that is open.
    pub(super) sorts: Option<Vec<Sort>>,
    /// How deep it may go.
    pub(super) depth: usize,
    /// It gives one row.
    single: bool,
    /// It may have LIMIT.
    limit: bool,
    /// Each column may stand for others that are equal to it: of UNION.
    pub(super) sharp: bool,
}

impl Wish {
    /// A derived table or CTE.
    pub(super) fn derived(depth: usize) -> Wish {
        Wish { sorts: None, depth, single: false, limit: true, sharp: false }
    }

    /// One value.
    pub(super) fn scalar(sort: Sort, depth: usize) -> Wish {
        Wish { sorts: Some(vec![sort]), depth, single: true, limit: false, sharp: false }
    }

    /// Rows to look a value up in. MySQL takes no LIMIT there.
    pub(super) fn set(sorts: Vec<Sort>, depth: usize) -> Wish {
        Wish { sorts: Some(sorts), depth, single: false, limit: false, sharp: false }
    }

    /// A part of UNION and its like.
    pub(super) fn branch(sorts: Vec<Sort>, depth: usize) -> Wish {
        Wish { sorts: Some(sorts), depth, single: false, limit: false, sharp: true }
    }
}

/// What a SELECT shows, and what it is ordered by.
struct Shown {
    /// Between SELECT and the list.
    word: &'static str,
    values: Vec<Value>,
    /// Behind WHERE.
    groups: Tree,
    /// Columns or expressions by which ORDER BY is total; `None` where that is not known.
    total: Option<Vec<Value>>,
    /// Other expressions to order by.
    other: Vec<Value>,
    /// Places of columns that no two rows share.
    key: Vec<usize>,
    /// It can be ordered.
    ordered: bool,
    /// Column, that is compared by class.
    class: Option<usize>,
}

impl Grammar<'_> {
    /// A query as a statement.
    pub fn read(&mut self) -> Read {
        (self.class, self.tables) = (None, Vec::new());
        let depth = self.random.weighted(&[20, 45, 35]);
        let with = self.with(depth.min(1));
        if self.random.chance(12) {
            let read = self.union(with, depth.min(1));
            self.tables.clear();
            return read;
        }
        let beside = with == Tree::nothing() && self.random.chance(3);
        let (from, scope) = match beside {
            true => {
                let (tree, source) = self.beside();
                (tree, Scope { sources: vec![source], outer: None })
            }
            false => self.from(None, depth, 3),
        };
        let depth = if beside { 0 } else { depth };
        let filter = self.filter(&scope, depth, 60);
        let whole = self.random.chance(5);
        let shown = if whole { self.everything(&scope) } else { self.form(&scope, depth, None, true, false) };
        let (list, ids) = if whole { (Tree::from("*"), Vec::new()) } else { self.list(&shown) };
        let (tail, order) = self.tail(&shown, &ids);
        let hint = self.hint();
        let tree = tree![with, "SELECT ", hint, shown.word, list, " FROM ", from, filter, shown.groups, tail];
        self.tables.clear();
        Read { tree: tree.node(Sort::Query(ids.len())), order, class: self.class }
    }

    /// A query within a statement; `outer` is what it may look at besides.
    pub(super) fn select(&mut self, outer: Option<&Scope<'_>>, wish: &Wish) -> Select {
        let (from, scope) = self.from(outer, wish.depth, if wish.depth > 0 { 2 } else { 1 });
        let filter = self.filter(&scope, wish.depth, 70);
        let shown = match (&wish.sorts, wish.single) {
            (Some(sorts), true) => self.one_row(&scope, sorts[0], wish.depth),
            (sorts, _) => self.form(&scope, wish.depth, sorts.as_deref(), false, wish.sharp),
        };
        let first = wish.single && shown.total.is_some();
        let ids: Vec<Id> = shown.values.iter().map(|_| self.id()).collect();
        let names: Vec<String> = (0..ids.len()).map(|at| format!("x{at}")).collect();
        let items = shown
            .values
            .iter()
            .zip(&names)
            .zip(&ids)
            .map(|((value, name), id)| tree![value.tree.clone(), " AS ", name.clone()].named(*id));
        let list = Tree::list(items.collect());
        let cut = (wish.limit && self.random.chance(12)) || first;
        let tail = match (&shown.total, cut) {
            (Some(total), true) => {
                let keys = Tree::list(total.iter().map(|value| value.tree.clone()).collect()).fixed();
                let limit = if first { "1".to_owned() } else { self.random.between(1, 7).to_string() };
                let tail = tree![" ORDER BY ", keys, " LIMIT ", limit];
                if first { tail } else { tail.optional() }
            }
            _ => Tree::nothing(),
        };
        let tree = tree!["SELECT ", shown.word, list, " FROM ", from, filter, shown.groups, tail];
        Select { tree: tree.node(Sort::Query(ids.len())), values: shown.values, names, ids, key: shown.key }
    }

    /// WHERE, so often in a hundred.
    pub(super) fn filter(&mut self, scope: &Scope<'_>, depth: usize, percent: usize) -> Tree {
        if !self.random.chance(percent) {
            return Tree::nothing();
        }
        let condition = self.condition(scope, depth);
        tree![" WHERE ", condition].optional()
    }

    /// What is shown of a scope. `sharp`: each column may stand for those that are equal to it.
    fn form(&mut self, scope: &Scope<'_>, depth: usize, sorts: Option<&[Sort]>, top: bool, sharp: bool) -> Shown {
        // Columns of given sorts are those of UNION and its like, where windows are kept out.
        let windows = sorts.is_none() && scope.key().is_some();
        match self.random.weighted(&[50, 12, 26, if sorts.is_none() { 8 } else { 0 }, if windows { 10 } else { 0 }]) {
            0 => self.plain_rows(scope, depth, sorts, top, sharp),
            1 => self.distinct(scope, depth, sorts, top),
            2 => self.grouped(scope, depth, sorts, top),
            3 => self.folded_rows(scope),
            _ => self.windowed(scope, depth),
        }
    }

    fn plain_rows(&mut self, scope: &Scope<'_>, depth: usize, sorts: Option<&[Sort]>, top: bool, sharp: bool) -> Shown {
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
    fn values(&mut self, scope: &Scope<'_>, depth: usize, sorts: Option<&[Sort]>, sharp: bool) -> Vec<Value> {
        match sorts {
            Some(sorts) => {
                let one = |sort: &Sort| {
                    let value = self.value(scope, *sort, depth.min(1));
                    match sharp && !value.sharp {
                        true => Value::new(Sort::Text, tree!["HEX(", value.tree, ")"]),
                        false => value,
                    }
                };
                sorts.iter().map(one).collect()
            }
            None => {
                let count = 1 + self.random.below(4);
                (0..count).map(|_| if sharp { self.sharp(scope, depth) } else { self.any(scope, depth) }).collect()
            }
        }
    }

    fn distinct(&mut self, scope: &Scope<'_>, depth: usize, sorts: Option<&[Sort]>, top: bool) -> Shown {
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
    fn class_of(&mut self, scope: &Scope<'_>) -> Option<Value> {
        let value = self.column(scope, |value| value.sort == Sort::Text && value.tame && !value.sharp)?;
        self.class = Some(value.collation?);
        Some(value)
    }

    fn grouped(&mut self, scope: &Scope<'_>, depth: usize, sorts: Option<&[Sort]>, top: bool) -> Shown {
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
            Some(sorts) => values.extend(sorts.iter().map(|sort| self.value(&post, *sort, 1))),
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
    fn folded_rows(&mut self, scope: &Scope<'_>) -> Shown {
        let values: Vec<Value> = (0..1 + self.random.below(4)).map(|_| self.aggregate(scope)).collect();
        let (groups, other) = (Tree::nothing(), Vec::new());
        Shown { word: "", values, groups, total: None, other, key: Vec::new(), ordered: false, class: None }
    }

    /// One row with one column.
    fn one_row(&mut self, scope: &Scope<'_>, sort: Sort, depth: usize) -> Shown {
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

    fn windowed(&mut self, scope: &Scope<'_>, depth: usize) -> Shown {
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
    fn everything(&mut self, scope: &Scope<'_>) -> Shown {
        let other = vec![self.any(scope, 0)];
        let (groups, total) = (Tree::nothing(), scope.key());
        Shown { word: "", values: Vec::new(), groups, total, other, key: Vec::new(), ordered: true, class: None }
    }

    /// The select list of a statement.
    fn list(&mut self, shown: &Shown) -> (Tree, Vec<Id>) {
        let mut ids = Vec::new();
        let items = shown.values.iter().enumerate().map(|(at, value)| {
            let id = self.id();
            ids.push(id);
            let kind = if shown.class == Some(at) { Kind::Class } else { value.kind() };
            Tree::Column(id, kind, Box::new(tree![value.tree.clone(), Tree::from(format!(" AS x{at}"))]))
        });
        (Tree::list(items.collect()), ids)
    }

    /// ORDER BY and LIMIT of a statement, and which order counts.
    fn tail(&mut self, shown: &Shown, ids: &[Id]) -> (Tree, Ordered) {
        let plain = (Tree::nothing(), Ordered::AsWritten);
        if !shown.ordered {
            return plain;
        }
        let direction = |grammar: &mut Self| *grammar.random.pick(&["", "", " DESC", " ASC"]);
        match (self.random.weighted(&[35, 45, 20]), &shown.total) {
            (1, Some(total)) => {
                let mut first = Tree::nothing();
                if let [other, ..] = shown.other.as_slice()
                    && self.random.chance(50)
                    && other.tree.sql().contains(['.', '('])
                    && other.sort != Sort::Json
                {
                    first = tree![other.tree.clone(), direction(self), ", "].optional();
                }
                let distinct = shown.word == "DISTINCT ";
                let keys = total.iter().enumerate().map(|(at, value)| match distinct {
                    true => tree![Tree::Uses(ids[at], format!("x{at}").into()), direction(self)],
                    false => tree![value.tree.clone(), direction(self)],
                });
                let keys = Tree::list(keys.collect()).fixed();
                let limit = match self.random.chance(55) {
                    true => self.limit(),
                    false => Tree::nothing(),
                };
                (tree![" ORDER BY ", first, keys, limit].optional(), Ordered::AsWritten)
            }
            (2, _) if !ids.is_empty() => {
                let fits = |at: &usize| shown.values[*at].sharp && shown.values[*at].sort != Sort::Real;
                let mut fit: Vec<usize> = (0..ids.len()).filter(fits).collect();
                fit.truncate(1 + self.random.below(2));
                if fit.is_empty() {
                    return plain;
                }
                let items = fit.iter().map(|at| tree![Tree::Uses(ids[*at], format!("x{at}").into()), direction(self)]);
                let tree = tree![" ORDER BY ", Tree::list(items.collect()).fixed()].optional();
                (tree, Ordered::By(fit.iter().map(|at| ids[*at]).collect()))
            }
            _ => plain,
        }
    }

    pub(super) fn limit(&mut self) -> Tree {
        let count = self.random.between(0, 12).to_string();
        let offset = match self.random.below(4) {
            0 => tree![" OFFSET ", self.random.between(0, 6).to_string()].optional(),
            _ => Tree::nothing(),
        };
        tree![" LIMIT ", count, offset].optional()
    }

    fn hint(&mut self) -> Tree {
        let mysql = ["/*+ NO_MERGE() */ ", "/*+ NO_SEMIJOIN() */ ", "/*+ NO_BNL() */ ", "SQL_BUFFER_RESULT "];
        let mariadb = ["SQL_BUFFER_RESULT ", "SQL_BIG_RESULT ", "STRAIGHT_JOIN "];
        match self.random.below(25) {
            0 if self.is_mysql() => Tree::from(*self.random.pick(&mysql)).optional(),
            0 => Tree::from(*self.random.pick(&mariadb)).optional(),
            _ => Tree::nothing(),
        }
    }
}
