//! Windows over shards: each shard has all rows of a window, if those that one takes in lie together.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, NamedWindowExpr, Query, Select, SelectItem, Visit, Visitor, WindowSpec, WindowType,
};

use super::functions::{self, Nature};
use super::groups;
use super::walk::{Scope, Walk};

/// Whether all windows that a part of the block, and its list of windows, has look at rows of one shard only.
pub(super) fn stay<V: Visit>(walk: &Walk<'_>, select: &Select, part: &V, scope: &Scope<'_>) -> bool {
    let mut found = Windows::default();
    let _ = part.visit(&mut found);
    let named = select.named_window.iter().map(|window| match &window.1 {
        NamedWindowExpr::NamedWindow(_) => None,
        NamedWindowExpr::WindowSpec(spec) => Some(spec.clone()),
    });
    // An alias may hide a column, or not.
    let hidden = |expr: &Expr| {
        let Expr::Identifier(name) = expr else { return false };
        select.projection.iter().any(|item| match item {
            SelectItem::ExprWithAlias { expr: aliased, alias } => {
                alias.value.eq_ignore_ascii_case(&name.value) && aliased != expr
            }
            _ => false,
        })
    };
    let Some(named) = named.collect::<Option<Vec<WindowSpec>>>() else { return false };
    // A name alone means one of the list, which are looked at all.
    !found.bare
        && found.specs.iter().chain(&named).all(|spec| {
            let base = spec.window_name.as_ref().and_then(|base| {
                let known =
                    select.named_window.iter().position(|window| window.0.value.eq_ignore_ascii_case(&base.value));
                known.map(|known| named[known].partition_by.clone())
            });
            let partition = spec.partition_by.iter().chain(base.iter().flatten()).filter(|key| !hidden(key));
            groups::stay_together(walk, select, partition, scope)
        })
}

/// The windows of a block itself.
#[derive(Default)]
struct Windows {
    depth: usize,
    specs: Vec<WindowSpec>,
    /// A window function without its window.
    bare: bool,
}

impl Windows {
    fn see(&mut self, function: &Function) {
        match &function.over {
            Some(WindowType::WindowSpec(spec)) => self.specs.push(spec.clone()),
            Some(WindowType::NamedWindow(_)) => {}
            None => self.bare |= functions::nature(&function.name.to_string()) == Nature::Window,
        }
    }
}

impl Visitor for Windows {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && self.depth == 0
        {
            self.see(function);
        }
        ControlFlow::Continue(())
    }
}
