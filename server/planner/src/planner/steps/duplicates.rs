//! What ON DUPLICATE KEY UPDATE of an INSERT … SELECT reads of the SELECT: columns that are read beside those that are inserted, and stand as values
//! in their places then.

use std::ops::{ControlFlow, Range};

use sqlparser::ast::{
    Assignment, AssignmentTarget, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, Query, Visit, Visitor,
};

use super::super::order::quoted;
use super::super::text::Text;
use super::super::walk::{Item, Scope};
use super::super::write::last;
use super::phrase;
use crate::plan::{Beside, Insertion, Part};
use crate::schema::{ColumnClass, ColumnSchema, Domain, TableSchema};

/// The tail of the statement, and what it reads.
pub(super) struct Duplicates {
    /// From ON on.
    pub(super) tail: Vec<Part>,
    /// What is read, as the SELECT names it, with what is known of it.
    pub(super) read: Vec<(String, Beside)>,
}

/// The table that is inserted into, and what is read.
pub(super) struct Names<'n, 'a> {
    pub(super) scope: &'n Scope<'a>,
    pub(super) schema: &'n TableSchema,
    pub(super) table: String,
}

/// Takes the tail apart; `None`: it reads something that no value can stand for.
pub(super) fn duplicates(
    text: &Text<'_>,
    names: &Names<'_, '_>,
    assignments: &[Assignment],
    tail: Range<usize>,
) -> Option<Duplicates> {
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    let mut read: Vec<(String, Beside)> = Vec::new();
    for Assignment { target, value } in assignments {
        let mut references = References { names, values: 0, found: Vec::new() };
        if value.visit(&mut references).is_break() {
            return None;
        }
        if references.found.is_empty() {
            continue;
        }
        let AssignmentTarget::ColumnName(target) = target else { return None };
        let whole = plain(value);
        if whole.is_none() && !names.is_carried(value) {
            return None;
        }
        for parts in references.found {
            let (alias, column) = names.of_select(&parts)?;
            let bytes = text.start(parts.first()?)?..text.end(parts.last()?)?;
            let to = match whole {
                Some(_) => Some(names.schema.column(&last(target))?.clone()),
                None => None,
            };
            let bind = Insertion::bind_beside(read.len());
            let put = match (&to, &column.class, column.domain) {
                (None, ColumnClass::Integer, Domain::Integers { least: 0, .. }) => format!("CAST(:{bind} AS UNSIGNED)"),
                (None, ColumnClass::Integer, _) => format!("CAST(:{bind} AS SIGNED)"),
                _ => format!(":{bind}"),
            };
            found.push((bytes, put));
            let name = quoted(&(alias.to_owned(), column.name.clone()));
            read.push((name, Beside { from: column.clone(), to }));
        }
    }
    found.sort_by_key(|(bytes, _)| bytes.start);
    let slice = |bytes: Range<usize>| Part::Slice(text.anchor(bytes.start), text.anchor(bytes.end));
    let (mut parts, mut end) = (Vec::with_capacity(2 * found.len() + 1), tail.start);
    for (bytes, put) in found {
        parts.extend([slice(end..bytes.start), phrase(&put)]);
        end = bytes.end;
    }
    parts.push(slice(end..tail.end));
    Some(Duplicates { tail: parts, read })
}

/// A value that is a column, and nothing else.
fn plain(value: &Expr) -> Option<&Expr> {
    match value {
        Expr::Nested(inner) => plain(inner),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => Some(value),
        _ => None,
    }
}

/// Functions of numbers, and of texts, whose arguments may be values in place of columns.
const OF_NUMBERS: [&str; 7] = ["abs", "coalesce", "greatest", "ifnull", "least", "mod", "values"];
const OF_TEXTS: [&str; 2] = ["concat", "concat_ws"];

impl<'a> Names<'_, 'a> {
    /// The item and the column of the SELECT that a name means; `None`: another, or it is not clear.
    fn of_select(&self, parts: &[Ident]) -> Option<(&str, &'a ColumnSchema)> {
        let mut items: Vec<&Item<'a>> = match parts {
            [_] => self.scope.items.iter().collect(),
            [alias, _] => {
                self.scope.items.iter().filter(|item| item.alias.eq_ignore_ascii_case(&alias.value)).collect()
            }
            _ => return None,
        };
        let name = &parts.last()?.value;
        let qualified = parts.len() == 2;
        let own = if qualified { self.is_table(&parts[0]) } else { self.schema.column(name).is_some() };
        if own || items.iter().any(|item| item.schema.is_none()) {
            return None;
        }
        items.retain(|item| item.schema.is_some_and(|schema| schema.column(name).is_some()));
        match items[..] {
            [item] => Some((&item.alias, item.schema?.column(name)?)),
            _ => None,
        }
    }

    fn is_table(&self, name: &Ident) -> bool {
        name.value.eq_ignore_ascii_case(&self.table)
    }

    fn is_own(&self, parts: &[Ident]) -> bool {
        match parts {
            [column] => {
                let elsewhere =
                    |item: &Item<'_>| item.schema.is_none_or(|schema| schema.column(&column.value).is_some());
                self.schema.column(&column.value).is_some() && !self.scope.items.iter().any(elsewhere)
            }
            [table, _] => {
                let alias = |item: &Item<'_>| item.alias.eq_ignore_ascii_case(&self.table);
                self.is_table(table) && !self.scope.items.iter().any(alias)
            }
            _ => false,
        }
    }

    /// Whether a value with literals in place of columns of the SELECT is the same: these are numbers that are computed with, or texts that are put
    /// together.
    fn is_carried(&self, value: &Expr) -> bool {
        let of_class = |parts: &[Ident], texts: bool| match self.of_select(parts) {
            Some((_, column)) if texts => matches!(column.class, ColumnClass::Text(_)),
            Some((_, column)) => {
                matches!(column.class, ColumnClass::Integer | ColumnClass::Decimal) && column.domain != Domain::Years
            }
            None => true,
        };
        match value {
            Expr::Function(function) => match &*function.name.to_string().to_ascii_lowercase() {
                name if OF_TEXTS.contains(&name) => arguments(function).is_some_and(|mut list| {
                    list.all(|argument| match argument {
                        Expr::Identifier(name) => of_class(std::slice::from_ref(name), true),
                        Expr::CompoundIdentifier(parts) => of_class(parts, true),
                        Expr::Value(_) => true,
                        _ => false,
                    })
                }),
                name if OF_NUMBERS.contains(&name) => {
                    arguments(function).is_some_and(|mut list| list.all(|argument| self.is_carried(argument)))
                }
                _ => false,
            },
            Expr::Identifier(name) => of_class(std::slice::from_ref(name), false),
            Expr::CompoundIdentifier(parts) => of_class(parts, false),
            Expr::Value(_) => true,
            Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => self.is_carried(inner),
            Expr::BinaryOp { left, op, right } => {
                use BinaryOperator as O;
                let computes =
                    matches!(op, O::Plus | O::Minus | O::Multiply | O::Divide | O::Modulo | O::MyIntegerDivide);
                computes && self.is_carried(left) && self.is_carried(right)
            }
            _ => false,
        }
    }
}

fn arguments(function: &Function) -> Option<impl Iterator<Item = &Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let plain = |argument: &FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
    list.args.iter().all(plain).then(|| {
        list.args.iter().filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => Some(argument),
            _ => None,
        })
    })
}

/// Finds the columns of the SELECT; breaks at what is neither one, nor a column of the table that is inserted into, nor VALUES, nor a plain value.
struct References<'n, 'a> {
    names: &'n Names<'n, 'a>,
    /// How many calls of VALUES are around.
    values: usize,
    found: Vec<Vec<Ident>>,
}

impl References<'_, '_> {
    fn is_values(expr: &Expr) -> bool {
        matches!(expr, Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("values"))
    }

    fn see(&mut self, parts: &[Ident]) -> bool {
        if self.names.is_own(parts) {
            return true;
        }
        let found = self.names.of_select(parts).is_some();
        if found {
            self.found.push(parts.to_vec());
        }
        found
    }
}

impl Visitor for References<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let allowed = match expr {
            expr if References::is_values(expr) => {
                self.values += 1;
                true
            }
            _ if self.values > 0 => true,
            Expr::Identifier(name) => name.value.starts_with('@') || self.see(std::slice::from_ref(name)),
            Expr::CompoundIdentifier(parts) => self.see(parts),
            _ => true,
        };
        if allowed { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.values -= usize::from(References::is_values(expr));
        ControlFlow::Continue(())
    }
}
