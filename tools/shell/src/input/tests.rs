//! Splitting: terminators, commands, delimiters, and the pieces in which input arrives.

use super::*;

/// A statement as `text@line`, with `\G` behind it if vertical; a command as `text@line`, with the statement before it in front.
fn shown(input: Input) -> String {
    let statement = |statement: Statement| {
        format!("{}{}@{}", statement.text, if statement.vertical { "\\G" } else { "" }, statement.line)
    };
    match input {
        Input::Statement(found) => statement(found),
        Input::Command { text, before, line } => {
            format!("{}[{text}]@{line}", before.map(statement).map(|text| text + " ").unwrap_or_default())
        }
    }
}

fn split(input: &str) -> Vec<String> {
    Splitter::all(input).into_iter().map(shown).collect()
}

#[test]
fn terminators_count_outside_of_strings_and_comments_only() {
    let cases: &[(&str, &[&str])] = &[
        ("select 1", &["select 1@1"]),
        ("select 1; select 2;", &["select 1@1", "select 2@1"]),
        ("select 1\\G select 2;\n", &["select 1\\G@1", "select 2@1"]),
        ("select 1 \\g select 2", &["select 1@1", "select 2@1"]),
        ("select 1\\G;\nselect 2;", &["select 1\\G@1", "select 2@2"]),
        ("select ';', \"a;b\", `c;d`;", &["select ';', \"a;b\", `c;d`@1"]),
        ("select 'it''s;', 'a\\';b';", &["select 'it''s;', 'a\\';b'@1"]),
        (
            "-- one; two\nselect 1; # three; four\n\nselect 2",
            &["-- one; two\nselect 1@1", "# three; four\n\nselect 2@2"],
        ),
        ("select 1 /* ; */ + 2;", &["select 1 /* ; */ + 2@1"]),
        ("select 5--1;", &["select 5--1@1"]),
        ("select 6/2;", &["select 6/2@1"]),
        ("select café from 東京;", &["select café from 東京@1"]),
        (";;\n;", &[]),
        ("-- nothing\n", &[]),
        ("/* nothing */", &[]),
        ("/*! select 1 */;", &["/*! select 1 */@1"]),
        ("/*M!100000 select 1 */;", &["/*M!100000 select 1 */@1"]),
    ];
    for (input, expected) in cases {
        assert_eq!(&split(input), expected, "{input:?}");
    }
}

#[test]
fn commands_begin_where_a_statement_could() {
    let cases: &[(&str, &[&str])] = &[
        ("\\dt\nselect 1;", &["[\\dt]@1", "select 1@2"]),
        ("select 1;\n  \\d flight \n", &["select 1@1", "[\\d flight]@2"]),
        ("-- tables\n\\dt", &["[\\dt]@2"]),
        ("select 1 \\watch 2\nselect 3;", &["select 1@1 [\\watch 2]@1", "select 3@2"]),
        ("select\n1 \\explain\n", &["select\n1@1 [\\explain]@2"]),
        ("select '\\dt';", &["select '\\dt'@1"]),
        ("select \\x 1;", &["select \\x 1@1"]),
        ("\\copy t to 'a;b.csv'\n", &["[\\copy t to 'a;b.csv']@1"]),
        ("\\gx\n", &["[\\gx]@1"]),
    ];
    for (input, expected) in cases {
        assert_eq!(&split(input), expected, "{input:?}");
    }
}

#[test]
fn what_users_of_mysql_type_is_understood() {
    let cases: &[(&str, &[&str])] = &[
        ("use shop\nselect 1;", &["[\\u shop]@1", "select 1@2"]),
        ("use shop;", &["use shop@1"]),
        ("USE shop; select 1;", &["USE shop@1", "select 1@1"]),
        ("source a b.sql;\n", &["[\\i a b.sql]@1"]),
        ("exit\n", &["[\\q]@1"]),
        ("exit;", &["[\\q]@1"]),
        ("help", &["[\\?]@1"]),
        ("status;\n", &["[\\s]@1"]),
        ("used();", &["used()@1"]),
        ("quit 1;", &["quit 1@1"]),
        (
            "delimiter //\ncreate procedure p() begin select 1; end//\ndelimiter ;\nselect 2;",
            &["create procedure p() begin select 1; end@2", "select 2@4"],
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(&split(input), expected, "{input:?}");
    }
}

#[test]
fn the_pieces_in_which_input_arrives_do_not_matter() {
    let input = "select 'a\\'; é' /* ; */; -- x;\nuse shop\n\\dt a\nselect 2\\G\nselect 3 \\watch 1\ndelimiter $$\nselect 4;5$$ \
                 delimiter\nselect \"b;\"$$ use x; $$";
    let whole = split(input);
    assert!(whole.len() >= 7, "{whole:?}");
    for size in [1, 2, 3, 7] {
        let mut splitter = Splitter::default();
        let mut found = Vec::new();
        for piece in input.chars().collect::<Vec<_>>().chunks(size) {
            found.extend(splitter.push(&piece.iter().collect::<String>()));
        }
        found.extend(splitter.finish());
        assert_eq!(found.into_iter().map(shown).collect::<Vec<_>>(), whole, "pieces of {size}");
    }
}

#[test]
fn comments_and_blanks_are_nothing_to_wait_for() {
    for (text, blank) in [
        ("", true),
        ("  \n", true),
        ("-- x\n", true),
        ("/* a */ ", true),
        ("/* a", false),
        ("sel", false),
        ("'", false),
    ] {
        let mut splitter = Splitter::default();
        assert!(splitter.push(text).is_empty());
        assert_eq!(splitter.is_blank(), blank, "{text:?}");
    }
}
