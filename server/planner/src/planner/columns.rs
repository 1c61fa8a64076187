//! Columns of a block's tables: their classes, and whether they decide the shard.

use sqlparser::ast::{Expr, Ident};

use super::calls::finds;
use super::placement::Member;
use super::walk::{Item, Scope, Walk};
use crate::schema::{ColumnClass, ColumnSchema, Domain};
use crate::vschema::{Sharding, ShardingColumn};

/// One of a table's sharding columns as an expression names it.
#[derive(Clone)]
pub(super) struct ShardingUse<'a> {
    pub(super) member: Member,
    /// All of the table's.
    pub(super) sharding: &'a Sharding,
    /// Which of them.
    pub(super) number: usize,
    /// What MySQL's schema knows of it.
    pub(super) known: Option<&'a ColumnSchema>,
    /// 0: the block itself, 1: the one around it.
    pub(super) depth: usize,
}

impl<'a> Walk<'a> {
    /// The sharding column that an expression is, if equal values of it always lead to one keyspace id: the number of its item in the block,
    /// and which of the item's it is.
    pub(super) fn divider(&self, expr: &Expr, scope: &Scope<'a>) -> Option<(usize, usize)> {
        let column = self.column(expr, scope, &[])?;
        let of_member = |item: &Item<'a>| item.sharded.is_some_and(|(member, _)| member == column.member);
        let follows = column.known.is_some_and(|known| column.get().vindex.follows_equality(&known.class));
        Some((scope.items.iter().position(of_member).filter(|_| follows)?, column.number))
    }

    /// Whether these have all sharding columns of an item that `accepts` takes: rows where they are equal lie on one shard.
    pub(super) fn decide_shard(
        &self,
        dividers: &[(usize, usize)],
        scope: &Scope<'a>,
        accepts: impl Fn(usize) -> bool,
    ) -> bool {
        !self.joined
            && dividers.iter().any(|(item, _)| {
                let columns = scope.items[*item].sharded.map_or(0, |(_, sharding)| sharding.columns.len());
                accepts(*item) && columns > 0 && (0..columns).all(|number| dividers.contains(&(*item, number)))
            })
    }

    /// The sharding column that an expression is, seen from a block and those around it.
    pub(super) fn column(&self, expr: &Expr, scope: &Scope<'a>, outer: &[Scope<'a>]) -> Option<ShardingUse<'a>> {
        let (qualifier, name) = match expr {
            Expr::Nested(inner) => return self.column(inner, scope, outer),
            Expr::Identifier(name) => (None, name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => (Some(table), name),
                [_, table, name] => (Some(table), name),
                _ => return None,
            },
            _ => return None,
        };
        for (depth, scope) in std::iter::once(scope).chain(outer).enumerate() {
            match qualifier {
                Some(table) => {
                    let mut named = scope.items.iter().filter(|item| item.alias.eq_ignore_ascii_case(&table.value));
                    match (named.next(), named.next()) {
                        (Some(item), None) => return sharding(item, name, depth),
                        (Some(_), Some(_)) => return None,
                        (None, _) => {}
                    }
                }
                None => {
                    let mut found = scope.items.iter().filter_map(|item| sharding(item, name, depth));
                    match (found.next(), found.next()) {
                        (Some(column), None) => return Some(column),
                        (Some(_), Some(_)) => return None,
                        // Only if no table here can have a column of this name does the block around give it.
                        (None, _) => {
                            let lacks = |item: &Item<'a>| {
                                item.schema.is_some_and(|schema| schema.column(&name.value).is_none())
                            };
                            if !scope.items.iter().all(lacks) {
                                return None;
                            }
                        }
                    }
                }
            }
        }
        None
    }
}

/// The table's alias and the column's own name, if the expression is a plain column of a table with a known schema.
pub(super) fn plain(expr: &Expr, scope: &Scope<'_>) -> Option<(String, String)> {
    let (table, name) = match expr {
        Expr::Identifier(name) => (None, name),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, name] | [_, table, name] => (Some(&table.value), name),
            _ => return None,
        },
        _ => return None,
    };
    let items = scope.items.iter().filter(|item| table.is_none_or(|table| *table == item.alias));
    let mut found = items.filter_map(|item| Some((&item.alias, item.schema?.column(&name.value)?)));
    match (found.next(), found.next()) {
        (Some((alias, column)), None) => Some((alias.clone(), column.name.clone())),
        _ => None,
    }
}

/// The class of a plain column, if it is known.
pub(super) fn class(expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
    let (table, name) = plain(expr, scope)?;
    let item = scope.items.iter().find(|item| item.alias == table)?;
    Some(item.schema?.column(&name)?.class.clone()).filter(|class| *class != ColumnClass::Unknown)
}

/// Whether an expression reads a `year`, with which MySQL compares numbers of two digits as if they were years, too.
pub(super) fn reads_year(expr: &Expr, scope: &Scope<'_>) -> bool {
    finds(expr, |part| {
        let column = plain(part, scope)
            .and_then(|(table, name)| scope.items.iter().find(|item| item.alias == table)?.schema?.column(&name));
        column.is_some_and(|column| column.domain == Domain::Years)
    })
}

/// The sharding column of an item that a name means, in a block at this depth.
pub(super) fn sharding<'a>(item: &Item<'a>, name: &Ident, depth: usize) -> Option<ShardingUse<'a>> {
    let (member, sharding) = item.sharded?;
    let number = sharding.position(&name.value)?;
    let known = item.schema.and_then(|schema| schema.column(&name.value));
    Some(ShardingUse { member, sharding, number, known, depth })
}

impl<'a> ShardingUse<'a> {
    /// The column itself.
    pub(super) fn get(&self) -> &'a ShardingColumn {
        &self.sharding.columns[self.number]
    }
}
