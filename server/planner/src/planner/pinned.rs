//! Plans for statements that need a connection of the session's own, which therefore go to exactly one place.
//!
//! Named locks are the exception that has a place everywhere: without tables, and without a shard in the target, they are taken on
//! the first shard of the keyspace, so that all sessions compete for the same ones.

use vitrail_sql::lexer::{Token, TokenKind};
use vitrail_sql::normalise::{Normalised, StatementKind};

use super::PlanContext;
use super::passthrough;
use super::text::{Text, tokens};
use crate::plan::{Plan, Route};
use crate::refusal::Refusal;
use crate::vschema::Keyspace;

/// Plans such a statement by its tokens.
pub(super) fn plan(statement: &Normalised, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
    let verb = first_word(statement);
    let on_locks = statement.kind == StatementKind::Select || verb == "DO";
    let destination = match passthrough::destination(context) {
        Some(destination) => destination,
        None if on_locks => (anywhere(statement, context)?, Route::AnyShard),
        None => return Err(needs_a_shard(&verb, context.default_keyspace()?)),
    };
    passthrough::plan_pinned(statement, context, destination)
}

/// The keyspace on whose first shard locks are taken, if the statement reads no tables.
fn anywhere<'a>(statement: &Normalised, context: &PlanContext<'a>) -> Result<&'a Keyspace, Refusal> {
    let keyspace = match (context.keyspace, context.vschema.keyspaces().next()) {
        (Some(name), _) => context.keyspace(name)?,
        (None, Some(first)) => first,
        (None, None) => context.default_keyspace()?,
    };
    let text = Text::new(statement);
    let reads = |token: &Token| ["FROM", "JOIN", "TABLE"].iter().any(|word| text.is_word(token, word));
    if keyspace.sharded && text.tokens.iter().any(reads) {
        return Err(Refusal::unsupported(
            "lock-beside-tables",
            format!(
                "named locks beside tables of the sharded keyspace `{0}` are not supported: take the lock by a SELECT without \
                 tables, or name a shard in the target, such as `{0}:-80`",
                keyspace.name
            ),
        ));
    }
    Ok(keyspace)
}

fn needs_a_shard(verb: &str, keyspace: &Keyspace) -> Refusal {
    let what = match verb {
        "CREATE" | "DROP" => "a temporary table",
        "LOCK" => "LOCK TABLES",
        _ => verb,
    };
    Refusal::unsupported(
        "pin-needs-shard",
        format!(
            "{what} belongs to one connection to one MySQL, and keyspace `{0}` is sharded; name a shard in the target, such as \
             USE `{0}:-80`",
            keyspace.name
        ),
    )
}

fn first_word(statement: &Normalised) -> String {
    let first = tokens(statement).into_iter().find(|token| token.kind == TokenKind::Word);
    first.map(|token| statement.text[token.start..token.end].to_ascii_uppercase()).unwrap_or_default()
}
