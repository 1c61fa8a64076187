//! INSERT, REPLACE, UPDATE and DELETE.
//!
//! What is written is determined: LIMIT cuts by the key, SELECT gives its rows in a total order, a row that several others match gets
//! values that none of them has a say in, and a column that is assigned is read by no other assignment.

use super::Grammar;
use super::select::Wish;
use crate::data;
use crate::schema::{Placement, Table, Type};
use crate::scope::{Scope, Source, Value, source};
use crate::tree;
use crate::tree::{Sort, Tree};

/// A write.
#[derive(Debug, Clone)]
pub struct Write {
    /// The statement.
    pub tree: Tree,
    /// The table that it writes, by the name that statements use.
    pub table: String,
}

impl<'s> Grammar<'s> {
    /// A write of some table.
    pub fn write(&mut self) -> Write {
        (self.class, self.tables) = (None, Vec::new());
        let schema = self.schema;
        let beside = self.random.chance(8);
        let table = if beside { &schema.beside[self.random.below(schema.beside.len())] } else { self.table() };
        let name = if beside { format!("{}.{}", self.beside, table.name) } else { table.name.clone() };
        self.target = Some(&table.name);
        let tree = match self.random.weighted(&[8, 3, 3, if beside { 0 } else { 3 }, 6, 3, 5, 3]) {
            0 => self.insert(table, &name, false),
            1 => self.insert(table, &name, true),
            2 => self.insert_set(table, &name),
            3 => self.insert_select(table, &name),
            4 => self.update(table, &name, beside),
            5 if !beside => self.update_joined(table),
            7 if !beside => self.delete_joined(table),
            _ => self.delete(table, &name, beside),
        };
        self.target = None;
        Write { tree, table: name }
    }

    /// Places of the columns that an INSERT names: those that need a value, and some more.
    fn named(&mut self, table: &Table) -> Vec<usize> {
        let all = self.random.chance(50);
        let needed = |column: &crate::schema::Column| column.not_null && !column.invisible;
        let auto = |kind: &Type| matches!(kind, Type::Int { auto: true, .. });
        let mut named = Vec::new();
        for at in table.written() {
            let column = &table.columns[at];
            let wanted = if auto(&column.kind) { self.random.chance(50) } else { needed(column) || all };
            if wanted || table.sharding().contains(&at) || self.random.chance(60) {
                named.push(at);
            }
        }
        named
    }

    fn cell(&mut self, table: &Table, at: usize) -> String {
        // Numbers that rows are told apart by: some are taken, some are free.
        if table.key.last() == Some(&at) && !matches!(table.columns[at].kind, Type::Text { .. }) {
            return self.random.between(1, 45).to_string();
        }
        if table.columns[at].name == "n" && self.random.chance(12) {
            let others: Vec<&Table> = self.schema.tables.iter().filter(|other| other.name != table.name).collect();
            let own = others.len() < self.schema.tables.len();
            // A table beside is of another keyspace, which a write does not read.
            if own && !others.is_empty() {
                return format!("(SELECT COUNT(*) % 100 FROM {} AS z)", self.random.pick(&others).name);
            }
        }
        data::value(&mut self.random, table, at)
    }

    /// The same, where it may be made of another one of the row.
    fn cell_of_row(&mut self, table: &Table, at: usize) -> String {
        let number = |kind: &Type| matches!(kind, Type::Int { auto: false, .. });
        let counts = table.columns.iter().any(|column| matches!(column.kind, Type::Int { auto: true, .. }));
        let places = table.sharding().first() == Some(&at) && number(&table.columns[at].kind) && !counts;
        if places && table.columns.iter().any(|column| column.name == "n") && self.random.chance(10) {
            return "1 + LENGTH(IFNULL(n, 3))".to_owned();
        }
        self.cell(table, at)
    }

    fn insert(&mut self, table: &Table, name: &str, replace: bool) -> Tree {
        let named = self.named(table);
        let rows = (0..1 + self.random.below(4)).map(|_| {
            let cells: Vec<Tree> = named.iter().map(|at| Tree::from(self.cell_of_row(table, *at))).collect();
            tree!["(", Tree::List { separator: ", ", items: cells, least: named.len() }, ")"]
        });
        let rows = Tree::list(rows.collect());
        let names = names(table, &named);
        if replace {
            return tree!["REPLACE INTO ", name.to_owned(), " (", names, ") VALUES ", rows];
        }
        let (ignore, duplicate) = match self.random.below(4) {
            0 => (Tree::from("IGNORE ").optional(), Tree::nothing()),
            1 => (Tree::nothing(), self.on_duplicate(table)),
            _ => (Tree::nothing(), Tree::nothing()),
        };
        tree!["INSERT ", ignore, "INTO ", name.to_owned(), " (", names, ") VALUES ", rows, duplicate]
    }

    fn insert_set(&mut self, table: &Table, name: &str) -> Tree {
        let named = self.named(table);
        let sets = named.iter().map(|at| {
            let cell = self.cell(table, *at);
            Tree::from(format!("{} = {cell}", table.columns[*at].name))
        });
        let sets = Tree::List { separator: ", ", items: sets.collect(), least: named.len() };
        tree!["INSERT INTO ", name.to_owned(), " SET ", sets]
    }

    fn on_duplicate(&mut self, table: &Table) -> Tree {
        let changeable = table.changeable();
        if changeable.is_empty() {
            return Tree::nothing();
        }
        let counts = table.columns.iter().any(|column| matches!(column.kind, Type::Int { auto: true, .. }));
        // Nothing but MySQL can tell what that does.
        let moves = !table.sharding().is_empty() && !counts && self.random.chance(20);
        let at = if moves { table.sharding()[0] } else { *self.random.pick(&changeable) };
        let column = &table.columns[at];
        let value = match self.random.below(3) {
            0 if column.name == "n" && !counts && self.random.chance(40) => "LENGTH(IFNULL(n, 7)) + 1".to_owned(),
            0 if column.name == "n" => "n + 1".to_owned(),
            1 => format!("VALUES({})", column.name),
            _ => data::value(&mut self.random, table, at),
        };
        tree![" ON DUPLICATE KEY UPDATE ", format!("{} = {value}", column.name)].optional()
    }

    /// The rows come in the order of all their columns: which of two with the same key comes first is told.
    fn insert_select(&mut self, table: &Table, name: &str) -> Tree {
        let written = table.written();
        let named: Vec<usize> = written
            .into_iter()
            .filter(|at| {
                let column = &table.columns[*at];
                let needed = column.not_null && !column.invisible;
                needed || table.key.contains(at) || matches!(&*column.name, "n" | "d")
            })
            .collect();
        // Those that no expression makes well are literals.
        let sorts: Vec<Sort> = vec![Sort::Int, Sort::Int, Sort::Decimal];
        let select = self.select(None, &Wish::branch(sorts, 1));
        let id = self.id();
        let alias = format!("t{id}");
        let source = |at: usize, before: &'static str, behind: &'static str| {
            let name = tree![Tree::Uses(select.ids[at], "".into()), Tree::Uses(id, format!("{alias}.x{at}").into())];
            tree![before, name, behind].node(Sort::Int)
        };
        let cells = named.iter().map(|at| {
            let column = &table.columns[*at];
            match (&*column.name, &column.kind) {
                ("n", _) => source(0, "", " % 100"),
                ("d", _) => source(2, "LEFT(", ", 6) + 0"),
                (_, Type::Int { auto: true, .. }) => source(1, "60 + ABS(IFNULL(", ", 0)) % 40"),
                _ if table.key.last() == Some(at) => source(1, "60 + ABS(IFNULL(", ", 0)) % 40"),
                _ => Tree::from(data::value(&mut self.random, table, *at)),
            }
        });
        let cells: Vec<Tree> = cells.collect();
        let cells = Tree::List { separator: ", ", items: cells, least: named.len() };
        let word = *self.random.pick(&["INSERT IGNORE INTO ", "REPLACE INTO ", "INSERT INTO "]);
        let order = (0..3).map(|at| source(at, "", "").fixed());
        let order = Tree::list(order.collect());
        let derived = tree!["(", select.tree.clone(), ") AS ", alias.clone()].named(id);
        tree![
            word,
            name.to_owned(),
            " (",
            names(table, &named),
            ") SELECT ",
            cells,
            " FROM ",
            derived,
            " ORDER BY ",
            order
        ]
    }

    fn update(&mut self, table: &Table, name: &str, beside: bool) -> Tree {
        let (scope, id) = self.alone(table);
        let filter = self.filter(&scope, usize::from(!beside), 85);
        let moves = !table.sharding().is_empty() && self.random.chance(12);
        let sets = match moves {
            true => {
                let at = table.sharding()[0];
                Tree::from(format!("{} = {}", table.columns[at].name, data::value(&mut self.random, table, at)))
            }
            false => self.assignments(table, &scope, ""),
        };
        let tail = if moves { Tree::nothing() } else { self.cut(table) };
        let ignore = if !moves && self.random.chance(12) { Tree::from("IGNORE ").optional() } else { Tree::nothing() };
        tree!["UPDATE ", ignore, name.to_owned(), " AS t SET ", sets, filter, tail].named(id)
    }

    fn delete(&mut self, table: &Table, name: &str, beside: bool) -> Tree {
        let (mut scope, id) = self.alone(table);
        // Where DELETE takes an alias differs between the flavours; its columns need none.
        scope.sources[0] = bare(table, id);
        let narrow = usize::from(!beside && self.random.chance(50));
        let filter = match self.condition(&scope, narrow) {
            condition if self.random.chance(94) => tree![" WHERE ", condition],
            _ => Tree::nothing(),
        };
        let tail = match (self.random.chance(70), filter == Tree::nothing()) {
            (true, false) => self.cut(table),
            _ => {
                let count = self.random.between(1, 4).to_string();
                tree![" ORDER BY ", names(table, &table.key), " LIMIT ", count]
            }
        };
        tree!["DELETE FROM ", name.to_owned(), filter, tail].named(id)
    }

    /// ORDER BY the key, and LIMIT; mostly nothing.
    fn cut(&mut self, table: &Table) -> Tree {
        if !self.random.chance(20) {
            return Tree::nothing();
        }
        let direction = *self.random.pick(&["", " DESC"]);
        let count = self.random.between(1, 5).to_string();
        tree![" ORDER BY ", names(table, &table.key), direction, " LIMIT ", count].optional()
    }

    fn update_joined(&mut self, table: &Table) -> Tree {
        let (mut scope, id) = self.alone(table);
        let (right, source) = self.partner(table, &scope);
        let narrow = Scope { sources: scope.sources.clone(), outer: None };
        let sets = self.assignments(table, &narrow, "t.");
        scope.sources.push(source);
        let filter = self.filter(&scope, 1, 60);
        tree!["UPDATE ", table.name.clone(), " AS t JOIN ", right, " SET ", sets, filter].named(id)
    }

    fn delete_joined(&mut self, table: &Table) -> Tree {
        let (mut scope, id) = self.alone(table);
        let (right, source) = self.partner(table, &scope);
        scope.sources.push(source);
        let filter = self.filter(&scope, 1, 90);
        let form = *self.random.pick(&["DELETE t FROM ", "DELETE FROM t USING "]);
        tree![form, table.name.clone(), " AS t JOIN ", right, filter].named(id)
    }

    /// Another table, joined with the one that is written.
    fn partner(&mut self, table: &Table, scope: &Scope<'_>) -> (Tree, Source) {
        let other = self.table();
        let id = self.id();
        let alias = format!("t{id}");
        let source = source(other, id, &alias);
        let own = &scope.sources[0];
        let family = |table: &Table| matches!(table.placement, Placement::Sharded { vindex, .. } if vindex != "place");
        let on = match family(table) && family(other) && own.values[0].sort == source.values[0].sort {
            true if self.random.chance(70) && own.values[0].collation == source.values[0].collation => {
                tree![own.values[0].tree.clone(), " = ", source.values[0].tree.clone()]
            }
            _ => {
                let of = |source: &Source| {
                    let at = source.names.iter().position(|name| name == "n").unwrap_or_default();
                    source.values[at].tree.clone()
                };
                tree![of(own), " = ", of(&source)]
            }
        };
        (tree![other.name.clone(), " AS ", alias, " ON ", on.node(Sort::Condition)].named(id), source)
    }

    /// Columns with what they become.
    fn assignments(&mut self, table: &Table, scope: &Scope<'_>, prefix: &str) -> Tree {
        let mut changeable = table.changeable();
        self.random.shuffle(&mut changeable);
        changeable.truncate(1 + self.random.below(2));
        let single = changeable.len() == 1;
        let sets: Vec<Tree> = changeable
            .iter()
            .map(|at| {
                let column = &table.columns[*at];
                let name = format!("{prefix}{} = ", column.name);
                let value = match (&column.kind, single && self.random.chance(60)) {
                    (Type::Int { bytes: 4.., unsigned: false, wide: false, auto: false }, true) => {
                        let value = self.int(&flat(scope), 2);
                        tree!["(", value.tree, ") % 1000"]
                    }
                    (Type::Decimal(_), true) => {
                        let value = self.decimal(&flat(scope), 1);
                        tree!["LEFT(", value.tree, ", 5) + 0"]
                    }
                    _ => Tree::from(data::value(&mut self.random, table, *at)),
                };
                tree![name, value]
            })
            .collect();
        if sets.is_empty() {
            // Every column is one that rows are told apart by.
            let name = &table.columns[table.key[0]].name;
            return Tree::from(format!("{prefix}{name} = {prefix}{name}"));
        }
        Tree::list(sets)
    }

    /// The table that is written as all that is in sight.
    fn alone(&mut self, table: &Table) -> (Scope<'static>, u32) {
        let id = self.id();
        (Scope { sources: vec![source(table, id, "t")], outer: None }, id)
    }
}

/// What an assignment may read: columns alone, so that it is the same whatever else is in the statement.
fn flat(scope: &Scope<'_>) -> Scope<'static> {
    Scope { sources: scope.sources.clone(), outer: None }
}

/// A table whose columns are written without its name.
fn bare(table: &Table, id: u32) -> Source {
    let mut source = source(table, id, "t");
    for (value, name) in source.values.iter_mut().zip(&source.names) {
        *value =
            Value { tree: Tree::Uses(id, format!("{}.{name}", table.name).into()).node(value.sort), ..value.clone() };
    }
    source
}

fn names(table: &Table, columns: &[usize]) -> String {
    columns.iter().map(|at| &*table.columns[*at].name).collect::<Vec<_>>().join(", ")
}
