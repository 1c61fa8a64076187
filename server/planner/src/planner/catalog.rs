//! `information_schema` of a keyspace: which keyspace a statement asks about, and the tables as that keyspace has them.
//!
//! All shards have the same structure, so that one of them answers, under the keyspace's name: in place of a table stands a derived table
//! with the rows of the shard's own database, whose name the text never holds (`DATABASE()` is MySQL's). Nothing of other databases can
//! get into an answer. What differs from shard to shard (rows, lengths, cardinalities) comes as a bind, added up.

mod about;
mod tables;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use vitrail_sql::lexer::{Token, TokenKind};
use vitrail_sql::literal::unquote_name;
use vitrail_sql::normalise::Normalised;

pub use self::about::{About, about};
pub use self::tables::{Sum, Sums};
use super::text;
use crate::refusal::Refusal;

/// The schema's name.
const NAME: &str = "information_schema";

/// The comment of a view that cannot be read.
const BROKEN_VIEW: &str =
    "View references invalid table(s) or column(s) or function(s) or definer/invoker of view lack rights to use them";

/// A column of `information_schema`, as a shard's MySQL describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemColumn {
    /// Its name.
    pub name: String,
    /// Whether NULL is allowed.
    pub nullable: bool,
}

/// The tables of `information_schema` that one statement names, as one keyspace has them.
#[derive(Debug, Default)]
pub struct Catalog {
    /// By name, upper case. `None`: as it is on every server.
    tables: BTreeMap<String, Option<Arc<str>>>,
}

/// A table that a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Upper case.
    pub table: String,
    /// What has to be added up over the shards for it.
    pub sums: Option<&'static Sums>,
}

/// Whether a statement names a table of `information_schema`.
pub fn is_named(statement: &Normalised) -> bool {
    let body = statement.body_text().as_bytes();
    body.windows(NAME.len()).any(|bytes| bytes.eq_ignore_ascii_case(NAME.as_bytes())) && !names(statement).is_empty()
}

/// The tables of `information_schema` that a statement names, each once.
///
/// # Errors
/// `system-tables`: one of those that tell of a server, not of keyspaces.
pub fn wanted(statement: &Normalised) -> Result<Vec<Wanted>, Refusal> {
    let tokens = text::tokens(statement);
    let mut wanted = Vec::new();
    for table in names(statement) {
        let known = tables::known(&table).ok_or_else(|| refuse(&table))?;
        let sums = known.sums.filter(|sums| uses(statement, &tokens, sums));
        wanted.push(Wanted { table, sums });
    }
    Ok(wanted)
}

/// The tables of `information_schema` that a statement names, as it writes them, and that are not among those of keyspaces: they tell of a
/// server, or there are no such tables.
pub fn strangers(statement: &Normalised) -> Vec<String> {
    let stranger = |name: &String| tables::known(&name.to_ascii_uppercase()).is_none();
    written(statement).into_iter().filter(stranger).collect()
}

/// The error of a table that `information_schema` does not have.
pub fn unknown(table: &str) -> Refusal {
    Refusal::not_found("system-tables", format!("Unknown table '{table}' in {NAME}")).with_errno(1109, "42S02")
}

impl Catalog {
    /// The tables as `keyspace` has them. `columns`: of each table whose rows belong to databases, by its name in upper case.
    ///
    /// # Errors
    /// A table that the server does not have (1109).
    pub fn new(
        statement: &Normalised,
        keyspace: &str,
        wanted: &[Wanted],
        columns: &BTreeMap<String, Vec<SystemColumn>>,
        mariadb: bool,
    ) -> Result<Catalog, Refusal> {
        let spelt = if mariadb { Spelling::of(statement) } else { Spelling(BTreeMap::new()) };
        let mut tables = BTreeMap::new();
        for Wanted { table, sums } in wanted {
            let owner = tables::known(table).ok_or_else(|| refuse(table))?.owner;
            let derived = match (owner, columns.get(table)) {
                (None, _) => None,
                (Some(owner), Some(columns)) => Some(derived(table, owner, keyspace, columns, *sums, &spelt).into()),
                (Some(_), None) => {
                    return Err(unknown(table));
                }
            };
            tables.insert(table.clone(), derived);
        }
        Ok(Catalog { tables })
    }

    /// What stands in place of a table; `None`: the table itself.
    pub(super) fn table(&self, name: &str) -> Result<Option<Arc<str>>, Refusal> {
        self.tables.get(&name.to_ascii_uppercase()).cloned().ok_or_else(|| refuse(name))
    }
}

/// Whether a name is that of the schema.
pub(super) fn is_schema(name: &str) -> bool {
    name.eq_ignore_ascii_case(NAME)
}

/// Names of columns as the statement writes them: MariaDB names the columns of its answer so.
struct Spelling(BTreeMap<String, String>);

impl Spelling {
    fn of(statement: &Normalised) -> Spelling {
        let tokens = text::tokens(statement);
        let mut spelt = BTreeMap::new();
        // `*` gives them as they are.
        if !stars(statement, &tokens) {
            for name in tokens.iter().filter_map(|token| name(statement, token)) {
                spelt.entry(name.to_ascii_uppercase()).or_insert(name);
            }
        }
        Spelling(spelt)
    }

    fn of_column<'s>(&'s self, column: &'s str) -> &'s str {
        self.0.get(&column.to_ascii_uppercase()).map_or(column, String::as_str)
    }
}

/// The table's rows that belong to the shard's database, under the keyspace's name.
fn derived(
    table: &str,
    owner: &str,
    keyspace: &str,
    columns: &[SystemColumn],
    sums: Option<&'static Sums>,
    spelt: &Spelling,
) -> String {
    let literal = name_literal(keyspace);
    let mut out = String::from("(SELECT ");
    for (index, column) in columns.iter().enumerate() {
        let name = &*column.name;
        let of_row = format!("t.`{name}`");
        let value = if name.eq_ignore_ascii_case(owner) || (tables::names_schema(name) && !column.nullable) {
            // Its type, collation and nullability stay those of the column.
            format!("IF(1, {literal}, {of_row})")
        } else if tables::names_schema(name) {
            format!("IF({of_row} = DATABASE(), {literal}, NULLIF({of_row}, {of_row}))")
        } else if table == "VIEWS" && name.eq_ignore_ascii_case("VIEW_DEFINITION") {
            format!("REPLACE({of_row}, CONCAT('`', DATABASE(), '`.'), CONCAT('`', {literal}, '`.'))")
        } else if table == "TABLES" && name.eq_ignore_ascii_case("TABLE_COMMENT") {
            // A view that cannot be read says so there, with its database.
            format!("IF(t.TABLE_TYPE = 'VIEW' AND {of_row} <> 'VIEW', _ascii'{BROKEN_VIEW}', {of_row})")
        } else if let Some(sum) = sums.and_then(|sums| sums.value(name)) {
            format!("COALESCE(s.{sum}, {of_row})")
        } else {
            of_row
        };
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(out, "{comma}{value} AS `{}`", spelt.of_column(name));
    }
    let _ = write!(out, " FROM {NAME}.`{table}` AS t");
    if let Some(sums) = sums {
        let _ = write!(out, " {}", sums.join());
    }
    let _ = write!(out, " WHERE t.`{owner}` = DATABASE())");
    out
}

/// As every `sql_mode` reads it alike. ASCII, so that it takes the character set of the column that it stands in for.
fn name_literal(name: &str) -> String {
    let mut literal = String::from("_ascii x'");
    for byte in name.bytes() {
        let _ = write!(literal, "{byte:02x}");
    }
    literal.push('\'');
    literal
}

/// The statement reads a column that is added up.
fn uses(statement: &Normalised, tokens: &[Token], sums: &Sums) -> bool {
    stars(statement, tokens)
        || tokens.iter().filter_map(|token| name(statement, token)).any(|name| sums.value(&name).is_some())
}

/// `*` that is not `COUNT(*)`.
fn stars(statement: &Normalised, tokens: &[Token]) -> bool {
    let text = |index: usize| tokens.get(index).map(|token| &statement.text[token.start..token.end]);
    (0..tokens.len()).any(|index| {
        let counts = index >= 2
            && tokens[index - 1].kind == TokenKind::Open
            && text(index - 2).is_some_and(|word| word.eq_ignore_ascii_case("COUNT"));
        text(index) == Some("*") && !counts
    })
}

/// The names in upper case, each once.
fn names(statement: &Normalised) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for table in written(statement) {
        let table = table.to_ascii_uppercase();
        if !names.contains(&table) {
            names.push(table);
        }
    }
    names
}

fn written(statement: &Normalised) -> Vec<String> {
    let tokens = text::tokens(statement);
    let mut names: Vec<String> = Vec::new();
    for three in tokens.windows(3) {
        if let [schema, dot, table] = three
            && dot.kind == TokenKind::Dot
            && name(statement, schema).is_some_and(|name| is_schema(&name))
            && let Some(table) = name(statement, table)
        {
            names.push(table);
        }
    }
    names
}

/// The name that a token is, without quotes.
fn name(statement: &Normalised, token: &Token) -> Option<String> {
    let source = &statement.text[token.start..token.end];
    match token.kind {
        TokenKind::Word => Some(source.to_owned()),
        TokenKind::QuotedName => Some(unquote_name(source).into_owned()),
        _ => None,
    }
}

fn refuse(table: &str) -> Refusal {
    Refusal::unsupported(
        "system-tables",
        format!("`{table}` of `{NAME}` tells of a server, not of a keyspace; ask that MySQL"),
    )
}
