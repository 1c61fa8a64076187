//! One DDL statement on several shards, side by side; each is brought to its end, whatever happens on the others.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::join_all;
use vitrail_proto::error::{ErrorBody, Executed};
use vitrail_proto::message::{ResultEnd, Warning};
use vitrail_service::call::On;

use crate::cluster::Keyspace;
use crate::pins::Pins;
use crate::position::Positions;
use crate::request::Scope;
use crate::scatter::{Calls, at_shard};
use crate::{calling, scatter};

/// What became of a statement on the shards.
#[derive(Debug, Default)]
pub(super) struct Report<'k> {
    /// The ends, added up.
    pub(super) end: ResultEnd,
    /// Shards that had it already.
    pub(super) before: Vec<&'k str>,
    /// Shards that have it now.
    pub(super) done: Vec<&'k str>,
    /// Shards that do not, or of which nobody knows.
    pub(super) failed: Vec<(&'k str, ErrorBody)>,
}

/// Runs a text on each of these shards.
pub(super) async fn run<'k>(
    scope: &Scope<'_>,
    keyspace: &'k Keyspace,
    texts: Vec<(usize, Arc<str>)>,
    pins: Option<&Pins>,
) -> Report<'k> {
    let made: Vec<_> = texts.into_iter().map(|(index, sql)| (index, sql, scope.calling.call(None))).collect();
    let calls = Calls::new(
        scope.calling.cancel,
        made.iter().map(|(index, _, call)| (Arc::clone(&keyspace.shards[*index].service), call.id)),
    );
    let running = join_all(made.into_iter().map(|(index, sql, call)| async move {
        let shard = &keyspace.shards[index];
        // Its own LOCK TABLES would lock it out.
        let own = pins.and_then(|pins| pins.get(&keyspace.name, &shard.name));
        let task = scatter::Task {
            service: Arc::clone(&shard.service),
            shard: keyspace.label(index),
            call,
            statement: calling::statement(sql, true),
            on: own.map_or(On::Pool, |pin| On::Connection(pin.connection)),
        };
        (index, scatter::run_one(task).await.map(|end| *end))
    }));
    let (mut report, mut positions) = (Report::default(), Positions::default());
    for (index, outcome) in calls.guard(pin!(running)).await {
        let name = &*keyspace.shards[index].name;
        match outcome {
            Ok(mut end) => {
                positions.add(end.position.take());
                report.end.warnings = report.end.warnings.saturating_add(end.warnings);
                report.end.warning_texts.extend(end.warning_texts);
                report.done.push(name);
            }
            Err(error) => report.failed.push((name, at_shard(error, &keyspace.label(index)))),
        }
    }
    report.end.position = positions.into_token();
    report
}

impl Report<'_> {
    /// The end of the statement, with a note of the shards that had it already; or the first failure. If it is done somewhere, the failure
    /// says where, and why not on each of the others.
    pub(super) fn outcome(self) -> Result<ResultEnd, ErrorBody> {
        let Report { mut end, before, done, mut failed } = self;
        if failed.is_empty() {
            if !before.is_empty() {
                end.warnings = end.warnings.saturating_add(1);
                end.warning_texts.push(Warning {
                    level: "Note".into(),
                    errno: 1105,
                    message: format!("shards {} had it already, and were left as they are", before.join(", ")),
                });
            }
            return Ok(end);
        }
        let reasons: Vec<String> = failed.iter().map(|(name, error)| format!("{name}: {}", error.message)).collect();
        let unknown = failed.iter().any(|(_, error)| error.executed != Executed::No);
        let mut error = failed.swap_remove(0).1;
        let done = [before, done].concat();
        if !done.is_empty() {
            error.message = format!(
                "{} (done on {}; failed on {}; once it can succeed there, run the same statement again: shards that have it are left as they are)",
                error.message,
                done.join(", "),
                reasons.join("; ")
            );
            error.executed = Executed::Partial;
        } else if unknown {
            error.executed = Executed::Unknown;
        }
        error.normalise();
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use vitrail_proto::error::Code;

    use super::*;

    #[test]
    fn failures_name_the_shards_and_reasons() {
        let failed = |name| (name, ErrorBody::new(Code::Unavailable, format!("down at {name}")));
        let outcome = |report: Report<'_>| report.outcome().expect_err("failed");
        let none = outcome(Report { failed: vec![failed("-80")], ..Report::default() });
        assert_eq!((none.executed, none.retryable), (Executed::No, true));
        assert_eq!(none.message, "down at -80");
        let some = outcome(Report {
            before: vec!["-40"],
            done: vec!["80-"],
            failed: vec![failed("40-60"), failed("60-80")],
            ..Report::default()
        });
        assert_eq!((some.executed, some.retryable), (Executed::Partial, false));
        let expected = "done on -40, 80-; failed on 40-60: down at 40-60; 60-80: down at 60-80; once";
        assert!(some.message.contains(expected), "{}", some.message);
    }

    #[test]
    fn a_note_names_shards_that_had_it() {
        let report = Report { before: vec!["-80"], done: vec!["80-"], ..Report::default() };
        let end = report.outcome().expect("done");
        assert_eq!((end.warnings, end.warning_texts.len()), (1, 1));
        assert!(end.warning_texts[0].message.contains("shards -80 had it"));
    }
}
