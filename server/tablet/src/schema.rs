//! Loads the schema of the tablet's database from `information_schema`: in three statements whatever its size, or three for each table that is
//! asked for, which MySQL and MariaDB look up without opening the others.

use std::collections::BTreeMap;

use vitrail_mysql::{Connection, Error, Flavour};
use vitrail_service::schema::{Column, ColumnDefault, Schema, Table};
use vitrail_sql::lexer::{LexMode, Lexer, TokenKind};

const TABLES: &str = "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED'){named}";

const COLUMNS: &str = "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, EXTRA, \
     GENERATION_EXPRESSION, COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE(){named} ORDER BY TABLE_NAME, ORDINAL_POSITION";

/// Functional key parts have no column name: of the unique keys, those that hold one are left out, because no list of columns describes them.
const KEYS: &str = "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, NON_UNIQUE, INDEX_TYPE FROM information_schema.STATISTICS \
     WHERE TABLE_SCHEMA = DATABASE(){named} ORDER BY TABLE_NAME, INDEX_NAME = 'PRIMARY' DESC, INDEX_NAME, SEQ_IN_INDEX";

const VIEWS: &str =
    "SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE(){named}";

/// Loads tables and views of the connection's database: those of these names, or all if there are none. `keyspace`: what clients call `database`.
pub(crate) async fn load(
    connection: &mut Connection,
    names: &[String],
    (database, keyspace): (&str, &str),
) -> Result<Schema, Error> {
    let mut tables = BTreeMap::new();
    if names.is_empty() {
        read(connection, "", &mut tables).await?;
    }
    for name in names {
        // By its bytes: whatever it holds, and whatever the sql_mode.
        let bytes: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
        read(connection, &format!(" AND TABLE_NAME = CONVERT(0x{bytes} USING utf8mb4)"), &mut tables).await?;
    }
    for table in tables.values_mut() {
        table.definition = table.definition.take().map(|definition| renamed(&definition, database, keyspace));
    }
    Ok(Schema { tables: tables.into_values().collect() })
}

/// A view's definition with the keyspace's name in place of the database's. MySQL writes names in backticks.
fn renamed(definition: &str, database: &str, keyspace: &str) -> String {
    let mut lexer = Lexer::new(definition.as_bytes(), LexMode::default());
    let mut tokens = Vec::new();
    while let Ok(Some(token)) = lexer.next_token() {
        tokens.push(token);
    }
    let (mut out, mut copied) = (String::with_capacity(definition.len()), 0);
    for pair in tokens.windows(2) {
        let name = &definition[pair[0].start..pair[0].end];
        let qualifies = pair[0].kind == TokenKind::QuotedName && pair[1].kind == TokenKind::Dot;
        if qualifies && name[1..name.len() - 1].replace("``", "`") == database {
            out.push_str(&definition[copied..pair[0].start]);
            out.push_str(&format!("`{}`", keyspace.replace('`', "``")));
            copied = pair[0].end;
        }
    }
    out.push_str(&definition[copied..]);
    out
}

async fn read(connection: &mut Connection, named: &str, tables: &mut BTreeMap<String, Table>) -> Result<(), Error> {
    let flavour = connection.flavour();
    let statement = |text: &str| text.replace("{named}", named);
    for row in connection.fetch_all(&statement(TABLES)).await? {
        let mut cells = row.into_iter();
        let Some(name) = next(&mut cells) else { continue };
        let view = next(&mut cells).is_some_and(|kind| kind == "VIEW");
        let table = Table {
            name: name.clone(),
            view,
            columns: Vec::new(),
            unique_keys: Vec::new(),
            colliding: Vec::new(),
            definition: None,
            keys: Vec::new(),
        };
        tables.insert(name, table);
    }
    for row in connection.fetch_all(&statement(COLUMNS)).await? {
        let mut cells = row.into_iter();
        let Some(table) = next(&mut cells).and_then(|name| tables.get_mut(&name)) else { continue };
        table.columns.extend(column(cells, flavour));
    }
    let mut keys: Vec<Key> = Vec::new();
    for row in connection.fetch_all(&statement(KEYS)).await? {
        let mut cells = row.into_iter();
        let (Some(table), Some(name)) = (next(&mut cells), next(&mut cells)) else { continue };
        let (column, prefix) = (next(&mut cells), next(&mut cells));
        let unique = next(&mut cells).is_some_and(|not_unique| not_unique == "0");
        let kind = next(&mut cells).unwrap_or_default();
        if keys.last().is_none_or(|key| key.table != table || key.name != name) {
            keys.push(Key { table, name, unique, kind, parts: Vec::new() });
        }
        if let Some(key) = keys.last_mut() {
            key.parts.push((column, prefix));
        }
    }
    for key in keys {
        let Some(table) = tables.get_mut(&key.table) else { continue };
        table.keys.push(key.text());
        table.unique_keys.extend(key.unique_columns());
        table.colliding.extend(key.colliding(&table.columns));
    }
    if tables.values().any(|table| table.view) {
        for row in connection.fetch_all(&statement(VIEWS)).await? {
            let mut cells = row.into_iter();
            let Some(table) = next(&mut cells).and_then(|name| tables.get_mut(&name)) else { continue };
            table.definition = next(&mut cells).filter(|definition| !definition.is_empty());
        }
    }
    Ok(())
}

/// A key as its rows tell it.
struct Key {
    table: String,
    name: String,
    unique: bool,
    /// `BTREE`, `FULLTEXT` …
    kind: String,
    /// Columns, unless they are expressions, and how much of each, unless it is all.
    parts: Vec<(Option<String>, Option<String>)>,
}

impl Key {
    fn text(&self) -> String {
        let part = |(column, prefix): &(Option<String>, Option<String>)| {
            let column = column.as_deref().unwrap_or("an expression");
            prefix.as_ref().map_or_else(|| column.to_owned(), |prefix| format!("{column}({prefix})"))
        };
        let kind = match (self.unique, self.kind.as_str()) {
            (true, _) if self.name == "PRIMARY" => String::new(),
            (true, _) => "unique ".to_owned(),
            (false, "BTREE") => String::new(),
            (false, kind) => format!("{} ", kind.to_ascii_lowercase()),
        };
        format!("{kind}{} ({})", self.name, self.parts.iter().map(part).collect::<Vec<_>>().join(", "))
    }

    /// Its columns if it is unique; all, where it holds an expression.
    fn colliding(&self, columns: &[Column]) -> Vec<String> {
        if !self.unique {
            return Vec::new();
        }
        let named: Option<Vec<String>> = self.parts.iter().map(|(column, _)| column.clone()).collect();
        named.unwrap_or_else(|| columns.iter().map(|column| column.name.clone()).collect())
    }

    /// Its columns, if it is unique: a key over a prefix or an expression says less of its columns than a key over them.
    fn unique_columns(&self) -> Option<Vec<String>> {
        let whole = |(column, prefix): &(Option<String>, Option<String>)| column.clone().filter(|_| prefix.is_none());
        if self.unique { self.parts.iter().map(whole).collect() } else { None }
    }
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
    let default = default_of(next(&mut cells), &extra, flavour);
    Some(Column {
        name,
        data_type,
        column_type,
        collation,
        nullable,
        auto_increment: extra.contains("auto_increment"),
        invisible: extra.contains("invisible"),
        generated,
        default,
    })
}

/// MySQL tells the text of a literal, MariaDB an expression: literals of text are quoted there.
fn default_of(told: Option<String>, extra: &str, flavour: Flavour) -> ColumnDefault {
    let Some(told) = told else { return ColumnDefault::Nothing };
    match flavour {
        Flavour::MySql if extra.contains("default_generated") => ColumnDefault::Unknown,
        Flavour::MySql => ColumnDefault::Literal(told),
        Flavour::MariaDb if told.eq_ignore_ascii_case("null") => ColumnDefault::Nothing,
        Flavour::MariaDb => {
            let quoted = told.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            match quoted {
                Some(text) if !text.contains('\\') => ColumnDefault::Literal(text.replace("''", "'")),
                None if told.parse::<f64>().is_ok() => ColumnDefault::Literal(told),
                _ => ColumnDefault::Unknown,
            }
        }
    }
}
