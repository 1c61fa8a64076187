//! The look at every expression of a statement, wherever it stands: what it calls, and which qualifiers it has.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArguments, Select, SelectItem, SelectItemQualifiedWildcardKind, Statement, Visit, Visitor,
};

use super::functions::{self, Nature};
use super::names::idents;
use super::walk::Walk;
use crate::refusal::Refusal;

impl<'a> Walk<'a> {
    /// Cuts the qualifiers of columns and looks at every function and variable.
    pub(super) fn sweep(&mut self, statement: &Statement) -> Result<(), Refusal> {
        let mut sweep = Sweep { walk: self };
        match statement.visit(&mut sweep) {
            ControlFlow::Break(refusal) => Err(refusal),
            ControlFlow::Continue(()) => Ok(()),
        }
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
            self.walk.individual = true;
            self.walk.unknown_function.get_or_insert_with(|| function.name.to_string());
        }
        self.call(name, has_arguments)
    }

    fn call(&mut self, name: &str, has_arguments: bool) -> ControlFlow<Refusal> {
        self.walk.individual |= !functions::is_same_for_all(name);
        match functions::nature(name) {
            Nature::Connection => return ControlFlow::Break(functions::refuse_connection(name)),
            Nature::Volatile => {
                self.walk.volatile.get_or_insert_with(|| name.to_ascii_uppercase());
                if !functions::is_of_clock(name) {
                    self.walk.chance.get_or_insert_with(|| name.to_ascii_uppercase());
                }
            }
            Nature::Unknown => _ = self.walk.unknown_function.get_or_insert_with(|| name.to_owned()),
            Nature::Pure | Nature::Aggregate | Nature::Window => {}
        }
        if functions::is_series(name, has_arguments) {
            self.walk.series.get_or_insert_with(|| name.to_ascii_uppercase());
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
                    && self.walk.is_qualifier(&qualifier.value)
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
