//! Writes that are rehearsed: no other way is proved to do what MySQL does, so MySQL itself does it, on the scratch server, over the rows that are
//! concerned; what it changes there is written to the shards.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use sqlparser::ast::{
    BinaryOperator, Expr, FromTable, Insert, ObjectName, OnInsert, Query, SetExpr, Statement, TableFactor, TableObject,
    Value as SqlValue, Visit, Visitor,
};
use vitrail_sql::lexer::TokenKind;
use vitrail_sql::normalise::{Normalised, StatementKind};
use vitrail_sql::parse::parse;

use super::super::exact::{self, Staged};
use super::super::facts::conjuncts;
use super::super::functions::{self, Nature};
use super::super::names::{idents, is_default};
use super::super::text::{self, Text};
use super::super::write::{assigned as named_by, last};
use super::super::{PlanContext, Scratch, choose, why_alone};
use super::{assigned, keys, one_table};
use crate::plan::{
    Divider, Home, MergePlan, Moving, Part, Plan, Reading, RehearsalPlan, Route, StepsPlan, Verb, WritePlan,
};
use crate::refusal::Refusal;
use crate::schema::TableSchema;
use crate::vschema::{Placement, Table};

/// Refusals of a write that say that nobody but MySQL can work it out.
const OPEN: [&str; 8] = [
    "insert-select",
    "insert-subquery",
    "no-sharding-column",
    "returning",
    "sharding-column-update",
    "sharding-expression",
    "values",
    "write-in-steps",
];

/// Whether a statement that was refused so may be rehearsed.
pub(in super::super) fn may_help(statement: &Normalised, refusal: &Refusal) -> bool {
    use StatementKind::{Delete, Insert, Replace, Update};
    let open = refusal.code == vitrail_proto::error::Code::Unsupported && refusal.errno.is_none();
    open && OPEN.contains(&refusal.reason) && matches!(statement.kind, Insert | Replace | Update | Delete)
}

/// Plans a write that was refused otherwise.
///
/// # Errors
/// That refusal, or a plainer one.
pub(in super::super) fn plan(
    statement: &Normalised,
    context: &PlanContext<'_>,
    scratch: Scratch,
    refusal: Refusal,
) -> Result<Plan, Refusal> {
    match make(statement, context, Scratch { for_write: true, ..scratch }, &refusal) {
        Err(other) if other.errno.is_none() => Err(Refusal {
            message: format!(
                "{} (and it cannot be rehearsed on the scratch server: {})",
                refusal.message, other.message
            ),
            ..refusal
        }),
        done => done,
    }
}

fn refuse(what: &str) -> Refusal {
    Refusal::unsupported("rehearsal", what)
}

fn make(
    statement: &Normalised,
    context: &PlanContext<'_>,
    scratch: Scratch,
    refusal: &Refusal,
) -> Result<Plan, Refusal> {
    let parsed = parse(statement).map_err(|error| refuse(&error.to_string()))?;
    let text = Text::new(statement);
    for token in text.tokens.iter().filter(|token| token.kind == TokenKind::SystemVariable) {
        functions::check_variable(text.str(token))?;
    }
    if text::has_version_comment(statement) {
        return Err(refuse("a version comment"));
    }
    if let Some(reason) = why_alone(&text, &MergePlan::Writes) {
        return Err(refuse(reason));
    }
    let name = target(&parsed.statement).ok_or_else(|| refuse("several tables"))?;
    let written = Written::of(name, context)?;
    let (verb, collides) = match &*parsed.statement {
        Statement::Insert(insert) => (written.insertion(insert, &text, scratch)?, true),
        Statement::Update(update) => {
            let set: Vec<String> = named_by(&update.assignments).iter().map(last).collect();
            let colliding = |name: &String| {
                let column = written.schema.column(name);
                set.iter().any(|set| set.eq_ignore_ascii_case(name)) || column.is_none_or(|column| column.generated)
            };
            let collides = written.schema.colliding.iter().any(colliding);
            if collides && text.ignores() {
                return Err(refuse("IGNORE, where columns of a unique key are set"));
            }
            let values = update.assignments.iter().map(|assignment| &assignment.value);
            let parts = values.chain(update.selection.iter().flat_map(conjuncts));
            parts.into_iter().try_for_each(|part| written.reads_before(part, scratch))?;
            (Verb::Update { in_order: one_table::in_order(&update.order_by, written.schema) }, collides)
        }
        Statement::Delete(delete) => {
            let mut parts = delete.selection.iter().flat_map(conjuncts);
            parts.try_for_each(|part| written.reads_before(part, scratch))?;
            (Verb::Delete, false)
        }
        _ => return Err(refuse("this kind of statement")),
    };
    let (row, key, home) = written.row()?;
    let rows = match &*parsed.statement {
        Statement::Insert(insert) if verb != Verb::InsertOne => {
            Some(rows(&text, name, insert).ok_or_else(|| refuse("rows that cannot be told apart"))?)
        }
        _ => None,
    };
    let draws = rows.is_some();
    let Staged { plan, rows, reads_itself } =
        exact::stage((statement, &text), context, scratch, &parsed.statement, rows, refusal)?;
    if let Statement::Insert(insert) = &*parsed.statement
        && reads_itself
        && !scratch.reopens
        && (draws || insert.on.is_some())
    {
        return Err(refuse("a subquery that reads the table which is written, and rows that come before or after it"));
    }
    let returns = match &*parsed.statement {
        Statement::Insert(insert) => insert.returning.is_some(),
        Statement::Delete(delete) => delete.returning.is_some(),
        _ => false,
    };
    if returns && reads_itself && key.is_empty() {
        return Err(refuse(
            "RETURNING that reads the table which is written, where rows have no key that tells their order",
        ));
    }
    if rows.is_some() && is_of_chance(&*parsed.statement) {
        return Err(refuse("a function of chance, whose values tell which rows others meet"));
    }
    let of_scratch = plan.exact.as_ref().and_then(|exact| exact.fragments.first()).map(|first| first.qualified());
    let draft = rows.zip(of_scratch).map(|(rows, table)| {
        let mut draft = vec![Part::Text(format!("INSERT IGNORE INTO {table}").into())];
        draft.extend(rows);
        draft
    });
    let whole = vec![Part::Slice(text.anchor(statement.body.start), text.anchor(statement.body.end))];
    let read = Reading { text: whole, plan, key: statement.key.clone() };
    let write = WritePlan::Rehearse(Box::new(RehearsalPlan { row, key, home, collides, verb, draft }));
    // The scratch server tells the columns.
    let returning = returns.then(Vec::new);
    let ignores = match &*parsed.statement {
        Statement::Insert(insert) => insert.ignore,
        _ => text.ignores(),
    };
    // As one shard is sent it.
    let keyspace = &*written.keyspace;
    let one = choose(statement, &PlanContext { keyspace: Some(keyspace), shard: Some(keyspace), ..*context })?;
    let merge = if written.is_sharded() { MergePlan::Writes } else { MergePlan::Replicated };
    let steps = Some(Arc::new(StepsPlan { read, write, ignores, returning }));
    Ok(Plan { route: Route::AllShards, merge, steps, ..one })
}

/// The only table that a statement writes.
fn target(statement: &Statement) -> Option<&ObjectName> {
    let relation = match statement {
        Statement::Insert(Insert { table: TableObject::TableName(name), .. }) => return Some(name),
        Statement::Update(update) => &update.table,
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            match from.as_slice() {
                [table] => table,
                _ => return None,
            }
        }
        _ => return None,
    };
    match (&relation.relation, relation.joins.as_slice()) {
        (TableFactor::Table { name, args: None, .. }, []) => Some(name),
        _ => None,
    }
}

/// The table that is written.
struct Written<'a> {
    keyspace: Arc<str>,
    name: String,
    schema: &'a TableSchema,
    table: Option<&'a Table>,
}

impl<'a> Written<'a> {
    fn of(name: &ObjectName, context: &PlanContext<'a>) -> Result<Written<'a>, Refusal> {
        let parts = idents(name).unwrap_or_default();
        let (qualifier, table) = match parts.as_slice() {
            [table] => (None, table),
            [qualifier, table] => (Some(qualifier.value.as_str()), table),
            _ => return Err(refuse("a name of a table that is not plain")),
        };
        let named = context.table(qualifier, &table.value)?;
        let known = context.schemas.get(&named.keyspace.name).and_then(|schema| schema.named(&table.value));
        let (name, schema) = known.ok_or_else(|| refuse("a table whose columns are not known"))?;
        if named.system || !named.keyspace.sharded || schema.view {
            return Err(refuse("a table that is none of a sharded keyspace"));
        }
        Ok(Written { keyspace: Arc::clone(&named.keyspace.name), name: name.to_owned(), schema, table: named.table })
    }

    fn is_sharded(&self) -> bool {
        self.table.is_some_and(|table| matches!(table.placement, Placement::Sharded(_)))
    }

    /// A row as it is read and written, the places of what names it, and where it is.
    fn row(&self) -> Result<(Moving, Vec<usize>, Home), Refusal> {
        let sharding = match self.table.map(|table| &table.placement) {
            Some(Placement::Sharded(sharding)) => Some(sharding),
            _ => None,
        };
        let key = keys::of(self.schema, sharding).filter(|key| key.columns.iter().all(|column| !column.generated));
        let columns = key.as_ref().map(|key| &*key.columns).unwrap_or_default();
        let row = keys::row(self.schema, &self.name, columns)?;
        let place = |name: &str| row.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let key = columns.iter().filter_map(|column| place(&column.name)).collect();
        let home = match sharding {
            None => Home::Everywhere,
            Some(sharding) => {
                let divider = |of: &crate::vschema::ShardingColumn| {
                    let place = place(&of.column)?;
                    Some((place, Divider::of(of, &row.columns[place])))
                };
                let dividers: Option<Vec<_>> = sharding.columns.iter().map(divider).collect();
                Home::Divided(dividers.ok_or_else(|| refuse("a sharding column that is computed"))?)
            }
        };
        Ok((row, key, home))
    }

    /// How rows are inserted.
    fn insertion(&self, insert: &Insert, text: &Text<'_>, scratch: Scratch) -> Result<Verb, Refusal> {
        if insert.partitioned.is_some() || insert.table_alias.is_some() {
            return Err(refuse("PARTITION or an alias of the table"));
        }
        let values = match insert.source.as_deref().map(|source| &*source.body) {
            Some(SetExpr::Values(values)) => Some(&values.rows),
            _ => None,
        };
        self.counts(insert)?;
        if !scratch.reopens {
            let given = insert.assignments.iter().map(|assignment| &assignment.value);
            let given = given.chain(values.iter().flat_map(|rows| rows.iter().flat_map(|row| &row.content)));
            let set: &[_] = match &insert.on {
                Some(OnInsert::DuplicateKeyUpdate(assignments)) => assignments,
                _ => &[],
            };
            for value in given.chain(set.iter().map(|assignment| &assignment.value)) {
                derived(assigned::read_and_inserted(value, &self.name))?;
            }
        }
        let one = insert.source.is_none() || values.is_some_and(|rows| rows.len() == 1);
        Ok(match text.statement.kind {
            StatementKind::Replace => Verb::Replace,
            _ if one && insert.on.is_none() && !insert.ignore => Verb::InsertOne,
            _ => Verb::Insert,
        })
    }

    /// The scratch server would number rows by itself.
    fn counts(&self, insert: &Insert) -> Result<(), Refusal> {
        let counted = self.schema.columns.iter().find(|column| column.auto_increment).map(|column| &*column.name);
        let sequence = self.table.and_then(|table| table.auto_increment.as_ref()).map(|auto| &*auto.column);
        let Some(name) = sequence.or(counted) else { return Ok(()) };
        let place = match insert.assignments.is_empty() {
            false => named_by(&insert.assignments).iter().position(|column| last(column).eq_ignore_ascii_case(name)),
            true if insert.columns.is_empty() => {
                let visible = self.schema.columns.iter().filter(|column| !column.invisible);
                visible.map(|column| &column.name).position(|column| column.eq_ignore_ascii_case(name))
            }
            true => insert.columns.iter().position(|column| last(column).eq_ignore_ascii_case(name)),
        };
        let open = |value: Option<&Expr>| match value {
            Some(Expr::Value(value)) => {
                matches!(&value.value, SqlValue::Null)
                    || matches!(&value.value, SqlValue::Number(number, _) if number == "0")
            }
            Some(value) => is_default(value),
            None => true,
        };
        let is_open = match (place, insert.source.as_deref().map(|source| &*source.body)) {
            (None, _) => true,
            (Some(place), None) => open(insert.assignments.get(place).map(|assignment| &assignment.value)),
            (Some(place), Some(SetExpr::Values(values))) => values.rows.iter().any(|row| open(row.content.get(place))),
            _ => false,
        };
        match is_open {
            true => Err(refuse(&format!("rows whose `{name}` is counted"))),
            false => Ok(()),
        }
    }

    /// MySQL's error for a part that reads the table which is written, and a refusal where it may be read once it has changed. Of a row that changes, all
    /// parts have been looked at.
    fn reads_before(&self, part: &Expr, scratch: Scratch) -> Result<(), Refusal> {
        if scratch.reopens || !assigned::reads(part, &self.name) {
            return Ok(());
        }
        derived(assigned::read_and_written(part, &self.name))?;
        match is_conditional(part) {
            true => Err(refuse("a derived table that reads the table which is written, and may be read late")),
            false => Ok(()),
        }
    }
}

/// What only a derived table reads, MySQL reads at once.
fn derived(judged: Result<(), Refusal>) -> Result<(), Refusal> {
    match judged {
        Err(refusal) if refusal.errno.is_some() => Err(refusal),
        _ => Ok(()),
    }
}

/// Whether what is around the subqueries of an expression decides whether they are looked at.
fn is_conditional(part: &Expr) -> bool {
    struct Around(usize);
    impl Visitor for Around {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            use BinaryOperator::{And, Or, Xor};
            let decides = matches!(
                expr,
                Expr::Case { .. } | Expr::Function(_) | Expr::BinaryOp { op: And | Or | Xor, .. } | Expr::InList { .. }
            );
            if self.0 == 0 && decides { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    part.visit(&mut Around(0)).is_break()
}

/// Whether something in it is of chance, other than the clock.
fn is_of_chance(statement: &Statement) -> bool {
    super::super::calls::finds(statement, |expr| match expr {
        Expr::Function(function) => {
            let name = function.name.to_string();
            functions::nature(&name) == Nature::Volatile && !functions::is_of_clock(&name)
        }
        _ => false,
    })
}

/// The bytes of the rows of an INSERT, and of what stands before them behind the table's name.
fn rows(text: &Text<'_>, name: &ObjectName, insert: &Insert) -> Option<Range<usize>> {
    let start = text.end(idents(name)?.last()?)?;
    let mut depth = 0;
    let tail = text.tokens.iter().enumerate().find(|(index, token)| {
        depth += text.nesting(token);
        let duplicate = || text.tokens.get(index + 1).is_some_and(|next| text.is_word(next, "DUPLICATE"));
        let ends = insert.on.is_some() && text.is_word(token, "ON") && duplicate()
            || insert.returning.is_some() && text.is_word(token, "RETURNING");
        depth == 0 && token.start >= start && ends
    });
    let end = match tail {
        Some((index, _)) => text.tokens.get(index.checked_sub(1)?)?.end,
        None => text.statement.body.end,
    };
    (start < end).then_some(start..end)
}
