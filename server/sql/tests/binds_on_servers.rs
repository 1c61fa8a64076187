//! What real servers receive when binds are put into a statement: the values sent, whatever they hold.

use std::borrow::Cow;

use vitrail_harness::{Connection, Flavour};
use vitrail_proto::value::{Binds, Value};
use vitrail_sql::LexMode;
use vitrail_sql::bind::substitute;

const NASTY: &str = "it's \"quoted\" `b` \\ \\' \\\\ \0 \u{1a} \n\r\t % _ :v ::v ? -- # /* 😀 é";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn list(items: &[i64]) -> Value {
    Value::List(items.iter().map(|item| Value::Int(*item)).collect())
}

/// Statement, the value of `v`, and the one cell that the server answers.
fn table() -> Vec<(Cow<'static, str>, Value, String)> {
    const NUMBERS: &str = "SELECT COUNT(*) FROM (SELECT 1 AS a UNION SELECT 2 UNION SELECT 3) AS t WHERE ";
    let all_bytes: Vec<u8> = (0..=255).collect();
    let point = [&[0, 0, 0, 0, 1, 1, 0, 0, 0][..], &1.5f64.to_le_bytes(), &(-2f64).to_le_bytes()].concat();
    let pair = |left: i64, right: &str| Value::Tuple(vec![Value::Int(left), text(right)]);
    let mut rows: Vec<(Cow<'static, str>, Value, String)> = Vec::new();
    let fixed = [
        ("SELECT :v IS NULL", Value::Null, "1".to_owned()),
        ("SELECT HEX(:v)", text(NASTY), hex(NASTY.as_bytes())),
        ("SELECT HEX(:v)", text(""), String::new()),
        ("SELECT HEX(:v)", text("\\"), "5C".into()),
        ("SELECT HEX(CONCAT(:v, ':v', \":v\"))", text("'"), hex(b"':v:v")),
        ("SELECT CHAR_LENGTH(:v)", text("😀é"), "2".into()),
        ("SELECT HEX(:v)", Value::Bytes(all_bytes.clone()), hex(&all_bytes)),
        ("SELECT HEX(:v)", Value::Bytes(Vec::new()), String::new()),
        ("SELECT HEX(:v)", Value::Bit(vec![1, 0x80]), "0180".into()),
        ("SELECT HEX(:v)", Value::Geometry(point.clone()), hex(&point)),
        ("SELECT ST_AsText(:v)", Value::Geometry(point), "POINT(1.5 -2)".into()),
        ("SELECT HEX(:v)", Value::Date("2024-02-29".into()), hex(b"2024-02-29")),
        ("SELECT CAST(:v AS TIME(6))", Value::Time("-838:59:58.000001".into()), "-838:59:58.000001".into()),
        ("SELECT HEX(:v)", Value::DateTime("0000-00-00 00:00:00".into()), hex(b"0000-00-00 00:00:00")),
        (
            "SELECT HEX(JSON_UNQUOTE(JSON_EXTRACT(:v, '$.a')))",
            Value::Json(r#"{"a": "'\"\\😀"}"#.into()),
            hex("'\"\\😀".as_bytes()),
        ),
        ("SELECT 5-:v", Value::Int(-3), "8".into()),
    ];
    rows.extend(fixed.map(|(sql, value, expected)| (sql.into(), value, expected)));
    for number in [0, -1, i64::MIN, i64::MAX] {
        rows.push(("SELECT CAST(:v AS CHAR)".into(), Value::Int(number), number.to_string()));
    }
    rows.push(("SELECT CAST(:v AS CHAR)".into(), Value::UInt(u64::MAX), u64::MAX.to_string()));
    for number in [0.1, -2.5, 1.797_693_134_862_315_7e308, 5e-324, 1e15] {
        // The server reads the shortest text back into the same double, or the difference is not 0.
        let bits = format!("SELECT :v = CAST('{number:e}' AS DOUBLE)");
        rows.push((bits.into(), Value::Double(number), "1".into()));
    }
    for number in ["-12345678901234567890123456789.0123456789", "0.10", "99999999999999999999"] {
        rows.push(("SELECT CAST(:v AS CHAR)".into(), Value::Decimal(number.into()), number.into()));
    }
    for (charset, bytes, utf8) in
        [("latin1", &b"\xe9'\\"[..], "é'\\"), ("sjis", b"\x95\x5c", "表"), ("ucs2", b"\0'", "'")]
    {
        let value = || Value::CharsetText { charset: charset.into(), bytes: bytes.to_vec() };
        rows.push(("SELECT HEX(:v)".into(), value(), hex(bytes)));
        rows.push(("SELECT HEX(CONVERT(:v USING utf8mb4))".into(), value(), hex(utf8.as_bytes())));
    }
    for (condition, value, count) in [
        ("a IN ::v", list(&[1, 3, 7]), "2"),
        ("a NOT IN ::v", list(&[1, 3, 7]), "1"),
        ("a IN ::v", list(&[]), "0"),
        ("a NOT IN ::v", list(&[]), "3"),
        ("(a, CONCAT('''', a)) IN ::v", Value::List(vec![pair(1, "'1"), pair(2, "2"), pair(3, "'3")]), "2"),
    ] {
        let sql = format!("{NUMBERS}{condition}");
        rows.push((sql.into(), value, count.into()));
    }
    rows
}

async fn receive(connection: &mut Connection, mode: LexMode, sql: &str, value: &Value) -> Option<String> {
    let mut binds = Binds::new();
    binds.set("v", value.clone());
    let mut bytes = Vec::new();
    substitute(sql, &binds, mode, 1 << 20, &mut bytes).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let written = String::from_utf8(bytes).expect("binds are written as utf8");
    connection.fetch_cell(&written).await.unwrap_or_else(|error| panic!("{written}: {error}"))
}

async fn check(flavour: Flavour) {
    let server = vitrail_harness::server(flavour).await;
    let database = server.database("binds").await;
    let mut connection = server.connect(&database).await;
    for (sql_mode, no_backslash_escapes) in [("", false), ("NO_BACKSLASH_ESCAPES", true)] {
        connection.execute(&format!("SET sql_mode = '{sql_mode}'")).await.expect("set");
        let mode = LexMode { no_backslash_escapes, ..LexMode::default() };
        for (sql, value, expected) in table() {
            let found = receive(&mut connection, mode, &sql, &value).await;
            assert_eq!(found.as_deref(), Some(&*expected), "{flavour:?} '{sql_mode}': {sql} with {value:?}");
        }
    }
}

#[tokio::test]
async fn servers_receive_the_values_sent() {
    for flavour in vitrail_harness::flavours() {
        check(flavour).await;
    }
}
