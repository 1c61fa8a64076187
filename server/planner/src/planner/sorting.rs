//! ORDER BY of rows over several shards: each shard sorts its own, and the gate merges them by columns that are compared as MySQL compares
//! what the statement sorts by. What the answer does not have is added behind it.

use std::ops::Range;

use sqlparser::ast::{Expr, OrderByExpr, OrderBySort, Select, SelectItem};

use super::calls::{contains_aggregate, contains_query, finds, is_volatile};
use super::clauses::{Clause, Clauses, copy};
use super::columns::plain;
use super::compared::item_text;
use super::group_order::is_constant;
use super::groups::is_grouped;
use super::names::shared;
use super::order::{Output, find, number_of, outputs, quoted, space_weight};
use super::walk::{Scope, Walk};
use super::{numbers, texts};
use crate::plan::{Comparison, Edit, MergePlan, Replacement, SortKey, WindowPlan};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

/// The merge of sorted answers.
pub(super) fn plan(
    walk: &mut Walk<'_>,
    select: &Select,
    scope: &Scope<'_>,
    order: &[OrderByExpr],
    window: WindowPlan,
) -> Result<MergePlan, Refusal> {
    let outputs = outputs(walk, select, scope)?;
    let ranges = Clauses::of(walk.text).map(|clauses| clauses.keys(walk.text, Clause::OrderBy)).unwrap_or_default();
    let ranges = (ranges.len() == order.len()).then_some(ranges);
    let mut sorting = Sorting { walk, select, scope, outputs, added: Vec::new() };
    let mut keys = Vec::with_capacity(order.len());
    for (number, key) in order.iter().enumerate().filter(|(_, key)| !is_constant(&key.expr)) {
        keys.push(sorting.key(key, ranges.as_ref().map(|ranges| ranges[number].clone()))?);
    }
    let (visible, added) = (sorting.outputs.len(), sorting.added);
    walk.added.clone_from(&added);
    if !added.is_empty() {
        let columns: String =
            added.iter().enumerate().map(|(index, text)| format!(", {text} AS `vitrail${index}`")).collect();
        let from = walk.text.top_level_from().ok_or_else(|| Refusal::invalid("select", "the query has no FROM"))?;
        walk.edits.push(Edit {
            start: walk.text.anchor(from),
            end: walk.text.anchor(from),
            replacement: Replacement::Text(shared(&format!("{columns} "))),
            scatter_only: true,
        });
    }
    Ok(MergePlan::Sort { keys, window, hidden: added.len(), columns: visible + added.len() })
}

struct Sorting<'w, 's, 'a> {
    walk: &'w Walk<'a>,
    select: &'s Select,
    scope: &'s Scope<'a>,
    outputs: Vec<Output>,
    /// Expressions behind the select list.
    added: Vec<String>,
}

impl Sorting<'_, '_, '_> {
    fn key(&mut self, wanted: &OrderByExpr, range: Option<Range<usize>>) -> Result<SortKey, Refusal> {
        let (index, column, class) = find(&wanted.expr, self.select, &self.outputs, self.scope)?;
        let class = match (&column, class) {
            (None, None) => self.expression(&wanted.expr, index).and_then(|expr| self.class(expr)),
            (_, class) => class,
        };
        // A further column tells rows apart that DISTINCT takes for equal, unless it is the weight of one that it looks at, in
        // a collation whose equality is that of the weights.
        let beside_distinct = match (&class, index) {
            _ if self.select.distinct.is_none() => true,
            (Some(ColumnClass::Text(collation)), Some(_)) => space_weight(collation) == Some(&[]),
            // A group of MySQL's may have two instants.
            (Some(ColumnClass::Timestamp), _) => false,
            (class, index) => index.is_some() && class.is_some(),
        };
        if !beside_distinct {
            return Err(Refusal::unsupported(
                "order-by-distinct",
                "DISTINCT over several shards cannot be ordered by this; write GROUP BY in place of DISTINCT",
            ));
        }
        let text = || match (&column, index) {
            (Some(column), _) => Some(quoted(column)),
            (None, Some(index)) => item_text(self.walk, self.select, index),
            (None, None) => self.text(&wanted.expr, range),
        };
        let text =
            || text().ok_or_else(|| unordered("an expression that cannot be read again; order by a plain column"));
        let (shown, hidden, comparison) = match &class {
            Some(ColumnClass::Text(collation)) => {
                let space =
                    space_weight(collation).ok_or_else(|| unordered(&format!("text of the collation {collation}")))?;
                (None, format!("WEIGHT_STRING({})", text()?), Comparison::Weight(space.to_vec()))
            }
            Some(ColumnClass::Label) => {
                let column = column.as_ref().ok_or_else(|| unordered("an expression of an enum or set"))?;
                (None, number_of(column), Comparison::Native)
            }
            Some(ColumnClass::Timestamp) => (None, format!("UNIX_TIMESTAMP({})", text()?), Comparison::Native),
            Some(ColumnClass::Other | ColumnClass::Float) => return Err(unordered("a column of this type")),
            // Where only the answer tells the type.
            None | Some(ColumnClass::Unknown) if index.is_none() => (None, text()?, Comparison::Discrete),
            None | Some(ColumnClass::Unknown) => (index, String::new(), Comparison::Discrete),
            Some(_) if index.is_none() => (None, text()?, Comparison::Native),
            Some(_) => (index, String::new(), Comparison::Native),
        };
        let column = shown.unwrap_or_else(|| {
            self.added.push(hidden);
            self.outputs.len() + self.added.len() - 1
        });
        Ok(SortKey { column, descending: matches!(wanted.options.sort, Some(OrderBySort::Desc)), comparison })
    }

    /// What a key is made of: the column of the answer that it names, or itself.
    fn expression<'e>(&'e self, wanted: &'e Expr, index: Option<usize>) -> Option<&'e Expr> {
        let Some(index) = index else { return Some(wanted) };
        match self.select.projection.get(index).filter(|_| self.select.projection.len() == self.outputs.len())? {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
            _ => None,
        }
    }

    fn class(&self, expr: &Expr) -> Option<ColumnClass> {
        let double = || numbers::is_double(self.walk, expr, self.scope).then_some(ColumnClass::Double);
        numbers::number(self.walk, expr, self.scope)
            .or_else(double)
            .or_else(|| numbers::result_class(self.walk, expr, self.scope))
            .or_else(|| texts::collation(expr, self.scope).map(ColumnClass::Text))
    }

    /// The text of an expression that means in the select list what it means in ORDER BY, where aliases come first.
    fn text(&self, expr: &Expr, range: Option<Range<usize>>) -> Option<String> {
        let aliased = |name: &str| {
            self.select.projection.iter().any(|item| {
                matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value.eq_ignore_ascii_case(name))
            })
        };
        let differs = finds(expr, |part| match part {
            Expr::Identifier(name) => aliased(&name.value) || plain(part, self.scope).is_none(),
            Expr::Function(function) => function.over.is_some(),
            _ => false,
        });
        let folds = contains_aggregate(expr) && !is_grouped(self.select);
        let text = range.filter(|_| !differs && !folds && !contains_query(expr) && !is_volatile(expr))?;
        copy(self.walk, text)
    }
}

fn unordered(what: &str) -> Refusal {
    Refusal::unsupported("order-by-type", format!("ORDER BY over several shards cannot compare {what}"))
}
