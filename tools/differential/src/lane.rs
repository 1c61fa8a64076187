//! A lane: a suite's cases, one after the other, on one flavour and one number of shards.

use std::borrow::Cow;
use std::collections::HashMap;

use anyhow::Result;
use vitrail_client::Session;
use vitrail_harness::Flavour;
use vitrail_mysql::Connection;

use crate::answer::{self, Answer, Failed, Row};
use crate::case::{Case, Expected, Kind, View};
use crate::classes;
use crate::clause;
use crate::compare::{self, Knowledge, Warnings};
use crate::stage::Stage;
use crate::suite::Suite;
use crate::tables;

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As one MySQL has it.
    Equal,
    /// Vitrail does not support it, and says why.
    Refused(String),
    /// Not as one MySQL has it: how, for people.
    Different(String),
    /// The case is not what its file says, whatever Vitrail does.
    Broken(String),
}

/// How the gate runs a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Whole, in one place.
    OnePlace,
    /// On several shards, and merged.
    Distributed,
    /// Over fragments, on a MySQL of Vitrail's own.
    Exact,
    /// By the gate itself, or without a plan.
    Session,
}

/// A case that was run.
#[derive(Debug, Clone)]
pub struct Ran {
    /// What came of it.
    pub verdict: Verdict,
    /// How it ran, where that is known.
    pub tier: Option<Tier>,
}

/// Runs a suite's cases for `flavour` over `shards` shards. `None` stands for cases of the other flavour.
///
/// # Errors
///
/// A stage that cannot be set, and connections that are lost.
pub async fn run(suite: &Suite, flavour: Flavour, shards: usize) -> Result<(Vec<Option<Ran>>, Vec<String>)> {
    let stage = Stage::set(suite, flavour, shards).await?;
    let explainer = stage.session();
    let mut lane = Lane { stage, shards, explainer, sessions: HashMap::new() };
    let mut all = Vec::with_capacity(suite.cases.len());
    for case in &suite.cases {
        all.push(match case.flavours.contains(&flavour) {
            true => Some(lane.case(&named(case, lane.stage.keyspace())).await?),
            false => None,
        });
    }
    for (_, mut pair) in lane.sessions.drain() {
        pair.both("ROLLBACK").await?;
        pair.oracle.quit().await;
        pair.vitrail.close().await?;
    }
    lane.explainer.close().await?;
    let faults = tables::differences(&lane.stage).await?;
    lane.stage.strike().await;
    Ok((all, faults))
}

/// The case with the keyspace's name where `{keyspace}` stands.
fn named<'c>(case: &'c Case, keyspace: &str) -> Cow<'c, Case> {
    const MARK: &str = "{keyspace}";
    if case.sql.contains(MARK) {
        Cow::Owned(Case { sql: case.sql.replace(MARK, keyspace), ..case.clone() })
    } else {
        Cow::Borrowed(case)
    }
}

struct Lane {
    stage: Stage,
    shards: usize,
    /// Explains what the sessions run.
    explainer: Session,
    /// By name; the nameless one is there from the beginning.
    sessions: HashMap<String, Pair>,
}

/// A session of Vitrail, and its like on one MySQL.
struct Pair {
    vitrail: Session,
    oracle: Connection,
}

impl Pair {
    async fn both(&mut self, sql: &str) -> Result<()> {
        answer::of_vitrail(&mut self.vitrail, sql).await?;
        answer::of_mysql(&mut self.oracle, sql).await?;
        Ok(())
    }
}

impl Lane {
    async fn case(&mut self, case: &Case) -> Result<Ran> {
        if !self.sessions.contains_key(&case.session) {
            let pair = Pair { vitrail: self.stage.session(), oracle: self.stage.oracle().await };
            self.sessions.insert(case.session.clone(), pair);
        }
        let Some(pair) = self.sessions.get_mut(&case.session) else { unreachable!("it was put there") };
        // A write that is known to go wrong must not spoil what follows.
        let undone = case.bug.is_some() && clause::changes_rows(&case.sql) && !pair.oracle.status().in_transaction();
        if undone {
            pair.both("START TRANSACTION").await?;
        }
        // Asked in a session of its own: warnings, FOUND_ROWS() and the like stay those of the case.
        let plan = plan(&mut self.explainer, &case.sql).await?;
        let tier = plan.as_deref().map_or(Tier::Session, tier);
        let merged = self.shards > 1 && tier == Tier::Distributed;
        let verdict = judge(pair, case, merged).await?;
        if undone {
            pair.both("ROLLBACK").await?;
        }
        let verdict = match (verdict, &plan) {
            (Verdict::Different(how), Some(plan)) => {
                Verdict::Different(format!("{how}\n    plan:\n      {}", plan.trim_end().replace('\n', "\n      ")))
            }
            (verdict, _) => verdict,
        };
        let tier = (!matches!(verdict, Verdict::Refused(_))).then_some(tier);
        Ok(Ran { verdict, tier })
    }
}

/// Runs a case on both sides and compares. `merged`: several shards make up the answer.
async fn judge(pair: &mut Pair, case: &Case, merged: bool) -> Result<Verdict> {
    let found = answer::of_vitrail(&mut pair.vitrail, &case.sql).await?;
    if let Answer::Failed(Failed { refused: true, message, .. }) = &found
        && !matches!(case.expected, Expected::Error(_))
    {
        // What Vitrail has not done, one MySQL must not do either; whether it could is asked all the same.
        let probe = match (&case.expected, clause::changes_rows(&case.sql)) {
            (_, true) => Some(format!("EXPLAIN {}", case.sql)),
            (Expected::Rows, false) => Some(case.sql.clone()),
            _ => None,
        };
        if let Some(probe) = probe
            && let Answer::Failed(failed) = answer::of_mysql(&mut pair.oracle, &probe).await?
        {
            return Ok(Verdict::Broken(format!("one MySQL: error {}: {}", failed.errno, failed.message)));
        }
        return Ok(Verdict::Refused(message.clone()));
    }
    let expected = answer::of_mysql(&mut pair.oracle, &case.sql).await?;
    if let Some(broken) = rotten(case, &expected) {
        return Ok(Verdict::Broken(broken));
    }
    if let (Answer::Failed(found), Answer::Failed(expected)) = (&found, &expected)
        && found.refused
        && found.errno != expected.errno
    {
        return Ok(Verdict::Refused(found.message.clone()));
    }
    if let (Answer::Failed(found), Answer::Failed(expected)) = (&found, &expected)
        && case.text
        && !compare::same_text(&found.message, &expected.message, merged)
    {
        return Ok(Verdict::Different(format!("the error says {:?} instead of {:?}", found.message, expected.message)));
    }
    let unlimited = match clause::without_limit(&case.sql) {
        Some(sql) if case.view.limited => match answer::of_mysql(&mut pair.oracle, sql).await? {
            Answer::Rows(rows) => Some(rows.rows),
            other => return Ok(Verdict::Broken(format!("without LIMIT: {}", other.summary()))),
        },
        _ => None,
    };
    let difference =
        difference(&mut pair.oracle, &case.sql, &case.view, [&found, &expected], unlimited.as_deref(), merged).await?;
    Ok(difference.map_or(Verdict::Equal, Verdict::Different))
}

/// How Vitrail's answer to `sql`, the first one, differs from that of one MySQL; `None` if it doesn't. `merged`: several shards made it up.
///
/// # Errors
///
/// A lost connection, and a collation that the server does not have.
pub async fn difference(
    oracle: &mut Connection,
    sql: &str,
    view: &View,
    [found, expected]: [&Answer; 2],
    unlimited: Option<&[Row]>,
    merged: bool,
) -> Result<Option<String>> {
    let texts = class_texts(view, [found, expected], unlimited);
    let classes = match &view.collation {
        Some(collation) => classes::of(oracle, collation, &texts).await?,
        None => HashMap::new(),
    };
    let warnings = match clause::without_limit(sql) {
        _ if !merged => Warnings::Exact,
        None => Warnings::AnyOrNone,
        Some(_) => Warnings::Open,
    };
    let knowledge = Knowledge { view, unlimited, classes: &classes, merged, warnings };
    Ok(compare::difference(found, expected, &knowledge))
}

/// How one MySQL's answer is not what the file says.
fn rotten(case: &Case, expected: &Answer) -> Option<String> {
    let right = match (&case.expected, expected) {
        (Expected::Rows, Answer::Rows(_)) | (Expected::Ok, Answer::Done(_)) => true,
        (Expected::Count(count), Answer::Done(done)) => done.affected == *count,
        (Expected::Error(error), Answer::Failed(failed)) => {
            error.is_match(&format!("{}: {}", failed.errno, failed.message), None)
        }
        _ => false,
    };
    (!right).then(|| format!("the file expects {}, one MySQL answers {}", expectation(case), expected.summary()))
}

fn expectation(case: &Case) -> String {
    match &case.expected {
        Expected::Rows => "rows".into(),
        Expected::Ok => "no error and no rows".into(),
        Expected::Count(count) => format!("{count} affected"),
        Expected::Error(error) => format!("error {error}"),
    }
}

/// The texts whose class counts.
fn class_texts(view: &View, answers: [&Answer; 2], unlimited: Option<&[Row]>) -> Vec<Vec<u8>> {
    let rows = answers.into_iter().filter_map(|answer| match answer {
        Answer::Rows(rows) => Some(rows.rows.as_slice()),
        _ => None,
    });
    let rows = rows.chain(unlimited).flatten();
    let cells = rows.flat_map(|row| row.iter().zip(&view.columns));
    let mut texts: Vec<Vec<u8>> =
        cells.filter(|(_, kind)| **kind == Kind::Class).filter_map(|(cell, _)| cell.clone()).collect();
    texts.sort();
    texts.dedup();
    texts
}

/// The gate's plan; `None` if it makes none for such a statement.
///
/// # Errors
///
/// A lost connection.
pub async fn plan(session: &mut Session, sql: &str) -> Result<Option<String>> {
    match answer::of_vitrail(session, &format!("EXPLAIN FORMAT=VITRAIL {sql}")).await? {
        Answer::Rows(rows) => {
            let lines = rows.rows.iter().map(|row| row.iter().flatten().map(|cell| String::from_utf8_lossy(cell)));
            let lines = lines.map(|cells| cells.collect::<Vec<_>>().join(" "));
            Ok(Some(lines.collect::<Vec<_>>().join("\n")))
        }
        _ => Ok(None),
    }
}

/// Which tier a plan belongs to, from its first lines.
pub fn tier(plan: &str) -> Tier {
    let first = plan.lines().next().unwrap_or_default().trim();
    if first.starts_with("answered by the gate") {
        Tier::Session
    } else if first.starts_with("exact") {
        Tier::Exact
    } else if ["any shard", "shard ", "the shard of"].iter().any(|start| first.starts_with(start)) {
        Tier::OnePlace
    } else {
        Tier::Distributed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_tell_their_tier() {
        assert_eq!(tier("the shard of id = hash(literal 0) on `shop`"), Tier::OnePlace);
        assert_eq!(tier("the shards of id = hash(each of literal 0, literal 1) on `shop`"), Tier::Distributed);
        assert_eq!(tier("fold count\n  all shards on `shop`"), Tier::Distributed);
        assert_eq!(tier("answered by the gate\n"), Tier::Session);
    }
}
