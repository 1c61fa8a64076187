//! Aggregates over several shards: what is made of each shard's own, and what has to be asked besides.

use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, OrderByExpr, OrderBySort, UnaryOperator, Value as SqlValue,
};

use super::calls::{contains_query, is_volatile};
use super::clauses::{arguments, inner_order};
use super::columns::class;
use super::folding::{Folding, Within};
use super::functions::{self, Nature};
use super::walk::{Scope, Walk};
use crate::plan::{Aggregate, Comparison, Fold, SortKey};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

/// What the answers of an aggregate are, of whatever block: numbers that compare by their own type.
pub(super) fn result_class(walk: &Walk<'_>, expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
    let Expr::Function(function) = expr else { return None };
    let exact = |class| match class {
        ColumnClass::Integer | ColumnClass::Decimal => Some(ColumnClass::Decimal),
        _ => None,
    };
    match &*function.name.to_string().to_ascii_uppercase() {
        _ if function.over.is_some() => None,
        "COUNT" => Some(ColumnClass::Integer),
        "SUM" | "AVG" => exact(number(walk, single_argument(function)?, scope)?),
        "MIN" | "MAX" => class(single_argument(function)?, scope).filter(|class| {
            !matches!(class, ColumnClass::Text(_) | ColumnClass::Float | ColumnClass::Label | ColumnClass::Other)
        }),
        _ => None,
    }
}

/// The refusal of aggregates that cannot be folded.
pub(super) fn mixed() -> Refusal {
    Refusal::unsupported(
        "aggregate-expression",
        "over several shards a column of the answer is an aggregate, or computed from aggregates that are integers or decimals by +, -, *, /, \
         COALESCE and IFNULL, or has neither aggregate nor subquery; of aggregates, COUNT, SUM, AVG, MIN, MAX, BIT_AND, BIT_OR, BIT_XOR, \
         GROUP_CONCAT, and those of deviation and variance are folded",
    )
}

/// Whether a call is an aggregate, not over a window.
pub(super) fn is_one(function: &Function) -> bool {
    function.over.is_none() && functions::nature(&function.name.to_string()) == Nature::Aggregate
}

/// How the answers to an aggregate become one; `at` is its column. Also whether they are integers or decimals.
pub(super) fn fold(folding: &mut Folding<'_, '_, '_>, function: &Function, at: usize) -> Result<(Fold, bool), Refusal> {
    let FunctionArguments::List(list) = &function.args else { return Err(mixed()) };
    if function.filter.is_some() || !function.within_group.is_empty() || function.null_treatment.is_some() {
        return Err(mixed());
    }
    let name = function.name.to_string().to_ascii_uppercase();
    let call = Call::of(folding, function, &name)?;
    let plain = |aggregate| (Fold::of(aggregate), true);
    let distinct = call.distinct;
    if name != "GROUP_CONCAT" && !list.clauses.is_empty() {
        return Err(mixed());
    }
    match (&*name, call.args.as_slice()) {
        ("COUNT", []) if !list.args.is_empty() => Ok(plain(Aggregate::Count)),
        ("COUNT", [_, rest @ ..]) if rest.is_empty() || distinct => {
            let distinct = call.counts_once(folding)?;
            Ok((Fold { aggregate: Aggregate::Count, distinct }, true))
        }
        ("SUM", [arg]) => {
            let exact = call.summed(folding, arg)?;
            let distinct = call.counts_once(folding)?;
            Ok((Fold { aggregate: Aggregate::Sum, distinct }, exact))
        }
        ("AVG", [arg]) => {
            let exact = call.summed(folding, arg)?;
            let distinct = call.counts_once(folding)?;
            let word = if call.distinct { "DISTINCT " } else { "" };
            let sum = folding.hide(format!("SUM({word}{})", arg.text), Aggregate::Sum, exact);
            let count = folding.hide(format!("COUNT({word}{})", arg.text), Aggregate::Count, true);
            (folding.folds[sum].distinct, folding.folds[count].distinct) = (distinct, distinct);
            Ok((Fold::of(Aggregate::Average { sum, count }), exact))
        }
        ("MIN" | "MAX", [arg]) => {
            let (key, exact) = call.extreme(folding, arg, at)?;
            Ok((Fold::of(Aggregate::Extreme(SortKey { descending: name == "MAX", ..key })), exact))
        }
        ("BIT_AND" | "BIT_OR" | "BIT_XOR", [arg]) if !distinct => {
            if number(folding.walk, arg.expr, folding.scope) != Some(ColumnClass::Integer) {
                return Err(call.unproven("integers"));
            }
            Ok(plain(match &*name {
                "BIT_AND" => Aggregate::BitAnd,
                "BIT_OR" => Aggregate::BitOr,
                _ => Aggregate::BitXor,
            }))
        }
        ("STD" | "STDDEV" | "STDDEV_POP" | "STDDEV_SAMP" | "VARIANCE" | "VAR_POP" | "VAR_SAMP", [arg]) if !distinct => {
            let exact = call.summed(folding, arg)?;
            let text = &arg.text;
            let count = folding.hide(format!("COUNT({text})"), Aggregate::Count, true);
            let sum = folding.hide(format!("SUM({text})"), Aggregate::Sum, exact);
            // Of doubles, which are shown with all their digits.
            let variance = folding.hide(format!("VAR_POP(({text}) + 0e0)"), Aggregate::Any, false);
            let (sample, root) = (name.ends_with("_SAMP"), name.starts_with("STD"));
            Ok((Fold::of(Aggregate::Variance { count, sum, variance, sample, root }), false))
        }
        ("GROUP_CONCAT", [_, ..]) => Ok((call.concat(folding, function, &list.clauses)?, false)),
        _ => Err(mixed()),
    }
}

/// Adds an aggregate that the select list does not have.
pub(super) fn hide(folding: &mut Folding<'_, '_, '_>, function: &Function) -> Result<usize, Refusal> {
    let text = super::clauses::call_text(folding.walk, function).ok_or_else(mixed)?;
    let at = folding.hide(text, Aggregate::Any, false);
    let (fold, exact) = fold(folding, function, at)?;
    (folding.folds[at], folding.exact[at]) = (fold, exact);
    Ok(at)
}

/// A call of an aggregate.
struct Call<'f> {
    name: &'f str,
    distinct: bool,
    /// Those that are expressions.
    args: Vec<Argument<'f>>,
}

struct Argument<'f> {
    expr: &'f Expr,
    text: String,
}

impl<'f> Call<'f> {
    fn of(folding: &Folding<'_, '_, '_>, function: &'f Function, name: &'f str) -> Result<Call<'f>, Refusal> {
        let FunctionArguments::List(list) = &function.args else { return Err(mixed()) };
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let texts = arguments(folding.walk.text, function).filter(|texts| texts.len() == list.args.len());
        let texts = texts.ok_or_else(mixed)?;
        let mut args = Vec::with_capacity(texts.len());
        for (arg, range) in list.args.iter().zip(texts) {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "COUNT" && !distinct => {}
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    if contains_query(expr) {
                        return Err(mixed());
                    }
                    let text = folding.copy(range).ok_or_else(mixed)?;
                    args.push(Argument { expr, text });
                }
                _ => return Err(mixed()),
            }
        }
        Ok(Call { name, distinct, args })
    }

    fn unproven(&self, what: &str) -> Refusal {
        Refusal::unsupported(
            "aggregate-type",
            format!("{} over several shards takes {what}, and its argument is not proved to be such", self.name),
        )
    }

    /// Whether the sum of an argument is exact; otherwise it is one of doubles.
    fn summed(&self, folding: &Folding<'_, '_, '_>, arg: &Argument<'_>) -> Result<bool, Refusal> {
        match number(folding.walk, arg.expr, folding.scope) {
            Some(ColumnClass::Integer | ColumnClass::Decimal) => Ok(true),
            _ if is_double(folding, arg.expr) => Ok(false),
            _ => Err(self.unproven("integers, decimals or doubles")),
        }
    }

    /// With DISTINCT: whether the gate has to count each value once, since it may lie on several shards. Shards then group by it.
    fn counts_once(&self, folding: &mut Folding<'_, '_, '_>) -> Result<bool, Refusal> {
        if !self.distinct {
            return Ok(false);
        }
        if self.args.iter().any(|arg| folding.stays(arg.expr)) {
            folding.apart = true;
            return Ok(false);
        }
        let mut within = Vec::with_capacity(self.args.len());
        for arg in &self.args {
            within.push(within_key(folding, arg.expr, || Some(arg.text.clone()), false)?);
        }
        group_within(folding, within)?;
        Ok(true)
    }

    fn extreme(
        &self,
        folding: &mut Folding<'_, '_, '_>,
        arg: &Argument<'_>,
        at: usize,
    ) -> Result<(SortKey, bool), Refusal> {
        let key = |column, comparison| SortKey { column, descending: false, comparison };
        match folding.class(arg.expr) {
            Some(ColumnClass::Text(collation)) => {
                let space = super::order::space_weight(&collation)
                    .ok_or_else(|| self.unproven(&format!("text of tested collations, which {collation} is not")))?;
                let at = folding.hide(format!("WEIGHT_STRING({}({}))", self.name, arg.text), Aggregate::Any, false);
                let key = key(at, Comparison::Weight(space.to_vec()));
                let own = SortKey { descending: self.name == "MAX", ..key.clone() };
                folding.folds[at] = Fold::of(Aggregate::Extreme(own));
                Ok((key, false))
            }
            Some(ColumnClass::Label | ColumnClass::Other) => {
                Err(self.unproven("numbers, dates, times, and plain columns of text or bytes"))
            }
            Some(class) => {
                let exact = matches!(class, ColumnClass::Integer | ColumnClass::Decimal);
                Ok((key(at, Comparison::Native), exact))
            }
            // Of numbers that are rounded when they are shown, the least is shown as the least of what is shown.
            None => Ok((key(at, Comparison::Native), false)),
        }
    }

    fn concat(
        &self,
        folding: &mut Folding<'_, '_, '_>,
        function: &Function,
        clauses: &[FunctionArgumentClause],
    ) -> Result<Fold, Refusal> {
        let (mut separator, mut order): (_, &[OrderByExpr]) = (",".to_owned(), &[]);
        for clause in clauses {
            match clause {
                FunctionArgumentClause::Separator(value) => {
                    let span = super::clauses::separator(folding.walk.text, function);
                    let read = span.map(|span| folding.walk.text.statement.value_at(span));
                    separator = match (read, &value.value) {
                        (Some(Ok(Some(vitrail_proto::value::Value::Text(text)))), _) => text,
                        _ => return Err(mixed()),
                    };
                }
                FunctionArgumentClause::OrderBy(keys) => order = keys,
                _ => return Err(mixed()),
            }
        }
        if !folding
            .scope
            .items
            .iter()
            .all(|item| item.schema.is_some_and(|schema| schema.columns.iter().all(is_compact)))
        {
            return Err(self.unproven("tables whose text is in utf8mb4, utf8mb3, latin1 or ascii"));
        }
        let mut within = Vec::with_capacity(order.len());
        if !order.is_empty() {
            let texts = inner_order(folding.walk.text, function).filter(|texts| texts.len() == order.len());
            for (key, range) in order.iter().zip(texts.ok_or_else(mixed)?) {
                // A number means an argument.
                let by_position = match &key.expr {
                    Expr::Value(value) => value.value.to_string().parse::<usize>().ok(),
                    _ => None,
                };
                let descending = matches!(key.options.sort, Some(OrderBySort::Desc));
                let key = match by_position.map(|position| self.args.get(position.wrapping_sub(1))) {
                    Some(Some(arg)) => within_key(folding, arg.expr, || Some(arg.text.clone()), descending)?,
                    Some(None) => return Err(mixed()),
                    None => {
                        let text = folding.copy(range);
                        within_key(folding, &key.expr, || text, descending)?
                    }
                };
                within.push(key);
            }
        }
        let mut distinct = false;
        if self.distinct {
            if order.is_empty() {
                distinct = self.counts_once(folding)?;
            } else {
                // The values themselves are the order, so that equal ones come one after the other.
                let [arg] = self.args.as_slice() else { return Err(mixed()) };
                let [key] = within.as_slice() else { return Err(mixed()) };
                let own = within_key(folding, arg.expr, || Some(arg.text.clone()), key.key.descending)?;
                if own != *key {
                    return Err(mixed());
                }
                distinct = true;
            }
        }
        if !within.is_empty() {
            group_within(folding, within)?;
        }
        let limit = folding.hide("@@group_concat_max_len".to_owned(), Aggregate::Any, true);
        Ok(Fold { aggregate: Aggregate::Concat { separator: separator.into(), limit }, distinct })
    }
}

/// Whether a column's text takes no more bytes in MySQL than in utf8mb4.
fn is_compact(column: &crate::schema::ColumnSchema) -> bool {
    match &column.class {
        ColumnClass::Text(collation) => {
            ["utf8mb4_", "utf8mb3_", "utf8_", "latin1_", "ascii_"].iter().any(|charset| collation.starts_with(charset))
        }
        _ => true,
    }
}

fn within_key(
    folding: &mut Folding<'_, '_, '_>,
    expr: &Expr,
    text: impl FnOnce() -> Option<String>,
    descending: bool,
) -> Result<Within, Refusal> {
    if is_volatile(expr) {
        return Err(mixed());
    }
    let found = folding.compared(Some(expr), None, |_| text())?;
    let key = SortKey { column: found.column, descending, comparison: found.comparison };
    Ok(Within { name: found.name, key })
}

/// Has the shards group by these keys besides. All aggregates that need such keys need the same.
fn group_within(folding: &mut Folding<'_, '_, '_>, within: Vec<Within>) -> Result<(), Refusal> {
    let names = |within: &[Within]| within.iter().map(|within| within.name.clone()).collect::<Vec<_>>();
    if folding.within.is_empty() {
        folding.within = within;
    } else if names(&folding.within) != names(&within) {
        return Err(Refusal::unsupported(
            "aggregate-distinct",
            "over several shards, aggregates with DISTINCT or ORDER BY inside are supported by one expression in a statement; ask for the \
             others in a second statement",
        ));
    } else if folding.within != within {
        return Err(Refusal::unsupported(
            "aggregate-distinct",
            "over several shards, aggregates with ORDER BY inside are supported in one direction in a statement; ask for the others in a \
             second statement",
        ));
    }
    Ok(())
}

/// Whether an expression is proved to be a double.
fn is_double(folding: &Folding<'_, '_, '_>, expr: &Expr) -> bool {
    let double = |expr: &Expr| is_double(folding, expr);
    match expr {
        _ if folding.walk.text.loose_operators => {
            matches!(class(expr, folding.scope), Some(ColumnClass::Double | ColumnClass::Float))
        }
        Expr::Nested(inner) => double(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => double(expr),
        Expr::Value(value) => matches!(&value.value, SqlValue::Number(text, _) if text.contains(['e', 'E'])),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply | BinaryOperator::Divide,
            right,
        } => double(left) || double(right),
        _ => matches!(class(expr, folding.scope), Some(ColumnClass::Double | ColumnClass::Float)),
    }
}

fn single_argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        _ => None,
    }
}

/// Whether an expression is proved to be an integer or an exact decimal, whose sum does not depend on the order of adding.
/// Division may be rounded later than it is shown, so it proves nothing. A product has all its digits, unless they are as many as
/// MySQL keeps at most, which the gate sees in the answer.
pub(super) fn number(walk: &Walk<'_>, expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
    use ColumnClass::{Decimal, Integer};
    let number = |expr: &Expr| number(walk, expr, scope);
    let wider = |a: ColumnClass, b: ColumnClass| if a == Integer && b == Integer { Integer } else { Decimal };
    match expr {
        // Then the tree does not show what binds to what.
        _ if walk.text.loose_operators => class(expr, scope),
        Expr::Nested(inner) => number(inner),
        Expr::Value(value) => match &value.value {
            SqlValue::Number(text, _) if text.bytes().all(|byte| byte.is_ascii_digit()) => Some(Integer),
            SqlValue::Number(text, _) if !text.contains(['e', 'E']) => Some(Decimal),
            SqlValue::Boolean(_) | SqlValue::Null => Some(Integer),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => number(expr),
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply => {
                Some(wider(number(left)?, number(right)?))
            }
            BinaryOperator::MyIntegerDivide => match (number(left)?, number(right)?) {
                (Integer, Integer) => Some(Integer),
                _ => None,
            },
            BinaryOperator::Modulo => Some(wider(number(left)?, number(right)?)),
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::Spaceship
            | BinaryOperator::And
            | BinaryOperator::Or => Some(Integer),
            _ => None,
        },
        Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::InList { .. } | Expr::Between { .. } | Expr::Like { .. } => {
            Some(Integer)
        }
        Expr::Case { conditions, else_result, .. } => {
            let branches = conditions.iter().map(|branch| &branch.result).chain(else_result.as_deref());
            branches.map(number).reduce(|a, b| Some(wider(a?, b?)))?
        }
        _ => class(expr, scope).filter(|class| matches!(class, Integer | Decimal)),
    }
}
