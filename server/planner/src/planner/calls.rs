//! What an expression calls, and what it is made of.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Function, FunctionArguments, Query, SetExpr, Visit, Visitor, visit_expressions};

use super::functions::{self, Nature};
use super::walk::Scope;

/// Aggregates and windows of a block itself, and aggregates of its subqueries.
#[derive(Default)]
pub(super) struct Calls {
    /// The subqueries around, each with whether it has no FROM.
    bare: Vec<bool>,
    pub(super) aggregate: bool,
    pub(super) window: bool,
    /// What aggregates of subqueries qualify their columns with.
    qualifiers: Vec<String>,
    /// An aggregate of a subquery that has no rows of its own.
    rowless: bool,
}

impl Calls {
    /// Whether an aggregate inside a subquery is one of this block: MySQL folds the rows of the block whose columns it names.
    pub(super) fn folds_outside(&self, scope: &Scope<'_>) -> bool {
        let outer = |name: &String| scope.items.iter().any(|item| item.alias.eq_ignore_ascii_case(name));
        self.rowless || self.qualifiers.iter().any(outer)
    }

    fn see(&mut self, function: &Function) {
        let name = function.name.to_string();
        match functions::nature(&name) {
            _ if function.over.is_some() => self.window = true,
            Nature::Window => self.window = true,
            Nature::Aggregate => self.aggregate = true,
            _ => {}
        }
    }

    fn see_inside(&mut self, function: &Function, bare: bool) {
        if function.over.is_some() || functions::nature(&function.name.to_string()) != Nature::Aggregate {
            return;
        }
        self.rowless |= bare;
        let qualifiers = &mut self.qualifiers;
        let _ = sqlparser::ast::visit_expressions(&function.args, |part| {
            if let Expr::CompoundIdentifier(parts) = part
                && let [.., table, _] = parts.as_slice()
            {
                qualifiers.push(table.value.clone());
            }
            ControlFlow::<()>::Continue(())
        });
    }
}

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.bare.push(matches!(&*query.body, SetExpr::Select(select) if select.from.is_empty()));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.bare.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            match self.bare.last() {
                None => self.see(function),
                Some(bare) => self.see_inside(function, *bare),
            }
        }
        ControlFlow::Continue(())
    }
}

/// Whether an expression has an aggregate of its block.
pub(super) fn contains_aggregate(expr: &Expr) -> bool {
    let mut calls = Calls::default();
    let _ = expr.visit(&mut calls);
    calls.aggregate
}

/// Whether an aggregate is the argument of another one, which MySQL does not know. Those of a subquery are its own.
pub(super) fn folds_twice<V: Visit>(part: &V) -> bool {
    let is_one =
        |expr: &Expr| matches!(expr, Expr::Function(function) if function.over.is_none() && is_aggregate(function));
    let any = |part: &FunctionArguments, is: &dyn Fn(&Expr) -> bool| {
        visit_expressions(part, |expr| if is(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            .is_break()
    };
    visit_expressions(part, |expr| match expr {
        Expr::Function(function)
            if is_one(expr) && any(&function.args, &is_one) && !any(&function.args, &contains_query) =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

fn is_aggregate(function: &Function) -> bool {
    functions::nature(&function.name.to_string()) == Nature::Aggregate
}

/// Whether there is a subquery in it.
pub(super) fn contains_query<V: Visit>(part: &V) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    part.visit(&mut Finder).is_break()
}

/// Whether the value of something depends on time or chance.
pub(super) fn is_volatile<V: Visit>(part: &V) -> bool {
    finds(part, |part| match part {
        Expr::Function(function) => functions::nature(&function.name.to_string()) == Nature::Volatile,
        Expr::Identifier(name) => name.quote_style.is_none() && functions::is_bare_call(&name.value),
        _ => false,
    })
}

/// Whether an expression is a call that tells the statement's moment.
pub(super) fn is_clock(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_clock(inner),
        Expr::Function(function) => functions::is_of_clock(&function.name.to_string()),
        Expr::Identifier(name) => {
            let bare = name.quote_style.is_none() && functions::is_bare_call(&name.value);
            bare && functions::is_of_clock(&name.value)
        }
        _ => false,
    }
}

/// Whether there is an expression in it that `wanted` takes.
pub(super) fn finds<V: Visit>(part: &V, wanted: impl Fn(&Expr) -> bool) -> bool {
    struct Finder<F>(F);
    impl<F: Fn(&Expr) -> bool> Visitor for Finder<F> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if (self.0)(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    part.visit(&mut Finder(wanted)).is_break()
}

/// The same, outside its subqueries.
pub(super) fn finds_outside_queries(part: &Expr, wanted: impl Fn(&Expr) -> bool) -> bool {
    struct Outside<F>(usize, F);
    impl<F: Fn(&Expr) -> bool> Visitor for Outside<F> {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if self.0 == 0 && (self.1)(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    part.visit(&mut Outside(0, wanted)).is_break()
}
