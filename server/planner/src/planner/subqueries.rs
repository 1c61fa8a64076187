//! Subqueries inside the parts of a block, each handed to the walk once.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Visit, Visitor};

use super::walk::{Scope, Walk};
use crate::refusal::Refusal;

impl<'a> Walk<'a> {
    /// Walks the subqueries inside any part of a block.
    pub(super) fn subqueries<V: Visit>(
        &mut self,
        part: &V,
        scope: &Scope<'a>,
        outer: &[Scope<'a>],
    ) -> Result<(), Refusal> {
        let mut around = vec![scope.clone()];
        around.extend_from_slice(outer);
        let mut finder = SubqueryFinder { walk: self, around: &around, depth: 0, tested: Vec::new() };
        match part.visit(&mut finder) {
            ControlFlow::Break(refusal) => Err(refusal),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

/// Hands the outermost queries inside a part of a block to the walk.
struct SubqueryFinder<'w, 'a> {
    walk: &'w mut Walk<'a>,
    around: &'w [Scope<'a>],
    depth: usize,
    /// What is tested for being among the rows of a subquery, and where that is.
    tested: Vec<(*const Query, Expr)>,
}

impl Visitor for SubqueryFinder<'_, '_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        self.depth += 1;
        if self.depth > 1 {
            return ControlFlow::Continue(());
        }
        match self.walk.query(query, self.around) {
            Err(refusal) => return ControlFlow::Break(refusal),
            Ok(inner) => {
                if let Some((_, expr)) = self.tested.iter().find(|(subquery, _)| std::ptr::eq(*subquery, query)) {
                    self.walk.is_member(expr, query, &inner, self.around);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refusal> {
        if let Expr::InSubquery { expr, subquery, .. } = expr
            && self.depth == 0
        {
            self.tested.push((std::ptr::from_ref(&**subquery), (**expr).clone()));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Refusal> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}
