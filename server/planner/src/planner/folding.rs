//! Groups that may have rows on several shards: each shard groups its own rows, and the gate folds what it gets.
//!
//! The select list stays as it is, so that its columns are MySQL's own; what folding needs besides is added behind it and
//! hidden. Shards sort by the groups' keys, so that the rows of one group come one after the other: text by its collation, and
//! compared by its WEIGHT_STRING. LIMIT goes to the shards only where a group among the first of all is among the first of each.

use std::sync::Arc;

use sqlparser::ast::{Expr, OrderByExpr, Select, SelectItem};

use super::calls::{contains_aggregate, contains_query, finds};
use super::clauses::{Clause, Clauses};
use super::group_keys::GroupKey;
use super::order::Output;
use super::walk::{Scope, Walk};
use super::{aggregate, groups, having, row_limit};
use crate::plan::{Aggregate, Comparison, Fold, Grouping, MergePlan, Replacement, SortKey, Source, WindowPlan};
use crate::refusal::Refusal;

/// What makes rows of several shards one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// GROUP BY
    Keys,
    /// DISTINCT
    AllColumns,
    /// Aggregates without GROUP BY.
    Nothing,
    /// Rows of a derived table, which are distinct there, but come from several shards each.
    Rows,
}

/// A merge of groups in the making.
pub(super) struct Folding<'w, 's, 'a> {
    pub(super) walk: &'w mut Walk<'a>,
    pub(super) select: &'s Select,
    pub(super) scope: &'s Scope<'a>,
    pub(super) outputs: Vec<Output>,
    pub(super) by: By,
    /// One for each column of the answer, those of `added` last.
    pub(super) folds: Vec<Fold>,
    /// Whether a column is proved to be integers or decimals.
    pub(super) exact: Vec<bool>,
    /// Expressions behind the select list.
    pub(super) added: Vec<String>,
    /// By what the shards group besides, for aggregates that look at each value once or in order.
    pub(super) within: Vec<Within>,
    /// What the merge computes and compares with.
    pub(super) values: Vec<Source>,
    /// An aggregate over distinct values, each of which lies on one shard.
    pub(super) apart: bool,
}

/// A key of the rows within a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Within {
    /// As GROUP BY and ORDER BY name it.
    pub(super) name: String,
    pub(super) key: SortKey,
}

/// The merge of a block whose groups may have rows on several shards.
pub(super) fn plan<'a>(
    walk: &mut Walk<'a>,
    select: &Select,
    scope: &Scope<'a>,
    order: &[OrderByExpr],
    window: WindowPlan,
    by: By,
) -> Result<MergePlan, Refusal> {
    let clauses = Clauses::of(walk.text).ok_or_else(no_clauses)?;
    let outputs = super::order::outputs(walk, select, scope)?;
    let count = outputs.len();
    let any = Fold::of(Aggregate::Any);
    let mut folding = Folding {
        walk,
        select,
        scope,
        outputs,
        by,
        folds: vec![any; count],
        exact: vec![false; count],
        added: Vec::new(),
        within: Vec::new(),
        values: Vec::new(),
        apart: false,
    };
    let repeats_rows = scope.items.iter().any(|item| item.repeats);
    if matches!(by, By::Keys | By::Nothing) {
        if repeats_rows {
            folding.within_rows()?;
        }
        folding.fold_outputs(by)?;
    }
    let keys = match by {
        By::Keys => folding.group_keys(&clauses)?,
        By::AllColumns => folding.all_columns()?,
        By::Rows => folding.all_of_table()?,
        By::Nothing => Vec::new(),
    };
    let (sorted, order) = folding.order(&clauses, order, &keys, by)?;
    let (having, having_stays) = match by {
        // It filters rows, as WHERE does.
        By::AllColumns | By::Rows => (None, true),
        _ => having::plan(&mut folding, &keys)?,
    };
    if folding.apart && !folding.within.is_empty() {
        return Err(Refusal::unsupported(
            "aggregate-distinct",
            "aggregates over DISTINCT values of the sharding column and of others together are not supported over several \
             shards; ask for them in two statements",
        ));
    }
    // Weights tell values apart that DISTINCT takes for equal, where the collation pads.
    let padded = |key: &GroupKey| matches!(&key.comparison, Comparison::Weight(space) if !space.is_empty());
    let repeats = by == By::AllColumns && keys.iter().any(padded);
    let within = !folding.within.is_empty();
    let limited = by != By::Nothing && order.is_empty() && having.is_none() && !within && !repeats;
    folding.edit(&clauses, &sorted, !having_stays, limited.then_some(&window))?;
    // What several shards give of one row counts once.
    folding.folds.iter_mut().for_each(|fold| fold.distinct |= repeats_rows);
    let mut sort_keys: Vec<SortKey> = sorted.into_iter().map(|(_, key)| key).collect();
    let group_keys = sort_keys.len();
    sort_keys.extend(folding.within.into_iter().map(|within| within.key));
    let grouping = Grouping {
        keys: sort_keys,
        group_keys,
        whole: by == By::Nothing,
        hidden_columns: folding.added.len(),
        folds: folding.folds,
        having,
        order,
    };
    Ok(MergePlan::Group { grouping: Arc::new(grouping), values: folding.values, window })
}

impl Folding<'_, '_, '_> {
    /// A column behind the select list; the same text once.
    pub(super) fn hide(&mut self, text: String, aggregate: Aggregate, exact: bool) -> usize {
        let shown = self.outputs.len();
        if let Some(known) = self.added.iter().position(|known| *known == text) {
            return shown + known;
        }
        self.added.push(text);
        self.folds.push(Fold::of(aggregate));
        self.exact.push(exact);
        shown + self.added.len() - 1
    }

    /// The name of a hidden column.
    pub(super) fn hidden_name(&self, column: usize) -> String {
        format!("`vitrail${}`", column - self.outputs.len())
    }

    fn fold_outputs(&mut self, by: By) -> Result<(), Refusal> {
        let select = self.select;
        if select.projection.len() != self.outputs.len() || select.projection.iter().any(is_wildcard) {
            return Err(Refusal::unsupported(
                "aggregate-expression",
                "`*` beside groups over several shards is not supported; write the columns",
            ));
        }
        for (index, item) in select.projection.iter().enumerate() {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { continue };
            match expr {
                Expr::Function(function) if aggregate::is_one(function) => {
                    let (fold, exact) = aggregate::fold(self, function, index)?;
                    (self.folds[index], self.exact[index]) = (fold, exact);
                }
                expr if contains_query(expr) => return Err(aggregate::mixed()),
                expr if contains_aggregate(expr) => {
                    let operand = having::computed(self, expr)?;
                    self.exact[index] = !operand.divides();
                    self.folds[index] = Fold::of(Aggregate::Computed(operand));
                }
                // Without GROUP BY a shard without rows has no value of a column.
                expr if by == By::Nothing && names_column(expr) => return Err(aggregate::mixed()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes the shards' statement.
    fn edit(
        &mut self,
        clauses: &Clauses,
        sorted: &[(String, SortKey)],
        cut_having: bool,
        limit: Option<&WindowPlan>,
    ) -> Result<(), Refusal> {
        self.walk.added.clone_from(&self.added);
        if !self.added.is_empty() {
            let columns: String =
                self.added.iter().enumerate().map(|(index, text)| format!(", {text} AS `vitrail${index}`")).collect();
            clauses.select(self.walk, &format!("{columns} "));
        }
        let within: Vec<String> = self.within.iter().map(|within| within.name.clone()).collect();
        if !within.is_empty() {
            let names = within.join(", ");
            match clauses.get(Clause::GroupBy) {
                Some(_) => clauses.append(self.walk, Clause::GroupBy, &format!(", {names}")),
                None => {
                    clauses.replace(self.walk, Clause::GroupBy, Replacement::Text(format!(" GROUP BY {names}").into()))
                }
            }
        }
        if cut_having && clauses.get(Clause::Having).is_some() {
            clauses.replace(self.walk, Clause::Having, Replacement::Without("HAVING"));
        }
        let mut order: Vec<String> = sorted.iter().map(|(name, key)| direct(name, key)).collect();
        order.extend(self.within.iter().map(|within| direct(&within.name, &within.key)));
        if !order.is_empty() {
            let text = format!(" ORDER BY {}", order.join(", "));
            clauses.replace(self.walk, Clause::OrderBy, Replacement::Text(text.into()));
        }
        match limit {
            _ if self.walk.joined => Ok(()),
            Some(window) => row_limit::ask_shards(self.walk, window),
            // One row for all shards' rows: `sql_select_limit` and LIMIT would cut parts of groups.
            None if !order.is_empty() || clauses.get(Clause::Limit).is_some() => {
                let all = row_limit::words(self.walk.text, clauses.get(Clause::Limit), u64::MAX);
                clauses.replace(self.walk, Clause::Limit, Replacement::Text(all.into()));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether equal values of the expressions lie on one shard.
    pub(super) fn stay<'e>(&self, exprs: impl Iterator<Item = &'e Expr>) -> bool {
        groups::stay_together(self.walk, self.select, exprs, self.scope)
    }
}

fn direct(name: &str, key: &SortKey) -> String {
    format!("{name}{}", if key.descending { " DESC" } else { "" })
}

pub(super) fn is_wildcard(item: &SelectItem) -> bool {
    !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
}

fn names_column(expr: &Expr) -> bool {
    finds(expr, |expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)))
}

fn no_clauses() -> Refusal {
    Refusal::unsupported("group-by", "the clauses of this query cannot be told apart; write them in MySQL's order")
}
