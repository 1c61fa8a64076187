//! Every format over the same awkward rows.

use super::*;

fn columns() -> Vec<Column> {
    let column = |name: &str, type_code, charset| Column::new(name, type_code, charset);
    vec![column("id", 8, 63), column("price", 246, 63), column("name", 253, 45), column("name", 252, 63)]
}

fn look() -> Look {
    Look { width: None, colour: false, unicode: true, null: "NULL".into(), expanded: Expanded::Auto }
}

fn render(format: Format) -> String {
    let rows: [[Cell<'_>; 4]; 2] = [
        [Some(b"18446744073709551615"), Some(b"1.50"), Some("Zo\u{eb}, \"the\" \t one".as_bytes()), Some(b"\x00\xff")],
        [Some(b"-2"), None, Some(b""), None],
    ];
    let mut writer = format.writer(&look());
    let mut out = Vec::new();
    writer.columns(&columns(), &mut out).unwrap();
    for row in &rows {
        writer.row(row, &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn formats() {
    let cases = [
        (
            Format::Table,
            "┌──────────────────────┬───────┬───────────────────┬────────┐\n\
             │                   id │ price │ name              │ name   │\n\
             ├──────────────────────┼───────┼───────────────────┼────────┤\n\
             │ 18446744073709551615 │  1.50 │ Zoë, \"the\" \\t one │ 0x00FF │\n\
             │                   -2 │  NULL │                   │ NULL   │\n\
             └──────────────────────┴───────┴───────────────────┴────────┘\n",
        ),
        (
            Format::Vertical,
            "*************************** 1. row ***************************\n   id: 18446744073709551615\nprice: 1.50\n name: Zoë, \"the\" \t one\n name: 0x00FF\n\
             *************************** 2. row ***************************\n   id: -2\nprice: NULL\n name: \n name: NULL\n",
        ),
        (
            Format::Json,
            "[\n  {\"id\": 18446744073709551615, \"price\": \"1.50\", \"name\": \"Zoë, \\\"the\\\" \\t one\", \"name_2\": \"0x00FF\"},\n  \
             {\"id\": -2, \"price\": null, \"name\": \"\", \"name_2\": null}\n]\n",
        ),
        (
            Format::Jsonl,
            "{\"id\": 18446744073709551615, \"price\": \"1.50\", \"name\": \"Zoë, \\\"the\\\" \\t one\", \"name_2\": \"0x00FF\"}\n\
             {\"id\": -2, \"price\": null, \"name\": \"\", \"name_2\": null}\n",
        ),
        (Format::Csv, "id,price,name,name\n18446744073709551615,1.50,\"Zoë, \"\"the\"\" \t one\",0x00FF\n-2,,\"\",\n"),
        (
            Format::Tsv,
            "id\tprice\tname\tname\n18446744073709551615\t1.50\tZoë, \"the\" \\t one\t0x00FF\n-2\t\\N\t\t\\N\n",
        ),
        (
            Format::Markdown,
            "| id | price | name | name |\n| ---: | ---: | --- | --- |\n\
             | 18446744073709551615 | 1.50 | Zoë, \"the\" \\\\t one | 0x00FF |\n| -2 | NULL |  | NULL |\n",
        ),
        (
            Format::SqlInsert,
            "INSERT INTO result (id, price, name, name) VALUES\n  \
             (18446744073709551615, 1.50, 'Zoë, \"the\" \t one', 0x00FF),\n  (-2, NULL, '', NULL);\n",
        ),
    ];
    for (format, expected) in cases {
        assert_eq!(render(format), expected, "{format:?}");
    }
}

/// A table of text columns with these rows, as a terminal of `width` columns shows it, and what is noted.
fn drawn(look: &Look, columns: &[Column], rows: &[&[Cell<'_>]]) -> (String, Option<String>) {
    let mut writer = Format::Table.writer(look);
    let mut out = Vec::new();
    writer.columns(columns, &mut out).unwrap();
    for row in rows {
        writer.row(row, &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    (String::from_utf8(out).unwrap(), writer.note())
}

#[test]
fn a_table_fits_its_terminal_or_is_turned() {
    let columns = [Column::new("id", 8, 63), Column::new("story", 253, 45)];
    let story = "once upon a time there was a table that was too wide".as_bytes();
    let row: &[Cell<'_>] = &[Some(b"1"), Some(story)];
    let terminal = |width, expanded| Look { width: Some(width), expanded, ..look() };

    let (text, note) = drawn(&terminal(40, Expanded::Auto), &columns, &[row]);
    assert_eq!(text.lines().nth(3), Some("│  1 │ once upon a time there was a t… │"));
    assert!(text.lines().all(|line| layout::width(line) == 40), "{text}");
    assert_eq!(note.as_deref(), Some("story cut to fit: \\G shows cells whole"));

    let (text, note) = drawn(&terminal(15, Expanded::Auto), &columns, &[row]);
    assert!(text.starts_with("*****") && text.contains("story: once upon a time there was a table"), "{text}");
    assert_eq!(note, None);
    let (text, _) = drawn(&terminal(15, Expanded::Off), &columns, &[row]);
    assert!(text.starts_with("┌─") && text.lines().count() == 5, "{text}");
    let (text, _) = drawn(&terminal(200, Expanded::On), &columns, &[row]);
    assert!(text.starts_with("*****"), "{text}");
}

#[test]
fn null_is_told_from_a_text_that_looks_like_it() {
    let columns = [Column::new("a", 253, 45), Column::new("b", 253, 45)];
    let row: &[Cell<'_>] = &[None, Some(b"NULL")];
    let (text, _) = drawn(&look(), &columns, &[row]);
    assert_eq!(text.lines().nth(3), Some("│ NULL │ 'NULL' │"));
    let (text, _) = drawn(&Look { colour: true, ..look() }, &columns, &[row]);
    assert!(text.contains("\u{1b}[90mNULL\u{1b}[0m") && !text.contains("\u{1b}[90m'NULL'"), "{text:?}");
}

#[test]
fn lines_of_a_cell_are_drawn_below_each_other_and_nothing_commands_the_terminal() {
    let columns = [Column::new("a", 253, 45), Column::new("n", 8, 63)];
    let row: &[Cell<'_>] = &[Some(b"one\ntwo\x1b[2J"), Some(b"7")];
    let (text, _) = drawn(&Look { unicode: false, ..look() }, &columns, &[row]);
    let expected = "+--------------+---+\n| a            | n |\n+--------------+---+\n| one          | 7 |\n\
                    | two\\u{1b}[2J |   |\n+--------------+---+\n";
    assert_eq!(text, expected);
}

#[test]
fn a_long_table_is_drawn_as_it_comes_with_the_widths_of_its_first_rows() {
    let columns = [Column::new("a", 253, 45)];
    let mut writer = Format::Table.writer(&Look { width: Some(30), ..look() });
    let mut out = Vec::new();
    writer.columns(&columns, &mut out).unwrap();
    for _ in 0..999 {
        writer.row(&[Some(b"short")], &mut out).unwrap();
    }
    assert!(out.is_empty(), "measured first");
    writer.row(&[Some(b"short")], &mut out).unwrap();
    assert_eq!(String::from_utf8_lossy(&out).lines().count(), 1003);
    writer.row(&[Some(b"longer than any")], &mut out).unwrap();
    writer.finish(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().nth(1003), Some("│ long… │"));
    assert!(writer.note().unwrap().contains("first 1000 rows"));
}

#[test]
fn inserts_go_back_to_their_table_in_pieces() {
    let mut column = Column::new("or der", 253, 45);
    column.table = "it's".into();
    let mut writer = Format::SqlInsert.writer(&look());
    let mut out = Vec::new();
    writer.columns(&[column], &mut out).unwrap();
    for _ in 0..501 {
        writer.row(&[Some(b"a\\'\n")], &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches("INSERT INTO `it's` (`or der`) VALUES\n").count(), 2);
    assert_eq!(text.matches("  ('a\\\\''\\n')").count(), 501);
    assert!(text.ends_with(");\n"));
}
