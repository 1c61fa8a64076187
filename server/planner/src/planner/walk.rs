//! The walk over a statement: finds its tables in every block, and cuts their qualifiers.

use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName, Query, Select, SetExpr, TableFactor, TableWithJoins};

use super::answer::{self, Column};
use super::derived::{self, Shelf};
use super::names::{Named, OneKeyspace, idents, shared};
use super::placement::{Member, Placements};
use super::streams::{self, Rows};
use super::text::Text;
use super::{PlanContext, catalog, facts};
use crate::plan::{Asked, Edit, Filling, Ids, JoinPlan, Replacement, StepsPlan};
use crate::refusal::Refusal;
use crate::schema::TableSchema;
use crate::vschema::{Placement, Sharding};

/// One thing that FROM lists.
#[derive(Clone, Default)]
pub(super) struct Item<'a> {
    /// How columns refer to it.
    pub(super) alias: String,
    /// The sharding columns of a sharded table, or of a derived one that shows those of a table inside.
    pub(super) sharded: Option<(Member, &'a Sharding)>,
    /// The table's columns, if known.
    pub(super) schema: Option<&'a TableSchema>,
    /// A derived table whose rows are divided over the shards: as those of this table.
    pub(super) streams: Option<Member>,
    /// A derived table whose rows are distinct, and come from several shards each.
    pub(super) repeats: bool,
}

/// What one query block sees.
#[derive(Clone, Default)]
pub(super) struct Scope<'a> {
    pub(super) items: Vec<Item<'a>>,
    /// What the shards' rows are to its own.
    pub(super) rows: Rows,
    /// The columns of its answer, if they are known.
    pub(super) columns: Option<Vec<Column<'a>>>,
    /// An outer join may fill columns with NULL.
    pub(super) outer_joins: bool,
}

/// The state of the walk.
pub(super) struct Walk<'a> {
    pub(super) context: &'a PlanContext<'a>,
    pub(super) text: &'a Text<'a>,
    /// What derived tables are known to be.
    pub(super) shelf: &'a Shelf,
    pub(super) keyspace: OneKeyspace<'a>,
    pub(super) placements: Placements,
    pub(super) edits: Vec<Edit>,
    /// Functions whose answers differ between shards.
    pub(super) volatile: Option<String>,
    /// Those of them that the clock of the statement does not rule: two shards of a write may give two answers, or one shard twice.
    pub(super) chance: Option<String>,
    /// A function with one series of values for all rows of a statement: `RAND(n)`.
    pub(super) series: Option<String>,
    /// Its answer differs between those who ask at the same time, or nobody can tell.
    pub(super) individual: bool,
    /// Functions that are not MySQL's own.
    pub(super) unknown_function: Option<String>,
    /// A table is written by name and may be a system table.
    pub(super) system: bool,
    /// Where the values of an INSERT's AUTO_INCREMENT column come from.
    pub(super) ids: Ids,
    /// The column that a sequence fills.
    pub(super) filling: Option<Filling>,
    /// Expressions that tell where rows go.
    pub(super) asked: Asked,
    /// How, then.
    pub(super) join: Option<Arc<JoinPlan>>,
    /// How it is written in steps.
    pub(super) steps: Option<Arc<StepsPlan>>,
    /// Rows are joined in the gate: none of them lies on a shard.
    pub(super) joined: bool,
    /// What the shards are asked for behind the select list.
    pub(super) added: Vec<String>,
    /// How many queries look at what the one under way gives.
    pub(super) nested: usize,
    /// How many queries without sharded tables may have other rows on each shard.
    pub(super) unsettled: usize,
    /// The block under way can do with a derived table that repeats rows; see [`Item::repeats`].
    pub(super) folds_repeats: bool,
    /// The common table expressions in sight.
    pub(super) ctes: Vec<derived::Named<'a>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(context: &'a PlanContext<'a>, text: &'a Text<'a>, shelf: &'a Shelf) -> Walk<'a> {
        Walk {
            context,
            text,
            shelf,
            keyspace: OneKeyspace::default(),
            placements: Placements::default(),
            edits: Vec::new(),
            volatile: None,
            chance: None,
            series: None,
            individual: false,
            unknown_function: None,
            system: false,
            ids: Ids::default(),
            filling: None,
            asked: Asked::default(),
            join: None,
            steps: None,
            joined: false,
            added: Vec::new(),
            nested: 0,
            unsettled: 0,
            folds_repeats: false,
            ctes: Vec::new(),
        }
    }

    /// A query with what is around it.
    pub(super) fn query(&mut self, query: &Query, outer: &[Scope<'a>]) -> Result<Scope<'a>, Refusal> {
        let before = self.with(query)?;
        let mark = self.placements.mark();
        let scope = self.body(&query.body, outer)?;
        self.subqueries(&query.order_by, &scope, outer)?;
        self.subqueries(&query.limit_clause, &scope, outer)?;
        self.without(before)?;
        if mark == self.placements.mark() && (query.limit_clause.is_some() || query.fetch.is_some()) {
            self.unsettled += 1;
        }
        Ok(scope)
    }

    /// A query that is a part of another.
    pub(super) fn part(&mut self, query: &Query, outer: &[Scope<'a>]) -> Result<Scope<'a>, Refusal> {
        let mark = self.placements.mark();
        self.nested += 1;
        let scope = self.query(query, outer)?;
        self.nested -= 1;
        Ok(Scope { rows: self.rows_of_query(query, scope.rows, mark), ..scope })
    }

    fn body(&mut self, body: &SetExpr, outer: &[Scope<'a>]) -> Result<Scope<'a>, Refusal> {
        match body {
            SetExpr::Select(select) => self.select(select, outer),
            SetExpr::Query(query) => self.part(query, outer),
            SetExpr::SetOperation { left, right, op, set_quantifier } => {
                let mark = self.placements.mark();
                self.nested += 1;
                let left = self.body(left, outer)?;
                let middle = self.placements.mark();
                let right = self.body(right, outer)?;
                self.nested -= 1;
                let columns = answer::of_both(left.columns.clone(), right.columns.clone());
                let operation = (*op, *set_quantifier);
                let rows = self.rows_of_both(operation, (&left, &right), columns.as_deref(), (mark, middle));
                if rows == Rows::Other {
                    self.placements.seal_since(mark);
                }
                Ok(Scope { rows, columns, ..Scope::default() })
            }
            SetExpr::Values(values) => {
                self.subqueries(values, &Scope::default(), outer)?;
                Ok(Scope::default())
            }
            _ => Err(Refusal::unsupported("query-form", "this form of a query is not supported; write SELECT")),
        }
    }

    fn select(&mut self, select: &Select, outer: &[Scope<'a>]) -> Result<Scope<'a>, Refusal> {
        let (mark, unsettled) = (self.placements.mark(), self.unsettled);
        let mut scope = Scope::default();
        self.folds_repeats = outer.is_empty() && streams::reads_one_table(select);
        for table in &select.from {
            self.table_with_joins(table, &mut scope, outer)?;
        }
        self.folds_repeats = false;
        named_once(&scope)?;
        if let Some(condition) = &select.selection {
            self.facts(condition, &scope, 0..scope.items.len(), outer);
        }
        self.subqueries(&select.projection, &scope, outer)?;
        self.subqueries(&select.selection, &scope, outer)?;
        self.subqueries(&select.group_by, &scope, outer)?;
        self.subqueries(&select.having, &scope, outer)?;
        self.subqueries(&select.named_window, &scope, outer)?;
        for table in &select.from {
            for join in &table.joins {
                self.subqueries(&join.join_operator, &scope, outer)?;
            }
        }
        let seen = self.nested > 0 && outer.is_empty();
        if seen {
            scope.columns = answer::of_select(self, select, &scope);
        }
        if mark == self.placements.mark() {
            if unsettled == self.unsettled && self.is_same_everywhere(select, &scope) {
                scope.rows = Rows::Repeated;
            } else {
                self.unsettled += 1;
            }
        } else if seen {
            scope.rows = self.rows_of(select, &scope, mark);
        }
        Ok(scope)
    }

    /// Adds the tables of one FROM entry to the scope, and what its ON conditions prove.
    pub(super) fn table_with_joins(
        &mut self,
        tables: &TableWithJoins,
        scope: &mut Scope<'a>,
        outer: &[Scope<'a>],
    ) -> Result<(), Refusal> {
        let first = scope.items.len();
        self.factor(&tables.relation, scope, outer)?;
        for join in &tables.joins {
            let right = scope.items.len();
            self.factor(&join.relation, scope, outer)?;
            self.join(join, scope, first..right, right..scope.items.len(), outer)?;
            scope.outer_joins |= facts::is_outer(join);
        }
        Ok(())
    }

    fn factor(&mut self, factor: &TableFactor, scope: &mut Scope<'a>, outer: &[Scope<'a>]) -> Result<(), Refusal> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let alias = alias.as_ref().map(|alias| &alias.name);
                self.base_table(name, alias, scope)
            }
            TableFactor::Derived { subquery, alias, lateral, .. } => {
                let around: Vec<Scope<'a>> = if *lateral { vec![scope.clone()] } else { Vec::new() };
                let name = alias.as_ref().map(|alias| alias.name.value.clone()).unwrap_or_default();
                let item = self.derived(subquery, &around, &name, alias.as_ref())?;
                scope.items.push(item);
                Ok(())
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.table_with_joins(table_with_joins, scope, outer),
            TableFactor::JsonTable { alias, .. } => {
                let alias = alias.as_ref().map(|alias| alias.name.value.clone()).unwrap_or_default();
                scope.items.push(Item { alias, ..Item::default() });
                Ok(())
            }
            _ => Err(Refusal::unsupported("table-form", "this form of a table in FROM is not supported")),
        }
    }

    /// Adds a base table, or a CTE by its name.
    pub(super) fn base_table(
        &mut self,
        name: &ObjectName,
        alias: Option<&Ident>,
        scope: &mut Scope<'a>,
    ) -> Result<(), Refusal> {
        let parts = idents(name).unwrap_or_default();
        if let [only] = parts.as_slice()
            && let Some(item) = self.cte(&only.value, &alias.unwrap_or(only).value)?
        {
            scope.items.push(item);
            return Ok(());
        }
        let named = self.name(name)?;
        if named.system {
            self.of_catalog(&parts, alias)?;
        }
        let last = parts.last().map(|ident| ident.value.as_str()).unwrap_or_default();
        let sharded = match named.table.map(|table| (&table.placement, &table.name)) {
            Some((Placement::Sharded(sharding), table)) => {
                Some((self.placements.add(Arc::clone(table), sharding.columns.len()), sharding))
            }
            _ => None,
        };
        let schema = if named.system { None } else { self.schema(&named.keyspace.name, last) };
        // What a view, a system table or a table that nobody knows calls, nobody knows.
        self.individual |= schema.is_none_or(|schema| schema.view);
        if schema.is_some_and(|schema| schema.view) && named.keyspace.sharded && self.context.shard.is_none() {
            return Err(Refusal::unsupported(
                "view",
                format!("`{last}` is a view, and what lies behind it is not known; read its tables"),
            ));
        }
        let alias = alias.map_or(last, |alias| alias.value.as_str()).to_owned();
        scope.items.push(Item { alias, sharded, schema, ..Item::default() });
        Ok(())
    }

    /// Puts what a table of `information_schema` is to the keyspace in its place.
    fn of_catalog(&mut self, parts: &[&Ident], alias: Option<&Ident>) -> Result<(), Refusal> {
        let (Some(catalog), [schema, table]) = (self.context.catalog, parts) else { return Ok(()) };
        if !catalog::is_schema(&schema.value) {
            return Ok(());
        }
        let Some(mut text) = catalog.table(&table.value)? else { return Ok(()) };
        let (Some(start), Some(end)) = (self.text.start(schema), self.text.end(table)) else {
            return Err(Refusal::unsupported("system-tables", "the table's place in the text is not known"));
        };
        if alias.is_none() {
            text = format!("{text} AS `{}`", table.value.replace('`', "``")).into();
        }
        let (start, end) = (self.text.anchor(start), self.text.anchor(end));
        let edit = Edit { start, end, replacement: Replacement::Text(text), scatter_only: false };
        if !self.edits.contains(&edit) {
            self.edits.push(edit);
        }
        Ok(())
    }

    /// Finds a table by name, cuts its qualifier, and notes its keyspace.
    pub(super) fn name(&mut self, name: &ObjectName) -> Result<Named<'a>, Refusal> {
        let parts = idents(name).unwrap_or_default();
        let (qualifier, table) = match parts.as_slice() {
            [table] => (None, *table),
            [qualifier, table] => (Some(*qualifier), *table),
            _ => return Err(Refusal::invalid("table-name", format!("`{name}` is no name of a table"))),
        };
        let named = self.context.table(qualifier.map(|ident| ident.value.as_str()), &table.value)?;
        if let Some(qualifier) = qualifier
            && !named.system
        {
            self.cut(qualifier, table);
        }
        self.system |= named.system;
        self.keyspace.add(named.keyspace)?;
        Ok(named)
    }

    pub(super) fn schema(&self, keyspace: &str, table: &str) -> Option<&'a TableSchema> {
        self.context.schemas.get(keyspace)?.table(table)
    }

    pub(super) fn cut(&mut self, from: &Ident, to: &Ident) {
        if let (Some(start), Some(end)) = (self.text.start(from), self.text.start(to))
            && start < end
        {
            let edit = Edit {
                start: self.text.anchor(start),
                end: self.text.anchor(end),
                replacement: Replacement::Text(shared("")),
                scatter_only: false,
            };
            if !self.edits.contains(&edit) {
                self.edits.push(edit);
            }
        }
    }

    /// Cuts the keyspace of a name that has one more part than `plain`.
    pub(super) fn cut_prefix(&mut self, name: &ObjectName, full: usize) {
        let Some(parts) = idents(name) else { return };
        if parts.len() == full && self.is_qualifier(&parts[0].value) {
            self.cut(parts[0], parts[1]);
        }
    }

    /// Whether a name before that of a table is cut out of the text.
    pub(super) fn is_qualifier(&self, name: &str) -> bool {
        let of_catalog = || self.context.catalog.is_some() && catalog::is_schema(name);
        self.context.vschema.keyspace(name).is_some() || of_catalog()
    }
}

/// MySQL's error, if two sharded tables of one block have the same name there.
fn named_once(scope: &Scope<'_>) -> Result<(), Refusal> {
    let sharded = || scope.items.iter().filter(|item| item.sharded.is_some() && !item.alias.is_empty());
    let twice =
        sharded().enumerate().find(|(index, item)| sharded().take(*index).any(|other| other.alias == item.alias));
    match twice {
        None => Ok(()),
        Some((_, item)) => Err(Refusal::invalid("table-twice", format!("Not unique table/alias: '{}'", item.alias))
            .with_errno(1066, "42000")),
    }
}
