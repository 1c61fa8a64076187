//! The table that a rehearsed write writes: its rows, how they are inserted, and what may not be read while they are written.

use std::sync::Arc;

use sqlparser::ast::{BinaryOperator, Expr, Insert, ObjectName, OnInsert, SetExpr, Value as SqlValue};
use vitrail_sql::normalise::StatementKind;

use super::super::calls::finds_outside_queries;
use super::super::names::{idents, is_default};
use super::super::text::Text;
use super::super::write::{assigned as named_by, last};
use super::super::{PlanContext, Scratch};
use super::rehearsal::refuse;
use super::{assigned, keys};
use crate::plan::{Placed, Verb};
use crate::refusal::Refusal;
use crate::schema::TableSchema;
use crate::vschema::{Placement, Table};

/// The table that is written.
pub(super) struct Written<'a> {
    pub(super) keyspace: Arc<str>,
    name: String,
    pub(super) schema: &'a TableSchema,
    table: Option<&'a Table>,
}

impl<'a> Written<'a> {
    pub(super) fn of(name: &ObjectName, context: &PlanContext<'a>) -> Result<Written<'a>, Refusal> {
        let parts = idents(name).unwrap_or_default();
        let (qualifier, table) = match parts.as_slice() {
            [table] => (None, table),
            [qualifier, table] => (Some(qualifier.value.as_str()), table),
            _ => return Err(refuse("a name of a table that is not plain")),
        };
        let named = context.table(qualifier, &table.value)?;
        let known = context.schemas.get(&named.keyspace.name).and_then(|schema| schema.named(&table.value));
        let (name, schema) = known.ok_or_else(|| refuse("a table whose columns are not known"))?;
        if named.system || !named.keyspace.sharded || schema.view {
            return Err(refuse("a table that is none of a sharded keyspace"));
        }
        Ok(Written { keyspace: Arc::clone(&named.keyspace.name), name: name.to_owned(), schema, table: named.table })
    }

    pub(super) fn is_sharded(&self) -> bool {
        self.table.is_some_and(|table| matches!(table.placement, Placement::Sharded(_)))
    }

    /// Its rows whole, and the places of the columns that name one.
    pub(super) fn rows(&self) -> Result<(Placed, Vec<usize>), Refusal> {
        let sharding = match self.table.map(|table| &table.placement) {
            Some(Placement::Sharded(sharding)) => Some(sharding),
            _ => None,
        };
        let key = keys::of(self.schema, sharding).filter(|key| key.columns.iter().all(|column| !column.generated));
        let columns = key.as_ref().map(|key| &*key.columns).unwrap_or_default();
        let table = keys::placed(self.schema, &self.name, sharding, columns)?;
        let place = |name: &str| table.row.columns.iter().position(|column| column.name == name);
        let key = columns.iter().filter_map(|column| place(&column.name)).collect();
        Ok((table, key))
    }

    /// How rows are inserted.
    pub(super) fn insertion(&self, insert: &Insert, text: &Text<'_>, scratch: Scratch) -> Result<Verb, Refusal> {
        if insert.partitioned.is_some() || insert.table_alias.is_some() {
            return Err(refuse("PARTITION or an alias of the table"));
        }
        let values = match insert.source.as_deref().map(|source| &*source.body) {
            Some(SetExpr::Values(values)) => Some(&values.rows),
            _ => None,
        };
        self.counts(insert)?;
        if !scratch.reopens {
            let given = insert.assignments.iter().map(|assignment| &assignment.value);
            let given = given.chain(values.iter().flat_map(|rows| rows.iter().flat_map(|row| &row.content)));
            let set: &[_] = match &insert.on {
                Some(OnInsert::DuplicateKeyUpdate(assignments)) => assignments,
                _ => &[],
            };
            for value in given.chain(set.iter().map(|assignment| &assignment.value)) {
                derived(assigned::read_and_inserted(value, &self.name))?;
            }
        }
        let one = insert.source.is_none() || values.is_some_and(|rows| rows.len() == 1);
        Ok(match text.statement.kind {
            StatementKind::Replace => Verb::Replace,
            _ if one && insert.on.is_none() && !insert.ignore => Verb::InsertOne,
            _ => Verb::Insert,
        })
    }

    /// The scratch server would number rows by itself.
    fn counts(&self, insert: &Insert) -> Result<(), Refusal> {
        let counted = self.schema.columns.iter().find(|column| column.auto_increment).map(|column| &*column.name);
        let sequence = self.table.and_then(|table| table.auto_increment.as_ref()).map(|auto| &*auto.column);
        let Some(name) = sequence.or(counted) else { return Ok(()) };
        let place = match insert.assignments.is_empty() {
            false => named_by(&insert.assignments).iter().position(|column| last(column).eq_ignore_ascii_case(name)),
            true if insert.columns.is_empty() => {
                let visible = self.schema.columns.iter().filter(|column| !column.invisible);
                visible.map(|column| &column.name).position(|column| column.eq_ignore_ascii_case(name))
            }
            true => insert.columns.iter().position(|column| last(column).eq_ignore_ascii_case(name)),
        };
        let open = |value: Option<&Expr>| match value {
            Some(Expr::Value(value)) => {
                matches!(&value.value, SqlValue::Null)
                    || matches!(&value.value, SqlValue::Number(number, _) if number == "0")
            }
            Some(value) => is_default(value),
            None => true,
        };
        let is_open = match (place, insert.source.as_deref().map(|source| &*source.body)) {
            (None, _) => true,
            (Some(place), None) => open(insert.assignments.get(place).map(|assignment| &assignment.value)),
            (Some(place), Some(SetExpr::Values(values))) => values.rows.iter().any(|row| open(row.content.get(place))),
            _ => false,
        };
        match is_open {
            true => Err(refuse(&format!("rows whose `{name}` is counted"))),
            false => Ok(()),
        }
    }

    /// MySQL's error for a part that reads the table which is written, and a refusal where it may be read once it has changed. Of a row that changes, all
    /// parts have been looked at.
    pub(super) fn reads_before(&self, part: &Expr, scratch: Scratch) -> Result<(), Refusal> {
        if scratch.reopens || !assigned::reads(part, &self.name) {
            return Ok(());
        }
        derived(assigned::read_and_written(part, &self.name))?;
        match is_conditional(part) {
            true => Err(refuse("a derived table that reads the table which is written, and may be read late")),
            false => Ok(()),
        }
    }
}

/// What only a derived table reads, MySQL reads at once.
fn derived(judged: Result<(), Refusal>) -> Result<(), Refusal> {
    match judged {
        Err(refusal) if refusal.errno.is_some() => Err(refusal),
        _ => Ok(()),
    }
}

/// Whether what is around the subqueries of an expression decides whether they are looked at.
fn is_conditional(part: &Expr) -> bool {
    use BinaryOperator::{And, Or, Xor};
    finds_outside_queries(part, |expr| {
        matches!(
            expr,
            Expr::Case { .. } | Expr::Function(_) | Expr::BinaryOp { op: And | Or | Xor, .. } | Expr::InList { .. }
        )
    })
}
