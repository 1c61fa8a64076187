//! What is said of columns, and which differences from one MySQL are justified.

use crate::answer::{Column, Rows};

/// MySQL's flag for columns that are never NULL.
const NOT_NULL: u16 = 1;
/// MySQL's flag for unsigned numbers.
const UNSIGNED: u16 = 32;

/// A difference that is as it should be.
#[derive(Debug)]
pub struct Justified {
    /// Why.
    pub reason: &'static str,
    /// Whether it is this one: the column, which is an expression, as found, and as one MySQL has it.
    pub applies: fn(&Column, &Column) -> bool,
}

/// All of them.
pub const JUSTIFIED: &[Justified] = &[
    Justified {
        reason: "MySQL gives an integer expression that is a key of groups one width where its plan keeps it in a temporary table, and another \
                 where not; a shard's plan may be another than that of one MySQL with all rows",
        applies: |found, expected| {
            let integer = |column: &Column| matches!(column.type_code, 1 | 2 | 3 | 8 | 9 | 13);
            let rest = |column: &Column| (column.charset, column.decimals, column.flags & (NOT_NULL | UNSIGNED));
            integer(found) && integer(expected) && rest(found) == rest(expected)
        },
    },
    Justified {
        reason: "likewise, MySQL says of a text expression that it has 0 digits after the point where its plan keeps it in a temporary table, \
                 and that none are given where not; it may be of another of the types of texts there",
        applies: |found, expected| {
            let text =
                |column: &Column| matches!(column.type_code, 249..=254) && matches!(column.decimals, 0 | 31 | 39);
            let rest = |column: &Column| (column.charset, column.flags & NOT_NULL);
            text(found) && text(expected) && rest(found) == rest(expected)
        },
    },
    Justified {
        reason: "MariaDB says of an expression of dates or times that it is unsigned, or not, by its plan, though that says nothing of them",
        applies: |found, expected| {
            let moment = |column: &Column| matches!(column.type_code, 7 | 10..=12);
            let rest = |column: &Column| (column.type_code, column.charset, column.decimals, column.flags & NOT_NULL);
            moment(found) && rest(found) == rest(expected)
        },
    },
];

/// Differences that are as they should be wherever a statement runs.
const OF_CATALOG: Justified = Justified {
    reason: "the name of a database in information_schema is put in place by an expression, and MySQL says of text expressions that no digits \
             after the point are given; definitions and comments that may hold the name are texts of another length",
    applies: |found, expected| {
        let name = expected.name.to_ascii_lowercase();
        let named = ["schema", "schema_name", "db", "view_definition", "comment"].iter().any(|end| name.ends_with(end));
        let rest = |column: &Column| (column.type_code, column.charset, column.flags & NOT_NULL);
        // Types of texts, whatever their length.
        let text = |column: &Column| matches!(column.type_code, 250..=253) && column.charset == expected.charset;
        let rewritten = name == "view_definition" || name.ends_with("comment");
        (rewritten && text(found) && text(expected))
            || (named && matches!(found.decimals, 31 | 39) && expected.decimals == 0 && rest(found) == rest(expected))
    },
};

/// A difference that is as it should be in an answer of generated statements.
const OF_JOINS: Justified = Justified {
    reason: "MariaDB says of a column behind LEFT JOIN that it is NOT NULL, or not, by its plan, even where it is NULL then: where a condition \
             leaves no row without a partner, the join in the gate is an inner one; constants of derived tables are kept in temporary tables, \
             or not, and are unsigned there, or not",
    applies: |found, expected| {
        let number = |column: &Column| matches!(column.type_code, 1..=5 | 8 | 9 | 13 | 246);
        let sign = |column: &Column| number(column) && column.flags & UNSIGNED != 0;
        let rest = |column: &Column| (column.type_code, column.charset, column.decimals, sign(column));
        rest(found) == rest(expected)
    },
};

/// An expression shows by its name; columns of tables have the width that they are defined with.
fn is_expression(column: &Column) -> bool {
    column.name.contains(['(', ' ', '+'])
}

/// How the columns differ. Differences are justified only where shards had to plan for themselves, of expressions; `expressions`: all may be.
pub(super) fn difference(found: &Rows, expected: &Rows, merged: bool, expressions: bool) -> Option<String> {
    let (found, expected) = (&found.columns, &expected.columns);
    if found.len() != expected.len() {
        return Some(format!("{} columns instead of {}", found.len(), expected.len()));
    }
    let differ: Vec<String> = found
        .iter()
        .zip(expected)
        .enumerate()
        .filter(|(_, (found, expected))| described(found) != described(expected))
        .filter(|(_, (found, expected))| !(OF_CATALOG.applies)(found, expected))
        .filter(|(_, (found, expected))| {
            let open = merged && (expressions || is_expression(found));
            !(open && JUSTIFIED.iter().any(|justified| (justified.applies)(found, expected)))
        })
        .filter(|(_, (found, expected))| !(merged && expressions && (OF_JOINS.applies)(found, expected)))
        .map(|(index, (found, expected))| {
            format!("column {} is\n      {} instead of\n      {}", index + 1, described(found), described(expected))
        })
        .collect();
    (!differ.is_empty()).then(|| differ.join("\n    "))
}

/// What has to be equal, as text.
fn described(column: &Column) -> String {
    let null = if column.flags & NOT_NULL == 0 { "NULL" } else { "NOT NULL" };
    let unsigned = if column.flags & UNSIGNED == 0 { "" } else { " unsigned" };
    format!(
        "`{}` type {}{unsigned} charset {} decimals {} {null}",
        column.name, column.type_code, column.charset, column.decimals
    )
}
