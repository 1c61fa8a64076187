//! DDL: on every shard of the table's keyspace, one keyspace at a time.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::future::join_all;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::ResultEnd;
use vitrail_service::call::On;

use crate::calling::statement;
use crate::cluster::Keyspace;
use crate::position::Positions;
use crate::request::Scope;
use crate::scatter::{Calls, at_shard};
use crate::session::{Session, TransactionState};
use crate::words::{Token, Words};
use crate::{failure, scatter};

/// What a DDL statement does to which tables.
#[derive(Debug, PartialEq, Eq)]
struct Change<'a> {
    /// Makes new tables, so that a sharded keyspace must know where their rows go.
    creates: bool,
    /// `CREATE TABLE … SELECT`: reads.
    selects: bool,
    view: bool,
    tables: Vec<(Option<Cow<'a, str>>, Cow<'a, str>)>,
}

/// Runs a DDL statement. Commits the open transaction first, as MySQL does.
pub(super) async fn run(scope: &Scope<'_>, session: &mut Session, body: &str) -> Result<ResultEnd, ErrorBody> {
    if scope.limits.read_only {
        return Err(ErrorBody::new(Code::Denied, "the request is read only, and the statement changes tables")
            .with_errno(1792, "25006"));
    }
    if matches!(session.transaction, TransactionState::Lost) {
        return Err(failure::transaction_lost());
    }
    let words = Words::new(body)?;
    let change = parse(words.clone())?;
    let keyspace = keyspace_of(scope, &change)?;
    check(scope, keyspace, &change)?;
    let sql: Arc<str> = without_qualifiers(body, &words, &keyspace.name).into();
    super::implicit_commit(scope, session).await?;
    let outcome = on_all_shards(scope, keyspace, &sql).await;
    scope.gate.refresh_some(std::slice::from_ref(&keyspace.name)).await;
    outcome
}

/// Runs on the target's shard, or on all, side by side; each is brought to its end, whatever happens on the others.
async fn on_all_shards(scope: &Scope<'_>, keyspace: &Keyspace, sql: &Arc<str>) -> Result<ResultEnd, ErrorBody> {
    let chosen = match &scope.target.shard {
        Some(shard) => vec![keyspace.shard(shard)?],
        None => (0..keyspace.shards.len()).collect(),
    };
    let made: Vec<_> = chosen.iter().map(|index| (*index, scope.calling.call(None))).collect();
    let calls = Calls::new(
        scope.calling.cancel,
        made.iter().map(|(index, call)| (Arc::clone(&keyspace.shards[*index].service), call.id)),
    );
    let running = join_all(made.into_iter().map(|(index, call)| async move {
        let shard = &keyspace.shards[index];
        let task = scatter::Task {
            service: Arc::clone(&shard.service),
            shard: keyspace.label(index),
            call,
            statement: statement(Arc::clone(sql), true),
            on: On::Pool,
        };
        (index, scatter::run_one(task).await)
    }));
    let (mut done, mut failed, mut total, mut positions) =
        (Vec::new(), Vec::new(), ResultEnd::default(), Positions::default());
    for (index, outcome) in calls.guard(running).await {
        let name = &keyspace.shards[index].name;
        match outcome {
            Ok(mut end) => {
                positions.add(end.position.take());
                total.warnings = total.warnings.saturating_add(end.warnings);
                total.warning_texts.extend(end.warning_texts);
                done.push(&**name);
            }
            Err(error) => failed.push((&**name, at_shard(error, &keyspace.label(index)))),
        }
    }
    match failed.is_empty() {
        true => Ok(ResultEnd { position: positions.into_token(), ..total }),
        false => Err(partial(done, failed)),
    }
}

/// The first failure; if some shards are done, it says which, and which are not.
fn partial(done: Vec<&str>, mut failed: Vec<(&str, ErrorBody)>) -> ErrorBody {
    let names: Vec<&str> = failed.iter().map(|(name, _)| *name).collect();
    let unknown = failed.iter().any(|(_, error)| error.executed != Executed::No);
    let mut error = failed.swap_remove(0).1;
    if !done.is_empty() {
        error.message = format!(
            "{} (failed on shards {}; done on {}: repair those that failed, and run it there with USE keyspace:shard)",
            error.message,
            names.join(", "),
            done.join(", ")
        );
        error.executed = Executed::Partial;
    } else if unknown {
        error.executed = Executed::Unknown;
    }
    error.normalise();
    error
}

fn keyspace_of<'s>(scope: &'s Scope<'_>, change: &Change<'_>) -> Result<&'s Keyspace, ErrorBody> {
    let mut found: Option<&str> = None;
    for (qualifier, _) in &change.tables {
        let name = qualifier.as_deref().or(scope.target.keyspace.as_deref()).ok_or_else(failure::no_keyspace)?;
        if found.is_some_and(|found| found != name) {
            return Err(failure::unsupported(
                "DDL over tables of several keyspaces is not supported; send one statement for each",
            ));
        }
        found = Some(scope.view.cluster.keyspace(name)?.name.as_ref());
    }
    scope.view.cluster.keyspace(found.ok_or_else(failure::no_keyspace)?)
}

fn check(scope: &Scope<'_>, keyspace: &Keyspace, change: &Change<'_>) -> Result<(), ErrorBody> {
    if scope.target.shard.is_some() || !keyspace.sharded {
        return Ok(());
    }
    if change.view {
        return Err(failure::unsupported(format!(
            "views in the sharded keyspace '{}' are not supported",
            keyspace.name
        )));
    }
    if change.selects {
        return Err(failure::unsupported(
            "CREATE TABLE … SELECT in a sharded keyspace is not supported: its rows would not be on their shards; create the table, then insert",
        ));
    }
    let vschema = scope.view.cluster.vschema().keyspace(&keyspace.name);
    for (_, table) in change.tables.iter().filter(|_| change.creates) {
        if vschema.is_none_or(|vschema| vschema.table(table).is_none()) {
            let message = format!(
                "table '{table}' is not in the vschema of the sharded keyspace '{}': add it there first, so that its rows find their shards",
                keyspace.name
            );
            return Err(failure::unsupported(message));
        }
    }
    Ok(())
}

fn parse(mut words: Words<'_>) -> Result<Change<'_>, ErrorBody> {
    let mut change = Change { creates: false, selects: false, view: false, tables: Vec::new() };
    let selects = words
        .tokens()
        .iter()
        .any(|(token, _)| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("select")));
    if words.take(&["CREATE"]) {
        words.take(&["OR", "REPLACE"]);
        if words.take(&["TABLE"]) {
            words.take(&["IF", "NOT", "EXISTS"]);
            change.tables.push(words.qualified()?);
            return Ok(Change { creates: true, selects, ..change });
        }
        if words.take(&["VIEW"]) {
            change.tables.push(words.qualified()?);
            return Ok(Change { view: true, ..change });
        }
        let _ = words.take(&["UNIQUE"]) || words.take(&["FULLTEXT"]) || words.take(&["SPATIAL"]);
        if words.take(&["INDEX"]) {
            return index(words, change);
        }
    } else if words.take(&["ALTER"]) {
        words.take(&["IGNORE"]);
        if words.take(&["TABLE"]) {
            change.tables.push(words.qualified()?);
            let renames = words.tokens().windows(2).any(|pair| {
                matches!((&pair[0].0, &pair[1].0), (Token::Word(rename), next) if rename.eq_ignore_ascii_case("rename")
                    && !matches!(next, Token::Word(part) if ["column", "index", "key"].iter().any(|word| part.eq_ignore_ascii_case(word))))
            });
            return if renames { Err(no_rename()) } else { Ok(change) };
        }
    } else if words.take(&["DROP"]) {
        let view = words.take(&["VIEW"]);
        if view || words.take(&["TABLE"]) || words.take(&["TABLES"]) {
            words.take(&["IF", "EXISTS"]);
            loop {
                change.tables.push(words.qualified()?);
                if !words.take_symbol(',') {
                    return Ok(Change { view, ..change });
                }
            }
        }
        if words.take(&["INDEX"]) {
            return index(words, change);
        }
    } else if words.take(&["TRUNCATE"]) {
        words.take(&["TABLE"]);
        change.tables.push(words.qualified()?);
        words.end()?;
        return Ok(change);
    } else if words.take(&["RENAME"]) {
        return Err(no_rename());
    }
    Err(failure::unsupported(
        "this DDL is not supported; there are CREATE, ALTER, DROP and TRUNCATE TABLE, CREATE and DROP INDEX, and views of unsharded keyspaces",
    ))
}

/// `[IF [NOT] EXISTS] name … ON table`
fn index<'a>(mut words: Words<'a>, mut change: Change<'a>) -> Result<Change<'a>, ErrorBody> {
    let _ = words.take(&["IF", "NOT", "EXISTS"]) || words.take(&["IF", "EXISTS"]);
    words.name()?;
    while !words.take(&["ON"]) {
        words.next().ok_or_else(|| words.unexpected())?;
    }
    change.tables.push(words.qualified()?);
    Ok(change)
}

fn no_rename() -> ErrorBody {
    failure::unsupported("renaming tables is not supported: shards would not change at the same moment")
}

/// The text with `keyspace.` cut off wherever it qualifies a name: on the shard the database has another name.
fn without_qualifiers(body: &str, words: &Words<'_>, keyspace: &str) -> String {
    let mut text = String::with_capacity(body.len());
    let mut from = 0;
    let tokens = words.tokens();
    for (index, window) in tokens.windows(3).enumerate() {
        let [(name, span), (dot, _), (after, next)] = window else { continue };
        let is_keyspace = match name {
            Token::Word(word) => *word == keyspace,
            Token::Name(name) => name == keyspace,
            _ => false,
        };
        let leads = index == 0 || tokens[index - 1].0 != Token::Symbol('.');
        if is_keyspace && leads && *dot == Token::Symbol('.') && matches!(after, Token::Word(_) | Token::Name(_)) {
            text.push_str(&body[from..span.start]);
            from = next.start;
        }
    }
    text.push_str(&body[from..]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(text: &str) -> Result<Vec<String>, u16> {
        let change = parse(Words::new(text).expect("well formed")).map_err(|error| error.errno)?;
        let full = |(keyspace, table): &(Option<Cow<'_, str>>, Cow<'_, str>)| match keyspace {
            Some(keyspace) => format!("{keyspace}.{table}"),
            None => table.to_string(),
        };
        Ok(change.tables.iter().map(full).collect())
    }

    #[test]
    fn tables_are_found() {
        for (text, expected) in [
            ("CREATE TABLE t (id INT)", Ok(vec!["t"])),
            ("create table if not exists k.`t t` like u", Ok(vec!["k.t t"])),
            ("ALTER TABLE k.t ADD COLUMN x INT", Ok(vec!["k.t"])),
            ("ALTER TABLE t RENAME COLUMN a TO b", Ok(vec!["t"])),
            ("DROP TABLE IF EXISTS a, k.b", Ok(vec!["a", "k.b"])),
            ("TRUNCATE t", Ok(vec!["t"])),
            ("CREATE UNIQUE INDEX i USING BTREE ON t (x)", Ok(vec!["t"])),
            ("DROP INDEX i ON k.t", Ok(vec!["k.t"])),
            ("ALTER TABLE t RENAME TO u", Err(1235)),
            ("RENAME TABLE a TO b", Err(1235)),
            ("CREATE TEMPORARY TABLE t (id INT)", Err(1235)),
            ("CREATE DATABASE d", Err(1235)),
            ("DROP INDEX i", Err(1064)),
        ] {
            assert_eq!(tables(text), expected.map(|names| names.into_iter().map(String::from).collect()), "{text}");
        }
    }

    #[test]
    fn qualifiers_are_cut() {
        for (text, expected) in [
            ("DROP TABLE k.a, `k` . `b`, j.k", "DROP TABLE a, `b`, j.k"),
            ("CREATE TABLE t (k INT DEFAULT 'k.t')", "CREATE TABLE t (k INT DEFAULT 'k.t')"),
            ("ALTER TABLE k.k ADD CHECK (k.k.x > 0)", "ALTER TABLE k ADD CHECK (k.x > 0)"),
        ] {
            assert_eq!(without_qualifiers(text, &Words::new(text).expect("well formed"), "k"), expected);
        }
    }

    #[test]
    fn partial_failures_name_the_shards() {
        let error = || ErrorBody::new(Code::Unavailable, "down");
        let none = partial(vec![], vec![("-80", error())]);
        assert_eq!((none.executed, none.retryable), (Executed::No, true));
        let some = partial(vec!["80-"], vec![("-80", error())]);
        assert_eq!((some.executed, some.retryable), (Executed::Partial, false));
        assert!(some.message.contains("failed on shards -80; done on 80-"), "{}", some.message);
    }
}
