//! Every format over the same awkward rows.

use super::*;

fn columns() -> Vec<Column> {
    let column = |name: &str, type_code, charset| Column::new(name, type_code, charset);
    vec![column("id", 8, 63), column("price", 246, 63), column("name", 253, 45), column("name", 252, 63)]
}

fn render(format: Format) -> String {
    let rows: [[Cell<'_>; 4]; 2] = [
        [Some(b"18446744073709551615"), Some(b"1.50"), Some("Zo\u{eb}, \"the\" \t one".as_bytes()), Some(b"\x00\xff")],
        [Some(b"-2"), None, Some(b""), None],
    ];
    let mut writer = format.writer(None);
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
             │ id                   ┆ price ┆ name              ┆ name   │\n\
             ╞══════════════════════╪═══════╪═══════════════════╪════════╡\n\
             │ 18446744073709551615 ┆  1.50 ┆ Zoë, \"the\" \\t one ┆ 0x00FF │\n\
             │                   -2 ┆  NULL ┆                   ┆ NULL   │\n\
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
    ];
    for (format, expected) in cases {
        assert_eq!(render(format), expected, "{format:?}");
    }
}
