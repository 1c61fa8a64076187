//! The key by which a row is read and written again, and what moves of a row whose sharding columns change.

use sqlparser::ast::{Assignment, AssignmentTarget};

use super::super::names::is_default;
use super::super::order::quoted;
use super::super::walk::{Item, Walk};
use super::super::write::{assigned, last};
use super::refuse;
use crate::plan::{Divider, Home, Moving, MovingPlan, Placed, Source};
use crate::refusal::Refusal;
use crate::schema::{ColumnClass, ColumnSchema, Domain, TableSchema};
use crate::vschema::Sharding;

/// Columns whose values name one row of all shards.
pub(super) struct Key<'a> {
    pub(super) columns: Vec<&'a ColumnSchema>,
    sharding: Option<&'a Sharding>,
}

/// The key of a table: that of a unique key without NULL, and the sharding columns.
pub(super) fn choose<'a>(item: &Item<'a>, table: &str) -> Result<Key<'a>, Refusal> {
    let schema = item.schema.ok_or_else(|| refuse(&format!("a table whose columns are not known (`{table}`)")))?;
    of(schema, item.sharded.map(|(_, sharding)| sharding)).ok_or_else(|| {
        refuse(&format!("a table without a primary or unique key of numbers, dates, bytes or text (`{table}`)"))
    })
}

/// The same; `None`: there is none.
pub(super) fn of<'a>(schema: &'a TableSchema, sharding: Option<&'a Sharding>) -> Option<Key<'a>> {
    let mut columns = unique_key(schema)?;
    for sharding in sharding.iter().flat_map(|sharding| &sharding.columns) {
        let column = schema.column(&sharding.column)?;
        if !columns.iter().any(|known| known.name == column.name) {
            columns.push(column);
        }
    }
    Some(Key { columns, sharding })
}

/// The columns of the first unique key without NULL whose values name rows.
fn unique_key(schema: &TableSchema) -> Option<Vec<&ColumnSchema>> {
    let fits = |column: &&ColumnSchema| {
        let exact = matches!(
            column.class,
            ColumnClass::Integer
                | ColumnClass::Decimal
                | ColumnClass::Temporal
                | ColumnClass::Binary
                | ColumnClass::Text(_)
        );
        exact && !column.nullable
    };
    let of_key = |key: &Vec<String>| {
        let columns = key.iter().map(|name| schema.column(name)).collect::<Option<Vec<_>>>()?;
        columns.iter().all(fits).then_some(columns)
    };
    schema.unique_keys.iter().find_map(of_key)
}

/// Whether rows of a table can be named; one whose columns are not known may have a key.
pub(super) fn has_key(item: &Item<'_>) -> bool {
    item.schema.is_none_or(|schema| unique_key(schema).is_some())
}

/// Whether an UPDATE sets sharding columns.
pub(super) fn sets_sharding(sharding: &Sharding, assignments: &[Assignment]) -> bool {
    assigned(assignments).iter().any(|name| sharding.position(&last(name)).is_some())
}

impl Key<'_> {
    fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Whether some of its columns are set.
    pub(super) fn is_set(&self, assignments: &[&Assignment]) -> bool {
        assignments.iter().any(|assignment| match &assignment.target {
            AssignmentTarget::ColumnName(name) => self.place(&last(name)).is_some(),
            AssignmentTarget::Tuple(_) => true,
        })
    }

    /// Whether only this key decides if rows of one shard collide, and its values are equal where their bytes are.
    pub(super) fn is_alone(&self, item: &Item<'_>) -> bool {
        let plain = |column: &&ColumnSchema| !matches!(column.class, ColumnClass::Text(_));
        let of_key = |name: &String| self.place(name).is_some();
        self.columns.iter().all(plain)
            && item.schema.is_some_and(|schema| schema.unique_keys.len() == 1 && schema.colliding.iter().all(of_key))
    }

    /// Where rows are by their keys.
    pub(super) fn home(&self) -> Home {
        let Some(sharding) = self.sharding else { return Home::Everywhere };
        let divider = |column: &crate::vschema::ShardingColumn| {
            let place = self.place(&column.column)?;
            Some((place, Divider::of(column, self.columns[place])))
        };
        Home::Divided(sharding.columns.iter().filter_map(divider).collect())
    }
}

/// The columns of a key in text: one by itself, several in parentheses.
pub(super) fn names(table: &str, columns: &[&ColumnSchema]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&(table.to_owned(), column.name.clone()))).collect();
    match &names[..] {
        [only] => only.clone(),
        names => format!("({})", names.join(", ")),
    }
}

/// How rows move, if SET changes their sharding columns.
pub(super) fn moving(
    walk: &Walk<'_>,
    item: &Item<'_>,
    table: &str,
    key: &Key<'_>,
    assignments: &[&Assignment],
) -> Result<Option<MovingPlan>, Refusal> {
    let (Some(sharding), Some(schema)) = (key.sharding, item.schema) else { return Ok(None) };
    let mut set = Vec::new();
    for assignment in assignments {
        match &assignment.target {
            AssignmentTarget::ColumnName(name) => set.push((last(name), &assignment.value)),
            AssignmentTarget::Tuple(names) => {
                if names.iter().any(|name| key.place(&last(name)).is_some()) {
                    return Err(refuse("a column of the table's key that is set in a tuple"));
                }
            }
        }
    }
    if !set.iter().any(|(name, _)| sharding.position(name).is_some()) {
        return Ok(None);
    }
    let (mut assigned, mut read) = (Vec::new(), Vec::new());
    for (name, value) in &set {
        let Some(place) = key.place(name) else { continue };
        if assigned.iter().any(|(known, _)| *known == place) || read.contains(&place) {
            return Err(refuse("a column of the table's key that is set twice"));
        }
        match walk.text.value(value) {
            Some((source, _)) => assigned.push((place, source)),
            None if is_default(value) => {
                let default = key.columns[place].default_value().ok_or_else(|| {
                    Refusal::unsupported(
                        "sharding-column-update",
                        format!(
                            "the column `{name}` tells where the row goes or which it is, and what its DEFAULT is, is not known; give the value itself"
                        ),
                    )
                })?;
                assigned.push((place, Source::Constant(default)));
            }
            None => read.push(place),
        }
    }
    // Rows may collide on their way by another unique key.
    let of_sharding = |key: &&Vec<String>| key.iter().any(|column| sharding.position(column).is_some());
    let colliding = schema.unique_keys.iter().filter(of_sharding).flatten().chain(&schema.colliding);
    let beside = colliding.filter(|name| sharding.position(name).is_none());
    let beside = beside.into_iter().any(|name| set.iter().any(|(set, _)| set.eq_ignore_ascii_case(name)));
    let moving = row(schema, table, &key.columns)?;
    Ok(Some(MovingPlan { moving, assigned, read, beside }))
}

/// A row of a table as it is read and written: all that can be.
pub(super) fn row(schema: &TableSchema, table: &str, key: &[&ColumnSchema]) -> Result<Moving, Refusal> {
    let columns: Vec<ColumnSchema> = schema.columns.iter().filter(|column| !column.generated).cloned().collect();
    let mut select = Vec::with_capacity(columns.len() + 1);
    let mut documents = Vec::new();
    for column in &columns {
        let name = quote(&column.name);
        select.push(match (&column.class, column.domain) {
            // Its text has fewer digits than its value.
            (ColumnClass::Float, _) => format!("{name} + 0e0"),
            (_, Domain::Bits) => format!("{name} + 0"),
            (_, Domain::Documents) => {
                documents.push(format!("({})", survives(&name)));
                format!("CAST({name} AS CHAR)")
            }
            (ColumnClass::Other, _) => {
                return Err(refuse(&format!("a column whose values cannot be moved (`{}`)", column.name)));
            }
            _ => name,
        });
    }
    let checked = !documents.is_empty();
    if checked {
        select.push(documents.join(" AND "));
    }
    let insert: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
    Ok(Moving {
        table: quote(table).into(),
        select: select.join(", ").into(),
        insert: insert.join(", ").into(),
        columns,
        names: names(table, key).into(),
        checked,
    })
}

/// A table whose rows are read and written whole.
pub(super) fn placed(
    schema: &TableSchema,
    table: &str,
    sharding: Option<&Sharding>,
    key: &[&ColumnSchema],
) -> Result<Placed, Refusal> {
    let row = row(schema, table, key)?;
    let home = match sharding {
        None => Home::Everywhere,
        Some(sharding) => {
            let divider = |of: &crate::vschema::ShardingColumn| {
                let place = row.columns.iter().position(|column| column.name.eq_ignore_ascii_case(&of.column))?;
                Some((place, Divider::of(of, &row.columns[place])))
            };
            let dividers: Option<Vec<_>> = sharding.columns.iter().map(divider).collect();
            Home::Divided(dividers.ok_or_else(|| refuse("a sharding column that is computed"))?)
        }
    };
    Ok(Placed { row, home })
}

/// The condition under which a document is the same once it was sent as text.
pub(in super::super) fn survives(name: &str) -> String {
    let text = format!("CAST({name} AS CHAR)");
    format!(
        "{name} IS NULL OR {name} = CAST({text} AS JSON) AND CAST({text} AS BINARY) = CAST(CAST(CAST({text} AS JSON) AS CHAR) AS BINARY)"
    )
}

/// A name in backticks.
pub(super) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
