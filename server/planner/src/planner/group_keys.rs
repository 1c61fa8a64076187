//! The keys of groups: what GROUP BY and DISTINCT name, and how the gate compares it.

use sqlparser::ast::{Expr, GroupByExpr, Ident, SelectItem};

use super::aggregate::{group_within, within_key};
use super::calls::{contains_aggregate, contains_query, is_volatile};
use super::clauses::{Clause, Clauses};
use super::compared::{Compared, incomparable};
use super::folding::Folding;
use super::order::quoted;
use crate::plan::{Comparison, SortKey};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

/// A column by the alias of its table, and as an expression.
type TableColumn = ((String, String), Expr);

/// One key of the groups.
#[derive(Debug)]
pub(super) struct GroupKey {
    /// The column of the answer that it is.
    pub(super) output: Option<usize>,
    /// The plain column that it is: alias and name.
    pub(super) column: Option<(String, String)>,
    pub(super) class: Option<ColumnClass>,
    /// As GROUP BY has it.
    pub(super) expr: Option<Expr>,
    /// As ORDER BY may name it.
    pub(super) name: String,
    /// What is compared.
    pub(super) compared: usize,
    pub(super) comparison: Comparison,
}

impl GroupKey {
    fn new(output: Option<usize>, expr: Option<Expr>, found: Compared) -> GroupKey {
        let Compared { column, comparison, class, plain, name } = found;
        GroupKey { output, column: plain, class, expr, name, compared: column, comparison }
    }

    pub(super) fn sort_key(&self) -> SortKey {
        SortKey { column: self.compared, descending: false, comparison: self.comparison.clone() }
    }
}

impl Folding<'_, '_, '_> {
    /// The keys of GROUP BY.
    pub(super) fn group_keys(&mut self, clauses: &Clauses) -> Result<Vec<GroupKey>, Refusal> {
        let select = self.select;
        let GroupByExpr::Expressions(keys, modifiers) = &select.group_by else { return Err(unknown()) };
        let texts = clauses.keys(self.walk.text, Clause::GroupBy);
        if !modifiers.is_empty() || texts.len() != keys.len() {
            return Err(Refusal::unsupported(
                "group-by",
                "GROUP BY WITH ROLLUP over several shards is not supported yet; pin the statement to one shard by its sharding column",
            ));
        }
        let mut found = Vec::with_capacity(keys.len());
        for (key, text) in keys.iter().zip(texts) {
            found.push(self.group_key(key, text)?);
        }
        Ok(found)
    }

    /// DISTINCT: every column of the answer is a key.
    pub(super) fn all_columns(&mut self) -> Result<Vec<GroupKey>, Refusal> {
        let exprs: Vec<Option<&Expr>> = if self.select.projection.len() == self.outputs.len() {
            self.select.projection.iter().map(expression).collect()
        } else {
            vec![None; self.outputs.len()]
        };
        let mut keys = Vec::with_capacity(exprs.len());
        for (index, expr) in exprs.into_iter().enumerate() {
            if expr.is_some_and(|expr| contains_query(expr) || is_volatile(expr)) {
                return Err(incomparable("subqueries, time or chance"));
            }
            let found = self.compared(expr, Some(index), |this| this.output_text(index))?;
            keys.push(GroupKey::new(Some(index), expr.cloned(), found));
        }
        Ok(keys)
    }

    /// Rows of the only table: every column of it is a key.
    pub(super) fn all_of_table(&mut self) -> Result<Vec<GroupKey>, Refusal> {
        let mut keys = Vec::new();
        for (column, expr) in self.table_columns()? {
            let output = self.outputs.iter().position(|output| output.column.as_ref() == Some(&column));
            let found = self.compared(Some(&expr), output, |_| Some(quoted(&column)))?;
            keys.push(GroupKey::new(output, Some(expr), found));
        }
        Ok(keys)
    }

    /// Aggregates over rows that come from several shards each: shards group by all columns, so that each row counts once.
    pub(super) fn within_rows(&mut self) -> Result<(), Refusal> {
        let mut within = Vec::new();
        for (column, expr) in self.table_columns()? {
            within.push(within_key(self, &expr, || Some(quoted(&column)), false)?);
        }
        group_within(self, within)
    }

    /// The columns of the only table.
    fn table_columns(&self) -> Result<Vec<TableColumn>, Refusal> {
        let [item] = self.scope.items.as_slice() else { return Err(incomparable("rows of several tables")) };
        let schema =
            item.schema.ok_or_else(|| incomparable("columns without a name; give aliases in the derived table"))?;
        let column = |name: &String| {
            let expr = Expr::CompoundIdentifier(vec![Ident::new(&item.alias), Ident::new(name)]);
            ((item.alias.clone(), name.clone()), expr)
        };
        Ok(schema.columns.iter().map(|known| column(&known.name)).collect())
    }

    fn group_key(&mut self, key: &Expr, text: std::ops::Range<usize>) -> Result<GroupKey, Refusal> {
        match key {
            Expr::Nested(inner) => return self.group_key(inner, text),
            Expr::Value(value) => {
                let position = value.value.to_string().parse::<usize>().ok();
                let index = position.and_then(|position| position.checked_sub(1));
                let index = index.filter(|index| *index < self.outputs.len()).ok_or_else(unknown)?;
                let expr = self.select.projection.get(index).and_then(expression);
                return self.key_of_output(index, expr);
            }
            Expr::Identifier(name) => {
                let is_column = self
                    .scope
                    .items
                    .iter()
                    .any(|item| item.schema.is_none_or(|schema| schema.column(&name.value).is_some()));
                let alias = self.select.projection.iter().position(|item| {
                    matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value.eq_ignore_ascii_case(&name.value))
                });
                if let Some(index) = alias {
                    let column = self.plain(key);
                    // A column of a table comes before an alias; either way only if it is clear which is meant.
                    if is_column && (column.is_none() || self.outputs[index].column != column) {
                        return Err(Refusal::unsupported(
                            "group-by",
                            format!(
                                "`{}` in GROUP BY is both a column and an alias; write the table before it",
                                name.value
                            ),
                        ));
                    }
                    let expr = self.select.projection.get(index).and_then(expression);
                    return self.key_of_output(index, expr);
                }
            }
            _ => {}
        }
        if contains_aggregate(key) || contains_query(key) || is_volatile(key) {
            return Err(incomparable("aggregates, subqueries, time or chance"));
        }
        let column = self.plain(key);
        let select = self.select;
        let same = |item: &SelectItem| expression(item) == Some(key);
        let output = match &column {
            Some(column) => self.outputs.iter().position(|output| output.column.as_ref() == Some(column)),
            None if select.projection.len() == self.outputs.len() => select.projection.iter().position(same),
            None => None,
        };
        if let Some(index) = output {
            return Ok(GroupKey { expr: Some(key.clone()), ..self.key_of_output(index, Some(key))? });
        }
        let found = self.compared(Some(key), None, |this| this.copy(text))?;
        Ok(GroupKey::new(None, Some(key.clone()), found))
    }

    /// A column of the answer as a key; `expr` is what the select list has there.
    fn key_of_output(&mut self, index: usize, expr: Option<&Expr>) -> Result<GroupKey, Refusal> {
        if let Some(expr) = expr.filter(|expr| contains_aggregate(expr)) {
            return Err(Refusal::invalid("group-by", format!("can't group on '{expr}'")).with_errno(1056, "42000"));
        }
        if expr.is_some_and(|expr| contains_query(expr) || is_volatile(expr)) {
            return Err(incomparable("subqueries, time or chance"));
        }
        let found = self.compared(expr, Some(index), |this| this.output_text(index))?;
        Ok(GroupKey::new(Some(index), expr.cloned(), found))
    }
}

fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

fn unknown() -> Refusal {
    Refusal::unsupported(
        "group-by",
        "GROUP BY over several shards takes columns, expressions, and numbers of columns of the answer",
    )
}
