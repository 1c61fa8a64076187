//! Plans for DDL: by its first words and names alone, on every shard of the keyspace.

use vitrail_sql::lexer::{Token, TokenKind};
use vitrail_sql::normalise::Normalised;

use super::PlanContext;
use super::access::Needs;
use super::names::{OneKeyspace, shared};
use super::passthrough;
use super::text::tokens;
use crate::plan::{Edit, Ids, MergePlan, Plan, Replacement, Route};
use crate::refusal::Refusal;

/// Plans a DDL statement on tables.
pub(super) fn plan(statement: &Normalised, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
    let tokens = tokens(statement);
    let word =
        |index: usize| tokens.get(index).map(|token| str(statement, token).to_ascii_uppercase()).unwrap_or_default();
    let object = (1..tokens.len()).map(word).find(|word| !MODIFIERS.contains(&word.as_str())).unwrap_or_default();
    let selects = |token: &Token| str(statement, token).eq_ignore_ascii_case("SELECT");
    let destination = passthrough::destination(context);
    if let Some(destination) = destination
        && (word(0) == "TRUNCATE" || matches!(&*object, "TABLE" | "TABLES" | "INDEX" | "VIEW"))
    {
        match passthrough::plan(statement, context, destination) {
            // The statement may be one of that other keyspace alone.
            Err(refusal)
                if refusal.reason == "cross-keyspace" && context.shard.is_none() && !tokens.iter().any(selects) => {}
            plan => return plan,
        }
    }
    let on_table = word(0) == "TRUNCATE" || matches!(&*object, "TABLE" | "TABLES" | "INDEX");
    if !on_table {
        return Err(Refusal::unsupported(
            "ddl-form",
            format!("{} {object} is not supported through the gate; run it on each MySQL", word(0)),
        ));
    }
    let (mut one, mut edits) = (OneKeyspace::default(), Vec::new());
    for window in tokens.windows(3) {
        let [qualifier, dot, name] = window else { continue };
        if dot.kind != TokenKind::Dot || !matches!(qualifier.kind, TokenKind::Word | TokenKind::QuotedName) {
            continue;
        }
        one.add(context.keyspace(str(statement, qualifier).trim_matches('`'))?)?;
        edits.push(Edit {
            start: statement.anchor(qualifier.start),
            end: statement.anchor(name.start),
            replacement: Replacement::Text(shared("")),
            scatter_only: false,
        });
    }
    let keyspace = match one.get() {
        Some(keyspace) => keyspace,
        None => context.default_keyspace()?,
    };
    if keyspace.sharded && context.shard.is_none() && tokens.iter().any(selects) {
        return Err(Refusal::unsupported(
            "ddl-select",
            "CREATE TABLE … SELECT in a sharded keyspace is not supported; create the table and insert the rows",
        ));
    }
    let route = Route::AllShards;
    Ok(Plan {
        keyspace: keyspace.name.clone(),
        route,
        merge: MergePlan::Writes,
        edits,
        shareable: false,
        writes: true,
        series: None,
        needs: Needs::default(),
        full_write: None,
        row: None,
        alone: None,
        ids: Ids::default(),
        filling: None,
        asked: None,
        join: None,
        steps: None,
        exact: None,
        advice: None,
    })
}

/// What may stand before the kind of object.
const MODIFIERS: [&str; 17] = [
    "UNIQUE",
    "FULLTEXT",
    "SPATIAL",
    "OR",
    "REPLACE",
    "ONLINE",
    "OFFLINE",
    "IGNORE",
    "ALGORITHM",
    "=",
    "UNDEFINED",
    "MERGE",
    "TEMPTABLE",
    "SQL",
    "SECURITY",
    "DEFINER",
    "INVOKER",
];

fn str<'a>(statement: &'a Normalised, token: &Token) -> &'a str {
    &statement.text[token.start..token.end]
}
