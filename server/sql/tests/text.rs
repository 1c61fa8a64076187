//! Tables for lexing, keys, kinds, anchors, values, edits and binds, and a seeded run over mutated statements.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use vitrail_proto::value::{Binds, Value};
use vitrail_sql::bind::{BindError, substitute};
use vitrail_sql::edit::Edits;
use vitrail_sql::lexer::{Lexer, TokenKind};
use vitrail_sql::normalise::{LiteralKind, StatementKind};
use vitrail_sql::{LexMode, Normalised, SqlError, normalise, parse};

const DEFAULT: LexMode = LexMode { no_backslash_escapes: false, ansi_quotes: false, pipes_as_concat: false };
const PLAIN_BACKSLASH: LexMode = LexMode { no_backslash_escapes: true, ..DEFAULT };
const ANSI: LexMode = LexMode { ansi_quotes: true, ..DEFAULT };

/// Text, mode, and the tokens it has.
type Row = (&'static str, LexMode, &'static [(TokenKind, &'static str)]);

fn read(sql: &str) -> Normalised {
    normalise(sql.into(), DEFAULT).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn key(sql: &str) -> String {
    read(sql).key.replace('\u{1}', "¤")
}

#[test]
fn tokens() {
    use TokenKind::*;
    let table: &[Row] = &[
        (
            "1a 1e3 1e 1. .5 1.5e-2",
            DEFAULT,
            &[(Word, "1a"), (Float, "1e3"), (Word, "1e"), (Decimal, "1."), (Decimal, ".5"), (Float, "1.5e-2")],
        ),
        (
            "a.5 `a`.b t.1a",
            DEFAULT,
            &[
                (Word, "a"),
                (Dot, "."),
                (Word, "5"),
                (QuotedName, "`a`"),
                (Dot, "."),
                (Word, "b"),
                (Word, "t"),
                (Dot, "."),
                (Word, "1a"),
            ],
        ),
        (
            "0xAf 0xg 0b01 0b2 x'1' b'0'",
            DEFAULT,
            &[(Hex, "0xAf"), (Word, "0xg"), (Bits, "0b01"), (Word, "0b2"), (Hex, "x'1'"), (Bits, "b'0'")],
        ),
        (r"'a\'b' 'a''b' '\\'", DEFAULT, &[(String, r"'a\'b'"), (String, "'a''b'"), (String, r"'\\'")]),
        (r"'a\' 'b'", PLAIN_BACKSLASH, &[(String, r"'a\'"), (String, "'b'")]),
        (r#""a" "#, ANSI, &[(QuotedName, r#""a""#)]),
        (r#""a" "#, DEFAULT, &[(String, r#""a""#)]),
        (
            "a--1 -- c\nb#d",
            DEFAULT,
            &[
                (Word, "a"),
                (Operator, "-"),
                (Operator, "-"),
                (Integer, "1"),
                (Comment, "-- c\n"),
                (Word, "b"),
                (Comment, "#d"),
            ],
        ),
        (
            ":a::b ? := @x @@g.y @`z z`",
            DEFAULT,
            &[
                (Bind, ":a"),
                (ListBind, "::b"),
                (Operator, "?"),
                (Operator, ":="),
                (UserVariable, "@x"),
                (SystemVariable, "@@g.y"),
                (UserVariable, "@`z z`"),
            ],
        ),
        (
            "/*+ h */ /*! x */ /* c */",
            DEFAULT,
            &[(Hint, "/*+ h */"), (VersionComment, "/*! x */"), (Comment, "/* c */")],
        ),
        (
            "<=> ->> -> >= <<",
            DEFAULT,
            &[(Operator, "<=>"), (Operator, "->>"), (Operator, "->"), (Operator, ">="), (Operator, "<<")],
        ),
    ];
    for (sql, mode, want) in table {
        let mut lexer = Lexer::new(sql.as_bytes(), *mode);
        let mut got = Vec::new();
        while let Some(token) = lexer.next_token().unwrap() {
            got.push((token.kind, &sql[token.start..token.end]));
        }
        assert_eq!(&got, want, "{sql}");
    }
}

#[test]
fn keys() {
    for (sql, want) in [
        ("select a from t where id = 5", "select a from t where id = ¤i"),
        ("select a, 1, 'x' from t where b = 'y' and c = 1.5", "select a, 1, 'x' from t where b = ¤s and c = ¤d"),
        ("select a from t where id in (1, -2, 3)", "select a from t where id in (¤lA)"),
        ("select a from t where id in (1, 'x')", "select a from t where id in (¤lI)"),
        ("select a from t where id in (1, null)", "select a from t where id in (1, null)"),
        ("select a from t order by 1 limit 5", "select a from t order by 1 limit 5"),
        (
            "select a from t where d = date '2020-01-01' and e = _latin1'x'",
            "select a from t where d = date '2020-01-01' and e = _latin1'x'",
        ),
        ("select a from t where d > now() - interval 5 day", "select a from t where d > now() - interval 5 day"),
        ("select a from t where j->'$.a' = 5", "select a from t where j->'$.a' = ¤i"),
        (
            "select (select b from u where c = 1) from t where d = 2",
            "select (select b from u where c = 1) from t where d = ¤i",
        ),
        (
            "select a from (select 1 x from u where y = 3) d where z = 4",
            "select a from (select 1 x from u where y = ¤i) d where z = ¤i",
        ),
        ("select a from t where cast(b as char(10)) = 'x'", "select a from t where cast(b as char(10)) = ¤s"),
        ("select a from t where t.1 = 2 and t.2a = 3", "select a from t where t.1 = ¤i and t.2a = ¤i"),
        ("select a from t where b = 'x' 'y'", "select a from t where b = ¤s"),
        ("insert into t (a, b) values (1, 'x')", "insert into t (a, b) values (¤i, ¤s)"),
        ("insert into t set a = 1, b = x'ff'", "insert into t set a = ¤i, b = ¤h"),
        ("update t set a = 1 where b = 0b1 order by 2 limit 3", "update t set a = ¤i where b = ¤b order by 2 limit 3"),
        ("delete from t where a = 1e3", "delete from t where a = ¤f"),
        ("set a = 5", "set a = 5"),
        ("/* lead */ select a from t where id = 5 /* tail */ ; ", "select a from t where id = ¤i"),
        ("select a from t where id = /* 1 */ 5", "select a from t where id = /* 1 */ ¤i"),
        (
            "select a from t where match(b) against ('x' in boolean mode)",
            "select a from t where match(b) against (¤s in boolean mode)",
        ),
    ] {
        assert_eq!(key(sql), want);
    }
    assert_eq!(key("select a from t where id in (1)"), key("select a from t where id in (2, 3, 4)"));
    let modes = [DEFAULT, PLAIN_BACKSLASH, ANSI].map(|mode| normalise("select a from t".into(), mode).unwrap().key);
    assert!(modes[0] != modes[1] && modes[1] != modes[2] && modes[0] != modes[2]);
}

#[test]
fn kinds() {
    use StatementKind::*;
    for (sql, want) in [
        ("select 1", Select),
        ("((select 1))", Select),
        ("with a as (select 1) select 2", Select),
        ("values row(1)", Select),
        ("table t", Select),
        ("with a as (select 1) update t set x = 1", Update),
        ("insert t values (1)", Insert),
        ("replace t values (1)", Replace),
        ("delete from t", Delete),
        ("begin", Begin),
        ("BEGIN WORK;", Begin),
        ("begin not atomic select 1", Other),
        ("start transaction read only", Begin),
        ("start replica", Other),
        ("commit and chain", Commit),
        ("rollback", Rollback),
        ("rollback work to x", Savepoint),
        ("rollback to x", Savepoint),
        ("savepoint x", Savepoint),
        ("release savepoint x", Savepoint),
        ("set a = 1", Set),
        ("set statement max_statement_time=1 for select 1", Other),
        ("use x", Use),
        ("show tables", Show),
        ("desc t", Show),
        ("explain select 1", Explain),
        ("explain format=json select 1", Explain),
        ("explain analyze format=vitrail select 1", Explain),
        ("analyze format=json select 1", Explain),
        ("analyze update a set b = 1", Explain),
        ("analyze table a", Other),
        ("drop table t", Ddl),
        ("/*!50000 DROP TABLE t */", Ddl),
        ("/* x */ /*!40101 SET NAMES utf8mb4 */;", Set),
        ("call p()", Call),
        ("kill 5", Kill),
        ("", Empty),
        (" -- x", Empty),
        ("do 1", Other),
        ("lock tables t read", Other),
        ("(", Empty),
    ] {
        assert_eq!(read(sql).kind, want, "{sql}");
    }
}

#[test]
fn refusals() {
    for (sql, want) in [
        ("select 'a", "a string"),
        ("select `a", "a quoted name"),
        ("select /* a", "a comment"),
        ("select 1; select 2", "a second statement"),
        ("select 1 /*! ; drop table t */", "a second statement"),
        ("select /*! '*/' */ 1", "different places"),
        ("select /*! /* x */ */ 1", "different places"),
        ("select \u{1}i", "0x01"),
        ("select 1 /*! -- */ 2", "different places"),
        ("select 'a\\'", "a string"),
        ("select '\\", "a string"),
    ] {
        let error = normalise(sql.into(), DEFAULT).unwrap_err();
        assert!(error.to_string().contains(want), "{sql}: {error}");
    }
    assert_eq!(normalise("a; b".into(), DEFAULT).unwrap_err(), SqlError::SeveralStatements { position: 3 });
}

#[test]
fn literal_values() {
    let list = Value::List(vec![Value::Int(1), Value::Int(-2), Value::Text("x".into())]);
    for (literal, want) in [
        ("5", Value::Int(5)),
        ("9223372036854775808", Value::UInt(1 << 63)),
        ("99999999999999999999", Value::Decimal("99999999999999999999".into())),
        ("1.50", Value::Decimal("1.50".into())),
        ("1e3", Value::Double(1000.0)),
        (r"'a\'b\\\n\0\%\q'", Value::Text("a'b\\\n\0\\%q".into())),
        ("'a''b'", Value::Text("a'b".into())),
        ("'a' 'b'", Value::Text("ab".into())),
        (r#""a'""b""#, Value::Text("a'\"b".into())),
        ("x'ff00'", Value::Bytes(vec![255, 0])),
        ("0x123", Value::Bytes(vec![1, 0x23])),
        ("b'100000001'", Value::Bytes(vec![1, 1])),
        ("0b11", Value::Bytes(vec![3])),
        ("in (1, - 2, 'x')", list),
    ] {
        let statement =
            read(&format!("select a from t where b {} {literal}", if literal.starts_with("in") { "" } else { "=" }));
        assert_eq!(statement.literals.len(), 1, "{literal}");
        assert_eq!(statement.literal_value(0).unwrap(), want, "{literal}");
    }
    let odd = read("select a from t where b = x'123'");
    assert!(odd.literal_value(0).is_err() && odd.literal_value(1).is_err());
    let plain = normalise(r"select a from t where b = 'a\n'".into(), PLAIN_BACKSLASH).unwrap();
    assert_eq!(plain.literal_value(0).unwrap(), Value::Text("a\\n".into()));
}

#[test]
fn anchors_and_edits_hold_in_every_statement_with_the_key() {
    let first = read("/* x */ select a from t where b = 'long one' and c in (1, 2, 3) and d = 4 -- end");
    let second = read("select a from t where b = '' and c in (77) and d = 123456;");
    assert_eq!(first.key, second.key);
    let start = first.text.find(" and d").unwrap();
    let table = first.text.find("t where").unwrap();
    let mut edits = Edits::new();
    edits.delete(first.anchor(start), first.anchor(first.body.end));
    edits.replace(first.anchor(table), first.anchor(table + 1), "`s`.`t`");
    edits.insert(first.anchor(first.body.end), " limit 1");
    assert_eq!(
        edits.apply(&first).unwrap(),
        "/* x */ select a from `s`.`t` where b = 'long one' and c in (1, 2, 3) limit 1 -- end"
    );
    assert_eq!(edits.apply(&second).unwrap(), "select a from `s`.`t` where b = '' and c in (77) limit 1;");
    // The comma joins directly behind a literal: the anchor counts from its end.
    let (one, two) = (read("insert into t values (1,2)"), read("insert into t values (111,2)"));
    let at = one.text.find(",2").unwrap();
    assert_eq!(two.position(one.anchor(at)), two.text.find(",2").unwrap());
}

#[test]
fn binds() {
    let value = |value| Binds::from_iter([("a", value)]);
    for (sql, bind, mode, want) in [
        ("x = :a", Value::Int(-5), DEFAULT, "x = (-5)"),
        ("x = :a", Value::Text(r"it's \ '".into()), DEFAULT, r"x = 'it''s \\ '''"),
        ("x = :a", Value::Text(r"it's \".into()), PLAIN_BACKSLASH, r"x = 'it''s \'"),
        ("x = ':a' and `:a` = :a # :a", Value::Null, DEFAULT, "x = ':a' and `:a` = NULL # :a"),
        ("x = :a", Value::Bytes(vec![0, 255]), DEFAULT, "x = _binary x'00FF'"),
        ("x = :a", Value::Bit(vec![1, 2]), DEFAULT, "x = b'0000000100000010'"),
        ("x = :a", Value::Double(0.1), DEFAULT, "x = 1e-1"),
        ("x = :a", Value::Date("0000-00-00".into()), DEFAULT, "x = '0000-00-00'"),
        ("x = :a", Value::Time("-838:59:58.999999".into()), DEFAULT, "x = '-838:59:58.999999'"),
        ("x = :a", Value::DateTime("2020-01-02 03:04:05".into()), DEFAULT, "x = '2020-01-02 03:04:05'"),
        ("x = :a", Value::CharsetText { charset: "latin1".into(), bytes: vec![0xe9] }, DEFAULT, "x = _latin1 x'E9'"),
        ("x in ::a", Value::List(vec![Value::Int(1), Value::Text("b".into())]), DEFAULT, "x in (1, 'b')"),
        ("x in ::a", Value::List(vec![Value::Tuple(vec![Value::Int(1), Value::Int(2)])]), DEFAULT, "x in ((1, 2))"),
        ("/*!40000 x = :a */", Value::Int(1), DEFAULT, "/*!40000 x = 1 */"),
        ("limit :a,:a", Value::Int(1), DEFAULT, "limit 1,1"),
    ] {
        let mut out = Vec::new();
        substitute(sql, &value(bind), mode, 1000, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
    for (sql, bind) in [
        ("x = :b", Value::Null),
        ("x = :a", Value::List(vec![Value::Null])),
        ("x in ::a", Value::Int(1)),
        ("x = :a", Value::Decimal("1' or 1".into())),
        ("x = :a", Value::Decimal("-".into())),
        ("x = :a", Value::Date("2020-01-0'".into())),
        ("x = :a", Value::Time("1".into())),
        ("x = :a", Value::DateTime("2020-01-01".into())),
        ("x = :a", Value::Double(f64::NAN)),
        ("x = :a", Value::Tuple(vec![])),
        ("x = :a", Value::CharsetText { charset: "a b".into(), bytes: vec![] }),
        ("x = :a", Value::Text("y".repeat(2000))),
        ("x = :a", Value::Bytes(vec![0; 600])),
    ] {
        let mut out = b"kept".to_vec();
        assert!(substitute(sql, &value(bind.clone()), DEFAULT, 1000, &mut out).is_err(), "{bind:?}");
        assert_eq!(out, b"kept");
    }
    let missing = substitute("x = :nobody", &Binds::new(), DEFAULT, 1000, &mut Vec::new()).unwrap_err();
    assert_eq!(missing, BindError::Missing { name: "nobody".into() });
}

#[test]
fn any_text_keeps_the_invariants() {
    const SEEDS: [&str; 8] = [
        "select a, 'x' from t where b in (1, 2, -3) and c = 'it''s' order by 1 limit 5",
        "insert into t (a, b) values (1, _utf8mb4'x'), (0x1f, b'01') on duplicate key update a = 1e3",
        "/* l */ select /*!40000 x */ `a``b` from t where d = date '2020-01-01' -- e\n",
        "update t set a = 'x' 'y' where b = \"q\\\"r\" and c->>'$.a' = .5 limit 1;",
        "with c as (select 1) select * from c where (a, b) in ((1, 2), (3, 4)) for update",
        "select (select 1 from u where v = 2) from t where e in ('a' 'b', n'c') group by 1 having 2",
        "set @x = 'é', names utf8mb4 # 😀",
        "delete from t where a = :a and b in ::b /*M!100000 y */",
    ];
    const BITS: [&str; 26] = [
        "'", "\"", "`", "\\", "(", ")", "/*", "*/", "/*!", "-- ", "#", "\n", "in (", "select ", " from ", "1", ".",
        "e", "x'", ":", ";", ",", "\0", "é", "\u{1}", "@",
    ];
    let seed = 20_261_124;
    let mut random = StdRng::seed_from_u64(seed);
    let mut read = 0;
    for round in 0..60_000 {
        let mut text = SEEDS[round % SEEDS.len()].to_owned();
        for _ in 0..random.random_range(0..6) {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let Some(&at) = places.get(random.random_range(0..places.len().max(1))) else { continue };
            if random.random_bool(0.4) {
                text.remove(at);
            } else {
                text.insert_str(at, BITS[random.random_range(0..BITS.len())]);
            }
        }
        let mode = LexMode {
            no_backslash_escapes: random.random(),
            ansi_quotes: random.random(),
            pipes_as_concat: random.random(),
        };
        let Ok(first) = normalise(text.as_str().into(), mode) else { continue };
        read += 1;
        let context = format!("seed {seed} round {round} {mode:?}: {text}");
        // Another statement with the key: every literal replaced by one of its kind.
        let mut other = String::new();
        let mut copied = 0;
        for literal in &first.literals {
            assert!(literal.span.start >= copied && literal.span.end <= first.body.end, "{context}");
            other.push_str(&text[copied..literal.span.start]);
            let source = &text[literal.span.clone()];
            match literal.kind {
                LiteralKind::Integer => other.push_str("12345"),
                LiteralKind::Decimal => other.push_str(if source.starts_with('.') { ".25" } else { "7.25" }),
                LiteralKind::Float => other.push_str("8e-1"),
                LiteralKind::String => other.push_str("'zz'''"),
                LiteralKind::Hex => other.push_str("x'0102'"),
                LiteralKind::Bits => other.push_str("b'1'"),
                LiteralKind::List => other.push_str(&format!("{source}, {source}")),
            }
            copied = literal.span.end;
        }
        other.push_str(&text[copied..]);
        let second =
            normalise(other.as_str().into(), mode).unwrap_or_else(|error| panic!("{context}\n{other}: {error}"));
        if second.key == first.key {
            assert_eq!((second.kind, second.literals.len()), (first.kind, first.literals.len()), "{context}\n{other}");
            for position in first.body.start..=first.body.end {
                let anchor = first.anchor(position);
                assert_eq!(second.anchor(second.position(anchor)), anchor, "{context}\n{other}");
                let inside =
                    first.literals.iter().any(|literal| literal.span.start < position && position < literal.span.end);
                assert!(inside || first.position(anchor) == position, "{context} at {position}");
            }
        } else {
            panic!("{context}\n{other}\n{:?}\n{:?}", first.key, second.key);
        }
        assert_eq!(Edits::new().apply(&first).unwrap(), text, "{context}");
        if !text.contains(':') {
            let mut out = Vec::new();
            substitute(&text, &Binds::new(), mode, usize::MAX, &mut out).unwrap();
            assert_eq!(out, text.as_bytes());
        }
        if round % 8 == 0 {
            drop(parse(&first));
        }
    }
    assert!(read > 10_000, "{read}");
}
