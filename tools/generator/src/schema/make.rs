//! Schemas by chance.
//!
//! Every world has what decides routing: three tables that lie together by one column, one that lies by another column, one by two columns,
//! one without rows, reference tables, and an unsharded keyspace beside. What they hold besides is chance.

use vitrail_harness::Flavour;

use super::{Column, Key, Placement, Schema, Table, Type};
use crate::random::Random;

/// A schema for servers of `flavour`.
pub fn make(random: &mut Random, flavour: Flavour) -> Schema {
    let mut maker = Maker { random, flavour };
    let (kind, vindex) = maker.family_key();
    let mut tables = Vec::new();
    for name in ["fa", "fb", "fc"] {
        let key = vec![column("k", kind.clone(), true), column("id", int(4, false), true)];
        let placement = Placement::Sharded { columns: vec![0], vindex };
        tables.push(maker.table(name, key, vec![0, 1], placement));
    }
    let id = vec![column("id", int(8, true), true)];
    let placement = Placement::Sharded { columns: vec![0], vindex: maker.random.word(&["hash", "numeric"]) };
    tables.push(maker.table("one", id, vec![0], placement));
    let pair = vec![column("region", int(2, true), true), column("id", int(4, false), true)];
    let placement = Placement::Sharded { columns: vec![0, 1], vindex: "place" };
    tables.push(maker.table("two", pair, vec![0, 1], placement));
    let id = vec![column("id", int(4, false), true)];
    let placement = Placement::Sharded { columns: vec![0], vindex: "hash" };
    let mut nothing = maker.table("nothing", id, vec![0], placement);
    nothing.rows = 0;
    tables.push(nothing);
    for name in ["ra", "rb"] {
        let id = vec![column("id", int(4, false), true)];
        let mut table = maker.table(name, id, vec![0], Placement::Reference);
        table.rows = 3 + maker.random.below(8);
        tables.push(table);
    }
    let auto = Type::Int { bytes: 4, unsigned: true, wide: false, auto: true };
    let id = vec![column("id", auto, true)];
    let beside = vec![maker.table("ua", id, vec![0], Placement::Unsharded)];
    Schema { tables, beside, flavour }
}

fn int(bytes: u8, unsigned: bool) -> Type {
    Type::Int { bytes, unsigned, wide: false, auto: false }
}

fn column(name: &str, kind: Type, not_null: bool) -> Column {
    Column { name: name.to_owned(), kind, not_null, invisible: false, generated: None }
}

struct Maker<'r> {
    random: &'r mut Random,
    flavour: Flavour,
}

impl Maker<'_> {
    /// What the family's tables lie by.
    fn family_key(&mut self) -> (Type, &'static str) {
        let sharp = match self.flavour {
            Flavour::MySql => "utf8mb4_0900_bin",
            Flavour::MariaDb => "utf8mb4_nopad_bin",
        };
        match self.random.weighted(&[5, 2, 2, 1, 1]) {
            0 => (int(4, self.random.chance(50)), "hash"),
            1 => (int(8, false), "numeric"),
            2 => (Type::Text { form: "VARCHAR(30)", collation: "utf8mb4_general_ci" }, "loose"),
            3 => (Type::Bytes("VARBINARY(12)"), "bytes"),
            _ => (Type::Text { form: "VARCHAR(30)", collation: sharp }, "bytes"),
        }
    }

    fn table(&mut self, name: &str, key: Vec<Column>, primary: Vec<usize>, placement: Placement) -> Table {
        let mut columns = key;
        let own = columns.len();
        for number in 0..5 + self.random.below(5) {
            let kind = self.kind();
            let not_null = self.random.chance(25) && !matches!(kind, Type::Instant(_) | Type::Json);
            columns.push(column(&format!("c{number}"), kind, not_null));
        }
        // Two that every table has, so that there is always something to compute with and to join by.
        columns.push(column("n", int(4, false), false));
        columns.push(column("d", Type::Decimal(2), false));
        if self.random.chance(30) {
            let mut generated = column("g", int(8, false), false);
            generated.generated = Some("n * 2");
            columns.push(generated);
        }
        if self.random.chance(30) {
            let mut hidden = column("hidden", int(4, false), self.random.chance(50));
            hidden.invisible = true;
            columns.push(hidden);
        }
        let sharding: Vec<usize> = match &placement {
            Placement::Sharded { columns, .. } => columns.clone(),
            _ => Vec::new(),
        };
        let mut keys = Vec::new();
        for _ in 0..self.random.below(3) {
            let more = own + self.random.below(columns.len() - own);
            if columns[more].kind == Type::Json || columns[more].generated.is_some() {
                continue;
            }
            // A number that is given to a row which is left out is skipped at some later time, by MySQL.
            let counted = columns.iter().any(|column| matches!(column.kind, Type::Int { auto: true, .. }));
            let unique = self.random.chance(40) && !counted;
            // Uniqueness that spans shards cannot be kept.
            let mut key = if unique { sharding.clone() } else { Vec::new() };
            key.push(more);
            keys.push(Key { unique, columns: key });
        }
        let rows = self.random.weighted(&[1, 4, 4]) * 8 + self.random.below(9);
        Table { name: name.to_owned(), columns, key: primary, keys, placement, rows }
    }

    fn kind(&mut self) -> Type {
        let fraction = *self.random.pick(&[0, 0, 3, 6]);
        match self.random.weighted(&[20, 8, 6, 8, 2, 2, 24, 6, 4, 3, 8, 8, 3, 4, 4]) {
            0 => Type::Int {
                bytes: *self.random.pick(&[1, 2, 3, 4, 8]),
                unsigned: self.random.chance(30),
                wide: self.random.chance(25),
                auto: false,
            },
            1 => Type::Decimal(*self.random.pick(&[0, 1, 2, 4])),
            2 => Type::Float,
            3 => Type::Double,
            4 => Type::Bit(*self.random.pick(&[1, 8, 40])),
            5 => Type::Year,
            6 => {
                let form = self.random.word(&["CHAR(12)", "VARCHAR(30)", "VARCHAR(30)", "TEXT"]);
                let collation = self.collation();
                // MariaDB finds equal values of such a CHAR different where DISTINCT keeps them in a temporary table.
                let form = if collation.contains("nopad") && form == "CHAR(12)" { "VARCHAR(30)" } else { form };
                Type::Text { form, collation }
            }
            7 => Type::Bytes(self.random.word(&["BINARY(4)", "VARBINARY(12)", "BLOB"])),
            8 => Type::Enum,
            9 => Type::Set,
            // MySQL warns of zero dates that pass through a temporary table or a sort, and which do is open.
            10 => Type::Date { zero: self.flavour == Flavour::MariaDb && self.random.chance(20) },
            11 => Type::Moment(fraction),
            12 => Type::Instant(fraction),
            13 => Type::Time(fraction),
            _ => Type::Json,
        }
    }

    fn collation(&mut self) -> &'static str {
        let both = [
            "utf8mb4_general_ci",
            "utf8mb4_unicode_ci",
            "utf8mb4_unicode_520_ci",
            "utf8mb4_bin",
            "utf8mb4_czech_ci",
            "latin1_swedish_ci",
            "latin1_german2_ci",
            "latin1_bin",
        ];
        let own: &[&'static str] = match self.flavour {
            Flavour::MySql => {
                &["utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin", "utf8mb4_ja_0900_as_cs"]
            }
            Flavour::MariaDb => {
                &["utf8mb4_uca1400_ai_ci", "utf8mb4_general_nopad_ci", "utf8mb4_unicode_nopad_ci", "utf8mb4_nopad_bin"]
            }
        };
        if self.random.chance(50) { self.random.word(own) } else { self.random.word(&both) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_schema() {
        let make = |seed| format!("{:?}", make(&mut Random::new(seed), Flavour::MySql));
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
    }

    #[test]
    fn unique_keys_of_sharded_tables_hold_what_leads_to_the_shard() {
        for seed in 0..200 {
            for table in make(&mut Random::new(seed), Flavour::MariaDb).tables {
                let unique = table.keys.iter().filter(|key| key.unique).map(|key| &key.columns);
                for columns in unique.chain([&table.key]) {
                    assert!(table.sharding().iter().all(|at| columns.contains(at)), "{table:?}");
                }
            }
        }
    }
}
