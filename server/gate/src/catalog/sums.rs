//! Rows, lengths and cardinalities, added up over shards.

use std::collections::BTreeMap;

use vitrail_planner::catalog::{Sum, Sums};

/// What was added up so far.
pub(super) struct Summed {
    sums: &'static Sums,
    rows: BTreeMap<Vec<Option<String>>, Vec<Option<u64>>>,
    /// Shards so far.
    shards: usize,
}

impl Summed {
    pub(super) fn new(sums: &'static Sums) -> Summed {
        Summed { sums, rows: BTreeMap::new(), shards: 0 }
    }

    /// Adds what one shard has told. Tables that every shard has whole count once.
    pub(super) fn add(&mut self, cells: &[Option<Vec<u8>>], is_reference: impl Fn(&str) -> bool) {
        let keys = self.sums.keys.len();
        for row in cells.chunks_exact(keys + self.sums.values.len()) {
            let text = |cell: &Option<Vec<u8>>| cell.as_deref().map(|cell| String::from_utf8_lossy(cell).into_owned());
            let key: Vec<Option<String>> = row[..keys].iter().map(text).collect();
            let values: Vec<Option<u64>> =
                row[keys..].iter().map(|cell| text(cell).and_then(|text| text.parse().ok())).collect();
            let again = self.shards > 0 && key[0].as_deref().is_some_and(&is_reference);
            match self.rows.get_mut(&key) {
                Some(_) if again => {}
                Some(known) => {
                    for ((known, value), (_, sum)) in known.iter_mut().zip(values).zip(self.sums.values) {
                        *known = match (*known, value, sum) {
                            (Some(left), Some(right), Sum::Total) => Some(left.saturating_add(right)),
                            (Some(left), Some(right), Sum::Largest) => Some(left.max(right)),
                            (left, right, _) => left.or(right),
                        };
                    }
                }
                None => _ = self.rows.insert(key, values),
            }
        }
        self.shards += 1;
    }

    /// As the bind wants it; see [`Sums::bind`].
    pub(super) fn into_json(mut self) -> String {
        if self.shards > 1 {
            self.divide();
        }
        let rows: Vec<Vec<serde_json::Value>> = self
            .rows
            .into_iter()
            .map(|(key, values)| {
                let keys = key.into_iter().map(serde_json::Value::from);
                keys.chain(values.into_iter().map(serde_json::Value::from)).collect()
            })
            .collect();
        serde_json::Value::from(rows).to_string()
    }

    fn divide(&mut self) {
        let index = |name: &str| self.sums.values.iter().position(|(known, _)| *known == name);
        let average = self.sums.values.iter().position(|(_, sum)| *sum == Sum::PerRow);
        let (Some(average), Some(rows), Some(bytes)) = (average, index("TABLE_ROWS"), index("DATA_LENGTH")) else {
            return;
        };
        for values in self.rows.values_mut() {
            if let (Some(rows), Some(bytes), Some(_)) = (values[rows], values[bytes], values[average]) {
                values[average] = Some(bytes.checked_div(rows).unwrap_or(0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_added_up() {
        const SUMS: Sums = Sums {
            bind: "b",
            table: "TABLES",
            keys: &["TABLE_NAME"],
            kind: "BIGINT UNSIGNED",
            values: &[
                ("TABLE_ROWS", Sum::Total),
                ("AVG_ROW_LENGTH", Sum::PerRow),
                ("DATA_LENGTH", Sum::Total),
                ("AUTO_INCREMENT", Sum::Largest),
            ],
        };
        let row = |cells: [Option<&str>; 5]| cells.map(|cell| cell.map(|cell| cell.as_bytes().to_vec()));
        let a = |rows, next| row([Some("a"), Some(rows), Some("9"), Some("100"), next]);
        let all = [Some("r"), Some("5"), Some("4"), Some("20"), None];
        let view = row([Some("v"), None, None, None, None]);
        let mut summed = Summed::new(&SUMS);
        summed.add(&[a("3", None), row(all), view.clone()].concat(), |table| table == "r");
        summed.add(&[a("1", Some("7")), row(all), view].concat(), |table| table == "r");
        assert_eq!(summed.into_json(), r#"[["a",4,50,200,7],["r",5,4,20,null],["v",null,null,null,null]]"#);
    }
}
