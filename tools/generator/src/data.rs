//! Rows by chance: few values, so that there are ties, and those that routers get wrong.
//!
//! Doubles are multiples of 1/8 within a thousand: sums and products of some are exact, in whatever order they are made, so that a comparison
//! with one of them is determined.

use crate::random::Random;
use crate::schema::{Schema, Table, Type};

/// Equal to each other under one collation or another.
const TEXTS: [&str; 22] = [
    "", " ", "a", "A", "a ", "á", "Á", "b", "B ", "ab", "Ab", "aB ", "ß", "ss", "Zoë", "zoe", "o''Hara", "10", "9",
    "-1", "x\\\\y", "a%_b",
];
/// Those that latin1 does not have.
const WIDE: [&str; 6] = ["🛫", "🛬", "č", "日本", "a\u{300}", "Ω"];
/// What a loose hash of a text takes.
const KEYS: [&str; 10] = ["a", "A", "a ", "b", "B", "k1", "k2", "K2 ", "zoe", "10"];

/// A row: literals for the written columns of its table.
pub type Row = Vec<String>;

/// The rows of all tables, of both keyspaces.
pub fn rows(random: &mut Random, schema: &Schema) -> Vec<Vec<Row>> {
    schema.all().map(|table| of_table(random, table)).collect()
}

fn of_table(random: &mut Random, table: &Table) -> Vec<Row> {
    let columns = table.written();
    (0..table.rows)
        .map(|number| {
            let cells = columns.iter().map(|at| match table.key.last() == Some(at) {
                // What makes the row unique counts up, whatever leads to its shard.
                true => (number + 1).to_string(),
                false => value(random, table, *at),
            });
            cells.collect()
        })
        .collect()
}

/// `INSERT IGNORE` of some rows: a second row with the same key of a unique kind is left out everywhere alike.
pub fn insert(table: &Table, name: &str, rows: &[Row]) -> String {
    let names: Vec<&str> = table.written().into_iter().map(|at| &*table.columns[at].name).collect();
    let rows: Vec<String> = rows.iter().map(|row| row.join(", ")).collect();
    format!("INSERT IGNORE INTO {name} ({}) VALUES ({})", names.join(", "), rows.join("), ("))
}

/// A literal for a column.
pub fn value(random: &mut Random, table: &Table, at: usize) -> String {
    let column = &table.columns[at];
    if table.sharding().contains(&at) {
        return key(random, &column.kind);
    }
    if !column.not_null && random.chance(18) {
        return "NULL".into();
    }
    literal(random, &column.kind)
}

/// A value of a column that leads to a shard: few, and some of them often.
fn key(random: &mut Random, kind: &Type) -> String {
    let skewed = if random.chance(40) { 3 } else { random.between(0, 11) };
    match kind {
        Type::Text { .. } => format!("'{}'", KEYS[skewed as usize % KEYS.len()]),
        Type::Bytes(_) => format!("'{}'", KEYS[skewed as usize % KEYS.len()]),
        Type::Int { unsigned: false, .. } if random.chance(15) => format!("-{skewed}"),
        _ => skewed.to_string(),
    }
}

/// A literal of a type, never NULL.
pub fn literal(random: &mut Random, kind: &Type) -> String {
    match kind {
        Type::Int { bytes, unsigned, wide, .. } => integer(random, *bytes, *unsigned, *wide),
        Type::Decimal(scale) => {
            let number = random.between(-2000, 2000);
            let scale = usize::from(*scale);
            if scale == 0 {
                return (number / 100).to_string();
            }
            let sign = if number < 0 { "-" } else { "" };
            let fraction = if random.chance(50) { 0 } else { number.unsigned_abs() % 10_u64.pow(scale as u32) };
            format!("{sign}{}.{fraction:0scale$}", number.abs() / 100)
        }
        Type::Float => format!("{}", random.between(-40, 40) as f64 / 2.0),
        Type::Double => format!("{}", random.between(-160, 160) as f64 / 8.0),
        Type::Bit(bits) => format!("b'{:b}'", random.below(1 << (*bits).min(5))),
        Type::Year => random.between(1999, 2004).to_string(),
        Type::Text { collation, .. } => format!("'{}'", text(random, collation.starts_with("latin1"))),
        Type::Bytes(form) => {
            let most = if *form == "BINARY(4)" { 4 } else { 6 };
            let bytes = (0..random.below(most)).map(|_| *random.pick(&["00", "20", "41", "61", "FF", "0A"]));
            format!("X'{}'", bytes.collect::<String>())
        }
        Type::Enum => format!("'{}'", random.pick(&["zeta", "Alpha", "beta", ""])),
        Type::Set => format!("'{}'", random.pick(&["", "z", "a", "z,a", "a,m", "z,a,m"])),
        Type::Date { zero: true } if random.chance(20) => "'0000-00-00'".into(),
        Type::Date { .. } => format!("'{}'", date(random)),
        Type::Moment(fraction) | Type::Instant(fraction) => {
            format!("'{} {}'", date(random), time(random, *fraction))
        }
        Type::Time(fraction) => {
            let sign = if random.chance(20) { "-" } else { "" };
            format!("'{sign}{}'", time(random, *fraction))
        }
        Type::Json => format!("'{}'", random.pick(&DOCUMENTS)),
    }
}

const DOCUMENTS: [&str; 9] = [
    "{\"a\": 1, \"b\": [1, 2]}",
    "{\"a\": \"x\"}",
    "{\"a\": null}",
    "[1, \"two\", 3.5]",
    "[]",
    "{}",
    "1",
    "\"text\"",
    "true",
];

fn integer(random: &mut Random, bytes: u8, unsigned: bool, wide: bool) -> String {
    if wide && random.chance(30) {
        let bits = u32::from(bytes) * 8;
        let most = if unsigned { (1_u128 << bits) - 1 } else { (1_u128 << (bits - 1)) - 1 };
        return match random.below(3) {
            0 => most.to_string(),
            1 => (most - 1).to_string(),
            _ if unsigned => "0".into(),
            _ => format!("-{}", most + 1),
        };
    }
    random.between(if unsigned { 0 } else { -5 }, 12).to_string()
}

/// The inside of a literal.
pub fn text(random: &mut Random, latin: bool) -> String {
    if !latin && random.chance(15) {
        return (*random.pick(&WIDE)).to_owned();
    }
    (*random.pick(&TEXTS)).to_owned()
}

/// A date, some at the ends of months and years.
pub fn date(random: &mut Random) -> String {
    let fixed = ["2000-02-29", "2001-12-31", "2002-01-01", "1999-12-31"];
    if random.chance(30) {
        return (*random.pick(&fixed)).to_owned();
    }
    format!("200{}-0{}-1{}", random.between(0, 2), random.between(1, 3), random.between(0, 4))
}

/// A time of day.
pub fn time(random: &mut Random, fraction: u8) -> String {
    let clock = format!("{:02}:{:02}:{:02}", random.pick(&[0, 6, 12, 23]), random.pick(&[0, 30, 59]), random.below(3));
    let digits = match fraction {
        0 => "",
        3 => *random.pick(&[".000", ".250", ".999"]),
        _ => *random.pick(&[".000000", ".250000", ".999999", ".000001"]),
    };
    format!("{clock}{digits}")
}
