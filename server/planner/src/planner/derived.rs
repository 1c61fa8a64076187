//! Derived tables and common table expressions: what is known of their columns, and where their rows lie.

use std::cell::OnceCell;
use std::sync::Arc;

use sqlparser::ast::{Cte, Query, TableAlias};

use super::answer::Column;
use super::columns::ShardingUse;
use super::placement::Member;
use super::streams::Rows;
use super::walk::{Item, Scope, Walk};
use crate::refusal::Refusal;
use crate::schema::TableSchema;
use crate::vschema::{Sharding, ShardingColumn};

/// What a statement's derived tables are known to be, kept as long as its plan is made.
#[derive(Default)]
pub(super) struct Shelf {
    schemas: Chain<TableSchema>,
    shardings: Chain<Sharding>,
}

/// A list that grows while it is read.
struct Chain<T>(OnceCell<Box<(T, Chain<T>)>>);

/// A common table expression that may be named from here on.
#[derive(Clone)]
pub(super) struct Named<'a> {
    name: String,
    body: Body<'a>,
    named: bool,
}

#[derive(Clone)]
enum Body<'a> {
    /// Read anew wherever it is named, with so many of those before it in sight.
    Query { cte: Arc<Cte>, sees: usize },
    /// It may name itself: its rows are made at one place.
    Recursive(Option<Vec<Column<'a>>>),
}

impl<'a> Walk<'a> {
    /// Brings the tables of a WITH in sight. Returns how many there were before.
    pub(super) fn with(&mut self, query: &Query) -> Result<usize, Refusal> {
        let before = self.ctes.len();
        let Some(with) = &query.with else { return Ok(before) };
        let recursive =
            |cte: &Cte| Named { name: cte.alias.name.value.clone(), body: Body::Recursive(None), named: true };
        if with.recursive {
            self.ctes.extend(with.cte_tables.iter().map(recursive));
        }
        for (number, cte) in with.cte_tables.iter().enumerate() {
            if with.recursive {
                let mark = self.placements.mark();
                let scope = self.part(&cte.query, &[])?;
                self.placements.seal_since(mark);
                self.ctes[before + number].body = Body::Recursive(renamed(scope.columns, Some(&cte.alias)));
            } else {
                let body = Body::Query { cte: Arc::new(cte.clone()), sees: self.ctes.len() };
                self.ctes.push(Named { name: cte.alias.name.value.clone(), body, named: false });
            }
        }
        Ok(before)
    }

    /// Takes them out of sight. Those that nobody named are looked at, too, but MySQL does not read them.
    pub(super) fn without(&mut self, before: usize) -> Result<(), Refusal> {
        for index in (before..self.ctes.len()).rev() {
            if let Body::Query { cte, sees } = self.ctes[index].body.clone()
                && !self.ctes[index].named
            {
                let mark = self.placements.mark();
                self.seeing(sees, |walk| walk.query(&cte.query, &[]))?;
                self.placements.forget_since(mark);
            }
        }
        self.ctes.truncate(before);
        Ok(())
    }

    /// The common table expression of this name, as something that FROM lists.
    pub(super) fn cte(&mut self, name: &str, alias: &str) -> Result<Option<Item<'a>>, Refusal> {
        let Some(found) = self.ctes.iter_mut().rev().find(|cte| cte.name == name) else {
            return Ok(None);
        };
        found.named = true;
        let item = match found.body.clone() {
            Body::Recursive(columns) => {
                self.unsettled += 1;
                let schema = columns.and_then(|columns| self.schema_of(&columns));
                Item { alias: alias.to_owned(), schema, ..Item::default() }
            }
            Body::Query { cte, sees } => {
                self.seeing(sees, |walk| walk.derived(&cte.query, &[], alias, Some(&cte.alias)))?
            }
        };
        Ok(Some(item))
    }

    /// A query in FROM. `around` is what LATERAL lets it see.
    pub(super) fn derived(
        &mut self,
        query: &Query,
        around: &[Scope<'a>],
        alias: &str,
        names: Option<&TableAlias>,
    ) -> Result<Item<'a>, Refusal> {
        let mark = self.placements.mark();
        let folds_repeats = std::mem::take(&mut self.folds_repeats);
        let scope = self.part(query, around)?;
        let divided = scope.rows == Rows::Divided && around.is_empty();
        let repeats = scope.rows == Rows::Distinct && folds_repeats && mark < self.placements.mark();
        if !divided && !repeats {
            self.placements.seal_since(mark);
        }
        let columns = renamed(scope.columns, names);
        let schema = columns.as_ref().and_then(|columns| self.schema_of(columns));
        let streams = (divided && mark < self.placements.mark()).then(|| self.placements.root(mark));
        let sharded = match (&columns, streams, schema) {
            (Some(columns), Some(_), Some(_)) => self.sharding_of(columns),
            _ => None,
        };
        Ok(Item { alias: alias.to_owned(), sharded, schema, streams, repeats })
    }

    /// What does so with only the first common table expressions in sight.
    fn seeing<T>(
        &mut self,
        count: usize,
        look: impl FnOnce(&mut Walk<'a>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let hidden = self.ctes.split_off(count);
        let found = look(self);
        self.ctes.extend(hidden);
        found
    }

    /// The table that a query's answer is, if all of its columns have names.
    fn schema_of(&self, columns: &[Column<'a>]) -> Option<&'a TableSchema> {
        let columns = columns.iter().map(Column::schema).collect::<Option<Vec<_>>>()?;
        Some(self.shelf.schemas.keep(TableSchema { columns, ..TableSchema::default() }))
    }

    /// The sharding columns of a table inside, if the answer has them all.
    fn sharding_of(&self, columns: &[Column<'a>]) -> Option<(Member, &'a Sharding)> {
        let named = |first: &ShardingUse<'a>, number: usize| {
            columns.iter().find_map(|column| {
                let known = column.sharding.as_ref()?;
                let same = (known.member, known.number) == (first.member, number);
                column.name.clone().filter(|_| same)
            })
        };
        columns.iter().filter_map(|column| column.sharding.as_ref()).find_map(|first| {
            let inside = first.sharding.columns.iter().enumerate();
            let outside = inside.map(|(number, inside)| {
                Some(ShardingColumn { column: named(first, number)?.into(), ..inside.clone() })
            });
            let sharding = Sharding { columns: outside.collect::<Option<Vec<_>>>()? };
            Some((self.placements.root(first.member), self.shelf.shardings.keep(sharding)))
        })
    }
}

/// The columns under the names that the table's alias gives them.
fn renamed<'a>(columns: Option<Vec<Column<'a>>>, alias: Option<&TableAlias>) -> Option<Vec<Column<'a>>> {
    let mut columns = columns?;
    let Some(alias) = alias.filter(|alias| !alias.columns.is_empty()) else { return Some(columns) };
    if alias.columns.len() != columns.len() {
        return None;
    }
    for (column, name) in columns.iter_mut().zip(&alias.columns) {
        column.name = Some(name.name.value.clone());
    }
    Some(columns)
}

impl<T> Chain<T> {
    /// Puts it at the end.
    fn keep(&self, value: T) -> &T {
        let mut chain = self;
        while let Some(link) = chain.0.get() {
            chain = &link.1;
        }
        &chain.0.get_or_init(|| Box::new((value, Chain::default()))).0
    }
}

impl<T> Default for Chain<T> {
    fn default() -> Chain<T> {
        Chain(OnceCell::new())
    }
}
