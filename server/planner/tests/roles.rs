//! The table of roles in `docs/security.md` is what the code says.

use vitrail_planner::access::{Needs, Right};
use vitrail_sql::{LexMode, normalise};

const DOCUMENT: &str = include_str!("../../../docs/security.md");

#[test]
fn the_table_of_roles_is_true() {
    let mut statements = 0;
    let table = DOCUMENT
        .lines()
        .skip_while(|line| *line != "| statement | role | on |")
        .take_while(|line| line.starts_with('|'));
    for line in table.filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [examples, role, on] = cells.as_slice() else { panic!("three cells: {line}") };
        for sql in examples.split("`, `").map(|sql| sql.trim_matches('`')) {
            let needs = Needs::of(&normalise(sql.into(), LexMode::default()).expect(sql));
            let told = match needs.highest() {
                None => "none",
                Some(Right::Read) => "reader",
                Some(Right::Write) => "writer",
                Some(Right::Admin) => "admin",
            };
            assert_eq!(told, *role, "{sql}: {needs:?}");
            let widest = match (needs.everything, needs.keyspace) {
                (Some(_), _) => "everything",
                (None, Some(_)) => "the keyspace",
                (None, None) if needs.tables.is_empty() => "",
                (None, None) => "its tables",
            };
            assert_eq!(widest, *on, "{sql}: {needs:?}");
            statements += 1;
        }
    }
    assert!(statements >= 60, "{statements} statements in the table");
}
