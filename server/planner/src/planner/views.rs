//! Views of sharded keyspaces: queries, and those inside writes, have what views select in their place, so that they go where their tables are.

use std::ops::{ControlFlow, Range};

use sqlparser::ast::{Cte, Expr, ObjectName, Query, TableFactor, Visit, Visitor};
use vitrail_sql::normalise::{Normalised, StatementKind, normalise};
use vitrail_sql::parse::parse;

use super::PlanContext;
use super::names::idents;
use super::text::Text;
use crate::plan::quote;
use crate::refusal::Refusal;
use crate::schema::{ColumnSchema, TableSchema};

/// Views that name views, at most so deep.
const MOST: usize = 16;

/// A statement with the queries of the views that its queries name in their place. `None`: they name none of a sharded keyspace, or are not
/// understood.
///
/// # Errors
/// Views that name each other, or too many of them.
pub fn expand(statement: &Normalised, context: &PlanContext<'_>) -> Result<Option<Normalised>, Refusal> {
    let planned = matches!(
        statement.kind,
        StatementKind::Select
            | StatementKind::Insert
            | StatementKind::Replace
            | StatementKind::Update
            | StatementKind::Delete
    );
    if !planned || context.shard.is_some() || !may_name_views(statement, context) {
        return Ok(None);
    }
    let mut expanded: Option<Normalised> = None;
    for _ in 0..MOST {
        let known = expanded.as_ref().unwrap_or(statement);
        match once(known, context)? {
            None => return Ok(expanded),
            Some(text) => {
                let read = normalise(text.into(), statement.mode);
                expanded = Some(read.map_err(|error| Refusal::invalid("syntax", error.to_string()))?);
            }
        }
    }
    Err(Refusal::unsupported(
        "view",
        format!("views that name views are expanded {MOST} times; read the tables behind them"),
    ))
}

/// Whether a word of the text is a view's name.
fn may_name_views(statement: &Normalised, context: &PlanContext<'_>) -> bool {
    let sharded = context.vschema.keyspaces().filter(|keyspace| keyspace.sharded);
    let mut names =
        sharded.filter_map(|keyspace| context.schemas.get(&keyspace.name)).flat_map(|schema| schema.views());
    names.any(|name| statement.text.contains(name))
}

fn once(statement: &Normalised, context: &PlanContext<'_>) -> Result<Option<String>, Refusal> {
    let Ok(parsed) = parse(statement) else { return Ok(None) };
    let text = Text::new(statement);
    let mut ctes = Ctes(Vec::new());
    let _ = parsed.statement.visit(&mut ctes);
    let mut views = Views { context, text: &text, ctes: ctes.0, depth: 0, found: Vec::new(), qualifiers: Vec::new() };
    let _ = parsed.statement.visit(&mut views);
    if views.found.is_empty() {
        return Ok(None);
    }
    // A query in FROM is of no keyspace.
    views.found.extend(views.qualifiers.into_iter().map(|range| (range, String::new())));
    views.found.sort_by_key(|(range, _)| range.start);
    let (mut out, mut at) = (String::with_capacity(statement.text.len() * 2), 0);
    for (range, query) in views.found {
        out.push_str(&statement.text[at..range.start]);
        out.push_str(&query);
        at = range.end;
    }
    out.push_str(&statement.text[at..]);
    Ok(Some(out))
}

/// Names of common table expressions, anywhere.
struct Ctes(Vec<String>);

impl Visitor for Ctes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let name = |cte: &Cte| cte.alias.name.value.clone();
        self.0.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(name));
        ControlFlow::Continue(())
    }
}

struct Views<'v, 'a> {
    context: &'v PlanContext<'a>,
    text: &'v Text<'v>,
    ctes: Vec<String>,
    /// Queries around; the target of a write is in none.
    depth: usize,
    found: Vec<(Range<usize>, String)>,
    /// Keyspaces before tables before columns.
    qualifiers: Vec<Range<usize>>,
}

impl Views<'_, '_> {
    /// What stands in the place of a name, if it is a view's.
    fn query(&self, name: &ObjectName, aliased: bool) -> Option<(Range<usize>, String)> {
        let parts = idents(name)?;
        let (qualifier, last) = match parts.as_slice() {
            [table] if !self.ctes.contains(&table.value) => (None, *table),
            [qualifier, table] => (Some(qualifier.value.as_str()), *table),
            _ => return None,
        };
        let named = self.context.table(qualifier, &last.value).ok().filter(|named| !named.system)?;
        let schema = self.context.schemas.get(&named.keyspace.name)?.table(&last.value)?;
        let definition = schema.definition.as_ref().filter(|_| schema.view && named.keyspace.sharded)?;
        let alias = if aliased { String::new() } else { format!(" AS {}", quote(&last.value)) };
        let query = named_columns(definition, schema).unwrap_or_else(|| definition.to_string());
        Some((self.text.start(parts[0])?..self.text.end(last)?, format!("({query}){alias}")))
    }
}

/// A view's query under the names that its columns have; `None`: the query has them already. MySQL leaves out those that are listed behind the
/// view's name.
fn named_columns(definition: &str, schema: &TableSchema) -> Option<String> {
    let is_there = |column: &ColumnSchema| {
        let name = quote(&column.name);
        definition.contains(&format!(" AS {name}")) || definition.contains(&format!(" as {name}"))
    };
    if schema.columns.iter().all(is_there) {
        return None;
    }
    let names: Vec<String> = schema.columns.iter().map(|column| quote(&column.name)).collect();
    Some(format!("WITH `vitrail_view` ({}) AS ({definition}) SELECT * FROM `vitrail_view`", names.join(", ")))
}

impl Visitor for Views<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor
            && self.depth > 0
        {
            self.found.extend(self.query(name, alias.is_some()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [qualifier, table, _] = parts.as_slice()
            && self.depth > 0
            && self.context.vschema.keyspace(&qualifier.value).is_some()
            && let (Some(start), Some(end)) = (self.text.start(qualifier), self.text.start(table))
        {
            self.qualifiers.push(start..end);
        }
        ControlFlow::Continue(())
    }
}
