//! What each column of the answer is for one joined row: an expression of one side, where the statement may fold those of many rows.

use sqlparser::ast::{Expr, Function, Select, SelectItem, Statement, Visit, Visitor};
use std::ops::ControlFlow;
use vitrail_sql::normalise::normalise;
use vitrail_sql::parse::parse;

use super::{Building, refuse};
use crate::plan::{Aggregate, Fold, MergePlan, Pick};
use crate::planner::call_text::{arguments, call_range};
use crate::planner::calls::contains_query;
use crate::planner::compared::item_text;
use crate::planner::names::idents;
use crate::planner::order::{self, quoted};
use crate::planner::text::Text;
use crate::planner::{aggregate, numbers};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

impl Building<'_, '_, '_> {
    /// Where the columns of the answer come from, hidden ones too.
    pub(super) fn outputs(
        &mut self,
        select: &Select,
        merge: &MergePlan,
        added: &[String],
    ) -> Result<Vec<Pick>, Refusal> {
        let mut texts = self.shown(select)?;
        texts.extend_from_slice(added);
        let any = Fold::of(Aggregate::Any);
        let mut picks = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let fold = match merge {
                MergePlan::Group { grouping, .. } => &grouping.folds[index],
                _ => &any,
            };
            picks.push(self.pick(text, &fold.aggregate)?);
        }
        Ok(picks)
    }

    /// The texts of the select list, with `*` as the columns that it stands for.
    fn shown(&self, select: &Select) -> Result<Vec<String>, Refusal> {
        let outputs = order::outputs(self.walk, select, self.scope)?;
        let plain = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
        let unknown = || refuse("a column of the select list whose text cannot be told");
        if select.projection.iter().all(plain) {
            let text = |index| item_text(self.walk, select, index).ok_or_else(unknown);
            return (0..select.projection.len()).map(text).collect();
        }
        let column = |output: &order::Output| output.column.as_ref().map(quoted);
        let columns: Vec<Option<String>> = outputs.iter().map(column).collect();
        columns.into_iter().map(|column| column.ok_or_else(|| refuse("`*` beside expressions"))).collect()
    }

    fn pick(&mut self, text: &str, aggregate: &Aggregate) -> Result<Pick, Refusal> {
        match aggregate {
            Aggregate::Average { .. } | Aggregate::Computed(_) => return Ok(Pick::Null),
            Aggregate::Variance { .. } => return Err(refuse("deviations and variances")),
            _ => {}
        }
        let unreadable = || refuse("an expression that cannot be read by itself");
        let statement =
            normalise(format!("SELECT {text}").into(), self.walk.text.statement.mode).map_err(|_| unreadable())?;
        let parsed = parse(&statement).map_err(|_| unreadable())?;
        let expr = expression(&parsed.statement).ok_or_else(unreadable)?;
        if contains_query(expr) {
            return Err(refuse("a subquery in the select list"));
        }
        let piece = Text::new(&statement);
        let is_call = |expr: &Expr| matches!(expr, Expr::Function(function) if aggregate::is_one(function));
        let counts = matches!(aggregate, Aggregate::Count);
        let mut calls = Calls(Vec::new());
        let _ = expr.visit(&mut calls);
        // From the last on, so that places remain.
        let mut row = statement.text.to_string();
        let mut summed = None;
        calls.0.sort_by_key(|function| std::cmp::Reverse(start(&piece, function)));
        for function in calls.0 {
            let whole = call_range(&piece, &function).ok_or_else(unreadable)?;
            let args = arguments(&piece, &function).ok_or_else(unreadable)?;
            match args.as_slice() {
                _ if counts
                    && is_call(expr)
                    && statement.text[whole.clone()].trim_end_matches([' ', ')']).ends_with('*') =>
                {
                    return Ok(Pick::One);
                }
                [arg] => {
                    let arg = format!("({})", &statement.text[arg.clone()]);
                    row.replace_range(whole, &arg);
                    summed = first_argument(&function);
                }
                _ => return Err(refuse("an aggregate of several arguments")),
            }
        }
        let mut row = row["SELECT ".len()..].to_owned();
        match aggregate {
            Aggregate::Sum => {
                let exact = summed.and_then(|arg| numbers::number(self.walk, &arg, self.scope));
                if !matches!(exact, Some(ColumnClass::Integer | ColumnClass::Decimal)) {
                    // With all the digits that a FLOAT does not show.
                    row = format!("{row} + 0e0");
                }
            }
            Aggregate::BitAnd | Aggregate::BitOr | Aggregate::BitXor => row = format!("{row} | 0"),
            _ => {}
        }
        let slot = self.column_of(expr, row)?;
        Ok(if counts { Pick::Counted(slot) } else { Pick::Slot(slot) })
    }
}

fn start(text: &Text<'_>, function: &Function) -> Option<usize> {
    text.start(idents(&function.name)?.last()?)
}

fn expression(statement: &Statement) -> Option<&Expr> {
    let Statement::Query(query) = statement else { return None };
    match query.body.as_select()?.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr)] => Some(expr),
        _ => None,
    }
}

fn first_argument(function: &Function) -> Option<Expr> {
    use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    }
}

struct Calls(Vec<Function>);

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && aggregate::is_one(function)
        {
            self.0.push(function.clone());
        }
        ControlFlow::Continue(())
    }
}
