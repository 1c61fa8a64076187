//! The line under a result, for each of its shapes.

use super::*;
use vitrail_client::Ran;

fn outcome(rows: u64, affected: u64) -> Outcome {
    let mut outcome = Outcome::default();
    (outcome.rows, outcome.affected) = (rows, affected);
    outcome
}

#[test]
fn rows_shards_and_time_are_told() {
    let ms = Duration::from_millis;
    let mut scattered = outcome(12, 0);
    scattered.ran = Some(Ran {
        shards: 4,
        wait_us: 200,
        mysql_us: 17_000,
        slowest: Some("-40".into()),
        slowest_us: 6_000,
        ..Ran::default()
    });
    let line = |timing| summary(&scattered, ms(8), Shape::Rows, timing);
    assert_eq!(line(Timing::On), "12 rows from 4 shards in 8.0 ms (slowest -40: 6.0 ms)");
    assert_eq!(line(Timing::Off), "12 rows from 4 shards");
    assert_eq!(
        line(Timing::Full),
        "12 rows from 4 shards in 8.0 ms (slowest -40: 6.0 ms), 0.2 ms waiting for a connection, 17 ms in MySQL"
    );
    let line = |outcome: &Outcome, shape| summary(outcome, ms(1), shape, Timing::Off);
    assert_eq!(line(&outcome(1, 0), Shape::Rows), "1 row");
    let mut changed = outcome(0, 1);
    (changed.matched, changed.insert_id, changed.warnings) = (Some(3), Some(7), 2);
    assert_eq!(line(&changed, Shape::Changes), "3 rows matched, 1 changed, insert id 7, 2 warnings");
    assert_eq!(line(&outcome(0, 1_234_567), Shape::Changes), "1,234,567 rows affected");
    assert_eq!(line(&outcome(0, 0), Shape::Nothing), "OK");
}

#[test]
fn times_have_the_unit_that_suits_them() {
    let cases = [
        (420, "0.4 ms"),
        (9_940, "9.9 ms"),
        (9_960, "10 ms"),
        (999_400, "999 ms"),
        (999_600, "1.00 s"),
        (61_000_000, "1 min 1 s"),
        (7_380_000_000, "2 h 3 min"),
    ];
    for (us, expected) in cases {
        assert_eq!(duration(Duration::from_micros(us)), expected);
    }
}
