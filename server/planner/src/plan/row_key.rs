//! The name of the row that a statement goes to, for the tablet's lines.

use std::fmt::Write;
use std::sync::Arc;

use vitrail_proto::value::Value;

use super::Source;

/// Names that are longer are not worth their way: the row has no line.
const LONGEST: usize = 256;

/// A row by a unique key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowTemplate {
    pub(crate) table: Arc<str>,
    /// Which of the table's unique keys.
    pub(crate) key: usize,
    /// One for each column of the key.
    pub(crate) columns: Vec<RowColumn>,
}

/// The value of one column of a unique key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowColumn {
    pub(crate) source: Source,
    /// The column holds integers, whose spelling does not matter.
    pub(crate) integer: bool,
}

impl RowTemplate {
    /// The row's name. `None`: it has none, because a value is NULL, of a kind with many spellings, or long.
    pub(super) fn name(&self, value: impl Fn(&Source) -> Option<Value>) -> Option<Arc<str>> {
        let mut name = String::with_capacity(self.table.len() + 24);
        let _ = write!(name, "{}/{}", self.table, self.key);
        for column in &self.columns {
            name.push('/');
            spell(&mut name, &value(&column.source)?, column.integer)?;
            if name.len() > LONGEST {
                return None;
            }
        }
        Some(name.into())
    }
}

fn spell(name: &mut String, value: &Value, integer: bool) -> Option<()> {
    match value {
        Value::Int(value) => write!(name, "{value}").ok(),
        Value::UInt(value) => write!(name, "{value}").ok(),
        Value::Text(text) if integer => write!(name, "{}", text.trim().parse::<i128>().ok()?).ok(),
        Value::Text(text) | Value::Decimal(text) | Value::Date(text) | Value::Time(text) | Value::DateTime(text) => {
            (text.len() <= LONGEST).then(|| name.push_str(text))
        }
        Value::Bytes(bytes) if bytes.len() <= LONGEST => {
            bytes.iter().try_for_each(|byte| write!(name, "{byte:02x}")).ok()
        }
        _ => None,
    }
}
