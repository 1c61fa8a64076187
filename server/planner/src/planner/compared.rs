//! How values of an expression are told apart over shards: which column the gate compares, and what shards sort by.

use sqlparser::ast::{Expr, Select, SelectItem};

use super::clauses::{Clauses, copy};
use super::columns::{class, plain};
use super::folding::{By, Folding};
use super::numbers;
use super::order::{Output, instant_of, number_of, quoted, space_weight};
use super::texts;
use super::walk::Walk;
use crate::plan::{Aggregate, Comparison};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

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

impl Folding<'_, '_, '_> {
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
            Some(ColumnClass::Timestamp) => {
                let text = known_text()?;
                let name = name(self, text.clone());
                let one = self.one_of_group(text, unnamed);
                (self.hide(instant_of(&one), Aggregate::Any, false), Comparison::Native, name)
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
        if expression && !matches!(self.by, By::AllColumns | By::Rows) { format!("MIN({text})") } else { text }
    }

    /// The text of a column of the answer without its alias.
    pub(super) fn output_text(&self, index: usize) -> Option<String> {
        if self.select.projection.len() != self.outputs.len() {
            return None;
        }
        item_text(self.walk, self.select, index)
    }

    /// The text of a part of the statement, to be written again.
    pub(super) fn copy(&self, range: std::ops::Range<usize>) -> Option<String> {
        copy(self.walk, range)
    }

    /// The class of an expression as far as grouping and comparing go.
    pub(super) fn class(&self, expr: &Expr) -> Option<ColumnClass> {
        class(expr, self.scope)
            .or_else(|| numbers::number(self.walk, expr, self.scope))
            .or_else(|| texts::collation(expr, self.scope).map(ColumnClass::Text))
    }

    /// The plain column that an expression is.
    pub(super) fn plain(&self, expr: &Expr) -> Option<(String, String)> {
        plain(expr, self.scope)
    }
}

/// The text of an item of the select list without its alias.
pub(super) fn item_text(walk: &Walk<'_>, select: &Select, index: usize) -> Option<String> {
    let text = walk.text;
    let ranges = Clauses::of(text)?.columns(text);
    if ranges.len() != select.projection.len() {
        return None;
    }
    let mut range = ranges.into_iter().nth(index)?;
    if let SelectItem::ExprWithAlias { alias, .. } = &select.projection[index] {
        let alias = text.start(alias)?;
        let before = text.tokens.iter().rev().filter(|token| token.start < alias);
        range.end = before.skip_while(|token| text.is_word(token, "AS")).map(|token| token.end).next()?;
    }
    (range.start < range.end).then(|| copy(walk, range))?
}

/// The refusal of what cannot be told apart.
pub(super) fn incomparable(what: &str) -> Refusal {
    Refusal::unsupported(
        "group-type",
        format!(
            "groups over several shards cannot be told apart by {what}; group by other columns, or pin the statement to one shard"
        ),
    )
}

/// The expression of a column of the answer, unless `*` stands for it.
fn output_expr<'s>(select: &'s Select, outputs: &[Output], index: usize) -> Option<&'s Expr> {
    match select.projection.get(index)? {
        _ if select.projection.len() != outputs.len() => None,
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}
