//! The columns of an answer, which of them ORDER BY means, and what texts and labels are compared by.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Select, SelectItem,
    SelectItemQualifiedWildcardKind,
};

use super::columns::{class, plain};
use super::names::idents;
use super::numbers;
use super::walk::{Scope, Walk};
use crate::refusal::Refusal;
use crate::schema::{ColumnClass, TableSchema};

/// One column of the answer.
pub(super) struct Output {
    pub(super) name: Option<String>,
    /// The alias of the table and the name of the column, if it is a plain one.
    pub(super) column: Option<(String, String)>,
    pub(super) class: Option<ColumnClass>,
}

/// The columns of a block's answer.
pub(super) fn outputs(walk: &Walk<'_>, select: &Select, scope: &Scope<'_>) -> Result<Vec<Output>, Refusal> {
    let mut outputs = Vec::new();
    let class_of = |expr: &Expr| class(expr, scope).or_else(|| numbers::result_class(walk, expr, scope));
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let column = plain(expr, scope);
                let name = column.as_ref().map(|(_, name)| name.clone());
                outputs.push(Output { name, column, class: class_of(expr) });
            }
            SelectItem::ExprWithAlias { expr, alias } => outputs.push(Output {
                name: Some(alias.value.clone()),
                column: plain(expr, scope),
                class: class_of(expr),
            }),
            SelectItem::Wildcard(_) => {
                for index in 0..scope.items.len() {
                    expand(index, scope, &mut outputs)?;
                }
                if scope.items.len() > 1 && select.from.iter().any(|from| from.joins.iter().any(coalesces)) {
                    return Err(unknown_columns());
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let alias = idents(name).and_then(|parts| parts.last().map(|ident| ident.value.clone()));
                let index = alias.and_then(|alias| scope.items.iter().position(|item| item.alias == alias));
                expand(index.ok_or_else(unknown_columns)?, scope, &mut outputs)?;
            }
            _ => return Err(unknown_columns()),
        }
    }
    Ok(outputs)
}

/// `USING` and `NATURAL` merge columns of `*`.
fn coalesces(join: &sqlparser::ast::Join) -> bool {
    use sqlparser::ast::{JoinConstraint, JoinOperator};
    !matches!(
        &join.join_operator,
        JoinOperator::Join(JoinConstraint::On(_) | JoinConstraint::None)
            | JoinOperator::Inner(JoinConstraint::On(_) | JoinConstraint::None)
            | JoinOperator::CrossJoin(_)
            | JoinOperator::StraightJoin(JoinConstraint::On(_) | JoinConstraint::None)
            | JoinOperator::Left(JoinConstraint::On(_))
            | JoinOperator::LeftOuter(JoinConstraint::On(_))
            | JoinOperator::Right(JoinConstraint::On(_))
            | JoinOperator::RightOuter(JoinConstraint::On(_))
    )
}

fn expand(index: usize, scope: &Scope<'_>, outputs: &mut Vec<Output>) -> Result<(), Refusal> {
    let item = &scope.items[index];
    let schema = item.schema.ok_or_else(unknown_columns)?;
    outputs.extend(schema.columns.iter().filter(|column| !column.invisible).map(|column| Output {
        name: Some(column.name.clone()),
        column: Some((item.alias.clone(), column.name.clone())),
        class: Some(column.class.clone()).filter(|class| *class != ColumnClass::Unknown),
    }));
    Ok(())
}

fn unknown_columns() -> Refusal {
    Refusal::unsupported(
        "unknown-columns",
        "ORDER BY over several shards needs to know the columns of the answer; write them in place of `*`",
    )
}

/// All tables are known, and none of them has the column.
fn is_nowhere(column: &str, scope: &Scope<'_>) -> bool {
    let lacks = |schema: &TableSchema| schema.column(column).is_none();
    !scope.items.is_empty() && scope.items.iter().all(|item| item.schema.is_some_and(lacks))
}

/// An ORDER BY expression: its column of the answer, the table's column it is, and its class.
type Found = (Option<usize>, Option<(String, String)>, Option<ColumnClass>);

pub(super) fn find(expr: &Expr, select: &Select, outputs: &[Output], scope: &Scope<'_>) -> Result<Found, Refusal> {
    let at = |index: usize| {
        let output = &outputs[index];
        (Some(index), output.column.clone(), output.class.clone())
    };
    match expr {
        Expr::Value(value) => {
            let position =
                value.value.to_string().parse::<usize>().ok().filter(|position| (1..=outputs.len()).contains(position));
            position.map(|position| at(position - 1)).ok_or_else(|| {
                Refusal::invalid("order-by", format!("Unknown column '{}' in 'order clause'", value.value))
                    .with_errno(1054, "42S22")
            })
        }
        Expr::Identifier(name) => {
            let named =
                |output: &Output| output.name.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(&name.value));
            let mut matches = (0..outputs.len()).filter(|index| named(&outputs[*index]));
            match (matches.next(), matches.next()) {
                (Some(index), None) => Ok(at(index)),
                (Some(first), Some(second))
                    if outputs[first].column.is_some() && outputs[first].column == outputs[second].column =>
                {
                    Ok(at(first))
                }
                (Some(_), Some(_)) => {
                    Err(Refusal::invalid("order-by", format!("Column '{}' in order clause is ambiguous", name.value))
                        .with_errno(1052, "23000"))
                }
                (None, _) if is_nowhere(&name.value, scope) => {
                    Err(Refusal::invalid("order-by", format!("Unknown column '{}' in 'order clause'", name.value))
                        .with_errno(1054, "42S22"))
                }
                (None, _) => Ok((None, plain(expr, scope), class(expr, scope))),
            }
        }
        Expr::Function(function) if function.over.is_none() && of_plain_columns(function, scope) => {
            // The same aggregate in the select list: the same value. Literals are not part of a plan's key.
            let same = |item: &SelectItem| match item {
                SelectItem::UnnamedExpr(known) | SelectItem::ExprWithAlias { expr: known, .. } => known == expr,
                _ => false,
            };
            let index = select.projection.iter().position(same);
            let index = index.filter(|_| select.projection.len() == outputs.len());
            Ok(index.map_or((None, None, None), at))
        }
        _ => {
            let column = plain(expr, scope);
            let index = column
                .as_ref()
                .and_then(|column| outputs.iter().position(|output| output.column.as_ref() == Some(column)));
            Ok((index, column, class(expr, scope)))
        }
    }
}

fn of_plain_columns(function: &Function, scope: &Scope<'_>) -> bool {
    let FunctionArguments::List(list) = &function.args else { return false };
    list.args.iter().all(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => true,
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => plain(expr, scope).is_some(),
        _ => false,
    })
}

/// A column by the alias of its table.
pub(super) fn quoted((table, column): &(String, String)) -> String {
    format!("`{}`.`{}`", table.replace('`', "``"), column.replace('`', "``"))
}

/// The number of an enum's or set's value, by which MySQL sorts and groups.
pub(super) fn number_of(column: &(String, String)) -> String {
    format!("CAST({} AS UNSIGNED)", quoted(column))
}

/// What groups of timestamps, and the least and greatest of them, are compared by: MariaDB takes the instant, MySQL the time that it shows.
pub(super) fn instant_of(timestamp: &str) -> String {
    format!("/*M! UNIX_TIMESTAMP(*/{timestamp}/*M! )*/")
}

/// What WEIGHT_STRING gives for a blank under a collation that pads with blanks; empty: it does not pad; `None`: not proved.
pub(super) fn space_weight(collation: &str) -> Option<&'static [u8]> {
    let (charset, rest) = collation.split_once('_')?;
    if rest.starts_with("nopad_") || rest.contains("_nopad_") {
        return Some(&[]);
    }
    match (charset, rest) {
        ("utf8mb4", rest) if rest.contains("0900_") => Some(&[]),
        ("utf8mb4" | "utf8mb3" | "utf8", "general_ci") => Some(&[0x00, 0x20]),
        ("utf8mb4" | "utf8mb3" | "utf8", "unicode_ci" | "czech_ci" | "uca1400_ai_ci") => Some(&[0x02, 0x09]),
        ("utf8mb4" | "utf8mb3" | "utf8", "unicode_520_ci") => Some(&[0x02, 0x0a]),
        ("utf8mb4", "bin") => Some(&[0x00, 0x00, 0x20]),
        ("latin1", "swedish_ci" | "german2_ci" | "bin") => Some(&[0x20]),
        _ => None,
    }
}
