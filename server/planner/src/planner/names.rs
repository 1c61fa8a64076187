//! From the names in a statement to keyspaces and tables, and the cutting of keyspace qualifiers.

use std::sync::Arc;

use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart};

use super::{PlanContext, catalog};
use crate::refusal::Refusal;
use crate::vschema::{Keyspace, Table};

/// Databases that every MySQL has for itself.
const SYSTEM: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

/// A table as a statement names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) keyspace: &'a Keyspace,
    /// What the vschema says of it; always there if the keyspace is sharded, but for system tables and explicit targets.
    pub(super) table: Option<&'a Table>,
    /// A table of MySQL's own databases.
    pub(super) system: bool,
}

/// The names of an object, if it is made of plain names.
pub(super) fn idents(name: &ObjectName) -> Option<Vec<&Ident>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Some(ident),
            ObjectNamePart::Function(_) => None,
        })
        .collect()
}

/// Whether a keyspace or a system database has this name.
/// DEFAULT, which the parser takes for a name.
pub(super) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}

pub(super) fn is_system(name: &str) -> bool {
    SYSTEM.iter().any(|system| system.eq_ignore_ascii_case(name))
}

impl<'a> PlanContext<'a> {
    /// Finds the keyspace and the table of a name.
    pub(super) fn table(&self, qualifier: Option<&str>, name: &str) -> Result<Named<'a>, Refusal> {
        match qualifier {
            Some(system) if is_system(system) && self.vschema.keyspace(system).is_none() => {
                let keyspace = self.default_keyspace()?;
                if catalog::is_schema(system) && self.catalog.is_some() {
                    return Ok(Named { keyspace, table: None, system: true });
                }
                if keyspace.sharded && self.shard.is_none() {
                    return Err(Refusal::unsupported(
                        "system-tables",
                        format!(
                            "tables of `{system}` differ from shard to shard of keyspace `{}`; name a shard in the \
                             target, such as `{}:-80`",
                            keyspace.name, keyspace.name
                        ),
                    ));
                }
                Ok(Named { keyspace, table: None, system: true })
            }
            Some(qualifier) => {
                let keyspace = self.keyspace(qualifier)?;
                self.inside(keyspace, name)
            }
            None => self.unqualified(name),
        }
    }

    /// The keyspace of this name.
    pub(super) fn keyspace(&self, name: &str) -> Result<&'a Keyspace, Refusal> {
        self.vschema.keyspace(name).ok_or_else(|| {
            Refusal::not_found("unknown-keyspace", format!("there is no keyspace `{name}`")).with_errno(1049, "42000")
        })
    }

    /// The session's keyspace.
    pub(super) fn default_keyspace(&self) -> Result<&'a Keyspace, Refusal> {
        match self.keyspace {
            Some(name) => self.keyspace(name),
            None => Err(Refusal::invalid("no-keyspace", "no keyspace is chosen; name one in the target or by USE")
                .with_errno(1046, "3D000")),
        }
    }

    fn inside(&self, keyspace: &'a Keyspace, name: &str) -> Result<Named<'a>, Refusal> {
        let table = keyspace.table(name);
        if table.is_none() && keyspace.sharded && !self.explicit(keyspace) && !self.is_view(keyspace, name) {
            // As MySQL says it, where there is no such table at all.
            if self.schemas.get(&keyspace.name).is_some_and(|schema| schema.table(name).is_none()) {
                let message = format!("Table '{}.{name}' doesn't exist", keyspace.name);
                return Err(Refusal::not_found("unknown-table", message));
            }
            return Err(Refusal::not_found(
                "unknown-table",
                format!("the vschema of keyspace `{}` has no table `{name}`; add it there", keyspace.name),
            ));
        }
        Ok(Named { keyspace, table, system: false })
    }

    fn explicit(&self, keyspace: &Keyspace) -> bool {
        self.shard.is_some() && self.keyspace == Some(&*keyspace.name)
    }

    fn unqualified(&self, name: &str) -> Result<Named<'a>, Refusal> {
        let default = match self.keyspace {
            Some(keyspace) => Some(self.keyspace(keyspace)?),
            None => None,
        };
        if let Some(keyspace) = default
            && (self.shard.is_some() || self.has(keyspace, name))
        {
            return self.inside(keyspace, name);
        }
        let mut holders =
            self.vschema.keyspaces().filter(|keyspace| !keyspace.require_explicit_routing && self.has(keyspace, name));
        match (holders.next(), holders.next(), default) {
            (Some(keyspace), None, _) => self.inside(keyspace, name),
            (Some(first), Some(second), _) => Err(Refusal::invalid(
                "ambiguous-table",
                format!(
                    "the keyspaces `{}` and `{}` both have a table `{name}`; write `{}.{name}`",
                    first.name, second.name, first.name
                ),
            )),
            (None, _, Some(keyspace)) => self.inside(keyspace, name),
            (None, _, None) => Err(Refusal::invalid(
                "no-keyspace",
                format!("no keyspace is chosen, and none is known to have a table `{name}`; name one in the target"),
            )
            .with_errno(1046, "3D000")),
        }
    }

    /// Whether a keyspace is known to have a table.
    fn has(&self, keyspace: &Keyspace, name: &str) -> bool {
        let known = || self.schemas.get(&keyspace.name).is_some_and(|schema| schema.table(name).is_some());
        let temporary = || {
            self.keyspace == Some(&*keyspace.name)
                && self.temporary.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        keyspace.table(name).is_some()
            || (!keyspace.sharded && known())
            || temporary()
            || (keyspace.sharded && self.is_view(keyspace, name))
    }

    /// Whether MySQL has a view of this name, which a vschema need not list.
    fn is_view(&self, keyspace: &Keyspace, name: &str) -> bool {
        let schema = self.schemas.get(&keyspace.name).and_then(|schema| schema.table(name));
        schema.is_some_and(|schema| schema.view)
    }
}

/// The one keyspace of a statement, as its tables tell.
#[derive(Debug, Default)]
pub(super) struct OneKeyspace<'a> {
    found: Option<&'a Keyspace>,
}

impl<'a> OneKeyspace<'a> {
    pub(super) fn add(&mut self, keyspace: &'a Keyspace) -> Result<(), Refusal> {
        match self.found {
            Some(known) if known.name != keyspace.name => Err(Refusal::unsupported(
                "cross-keyspace",
                format!(
                    "a statement over the keyspaces `{}` and `{}` is not supported yet; read them one after the other",
                    known.name, keyspace.name
                ),
            )),
            _ => {
                self.found = Some(keyspace);
                Ok(())
            }
        }
    }

    pub(super) fn get(&self) -> Option<&'a Keyspace> {
        self.found
    }
}

/// A name to be shared by plans.
pub(super) fn shared(name: &str) -> Arc<str> {
    Arc::from(name)
}
