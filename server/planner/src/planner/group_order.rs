//! ORDER BY of groups over shards: they stream in the order of their keys, and are sorted anew in any other.

use std::ops::Range;

use sqlparser::ast::{Expr, OrderByExpr, OrderBySort, SelectItem, Value};

use super::aggregate;
use super::calls::{contains_aggregate, contains_query, finds, is_volatile};
use super::clauses::{Clause, Clauses};
use super::compared::incomparable;
use super::folding::{By, Folding, is_wildcard};
use super::group_keys::GroupKey;
use super::having;
use super::order::find;
use crate::plan::{Aggregate, Comparison, SortKey};
use crate::refusal::Refusal;

/// The keys that shards sort by, each with how ORDER BY names it, and the order of the groups if it is another.
pub(super) type Order = (Vec<(String, SortKey)>, Vec<SortKey>);

impl Folding<'_, '_, '_> {
    /// How the shards sort, and how the gate does if that is not enough.
    pub(super) fn order(
        &mut self,
        clauses: &Clauses,
        order: &[OrderByExpr],
        keys: &[GroupKey],
        by: By,
    ) -> Result<Order, Refusal> {
        let mut sorted: Vec<(String, SortKey)> = Vec::with_capacity(keys.len());
        let mut of_groups = Vec::new();
        let mut streams = true;
        // One row has no order.
        let order = if by == By::Nothing { &[] } else { order };
        let texts = clauses.keys(self.walk.text, Clause::OrderBy);
        for (number, wanted) in order.iter().enumerate() {
            let descending = matches!(wanted.options.sort, Some(OrderBySort::Desc));
            if is_constant(&wanted.expr) {
                continue;
            }
            let (key, is_group_key) = self.order_key(&wanted.expr, texts.get(number).cloned(), keys, by)?;
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
    fn order_key(
        &mut self,
        expr: &Expr,
        text: Option<Range<usize>>,
        keys: &[GroupKey],
        by: By,
    ) -> Result<(SortKey, Option<usize>), Refusal> {
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
            return self.computed_key(expr, text.and_then(|text| self.copy(text))).map(|key| (key, None));
        }
        let compared = self.compared(Some(expr), output, |this| this.output_text(output?))?;
        Ok((SortKey { column: compared.column, descending: false, comparison: compared.comparison }, None))
    }

    /// An expression that is not in the answer: its text is written there, where an alias does not hide a column, as it does in ORDER BY.
    fn computed_key(&mut self, expr: &Expr, text: Option<String>) -> Result<SortKey, Refusal> {
        let aliased = |part: &Expr| {
            match part {
            Expr::Identifier(name) => self.select.projection.iter().any(|item| {
                matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value.eq_ignore_ascii_case(&name.value))
            }),
            _ => false,
        }
        };
        let Some(text) = text.filter(|_| !finds(expr, aliased) && !contains_query(expr) && !is_volatile(expr)) else {
            return Err(Refusal::unsupported(
                "order-by-type",
                "groups over several shards are ordered by their keys, by aggregates, by columns of the answer, and by expressions of \
                 columns of tables; order by one of these",
            ));
        };
        if contains_aggregate(expr) {
            let operand = having::computed(self, expr)?;
            let column = self.hide(text, Aggregate::Computed(operand), false);
            return Ok(SortKey { column, descending: false, comparison: Comparison::Native });
        }
        let compared = self.compared(Some(expr), None, |_| Some(text))?;
        Ok(SortKey { column: compared.column, descending: false, comparison: compared.comparison })
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
}

fn is_name(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::Value(_))
}

/// Whether it orders nothing: NULL, a text, a number with a point.
pub(super) fn is_constant(expr: &Expr) -> bool {
    let placeholder = |value: &Value| matches!(value, Value::Placeholder(_));
    matches!(expr, Expr::Value(value) if !placeholder(&value.value) && value.value.to_string().parse::<usize>().is_err())
}
