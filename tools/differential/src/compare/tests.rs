//! Faults are planted into answers, and each must be found.

use std::collections::HashMap;

use super::*;
use crate::answer::{Cell, Column, Failed};
use crate::case::{Kind, Order};

const VARCHAR: u8 = 253;
const BIGINT: u8 = 8;
const UNSIGNED: u16 = 32;

fn text(text: &str) -> Cell {
    Some(text.as_bytes().to_vec())
}

fn column(name: &str, type_code: u8) -> Column {
    Column { name: name.into(), type_code, charset: 45, flags: 1 | UNSIGNED, decimals: 0 }
}

/// `id` and `name` of some rows, as one MySQL gives them.
fn answer(rows: &[(&str, &str)]) -> Answer {
    let rows = rows.iter().map(|(id, name)| vec![text(id), text(name)]).collect();
    Answer::Rows(Rows { columns: vec![column("id", BIGINT), column("name", VARCHAR)], rows, ..Rows::default() })
}

fn expected() -> Answer {
    answer(&[("1", "a"), ("2", "b"), ("2", "c"), ("3", "")])
}

fn view(order: Order) -> View {
    View { order, ..View::default() }
}

fn with(view: &View, found: &Answer, expected: &Answer) -> Option<String> {
    difference(
        found,
        expected,
        &Knowledge { view, unlimited: None, classes: &HashMap::new(), merged: true, warnings: Warnings::Exact },
    )
}

/// Whether a change of the expected answer is found, under each order.
fn change(plant: impl Fn(&mut Rows)) -> [bool; 3] {
    let orders = [Order::Total, Order::Keys(vec![0]), Order::None];
    orders.map(|order| {
        let mut found = expected();
        let Answer::Rows(rows) = &mut found else { unreachable!("rows") };
        plant(rows);
        with(&view(order), &found, &expected()).is_some()
    })
}

#[test]
fn equal_answers_do_not_differ() {
    assert_eq!(change(|_| ()), [false; 3]);
}

#[test]
fn faults_in_rows_are_found() {
    assert_eq!(change(|rows| drop(rows.rows.remove(1))), [true; 3], "a row is missing");
    assert_eq!(change(|rows| drop(rows.rows.pop())), [true; 3], "the last row is missing");
    assert_eq!(change(|rows| rows.rows.push(rows.rows[3].clone())), [true; 3], "a row is doubled");
    assert_eq!(change(|rows| rows.rows[2] = rows.rows[1].clone()), [true; 3], "a row is there in place of another");
    assert_eq!(change(|rows| rows.rows[3][1] = None), [true; 3], "NULL for ''");
    assert_eq!(change(|rows| rows.rows[0][1] = text("a ")), [true; 3], "a space too many");
    assert_eq!(change(|rows| rows.rows[0][1] = text("A")), [true; 3], "another case");
    assert_eq!(change(|rows| rows.rows.clear()), [true; 3], "no rows");
}

#[test]
fn the_order_counts_as_far_as_it_is_given() {
    assert_eq!(change(|rows| rows.rows.swap(0, 1)), [true, true, false]);
    assert_eq!(change(|rows| rows.rows.swap(1, 2)), [true, false, false], "a tie");
    assert_eq!(change(|rows| rows.rows.reverse()), [true, true, false]);
    let mut ties = change(|rows| {
        rows.rows[1][1] = text("c");
        rows.rows[2][1] = text("c");
    });
    assert_eq!(ties, [true; 3], "one of a tie twice");
    ties = change(|rows| rows.rows[1][0] = text("1"));
    assert_eq!(ties, [true; 3], "a row in the neighbouring tie");
}

#[test]
fn faults_in_columns_are_found() {
    assert_eq!(change(|rows| rows.columns[0].name = "Id".into()), [true; 3], "name");
    assert_eq!(change(|rows| rows.columns[0].type_code = 3), [true; 3], "type");
    assert_eq!(change(|rows| rows.columns[0].flags &= !UNSIGNED), [true; 3], "unsigned");
    assert_eq!(change(|rows| rows.columns[0].flags &= !1), [true; 3], "nullability");
    assert_eq!(change(|rows| rows.columns[1].charset = 63), [true; 3], "charset");
    assert_eq!(change(|rows| rows.columns[1].decimals = 31), [true; 3], "decimals");
    assert_eq!(change(|rows| drop(rows.columns.pop())), [true; 3], "a column is missing");
    // A key for indexes, which says nothing of the values.
    assert_eq!(change(|rows| rows.columns[0].flags |= 2), [false; 3]);
}

#[test]
fn only_merged_answers_may_have_columns_of_another_width() {
    let of = |type_code| {
        Answer::Rows(Rows { columns: vec![column("COUNT(*) + 1", type_code)], rows: vec![], ..Rows::default() })
    };
    let differs = |merged| {
        let (view, classes) = (View::default(), HashMap::new());
        let knowledge =
            Knowledge { view: &view, unlimited: None, classes: &classes, merged, warnings: Warnings::Exact };
        difference(&of(3), &of(BIGINT), &knowledge).is_some()
    };
    assert!(differs(false) && !differs(true));
}

#[test]
fn faults_beside_the_rows_are_found() {
    assert_eq!(change(|rows| rows.warnings = 1), [true; 3]);
    assert_eq!(change(|rows| rows.in_transaction = true), [true; 3]);
}

#[test]
fn warnings_of_merged_reads_count_as_some_or_none() {
    let warned = |warnings: u32| match answer(&[("1", "a")]) {
        Answer::Rows(rows) => Answer::Rows(Rows { warnings, ..rows }),
        other => other,
    };
    let differs = |warnings: Warnings, found: u32, expected: u32| {
        let view = View::default();
        let knowledge = Knowledge { view: &view, unlimited: None, classes: &HashMap::new(), merged: true, warnings };
        difference(&warned(found), &warned(expected), &knowledge).is_some()
    };
    let some = Warnings::AnyOrNone;
    assert!(!differs(some, 4, 1) && !differs(some, 0, 0));
    assert!(differs(some, 0, 1) && differs(some, 1, 0));
    assert!(!differs(Warnings::Open, 0, 1) && differs(Warnings::Exact, 2, 1));
}

#[test]
fn the_last_digit_of_a_decimal_counts_and_that_of_a_double_does_not() {
    let one = |value: &str| {
        Answer::Rows(Rows { columns: vec![column("x", 5)], rows: vec![vec![text(value)]], ..Rows::default() })
    };
    let real = View { columns: vec![Kind::Real], ..View::default() };
    let differs = |view: &View, found: &str, expected: &str| with(view, &one(found), &one(expected)).is_some();
    assert!(differs(&View::default(), "12345678901234567890.123456", "12345678901234567890.123457"));
    assert!(!differs(&real, "0.30000000000000004", "0.3"));
    assert!(!differs(&real, "1e22", "10000000000000000000000"));
    assert!(!differs(&real, "-0", "0"));
    assert!(differs(&real, "0.3000000001", "0.3"));
    assert!(differs(&real, "1.5", "-1.5"));
    assert!(differs(&real, "0", "1e-300"));
}

#[test]
fn nearly_equal_doubles_find_their_partners_without_order() {
    let rows = |rows: &[(&str, &str)]| {
        let rows = rows.iter().map(|(x, y)| vec![text(x), text(y)]).collect();
        Answer::Rows(Rows { columns: vec![column("x", 5), column("y", 5)], rows, ..Rows::default() })
    };
    let view = View { columns: vec![Kind::Real; 2], ..View::default() };
    let expected = rows(&[("0.1", "5"), ("0.10000000000000001", "3"), ("7", "7")]);
    assert_eq!(with(&view, &rows(&[("7", "7"), ("0.1", "3"), ("0.1", "5")]), &expected), None);
    assert!(with(&view, &rows(&[("7", "7"), ("0.1", "3"), ("0.1", "3")]), &expected).is_some());
}

#[test]
fn limit_takes_any_rows_that_there_are_and_none_besides() {
    let all = |answer: &Answer| match answer {
        Answer::Rows(rows) => rows.rows.clone(),
        _ => unreachable!("rows"),
    };
    let unlimited = all(&answer(&[("1", "a"), ("2", "b"), ("2", "c"), ("2", "d"), ("3", "e")]));
    let differs = |order: Order, found: &[(&str, &str)]| {
        let view = View { limited: true, ..view(order) };
        let knowledge = Knowledge {
            view: &view,
            unlimited: Some(&unlimited),
            classes: &HashMap::new(),
            merged: true,
            warnings: Warnings::Exact,
        };
        difference(&answer(found), &answer(&[("1", "a"), ("2", "b"), ("2", "c")]), &knowledge).is_some()
    };
    let keys = || Order::Keys(vec![0]);
    assert!(!differs(keys(), &[("1", "a"), ("2", "d"), ("2", "b")]));
    assert!(differs(keys(), &[("1", "a"), ("2", "d"), ("2", "d")]), "one of them twice");
    assert!(differs(keys(), &[("1", "a"), ("2", "d"), ("2", "x")]), "no member");
    assert!(differs(keys(), &[("1", "a"), ("2", "d"), ("3", "e")]), "a member, but too far down");
    assert!(differs(keys(), &[("2", "b"), ("1", "a"), ("2", "d")]), "out of order");
    assert!(differs(keys(), &[("1", "a"), ("2", "d")]), "too few");
    assert!(!differs(Order::None, &[("3", "e"), ("2", "d"), ("1", "a")]));
    assert!(differs(Order::None, &[("3", "e"), ("3", "e"), ("1", "a")]), "one of them twice");
    assert!(differs(Order::None, &[("3", "e"), ("9", "e"), ("1", "a")]), "no member");
}

#[test]
fn any_member_of_a_class_stands_for_it() {
    let classes: HashMap<Vec<u8>, u64> =
        [("a", 1), ("A", 1), ("b", 2)].map(|(text, class)| (text.as_bytes().to_vec(), class)).into();
    let view = View { order: Order::Keys(vec![1]), columns: vec![Kind::Exact, Kind::Class], ..View::default() };
    let knowledge =
        Knowledge { view: &view, unlimited: None, classes: &classes, merged: true, warnings: Warnings::Exact };
    let expected = answer(&[("1", "a"), ("2", "b")]);
    assert_eq!(difference(&answer(&[("1", "A"), ("2", "b")]), &expected, &knowledge), None);
    assert!(difference(&answer(&[("1", "b"), ("2", "a")]), &expected, &knowledge).is_some());
    assert!(difference(&answer(&[("1", "A"), ("2", "a")]), &expected, &knowledge).is_some());
    // Unknown to the collation, and so no member of anything.
    assert!(difference(&answer(&[("1", "á"), ("2", "b")]), &expected, &knowledge).is_some());
}

#[test]
fn volatile_cells_have_their_shape() {
    let view = View { columns: vec![Kind::Exact, Kind::Volatile], ..View::default() };
    let expected = answer(&[("1", "2026-11-26 18:00:00")]);
    assert_eq!(with(&view, &answer(&[("1", "2030-01-02 03:04:05")]), &expected), None);
    assert!(with(&view, &answer(&[("2", "2030-01-02 03:04:05")]), &expected).is_some());
    assert!(with(&view, &answer(&[("1", "2030-01-02")]), &expected).is_some());
    assert!(with(&view, &answer(&[("1", "soon")]), &expected).is_some());
}

#[test]
fn faults_in_what_writes_say_are_found() {
    let done = Done { affected: 3, insert_id: 7, warnings: 1, in_transaction: false };
    let differs = |found: Done| with(&View::default(), &Answer::Done(found), &Answer::Done(done.clone())).is_some();
    assert!(!differs(done.clone()));
    assert!(differs(Done { affected: 2, ..done.clone() }));
    assert!(differs(Done { insert_id: 0, ..done.clone() }));
    assert!(differs(Done { warnings: 0, ..done.clone() }));
    assert!(differs(Done { in_transaction: true, ..done.clone() }));
}

#[test]
fn errors_are_told_apart_by_their_number_and_from_success() {
    let failed = |errno: u16| Answer::Failed(Failed { errno, message: format!("text {errno}"), refused: false });
    let view = View::default();
    assert_eq!(with(&view, &failed(1062), &failed(1062)), None);
    assert!(with(&view, &failed(1062), &failed(1146)).is_some());
    assert!(with(&view, &failed(1062), &expected()).is_some());
    assert!(with(&view, &expected(), &failed(1062)).is_some());
    assert!(with(&view, &Answer::Done(Done::default()), &expected()).is_some());
    assert!(with(&view, &answer(&[]), &Answer::Done(Done::default())).is_some());
}

#[test]
fn a_case_that_does_not_fit_its_answer_is_told() {
    let view = View { columns: vec![Kind::Real], ..View::default() };
    assert!(with(&view, &expected(), &expected()).is_some());
    let ties = View { order: Order::Keys(vec![2]), ..View::default() };
    assert!(with(&ties, &expected(), &expected()).is_some());
}

#[test]
fn only_merged_errors_may_tell_of_another_row() {
    let [first, second, other] = [
        "Data too long for column 'a' at row 1",
        "Data too long for column 'a' at row 2",
        "Data too long for column 'b' at row 1",
    ];
    assert!(same_text(first, first, false) && same_text(first, second, true));
    assert!(!same_text(first, second, false) && !same_text(first, other, true));
    assert!(!same_text("Unknown column 'a'", "Unknown column 'b'", true));
}

#[test]
fn many_equal_rows_are_compared_in_one_pass() {
    let many = vec![("1", "a"); 200_000];
    let [found, expected] = [answer(&many), answer(&many)];
    assert_eq!(with(&view(Order::None), &found, &expected), None);
}
