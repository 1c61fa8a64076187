//! How the rows that shards give of a query make up its own. A block whose rows are divided over the shards may stand in FROM, or beside
//! others in UNION, without anybody seeing all of its rows at once.

use std::ops::ControlFlow;

use sqlparser::ast::{Distinct, GroupByExpr, Query, Select, SetOperator, SetQuantifier, Visit, Visitor};

use super::answer::{self, Column};
use super::calls::Calls;
use super::placement::Member;
use super::walk::{Item, Scope, Walk};
use super::{groups, windows};

/// What the rows of all shards are to a query's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Rows {
    /// Others.
    #[default]
    Other,
    /// The same, if each is taken once: equal rows may come from several shards.
    Repeated,
    /// Likewise, and no two of its own are equal.
    Distinct,
    /// The same.
    Divided,
}

impl<'a> Walk<'a> {
    /// The rows of a block whose sharded tables are those from `mark` on.
    pub(super) fn rows_of(&self, select: &Select, scope: &Scope<'a>, mark: Member) -> Rows {
        let elsewhere_none = || self.placements.lies_on_one_shard(mark) && is_empty_without_rows(select, scope);
        if scope.items.iter().any(|item| item.repeats) {
            let distinct =
                groups::is_distinct(select) || scope.columns.as_ref().is_some_and(|columns| shows_all(columns, scope));
            return if is_row_by_row(select) && distinct && !reads_windows(select) {
                Rows::Distinct
            } else {
                Rows::Other
            };
        }
        let (whole, distinct) = (is_whole(self, select, scope), groups::is_distinct(select));
        match () {
            () if matches!(select.distinct, Some(Distinct::On(_))) => Rows::Other,
            () if whole && (!distinct || groups::duplicates_stay(self, select, scope)) => Rows::Divided,
            () if elsewhere_none() => Rows::Divided,
            () if whole => Rows::Distinct,
            () => Rows::Other,
        }
    }

    /// The rows of a query whose body has these.
    pub(super) fn rows_of_query(&self, query: &Query, body: Rows, mark: Member) -> Rows {
        let cut = query.limit_clause.is_some() || query.fetch.is_some();
        let whole = body == Rows::Divided && self.placements.lies_on_one_shard(mark);
        if cut && !whole { Rows::Other } else { body }
    }

    /// The rows of two bodies, the tables of which are those from `mark` and from `middle` on, as one.
    pub(super) fn rows_of_both(
        &mut self,
        (op, quantifier): (SetOperator, SetQuantifier),
        (left, right): (&Scope<'a>, &Scope<'a>),
        columns: Option<&[Column<'a>]>,
        (mark, middle): (Member, Member),
    ) -> Rows {
        let known = matches!(quantifier, SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None);
        let least = left.rows.min(right.rows);
        let tables = mark < self.placements.mark();
        let all = quantifier == SetQuantifier::All;
        let one_place = !all && self.placements.share_pins_of_several_columns(mark, middle);
        if !known || least == Rows::Other || one_place || !self.placements.gather(mark, middle) {
            return Rows::Other;
        }
        let one_shard = tables && self.placements.lies_on_one_shard(mark);
        let stay = one_shard || columns.is_some_and(answer::decide_shard);
        match op {
            _ if !tables => Rows::Repeated,
            SetOperator::Union if all && least == Rows::Divided => Rows::Divided,
            SetOperator::Union if all => Rows::Repeated,
            _ if least == Rows::Divided && stay => Rows::Divided,
            SetOperator::Union => Rows::Distinct,
            _ => Rows::Other,
        }
    }

    /// Whether a block without sharded tables, whose subqueries have the same rows on each shard, has so, too.
    pub(super) fn is_same_everywhere(&self, select: &Select, scope: &Scope<'a>) -> bool {
        let constant = self.volatile.is_none() && self.unknown_function.is_none() && !self.individual;
        constant && is_row_by_row(select) && !calls_of(select).folds_outside(scope)
    }
}

/// Whether each row of the block comes from one row of a sharded table, or from a group of them that lies on one shard; but for rows that
/// DISTINCT leaves out.
pub(super) fn is_whole(walk: &Walk<'_>, select: &Select, scope: &Scope<'_>) -> bool {
    let divided = is_row_by_row(select) || groups::groups_stay(walk, select, scope);
    divided
        && select.qualify.is_none()
        && windows::stay(walk, select, &select.projection, scope)
        && !calls_of(select).folds_outside(scope)
        && groups::rows_have_shards(select, scope)
}

/// Whether a block reads one table, and nothing else.
pub(super) fn reads_one_table(select: &Select) -> bool {
    let one = matches!(select.from.as_slice(), [only] if only.joins.is_empty());
    let mut finder = Finder;
    let query = select.projection.visit(&mut finder).is_break()
        || select.selection.visit(&mut finder).is_break()
        || select.group_by.visit(&mut finder).is_break()
        || select.having.visit(&mut finder).is_break();
    one && !query
}

/// Whether the answer has every column of the only table.
fn shows_all(columns: &[Column<'_>], scope: &Scope<'_>) -> bool {
    let [Item { schema: Some(schema), .. }] = scope.items.as_slice() else { return false };
    schema.columns.iter().all(|inner| columns.iter().any(|column| column.is_of.as_deref() == Some(&*inner.name)))
}

fn reads_windows(select: &Select) -> bool {
    calls_of(select).window || !select.named_window.is_empty()
}

struct Finder;

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

/// Whether nothing looks at several rows.
fn is_row_by_row(select: &Select) -> bool {
    let calls = calls_of(select);
    !groups::is_grouped(select) && select.having.is_none() && !calls.aggregate
}

/// Whether the block has no rows where its sharded tables have none.
fn is_empty_without_rows(select: &Select, scope: &Scope<'_>) -> bool {
    let calls = calls_of(select);
    let rolls_up = !matches!(&select.group_by, GroupByExpr::Expressions(_, modifiers) if modifiers.is_empty());
    let sums_nothing = calls.aggregate && !groups::is_grouped(select);
    !rolls_up && !sums_nothing && !calls.folds_outside(scope) && groups::rows_have_shards(select, scope)
}

fn calls_of(select: &Select) -> Calls {
    let mut calls = Calls::default();
    let _ = select.projection.visit(&mut calls);
    let _ = select.having.visit(&mut calls);
    calls
}
