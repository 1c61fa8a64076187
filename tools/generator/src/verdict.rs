//! What came of a step: Vitrail's answer, held against that of one MySQL by the rules of `vitrail-differential`.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;
use vitrail_differential::answer::{self, Answer, Failed};
use vitrail_differential::case::{Kind, Order, View};
use vitrail_differential::clause;
use vitrail_differential::lane::{self, Tier};
use vitrail_harness::Connection;

use crate::grammar::{Ordered, Read};

/// No statement of these worlds takes nearly so long.
pub(crate) const HANGS: Duration = Duration::from_secs(20);

/// What came of a step.
#[derive(Debug)]
pub struct Outcome {
    /// On each number of shards.
    pub lanes: Vec<(usize, Verdict)>,
    /// One MySQL's error.
    pub errno: Option<u16>,
    /// Vitrail and one MySQL may hold other rows from here on.
    pub apart: bool,
}

/// What came of a step on some shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As one MySQL has it.
    Equal(Tier),
    /// Not supported, with the reason.
    Refused(String),
    /// Not as one MySQL has it, with how it is not.
    Different(String),
    /// One MySQL itself answers otherwise when its rows lie in another order.
    Open,
}

/// What Vitrail said, and how it got there.
pub(crate) type Found = Result<Answer, String>;

/// The first lane that is not as one MySQL has it.
pub fn first_difference(outcome: &Outcome) -> Option<(usize, &str)> {
    outcome.lanes.iter().find_map(|(shards, verdict)| match verdict {
        Verdict::Different(how) => Some((*shards, how.as_str())),
        _ => None,
    })
}

/// How the answer to a query is compared.
pub fn view(read: &Read, sql: &str) -> View {
    let columns = read.tree.columns();
    let order = match &read.order {
        _ if !clause::is_ordered(sql) => Order::None,
        Ordered::AsWritten => Order::Total,
        Ordered::By(ids) => {
            let place = |id| columns.iter().position(|(known, _)| known == id);
            Order::Keys(ids.iter().filter_map(place).collect())
        }
    };
    let kinds: Vec<_> = columns.into_iter().map(|(_, kind)| kind).collect();
    let collation = read.class.filter(|_| kinds.contains(&Kind::Class));
    View { order, expressions: true, columns: kinds, limited: false, collation: collation.map(str::to_owned) }
}

/// What one MySQL says.
pub(crate) async fn of_oracle(oracle: &mut Connection, sql: &str) -> Result<Answer> {
    timeout(HANGS, answer::of_mysql(oracle, sql)).await.with_context(|| format!("one MySQL does not answer: {sql}"))?
}

/// An answer's error.
pub(crate) fn errno(answer: &Answer) -> Option<u16> {
    match answer {
        Answer::Failed(failed) => Some(failed.errno),
        _ => None,
    }
}

/// Holds what Vitrail said over `shards` shards against one MySQL's answer.
pub(crate) async fn judge(
    oracle: &mut Connection,
    sql: &str,
    view: &View,
    shards: usize,
    (found, plan): (Found, Option<String>),
    expected: &Answer,
) -> Result<Verdict> {
    let tier = match &plan {
        Some(plan) => lane::tier(plan),
        None if shards == 1 => Tier::OnePlace,
        None => Tier::Session,
    };
    let merged = shards > 1 && matches!(tier, Tier::Distributed);
    let difference = match &found {
        Err(how) => Some(how.clone()),
        Ok(Answer::Failed(Failed { refused: true, message, errno: number })) if errno(expected) != Some(*number) => {
            return Ok(Verdict::Refused(message.clone()));
        }
        Ok(found) => lane::difference(oracle, sql, view, [found, expected], None, merged).await?,
    };
    // Over fragments the plan is another than over the tables, and a common table expression that is named twice stands there twice: widths
    // and digits of expressions may differ as where shards plan for themselves, and so may the number of warnings. Rows may not.
    let fragments = shards == 1 || tier == Tier::Exact;
    let difference = match (difference, &found) {
        (Some(_), Ok(found)) if fragments => lane::difference(oracle, sql, view, [found, expected], None, true).await?,
        (difference, _) => difference,
    };
    Ok(match difference {
        None => Verdict::Equal(tier),
        Some(how) => Verdict::Different(match plan {
            Some(plan) => format!("{how}\n    plan:\n      {}", plan.trim_end().replace('\n', "\n      ")),
            None => how,
        }),
    })
}
