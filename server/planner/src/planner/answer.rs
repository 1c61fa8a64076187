//! The columns of a query's answer, seen from the query around it: their names, what they hold, and whether they decide the shard.

use std::collections::BTreeSet;

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Select, SelectItem, Value};

use super::calls::is_volatile;
use super::columns::{ShardingUse, class};
use super::facts::comparable;
use super::groups::never_null;
use super::numbers;
use super::order;
use super::placement::Member;
use super::texts;
use super::walk::{Item, Scope, Walk};
use crate::schema::{ColumnClass, ColumnDefault, ColumnSchema, Domain};

/// One column of a query's answer.
#[derive(Clone)]
pub(super) struct Column<'a> {
    /// `None`: MySQL makes it up of the expression's text.
    pub(super) name: Option<String>,
    pub(super) content: Content,
    /// The column of a table that it is, by its name there.
    pub(super) is_of: Option<String>,
    /// Which values it can hold.
    domain: Domain,
    /// The sharding column that it is, as it is, of a table that no outer join fills with NULL.
    pub(super) sharding: Option<ShardingUse<'a>>,
}

/// What the values of a column are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// NULL alone.
    Null,
    /// A text that the statement has; its collation yields to a column's.
    Literal,
    Of(ColumnClass),
}

impl<'a> Column<'a> {
    /// The column as one of a derived table, if it has a name.
    pub(super) fn schema(&self) -> Option<ColumnSchema> {
        let class = match &self.content {
            Content::Of(class) => class.clone(),
            Content::Null | Content::Literal => ColumnClass::Unknown,
        };
        let name = self.name.clone()?;
        // Nobody has proved that it is never NULL.
        let (nullable, generated) = (true, false);
        Some(ColumnSchema {
            name,
            class,
            domain: self.domain,
            auto_increment: false,
            invisible: false,
            nullable,
            generated,
            default: ColumnDefault::Unknown,
        })
    }

    /// The column that two columns of a UNION become. MySQL brings both to one type.
    fn unite(self, other: &Column<'a>) -> Column<'a> {
        let sharding = match (&self.sharding, &other.sharding) {
            (Some(left), Some(right)) if leads_alike(left, right) => self.sharding.clone(),
            _ => None,
        };
        let content = unite(self.content, other.content.clone());
        let domain = if self.domain == other.domain { self.domain } else { Domain::Other };
        Column { name: self.name, is_of: None, content, domain, sharding }
    }
}

/// The columns of a block; `None`: `*` stands for columns that are not known.
pub(super) fn of_select<'a>(walk: &Walk<'a>, select: &Select, scope: &Scope<'a>) -> Option<Vec<Column<'a>>> {
    let outputs = order::outputs(walk, select, scope).ok()?;
    let exprs: Vec<Option<&Expr>> = if select.projection.iter().any(super::folding::is_wildcard) {
        vec![None; outputs.len()]
    } else {
        select.projection.iter().map(expression).collect()
    };
    let column = |(output, expr): (order::Output, Option<&Expr>)| {
        let known = output.column.as_ref().and_then(|(table, name)| {
            let item = scope.items.iter().position(|item| item.alias == *table)?;
            Some((item, scope.items[item].schema?.column(name)?))
        });
        let sharding = match (known, expr) {
            (Some((index, known)), _) if never_null(select, index) => of_item(&scope.items[index], known),
            _ => None,
        };
        let content = match (known, expr) {
            (Some((_, known)), _) => Content::Of(known.class.clone()),
            (None, Some(expr)) => content(walk, expr, scope),
            (None, None) => Content::Of(ColumnClass::Unknown),
        };
        let is_of = known.map(|(_, known)| known.name.clone());
        Column {
            name: output.name,
            is_of,
            content,
            domain: known.map_or(Domain::Other, |(_, known)| known.domain),
            sharding,
        }
    };
    Some(outputs.into_iter().zip(exprs).map(column).collect())
}

/// The columns of two bodies that UNION, INTERSECT or EXCEPT joins. `None`: not known of both, or not as many.
pub(super) fn of_both<'a>(left: Option<Vec<Column<'a>>>, right: Option<Vec<Column<'a>>>) -> Option<Vec<Column<'a>>> {
    let (left, right) = (left?, right?);
    if left.len() != right.len() {
        return None;
    }
    // The sharding columns of one table on the left stand beside those of one on the right.
    let members =
        |left: &Column<'a>, right: &Column<'a>| Some((left.sharding.as_ref()?.member, right.sharding.as_ref()?.member));
    let pairs: BTreeSet<(Member, Member)> =
        left.iter().zip(&right).filter_map(|(left, right)| members(left, right)).collect();
    let clear = |member: Member| pairs.iter().filter(|pair| pair.0 == member).count() == 1;
    let one = |(left, right): (Column<'a>, &Column<'a>)| {
        let mut column = left.unite(right);
        column.sharding = column.sharding.filter(|known| known.sharding.columns.len() == 1 || clear(known.member));
        column
    };
    Some(left.into_iter().zip(&right).map(one).collect())
}

/// Whether rows that are equal in all of these columns lie on one shard.
pub(super) fn decide_shard(columns: &[Column<'_>]) -> bool {
    let has = |first: &ShardingUse<'_>, number: usize| {
        let same = |column: &ShardingUse<'_>| column.member == first.member && column.number == number;
        columns.iter().any(|column| column.sharding.as_ref().is_some_and(same))
    };
    let mut sharding = columns.iter().filter_map(|column| column.sharding.as_ref());
    sharding.any(|first| (0..first.sharding.columns.len()).all(|number| has(first, number)))
}

fn of_item<'a>(item: &Item<'a>, known: &'a ColumnSchema) -> Option<ShardingUse<'a>> {
    let (member, sharding) = item.sharded?;
    let number = sharding.position(&known.name)?;
    Some(ShardingUse { member, sharding, number, known: Some(known), depth: 0 })
}

/// Whether equal values of the two lead to one shard, as they are after a UNION.
fn leads_alike(left: &ShardingUse<'_>, right: &ShardingUse<'_>) -> bool {
    let class = |column: &ShardingUse<'_>| column.known.map(|known| known.class.clone());
    let domain = |column: &ShardingUse<'_>| column.known.map(|known| known.domain);
    // Bytes are filled up to the longer column's length.
    let filled = class(left) == Some(ColumnClass::Binary) && domain(left) != domain(right);
    class(left).is_some() && class(left) == class(right) && !filled && comparable(left, right)
}

fn unite(left: Content, right: Content) -> Content {
    use ColumnClass::{Decimal, Double, Float, Integer, Label, Other, Text, Timestamp, Unknown};
    match (left, right) {
        (Content::Null, other) | (other, Content::Null) => match other {
            // MySQL may make texts of labels.
            Content::Of(Label) => Content::Of(Other),
            other => other,
        },
        (Content::Literal, Content::Of(Text(collation))) | (Content::Of(Text(collation)), Content::Literal)
            if collation.starts_with("utf8mb4_") =>
        {
            Content::Of(Text(collation))
        }
        (Content::Of(left), Content::Of(right)) => Content::Of(match (left, right) {
            (Label | Other, _) | (_, Label | Other) => Other,
            (Float, _) | (_, Float) => Float,
            (left, right) if left == right => left,
            (Timestamp, _) | (_, Timestamp) => Other,
            (Integer, Decimal) | (Decimal, Integer) => Decimal,
            (Integer | Decimal, Double) | (Double, Integer | Decimal) => Double,
            _ => Unknown,
        }),
        (Content::Literal, Content::Of(Label | Other)) | (Content::Of(Label | Other), Content::Literal) => {
            Content::Of(Other)
        }
        _ => Content::Of(Unknown),
    }
}

/// What the values of an expression are.
fn content(walk: &Walk<'_>, expr: &Expr, scope: &Scope<'_>) -> Content {
    match expr {
        // Each shard would have its own.
        _ if is_volatile(expr) => return Content::Of(ColumnClass::Other),
        Expr::Nested(inner) => return content(walk, inner, scope),
        Expr::Value(value) => match &value.value {
            Value::Null => return Content::Null,
            Value::SingleQuotedString(_) | Value::DoubleQuotedString(_) => return Content::Literal,
            _ => {}
        },
        _ => {}
    }
    let double = || numbers::is_double(walk, expr, scope).then_some(ColumnClass::Double);
    let known = class(expr, scope)
        .or_else(|| numbers::number(walk, expr, scope))
        .or_else(double)
        .or_else(|| texts::collation(expr, scope).map(ColumnClass::Text))
        .or_else(|| numbers::result_class(walk, expr, scope))
        .or_else(|| extreme_of_text(expr, scope));
    Content::Of(known.unwrap_or(ColumnClass::Unknown))
}

/// MIN and MAX of a column of text have its collation.
fn extreme_of_text(expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
    let Expr::Function(function) = expr else { return None };
    let name = function.name.to_string();
    if function.over.is_some() || !(name.eq_ignore_ascii_case("min") || name.eq_ignore_ascii_case("max")) {
        return None;
    }
    let class = class(only_argument(function)?, scope)?;
    matches!(class, ColumnClass::Text(_)).then_some(class)
}

fn only_argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        _ => None,
    }
}

fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}
