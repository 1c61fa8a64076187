//! From a normalised statement to a plan, or to a refusal that names the reason.
//!
//! A plan is proved complete or is not made. The proof is in [`walk`] and [`facts`] (which tables lie together), [`groups`]
//! (which rows do) and [`placement`] (what that comes to); [`select`], [`folding`], [`join`], [`insert`] and [`write`] decide how several shards' answers become one.
//! [`full_write`] and [`one_row`] tell what protects MySQL from statements: writes to all rows, and many to one.

pub mod access;

mod aggregate;
mod answer;
mod asking;
mod call_text;
mod calls;
pub mod catalog;
mod clauses;
mod columns;
mod compared;
mod ddl;
mod derived;
mod exact;
mod facts;
mod filling;
mod folding;
mod full_write;
mod functions;
mod group_concat;
mod group_keys;
mod group_order;
mod groups;
mod having;
mod insert;
mod insert_select;
mod join;
mod membership;
mod names;
mod numbers;
mod one_row;
mod order;
mod passthrough;
mod pinned;
mod placement;
pub mod routines;
mod row_limit;
mod select;
mod sorting;
mod steps;
mod streams;
mod subqueries;
mod sweep;
mod targets;
mod text;
mod texts;
mod union;
pub mod views;
mod walk;
mod windows;
mod write;

pub use steps::placed;

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{Query, Statement, Visit, Visitor};
use vitrail_sql::lexer::{Token, TokenKind};
use vitrail_sql::normalise::{Normalised, StatementKind};
use vitrail_sql::parse::parse;

use self::access::Needs;
use self::catalog::Catalog;
use self::derived::Shelf;
use self::names::shared;
use self::text::Text;
use self::walk::Walk;
use crate::plan::{MergePlan, Plan, Route};
use crate::refusal::Refusal;
use crate::schema::Schemas;
use crate::vschema::VSchema;

/// What a plan depends on besides the statement.
#[derive(Debug, Clone, Copy)]
pub struct PlanContext<'a> {
    /// All keyspaces.
    pub vschema: &'a VSchema,
    /// What MySQL says of the tables, where it is known. Without it less can be proved.
    pub schemas: &'a Schemas,
    /// The default keyspace.
    pub keyspace: Option<&'a str>,
    /// An explicit shard of the default keyspace, by name.
    pub shard: Option<&'a str>,
    /// The session's temporary tables in the default keyspace: they need no schema, and hide tables of other keyspaces.
    pub temporary: &'a [&'a str],
    /// What `information_schema` is to the statement, if it names any of it; see [`catalog`].
    pub catalog: Option<&'a Catalog>,
    /// The scratch server that runs what no other way is proved right for; `None`: that is refused.
    pub scratch: Option<Scratch>,
}

/// What the planner has to know of the scratch server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scratch {
    /// A statement may name a temporary table more than once: MariaDB's may, MySQL's may not (error 1137).
    pub reopens: bool,
    /// The rows of a query tell what is written: as MySQL does it, they are locked where they are read, and are the newest ones.
    pub for_write: bool,
}

/// Plans a statement that needs a connection of the session's own: LOCK TABLES, UNLOCK TABLES, HANDLER, DDL of temporary tables, and
/// SELECT or DO with functions on named locks. It goes to exactly one place.
///
/// # Errors
/// A target that leads to several shards, and what [`plan`] refuses otherwise.
pub fn plan_pinned(statement: &Normalised, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
    let plan = pinned::plan(statement, context)?;
    Ok(Plan { needs: Needs::of(statement), ..plan })
}

/// Plans a query, a write or a DDL statement. The plan holds for every statement with the same key, under the same context.
///
/// # Errors
/// A statement whose answer could not be proved right, and every other kind of statement: those are the session's.
pub fn plan(statement: &Normalised, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
    with_needs(choose(statement, context)?, statement, context)
}

/// Plans a query for the scratch server that was planned otherwise, and whose answer turned out not to be proved right once it ran.
/// `message`: why.
///
/// # Errors
/// A refusal with that message, or a plainer one.
pub fn plan_exact(statement: &Normalised, context: &PlanContext<'_>, message: String) -> Result<Plan, Refusal> {
    let refusal = Refusal::unsupported(exact::VALUES, message);
    match context.scratch.filter(|_| exact::may_help(statement, &refusal)) {
        Some(scratch) if passthrough::destination(context).is_none() => {
            let plan = exact::plan(statement, context, scratch, refusal)?;
            with_needs(plan, statement, context)
        }
        _ => Err(refusal),
    }
}

/// Plans a rehearsal of a write that was planned otherwise, and turned out not to be proved right once it ran. `message`: why.
///
/// # Errors
/// A refusal with that message, or a plainer one.
pub fn plan_rehearsal(statement: &Normalised, context: &PlanContext<'_>, message: String) -> Result<Plan, Refusal> {
    let refusal = Refusal::unsupported(exact::VALUES, message);
    match context.scratch.filter(|_| steps::rehearsal::may_help(statement, &refusal)) {
        Some(scratch) if passthrough::destination(context).is_none() => {
            with_needs(steps::rehearsal::plan(statement, context, scratch, refusal)?, statement, context)
        }
        _ => Err(refusal),
    }
}

/// What a statement needs that goes to the keyspace `own`: names without one get that of their table, if it is another.
///
/// # Errors
/// A table that is not known.
pub fn needs_of(statement: &Normalised, own: &str, context: &PlanContext<'_>) -> Result<Needs, Refusal> {
    let mut needs = Needs::of(statement);
    exact::name_keyspaces(&mut needs, own, context)?;
    Ok(needs)
}

fn with_needs(plan: Plan, statement: &Normalised, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
    let needs = match plan.exact {
        Some(_) => needs_of(statement, &plan.keyspace, context)?,
        None => Needs::of(statement),
    };
    let advice = plan.improvement().map(Arc::from);
    Ok(Plan { needs, advice, ..plan })
}

fn choose(statement: &Normalised, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
    match statement.kind {
        StatementKind::Select
        | StatementKind::Insert
        | StatementKind::Replace
        | StatementKind::Update
        | StatementKind::Delete => {}
        StatementKind::Ddl => return ddl::plan(statement, context),
        StatementKind::Other if passthrough::begins_like_nothing(statement) => {
            let body = &statement.text[statement.body.clone()];
            let near: String = body.chars().take(40).collect();
            return Err(Refusal::invalid(
                "syntax",
                format!("syntax error near '{near}': no statement begins like this"),
            ));
        }
        StatementKind::Call => return in_one_place(statement, context, "CALL"),
        StatementKind::Other if begins_with(statement, "DO") => return in_one_place(statement, context, "DO"),
        _ => return Err(unsupported_kind()),
    }
    let refusal = match planned(statement, context) {
        Err(refusal) => refusal,
        plan => return plan,
    };
    match (passthrough::destination(context), context.scratch) {
        (Some(destination), _) if passthrough::may_judge(&refusal) => {
            passthrough::plan(statement, context, destination)
        }
        // An unsharded keyspace answers all but what is in another one.
        (destination, Some(scratch))
            if exact::may_help(statement, &refusal)
                && (destination.is_none() || (refusal.reason == "cross-keyspace" && context.shard.is_none())) =>
        {
            exact::plan(statement, context, scratch, refusal)
        }
        (None, Some(scratch)) if steps::rehearsal::may_help(statement, &refusal) => {
            steps::rehearsal::plan(statement, context, scratch, refusal)
        }
        _ => Err(by_name(statement, refusal)),
    }
}

/// What the parser does not know, and MySQL or MariaDB does, is called by its name.
fn by_name(statement: &Normalised, refusal: Refusal) -> Refusal {
    if refusal.reason != "syntax" {
        return refusal;
    }
    let text = Text::new(statement);
    let follow = |first: &str, second: &str| {
        text.tokens.windows(2).any(|pair| text.is_word(&pair[0], first) && text.is_word(&pair[1], second))
    };
    if follow("FOR", "SYSTEM_TIME") {
        return Refusal::unsupported(
            "system-versioned",
            "a table at an earlier time (FOR SYSTEM_TIME) lies on several shards, whose clocks are not one; pin it to one shard of the target",
        );
    }
    if follow("INTO", "OUTFILE") || follow("INTO", "DUMPFILE") {
        return functions::refuse_into();
    }
    refusal
}

/// A statement of which nobody knows what it does, where it can do it on one MySQL only.
fn in_one_place(statement: &Normalised, context: &PlanContext<'_>, command: &str) -> Result<Plan, Refusal> {
    match passthrough::destination(context) {
        Some(destination) => passthrough::plan(statement, context, destination),
        None => Err(Refusal::unsupported(
            "one-place-only",
            format!(
                "{command} runs where everything is on one MySQL: in an unsharded keyspace, or on a shard that the target names"
            ),
        )),
    }
}

fn begins_with(statement: &Normalised, word: &str) -> bool {
    let body = &statement.text[statement.body.clone()];
    let first = body.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    first.eq_ignore_ascii_case(word)
}

fn unsupported_kind() -> Refusal {
    Refusal::unsupported("statement-kind", "this kind of statement is not supported")
}

fn planned(statement: &Normalised, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
    let parsed = parse(statement).map_err(|error| Refusal {
        reason: "syntax",
        message: error.to_string(),
        code: error.code(),
        errno: None,
    })?;
    let text = Text::new(statement);
    for token in text.tokens.iter().filter(|token| token.kind == TokenKind::SystemVariable) {
        functions::check_variable(text.str(token))?;
    }
    let shelf = Shelf::default();
    let mut walk = Walk::new(context, &text, &shelf);
    walk.individual =
        text.tokens.iter().any(|token| token.kind == TokenKind::SystemVariable) || text::has_version_comment(statement);
    walk.sweep(&parsed.statement)?;
    let mut clauses = Clauses::default();
    if let ControlFlow::Break(refusal) = parsed.statement.visit(&mut clauses) {
        return Err(refusal);
    }
    let writes = clauses.locks || statement.kind != StatementKind::Select;
    let (route, merge) = match &*parsed.statement {
        Statement::Query(query) => {
            let scope = walk.query(query, &[])?;
            match walk.keyspace.get() {
                Some(keyspace) if keyspace.sharded && context.shard.is_none() => {
                    select::route(&mut walk, query, &scope)?
                }
                _ => (Route::AnyShard, MergePlan::Pass),
            }
        }
        Statement::Insert(insert) => insert::insert(&mut walk, insert)?,
        Statement::Update(update) => write::update(&mut walk, update)?,
        Statement::Delete(delete) => write::delete(&mut walk, delete)?,
        _ => return Err(unsupported_kind()),
    };
    // A condition of DELETE may compare with one, as a read's does; what is stored must be one series.
    let stores = writes && !matches!(statement.kind, StatementKind::Select | StatementKind::Delete);
    let series = walk.series.take().filter(|_| stores).map(Arc::from);
    let row = if writes { one_row::find(&walk, &parsed.statement) } else { None };
    let alone = why_alone(&text, &merge);
    let plan = finish(walk, route, merge, writes, series)?;
    Ok(Plan { full_write: full_write::verb(&text), row, alone, ..plan })
}

/// What a statement does to its session that several shards could not do as one.
fn why_alone(text: &Text<'_>, merge: &MergePlan) -> Option<&'static str> {
    let calls_with_argument = |index: usize| {
        let next = |ahead: usize| text.tokens.get(index + ahead).map(|token| token.kind);
        next(1) == Some(TokenKind::Open) && next(2) != Some(TokenKind::Close)
    };
    let is = |token: &Token, word: &str| text.str(token).eq_ignore_ascii_case(word);
    text.tokens.iter().enumerate().find_map(|(index, token)| match token.kind {
        TokenKind::Operator if text.assigns(index) => {
            Some("a statement over several shards cannot assign user variables: each shard would assign its own; pin it to one shard")
        }
        TokenKind::Word | TokenKind::QuotedName if is(token, "last_insert_id") && calls_with_argument(index) => Some(
            "LAST_INSERT_ID(expr) sets one value, and each of several shards would set its own; pin the statement to one shard",
        ),
        TokenKind::Word if is(token, "sql_calc_found_rows") && matches!(merge, MergePlan::Group { .. }) => {
            Some("SQL_CALC_FOUND_ROWS counts rows of shards, and groups over several have others; leave it out")
        }
        _ => None,
    })
}

fn finish(
    walk: Walk<'_>,
    route: Route,
    merge: MergePlan,
    writes: bool,
    series: Option<Arc<str>>,
) -> Result<Plan, Refusal> {
    let context = walk.context;
    let keyspace = match (walk.keyspace.get(), context.keyspace) {
        (Some(keyspace), _) => keyspace,
        (None, Some(name)) => context.keyspace(name)?,
        // A statement without tables runs anywhere.
        (None, None) => match context.vschema.keyspaces().next() {
            Some(keyspace) => keyspace,
            None => context.default_keyspace()?,
        },
    };
    if keyspace.sharded
        && context.shard.is_none()
        && let Some(function) = &walk.unknown_function
    {
        return Err(Refusal::unsupported(
            "unknown-function",
            format!(
                "`{function}` is no function of MySQL's own; a stored function would see the tables of one shard only"
            ),
        ));
    }
    if keyspace.sharded && context.shard.is_none() && text::has_version_comment(walk.text.statement) {
        return Err(Refusal::unsupported(
            "version-comment",
            "a version comment means different things on different servers; leave it out",
        ));
    }
    let route = match context.shard {
        Some(_) if context.keyspace != Some(&*keyspace.name) => {
            return Err(Refusal::unsupported(
                "shard-target",
                format!(
                    "the target is a shard of another keyspace than `{}`, which the statement reads",
                    keyspace.name
                ),
            ));
        }
        Some(shard) => Route::Named(shared(shard)),
        None => route,
    };
    let mut edits = walk.edits;
    edits.sort_by_key(|edit| (walk.text.statement.position(edit.start), edit.scatter_only));
    let shareable = !writes && !walk.individual;
    Ok(Plan {
        keyspace: keyspace.name.clone(),
        route,
        merge,
        edits,
        writes,
        shareable,
        series,
        full_write: None,
        row: None,
        needs: Needs::default(),
        alone: None,
        ids: walk.ids,
        filling: walk.filling.map(Box::new),
        asked: (!walk.asked.list.is_empty()).then(|| Box::new(walk.asked)),
        join: walk.join,
        steps: walk.steps,
        exact: None,
        advice: None,
    })
}

/// Clauses that count wherever in the statement they stand.
#[derive(Default)]
struct Clauses {
    locks: bool,
}

impl Visitor for Clauses {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        self.locks |= !query.locks.is_empty();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &sqlparser::ast::Select) -> ControlFlow<Refusal> {
        if select.into.is_some() {
            return ControlFlow::Break(functions::refuse_into());
        }
        ControlFlow::Continue(())
    }
}
