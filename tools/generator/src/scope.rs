//! What an expression may read where it stands.

use vitrail_differential::case::Kind;

use crate::schema::Table;
use crate::tree::{Id, Sort, Tree};

/// An expression, and what has to be known of it to use it well.
#[derive(Debug, Clone)]
pub struct Value {
    /// Its text.
    pub tree: Tree,
    /// What it is.
    pub sort: Sort,
    /// Equal values are the same: it may stand for a group, or be what LIMIT cuts by.
    pub sharp: bool,
    /// It can be computed with.
    pub tame: bool,
    /// A difference may be out of its range.
    pub unsigned: bool,
    /// Of a text that comes from a column.
    pub collation: Option<&'static str>,
}

impl Value {
    /// One that is determined, and can be computed with.
    pub fn new(sort: Sort, tree: Tree) -> Value {
        Value { tree: tree.node(sort), sort, sharp: sort != Sort::Json, tame: true, unsigned: false, collation: None }
    }

    /// How it is compared as a column of the answer.
    pub fn kind(&self) -> Kind {
        if self.sort == Sort::Real { Kind::Real } else { Kind::Exact }
    }

    /// A text of a collation.
    pub fn with_collation(mut self, collation: Option<&'static str>) -> Value {
        self.collation = collation;
        self.sharp = collation.is_none_or(crate::schema::is_sharp);
        self
    }
}

/// A table, derived table or CTE in FROM.
#[derive(Debug, Clone)]
pub struct Source {
    /// What stands for it in trees.
    pub id: Id,
    /// Its alias.
    pub alias: String,
    /// Its columns, as they are written outside.
    pub values: Vec<Value>,
    /// Their names.
    pub names: Vec<String>,
    /// Places of columns that no two rows share; empty if that is not known.
    pub key: Vec<usize>,
}

/// What is in sight.
#[derive(Debug, Clone, Default)]
pub struct Scope<'o> {
    /// Of the query itself.
    pub sources: Vec<Source>,
    /// Of the query around a subquery that may look there.
    pub outer: Option<&'o Scope<'o>>,
}

impl<'o> Scope<'o> {
    /// Columns of the query itself.
    pub fn own(&self) -> impl Iterator<Item = &Value> {
        self.sources.iter().flat_map(|source| &source.values)
    }

    /// Columns of the queries around it.
    pub fn around(&self) -> Vec<&Value> {
        let mut all = Vec::new();
        let mut scope = self.outer;
        while let Some(outer) = scope {
            all.extend(outer.own());
            scope = outer.outer;
        }
        all
    }

    /// Columns that no two rows share: what makes ORDER BY total.
    pub fn key(&self) -> Option<Vec<Value>> {
        let mut all = Vec::new();
        for source in &self.sources {
            if source.key.is_empty() {
                return None;
            }
            all.extend(source.key.iter().map(|at| source.values[*at].clone()));
        }
        (!all.is_empty()).then_some(all)
    }
}

/// A table under an alias.
pub fn source(table: &Table, id: Id, alias: &str) -> Source {
    let value = |column: &crate::schema::Column| {
        let tree = Tree::Uses(id, format!("{alias}.{}", column.name).into());
        Value {
            tree: tree.node(column.kind.sort()),
            sort: column.kind.sort(),
            sharp: column.kind.is_sharp(),
            tame: column.kind.is_tame(),
            unsigned: column.kind.is_unsigned(),
            collation: column.kind.collation(),
        }
    };
    Source {
        id,
        alias: alias.to_owned(),
        values: table.columns.iter().map(value).collect(),
        names: table.columns.iter().map(|column| column.name.clone()).collect(),
        key: table.key.clone(),
    }
}
