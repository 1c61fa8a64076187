//! Writes that are rehearsed: no other way is proved to do what MySQL does, so MySQL itself does it, on the scratch server, over the rows that are
//! concerned; what it changes there is written to the shards.

use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast::{Expr, FromTable, Insert, ObjectName, Statement, TableFactor, TableObject};
use vitrail_sql::normalise::{Normalised, StatementKind};

use super::super::exact::{self, Staged};
use super::super::facts::conjuncts;
use super::super::functions::{self, Nature};
use super::super::names::idents;
use super::super::text::Text;
use super::super::write::{assigned as named_by, last};
use super::super::{PlanContext, Scratch, choose, why_alone};
use super::one_table;
use super::written::Written;
use crate::plan::{MergePlan, Part, Plan, Reading, RehearsalPlan, Route, StepsPlan, Verb, WritePlan};
use crate::refusal::Refusal;

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

pub(super) fn refuse(what: &str) -> Refusal {
    Refusal::unsupported("rehearsal", what)
}

fn make(
    statement: &Normalised,
    context: &PlanContext<'_>,
    scratch: Scratch,
    refusal: &Refusal,
) -> Result<Plan, Refusal> {
    let text = Text::new(statement);
    let parsed = exact::parse_for_scratch(statement, &text, refuse)?;
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
    let (table, key) = written.rows()?;
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
    if rows.is_some() && is_of_chance(&parsed.statement) {
        return Err(refuse("a function of chance, whose values tell which rows others meet"));
    }
    let of_scratch = plan.exact.as_ref().and_then(|exact| exact.fragments.first()).map(|first| first.qualified());
    let draft = rows.zip(of_scratch).map(|(rows, name)| {
        let mut draft = vec![Part::Text(format!("INSERT IGNORE INTO {name}").into())];
        draft.extend(rows);
        draft
    });
    let whole = vec![Part::Slice(text.anchor(statement.body.start), text.anchor(statement.body.end))];
    let read = Reading { text: whole, plan, key: statement.key.clone() };
    let write = WritePlan::Rehearse(Box::new(RehearsalPlan { table, key, collides, verb, draft }));
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
