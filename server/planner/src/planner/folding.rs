//! Groups that may have rows on several shards: each shard groups its own rows, and the gate folds what it gets.
//!
//! The select list stays as it is, so that its columns are MySQL's own; what folding needs besides is added behind it and
//! hidden. Shards sort by the groups' keys, so that the rows of one group come one after the other: text by its collation, and
//! compared by its WEIGHT_STRING. LIMIT goes to the shards only where a group among the first of all is among the first of each.

use std::sync::Arc;

use sqlparser::ast::{Expr, OrderByExpr, OrderBySort, Select, SelectItem, Value};

use super::calls::{contains_aggregate, contains_query, finds};
use super::clauses::{Clause, Clauses, copy};
use super::columns::{class, plain};
use super::group_keys::GroupKey;
use super::order::{Output, find, number_of, quoted, space_weight};
use super::walk::{Scope, Walk};
use super::{aggregate, groups, having, select as limits, texts};
use crate::plan::{Aggregate, Comparison, Fold, Grouping, MergePlan, Replacement, SortKey, Source, WindowPlan};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

/// What makes rows of several shards one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// GROUP BY
    Keys,
    /// DISTINCT
    AllColumns,
    /// Aggregates without GROUP BY.
    Nothing,
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

/// What tells values of an expression apart.
pub(super) struct Compared {
    pub(super) column: usize,
    pub(super) comparison: Comparison,
    pub(super) class: Option<ColumnClass>,
    /// The plain column that it is: alias and name.
    pub(super) plain: Option<(String, String)>,
    /// As GROUP BY and ORDER BY may name it.
    pub(super) name: String,
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
    if by != By::AllColumns {
        folding.fold_outputs(by)?;
    }
    let keys = match by {
        By::Keys => folding.group_keys(&clauses)?,
        By::AllColumns => folding.all_columns()?,
        By::Nothing => Vec::new(),
    };
    let (sorted, order) = folding.order(order, &keys, by)?;
    let (having, having_stays) = match by {
        // It filters rows, as WHERE does.
        By::AllColumns => (None, true),
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

/// The keys that shards sort by, each with how ORDER BY names it, and the order of the groups if it is another.
type Order = (Vec<(String, SortKey)>, Vec<SortKey>);

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

    /// Which column is compared for an expression, how, and by which name shards group and sort by it; `output` is the column of the
    /// answer that it is, and `text` gives its own text.
    pub(super) fn compared(
        &mut self,
        expr: Option<&Expr>,
        output: Option<usize>,
        text: impl FnOnce(&Self) -> Option<String>,
    ) -> Result<Compared, Refusal> {
        // An alias of the answer may be the name of another column, too.
        let expr = output.map_or(expr, |index| output_expr(self.select, &self.outputs, index));
        let known = output.and_then(|index| self.outputs[index].class.clone());
        let class = known.or_else(|| self.class(expr?));
        let plain = match output {
            Some(index) => self.outputs[index].column.clone(),
            None => expr.and_then(|expr| self.plain(expr)),
        };
        let unnamed = plain.is_none();
        let text = plain.as_ref().map(quoted).or_else(|| text(self));
        let known_text = || text.clone().ok_or_else(|| incomparable("this expression"));
        // What an expression that is not in the answer is sorted by has to have a name: an alias might hide its columns.
        let name = |this: &mut Self, text: String| match output {
            Some(index) => (index + 1).to_string(),
            None if unnamed => {
                let column = this.hide(text, Aggregate::Any, false);
                this.hidden_name(column)
            }
            None => text,
        };
        let (column, comparison, name) = match &class {
            Some(ColumnClass::Text(collation)) => {
                let space = space_weight(collation).ok_or_else(|| {
                    incomparable(&format!("text of the collation {collation}, whose weights are not tested"))
                })?;
                let text = known_text()?;
                let name = name(self, text.clone());
                let one = self.one_of_group(text, unnamed);
                let weight = self.hide(format!("WEIGHT_STRING({one})"), Aggregate::Any, false);
                (weight, Comparison::Weight(space.to_vec()), name)
            }
            Some(ColumnClass::Label) => {
                let column = plain.as_ref().ok_or_else(|| incomparable("an expression of an enum or set"))?;
                let name = name(self, quoted(column));
                (self.hide(number_of(column), Aggregate::Any, false), Comparison::Native, name)
            }
            Some(ColumnClass::Other | ColumnClass::Float) => return Err(incomparable("a column of this type")),
            None if expr.is_some_and(texts::is_digits) => {
                let text = known_text()?;
                let name = name(self, text.clone());
                let one = self.one_of_group(text, unnamed);
                let column = self.hide(format!("CAST({one} AS BINARY)"), Aggregate::Any, false);
                (column, Comparison::Native, name)
            }
            class => {
                let comparison = if class.is_some() { Comparison::Native } else { Comparison::Discrete };
                let exact = matches!(class, Some(ColumnClass::Integer | ColumnClass::Decimal));
                match output {
                    Some(index) => {
                        self.exact[index] |= exact;
                        (index, comparison, (index + 1).to_string())
                    }
                    None => {
                        let text = known_text()?;
                        let column = self.hide(text.clone(), Aggregate::Any, exact);
                        let name = if unnamed { self.hidden_name(column) } else { text };
                        (column, comparison, name)
                    }
                }
            }
        };
        Ok(Compared { column, comparison, class, plain, name })
    }

    /// A group's value of an expression that the groups are made by: MySQL does not see that one of it has one value in a group, too.
    fn one_of_group(&self, text: String, expression: bool) -> String {
        if expression && self.by != By::AllColumns { format!("MIN({text})") } else { text }
    }

    /// The text of a column of the answer without its alias.
    pub(super) fn output_text(&self, index: usize) -> Option<String> {
        let text = self.walk.text;
        let clauses = Clauses::of(text)?;
        let ranges = clauses.columns(text);
        if ranges.len() != self.select.projection.len() || ranges.len() != self.outputs.len() {
            return None;
        }
        let mut range = ranges.into_iter().nth(index)?;
        if let SelectItem::ExprWithAlias { alias, .. } = &self.select.projection[index] {
            let alias = text.start(alias)?;
            let before = text.tokens.iter().rev().filter(|token| token.start < alias);
            range.end = before.skip_while(|token| text.is_word(token, "AS")).map(|token| token.end).next()?;
        }
        (range.start < range.end).then(|| self.copy(range))?
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

    /// How the shards sort, and how the gate does if that is not enough.
    fn order(&mut self, order: &[OrderByExpr], keys: &[GroupKey], by: By) -> Result<Order, Refusal> {
        let mut sorted: Vec<(String, SortKey)> = Vec::with_capacity(keys.len());
        let mut of_groups = Vec::new();
        let mut streams = true;
        // One row has no order.
        let order = if by == By::Nothing { &[] } else { order };
        for wanted in order {
            let descending = matches!(wanted.options.sort, Some(OrderBySort::Desc));
            if is_constant(&wanted.expr) {
                continue;
            }
            let (key, is_group_key) = self.order_key(&wanted.expr, keys, by)?;
            let key = SortKey { descending, ..key };
            streams &= is_group_key.is_some();
            if let Some(index) = is_group_key
                && streams
                && sorted.iter().all(|(_, known)| known.column != key.column)
            {
                sorted.push((keys[index].name.clone(), key.clone()));
            }
            of_groups.push(key);
        }
        if !streams {
            sorted.clear();
        }
        for key in keys {
            if sorted.iter().all(|(_, known)| known.column != key.compared) {
                sorted.push((key.name.clone(), key.sort_key()));
            }
        }
        Ok((sorted, if streams { Vec::new() } else { of_groups }))
    }

    /// An ORDER BY expression as a column of the answer, and which group key it is.
    fn order_key(&mut self, expr: &Expr, keys: &[GroupKey], by: By) -> Result<(SortKey, Option<usize>), Refusal> {
        let position = matches!(expr, Expr::Value(_));
        if let Some(index) = keys.iter().position(|key| !position && key.expr.as_ref() == Some(expr)) {
            return Ok((keys[index].sort_key(), Some(index)));
        }
        let select = self.select;
        let same = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(known) | SelectItem::ExprWithAlias { expr: known, .. } => known == expr,
            _ => false,
        };
        let wildcard = select.projection.iter().any(is_wildcard);
        let equal = select.projection.iter().position(same).filter(|_| !wildcard && !is_name(expr));
        let (output, column, _) = match equal {
            Some(index) => (Some(index), self.outputs[index].column.clone(), None),
            None => find(expr, select, &self.outputs, self.scope)?,
        };
        let is_key =
            |key: &GroupKey| (output.is_some() && key.output == output) || (column.is_some() && key.column == column);
        if let Some(index) = keys.iter().position(is_key) {
            return Ok((keys[index].sort_key(), Some(index)));
        }
        if by == By::AllColumns {
            return Err(Refusal::unsupported(
                "order-by-distinct",
                "DISTINCT over several shards cannot be ordered by this; write GROUP BY in place of DISTINCT",
            ));
        }
        let index = match (output, expr) {
            (Some(index), _) => Some(index),
            (None, Expr::Function(function)) if aggregate::is_one(function) => Some(aggregate::hide(self, function)?),
            (None, _) => None,
        };
        if let Some(index) = index
            && let Some(key) = self.folded_key(index)?
        {
            return Ok((key, None));
        }
        if output.is_none() && column.is_none() {
            return Err(Refusal::unsupported(
                "order-by-type",
                "groups over several shards are ordered by their keys, by aggregates, and by columns of the select list; \
                 order by one of these",
            ));
        }
        let compared = self.compared(Some(expr), output, |this| this.output_text(output?))?;
        Ok((SortKey { column: compared.column, descending: false, comparison: compared.comparison }, None))
    }

    /// How groups are ordered by an aggregate; `None` if the column is none.
    fn folded_key(&mut self, index: usize) -> Result<Option<SortKey>, Refusal> {
        Ok(match &self.folds[index].aggregate {
            Aggregate::Any => None,
            Aggregate::Extreme(key) => Some(key.clone()),
            Aggregate::Concat { .. } => return Err(incomparable("GROUP_CONCAT")),
            _ => Some(SortKey { column: index, descending: false, comparison: Comparison::Native }),
        })
    }

    /// Writes the shards' statement.
    fn edit(
        &mut self,
        clauses: &Clauses,
        sorted: &[(String, SortKey)],
        cut_having: bool,
        limit: Option<&WindowPlan>,
    ) -> Result<(), Refusal> {
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
            Some(window) => limits::limit_shards(self.walk, window),
            // One row for all shards' rows: `sql_select_limit` and LIMIT would cut parts of groups.
            None if !order.is_empty() || clauses.get(Clause::Limit).is_some() => {
                let all = format!(" LIMIT {}", u64::MAX);
                clauses.replace(self.walk, Clause::Limit, Replacement::Text(all.into()));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The text of a part of the statement, to be written again.
    pub(super) fn copy(&self, range: std::ops::Range<usize>) -> Option<String> {
        copy(self.walk, range)
    }

    /// The class of an expression as far as grouping and comparing go.
    pub(super) fn class(&self, expr: &Expr) -> Option<ColumnClass> {
        class(expr, self.scope)
            .or_else(|| aggregate::number(self.walk, expr, self.scope))
            .or_else(|| texts::collation(expr, self.scope).map(ColumnClass::Text))
    }

    /// The plain column that an expression is.
    pub(super) fn plain(&self, expr: &Expr) -> Option<(String, String)> {
        plain(expr, self.scope)
    }

    /// Whether equal values of the expression lie on one shard.
    pub(super) fn stays(&self, expr: &Expr) -> bool {
        groups::stays_together(self.walk, self.select, expr, self.scope)
    }
}

fn direct(name: &str, key: &SortKey) -> String {
    format!("{name}{}", if key.descending { " DESC" } else { "" })
}

/// The expression of a column of the answer, unless `*` stands for it.
fn output_expr<'s>(select: &'s Select, outputs: &[Output], index: usize) -> Option<&'s Expr> {
    match select.projection.get(index)? {
        _ if select.projection.len() != outputs.len() => None,
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
}

fn is_name(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::Value(_))
}

/// Whether it orders nothing: NULL, a text, a number with a point.
fn is_constant(expr: &Expr) -> bool {
    let placeholder = |value: &Value| matches!(value, Value::Placeholder(_));
    matches!(expr, Expr::Value(value) if !placeholder(&value.value) && value.value.to_string().parse::<usize>().is_err())
}

fn names_column(expr: &Expr) -> bool {
    finds(expr, |expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)))
}

pub(super) fn incomparable(what: &str) -> Refusal {
    Refusal::unsupported(
        "group-type",
        format!(
            "groups over several shards cannot be told apart by {what}; group by other columns, or pin the statement to one shard"
        ),
    )
}

fn no_clauses() -> Refusal {
    Refusal::unsupported("group-by", "the clauses of this query cannot be told apart; write them in MySQL's order")
}
