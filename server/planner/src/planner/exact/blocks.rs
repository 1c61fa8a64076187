//! Query blocks and what they list in FROM, so that a name of a column is found to be that of a table's.

use sqlparser::ast::Expr;

use crate::schema::ColumnSchema;

use super::references::Reference;

/// What one query block lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) items: Vec<Item>,
}

/// One of FROM's tables.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// How columns refer to it.
    pub(super) alias: String,
    /// The table, by its number among those that the statement names; `None`: a derived one.
    pub(super) reference: Option<usize>,
    /// An outer join may give rows without it.
    pub(super) nullable: bool,
}

/// A table's column, as an expression names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    /// 0: the block itself, 1: the one around it.
    pub(super) depth: usize,
    /// The item of that block.
    pub(super) item: usize,
    pub(super) reference: usize,
    pub(super) column: &'a ColumnSchema,
}

/// The column that an expression is, seen from the first of these blocks. `None`: it is none, or not surely that of one table.
pub(super) fn column<'a>(expr: &Expr, blocks: &[Block], references: &[Reference<'a>]) -> Option<Found<'a>> {
    let (table, name) = match expr {
        Expr::Nested(inner) => return column(inner, blocks, references),
        Expr::Identifier(name) => (None, name),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, name] | [_, table, name] => (Some(table), name),
            _ => return None,
        },
        _ => return None,
    };
    for (depth, block) in blocks.iter().enumerate() {
        let of_item = |(item, of): (usize, &Item)| {
            let reference = of.reference?;
            let column = references[reference].schema.column(&name.value)?;
            Some(Found { depth, item, reference, column })
        };
        let items = || block.items.iter().enumerate();
        match table {
            Some(table) => {
                let mut named = items().filter(|(_, item)| item.alias.eq_ignore_ascii_case(&table.value));
                match (named.next(), named.next()) {
                    (Some(item), None) => return of_item(item),
                    (Some(_), Some(_)) => return None,
                    (None, _) => {}
                }
            }
            None => {
                // Another table whose columns are not known may have it, too.
                if block.items.iter().any(|item| item.reference.is_none()) {
                    return None;
                }
                let mut found = items().filter_map(of_item);
                match (found.next(), found.next()) {
                    (Some(column), None) => return Some(column),
                    (Some(_), Some(_)) => return None,
                    (None, _) => {}
                }
            }
        }
    }
    None
}
