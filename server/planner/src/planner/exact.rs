//! The exact tier: what no other way is proved right for runs on a scratch server, over fragments of the tables that it names.
//!
//! [`survey`] finds the tables in every block; [`conditions`] and [`limits`] what leaves fewer of their rows; [`columns`] which columns are needed. A fragment
//! is read by a statement that the planner plans as any other. The statement itself goes to the scratch server as it is, with other
//! names of tables.

mod blocks;
mod columns;
mod conditions;
mod limits;
mod references;
mod survey;
mod titles;
mod writes;

use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast::Statement;
use vitrail_sql::lexer::TokenKind;
use vitrail_sql::normalise::{Normalised, StatementKind};
use vitrail_sql::parse::{Parsed, parse};

use self::columns::{Words, carried};
use self::references::{By, Change, Reference};
use self::survey::Survey;
pub(super) use self::writes::{Staged, stage};
use super::access::Needs;
use super::functions;
use super::text::{self, Text};
use super::{PlanContext, Scratch};
use crate::plan::{
    Carried, ExactPlan, Form, Fragment, FragmentRows, Ids, MergePlan, Part, Plan, Reading, Reduction, ReductionPlan,
    Route, Title, key_bind, quote, reading_text,
};
use crate::refusal::Refusal;
use crate::vschema::Placement;

/// Refusals that hold for a statement wherever it runs.
const FINAL: [&str; 12] = [
    "connection-function",
    "connection-variable",
    "edit",
    "full-text",
    "lock-beside-tables",
    "one-place-only",
    "select-into",
    "several-catalogs",
    "shard-target",
    "statement-kind",
    "system-tables",
    "version-comment",
];

/// The reason of a refusal that came once a statement ran.
pub const VALUES: &str = "values";

/// Whether a statement that was refused so may run on the scratch server.
pub(super) fn may_help(statement: &Normalised, refusal: &Refusal) -> bool {
    let may = refusal.code == vitrail_proto::error::Code::Unsupported && !FINAL.contains(&refusal.reason);
    may && statement.kind == StatementKind::Select
}

/// Plans a statement that was refused otherwise.
///
/// # Errors
/// That refusal, or a plainer one.
pub(super) fn plan(
    statement: &Normalised,
    context: &PlanContext<'_>,
    scratch: Scratch,
    refusal: Refusal,
) -> Result<Plan, Refusal> {
    match make(statement, context, scratch, &refusal) {
        Err(other) if other.reason == "exact" => Err(Refusal {
            message: format!("{} (and it cannot run on the scratch server: {})", refusal.message, other.message),
            ..refusal
        }),
        done => done,
    }
}

/// Names the keyspaces of tables that are needed of another one than the statement's own.
pub(super) fn name_keyspaces(needs: &mut Needs, own: &str, context: &PlanContext<'_>) -> Result<(), Refusal> {
    for table in needs.tables.iter_mut().filter(|table| table.keyspace.is_none()) {
        let keyspace = &context.table(None, &table.table)?.keyspace.name;
        if **keyspace != *own {
            table.keyspace = Some((&**keyspace).into());
        }
    }
    Ok(())
}

/// A form of a statement for which there is no exact answer either.
fn refuse(what: &str) -> Refusal {
    Refusal::unsupported("exact", what)
}

/// Parses a statement that is to run on the scratch server as it is.
///
/// # Errors
/// It has variables that are another server's, or a comment that servers read differently; `refuse` says of what it is.
pub(super) fn parse_for_scratch(
    statement: &Normalised,
    text: &Text<'_>,
    refuse: impl Fn(&str) -> Refusal,
) -> Result<Parsed, Refusal> {
    let parsed = parse(statement).map_err(|error| refuse(&error.to_string()))?;
    for token in text.tokens.iter().filter(|token| token.kind == TokenKind::SystemVariable) {
        functions::check_variable(text.str(token))?;
    }
    if text::has_version_comment(statement) {
        return Err(refuse("a version comment"));
    }
    Ok(parsed)
}

fn make(
    statement: &Normalised,
    context: &PlanContext<'_>,
    scratch: Scratch,
    refusal: &Refusal,
) -> Result<Plan, Refusal> {
    let text = Text::new(statement);
    let parsed = parse_for_scratch(statement, &text, refuse)?;
    let Statement::Query(query) = &*parsed.statement else { return Err(refuse("this kind of statement")) };
    let mut survey = Survey::new(context, &text, scratch);
    survey.query(query, &[])?;
    let Survey { mut references, changes, mut locks, natural, wildcards, .. } = survey;
    if references.is_empty() {
        return Err(refuse("a statement without tables"));
    }
    if scratch.for_write {
        let unlocked = references.iter_mut().filter(|reference| reference.lock.is_none());
        unlocked.for_each(|reference| reference.lock = Some("LOCK IN SHARE MODE"));
        locks = true;
    }
    // One that was not found may list any table.
    let whole = natural || wildcards < Words::wildcards(&text);
    references.iter_mut().for_each(|reference| reference.whole |= whole);
    if refusal.reason == VALUES {
        // Orders of shards may be what could not be merged.
        references.iter_mut().for_each(|reference| reference.first = None);
    }
    let found = Found { references, changes, listed: "SELECT" };
    let (mut plan, _) = assemble(statement, context, scratch, &text, found, None, refusal)?;
    plan.writes = locks;
    Ok(plan)
}

/// What a survey has found.
struct Found<'a> {
    references: Vec<Reference<'a>>,
    changes: Vec<Change>,
    /// The word behind which the columns of the answer are listed.
    listed: &'static str,
}

/// Makes the plan. Gives also the part of the text at `part`, as the scratch server has it.
fn assemble(
    statement: &Normalised,
    context: &PlanContext<'_>,
    scratch: Scratch,
    text: &Text<'_>,
    Found { references, changes, listed }: Found<'_>,
    part: Option<Range<usize>>,
    refusal: &Refusal,
) -> Result<(Plan, Option<Vec<Part>>), Refusal> {
    let (fragments, of_reference) = fragments(statement, context, scratch, text, &references)?;
    let name = |reference: usize| {
        let fragment = &fragments[of_reference[reference]];
        let alias = !references[reference].aliased && fragment.name != fragment.table;
        let alias = if alias { format!(" AS {}", quote(&fragment.table)) } else { String::new() };
        format!("{}{alias}", fragment.qualified())
    };
    let parts = rewritten(text, statement.body.clone(), &changes, &name);
    let within = |bytes: &Range<usize>| -> Vec<&Change> {
        changes.iter().filter(|change| bytes.start <= change.bytes.start && change.bytes.end <= bytes.end).collect()
    };
    let titles = titles::changed(text, listed, &changes).into_iter().map(|column| {
        let inside = within(&column);
        let own = vec![Part::Slice(text.anchor(column.start), text.anchor(column.end))];
        Title { there: rewritten_by(text, column, inside, &name), own }
    });
    let titles = titles.collect();
    let part = part.map(|bytes| {
        let inside = within(&bytes);
        rewritten_by(text, bytes, inside, &name)
    });
    let keyspace = match context.keyspace {
        Some(name) => &context.keyspace(name)?.name,
        None => &references[0].keyspace.name,
    };
    let plan = Plan {
        keyspace: Arc::clone(keyspace),
        route: Route::AnyShard,
        merge: MergePlan::Pass,
        edits: Vec::new(),
        writes: true,
        shareable: false,
        series: None,
        full_write: None,
        row: None,
        needs: Needs::default(),
        alone: None,
        ids: Ids::default(),
        filling: None,
        asked: None,
        join: None,
        steps: None,
        exact: Some(Arc::new(ExactPlan {
            fragments,
            text: parts,
            limited: references.iter().any(|reference| reference.first.is_some()),
            titles,
            reason: refusal.reason,
            instead: refusal.message.as_str().into(),
        })),
        advice: None,
    };
    Ok((plan, part))
}

/// A fragment for each reference, and which of them it is.
fn fragments(
    statement: &Normalised,
    context: &PlanContext<'_>,
    scratch: Scratch,
    text: &Text<'_>,
    references: &[Reference<'_>],
) -> Result<(Vec<Fragment>, Vec<usize>), Refusal> {
    let words = Words::of(text);
    let like = |number: usize| (0..number).find(|earlier| references[*earlier].is_like(&references[number]));
    let mut of_reference: Vec<usize> = Vec::with_capacity(references.len());
    let mut firsts: Vec<usize> = Vec::new();
    for number in 0..references.len() {
        match like(number) {
            Some(earlier) if scratch.reopens => of_reference.push(of_reference[earlier]),
            _ => {
                of_reference.push(firsts.len());
                firsts.push(number);
            }
        }
    }
    let mut fragments: Vec<Fragment> = Vec::with_capacity(firsts.len());
    for (place, number) in firsts.iter().enumerate() {
        let reference = &references[*number];
        let (columns, documents) = carried(reference.schema, &words, reference.whole)?;
        let same_table =
            |fragment: &Fragment| fragment.keyspace == reference.keyspace.name && *fragment.table == *reference.table;
        let name = if fragments.iter().any(same_table) { copy_name(references, place) } else { reference.table.into() };
        let rows = match like(*number) {
            _ if reference.empty => FragmentRows::None,
            Some(earlier) => FragmentRows::Copy(of_reference[earlier]),
            None => rows(statement, context, reference, (&columns, documents.as_deref()), &of_reference, references)?,
        };
        fragments.push(Fragment {
            keyspace: Arc::clone(&reference.keyspace.name),
            table: reference.table.into(),
            name,
            columns,
            checked: documents.is_some(),
            rows,
        });
    }
    Ok((fragments, of_reference))
}

/// The name of a further temporary table with rows of one table.
fn copy_name(references: &[Reference<'_>], place: usize) -> Arc<str> {
    let mut name = format!("vitrail_copy_{place}");
    while references.iter().any(|reference| reference.table.eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    name.into()
}

/// The statements that read the rows of a reference.
fn rows(
    statement: &Normalised,
    context: &PlanContext<'_>,
    reference: &Reference<'_>,
    (columns, documents): (&[Carried], Option<&str>),
    of_reference: &[usize],
    references: &[Reference<'_>],
) -> Result<FragmentRows, Refusal> {
    let read = columns.iter().map(|column| &*column.read).chain(documents).collect::<Vec<_>>().join(", ");
    let start = format!("SELECT {read} FROM {}", quote(reference.table));
    let lock = reference.lock.map(|lock| Part::Text(format!(" {lock}").into()));
    let text = |further: Option<String>, hidden: bool, first: Option<&Arc<str>>| {
        let mut parts = vec![Part::Text(start.as_str().into())];
        let further = further.map(|text| vec![Part::Text(text.into())]);
        for (number, condition) in reference.conditions.iter().chain(&further).enumerate() {
            parts.push(Part::Text(if number == 0 { " WHERE (" } else { " AND (" }.into()));
            parts.extend(condition.iter().cloned());
            parts.push(Part::Text(if hidden { ") IS TRUE" } else { ")" }.into()));
        }
        parts.extend(first.map(|first| Part::Text(Arc::clone(first))));
        parts.extend(lock.clone());
        parts
    };
    let context = PlanContext {
        keyspace: Some(&reference.keyspace.name),
        shard: None,
        temporary: &[],
        catalog: None,
        scratch: None,
        ..*context
    };
    let reading = |parts: Vec<Part>| {
        let statement = reading_text(&parts, statement)?;
        let plan = super::choose(&statement, &context)?;
        Ok::<_, Refusal>(Reading { text: parts, plan, key: statement.key })
    };
    let mut reductions = Vec::new();
    for equality in &reference.equalities {
        let source = of_reference[equality.source];
        let Some(form) = written(&references[equality.source], &equality.of_source) else { continue };
        let condition = format!("{} IN ::{}", quote(&equality.column), key_bind(0));
        let routed = match reference.keyspace.table(reference.table).map(|table| &table.placement) {
            Some(Placement::Sharded(sharding)) => sharding.position(&equality.column).is_some(),
            _ => false,
        };
        let reduction = Reduction { source, column: equality.of_source.as_str().into(), form, routed };
        reductions.push(ReductionPlan { reduction, reading: reading(text(Some(condition), false, None))? });
    }
    // Where shards' orders are not merged, all rows are read.
    let first = reference.first.as_ref().and_then(|first| reading(text(None, false, Some(first))).ok());
    let whole = match first {
        Some(first) => first,
        None => reading(text(None, false, None))?,
    };
    // A value may turn out to lead to no shard that can be told.
    let pinned = !matches!(whole.plan.route, Route::AllShards | Route::AnyShard);
    let everywhere = if pinned { Some(Box::new(reading(text(None, true, None))?)) } else { None };
    Ok(FragmentRows::Read {
        whole: Box::new(whole),
        everywhere,
        filtered: !reference.conditions.is_empty(),
        reductions,
    })
}

/// How values of a column are written.
fn written(reference: &Reference<'_>, column: &str) -> Option<Form> {
    use crate::schema::ColumnClass::{Binary, Decimal, Integer, Temporal, Text};
    match reference.schema.column(column)?.class {
        Integer | Decimal => Some(Form::Number),
        Temporal | Text(_) => Some(Form::Quoted),
        Binary => Some(Form::Bytes),
        _ => None,
    }
}

/// A text with changes.
fn rewritten(text: &Text<'_>, bytes: Range<usize>, changes: &[Change], name: &dyn Fn(usize) -> String) -> Vec<Part> {
    rewritten_by(text, bytes, changes.iter().collect(), name)
}

fn rewritten_by(
    text: &Text<'_>,
    bytes: Range<usize>,
    mut ordered: Vec<&Change>,
    name: &dyn Fn(usize) -> String,
) -> Vec<Part> {
    ordered.sort_by_key(|change| change.bytes.start);
    let slice = |start: usize, end: usize| Part::Slice(text.anchor(start), text.anchor(end));
    let (mut parts, mut at) = (Vec::new(), bytes.start);
    for change in ordered {
        parts.push(slice(at, change.bytes.start));
        match &change.by {
            By::Table(reference) => parts.push(Part::Text(name(*reference).into())),
            By::Nothing => {}
            By::Again { bytes, inside, before, after } => {
                parts.push(Part::Text(before.as_str().into()));
                parts.extend(rewritten(text, bytes.clone(), inside, name));
                parts.push(Part::Text(after.as_str().into()));
            }
        }
        at = change.bytes.end;
    }
    parts.push(slice(at, bytes.end));
    parts
}
