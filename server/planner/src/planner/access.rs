//! What a statement touches and with what right: what its user must have been granted before it may run.
//!
//! Told by the statement alone, apart from where it goes. A statement that is read wholly (`tree`) needs rights on its tables;
//! of one that is not (`scan`), every table of the keyspace counts. Nothing is taken on trust: what nobody has classified needs
//! [`Right::Admin`] on everything.

mod scan;
mod tree;

use vitrail_sql::control::TableName;
use vitrail_sql::control::ddl;
use vitrail_sql::control::explain::{self, Explain};
use vitrail_sql::control::refresh::{self, Refresh};
use vitrail_sql::control::show::{self, Show};
use vitrail_sql::normalise::{Normalised, StatementKind, normalise};

use self::scan::Scan;
use super::passthrough::begins_like_nothing;

/// How much a user may do to a table. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Read its rows and its definition.
    Read,
    /// Change its rows, and lock them.
    Write,
    /// Change its definition, and all else.
    Admin,
}

/// A right on one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableNeed {
    /// As written before the table; `None`: the keyspace that the statement goes to.
    pub keyspace: Option<Box<str>>,
    /// Its name, as written.
    pub table: Box<str>,
    /// Which right.
    pub right: Right,
    /// MySQL's word for what is done: `SELECT`, `INSERT`.
    pub command: &'static str,
}

/// A right on all tables of a keyspace, or of all keyspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WideNeed {
    /// Which right.
    pub right: Right,
    /// What for, as MySQL calls it.
    pub command: &'static str,
}

/// All rights that a statement needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// On single tables; each table once.
    pub tables: Vec<TableNeed>,
    /// On every table of the keyspace that the statement goes to.
    pub keyspace: Option<WideNeed>,
    /// On every table of every keyspace.
    pub everything: Option<WideNeed>,
}

/// Deeper EXPLAINs of EXPLAINs are nobody's.
const MAX_EXPLAINS: usize = 2;

impl Needs {
    /// What `statement` needs.
    pub fn of(statement: &Normalised) -> Needs {
        Needs::nested(statement, 0)
    }

    /// No right at all.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.keyspace.is_none() && self.everything.is_none()
    }

    /// Whether the statement may run a procedure or a function that is stored, which may see anything of its session. Triggers are not
    /// meant: every statement that writes may have some.
    pub fn may_run_stored_code(&self) -> bool {
        [self.keyspace, self.everything].into_iter().flatten().any(|wide| wide.right == Right::Admin)
    }

    /// The highest right that it needs on anything; whoever has it on every table of every keyspace may run the statement.
    pub fn highest(&self) -> Option<Right> {
        let wide = [self.keyspace, self.everything].into_iter().flatten().map(|wide| wide.right);
        self.tables.iter().map(|table| table.right).chain(wide).max()
    }

    fn nested(statement: &Normalised, depth: usize) -> Needs {
        match statement.kind {
            StatementKind::Select
            | StatementKind::Insert
            | StatementKind::Replace
            | StatementKind::Update
            | StatementKind::Delete => planned(statement),
            // Of the session alone. USE and KILL look at whom and what they name when they run.
            StatementKind::Begin
            | StatementKind::Commit
            | StatementKind::Rollback
            | StatementKind::Savepoint
            | StatementKind::Use
            | StatementKind::Kill
            | StatementKind::Empty => Needs::default(),
            StatementKind::Set => set(statement),
            StatementKind::Show => shown(statement),
            StatementKind::Explain => explained(statement, depth),
            StatementKind::Ddl => definition(statement),
            StatementKind::Call => Needs::on_keyspace(Right::Admin, "EXECUTE"),
            _ => other(statement),
        }
    }

    fn on_keyspace(right: Right, command: &'static str) -> Needs {
        Needs { keyspace: Some(WideNeed { right, command }), ..Needs::default() }
    }

    fn on_everything(right: Right, command: &'static str) -> Needs {
        Needs { everything: Some(WideNeed { right, command }), ..Needs::default() }
    }

    /// Adds a right on a table; the higher one of two counts.
    fn add_table(&mut self, keyspace: Option<&str>, table: &str, right: Right, command: &'static str) {
        let same = |known: &&mut TableNeed| known.keyspace.as_deref() == keyspace && *known.table == *table;
        match self.tables.iter_mut().find(same) {
            Some(known) if known.right < right => (known.right, known.command) = (right, command),
            Some(_) => {}
            None => {
                self.tables.push(TableNeed { keyspace: keyspace.map(Box::from), table: table.into(), right, command });
            }
        }
    }

    fn add_keyspace(&mut self, right: Right, command: &'static str) {
        raise(&mut self.keyspace, WideNeed { right, command });
    }

    fn add_everything(&mut self, right: Right, command: &'static str) {
        raise(&mut self.everything, WideNeed { right, command });
    }

    fn add(&mut self, more: Needs) {
        for TableNeed { keyspace, table, right, command } in more.tables {
            self.add_table(keyspace.as_deref(), &table, right, command);
        }
        if let Some(wide) = more.keyspace {
            raise(&mut self.keyspace, wide);
        }
        if let Some(wide) = more.everything {
            raise(&mut self.everything, wide);
        }
    }
}

fn raise(known: &mut Option<WideNeed>, wide: WideNeed) {
    if known.is_none_or(|known| known.right < wide.right) {
        *known = Some(wide);
    }
}

/// A query or a write: by its tree, or else by its tokens.
fn planned(statement: &Normalised) -> Needs {
    let scan = Scan::of(statement);
    if let Some(mut needs) = tree::needs(statement) {
        needs.add(scan.beyond_tables());
        return needs;
    }
    let (right, command) = match statement.kind {
        StatementKind::Select => (Right::Read, "SELECT"),
        StatementKind::Insert | StatementKind::Replace => (Right::Write, "INSERT"),
        StatementKind::Update => (Right::Write, "UPDATE"),
        _ => (Right::Write, "DELETE"),
    };
    let mut needs = Needs::on_keyspace(right, command);
    needs.add(scan.unread());
    needs
}

/// SET of the session's own; of what others share it is the administrator's. Its expressions are evaluated by statements of their own.
fn set(statement: &Normalised) -> Needs {
    let scan = Scan::of(statement);
    let mut needs = Needs::default();
    const SHARED: &[&str] = &["GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD", "ROLE", "RESOURCE"];
    if scan.has_word(SHARED) || scan.has_shared_variable() {
        needs.add_everything(Right::Admin, "SET");
    }
    needs
}

fn shown(statement: &Normalised) -> Needs {
    let Ok(show) = show::parse(statement) else { return Needs::on_everything(Right::Admin, "SHOW") };
    let scan = Scan::of(statement);
    match show {
        // What these list is what the user may see.
        Show::Keyspaces { .. }
        | Show::Shards
        | Show::Schema { .. }
        | Show::Sessions
        | Show::Processlist { .. }
        | Show::Preferences { .. }
        | Show::Tables { .. }
        | Show::CreateKeyspace { .. }
        | Show::Warnings { .. }
        | Show::WarningCount { .. }
        | Show::Grants => Needs::default(),
        // Texts of what others ran, without their literals.
        Show::Consolidations => Needs::on_everything(Right::Read, "SHOW"),
        // What others run.
        Show::Queries(_) => Needs::on_everything(Right::Admin, "PROCESS"),
        Show::Table { table: TableName { keyspace, table }, after, .. } => {
            let mut needs = if after.is_empty() { Needs::default() } else { scan.expression() };
            needs.add_table(keyspace.as_deref(), &table, Right::Read, "SELECT");
            needs
        }
        Show::Create { table: TableName { keyspace, table } } => {
            let mut needs = Needs::default();
            needs.add_table(keyspace.as_deref(), &table, Right::Read, "SELECT");
            needs
        }
        Show::Indexes { table: TableName { keyspace, table }, filter } => {
            let mut needs = if filter.is_empty() { Needs::default() } else { scan.expression() };
            needs.add_table(keyspace.as_deref(), &table, Right::Read, "SELECT");
            needs
        }
        // Of what its user may not see, nothing is listed.
        Show::Listed { .. } => scan.expression(),
        Show::Anywhere => scan.expression(),
    }
}

/// What the explained statement needs: its plan tells of its tables, and ANALYZE runs it.
fn explained(statement: &Normalised, depth: usize) -> Needs {
    let inner = match explain::parse(statement) {
        Ok(
            Explain::Own { statement: inner }
            | Explain::Analyze { statement: inner }
            | Explain::Server { statement: inner, .. },
        ) => inner,
        Err(_) => return Needs::on_everything(Right::Admin, "EXPLAIN"),
    };
    match normalise(inner.into(), statement.mode) {
        // EXPLAIN FOR CONNECTION shows what another session runs.
        Ok(inner) if inner.kind == StatementKind::Empty || depth >= MAX_EXPLAINS => {
            Needs::on_everything(Right::Admin, "EXPLAIN")
        }
        Ok(inner) => Needs::nested(&inner, depth + 1),
        Err(_) => Needs::on_everything(Right::Admin, "EXPLAIN"),
    }
}

fn definition(statement: &Normalised) -> Needs {
    let scan = Scan::of(statement);
    if let Some(needs) = scan.temporary_table() {
        return needs;
    }
    let command = match scan.first_word() {
        Some("CREATE") => "CREATE",
        Some("ALTER" | "RENAME") => "ALTER",
        Some("TRUNCATE") => "TRUNCATE",
        _ => "DROP",
    };
    match ddl::parse(statement) {
        // Databases, users, routines, and whatever else there is.
        Err(_) => Needs::on_everything(Right::Admin, command),
        Ok(change) => {
            let mut needs = Needs::default();
            for TableName { keyspace, table } in &change.tables {
                needs.add_table(keyspace.as_deref(), table, Right::Admin, command);
            }
            if change.selects || (change.view && command == "CREATE") || scan.reaches_other_tables() {
                needs.add_keyspace(Right::Admin, command);
            }
            if scan.reaches_outside() {
                needs.add_everything(Right::Admin, command);
            }
            needs
        }
    }
}

/// Whoever may change tables may say that they were changed.
fn of_refresh(refresh: &Refresh<'_>) -> Needs {
    let Some(keyspace) = &refresh.keyspace else { return Needs::on_everything(Right::Admin, "ALTER") };
    let mut needs = Needs::default();
    needs.add_table(Some(keyspace), "*", Right::Admin, "ALTER");
    needs
}

/// Statements that are known by their first word only.
fn other(statement: &Normalised) -> Needs {
    // Vitrail's own, which MySQL does not know.
    if let Ok(Some(refresh)) = refresh::parse(statement) {
        return of_refresh(&refresh);
    }
    let scan = Scan::of(statement);
    match scan.first_word() {
        // A syntax error, whoever sends it.
        _ if begins_like_nothing(statement) => Needs::default(),
        Some("DO") => scan.expression(),
        // The text that they run is looked at when it runs.
        Some("PREPARE" | "EXECUTE" | "DEALLOCATE" | "DROP" | "UNLOCK") => Needs::default(),
        Some("HANDLER") => {
            let mut needs = scan.unread();
            needs.add_keyspace(Right::Read, "SELECT");
            needs
        }
        Some("LOCK") if scan.has_word(&["TABLE", "TABLES"]) => {
            let mut needs = scan.unread();
            needs.add_keyspace(Right::Write, "LOCK TABLES");
            needs
        }
        Some("ANALYZE" | "CHECK" | "CHECKSUM" | "OPTIMIZE" | "REPAIR") => {
            let mut needs = scan.unread();
            needs.add_keyspace(Right::Admin, "ALTER");
            needs
        }
        _ => Needs::on_everything(Right::Admin, "SUPER"),
    }
}

#[cfg(test)]
mod tests;
