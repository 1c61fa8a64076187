//! The walk over a statement: finds its tables, proves which lie together, cuts qualifiers and classifies functions.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableFactor, TableWithJoins, Visit,
    Visitor,
};

use super::PlanContext;
use super::functions::{self, Nature};
use super::names::{Named, OneKeyspace, idents, shared};
use super::placement::{Member, Placements};
use super::text::{Given, Text};
use crate::plan::{Edit, Pin, Replacement, Source};
use crate::refusal::Refusal;
use crate::schema::{ColumnClass, TableSchema};
use crate::vschema::{Placement, ShardingColumn};

/// One thing that FROM lists.
#[derive(Clone)]
pub(super) struct Item<'a> {
    /// How columns refer to it.
    pub(super) alias: String,
    /// A sharded table's sharding column.
    pub(super) sharded: Option<(Member, &'a ShardingColumn)>,
    /// A base table's columns, if known.
    pub(super) schema: Option<&'a TableSchema>,
}

/// What one query block sees.
#[derive(Clone, Default)]
pub(super) struct Scope<'a> {
    pub(super) items: Vec<Item<'a>>,
}

/// The state of the walk.
pub(super) struct Walk<'a> {
    pub(super) context: &'a PlanContext<'a>,
    pub(super) text: &'a Text<'a>,
    pub(super) keyspace: OneKeyspace<'a>,
    pub(super) placements: Placements,
    pub(super) edits: Vec<Edit>,
    /// Functions whose answers differ between shards.
    pub(super) volatile: Option<String>,
    /// A function with one value for all rows of a statement, such as `NOW()`.
    pub(super) statement_value: Option<String>,
    /// Functions that are not MySQL's own.
    pub(super) unknown_function: Option<String>,
    /// A table is written by name and may be a system table.
    pub(super) system: bool,
    ctes: Vec<String>,
}

/// A table's sharding column as an expression names it.
#[derive(Clone)]
struct Column<'a> {
    member: Member,
    sharding: &'a ShardingColumn,
    class: Option<&'a ColumnClass>,
    /// 0: the block itself, 1: the one around it.
    depth: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(context: &'a PlanContext<'a>, text: &'a Text<'a>) -> Walk<'a> {
        Walk {
            context,
            text,
            keyspace: OneKeyspace::default(),
            placements: Placements::default(),
            edits: Vec::new(),
            volatile: None,
            statement_value: None,
            unknown_function: None,
            system: false,
            ctes: Vec::new(),
        }
    }

    /// Cuts the qualifiers of columns and looks at every function and variable.
    pub(super) fn sweep(&mut self, statement: &Statement) -> Result<(), Refusal> {
        let mut sweep = Sweep { walk: self };
        match statement.visit(&mut sweep) {
            ControlFlow::Break(refusal) => Err(refusal),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// A query with what is around it.
    pub(super) fn query(&mut self, query: &Query, outer: &[Scope<'a>]) -> Result<Scope<'a>, Refusal> {
        let known = self.ctes.len();
        if let Some(with) = &query.with {
            if with.recursive {
                self.ctes.extend(with.cte_tables.iter().map(|cte| cte.alias.name.value.clone()));
            }
            for cte in &with.cte_tables {
                let mark = self.placements.mark();
                self.query(&cte.query, &[])?;
                self.placements.seal_since(mark);
                self.ctes.push(cte.alias.name.value.clone());
            }
        }
        let scope = self.body(&query.body, outer)?;
        self.subqueries(&query.order_by, &scope, outer)?;
        self.subqueries(&query.limit_clause, &scope, outer)?;
        self.ctes.truncate(known);
        Ok(scope)
    }

    fn body(&mut self, body: &SetExpr, outer: &[Scope<'a>]) -> Result<Scope<'a>, Refusal> {
        match body {
            SetExpr::Select(select) => self.select(select, outer),
            SetExpr::Query(query) => self.query(query, outer),
            SetExpr::SetOperation { left, right, .. } => {
                let mark = self.placements.mark();
                self.body(left, outer)?;
                self.body(right, outer)?;
                self.placements.seal_since(mark);
                Ok(Scope::default())
            }
            SetExpr::Values(values) => {
                self.subqueries(values, &Scope::default(), outer)?;
                Ok(Scope::default())
            }
            _ => Err(Refusal::unsupported("query-form", "this form of a query is not supported; write SELECT")),
        }
    }

    fn select(&mut self, select: &Select, outer: &[Scope<'a>]) -> Result<Scope<'a>, Refusal> {
        let mut scope = Scope::default();
        for table in &select.from {
            self.table_with_joins(table, &mut scope, outer)?;
        }
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
        }
        Ok(())
    }

    fn join(
        &mut self,
        join: &Join,
        scope: &Scope<'a>,
        left: std::ops::Range<usize>,
        right: std::ops::Range<usize>,
        outer: &[Scope<'a>],
    ) -> Result<(), Refusal> {
        let (constraint, kept, nullable) = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::CrossJoin(constraint)
            | JoinOperator::StraightJoin(constraint) => (constraint, None, left.start..right.end),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, Some(left), right),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (constraint, Some(right), left),
            _ => return Err(Refusal::unsupported("join-form", "this form of a join is not supported")),
        };
        match constraint {
            JoinConstraint::On(condition) => match kept {
                None => self.facts(condition, scope, nullable, outer),
                Some(kept) => {
                    self.facts(condition, scope, nullable.clone(), outer);
                    self.attach_side(condition, scope, &kept, &nullable);
                }
            },
            JoinConstraint::Using(columns) => {
                for column in columns.iter().filter_map(|name| idents(name)?.last().map(|ident| ident.value.clone())) {
                    self.using(&column, scope, kept.clone(), nullable.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `USING (column)`: equality of the only table on each side that is sharded by it, if no other can have the column.
    fn using(
        &mut self,
        column: &str,
        scope: &Scope<'a>,
        kept: Option<std::ops::Range<usize>>,
        nullable: std::ops::Range<usize>,
    ) {
        let range =
            kept.as_ref().map_or(nullable.clone(), |kept| kept.start.min(nullable.start)..kept.end.max(nullable.end));
        let items = &scope.items[range];
        let [a, b] = items else { return };
        let (Some((left, left_column)), Some((right, right_column))) = (a.sharded, b.sharded) else { return };
        let named = |sharding: &ShardingColumn| sharding.column.eq_ignore_ascii_case(column);
        let same = comparable(left_column, class_of(a, left_column), right_column, class_of(b, right_column));
        if !named(left_column) || !named(right_column) || !same {
            return;
        }
        match kept {
            None => self.placements.unite(left, right),
            Some(kept) if kept.start < nullable.start => self.placements.attach(right, left),
            Some(_) => self.placements.attach(left, right),
        }
    }

    /// ON of an outer join: groups of the nullable side follow the kept side's, each the first that it is equal to.
    fn attach_side(
        &mut self,
        condition: &Expr,
        scope: &Scope<'a>,
        kept: &std::ops::Range<usize>,
        nullable: &std::ops::Range<usize>,
    ) {
        if self.text.loose_operators {
            return;
        }
        for (a, b) in equalities(condition) {
            let (Some(a), Some(b)) = (self.column(a, scope, &[]), self.column(b, scope, &[])) else { continue };
            if !comparable(a.sharding, a.class, b.sharding, b.class) {
                continue;
            }
            for (follower, leader) in [(&a, &b), (&b, &a)] {
                let follows = self.owned(follower.member, scope, nullable) && self.within(leader.member, scope, kept);
                if follows {
                    self.placements.attach(follower.member, leader.member);
                    break;
                }
            }
        }
    }

    /// Whether the member itself is among these items.
    fn within(&self, member: Member, scope: &Scope<'a>, range: &std::ops::Range<usize>) -> bool {
        scope.items[range.clone()].iter().any(|item| item.sharded.is_some_and(|(known, _)| known == member))
    }

    /// Whether the member is among these items and its group has not been led away.
    fn owned(&self, member: Member, scope: &Scope<'a>, range: &std::ops::Range<usize>) -> bool {
        self.within(member, scope, range) && self.within(self.placements.root(member), scope, range)
    }

    fn factor(&mut self, factor: &TableFactor, scope: &mut Scope<'a>, outer: &[Scope<'a>]) -> Result<(), Refusal> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let alias = alias.as_ref().map(|alias| &alias.name);
                self.base_table(name, alias, scope)
            }
            TableFactor::Derived { subquery, alias, lateral, .. } => {
                let mark = self.placements.mark();
                let around: Vec<Scope<'a>> = if *lateral { vec![scope.clone()] } else { Vec::new() };
                self.query(subquery, &around)?;
                self.placements.seal_since(mark);
                let alias = alias.as_ref().map(|alias| alias.name.value.clone()).unwrap_or_default();
                scope.items.push(Item { alias, sharded: None, schema: None });
                Ok(())
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.table_with_joins(table_with_joins, scope, outer),
            TableFactor::JsonTable { alias, .. } => {
                let alias = alias.as_ref().map(|alias| alias.name.value.clone()).unwrap_or_default();
                scope.items.push(Item { alias, sharded: None, schema: None });
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
            && self.ctes.contains(&only.value)
        {
            let alias = alias.unwrap_or(only).value.clone();
            scope.items.push(Item { alias, sharded: None, schema: None });
            return Ok(());
        }
        let named = self.name(name)?;
        let last = parts.last().map(|ident| ident.value.as_str()).unwrap_or_default();
        let sharded = match named.table.map(|table| (&table.placement, &table.name)) {
            Some((Placement::Sharded(sharding), table)) => Some((self.placements.add(Arc::clone(table)), sharding)),
            _ => None,
        };
        let schema = if named.system { None } else { self.schema(&named.keyspace.name, last) };
        if schema.is_some_and(|schema| schema.view) && named.keyspace.sharded && self.context.shard.is_none() {
            return Err(Refusal::unsupported(
                "view",
                format!("`{last}` is a view, and what lies behind it is not known; read its tables"),
            ));
        }
        let alias = alias.map_or(last, |alias| alias.value.as_str()).to_owned();
        scope.items.push(Item { alias, sharded, schema });
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

    fn cut(&mut self, from: &Ident, to: &Ident) {
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

    /// Walks the subqueries inside any part of a block.
    pub(super) fn subqueries<V: Visit>(
        &mut self,
        part: &V,
        scope: &Scope<'a>,
        outer: &[Scope<'a>],
    ) -> Result<(), Refusal> {
        let mut around = vec![scope.clone()];
        around.extend_from_slice(outer);
        let mut finder = SubqueryFinder { walk: self, around: &around, depth: 0 };
        match part.visit(&mut finder) {
            ControlFlow::Break(refusal) => Err(refusal),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// What the AND-ed parts of a condition prove for the items of `range`, which it restricts.
    pub(super) fn facts(
        &mut self,
        condition: &Expr,
        scope: &Scope<'a>,
        range: std::ops::Range<usize>,
        outer: &[Scope<'a>],
    ) {
        if self.text.loose_operators {
            return;
        }
        for part in conjuncts(condition) {
            match part {
                Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                    self.equality(left, right, scope, &range, outer)
                }
                Expr::InList { expr, list, negated: false } => self.in_list(expr, list, scope, &range),
                _ => {}
            }
        }
    }

    fn equality(
        &mut self,
        left: &Expr,
        right: &Expr,
        scope: &Scope<'a>,
        range: &std::ops::Range<usize>,
        outer: &[Scope<'a>],
    ) {
        match (self.column(left, scope, outer), self.column(right, scope, outer)) {
            (Some(a), Some(b)) if comparable(a.sharding, a.class, b.sharding, b.class) => {
                let inside = |column: &Column<'a>| column.depth == 0 && self.within(column.member, scope, range);
                match (inside(&a), inside(&b)) {
                    (true, true) if self.led_here(a.member, scope) && self.led_here(b.member, scope) => {
                        self.placements.unite(a.member, b.member);
                    }
                    (true, false) if b.depth > 0 && self.led_here(a.member, scope) => {
                        self.placements.attach(a.member, b.member);
                    }
                    (false, true) if a.depth > 0 && self.led_here(b.member, scope) => {
                        self.placements.attach(b.member, a.member);
                    }
                    _ => {}
                }
            }
            (Some(column), None) | (None, Some(column)) => {
                let value = if self.column(left, scope, outer).is_some() { right } else { left };
                let Some((source, given)) = self.text.value(value) else { return };
                if column.depth == 0
                    && self.within(column.member, scope, range)
                    && self.led_here(column.member, scope)
                    && pins(&column, given)
                {
                    self.placements.pin(column.member, pin(&column, source));
                }
            }
            _ => {}
        }
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], scope: &Scope<'a>, range: &std::ops::Range<usize>) {
        let Some(column) = self.column(expr, scope, &[]) else { return };
        if !self.within(column.member, scope, range) || !self.led_here(column.member, scope) {
            return;
        }
        let Some((source, given)) = self.text.list(list) else { return };
        if given.iter().all(|given| pins(&column, *given)) {
            self.placements.list(column.member, pin(&column, source));
        }
    }

    /// Whether the member's group is led by a table of this block.
    fn led_here(&self, member: Member, scope: &Scope<'a>) -> bool {
        self.within(self.placements.root(member), scope, &(0..scope.items.len()))
    }

    /// Whether an expression is the sharding column of an item of the block that `accepts` takes by its number, and equal
    /// values of it always lead to one shard.
    pub(super) fn decides_shard(&self, expr: &Expr, scope: &Scope<'a>, accepts: impl Fn(usize) -> bool) -> bool {
        let Some(column) = self.column(expr, scope, &[]) else { return false };
        let number = |item: &Item<'a>| item.sharded.is_some_and(|(member, _)| member == column.member);
        column.class.is_some_and(|class| column.sharding.vindex.follows_equality(class))
            && scope.items.iter().position(number).is_some_and(accepts)
    }

    /// The sharding column that an expression is, seen from a block and those around it.
    fn column(&self, expr: &Expr, scope: &Scope<'a>, outer: &[Scope<'a>]) -> Option<Column<'a>> {
        let (qualifier, name) = match expr {
            Expr::Nested(inner) => return self.column(inner, scope, outer),
            Expr::Identifier(name) => (None, name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => (Some(table), name),
                [_, table, name] => (Some(table), name),
                _ => return None,
            },
            _ => return None,
        };
        for (depth, scope) in std::iter::once(scope).chain(outer).enumerate() {
            match qualifier {
                Some(table) => {
                    let mut named = scope.items.iter().filter(|item| item.alias.eq_ignore_ascii_case(&table.value));
                    match (named.next(), named.next()) {
                        (Some(item), None) => return sharding(item, name, depth),
                        (Some(_), Some(_)) => return None,
                        (None, _) => {}
                    }
                }
                None => {
                    let mut found = scope.items.iter().filter_map(|item| sharding(item, name, depth));
                    match (found.next(), found.next()) {
                        (Some(column), None) => return Some(column),
                        (Some(_), Some(_)) => return None,
                        // Only if no table here can have a column of this name does the block around give it.
                        (None, _) => {
                            let lacks = |item: &Item<'a>| {
                                item.schema.is_some_and(|schema| schema.column(&name.value).is_none())
                            };
                            if !scope.items.iter().all(lacks) {
                                return None;
                            }
                        }
                    }
                }
            }
        }
        None
    }
}

fn sharding<'a>(item: &Item<'a>, name: &Ident, depth: usize) -> Option<Column<'a>> {
    let (member, sharding) = item.sharded?;
    let class = class_of(item, sharding);
    sharding.column.eq_ignore_ascii_case(&name.value).then_some(Column { member, sharding, class, depth })
}

fn class_of<'a>(item: &Item<'a>, sharding: &ShardingColumn) -> Option<&'a ColumnClass> {
    item.schema?.column(&sharding.column).map(|column| &column.class)
}

/// Whether equal values of two sharding columns always have one keyspace id.
fn comparable(
    a: &ShardingColumn,
    a_class: Option<&ColumnClass>,
    b: &ShardingColumn,
    b_class: Option<&ColumnClass>,
) -> bool {
    let follows = |class: Option<&ColumnClass>| class.is_none_or(|class| a.vindex.follows_equality(class));
    let alike = match (a_class, b_class) {
        (Some(a), Some(b)) => std::mem::discriminant(a) == std::mem::discriminant(b),
        _ => true,
    };
    a.vindex == b.vindex && alike && follows(a_class) && follows(b_class)
}

/// Whether equality with a value of this kind pins the column.
fn pins(column: &Column<'_>, given: Given) -> bool {
    let Some(class) = column.class else { return given != Given::Fraction };
    let alike = match class {
        ColumnClass::Integer => matches!(given, Given::Integer | Given::Text | Given::Bind | Given::Null),
        _ => matches!(given, Given::Text | Given::Bytes | Given::Bind | Given::Null),
    };
    alike && column.sharding.vindex.follows_equality(class)
}

fn pin(column: &Column<'_>, source: Source) -> Pin {
    Pin {
        column: Arc::clone(&column.sharding.column),
        vindex: column.sharding.vindex,
        class: column.class.cloned(),
        source,
    }
}

/// The parts that AND joins.
fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    let (mut parts, mut stack) = (Vec::new(), vec![condition]);
    while let Some(expr) = stack.pop() {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => stack.extend([&**right, &**left]),
            Expr::Nested(inner) => stack.push(inner),
            other => parts.push(other),
        }
    }
    parts
}

fn equalities(condition: &Expr) -> impl Iterator<Item = (&Expr, &Expr)> {
    conjuncts(condition).into_iter().filter_map(|part| match part {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => Some((&**left, &**right)),
        _ => None,
    })
}

/// Hands the outermost queries inside a part of a block to the walk.
struct SubqueryFinder<'w, 'a> {
    walk: &'w mut Walk<'a>,
    around: &'w [Scope<'a>],
    depth: usize,
}

impl Visitor for SubqueryFinder<'_, '_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        self.depth += 1;
        if self.depth == 1
            && let Err(refusal) = self.walk.query(query, self.around)
        {
            return ControlFlow::Break(refusal);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Refusal> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// Looks at every expression of the statement once.
struct Sweep<'w, 'a> {
    walk: &'w mut Walk<'a>,
}

impl Sweep<'_, '_> {
    fn function(&mut self, function: &Function) -> ControlFlow<Refusal> {
        let Some(parts) = idents(&function.name) else { return ControlFlow::Continue(()) };
        let name = parts.last().map(|ident| ident.value.as_str()).unwrap_or_default();
        let has_arguments = matches!(&function.args, FunctionArguments::List(list) if !list.args.is_empty());
        if parts.len() > 1 {
            self.walk.unknown_function.get_or_insert_with(|| function.name.to_string());
        }
        self.call(name, has_arguments)
    }

    fn call(&mut self, name: &str, has_arguments: bool) -> ControlFlow<Refusal> {
        match functions::nature(name) {
            Nature::Connection => return ControlFlow::Break(functions::refuse_connection(name)),
            Nature::Volatile => _ = self.walk.volatile.get_or_insert_with(|| name.to_ascii_uppercase()),
            Nature::Unknown => _ = self.walk.unknown_function.get_or_insert_with(|| name.to_owned()),
            Nature::Pure | Nature::Aggregate | Nature::Window => {}
        }
        if functions::is_one_per_statement(name, has_arguments) {
            self.walk.statement_value.get_or_insert_with(|| name.to_ascii_uppercase());
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Sweep<'_, '_> {
    type Break = Refusal;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refusal> {
        for item in &select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item {
                self.walk.cut_prefix(name, 2);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refusal> {
        match expr {
            Expr::Function(function) => self.function(function),
            // sqlparser takes those without parentheses for columns.
            Expr::Identifier(name) if name.quote_style.is_none() && functions::is_bare_call(&name.value) => {
                self.call(&name.value, false)
            }
            Expr::CompoundIdentifier(parts) => {
                if let [qualifier, table, _] = parts.as_slice()
                    && self.walk.context.vschema.keyspace(&qualifier.value).is_some()
                {
                    self.walk.cut(qualifier, table);
                }
                ControlFlow::Continue(())
            }
            Expr::QualifiedWildcard(name, _) => {
                self.walk.cut_prefix(name, 2);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Walk<'_> {
    /// Cuts the keyspace of a name that has one more part than `plain`.
    pub(super) fn cut_prefix(&mut self, name: &ObjectName, full: usize) {
        let Some(parts) = idents(name) else { return };
        if parts.len() == full && self.context.vschema.keyspace(&parts[0].value).is_some() {
            self.cut(parts[0], parts[1]);
        }
    }
}
