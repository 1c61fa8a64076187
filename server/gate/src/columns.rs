//! Packed column definitions: what the gate reads in them, maps in them and makes of its own.

use bytes::Bytes;
use vitrail_proto::rows::{self, ColumnType};

/// `utf8mb4_general_ci`
const UTF8MB4: u16 = 45;
/// Flags of `ColumnDefinition41`.
const ENUM: u16 = 256;
const SET: u16 = 2048;

/// What a merge needs to know of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name in the result.
    pub(crate) name: String,
    /// MySQL's type.
    pub(crate) column_type: ColumnType,
    /// Cells are bytes, not text.
    pub(crate) binary: bool,
    /// Number of its collation.
    charset: u16,
    /// Behind the point; 31: not fixed.
    pub(crate) decimals: u8,
    /// Values are never negative.
    pub(crate) unsigned: bool,
    /// ENUM or SET, which travel as strings.
    pub(crate) labels: bool,
}

/// Packed column definitions, read once.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// As they travel: database names are keyspaces.
    pub(crate) packed: Bytes,
    /// One per column.
    pub(crate) list: Vec<Column>,
}

impl Columns {
    /// Reads what a shard sent, and puts `keyspace` wherever the database's name stands. `None` if it is malformed.
    pub(crate) fn read(packed: &Bytes, keyspace: &str) -> Option<Columns> {
        let list = rows::columns(packed).map(|column| column.ok().map(Column::from)).collect::<Option<_>>()?;
        Some(Columns { packed: name_keyspace(packed, keyspace)?, list })
    }

    /// Without the last `count` columns.
    pub(crate) fn without_last(mut self, count: usize) -> Columns {
        if count > 0 {
            self.list.truncate(self.list.len().saturating_sub(count));
            let kept: Vec<_> = rows::columns(&self.packed).flatten().take(self.list.len()).collect();
            self.packed = rows::pack_columns(&kept);
        }
        self
    }
}

impl From<rows::Column<'_>> for Column {
    fn from(column: rows::Column<'_>) -> Column {
        Column {
            column_type: column.column_type,
            binary: column.is_binary(),
            charset: column.charset,
            decimals: column.decimals,
            unsigned: column.is_unsigned(),
            labels: column.flags & (ENUM | SET) != 0,
            name: column.name.into_owned(),
        }
    }
}

/// Puts `keyspace` wherever a database's name stands in packed column definitions. System databases keep their names.
/// Copies only if there is something to change. `None` if they are malformed.
pub(crate) fn name_keyspace(packed: &Bytes, keyspace: &str) -> Option<Bytes> {
    let other = |schema: &[u8]| !schema.is_empty() && schema != keyspace.as_bytes() && !is_system(schema);
    let mut changes = false;
    for schema in rows::schemas(packed) {
        changes |= other(schema.ok()?);
    }
    // Tablets have named the keyspace already, unless a statement reaches another database.
    if !changes {
        return Some(packed.clone());
    }
    let mut columns = rows::columns(packed).collect::<Result<Vec<_>, _>>().ok()?;
    for column in columns.iter_mut().filter(|column| other(column.schema.as_bytes())) {
        column.schema = keyspace.into();
    }
    Some(rows::pack_columns(&columns))
}

/// Whether two answers to the same statement have the same columns: names, types, character sets. Lengths may differ, and so may what MySQL
/// says of an expression by how it runs the statement: the width of integers, which of the types of texts or bytes it is, digits behind
/// the point of what is no number, and whether a date or time is unsigned. A shard without rows runs it in another way than one with many.
pub(crate) fn agree(left: &Columns, right: &Columns) -> bool {
    left.packed == right.packed
        || (left.list.len() == right.list.len()
            && left.list.iter().zip(&right.list).all(|(left, right)| left.told_by_all() == right.told_by_all()))
}

impl Column {
    /// The column as every shard tells it.
    fn told_by_all(&self) -> Column {
        let (column_type, decimals) = match self.column_type {
            ColumnType::TINY | ColumnType::SHORT | ColumnType::INT24 | ColumnType::LONG | ColumnType::LONGLONG => {
                (ColumnType::LONGLONG, 0)
            }
            ColumnType::VARCHAR
            | ColumnType::VAR_STRING
            | ColumnType::STRING
            | ColumnType::TINY_BLOB
            | ColumnType::BLOB
            | ColumnType::MEDIUM_BLOB
            | ColumnType::LONG_BLOB => (ColumnType::VAR_STRING, 0),
            other => (other, self.decimals),
        };
        let moment =
            matches!(column_type, ColumnType::TIMESTAMP | ColumnType::DATETIME | ColumnType::DATE | ColumnType::TIME);
        Column { column_type, decimals, unsigned: self.unsigned && !moment, ..self.clone() }
    }
}

/// A column of an answer that the gate makes itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Own<'a> {
    /// utf8mb4 text.
    Text(&'a str),
    /// A BIGINT.
    Integer(&'a str),
    /// A BIGINT UNSIGNED.
    Unsigned(&'a str),
}

/// Packs column definitions of the gate's own.
pub(crate) fn pack(columns: &[Own<'_>]) -> Bytes {
    let columns: Vec<rows::Column<'_>> = columns.iter().map(Own::column).collect();
    rows::pack_columns(&columns)
}

impl<'a> Own<'a> {
    fn column(&self) -> rows::Column<'a> {
        let (name, charset, length, column_type, flags, decimals) = match *self {
            Own::Text(name) => (name, UTF8MB4, 1024, ColumnType::VAR_STRING, 0, 31),
            Own::Integer(name) => {
                (name, rows::Column::BINARY_CHARSET, 20, ColumnType::LONGLONG, rows::Column::NOT_NULL, 0)
            }
            Own::Unsigned(name) => (
                name,
                rows::Column::BINARY_CHARSET,
                20,
                ColumnType::LONGLONG,
                rows::Column::NOT_NULL | rows::Column::UNSIGNED,
                0,
            ),
        };
        rows::Column {
            schema: "".into(),
            table: "".into(),
            org_table: "".into(),
            name: name.into(),
            org_name: "".into(),
            charset,
            length,
            column_type,
            flags,
            decimals,
        }
    }
}

fn is_system(database: &[u8]) -> bool {
    let names = ["information_schema", "performance_schema", "mysql", "sys"];
    names.iter().any(|name| database.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SELECT id FROM db.t`
    fn definition(schema: &str, name: &str) -> Bytes {
        let mut column = Own::Unsigned(name).column();
        (column.schema, column.table, column.org_table) = (schema.into(), "t".into(), "t".into());
        rows::pack_columns([&column])
    }

    #[test]
    fn database_names_become_keyspaces() {
        let shard =
            Bytes::from([definition("flights_0", "id"), definition("", "n"), definition("flights_0", "m")].concat());
        let expected = [definition("flights", "id"), definition("", "n"), definition("flights", "m")].concat();
        assert_eq!(name_keyspace(&shard, "flights").expect("well formed"), expected);
        let system = definition("information_schema", "id");
        assert_eq!(name_keyspace(&system, "flights").expect("well formed"), system);
        assert!(name_keyspace(&shard.slice(..shard.len() - 1), "flights").is_none());
    }

    #[test]
    fn shards_may_differ_in_what_depends_on_their_plans() {
        let columns = |column_type, decimals| {
            let mut column = Own::Text("c").column();
            (column.column_type, column.decimals) = (column_type, decimals);
            Columns::read(&rows::pack_columns([&column]), "k").expect("well formed")
        };
        let agrees = |left: (ColumnType, u8), right: (ColumnType, u8)| {
            agree(&columns(left.0, left.1), &columns(right.0, right.1))
        };
        assert!(agrees((ColumnType::VAR_STRING, 31), (ColumnType::VAR_STRING, 0)));
        assert!(agrees((ColumnType::VAR_STRING, 31), (ColumnType::BLOB, 0)));
        assert!(agrees((ColumnType::STRING, 0), (ColumnType::VAR_STRING, 31)));
        assert!(agrees((ColumnType::LONG, 0), (ColumnType::LONGLONG, 0)));
        assert!(!agrees((ColumnType::NEWDECIMAL, 2), (ColumnType::NEWDECIMAL, 4)));
        assert!(!agrees((ColumnType::LONG, 0), (ColumnType::DOUBLE, 0)));
        let unsigned = |column_type| {
            let mut column = Own::Unsigned("c").column();
            column.column_type = column_type;
            Columns::read(&rows::pack_columns([&column]), "k").expect("well formed")
        };
        let signed = |column_type| {
            let mut column = Own::Unsigned("c").column();
            (column.column_type, column.flags) = (column_type, 0);
            Columns::read(&rows::pack_columns([&column]), "k").expect("well formed")
        };
        assert!(agree(&unsigned(ColumnType::TIMESTAMP), &signed(ColumnType::TIMESTAMP)));
        assert!(!agree(&unsigned(ColumnType::LONG), &signed(ColumnType::LONG)));
    }

    #[test]
    fn columns_are_read_and_dropped() {
        let packed = Bytes::from([definition("d", "id"), definition("d", "weight")].concat());
        let columns = Columns::read(&packed, "k").expect("well formed");
        assert_eq!(columns.list.len(), 2);
        assert_eq!((columns.list[0].column_type, columns.list[0].unsigned), (ColumnType::LONGLONG, true));
        let columns = columns.without_last(1);
        assert_eq!(columns.list.len(), 1);
        assert_eq!(columns.packed, definition("k", "id"));
        assert!(columns.without_last(1).packed.is_empty());
    }
}
