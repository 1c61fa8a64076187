//! Values that an UPDATE gives its rows, and that no shard can work out by itself: they are read with the keys of the rows.

use std::ops::ControlFlow;

use sqlparser::ast::{Assignment, AssignmentTarget, Expr, ObjectName, Query, TableFactor, Visit, Visitor};

use super::super::calls::{contains_query, finds, is_clock};
use super::super::clauses::{Clause, Clauses, bytes, split_tokens};
use super::super::names::idents;
use super::super::targets;
use super::super::text::Text;
use super::super::walk::{Item, Scope};
use super::super::write::last;
use super::{keys, phrase, refuse};
use crate::plan::{Part, set_bind};
use crate::refusal::Refusal;
use crate::schema::{ColumnClass, ColumnSchema};

/// What SET is, once the values are known.
pub(super) struct Assigned {
    /// The expressions that are read.
    pub(super) read: Vec<Vec<Part>>,
    /// The columns that get their values.
    pub(super) columns: Vec<ColumnSchema>,
    /// Behind SET.
    pub(super) set: Vec<Part>,
}

/// Takes SET apart, as far as it is of the table: `own` has these assignments. `joined`: several tables are read. `moved`: columns whose values have to be known, whatever they are made of.
pub(super) fn assigned(
    text: &Text<'_>,
    clauses: &Clauses,
    (assignments, own): (&[Assignment], &[&Assignment]),
    (scope, item): (&Scope<'_>, &Item<'_>),
    joined: bool,
    moved: &[&str],
) -> Result<Assigned, Refusal> {
    let unclear = || refuse("assignments that cannot be told apart");
    let set = clauses.get(Clause::Set).ok_or_else(unclear)?;
    let parts = split_tokens(text, set.start + 1..set.end);
    if parts.len() != assignments.len() {
        return Err(unclear());
    }
    let mut names: Vec<String> = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        let AssignmentTarget::ColumnName(name) = &assignment.target else { return Err(unclear()) };
        names.push(last(name));
    }
    let mut all = Assigned { read: Vec::new(), columns: Vec::new(), set: Vec::new() };
    for (number, (assignment, part)) in assignments.iter().zip(&parts).enumerate() {
        if !own.iter().any(|own| std::ptr::eq(*own, assignment)) {
            continue;
        }
        // The rest of a table's own sees what was set before it. What is set in other tables is read before.
        let changes = |expr: &Expr, name: &str| {
            names.iter().enumerate().any(|(other, set)| {
                let own = || own.iter().any(|own| std::ptr::eq(*own, &assignments[other]));
                let seen = match joined {
                    true => other != number && (own() || item_of(expr, scope).is_none()),
                    false => other < number,
                };
                seen && set.eq_ignore_ascii_case(name) && !(joined && is_of_another(expr, (scope, item)))
            })
        };
        if finds(&assignment.value, |expr| name_of(expr).is_some_and(|name| changes(expr, name))) {
            return Err(refuse("a value of SET that reads a column which SET changes elsewhere"));
        }
        if !all.set.is_empty() {
            all.set.push(phrase(", "));
        }
        let slice = |bytes: std::ops::Range<usize>| Part::Slice(text.anchor(bytes.start), text.anchor(bytes.end));
        let known = moved.iter().any(|column| column.eq_ignore_ascii_case(&names[number]));
        if is_constant(&assignment.value) && !known {
            all.set.push(slice(bytes(text, part).ok_or_else(unclear)?));
            continue;
        }
        let mut depth = 0;
        let equals = part.clone().find(|index| {
            depth += text.nesting(&text.tokens[*index]);
            depth == 0 && matches!(text.str(&text.tokens[*index]), "=" | ":=")
        });
        let value = bytes(text, &(equals.ok_or_else(unclear)? + 1..part.end)).ok_or_else(unclear)?;
        let column = item.schema.and_then(|schema| schema.column(&names[number])).ok_or_else(unclear)?;
        let bind = set_bind(all.columns.len());
        all.set.push(Part::Text(format!("{} = :{bind}", keys::quote(&column.name)).into()));
        // The text of a FLOAT has fewer digits than its value.
        let close = match (is_float(&assignment.value, scope), &column.class) {
            (true, ColumnClass::Float | ColumnClass::Double) => " + 0e0)",
            _ => ")",
        };
        all.read.push(vec![phrase("("), slice(value), phrase(close)]);
        all.columns.push(column.clone());
    }
    Ok(all)
}

/// The item of the scope whose column an expression is, if it is surely one.
fn item_of<'s, 'a>(expr: &Expr, scope: &'s Scope<'a>) -> Option<&'s Item<'a>> {
    let name = match expr {
        Expr::Identifier(name) => ObjectName::from(vec![name.clone()]),
        Expr::CompoundIdentifier(parts) => ObjectName::from(parts.clone()),
        _ => return None,
    };
    let items = targets::of_columns(scope, std::slice::from_ref(&name))?;
    Some(&scope.items[*items.first()?])
}

/// Whether an expression is surely a column of another item than this one.
fn is_of_another(expr: &Expr, (scope, item): (&Scope<'_>, &Item<'_>)) -> bool {
    item_of(expr, scope).is_some_and(|of| !std::ptr::eq(of, item))
}

/// Whether a value is a column of that type, and nothing else.
fn is_float(value: &Expr, scope: &Scope<'_>) -> bool {
    if let Expr::Nested(inner) = value {
        return is_float(inner, scope);
    }
    let column = item_of(value, scope).and_then(|item| item.schema?.column(name_of(value)?));
    column.is_some_and(|column| column.class == ColumnClass::Float)
}

fn name_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Identifier(name) => Some(&name.value),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.as_str()),
        _ => None,
    }
}

/// Whether a value names nothing: DEFAULT, literals, binds, and what is made of them.
pub(in super::super) fn is_constant(value: &Expr) -> bool {
    let default = |name: &str| name.eq_ignore_ascii_case("default");
    let names = |expr: &Expr| !is_clock(expr) && name_of(expr).is_some_and(|name| !default(name));
    !contains_query(value) && !finds(value, names)
}

/// MySQL's error for a table that is written and read by a subquery at once; a refusal where it depends on how MySQL reads it.
pub(super) fn read_and_written<V: Visit>(part: &V, table: &str) -> Result<(), Refusal> {
    judged(part, Reads { table, another_name: true, derived: 0, nested: 0 })
}

/// The same for a value of INSERT, whose subqueries may read the table by another name.
pub(super) fn read_and_inserted<V: Visit>(part: &V, table: &str) -> Result<(), Refusal> {
    judged(part, Reads { table, another_name: false, derived: 0, nested: 0 })
}

fn judged<V: Visit>(part: &V, mut reads: Reads<'_>) -> Result<(), Refusal> {
    let table = reads.table;
    match part.visit(&mut reads) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(true) => Err(refuse("a derived table that reads the table which is written")),
        ControlFlow::Break(false) => {
            let message = format!("You can't specify target table '{table}' for update in FROM clause");
            Err(Refusal::invalid("target-read", message).with_errno(1093, "HY000"))
        }
    }
}

/// Whether a subquery of it reads this table.
pub(super) fn reads<V: Visit>(part: &V, table: &str) -> bool {
    part.visit(&mut Reads { table, another_name: true, derived: 0, nested: 0 }).is_break()
}

struct Reads<'t> {
    table: &'t str,
    /// It counts by whichever name it is read.
    another_name: bool,
    derived: usize,
    nested: usize,
}

impl Visitor for Reads<'_> {
    /// Within a derived table.
    type Break = bool;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<bool> {
        self.nested += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<bool> {
        self.nested -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<bool> {
        let is = |name: &ObjectName| {
            idents(name).and_then(|parts| parts.last().map(|last| last.value.eq_ignore_ascii_case(self.table)))
        };
        let is_named = |name: &str| name.eq_ignore_ascii_case(self.table);
        match factor {
            TableFactor::Derived { .. } => self.derived += 1,
            TableFactor::Table { name, alias, .. }
                if self.nested > 0
                    && is(name) == Some(true)
                    && (self.another_name || alias.as_ref().is_none_or(|alias| is_named(&alias.name.value))) =>
            {
                return ControlFlow::Break(self.derived > 0);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<bool> {
        if matches!(factor, TableFactor::Derived { .. }) {
            self.derived -= 1;
        }
        ControlFlow::Continue(())
    }
}
