//! Groups of planted rows: what real servers give seldom, or never in the order that tempts a merge to be wrong.

use vitrail_planner::plan::{Comparator, Condition, Operand};
use vitrail_proto::message::Capped;
use vitrail_proto::rows::{self, ColumnType};
use vitrail_proto::value::Value;

use super::*;

type Cells<'c> = &'c [Option<&'c str>];

/// A column: its name says what it is.
fn column(kind: &str) -> Bytes {
    let packed = pack(&[if kind == "text" { Own::Text("text") } else { Own::Integer("number") }]);
    let mut column = rows::columns(&packed).next().expect("one").expect("well formed");
    (column.column_type, column.decimals) = match kind {
        "text" => (ColumnType::VAR_STRING, 31),
        "bytes" => (ColumnType::BLOB, 0),
        "double" => (ColumnType::DOUBLE, 31),
        "decimal" => (ColumnType::NEWDECIMAL, 2),
        "average" => (ColumnType::NEWDECIMAL, 4),
        "fine" => (ColumnType::NEWDECIMAL, 30),
        _ => (ColumnType::LONGLONG, 0),
    };
    rows::pack_columns([&column])
}

fn answer(kinds: &[&str], rows: &[Cells<'_>]) -> Vec<Part> {
    let fields: Vec<u8> = kinds.iter().flat_map(|kind| column(kind)).collect();
    let mut parts = vec![Part::Fields(fields.into())];
    for row in rows {
        let mut packer = Packer::default();
        packer.push_cells(row.iter().copied());
        parts.extend(packer.take().map(Part::Rows));
    }
    parts.push(end(0));
    parts
}

fn key(column: usize) -> SortKey {
    SortKey { column, descending: false, comparison: Comparison::Native }
}

/// Groups by the first column, which is native.
fn by_first(aggregates: Vec<Aggregate>) -> Grouping {
    let folds = [Aggregate::Any].into_iter().chain(aggregates).map(Fold::of).collect();
    Grouping { keys: vec![key(0)], group_keys: 1, whole: false, ..Grouping::whole(folds) }
}

async fn merged(
    kinds: &[&str],
    grouping: Grouping,
    window: Window,
    left: &[Cells<'_>],
    right: &[Cells<'_>],
) -> Result<Vec<String>, ErrorBody> {
    let mut world = World::new();
    world.left.on("SELECT", Ok(answer(kinds, left)));
    world.right.on("SELECT", Ok(answer(kinds, right)));
    let merge = Merge::Group { grouping: Arc::new(grouping), values: vec![Value::Int(2)], window };
    world.run(&[0, 1], "SELECT", merge, Limits::default()).await.map(|(_, rows)| rows)
}

fn window(offset: u64, limit: u64) -> Window {
    Window { offset, limit: Some(limit) }
}

#[tokio::test]
async fn rows_with_equal_keys_are_one_group() {
    let count = || by_first(vec![Aggregate::Count]);
    let all = Window::default();
    let left: &[Cells<'_>] = &[&[None, Some("2")], &[Some("-0"), Some("1")], &[Some("7"), Some("4")]];
    let right: &[Cells<'_>] = &[&[None, Some("3")], &[Some("0"), Some("5")], &[Some("8"), Some("1")]];
    for (window, left, right, expected) in [
        (all, left, right, &["NULL|5", "-0|6", "7|4", "8|1"][..]),
        (all, right, left, &["NULL|5", "0|6", "7|4", "8|1"]),
        (all, left, &[], &["NULL|2", "-0|1", "7|4"]),
        (all, &[], &[], &[]),
        (window(1, 2), left, right, &["-0|6", "7|4"]),
        (window(0, 0), left, right, &[]),
        (window(3, 9), left, right, &["8|1"]),
    ] {
        let found = merged(&["double", "count"], count(), window, left, right).await.expect("merged");
        assert_eq!(found, expected, "{window:?}");
    }
}

#[tokio::test]
async fn sums_leave_the_machine_word() {
    let sums = by_first(vec![Aggregate::Sum, Aggregate::BitXor]);
    let most = "99999999999999999999999999999999999999.99";
    let row: Cells<'_> = &[Some("1"), Some(most), Some("18446744073709551615")];
    let one: Cells<'_> = &[Some("1"), Some("0.01"), Some("1")];
    let found =
        merged(&["integer", "decimal", "integer"], sums, Window::default(), &[row], &[one]).await.expect("merged");
    assert_eq!(found, ["1|100000000000000000000000000000000000000.00|18446744073709551614"]);
    let too_many = format!("{}.00", "9".repeat(63));
    let row: Cells<'_> = &[Some("1"), Some(&too_many)];
    let sum = || by_first(vec![Aggregate::Sum]);
    let error = merged(&["integer", "decimal"], sum(), Window::default(), &[row], &[row]).await.expect_err("66 digits");
    assert_eq!(error.code, Code::Unsupported);
    let error = merged(&["integer", "fine"], sum(), Window::default(), &[], &[]).await.expect_err("30 decimals");
    assert!(error.message.contains("fewer decimals"), "{}", error.message);
}

#[tokio::test]
async fn one_row_is_there_even_of_nothing() {
    let aggregates =
        || vec![Aggregate::Count, Aggregate::Sum, Aggregate::BitAnd, Aggregate::BitOr, Aggregate::Extreme(key(4))];
    let kinds = ["count", "decimal", "integer", "integer", "double"];
    let whole = || Grouping::whole(aggregates().into_iter().map(Fold::of).collect());
    let found = merged(&kinds, whole(), Window::default(), &[], &[]).await.expect("merged");
    assert_eq!(found, ["0|NULL|18446744073709551615|0|NULL"]);
    assert!(merged(&kinds, whole(), window(1, 1), &[], &[]).await.expect("merged").is_empty());
    let left: Cells<'_> = &[Some("2"), None, Some("6"), Some("6"), Some("1e-7")];
    let right: Cells<'_> = &[Some("1"), Some("-1.50"), Some("3"), Some("1"), Some("-1e300")];
    let found = merged(&kinds, whole(), Window::default(), &[left], &[right]).await.expect("merged");
    assert_eq!(found, ["3|-1.50|2|7|-1e300"]);
}

#[tokio::test]
async fn averages_are_rounded_as_mysql_does() {
    for (kind, left, right, expected) in [
        ("decimal", ("1.00", "1"), ("1.00", "2"), "0.6667"),
        ("decimal", ("-1.00", "1"), ("-1.00", "2"), "-0.6667"),
        ("decimal", ("0.00", "1"), ("-0.01", "199"), "-0.0001"),
        ("integer", ("9223372036854775807", "1"), ("9223372036854775807", "1"), "9223372036854775807.0000"),
    ] {
        let average = Aggregate::Average { sum: 2, count: 3 };
        let grouping = Grouping { hidden_columns: 2, ..by_first(vec![average, Aggregate::Sum, Aggregate::Count]) };
        let kinds = ["integer", "average", kind, "count"];
        let row = |(sum, count)| [Some("1"), Some("7.0000"), Some(sum), Some(count)];
        let found = merged(&kinds, grouping, Window::default(), &[&row(left)], &[&row(right)]).await.expect("merged");
        assert_eq!(found, [format!("1|{expected}")]);
    }
}

/// Rows within a group that agree in the second column count once, wherever they lie.
#[tokio::test]
async fn distinct_values_count_once() {
    let grouping = || Grouping {
        keys: vec![key(0), key(1)],
        folds: vec![
            Fold::of(Aggregate::Any),
            Fold::of(Aggregate::Any),
            Fold { aggregate: Aggregate::Count, distinct: true },
            Fold::of(Aggregate::Count),
        ],
        ..by_first(Vec::new())
    };
    let row = |group, value: Option<&'static str>, counted, all| [Some(group), value, Some(counted), Some(all)];
    let left = [row("1", None, "0", "4"), row("1", Some("5"), "1", "2"), row("2", Some("5"), "1", "1")];
    let right = [row("1", None, "0", "1"), row("1", Some("5"), "1", "3"), row("1", Some("6"), "1", "1")];
    let (left, right) = (left.each_ref().map(|row| row.as_slice()), right.each_ref().map(|row| row.as_slice()));
    let kinds = ["integer", "integer", "count", "count"];
    let found = merged(&kinds, grouping(), Window::default(), &left, &right).await.expect("merged");
    assert_eq!(found, ["1|NULL|2|11", "2|5|1|1"]);
}

#[tokio::test]
async fn groups_are_sorted_anew_and_filtered() {
    let having = Condition::Compare(Comparator::Greater, Operand::Column(1), Operand::Value(0));
    let grouping = || Grouping {
        having: Some(having.clone()),
        order: vec![SortKey { descending: true, ..key(1) }, key(0)],
        ..by_first(vec![Aggregate::Count])
    };
    let left: &[Cells<'_>] =
        &[&[None, Some("2")], &[Some("1"), Some("1")], &[Some("2"), Some("9")], &[Some("3"), Some("1")]];
    let right: &[Cells<'_>] = &[&[None, Some("1")], &[Some("1"), Some("2")], &[Some("3"), Some("1")]];
    for (window, expected) in
        [(Window::default(), &["2|9", "NULL|3", "1|3"][..]), (window(1, 1), &["NULL|3"]), (window(0, 0), &[])]
    {
        let found = merged(&["integer", "count"], grouping(), window, left, right).await.expect("merged");
        assert_eq!(found, expected, "{window:?}");
    }
}

/// More groups than LIMIT wants are dropped on the way, and never those that it wants.
#[tokio::test]
async fn the_first_of_many_groups_are_kept() {
    let texts: Vec<[String; 2]> = (0..5000u32).map(|n| [n.to_string(), (n * 7919 % 5000).to_string()]).collect();
    let rows: Vec<[Option<&str>; 2]> = texts.iter().map(|[a, b]| [Some(a.as_str()), Some(b.as_str())]).collect();
    let rows: Vec<Cells<'_>> = rows.iter().map(|row| row.as_slice()).collect();
    let grouping = Grouping { order: vec![key(1)], ..by_first(vec![Aggregate::Count]) };
    let found = merged(&["integer", "count"], grouping, window(2, 3), &rows, &[]).await.expect("merged");
    let counts: Vec<&str> = found.iter().filter_map(|row| Some(row.split_once('|')?.1)).collect();
    assert_eq!(counts, ["2", "3", "4"]);
}

/// 2 is between the average and what is shown of it.
#[tokio::test]
async fn an_average_too_near_to_tell_is_refused() {
    let grouping = |comparator| Grouping {
        having: Some(Condition::Compare(comparator, Operand::Column(1), Operand::Value(0))),
        ..by_first(vec![Aggregate::Average { sum: 2, count: 3 }, Aggregate::Sum, Aggregate::Count])
    };
    let kinds = ["integer", "average", "integer", "count"];
    let near: Cells<'_> = &[Some("1"), Some("2.0000"), Some("200001"), Some("100000")];
    let far: Cells<'_> = &[Some("1"), Some("2.5000"), Some("5"), Some("2")];
    let run = |row: &'static str| async move {
        let row = if row == "near" { near } else { far };
        merged(&kinds, grouping(Comparator::Greater), Window::default(), &[row], &[]).await
    };
    assert_eq!(run("near").await.expect_err("too near").code, Code::Unsupported);
    assert_eq!(run("far").await.expect("far enough").len(), 1);
}

#[tokio::test]
async fn texts_are_joined_up_to_the_limit() {
    let concat = Aggregate::Concat { separator: ", ".into(), limit: 2 };
    let grouping = || by_first(vec![concat.clone(), Aggregate::Any]);
    let kinds = ["integer", "text", "integer"];
    let row = |text| [Some("1"), text, Some("16")];
    let found = merged(&kinds, grouping(), Window::default(), &[&row(Some("ab"))], &[&row(Some("cd"))]).await;
    assert_eq!(found.expect("merged"), ["1|ab, cd|16"]);
    let found = merged(&kinds, grouping(), Window::default(), &[&row(None)], &[&row(None)]).await;
    assert_eq!(found.expect("merged"), ["1|NULL|16"]);
    let long = Some("0123456789abcdef");
    let found = merged(&kinds, grouping(), Window::default(), &[&row(long)], &[&row(None)]).await;
    assert_eq!(found.expect("one shard has cut it"), ["1|0123456789abcdef|16"]);
    let error = merged(&kinds, grouping(), Window::default(), &[&row(long)], &[&row(Some(""))]).await.expect_err("cut");
    assert!(error.message.contains("group_concat_max_len"), "{}", error.message);
}

#[tokio::test]
async fn what_shards_did_not_sort_is_refused() {
    let rows: &[Cells<'_>] = &[&[Some("2"), Some("1")], &[Some("1"), Some("1")]];
    let error = merged(&["integer", "count"], by_first(vec![Aggregate::Count]), Window::default(), rows, &[]).await;
    assert_eq!(error.expect_err("unsorted").code, Code::Unsupported);
    let long = "x".repeat(1016);
    let rows: &[Cells<'_>] = &[&[Some(&long), Some("1")]];
    let error = merged(&["bytes", "count"], by_first(vec![Aggregate::Count]), Window::default(), rows, &[]).await;
    assert_eq!(error.expect_err("sorted by a part").code, Code::Unsupported);
    let text = merged(&["text", "count"], by_first(vec![Aggregate::Count]), Window::default(), rows, &[]).await;
    assert_eq!(text.expect_err("text has no order of its own").code, Code::Unsupported);
}

/// What a tablet has cut is told, and a group that may miss rows is no answer.
#[tokio::test]
async fn groups_that_a_tablet_cut_are_dropped() {
    let cut = || {
        let mut parts = answer(&["integer", "count"], &[&[Some("1"), Some("1")], &[Some("3"), Some("1")]]);
        let capped = Some(Capped { by: "tablet".into(), limit: 2 });
        *parts.last_mut().expect("an end") = Part::End(Box::new(ResultEnd { capped, ..ResultEnd::default() }));
        parts
    };
    let whole =
        || answer(&["integer", "count"], &[&[Some("1"), Some("1")], &[Some("2"), Some("1")], &[Some("9"), Some("1")]]);
    let sorted = Grouping { order: vec![key(1)], ..by_first(vec![Aggregate::Count]) };
    for (grouping, expected) in [(by_first(vec![Aggregate::Count]), Some(["1|2", "2|1"])), (sorted, None)] {
        let mut world = World::new();
        world.left.on("SELECT", Ok(cut()));
        world.right.on("SELECT", Ok(whole()));
        let merge = Merge::Group { grouping: Arc::new(grouping), values: Vec::new(), window: Window::default() };
        match (world.run(&[0, 1], "SELECT", merge, Limits::default()).await, expected) {
            (Ok((end, rows)), Some(expected)) => {
                assert_eq!(rows, expected);
                assert!(end.capped.is_some());
            }
            (Err(error), None) => assert_eq!(error.code, Code::Unsupported),
            (found, _) => panic!("{found:?}"),
        }
    }
}
