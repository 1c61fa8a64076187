//! The line under a result: how many rows, from how many shards, in what time.

use std::time::Duration;

use vitrail_client::Outcome;

use crate::settings::Timing;

/// What a statement did, for people.
pub fn summary(outcome: &Outcome, elapsed: Duration, shape: Shape, timing: Timing) -> String {
    let ran = outcome.ran.as_ref();
    let mut line = match shape {
        Shape::Rows => counted(outcome.rows, "row"),
        Shape::Changes => match outcome.matched {
            Some(matched) if matched != outcome.affected => {
                format!("{} matched, {} changed", counted(matched, "row"), outcome.affected)
            }
            _ => format!("{} affected", counted(outcome.affected, "row")),
        },
        Shape::Nothing => "OK".into(),
    };
    if let Some(ran) = ran.filter(|ran| ran.shards > 1) {
        line += &match shape {
            Shape::Rows => format!(" from {} shards", ran.shards),
            Shape::Changes | Shape::Nothing => format!(" on {} shards", ran.shards),
        };
    }
    if timing != Timing::Off {
        line += &format!(" in {}", duration(elapsed));
        if let Some((ran, slowest)) = ran.and_then(|ran| Some((ran, ran.slowest.as_ref()?))) {
            line += &format!(" (slowest {slowest}: {})", duration(Duration::from_micros(ran.slowest_us)));
        }
    }
    if let (Timing::Full, Some(ran)) = (timing, ran) {
        let [wait, mysql] = [ran.wait_us, ran.mysql_us].map(|us| duration(Duration::from_micros(us)));
        line += &format!(", {wait} waiting for a connection, {mysql} in MySQL");
    }
    if ran.is_some_and(|ran| ran.shared) {
        line += ", shared with an identical statement";
    }
    if let Some(id) = outcome.insert_id.filter(|_| shape == Shape::Changes) {
        line += &format!(", insert id {id}");
    }
    if outcome.warnings > 0 {
        line += &format!(", {}", counted(outcome.warnings.into(), "warning"));
    }
    if let Some(capped) = &outcome.capped {
        line += &format!(", there are more: cut at {} by the limit of the {}", counted(capped.limit, "row"), capped.by);
    }
    line
}

/// What a result consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It has columns.
    Rows,
    /// Rows were changed.
    Changes,
    /// Neither.
    Nothing,
}

/// `1 row`, `12,345 rows`.
pub fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A number with its thousands apart.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time in the unit that suits it.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.00995 => format!("{:.1} ms", seconds * 1e3),
        ..0.9995 => format!("{:.0} ms", seconds * 1e3),
        ..59.995 => format!("{seconds:.2} s"),
        ..3600.0 => format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60),
        _ => format!("{} h {} min", time.as_secs() / 3600, time.as_secs() / 60 % 60),
    }
}

#[cfg(test)]
mod tests;
