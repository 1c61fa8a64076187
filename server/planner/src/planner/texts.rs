//! Expressions that are text: under which collation they compare, or that their bytes do.

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use super::columns::class;
use super::walk::Scope;
use crate::schema::ColumnClass;

/// Functions whose text has the collation of their first argument.
const OF_FIRST: [&str; 10] = ["upper", "ucase", "lower", "lcase", "left", "right", "ltrim", "rtrim", "reverse", "mid"];

/// Functions whose text has the collation of those arguments that are columns.
const OF_ALL: [&str; 4] = ["concat", "concat_ws", "coalesce", "ifnull"];

/// What DATE_FORMAT may write so that equal texts are equal bytes, and texts are ordered as their bytes: digits.
const DIGITS: &str = "YymdHhIiSsfjTUuVvXxwekcl%";

/// The collation of a text that is made of columns.
pub(super) fn collation(expr: &Expr, scope: &Scope<'_>) -> Option<String> {
    match expr {
        Expr::Nested(inner) => collation(inner, scope),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => match class(expr, scope)? {
            ColumnClass::Text(collation) => Some(collation),
            _ => None,
        },
        Expr::Substring { expr, .. } | Expr::Trim { expr, trim_what: None, .. } => collation(expr, scope),
        Expr::Collate { expr, collation: named } => {
            let (of, named) = (collation(expr, scope)?, named.to_string().to_ascii_lowercase());
            (of.split_once('_')?.0 == named.split_once('_')?.0).then_some(named)
        }
        Expr::Function(function) => of_call(function, scope),
        _ => None,
    }
}

/// Whether an expression is a date as digits, which compare as bytes whatever the collation.
pub(super) fn is_digits(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    if !function.name.to_string().eq_ignore_ascii_case("date_format") {
        return false;
    }
    let arguments = arguments(function);
    let Some([_, Expr::Value(format)]) = arguments.as_deref() else { return false };
    let Value::SingleQuotedString(format) = &format.value else { return false };
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        let plain = match character {
            '%' => characters.next().is_some_and(|letter| DIGITS.contains(letter)),
            other => other.is_ascii_digit() || matches!(other, '-' | ':' | '/' | '.' | ' '),
        };
        if !plain {
            return false;
        }
    }
    !format.ends_with(' ')
}

fn of_call(function: &Function, scope: &Scope<'_>) -> Option<String> {
    let name = function.name.to_string().to_ascii_lowercase();
    let args = arguments(function)?;
    if OF_FIRST.contains(&name.as_str()) {
        return collation(args.first()?, scope);
    }
    if !OF_ALL.contains(&name.as_str()) {
        return None;
    }
    let mut found: Option<String> = None;
    for arg in args {
        // A literal yields to a column; in utf8mb4 it needs no other character set.
        if matches!(&arg, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_))) {
            continue;
        }
        let collation = collation(&arg, scope).filter(|collation| collation.starts_with("utf8mb4_"))?;
        if found.as_ref().is_some_and(|known| *known != collation) {
            return None;
        }
        found = Some(collation);
    }
    found
}

fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    if function.over.is_some() || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    list.args.iter().map(plain).collect()
}
