//! The walk over a statement that finds the tables it names, in every block, and what it needs of them.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use sqlparser::ast::{
    Cte, Expr, Function, GroupByExpr, Ident, JoinConstraint, JoinOperator, LockType, NonBlock, ObjectName, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, Visit, Visitor,
};

use vitrail_sql::lexer::TokenKind;

use super::blocks::{Block, Item, column};
use super::references::{By, Change, Reference};
use super::{conditions, limits, refuse};
use crate::plan::quote;
use crate::planner::calls::is_volatile;
use crate::planner::facts::conjuncts;
use crate::planner::functions::{self, Nature};
use crate::planner::names::idents;
use crate::planner::text::Text;
use crate::planner::{PlanContext, Scratch};
use crate::refusal::Refusal;

/// What was found so far.
pub(super) struct Survey<'a> {
    pub(super) context: &'a PlanContext<'a>,
    pub(super) text: &'a Text<'a>,
    scratch: Scratch,
    pub(super) references: Vec<Reference<'a>>,
    pub(super) changes: Vec<Change>,
    ctes: Vec<Named>,
    /// Rows are locked.
    pub(super) locks: bool,
    /// Common columns are not written out: every column may be one.
    pub(super) natural: bool,
    /// How many `*` were found.
    pub(super) wildcards: usize,
    /// How often tables are opened, directly or by a common table expression.
    opened: usize,
}

/// A common table expression in sight.
struct Named {
    cte: Arc<Cte>,
    recursive: bool,
    /// It is being read: a name inside is its own.
    open: bool,
    /// Tables are opened where it is named.
    opens: bool,
    named: bool,
}

/// ON of a join, and the items that it restricts.
pub(super) struct On<'s> {
    condition: &'s Expr,
    restricts: Vec<usize>,
}

impl<'a> Survey<'a> {
    pub(super) fn new(context: &'a PlanContext<'a>, text: &'a Text<'a>, scratch: Scratch) -> Survey<'a> {
        Survey {
            context,
            text,
            scratch,
            references: Vec::new(),
            changes: Vec::new(),
            ctes: Vec::new(),
            locks: false,
            natural: false,
            wildcards: 0,
            opened: 0,
        }
    }

    /// A query, seen from the blocks around it, the nearest first. Gives the block of its SELECT, if it is one.
    pub(super) fn query(&mut self, query: &Query, outer: &[Block]) -> Result<Block, Refusal> {
        let before = self.ctes.len();
        if let Some(with) = &query.with {
            let named = |cte: &Cte| Named {
                cte: Arc::new(cte.clone()),
                recursive: with.recursive,
                open: with.recursive,
                opens: false,
                named: false,
            };
            if with.recursive {
                self.ctes.extend(with.cte_tables.iter().map(named));
            }
            for (number, cte) in with.cte_tables.iter().enumerate() {
                let known = self.opened;
                self.query(&cte.query, outer)?;
                let opens = self.opened > known;
                if with.recursive {
                    let of = &mut self.ctes[before + number];
                    (of.open, of.opens) = (false, opens);
                } else {
                    self.ctes.push(Named { opens, ..named(cte) });
                }
            }
        }
        let first = self.references.len();
        let block = self.body(&query.body, outer)?;
        self.lock(query, &block, first)?;
        if let SetExpr::Select(select) = &*query.body {
            limits::note(self, query, select, &block);
        }
        let mut around = vec![block];
        around.extend_from_slice(outer);
        self.subqueries(&query.order_by, &around)?;
        self.subqueries(&query.limit_clause, &around)?;
        if query.for_clause.is_some() || !query.pipe_operators.is_empty() {
            return Err(refuse("this form of a query"));
        }
        self.ctes.truncate(before);
        Ok(around.swap_remove(0))
    }

    fn body(&mut self, body: &SetExpr, outer: &[Block]) -> Result<Block, Refusal> {
        match body {
            SetExpr::Select(select) => self.select(select, outer),
            SetExpr::Query(query) => self.query(query, outer),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, outer)?;
                self.body(right, outer)?;
                Ok(Block::default())
            }
            SetExpr::Values(values) => {
                self.subqueries(values, outer)?;
                Ok(Block::default())
            }
            _ => Err(refuse("TABLE in place of SELECT")),
        }
    }

    /// Rows that FOR UPDATE or FOR SHARE locks are locked where they are read.
    fn lock(&mut self, query: &Query, block: &Block, first: usize) -> Result<(), Refusal> {
        for lock in &query.locks {
            self.locks = true;
            let words = match (lock.lock_type, lock.nonblock) {
                (LockType::Update, None) => "FOR UPDATE",
                (LockType::Update, Some(NonBlock::Nowait)) => "FOR UPDATE NOWAIT",
                (LockType::Update, Some(NonBlock::SkipLocked)) => "FOR UPDATE SKIP LOCKED",
                (LockType::Share, None) => "LOCK IN SHARE MODE",
                (LockType::Share, Some(NonBlock::Nowait)) => "FOR SHARE NOWAIT",
                (LockType::Share, Some(NonBlock::SkipLocked)) => "FOR SHARE SKIP LOCKED",
            };
            let named = lock.of.as_ref().and_then(|of| idents(of)?.last().map(|ident| ident.value.clone()));
            let of_block: Vec<usize> = match &named {
                // Of UNION, each of its SELECTs.
                None if block.items.is_empty() && !matches!(&*query.body, SetExpr::Select(_)) => {
                    (first..self.references.len()).collect()
                }
                named => block
                    .items
                    .iter()
                    .filter(|item| named.as_ref().is_none_or(|named| item.alias.eq_ignore_ascii_case(named)))
                    .filter_map(|item| item.reference)
                    .collect(),
            };
            for reference in of_block {
                self.references[reference].lock = Some(words);
            }
        }
        Ok(())
    }

    fn select(&mut self, select: &Select, outer: &[Block]) -> Result<Block, Refusal> {
        let mut block = Block::default();
        let mut ons = Vec::new();
        for tables in &select.from {
            self.tables(tables, &mut block, &mut ons, outer)?;
        }
        self.wildcards(select, &block);
        let mut blocks = vec![block];
        blocks.extend_from_slice(outer);
        if !self.text.loose_operators {
            for On { condition, restricts } in &ons {
                for part in conjuncts(condition) {
                    conditions::note(self, part, &blocks, restricts);
                }
            }
            if let Some(condition) = &select.selection {
                let kept = |(number, item): (usize, &Item)| (!item.nullable).then_some(number);
                let restricts: Vec<usize> = blocks[0].items.iter().enumerate().filter_map(kept).collect();
                for part in conjuncts(condition) {
                    conditions::note(self, part, &blocks, &restricts);
                }
            }
        }
        for On { condition, .. } in &ons {
            self.subqueries(*condition, &blocks)?;
        }
        self.subqueries(&select.projection, &blocks)?;
        if let Some(condition) = &select.selection {
            self.condition(condition, &blocks)?;
        }
        self.subqueries(&select.group_by, &blocks)?;
        self.subqueries(&select.having, &blocks)?;
        self.subqueries(&select.named_window, &blocks)?;
        Ok(blocks.swap_remove(0))
    }

    /// All columns are needed of the tables that `*` lists.
    fn wildcards(&mut self, select: &Select, block: &Block) {
        for item in &select.projection {
            let of = match item {
                SelectItem::Wildcard(_) => None,
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    idents(name).and_then(|parts| parts.last().map(|ident| ident.value.clone()))
                }
                SelectItem::QualifiedWildcard(..) => None,
                _ => continue,
            };
            self.wildcards += 1;
            let is = |item: &&Item| of.as_ref().is_none_or(|of| item.alias.eq_ignore_ascii_case(of));
            for reference in block.items.iter().filter(is).filter_map(|item| item.reference) {
                self.references[reference].whole = true;
            }
        }
    }

    /// Adds the tables of one FROM entry to the block.
    pub(super) fn tables<'s>(
        &mut self,
        tables: &'s TableWithJoins,
        block: &mut Block,
        ons: &mut Vec<On<'s>>,
        outer: &[Block],
    ) -> Result<(), Refusal> {
        let first = block.items.len();
        self.factor(&tables.relation, block, ons, outer)?;
        for join in &tables.joins {
            let right = block.items.len();
            self.factor(&join.relation, block, ons, outer)?;
            let (left, right) = (first..right, right..block.items.len());
            let (constraint, restricted, filled) = match &join.join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::CrossJoin(constraint)
                | JoinOperator::StraightJoin(constraint) => (constraint, left.start..right.end, 0..0),
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                    (constraint, right.clone(), right)
                }
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                    (constraint, left.clone(), left)
                }
                _ => return Err(refuse("this form of a join")),
            };
            let restricts = |range: Range<usize>| range.filter(|item| !block.items[*item].nullable).collect();
            match constraint {
                JoinConstraint::On(condition) => ons.push(On { condition, restricts: restricts(restricted) }),
                JoinConstraint::Natural => self.natural = true,
                JoinConstraint::Using(_) | JoinConstraint::None => {}
            }
            for item in filled {
                block.items[item].nullable = true;
            }
        }
        Ok(())
    }

    fn factor<'s>(
        &mut self,
        factor: &'s TableFactor,
        block: &mut Block,
        ons: &mut Vec<On<'s>>,
        outer: &[Block],
    ) -> Result<(), Refusal> {
        let unknown = |alias: Option<&Ident>| Item {
            alias: alias.map(|alias| alias.value.clone()).unwrap_or_default(),
            reference: None,
            nullable: false,
        };
        match factor {
            TableFactor::Table { name, alias, args: None, partitions, version: None, sample: None, .. }
                if partitions.is_empty() =>
            {
                let item = self.table(name, alias.as_ref().map(|alias| &alias.name))?;
                block.items.push(item);
                Ok(())
            }
            TableFactor::Table { args: None, .. } => Err(refuse("PARTITION behind a table")),
            TableFactor::Derived { subquery, alias, lateral, .. } => {
                let mut around = if *lateral { vec![block.clone()] } else { Vec::new() };
                around.extend_from_slice(outer);
                self.query(subquery, &around)?;
                block.items.push(unknown(alias.as_ref().map(|alias| &alias.name)));
                Ok(())
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                if let ([], TableFactor::Table { name, alias, .. }) =
                    (&*table_with_joins.joins, &table_with_joins.relation)
                {
                    self.unwrap(name, alias.as_ref().map(|alias| &alias.name));
                }
                self.tables(table_with_joins, block, ons, outer)
            }
            TableFactor::JsonTable { alias, .. } => {
                block.items.push(unknown(alias.as_ref().map(|alias| &alias.name)));
                Ok(())
            }
            _ => Err(refuse("this form of a table in FROM")),
        }
    }

    /// A table by its name, or a common table expression.
    pub(super) fn table(&mut self, name: &ObjectName, alias: Option<&Ident>) -> Result<Item, Refusal> {
        let parts = idents(name).ok_or_else(|| refuse("a name of a table that is not plain"))?;
        let (qualifier, last) = match parts.as_slice() {
            [table] => (None, *table),
            [qualifier, table] => (Some(*qualifier), *table),
            _ => return Err(Refusal::invalid("table-name", format!("`{name}` is no name of a table"))),
        };
        let item = |reference| Item { alias: alias.unwrap_or(last).value.clone(), reference, nullable: false };
        let bytes = self.bytes(parts[0], last)?;
        if qualifier.is_none()
            && let Some(number) = self.ctes.iter().rposition(|known| known.cte.alias.name.value == last.value)
        {
            self.named_again(number, bytes, alias)?;
            return Ok(item(None));
        }
        if self.context.temporary.iter().any(|known| known.eq_ignore_ascii_case(&last.value)) {
            return Err(refuse("temporary tables of the session"));
        }
        let named = self.context.table(qualifier.map(|ident| ident.value.as_str()), &last.value)?;
        if named.system {
            return Err(refuse("tables of MySQL's own databases"));
        }
        let keyspace = named.keyspace;
        let known = self.context.schemas.get(&keyspace.name).and_then(|schema| schema.named(&last.value));
        let Some((table, schema)) = known else {
            return Err(refuse("a table whose columns are not known"));
        };
        if schema.view {
            return Err(Refusal::unsupported(
                "view",
                format!("`{table}` is a view, and what lies behind it is not known; read its tables"),
            ));
        }
        self.references.push(Reference {
            keyspace,
            table,
            schema,
            aliased: alias.is_some(),
            conditions: Vec::new(),
            equalities: Vec::new(),
            whole: false,
            empty: false,
            lock: None,
            first: None,
        });
        let reference = self.references.len() - 1;
        self.opened += 1;
        self.changes.push(Change { bytes, by: By::Table(reference) });
        Ok(item(Some(reference)))
    }

    /// Where a temporary table can be opened once only, a common table expression that is named again is written there once more.
    fn named_again(&mut self, number: usize, bytes: Range<usize>, alias: Option<&Ident>) -> Result<(), Refusal> {
        let named = &mut self.ctes[number];
        if named.open {
            return Ok(());
        }
        self.opened += usize::from(named.opens);
        let again = std::mem::replace(&mut named.named, true) && named.opens;
        if !again || self.scratch.reopens {
            return Ok(());
        }
        let (cte, recursive) = (Arc::clone(&named.cte), named.recursive);
        let name = &cte.alias.name;
        let place = || {
            let start = self.text.start(name)?;
            let end = self.text.byte(cte.closing_paren_token.0.span.start)? + 1;
            Some(start..end)
        };
        let of_cte = place().ok_or_else(|| refuse("a common table expression whose place is not known"))?;
        if is_volatile(&*cte.query) {
            return Err(refuse("a common table expression of time or chance that is named twice"));
        }
        let changes = std::mem::take(&mut self.changes);
        // Those that follow it are out of its sight, but of WITH RECURSIVE.
        let later = if recursive { Vec::new() } else { self.ctes.split_off(number) };
        if recursive {
            self.ctes[number].open = true;
        }
        let walked = self.query(&cte.query, &[]);
        if recursive {
            self.ctes[number].open = false;
        }
        self.ctes.extend(later);
        let inside = std::mem::replace(&mut self.changes, changes);
        walked?;
        let before = format!("(WITH {}", if recursive { "RECURSIVE " } else { "" });
        let mut after = format!(" SELECT * FROM {})", quote(&name.value));
        if alias.is_none() {
            after.push_str(&format!(" AS {}", quote(&name.value)));
        }
        self.changes.push(Change { bytes, by: By::Again { bytes: of_cte, inside, before, after } });
        Ok(())
    }

    /// Takes the parentheses away that stand around one table: MySQL has none around a query in FROM, which the table may become.
    fn unwrap(&mut self, name: &ObjectName, alias: Option<&Ident>) {
        let places = || {
            let parts = idents(name)?;
            let (start, end) = (self.text.start(parts.first()?)?, self.text.end(alias.or(parts.last().copied())?)?);
            let tokens = &self.text.tokens;
            let first = tokens.iter().position(|token| token.start == start)?;
            let last = tokens.iter().position(|token| token.end == end)?;
            let (open, close) = (tokens.get(first.checked_sub(1)?)?, tokens.get(last + 1)?);
            (open.kind == TokenKind::Open && close.kind == TokenKind::Close)
                .then_some([open.start..open.end, close.start..close.end])
        };
        self.changes.extend(places().into_iter().flatten().map(|bytes| Change { bytes, by: By::Nothing }));
    }

    fn bytes(&self, from: &Ident, to: &Ident) -> Result<Range<usize>, Refusal> {
        match (self.text.start(from), self.text.end(to)) {
            (Some(start), Some(end)) if start < end => Ok(start..end),
            _ => Err(refuse("a table whose place in the text is not known")),
        }
    }

    /// Looks into the subqueries of WHERE.
    pub(super) fn condition(&mut self, condition: &Expr, blocks: &[Block]) -> Result<(), Refusal> {
        let of = |part: &Expr| match part {
            Expr::InSubquery { expr, subquery, negated: false } => {
                Some((std::ptr::from_ref(&**subquery), (**expr).clone()))
            }
            _ => None,
        };
        let members = match self.text.loose_operators {
            true => Vec::new(),
            false => conjuncts(condition).into_iter().filter_map(of).collect(),
        };
        let mut finder = Finder { survey: self, blocks, depth: 0, members };
        match condition.visit(&mut finder) {
            ControlFlow::Break(refusal) => Err(refusal),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// Looks into the subqueries inside any part of a block, and at the functions that it calls.
    pub(super) fn subqueries<V: Visit>(&mut self, part: &V, blocks: &[Block]) -> Result<(), Refusal> {
        let mut finder = Finder { survey: self, blocks, depth: 0, members: Vec::new() };
        match part.visit(&mut finder) {
            ControlFlow::Break(refusal) => Err(refusal),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

struct Finder<'w, 'a> {
    survey: &'w mut Survey<'a>,
    blocks: &'w [Block],
    depth: usize,
    /// What has to be among the rows of a subquery, and where that is.
    members: Vec<(*const Query, Expr)>,
}

impl Finder<'_, '_> {
    /// A subquery whose rows something has to be among.
    fn member(&mut self, query: &Query, inner: Block) {
        let Some((_, outer)) = self.members.iter().find(|(known, _)| std::ptr::eq(*known, query)) else { return };
        let SetExpr::Select(select) = &*query.body else { return };
        let ([SelectItem::UnnamedExpr(listed)] | [SelectItem::ExprWithAlias { expr: listed, .. }]) =
            select.projection.as_slice()
        else {
            return;
        };
        let references = &self.survey.references;
        let Some(outer) = column(outer, self.blocks, references) else { return };
        let Some(listed) = column(listed, std::slice::from_ref(&inner), references) else { return };
        let one_by_one = query.limit_clause.is_none()
            && matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty())
            && select.having.is_none()
            && !inner.items[listed.item].nullable;
        let kept = |(number, item): (usize, &Item)| (!item.nullable).then_some(number);
        let restricts: Vec<usize> = self.blocks[0].items.iter().enumerate().filter_map(kept).collect();
        let (reference, name) = (listed.reference, listed.column.name.clone());
        conditions::member(self.survey, &outer, (reference, &name), &restricts, one_by_one);
    }
}

impl Visitor for Finder<'_, '_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        self.depth += 1;
        if self.depth > 1 {
            return ControlFlow::Continue(());
        }
        match self.survey.query(query, self.blocks) {
            Ok(inner) => {
                self.member(query, inner);
                ControlFlow::Continue(())
            }
            Err(refusal) => ControlFlow::Break(refusal),
        }
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Refusal> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refusal> {
        match expr {
            Expr::MatchAgainst { .. } => ControlFlow::Break(Refusal::unsupported(
                "full-text",
                "full-text search ranks a row by all rows of its table, and they lie on several shards; pin it to one shard",
            )),
            Expr::Function(function) => call(function),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn call(function: &Function) -> ControlFlow<Refusal> {
    let Some(parts) = idents(&function.name) else { return ControlFlow::Continue(()) };
    let name = parts.last().map(|ident| ident.value.as_str()).unwrap_or_default();
    if name.eq_ignore_ascii_case("sleep") {
        return ControlFlow::Break(Refusal::unsupported(
            "sleep",
            "SLEEP() in a query that needs rows of several shards at one place would hold that place; pin it to one shard",
        ));
    }
    match functions::nature(name) {
        Nature::Connection => ControlFlow::Break(functions::refuse_connection(name)),
        Nature::Unknown => ControlFlow::Break(unknown_function(name)),
        _ if parts.len() > 1 => ControlFlow::Break(unknown_function(&function.name.to_string())),
        _ => ControlFlow::Continue(()),
    }
}

fn unknown_function(name: &str) -> Refusal {
    Refusal::unsupported(
        "unknown-function",
        format!("`{name}` is no function of MySQL's own; a stored function would see the tables of one shard only"),
    )
}
