//! SELECT: plain, DISTINCT, grouped, folded into one row, with windows.

use vitrail_differential::case::Kind;

use super::{Grammar, Ordered, Read};
use crate::scope::{Scope, Value};
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
pub(super) struct Shown {
    /// Between SELECT and the list.
    pub(super) word: &'static str,
    pub(super) values: Vec<Value>,
    /// Behind WHERE.
    pub(super) groups: Tree,
    /// Columns or expressions by which ORDER BY is total; `None` where that is not known.
    pub(super) total: Option<Vec<Value>>,
    /// Other expressions to order by.
    pub(super) other: Vec<Value>,
    /// Places of columns that no two rows share.
    pub(super) key: Vec<usize>,
    /// It can be ordered.
    pub(super) ordered: bool,
    /// Column, that is compared by class.
    pub(super) class: Option<usize>,
}

impl Grammar<'_> {
    /// A query as a statement. `locks`: it may lock what it reads.
    pub fn read(&mut self, locks: bool) -> Read {
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
        let locks = if locks { self.locks() } else { Tree::nothing() };
        let tree = tree![with, "SELECT ", hint, shown.word, list, " FROM ", from, filter, shown.groups, tail, locks];
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
                // MariaDB does not skip the one row of a DISTINCT that reads no column.
                let constant = distinct && !total.iter().any(|value| reads(&value.tree.sql()));
                let limit = match self.random.chance(55) && !constant {
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

    /// What a query locks; mostly nothing.
    fn locks(&mut self) -> Tree {
        if !self.random.chance(4) {
            return Tree::nothing();
        }
        let both = [" FOR UPDATE", " LOCK IN SHARE MODE"];
        let word = if self.is_mysql() {
            *self.random.pick(&[both[0], both[1], " FOR SHARE"])
        } else {
            *self.random.pick(&both)
        };
        Tree::from(word).optional()
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

/// Whether an expression has the name of a table's column in it.
fn reads(sql: &str) -> bool {
    sql.as_bytes().windows(3).any(|part| part[0].is_ascii_digit() && part[1] == b'.' && part[2].is_ascii_lowercase())
}
