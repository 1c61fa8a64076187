//! HAVING over several shards: left to the shards where a group's keys alone decide, else evaluated on folded groups. Also what the
//! select list computes with aggregates.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value as SqlValue,
    Visit, Visitor,
};

use super::aggregate;
use super::calls::{contains_aggregate, contains_query, is_volatile};
use super::columns::reads_year;
use super::folding::Folding;
use super::group_keys::GroupKey;
use super::numbers::comparator;
use super::order::find;
use super::text::Given;
use crate::plan::{Aggregate, Comparator, Condition, Operand, Source};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;
use vitrail_proto::value::Value;

/// What the gate evaluates, and whether the clause stays in the statement of the shards.
pub(super) fn plan(folding: &mut Folding<'_, '_, '_>, keys: &[GroupKey]) -> Result<(Option<Condition>, bool), Refusal> {
    let Some(having) = &folding.select.having else { return Ok((None, false)) };
    if !folding.walk.text.loose_operators && !is_volatile(having) && is_of_keys(folding, having, keys) {
        return Ok((None, true));
    }
    if folding.walk.text.loose_operators {
        return Err(refuse("`||` as OR, and XOR"));
    }
    let condition = Evaluator { folding, keys, listed: false }.condition(having)?;
    Ok((Some(condition), false))
}

/// What a column of the select list is that computes with aggregates: exact numbers only.
pub(super) fn computed(folding: &mut Folding<'_, '_, '_>, expr: &Expr) -> Result<Operand, Refusal> {
    if folding.walk.text.loose_operators {
        return Err(aggregate::mixed());
    }
    let mut evaluator = Evaluator { folding, keys: &[], listed: true };
    match outermost(expr) {
        Expr::BinaryOp { left, op: BinaryOperator::Divide, right } => {
            let (dividend, divisor) = (Box::new(evaluator.operand(left)?), Box::new(evaluator.operand(right)?));
            let increment = folding.hide("@@div_precision_increment".to_owned(), Aggregate::Any, true);
            Ok(Operand::Divide { dividend, divisor, increment })
        }
        other => evaluator.operand(other),
    }
}

fn outermost(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => outermost(inner),
        other => other,
    }
}

fn refuse(what: &str) -> Refusal {
    Refusal::unsupported(
        "having",
        format!(
            "HAVING over several shards compares aggregates and keys that are integers or decimals with each other and with numbers, joined \
             by AND, OR and NOT; {what} is not supported yet"
        ),
    )
}

/// Whether the condition names only group keys, and all values of one group decide it alike, so that all shards do.
fn is_of_keys(folding: &Folding<'_, '_, '_>, having: &Expr, keys: &[GroupKey]) -> bool {
    !keys.is_empty() && !contains_aggregate(having) && !contains_query(having) && is_alike(folding, having, keys)
}

/// Texts of one group are equal, but not the same: comparing them with other texts gives the same for all, anything else may not.
fn is_alike(folding: &Folding<'_, '_, '_>, condition: &Expr, keys: &[GroupKey]) -> bool {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    let alike = |part: &Expr| is_alike(folding, part, keys);
    let is_text =
        |part: &Expr| matches!(part, Expr::Value(value) if matches!(value.value, SqlValue::SingleQuotedString(_)));
    let is_text_key = |part: &Expr| {
        // In another character set the collation of the comparison may be that of the text.
        let utf8mb4 =
            |class: &ColumnClass| matches!(class, ColumnClass::Text(collation) if collation.starts_with("utf8mb4_"));
        key_of(folding, part, keys).is_some_and(|key| key.column.is_some() && key.class.as_ref().is_some_and(utf8mb4))
    };
    match condition {
        Expr::Nested(inner) => alike(inner),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => alike(expr),
        Expr::BinaryOp { left, op: And | Or, right } => alike(left) && alike(right),
        Expr::BinaryOp { left, op: Eq | NotEq | Lt | LtEq | Gt | GtEq, right }
            if is_text_key(left) && is_text(right) || is_text(left) && is_text_key(right) =>
        {
            true
        }
        Expr::InList { expr, list, .. } if is_text_key(expr) => list.iter().all(is_text),
        Expr::Between { expr, low, high, .. } if is_text_key(expr) => is_text(low) && is_text(high),
        Expr::IsNull(of) | Expr::IsNotNull(of) if is_text_key(of) => true,
        other => other.visit(&mut Names { folding, keys }).is_continue(),
    }
}

struct Names<'n, 'f, 'w, 's, 'a> {
    folding: &'n Folding<'w, 's, 'a>,
    keys: &'f [GroupKey],
}

impl Visitor for Names<'_, '_, '_, '_, '_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            return ControlFlow::Continue(());
        }
        match key_of(self.folding, expr, self.keys).and_then(|key| key.class.as_ref()) {
            Some(
                ColumnClass::Integer
                | ColumnClass::Decimal
                | ColumnClass::Temporal
                | ColumnClass::Binary
                | ColumnClass::Label,
            ) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

/// The group key that a name means, if all ways to read it mean that.
fn key_of<'k>(folding: &Folding<'_, '_, '_>, expr: &Expr, keys: &'k [GroupKey]) -> Option<&'k GroupKey> {
    let column = folding.plain(expr);
    let (output, of_output, _) = find(expr, folding.select, &folding.outputs, folding.scope).ok()?;
    // An alias that hides another column of a table.
    if column.is_some() && column != of_output {
        return None;
    }
    keys.iter().find(|key| (output.is_some() && key.output == output) || (column.is_some() && key.column == column))
}

struct Evaluator<'e, 'k, 'w, 's, 'a> {
    folding: &'e mut Folding<'w, 's, 'a>,
    keys: &'k [GroupKey],
    /// A column of the select list, not a condition.
    listed: bool,
}

impl Evaluator<'_, '_, '_, '_, '_> {
    fn condition(&mut self, expr: &Expr) -> Result<Condition, Refusal> {
        match expr {
            Expr::Nested(inner) => self.condition(inner),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(Condition::Not(Box::new(self.condition(expr)?))),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                Ok(Condition::And(Box::new(self.condition(left)?), Box::new(self.condition(right)?)))
            }
            Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
                Ok(Condition::Or(Box::new(self.condition(left)?), Box::new(self.condition(right)?)))
            }
            Expr::BinaryOp { left, op, right } => {
                let comparator = comparator(op).ok_or_else(|| refuse(&format!("the operator {op}")))?;
                Ok(Condition::Compare(comparator, self.operand(left)?, self.operand(right)?))
            }
            Expr::Between { expr, negated, low, high } => {
                let least = Condition::Compare(Comparator::GreaterOrEqual, self.operand(expr)?, self.operand(low)?);
                let most = Condition::Compare(Comparator::LessOrEqual, self.operand(expr)?, self.operand(high)?);
                Ok(negate(Condition::And(Box::new(least), Box::new(most)), *negated))
            }
            Expr::InList { expr, list, negated } => {
                let of = self.operand(expr)?;
                let mut any: Option<Condition> = None;
                for item in list {
                    let equal = Condition::Compare(Comparator::Equal, of.clone(), self.operand(item)?);
                    any = Some(match any {
                        None => equal,
                        Some(known) => Condition::Or(Box::new(known), Box::new(equal)),
                    });
                }
                any.map(|any| negate(any, *negated)).ok_or_else(|| refuse("an empty list"))
            }
            Expr::IsNull(of) => Ok(Condition::IsNull(self.nullable(of)?)),
            Expr::IsNotNull(of) => Ok(negate(Condition::IsNull(self.nullable(of)?), true)),
            // A number is true if it is not 0.
            other => {
                let operand = self.operand(other)?;
                let zero = self.value(Source::Constant(Value::Int(0)));
                Ok(Condition::Compare(Comparator::NotEqual, operand, zero))
            }
        }
    }

    fn operand(&mut self, expr: &Expr) -> Result<Operand, Refusal> {
        if let Some((source, given)) = self.folding.walk.text.value(expr) {
            let exponent = matches!(&source, Source::Constant(Value::Decimal(text)) if text.contains(['e', 'E']));
            if exponent || !matches!(given, Given::Integer | Given::Null | Given::Bind | Given::Fraction) {
                return Err(self.refuse("a value that is no integer and no decimal"));
            }
            return Ok(self.value(source));
        }
        match expr {
            Expr::Nested(inner) => return self.operand(inner),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                return Ok(Operand::Negate(Box::new(self.operand(expr)?)));
            }
            Expr::BinaryOp { left, op, right } => {
                let (left, right) = (Box::new(self.operand(left)?), Box::new(self.operand(right)?));
                return match op {
                    BinaryOperator::Plus => Ok(Operand::Add(left, right)),
                    BinaryOperator::Minus => Ok(Operand::Subtract(left, right)),
                    BinaryOperator::Multiply => Ok(Operand::Multiply(left, right)),
                    // The flavours round what is computed on at different places.
                    _ => Err(self.refuse(&format!("the operator {op}"))),
                };
            }
            Expr::Function(function) => {
                if let Some((first, second)) = coalesced(function) {
                    return Ok(Operand::Coalesce(Box::new(self.operand(first)?), Box::new(self.operand(second)?)));
                }
            }
            _ => {}
        }
        let column = self.column(expr)?;
        if !self.folding.exact[column] || self.is_average(column) || self.is_year(expr, column) {
            return Err(self.refuse("anything but integers and decimals"));
        }
        Ok(Operand::Column(column))
    }

    /// Whether it is an average that is computed with: MySQL may take more digits of it than it shows.
    fn is_average(&self, column: usize) -> bool {
        self.listed && matches!(self.folding.folds[column].aggregate, Aggregate::Average { .. })
    }

    /// Whether a column, which this expression stands for, is a `year`, or the least or greatest one.
    fn is_year(&self, expr: &Expr, column: usize) -> bool {
        use sqlparser::ast::SelectItem::{ExprWithAlias, UnnamedExpr};
        let reads = |expr: &Expr| match expr {
            Expr::Function(function) if !matches!(&*function.name.to_string().to_ascii_uppercase(), "MIN" | "MAX") => {
                false
            }
            _ => reads_year(expr, self.folding.scope),
        };
        let listed = match self.folding.select.projection.get(column) {
            Some(UnnamedExpr(expr) | ExprWithAlias { expr, .. }) => reads(expr),
            _ => false,
        };
        reads(expr) || listed
    }

    fn value(&mut self, source: Source) -> Operand {
        self.folding.values.push(source);
        Operand::Value(self.folding.values.len() - 1)
    }

    fn refuse(&self, what: &str) -> Refusal {
        if self.listed { aggregate::mixed() } else { refuse(what) }
    }

    fn nullable(&mut self, expr: &Expr) -> Result<Operand, Refusal> {
        self.column(expr).map(Operand::Column)
    }

    /// The folded column that an expression is.
    fn column(&mut self, expr: &Expr) -> Result<usize, Refusal> {
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Function(function) if aggregate::is_one(function) => {
                let same = |item: &sqlparser::ast::SelectItem| match item {
                    sqlparser::ast::SelectItem::UnnamedExpr(known)
                    | sqlparser::ast::SelectItem::ExprWithAlias { expr: known, .. } => known == expr,
                    _ => false,
                };
                // The other columns of the select list are not folded yet.
                match self.folding.select.projection.iter().position(same).filter(|_| !self.listed) {
                    Some(index) => Ok(index),
                    None => aggregate::hide(self.folding, function),
                }
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) if !self.listed => {
                if let Some(key) = key_of(self.folding, expr, self.keys) {
                    return Ok(key.output.unwrap_or(key.compared));
                }
                let plain = self.folding.plain(expr);
                let (output, column, _) = find(expr, self.folding.select, &self.folding.outputs, self.folding.scope)?;
                match output {
                    // An alias of an aggregate that no column is hidden by.
                    Some(index) if plain == column && self.folding.folds[index].aggregate != Aggregate::Any => {
                        Ok(index)
                    }
                    _ => Err(refuse(&format!("`{expr}`"))),
                }
            }
            _ => Err(self.refuse(&format!("`{expr}`"))),
        }
    }
}

/// The two arguments of COALESCE and IFNULL.
fn coalesced(function: &Function) -> Option<(&Expr, &Expr)> {
    let name = function.name.to_string();
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(first)), FunctionArg::Unnamed(FunctionArgExpr::Expr(second))]
            if name.eq_ignore_ascii_case("coalesce") || name.eq_ignore_ascii_case("ifnull") =>
        {
            Some((first, second))
        }
        _ => None,
    }
}

fn negate(condition: Condition, negated: bool) -> Condition {
    if negated { Condition::Not(Box::new(condition)) } else { condition }
}
