//! Loads the schema of the tablet's database from `information_schema`, in three statements whatever its size.

use std::collections::BTreeMap;

use vitrail_mysql::{Connection, Error, Flavour};
use vitrail_service::schema::{Column, Schema, Table};

const TABLES: &str = "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')";

const COLUMNS: &str = "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, EXTRA, \
     GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION";

/// Functional key parts have no column name: keys that hold one are left out, because no list of columns describes them.
const KEYS: &str = "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS \
     WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME = 'PRIMARY' DESC, INDEX_NAME, SEQ_IN_INDEX";

/// Loads all tables and views of the connection's database.
pub(crate) async fn load(connection: &mut Connection) -> Result<Schema, Error> {
    let flavour = connection.flavour();
    let mut tables = BTreeMap::new();
    for row in connection.fetch_all(TABLES).await? {
        let mut cells = row.into_iter();
        let Some(name) = next(&mut cells) else { continue };
        let view = next(&mut cells).is_some_and(|kind| kind == "VIEW");
        tables.insert(name.clone(), Table { name, view, columns: Vec::new(), unique_keys: Vec::new() });
    }
    for row in connection.fetch_all(COLUMNS).await? {
        let mut cells = row.into_iter();
        let Some(table) = next(&mut cells).and_then(|name| tables.get_mut(&name)) else { continue };
        table.columns.extend(column(cells, flavour));
    }
    let mut last: Option<(String, String)> = None;
    let mut partial = false;
    for row in connection.fetch_all(KEYS).await? {
        let mut cells = row.into_iter();
        let (Some(table), Some(index)) = (next(&mut cells), next(&mut cells)) else { continue };
        let (column, prefix) = (next(&mut cells), next(&mut cells));
        let Some(entry) = tables.get_mut(&table) else { continue };
        let key = (table, index);
        if last.as_ref() != Some(&key) {
            last = Some(key);
            partial = false;
            entry.unique_keys.push(Vec::new());
        }
        if partial {
            continue;
        }
        match (column, prefix, entry.unique_keys.last_mut()) {
            (Some(column), None, Some(columns)) => columns.push(column),
            // A key over a prefix or an expression says less of its columns than a key over them.
            _ => {
                partial = true;
                entry.unique_keys.pop();
            }
        }
    }
    Ok(Schema { tables: tables.into_values().collect() })
}

fn next(cells: &mut impl Iterator<Item = Option<String>>) -> Option<String> {
    cells.next().flatten()
}

fn column(mut cells: std::vec::IntoIter<Option<String>>, flavour: Flavour) -> Option<Column> {
    let name = next(&mut cells)?;
    let data_type = next(&mut cells)?.to_ascii_lowercase();
    let column_type = next(&mut cells)?;
    let collation = next(&mut cells);
    let nullable = next(&mut cells)? == "YES";
    let extra = next(&mut cells).unwrap_or_default().to_ascii_lowercase();
    let expression = next(&mut cells).unwrap_or_default();
    // MySQL's DEFAULT_GENERATED marks an expression default, which can be written.
    let generated = match flavour {
        Flavour::MariaDb => !expression.is_empty() || extra.contains(" generated"),
        Flavour::MySql => extra.contains("virtual generated") || extra.contains("stored generated"),
    };
    Some(Column {
        name,
        data_type,
        column_type,
        collation,
        nullable,
        auto_increment: extra.contains("auto_increment"),
        invisible: extra.contains("invisible"),
        generated,
    })
}
