//! What creates the tables: their definitions for MySQL, and the vschema.

use serde_json::{Value, json};

use super::{Column, Placement, Schema, Table, Type};

impl Schema {
    /// The vschema of the keyspace that statements run in.
    pub fn vschema(&self) -> Value {
        let tables = self.tables.iter().map(|table| {
            let entry = match &table.placement {
                Placement::Sharded { columns, vindex } => {
                    let names: Vec<&str> = columns.iter().map(|at| &*table.columns[*at].name).collect();
                    match names.as_slice() {
                        [name] => json!({ "column_vindexes": [{ "column": name, "name": vindex }] }),
                        names => json!({ "column_vindexes": [{ "columns": names, "name": vindex }] }),
                    }
                }
                _ => json!({ "type": "reference" }),
            };
            (table.name.clone(), entry)
        });
        json!({
            "sharded": true,
            "vindexes": {
                "hash": { "type": "hash" },
                "numeric": { "type": "reverse_bits" },
                "bytes": { "type": "binary_md5" },
                "loose": { "type": "unicode_loose_xxhash" },
                "place": { "type": "multicol", "params": { "column_count": "2", "column_bytes": "1", "column_vindex": "hash,hash" } },
            },
            "tables": tables.collect::<serde_json::Map<String, Value>>(),
        })
    }

    /// The vschema of the keyspace beside it.
    pub fn vschema_beside(&self) -> Value {
        let tables = self.beside.iter().map(|table| (table.name.clone(), json!({})));
        json!({ "sharded": false, "tables": tables.collect::<serde_json::Map<String, Value>>() })
    }
}

impl Table {
    /// `CREATE TABLE`.
    pub fn definition(&self) -> String {
        let mut parts: Vec<String> = self.columns.iter().map(Column::definition).collect();
        parts.push(format!("PRIMARY KEY ({})", self.names(&self.key)));
        for (number, key) in self.keys.iter().enumerate() {
            let unique = if key.unique { "UNIQUE " } else { "" };
            parts.push(format!("{unique}KEY key{number} ({})", self.names(&key.columns)));
        }
        self.with(&parts)
    }

    /// The same without any key, for rows in an order of their own. Nothing numbers itself there.
    pub fn definition_without_keys(&self) -> String {
        let plain = |column: &Column| {
            let definition = column.definition().replace(" AUTO_INCREMENT", "");
            if column.generated.is_some() || column.not_null { definition } else { definition.replace(" NOT NULL", "") }
        };
        self.with(&self.columns.iter().map(plain).collect::<Vec<_>>())
    }

    fn with(&self, parts: &[String]) -> String {
        format!(
            "CREATE TABLE {} (\n  {}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci",
            self.name,
            parts.join(",\n  ")
        )
    }

    /// Names of columns as a list, with the length that keys of long texts need.
    fn names(&self, columns: &[usize]) -> String {
        let name = |at: &usize| {
            let column = &self.columns[*at];
            let long = matches!(&column.kind, Type::Text { form: "TEXT", .. } | Type::Bytes("BLOB"));
            if long { format!("{}(20)", column.name) } else { column.name.clone() }
        };
        columns.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

impl Column {
    fn definition(&self) -> String {
        let mut text = format!("{} {}", self.name, self.kind.sql());
        if let Some(expression) = self.generated {
            text.push_str(&format!(" GENERATED ALWAYS AS ({expression}) STORED"));
        } else {
            text.push_str(if self.not_null { " NOT NULL" } else { " NULL" });
            if self.not_null && !matches!(self.kind, Type::Int { auto: true, .. }) && self.invisible {
                text.push_str(" DEFAULT 0");
            }
        }
        if self.invisible {
            text.push_str(" INVISIBLE");
        }
        if matches!(self.kind, Type::Int { auto: true, .. }) {
            text.push_str(" AUTO_INCREMENT");
        }
        text
    }
}

impl Type {
    /// As it is written in a definition.
    pub fn sql(&self) -> String {
        let digits = |digits: u8| if digits == 0 { String::new() } else { format!("({digits})") };
        match self {
            Type::Int { bytes, unsigned, .. } => {
                let name = match bytes {
                    1 => "TINYINT",
                    2 => "SMALLINT",
                    3 => "MEDIUMINT",
                    4 => "INT",
                    _ => "BIGINT",
                };
                format!("{name}{}", if *unsigned { " UNSIGNED" } else { "" })
            }
            Type::Decimal(scale) => format!("DECIMAL(10,{scale})"),
            Type::Float => "FLOAT".into(),
            Type::Double => "DOUBLE".into(),
            Type::Bit(bits) => format!("BIT({bits})"),
            Type::Year => "YEAR".into(),
            Type::Text { form, collation } => {
                let charset = collation.split('_').next().unwrap_or("utf8mb4");
                format!("{form} CHARACTER SET {charset} COLLATE {collation}")
            }
            Type::Bytes(form) => (*form).into(),
            Type::Enum => "ENUM('zeta','Alpha','beta','')".into(),
            Type::Set => "SET('z','a','m')".into(),
            Type::Date { .. } => "DATE".into(),
            Type::Moment(fraction) => format!("DATETIME{}", digits(*fraction)),
            Type::Instant(fraction) => format!("TIMESTAMP{}", digits(*fraction)),
            Type::Time(fraction) => format!("TIME{}", digits(*fraction)),
            Type::Json => "JSON".into(),
        }
    }
}
