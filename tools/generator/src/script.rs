//! A failure as a suite: a folder for `testdata/sql/generated`.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use vitrail_differential::case::{Kind, Order, label};

use crate::data::{self, Row};
use crate::grammar::{Step, What};
use crate::schema::Schema;
use crate::verdict::view;

/// All that it takes to see a failure.
#[derive(Debug, Clone)]
pub struct Script {
    /// The tables.
    pub schema: Schema,
    /// Their rows, in the order of the schema's tables.
    pub rows: Vec<Vec<Row>>,
    /// What is run. The last one goes wrong.
    pub steps: Vec<Step>,
    /// Over how many shards.
    pub shards: usize,
}

impl Script {
    /// Writes schema, vschema, rows and statements into a folder.
    ///
    /// # Errors
    ///
    /// Files that cannot be written.
    pub fn save(&self, folder: &Path, how: &str) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        let definitions: Vec<String> = self.schema.all().map(|table| table.definition() + ";\n").collect();
        write("schema.sql", definitions.join("\n"))?;
        write("vschema.json", serde_json::to_string_pretty(&self.schema.vschema())? + "\n")?;
        let inserts = self.schema.all().zip(&self.rows).filter(|(_, rows)| !rows.is_empty());
        let inserts: Vec<String> =
            inserts.map(|(table, rows)| data::insert(table, &table.name, rows) + ";\n").collect();
        write("rows.sql", format!("SET sql_mode = '';\n{}", inserts.concat()))?;
        write("case.slt", self.cases(how))
    }

    /// The statements as records.
    pub fn cases(&self, how: &str) -> String {
        let mut text = String::new();
        let mut line = |line: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        };
        for why in how.lines().take(12) {
            line(&format!("# {why}"));
        }
        line(&format!("# Seen over {} shards.", self.shards));
        for step in &self.steps {
            line("");
            line(&format!("onlyif {}", label(self.schema.flavour)));
            if step.second {
                line("connection second");
            }
            let sql = step.sql();
            match &step.what {
                What::Read(read) => {
                    let view = view(read, &sql);
                    let kinds: String = view.columns.iter().map(letter).collect();
                    let mut labels = Vec::new();
                    if let Order::Keys(keys) = &view.order {
                        let places: Vec<String> = keys.iter().map(|key| (key + 1).to_string()).collect();
                        labels.push(format!("ties({})", places.join(",")));
                    }
                    if !kinds.is_empty() && view.expressions {
                        labels.push("expressions".to_owned());
                    }
                    labels.extend(view.collation.map(|collation| format!("class({collation})")));
                    line(format!("query {kinds} {}", labels.join("+")).trim_end());
                }
                What::Write(_) | What::Control(_) => line("statement ok"),
            }
            line(&sql);
        }
        text
    }
}

fn letter(kind: &Kind) -> char {
    match kind {
        Kind::Exact => 'T',
        Kind::Real => 'R',
        Kind::Class => 'C',
        Kind::Volatile => 'V',
    }
}
