//! Counters of what was acknowledged, and totals of the database that have to agree with them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::connection::{Connection, Failure};

/// Counters of what was acknowledged, and of what may have been done.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, (u64, u64)>);

impl Tally {
    /// Counts what an operation adds, once it is known, or may be so.
    pub fn add(&mut self, counter: &str, amount: u64, certain: bool) {
        let mine = match self.0.get_mut(counter) {
            Some(mine) => mine,
            None => self.0.entry(counter.to_owned()).or_default(),
        };
        mine.0 += if certain { amount } else { 0 };
        mine.1 += amount;
    }

    /// Adds what others have counted.
    pub fn merge(&mut self, other: &Tally) {
        for (counter, (known, possible)) in &other.0 {
            let mine = self.0.entry(counter.clone()).or_default();
            mine.0 += known;
            mine.1 += possible;
        }
    }

    /// The least and the most that a counter can be.
    pub fn of(&self, counter: &str) -> (u64, u64) {
        self.0.get(counter).copied().unwrap_or_default()
    }
}

/// A number of the database that grows by what a counter says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Total {
    /// The counter.
    pub(super) of: String,
    /// One row of one number; NULL is 0.
    pub(super) sql: String,
}

/// What the totals are now.
pub(super) async fn read(totals: &[Total], connection: &mut Connection) -> Result<Vec<i64>, Failure> {
    let mut numbers = Vec::with_capacity(totals.len());
    for total in totals {
        let answer = connection.text(&total.sql).await?;
        let number = match answer.first.as_slice() {
            [None] => Some(0),
            [Some(text)] => text.parse().ok(),
            _ => None,
        };
        numbers.push(number.ok_or_else(|| Failure::wrong(format!("{:?} is no total: {}", answer.first, total.sql)))?);
    }
    Ok(numbers)
}

/// What does not add up between the totals before and after.
pub(super) fn audit(totals: &[Total], before: &[i64], after: &[i64], tally: &Tally) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((total, before), after) in totals.iter().zip(before).zip(after) {
        let (least, most) = tally.of(&total.of);
        let grown = after - before;
        if grown < least as i64 || grown > most as i64 {
            let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
            wrong.push(format!("{} grew by {grown}, and {wanted} were acknowledged: {}", total.of, total.sql));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_have_to_grow_by_what_was_acknowledged() {
        let totals = [Total { of: "n".into(), sql: "SELECT 1".into() }];
        let mut tally = Tally::default();
        (0..5).for_each(|_| tally.add("n", 1, true));
        tally.add("n", 1, false);
        assert!(audit(&totals, &[10], &[15], &tally).is_empty() && audit(&totals, &[10], &[16], &tally).is_empty());
        let says = |grown: i64| audit(&totals, &[10], &[10 + grown], &tally).concat();
        assert_eq!(says(4), "n grew by 4, and 5 to 6 were acknowledged: SELECT 1");
        assert_eq!(says(7), "n grew by 7, and 5 to 6 were acknowledged: SELECT 1");
    }
}
