//! How a statement ran on its shards, made one account of theirs.

use std::time::Duration;

use vitrail_proto::message::Ran;

/// Adds the accounts of the shards of one statement up. A shard of which nothing is known, because its answer was not needed to
/// the end, counts as one that took part.
pub(crate) fn over_shards<'a>(shards: impl Iterator<Item = (&'a str, Option<&'a Ran>)>) -> Ran {
    let mut total = Ran::default();
    let mut all_shared = true;
    let mut slowest: Option<(&str, u64)> = None;
    for (name, ran) in shards {
        total.shards += 1;
        let Some(ran) = ran else { continue };
        total.wait_us = total.wait_us.max(ran.wait_us);
        total.mysql_us = total.mysql_us.saturating_add(ran.mysql_us);
        all_shared &= ran.shared;
        let took = ran.wait_us.saturating_add(ran.mysql_us);
        if slowest.is_none_or(|(_, most)| took > most) {
            slowest = Some((name, took));
        }
    }
    total.shared = all_shared && slowest.is_some();
    if total.shards > 1
        && let Some((name, took)) = slowest
    {
        total.slowest = Some(name.to_owned());
        total.slowest_us = took;
    }
    total
}

/// Adds what came before or after the statement itself: a turn that was waited for, the COMMIT of an implicit transaction.
pub(crate) fn and_also(ran: &mut Option<Ran>, waited: Duration, mysql_us: u64) {
    if let Some(ran) = ran {
        ran.wait_us = ran.wait_us.saturating_add(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
        ran.mysql_us = ran.mysql_us.saturating_add(mysql_us);
    }
}

/// Adds what ran after it for the same statement.
pub(crate) fn and_then(total: &mut Option<Ran>, further: Option<&Ran>) {
    match (total, further) {
        (Some(total), Some(further)) => {
            total.wait_us = total.wait_us.saturating_add(further.wait_us);
            total.mysql_us = total.mysql_us.saturating_add(further.mysql_us);
            total.shards = total.shards.max(further.shards);
        }
        (total, further) => *total = further.cloned().or(total.take()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(wait_us: u64, mysql_us: u64, shared: bool) -> Ran {
        Ran { shards: 1, wait_us, mysql_us, shared, ..Ran::default() }
    }

    #[test]
    fn shards_add_up() {
        let (first, second) = (ran(10, 100, false), ran(30, 50, true));
        let total = over_shards([("-80", Some(&first)), ("80-", Some(&second)), ("c0-", None)].into_iter());
        let expected =
            Ran { shards: 3, wait_us: 30, mysql_us: 150, shared: false, slowest: Some("-80".into()), slowest_us: 110 };
        assert_eq!(total, expected);
    }

    #[test]
    fn one_shard_has_no_slowest() {
        assert_eq!(over_shards([("", Some(&ran(1, 2, true)))].into_iter()), ran(1, 2, true));
        assert_eq!(over_shards([("", None)].into_iter()), Ran { shards: 1, ..Ran::default() });
    }

    #[test]
    fn what_goes_beside_counts() {
        let mut total = Some(ran(1, 2, false));
        and_also(&mut total, Duration::from_micros(10), 5);
        assert_eq!(total, Some(ran(11, 7, false)));
    }
}
