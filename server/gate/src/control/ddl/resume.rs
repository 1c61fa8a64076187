//! A DDL statement where shards differ, because it has failed on some of them earlier: it is run where it is missing, and only there.
//!
//! Nothing is kept of statements that have failed: what the shards have says how far they got, to any gate, also after a restart. Which shards
//! have it already is proved, never guessed: a table that is there is not created, one that is gone is not dropped, and what ALTER makes of a
//! table is tried on an empty copy. A statement that is run twice could drop a column with its new values.

use std::collections::BTreeMap;
use std::sync::Arc;

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_sql::control::ddl::{self, Again, Change};
use vitrail_sql::normalise::Normalised;

use super::tables::{self, COPY, Definitions, Tried};
use crate::cluster::Keyspace;
use crate::request::Scope;

/// What is to be run where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resumed {
    /// By shard.
    pub(super) texts: Vec<(usize, Arc<str>)>,
    /// Shards that have it already.
    pub(super) before: Vec<usize>,
}

/// Decides where a statement runs. `sql`: as a shard takes it.
///
/// # Errors
/// Shards differ, and it is not proved which of them have it already.
pub(super) async fn decide(
    scope: &Scope<'_>,
    keyspace: &Keyspace,
    (statement, sql): (&Normalised, &Arc<str>),
    change: &Change<'_>,
    states: &[Definitions],
) -> Result<Resumed, ErrorBody> {
    let on = |shards: Vec<usize>, sql: &Arc<str>| shards.into_iter().map(|shard| (shard, Arc::clone(sql))).collect();
    let everywhere = || Resumed { texts: on((0..states.len()).collect(), sql), before: Vec::new() };
    let agree = states.windows(2).all(|pair| pair[0] == pair[1]);
    let (has, lacks): (Vec<usize>, Vec<usize>) =
        (0..states.len()).partition(|shard| states[*shard].iter().any(Option::is_some));
    match change.again {
        _ if agree => Ok(everywhere()),
        Again::Same => Ok(everywhere()),
        Again::Exists if lacks.is_empty() => Ok(everywhere()),
        Again::Exists => Ok(Resumed { texts: on(lacks, sql), before: has }),
        // What differs otherwise goes with the tables.
        Again::Lacks if lacks.is_empty() && states.iter().flatten().all(Option::is_some) => Ok(everywhere()),
        Again::Lacks => {
            let left: Arc<str> = ddl::of_what_is_left(statement, &keyspace.name)?.into();
            Ok(Resumed { texts: on(has, &left), before: lacks })
        }
        Again::Changes => {
            let copy: Arc<str> = ddl::on_copy(statement, &keyspace.name, COPY)?.into();
            let mut groups: BTreeMap<&Definitions, Vec<usize>> = BTreeMap::new();
            for (shard, state) in states.iter().enumerate() {
                groups.entry(state).or_default().push(shard);
            }
            let mut tried = Vec::with_capacity(groups.len());
            for shards in groups.values() {
                let one = tables::try_on_copy(scope, keyspace, shards[0], &change.tables[0].table, &copy).await;
                tried.push(one);
            }
            let groups: Vec<Vec<usize>> = groups.into_values().collect();
            match chosen(&tried) {
                Some(Chosen::All) => Ok(everywhere()),
                Some(Chosen::AllBut(done)) => {
                    let (mut texts, mut before) = (Vec::new(), Vec::new());
                    for (number, shards) in groups.into_iter().enumerate() {
                        if number == done { before = shards } else { texts.extend(shards) }
                    }
                    texts.sort_unstable();
                    Ok(Resumed { texts: on(texts, sql), before })
                }
                None => Err(differ(keyspace, change, states, &tried)),
            }
        }
    }
}

/// Which groups of shards run a statement.
#[derive(Debug, PartialEq, Eq)]
enum Chosen {
    /// It makes all of them equal.
    All,
    /// This one is what the statement makes of all others.
    AllBut(usize),
}

fn chosen(tried: &[Result<Tried, ErrorBody>]) -> Option<Chosen> {
    let tried: Vec<&Tried> = tried.iter().map(|one| one.as_ref().ok()).collect::<Option<_>>()?;
    let mut done = (0..tried.len()).filter(|done| {
        let is_it = |one: &&Tried| one.after.as_ref().is_ok_and(|after| *after == tried[*done].before);
        tried.iter().enumerate().all(|(number, one)| number == *done || is_it(one))
    });
    match (done.next(), done.next()) {
        (Some(done), None) => Some(Chosen::AllBut(done)),
        (None, _) => {
            let all: Vec<&String> = tried.iter().map(|one| one.after.as_ref().ok()).collect::<Option<_>>()?;
            all.windows(2).all(|pair| pair[0] == pair[1]).then_some(Chosen::All)
        }
        _ => None,
    }
}

fn differ(
    keyspace: &Keyspace,
    change: &Change<'_>,
    states: &[Definitions],
    tried: &[Result<Tried, ErrorBody>],
) -> ErrorBody {
    let untried = tried.iter().find_map(|one| one.as_ref().err());
    let why = match untried {
        Some(error) => format!("it cannot be tried on an empty copy ({})", error.message),
        None => "it does not make one of them what the other is".to_owned(),
    };
    let message = format!(
        "the shards differ, and which of them have this already cannot be known: {}; {why}; nothing was changed: run it on those that lack it, with USE `{}:shard`",
        tables::differences(keyspace, &change.tables, states),
        keyspace.name
    );
    ErrorBody::new(Code::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(before: &str, after: &str) -> Result<Tried, ErrorBody> {
        let failed = || ErrorBody::new(Code::Conflict, "duplicate column");
        let after = if after.is_empty() { Err(failed()) } else { Ok(after.to_owned()) };
        Ok(Tried { before: before.to_owned(), after })
    }

    #[test]
    fn only_what_is_proved_is_chosen() {
        // ADD COLUMN b: done on the second.
        assert_eq!(chosen(&[tried("a", "ab"), tried("ab", "")]), Some(Chosen::AllBut(1)));
        // ADD INDEX (b) without a name: it could be run once more.
        assert_eq!(chosen(&[tried("ai", "aii"), tried("a", "ai")]), Some(Chosen::AllBut(0)));
        // MODIFY: again it changes nothing.
        assert_eq!(chosen(&[tried("a", "A"), tried("A", "A")]), Some(Chosen::AllBut(1)));
        // What differs goes with it.
        assert_eq!(chosen(&[tried("a", "x"), tried("b", "x")]), Some(Chosen::All));
        // They differ in something else.
        assert_eq!(chosen(&[tried("a", "ax"), tried("b", "bx")]), None);
        // It makes each of them what the other is.
        assert_eq!(chosen(&[tried("a", "b"), tried("b", "a")]), None);
        // Three states.
        assert_eq!(chosen(&[tried("a", "ab"), tried("ab", ""), tried("c", "cb")]), None);
        let cannot = Err(ErrorBody::new(Code::Invalid, "partitions"));
        assert_eq!(chosen(&[tried("a", "ab"), cannot]), None);
    }
}
