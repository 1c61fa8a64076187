//! The tables of a query or a write, by its syntax tree.
//!
//! A name is a common table expression only where MySQL and MariaDB both read it so: behind the expression that it names, and
//! inside it if that is recursive. Everywhere else it is a table.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AssignmentTarget, Delete, Expr, FromTable, ObjectName, Query, SetExpr, Statement, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind, Visit, Visitor,
};
use vitrail_sql::normalise::{Normalised, StatementKind};
use vitrail_sql::parse::parse;

use super::scan::{self, INFORMATION_SCHEMA, is_of_server};
use super::{Needs, Right};
use crate::planner::names::idents;

/// What the statement needs on its tables; `None` if it has no tree, or one with parts that are not understood.
pub(super) fn needs(statement: &Normalised) -> Option<Needs> {
    let parsed = parse(statement).ok()?;
    let kind = statement.kind;
    let expected = match &*parsed.statement {
        Statement::Query(_) => true,
        Statement::Insert(_) => matches!(kind, StatementKind::Insert | StatementKind::Replace),
        Statement::Update(_) => kind == StatementKind::Update,
        Statement::Delete(_) => kind == StatementKind::Delete,
        _ => false,
    };
    if !expected {
        return None;
    }
    let mut tree = Tree::default();
    match parsed.statement.visit(&mut tree) {
        ControlFlow::Break(Unread) => return None,
        ControlFlow::Continue(()) => {}
    }
    // A write whose target was not found is none that is understood.
    if kind != StatementKind::Select && !tree.wrote {
        return None;
    }
    if tree.locks {
        for table in &mut tree.needs.tables {
            if table.right == Right::Read {
                (table.right, table.command) = (Right::Write, "LOCK");
            }
        }
    }
    Some(tree.needs)
}

/// Something that only MySQL understands.
struct Unread;

/// One query that the visit is in.
#[derive(Default)]
struct Frame {
    /// Its common table expressions, in order.
    names: Vec<String>,
    /// So many of them have been visited.
    done: usize,
    recursive: bool,
}

#[derive(Default)]
struct Tree {
    needs: Needs,
    frames: Vec<Frame>,
    /// So many relations come next that were dealt with.
    skip: usize,
    locks: bool,
    wrote: bool,
}

impl Tree {
    fn is_expression(&self, name: &str) -> bool {
        self.frames.iter().any(|frame| {
            let known = frame.done + usize::from(frame.recursive && frame.done < frame.names.len());
            frame.names[..known].iter().any(|known| known == name)
        })
    }

    fn table(&mut self, name: &ObjectName, right: Right, command: &'static str) -> ControlFlow<Unread> {
        let Some(parts) = idents(name) else { return ControlFlow::Break(Unread) };
        match parts.as_slice() {
            [table] => self.needs.add_table(None, &table.value, right, command),
            [keyspace, table] => self.qualified(&keyspace.value, &table.value, right, command),
            _ => return ControlFlow::Break(Unread),
        }
        ControlFlow::Continue(())
    }

    fn qualified(&mut self, keyspace: &str, table: &str, right: Right, command: &'static str) {
        if is_of_server(keyspace) {
            self.needs.add_everything(Right::Admin, command);
        } else if keyspace.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
            self.needs.add_keyspace(right, command);
        } else {
            self.needs.add_table(Some(keyspace), table, right, command);
        }
    }

    fn write(&mut self, name: &ObjectName, command: &'static str) -> ControlFlow<Unread> {
        self.wrote = true;
        self.table(name, Right::Write, command)
    }

    fn update(&mut self, update: &Update) -> ControlFlow<Unread> {
        let mut sources = sources(std::slice::from_ref(&update.table));
        if let Some(UpdateTableFromKind::BeforeSet(more) | UpdateTableFromKind::AfterSet(more)) = &update.from {
            sources.extend(self::sources(more));
        }
        let mut targets = Vec::new();
        let mut certain = true;
        for assignment in &update.assignments {
            let columns = match &assignment.target {
                AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
                AssignmentTarget::Tuple(names) => names,
            };
            for column in columns {
                let parts = idents(column).unwrap_or_default();
                let qualifier = parts.len().checked_sub(2).map(|index| parts[index].value.as_str());
                match qualifier.and_then(|qualifier| sources.iter().find(|source| source.is_called(qualifier))) {
                    Some(source) => targets.push(source.name),
                    None => certain = false,
                }
            }
        }
        if !certain {
            targets = sources.iter().map(|source| source.name).collect();
        }
        targets.into_iter().try_for_each(|name| self.write(name, "UPDATE"))
    }

    fn delete(&mut self, delete: &Delete) -> ControlFlow<Unread> {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let listed = sources(from);
        let (targets, sources): (Vec<&ObjectName>, Vec<Source<'_>>) = match &delete.using {
            Some(using) => {
                // What FROM lists are names of what USING lists.
                self.skip = listed.len();
                (listed.iter().map(|source| source.name).collect(), sources(using))
            }
            None if delete.tables.is_empty() => (listed.iter().map(|source| source.name).collect(), Vec::new()),
            None => (delete.tables.iter().collect(), listed),
        };
        for target in targets {
            let last = idents(target).and_then(|parts| parts.last().map(|last| last.value.as_str()));
            match last.and_then(|last| sources.iter().find(|source| source.is_called(last))) {
                Some(source) => self.write(source.name, "DELETE")?,
                None => {
                    self.write(target, "DELETE")?;
                    sources.iter().try_for_each(|source| self.write(source.name, "DELETE"))?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// `TABLE t`, which is no relation to sqlparser.
    fn body(&mut self, body: &SetExpr) -> ControlFlow<Unread> {
        match body {
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)
            }
            SetExpr::Table(_) | SetExpr::Merge(_) => ControlFlow::Break(Unread),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Visitor for Tree {
    type Break = Unread;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Unread> {
        self.locks |= !query.locks.is_empty();
        let with = query.with.as_ref();
        let names = with.map(|with| with.cte_tables.iter().map(|cte| cte.alias.name.value.clone()).collect());
        self.frames.push(Frame {
            names: names.unwrap_or_default(),
            done: 0,
            recursive: with.is_some_and(|with| with.recursive),
        });
        self.body(&query.body)
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Unread> {
        self.frames.pop();
        // The expressions of a WITH are visited before all else of its query.
        if let Some(outer) = self.frames.last_mut()
            && outer.done < outer.names.len()
        {
            outer.done += 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Unread> {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            Statement::Insert(insert) => match &insert.table {
                TableObject::TableName(name) => {
                    self.write(name, if insert.replace_into { "REPLACE" } else { "INSERT" })
                }
                _ => ControlFlow::Break(Unread),
            },
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            _ => ControlFlow::Break(Unread),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Unread> {
        if self.skip > 0 {
            self.skip -= 1;
            return ControlFlow::Continue(());
        }
        if let Some([name]) = idents(relation).as_deref()
            && self.is_expression(&name.value)
        {
            return ControlFlow::Continue(());
        }
        self.table(relation, Right::Read, "SELECT")
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Unread> {
        match factor {
            TableFactor::Table { args: None, .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::JsonTable { .. } => ControlFlow::Continue(()),
            _ => ControlFlow::Break(Unread),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Unread> {
        if let Expr::Function(function) = expr {
            let Some(parts) = idents(&function.name) else { return ControlFlow::Break(Unread) };
            let Some(name) = parts.last() else { return ControlFlow::Break(Unread) };
            scan::function(&name.value, parts.len() > 1 || name.quote_style.is_some(), &mut self.needs);
        }
        ControlFlow::Continue(())
    }
}

/// A table that FROM, USING or UPDATE lists.
struct Source<'a> {
    name: &'a ObjectName,
    alias: Option<&'a str>,
}

impl Source<'_> {
    /// A target may call it so. Letter case is MySQL's business: a wrong guess finds nothing, and then all count.
    fn is_called(&self, name: &str) -> bool {
        match self.alias {
            Some(alias) => alias == name,
            None => idents(self.name).is_some_and(|parts| parts.last().is_some_and(|last| last.value == name)),
        }
    }
}

fn sources(tables: &[TableWithJoins]) -> Vec<Source<'_>> {
    let mut found = Vec::new();
    for table in tables {
        factor(&table.relation, &mut found);
        for join in &table.joins {
            factor(&join.relation, &mut found);
        }
    }
    found
}

fn factor<'a>(factor: &'a TableFactor, found: &mut Vec<Source<'a>>) {
    match factor {
        TableFactor::Table { name, alias, .. } => {
            found.push(Source { name, alias: alias.as_ref().map(|alias| alias.name.value.as_str()) });
        }
        TableFactor::NestedJoin { table_with_joins, .. } => {
            found.extend(sources(std::slice::from_ref(table_with_joins)))
        }
        _ => {}
    }
}
