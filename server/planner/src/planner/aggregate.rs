//! Aggregates over several shards: what is made of each shard's own, and what has to be asked besides.

use sqlparser::ast::{DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::call_text::arguments;
use super::calls::{contains_query, is_volatile};
use super::folding::{Folding, Within};
use super::functions::{self, Nature};
use super::numbers::{is_double, number};
use crate::plan::{Aggregate, Comparison, Fold, SortKey};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

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
    let text = super::call_text::call_text(folding.walk, function).ok_or_else(mixed)?;
    let at = folding.hide(text, Aggregate::Any, false);
    let (fold, exact) = fold(folding, function, at)?;
    (folding.folds[at], folding.exact[at]) = (fold, exact);
    Ok(at)
}

/// A call of an aggregate.
pub(super) struct Call<'f> {
    name: &'f str,
    pub(super) distinct: bool,
    /// Those that are expressions.
    pub(super) args: Vec<Argument<'f>>,
}

pub(super) struct Argument<'f> {
    pub(super) expr: &'f Expr,
    pub(super) text: String,
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

    pub(super) fn unproven(&self, what: &str) -> Refusal {
        Refusal::unsupported(
            "aggregate-type",
            format!("{} over several shards takes {what}, and its argument is not proved to be such", self.name),
        )
    }

    /// Whether the sum of an argument is exact; otherwise it is one of doubles.
    fn summed(&self, folding: &Folding<'_, '_, '_>, arg: &Argument<'_>) -> Result<bool, Refusal> {
        match number(folding.walk, arg.expr, folding.scope) {
            Some(ColumnClass::Integer | ColumnClass::Decimal) => Ok(true),
            _ if is_double(folding.walk, arg.expr, folding.scope) => Ok(false),
            _ => Err(self.unproven("integers, decimals or doubles")),
        }
    }

    /// With DISTINCT: whether the gate has to count each value once, since it may lie on several shards. Shards then group by it.
    pub(super) fn counts_once(&self, folding: &mut Folding<'_, '_, '_>) -> Result<bool, Refusal> {
        if !self.distinct {
            return Ok(false);
        }
        if folding.stay(self.args.iter().map(|arg| arg.expr)) {
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
            Some(ColumnClass::Timestamp) => {
                let least = format!("{}({})", self.name, arg.text);
                let at = folding.hide(super::order::instant_of(&least), Aggregate::Any, false);
                let key = key(at, Comparison::Native);
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
}

/// A key of the rows within a group.
pub(super) fn within_key(
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
pub(super) fn group_within(folding: &mut Folding<'_, '_, '_>, within: Vec<Within>) -> Result<(), Refusal> {
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
