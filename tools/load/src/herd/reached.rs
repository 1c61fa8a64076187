//! How many statements reached MySQL: as MySQL counts them, or as Vitrail does.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use vitrail_client::Binds;

use crate::connection::Connection;
use crate::statement::Statement;
use crate::target::Target;

/// Counts through connections of its own.
pub(super) enum Counter {
    /// SELECTs of these servers, whoever sent them.
    MySql(Vec<(String, Connection)>),
    /// What the tablets did not send, because another one's execution answered it.
    Vitrail(String, Box<Connection>),
}

/// A count at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Count {
    /// SELECTs so far.
    Selects(u64),
    /// Statements saved so far, by keyspace, shard and text.
    Saved(BTreeMap<[String; 3], u64>),
}

impl Counter {
    /// Asks the MySQLs behind a target, if any are known; else the target itself.
    pub(super) async fn open(target: &Target, behind: &[Target]) -> Result<Counter> {
        let own = [target.clone()];
        let behind = if behind.is_empty() && target.mysql().is_some() { &own } else { behind };
        let mut counter = match behind {
            [] => Counter::Vitrail(target.name.clone(), Box::new(connect(target).await?)),
            servers => {
                let mut connections = Vec::new();
                for server in servers {
                    connections.push((server.url.clone(), connect(server).await?));
                }
                Counter::MySql(connections)
            }
        };
        counter.now().await?;
        Ok(counter)
    }

    /// Who counts, for the report.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Counter::MySql(_) => "Com_select of MySQL",
            Counter::Vitrail(..) => "SHOW VITRAIL CONSOLIDATIONS",
        }
    }

    /// The count now.
    pub(super) async fn now(&mut self) -> Result<Count> {
        match self {
            Counter::MySql(servers) => {
                let mut selects = 0;
                for (url, server) in servers {
                    let answer = server.text("SHOW GLOBAL STATUS LIKE 'Com_select'").await;
                    let answer = answer.with_context(|| format!("the SELECTs of {url} cannot be counted"))?;
                    let number = answer.first.get(1).cloned().flatten().and_then(|text| text.parse::<u64>().ok());
                    selects += number.with_context(|| format!("{url} does not count its SELECTs"))?;
                }
                Ok(Count::Selects(selects))
            }
            Counter::Vitrail(name, connection) => {
                let rows = connection.rows(&Statement::new("SHOW VITRAIL CONSOLIDATIONS"), &Binds::new()).await;
                let rows = rows.with_context(|| {
                    format!("{name} does not say what it has saved; --mysql names a MySQL behind it, to count there")
                })?;
                let saved = rows.into_iter().filter_map(|row| {
                    let mut cells = row.into_iter().flatten();
                    let names = [cells.next()?, cells.next()?, cells.next()?];
                    // Shared comes before it.
                    Some((names, cells.nth(1)?.parse().ok()?))
                });
                Ok(Count::Saved(saved.collect()))
            }
        }
    }

    /// How many of so many statements reached MySQL between two counts.
    pub(super) fn reached(before: &Count, after: &Count, statements: u64) -> u64 {
        match (before, after) {
            (Count::Selects(before), Count::Selects(after)) => after.saturating_sub(*before),
            (Count::Saved(before), Count::Saved(after)) => {
                let grown =
                    after.iter().map(|(names, saved)| saved.saturating_sub(before.get(names).copied().unwrap_or(0)));
                statements.saturating_sub(grown.sum())
            }
            _ => statements,
        }
    }
}

async fn connect(target: &Target) -> Result<Connection> {
    let opened = target.open(1, 1).await;
    let opened = opened.with_context(|| format!("{} cannot be reached at {}", target.name, target.url))?;
    opened.into_iter().next().context("nothing was opened")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_did_not_reach_mysql() {
        let names = |shard: &str| ["load".to_owned(), shard.to_owned(), "select ?".to_owned()];
        let count = |first, second| Count::Saved([(names("-80"), first), (names("80-"), second)].into());
        assert_eq!(Counter::reached(&count(100, 7), &count(1_000, 97), 1_000), 10);
        assert_eq!(Counter::reached(&Count::Saved(BTreeMap::new()), &count(500, 0), 600), 100);
        assert_eq!(Counter::reached(&Count::Selects(5), &Count::Selects(25), 10_000), 20);
    }
}
