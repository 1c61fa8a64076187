//! Plans for queries: to one place, or to all shards with a merge that is exact.

use std::sync::Arc;

use sqlparser::ast::{
    Distinct, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, LimitClause, OrderByExpr,
    OrderByKind, OrderBySort, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Visit, Visitor,
};

use super::functions::{self, Nature};
use super::names::{idents, shared};
use super::placement::Spread;
use super::walk::{Scope, Walk};
use crate::plan::{Aggregate, Comparison, Edit, MergePlan, Replacement, Route, SortKey, WindowPlan};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

/// Where a query over sharded tables goes, and how its answers are merged.
pub(super) fn route(walk: &mut Walk<'_>, query: &Query, scope: &Scope<'_>) -> Result<(Route, MergePlan), Refusal> {
    match walk.placements.spread() {
        Spread::Nowhere => Ok((Route::AnyShard, MergePlan::Pass)),
        Spread::Pinned(pins) => Ok((Route::Pinned(pins), MergePlan::Pass)),
        Spread::Listed(pin) => Ok((Route::Listed(pin), merge(walk, query, scope)?)),
        Spread::Everywhere => Ok((Route::AllShards, merge(walk, query, scope)?)),
        Spread::Apart(tables) => Err(apart(&tables)),
        Spread::Sealed(table) => Err(Refusal::unsupported(
            "subquery-over-shards",
            format!(
                "a derived table, CTE or UNION reads `{table}` on several shards; add a condition there that its \
                 sharding column equals one value"
            ),
        )),
    }
}

/// The refusal of tables whose rows lie on different shards.
pub(super) fn apart(tables: &[Arc<str>]) -> Refusal {
    let tables: Vec<String> = tables.iter().map(|table| format!("`{table}`")).collect();
    Refusal::unsupported(
        "join-across-shards",
        format!(
            "rows of {} that belong together may lie on different shards; join them by equality of their sharding \
             columns, or pin each by one value",
            tables.join(" and ")
        ),
    )
}

fn merge(walk: &mut Walk<'_>, query: &Query, scope: &Scope<'_>) -> Result<MergePlan, Refusal> {
    let over_shards = |reason, what: &str| {
        Err(Refusal::unsupported(
            reason,
            format!(
                "{what} over several shards is not supported yet; pin the statement to one shard by its sharding column"
            ),
        ))
    };
    let SetExpr::Select(select) = &*query.body else { return over_shards("query-form", "this form of a query") };
    if matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_))) {
        return over_shards("distinct", "DISTINCT");
    }
    if !matches!(&select.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty())
    {
        return over_shards("group-by", "GROUP BY");
    }
    if select.having.is_some() {
        return over_shards("having", "HAVING");
    }
    let mut calls = Calls::default();
    let _ = select.projection.visit(&mut calls);
    let _ = query.order_by.visit(&mut calls);
    if calls.window || !select.named_window.is_empty() {
        return over_shards("window", "a window function");
    }
    let order: &[OrderByExpr] = match &query.order_by {
        None => &[],
        Some(order) => match &order.kind {
            OrderByKind::Expressions(keys) => keys,
            OrderByKind::All(_) => return over_shards("order-by", "ORDER BY ALL"),
        },
    };
    let window = window(walk, query)?;
    if calls.aggregate {
        return aggregates(select, scope, order, &window);
    }
    if order.is_empty() {
        return Ok(MergePlan::Concat(window));
    }
    sort(walk, select, scope, order, window)
}

/// LIMIT and OFFSET of the whole; each shard is asked for their sum.
fn window(walk: &mut Walk<'_>, query: &Query) -> Result<WindowPlan, Refusal> {
    let (limit, offset) = match &query.limit_clause {
        None => return Ok(WindowPlan::default()),
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
    };
    let mut source = |expr: &Expr| match walk.text.value(expr) {
        Some((source, _)) => Ok(source),
        None => Err(Refusal::invalid("limit", "LIMIT takes numbers and bind variables")),
    };
    let window =
        WindowPlan { limit: limit.map(&mut source).transpose()?, offset: offset.map(&mut source).transpose()? };
    if offset.is_some() {
        // From the first number to behind the second: `20, 10` and `10 OFFSET 20` become `30`.
        let tokens = &walk.text.tokens;
        let mut depth = 0;
        let mut found = None;
        for (index, token) in tokens.iter().enumerate() {
            depth += walk.text.nesting(token);
            if depth == 0 && walk.text.is_word(token, "LIMIT") {
                found = Some(index);
            }
        }
        let numbers = found.and_then(|index| Some((tokens.get(index + 1)?, tokens.get(index + 3)?)));
        let Some((first, last)) = numbers else {
            return Err(Refusal::invalid("limit", "LIMIT is not where it is expected"));
        };
        walk.edits.push(Edit {
            start: walk.text.anchor(first.start),
            end: walk.text.anchor(last.end),
            replacement: Replacement::WindowEnd,
            scatter_only: true,
        });
    }
    Ok(window)
}

fn aggregates(
    select: &Select,
    scope: &Scope<'_>,
    order: &[OrderByExpr],
    window: &WindowPlan,
) -> Result<MergePlan, Refusal> {
    if !order.is_empty() || window.limit.is_some() {
        return Err(Refusal::unsupported(
            "aggregate-window",
            "an aggregate over several shards gives one row; leave out ORDER BY and LIMIT",
        ));
    }
    let folds = select.projection.iter().map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => fold(expr, scope),
        _ => Err(mixed()),
    });
    Ok(MergePlan::Aggregate(folds.collect::<Result<_, _>>()?))
}

fn mixed() -> Refusal {
    Refusal::unsupported(
        "aggregate-expression",
        "over several shards a select list with aggregates may hold only COUNT, SUM, MIN and MAX by themselves",
    )
}

fn fold(expr: &Expr, scope: &Scope<'_>) -> Result<Aggregate, Refusal> {
    let Expr::Function(function) = expr else { return Err(mixed()) };
    let FunctionArguments::List(list) = &function.args else { return Err(mixed()) };
    let name = function.name.to_string().to_ascii_uppercase();
    if list.duplicate_treatment.is_some() && matches!(&*name, "COUNT" | "SUM") {
        return Err(Refusal::unsupported(
            "aggregate-distinct",
            format!("{name}(DISTINCT) over several shards is not supported yet; pin the statement to one shard"),
        ));
    }
    let argument = match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] => None,
        _ => return Err(mixed()),
    };
    let class = argument.and_then(|expr| class(expr, scope));
    let unproven = |what: &str| {
        Err(Refusal::unsupported(
            "aggregate-type",
            format!("{name} over several shards takes {what}, and its argument is not proved to be such"),
        ))
    };
    match &*name {
        "COUNT" => Ok(Aggregate::Count),
        "SUM" => match class {
            Some(ColumnClass::Integer | ColumnClass::Decimal) => Ok(Aggregate::Sum),
            _ => unproven("a column of integers or decimals"),
        },
        "MIN" | "MAX" => match class {
            Some(ColumnClass::Text(_) | ColumnClass::Other) | None => {
                unproven("a column of numbers, dates, times or binary strings")
            }
            Some(_) if name == "MIN" => Ok(Aggregate::Min),
            Some(_) => Ok(Aggregate::Max),
        },
        _ => Err(mixed()),
    }
}

/// One column of the answer.
struct Output {
    name: Option<String>,
    /// The alias of the table and the name of the column, if it is a plain one.
    column: Option<(String, String)>,
    class: Option<ColumnClass>,
}

fn sort(
    walk: &mut Walk<'_>,
    select: &Select,
    scope: &Scope<'_>,
    order: &[OrderByExpr],
    window: WindowPlan,
) -> Result<MergePlan, Refusal> {
    let outputs = outputs(select, scope)?;
    let (mut keys, mut added) = (Vec::with_capacity(order.len()), Vec::new());
    for key in order {
        let descending = matches!(key.options.sort, Some(OrderBySort::Desc));
        let (index, column, class) = find(&key.expr, &outputs, scope)?;
        let mut hide = |text: String| {
            added.push(text);
            outputs.len() + added.len() - 1
        };
        let name = || {
            let (table, column) = column.as_ref()?;
            Some(format!("`{}`.`{}`", table.replace('`', "``"), column.replace('`', "``")))
        };
        let unordered = |what: &str| {
            Refusal::unsupported("order-by-type", format!("ORDER BY over several shards cannot compare {what}"))
        };
        let (column, comparison) = match class {
            Some(ColumnClass::Text(collation)) => {
                let space =
                    space_weight(&collation).ok_or_else(|| unordered(&format!("text of the collation {collation}")))?;
                let name = name().ok_or_else(|| unordered("an expression"))?;
                (hide(format!("WEIGHT_STRING({name})")), Comparison::Weight(space.to_vec()))
            }
            Some(ColumnClass::Other) => return Err(unordered("a column of this type")),
            Some(_) => match index {
                Some(index) => (index, Comparison::Native),
                None => (hide(name().ok_or_else(|| unordered("an expression"))?), Comparison::Native),
            },
            None => {
                return Err(unordered("an expression, or a column whose type is not known; order by a plain column"));
            }
        };
        keys.push(SortKey { column, descending, comparison });
    }
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
    Ok(MergePlan::Sort { keys, window, hidden: added.len() })
}

fn outputs(select: &Select, scope: &Scope<'_>) -> Result<Vec<Output>, Refusal> {
    let mut outputs = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let column = plain(expr, scope);
                let name = column.as_ref().map(|(_, name)| name.clone());
                outputs.push(Output { name, column, class: class(expr, scope) });
            }
            SelectItem::ExprWithAlias { expr, alias } => outputs.push(Output {
                name: Some(alias.value.clone()),
                column: plain(expr, scope),
                class: class(expr, scope),
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
        class: Some(column.class.clone()),
    }));
    Ok(())
}

fn unknown_columns() -> Refusal {
    Refusal::unsupported(
        "unknown-columns",
        "ORDER BY over several shards needs to know the columns of the answer; write them in place of `*`",
    )
}

/// An ORDER BY expression: its column of the answer, the table's column it is, and its class.
type Found = (Option<usize>, Option<(String, String)>, Option<ColumnClass>);

fn find(expr: &Expr, outputs: &[Output], scope: &Scope<'_>) -> Result<Found, Refusal> {
    let at = |index: usize| {
        let output = &outputs[index];
        (Some(index), output.column.clone(), output.class.clone())
    };
    match expr {
        Expr::Value(value) => {
            let position =
                value.value.to_string().parse::<usize>().ok().filter(|position| (1..=outputs.len()).contains(position));
            position.map(|position| at(position - 1)).ok_or_else(|| {
                Refusal::invalid("order-by", format!("unknown column '{}' in ORDER BY", value.value))
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
                    Err(Refusal::invalid("order-by", format!("column '{}' in ORDER BY is ambiguous", name.value))
                        .with_errno(1052, "23000"))
                }
                (None, _) => Ok((None, plain(expr, scope), class(expr, scope))),
            }
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

/// The table's alias and the column's own name, if the expression is a plain column of a table with a known schema.
fn plain(expr: &Expr, scope: &Scope<'_>) -> Option<(String, String)> {
    let (table, name) = match expr {
        Expr::Identifier(name) => (None, name),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, name] | [_, table, name] => (Some(&table.value), name),
            _ => return None,
        },
        _ => return None,
    };
    let items = scope.items.iter().filter(|item| table.is_none_or(|table| *table == item.alias));
    let mut found = items.filter_map(|item| Some((&item.alias, item.schema?.column(&name.value)?)));
    match (found.next(), found.next()) {
        (Some((alias, column)), None) => Some((alias.clone(), column.name.clone())),
        _ => None,
    }
}

fn class(expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
    let (table, name) = plain(expr, scope)?;
    let item = scope.items.iter().find(|item| item.alias == table)?;
    Some(item.schema?.column(&name)?.class.clone())
}

/// What WEIGHT_STRING gives for a blank under a collation that pads with blanks; empty: it does not pad; `None`: not proved.
fn space_weight(collation: &str) -> Option<&'static [u8]> {
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

/// Aggregates and windows of a block itself, not of its subqueries.
#[derive(Default)]
struct Calls {
    depth: usize,
    aggregate: bool,
    window: bool,
}

impl Calls {
    fn see(&mut self, function: &Function) {
        let name = function.name.to_string();
        match functions::nature(&name) {
            _ if function.over.is_some() => self.window = true,
            Nature::Window => self.window = true,
            Nature::Aggregate => self.aggregate = true,
            _ => {}
        }
    }
}

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> std::ops::ControlFlow<()> {
        self.depth += 1;
        std::ops::ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> std::ops::ControlFlow<()> {
        self.depth -= 1;
        std::ops::ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> std::ops::ControlFlow<()> {
        if self.depth == 0
            && let Expr::Function(function) = expr
        {
            self.see(function);
        }
        std::ops::ControlFlow::Continue(())
    }
}
