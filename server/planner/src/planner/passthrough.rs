//! Statements that go to one MySQL whatever they say: an unsharded keyspace, or a shard that the target names.
//!
//! That MySQL is the judge of them, of their grammar too. What is proved here, by tokens alone, is that they name no other
//! keyspace and nothing of the connection. A name with a dot counts by its place: where a table stands, its first part is a
//! database; elsewhere two parts are a table and a column, and three are a database, a table and a column.

use vitrail_sql::lexer::{Token, TokenKind};
use vitrail_sql::normalise::{Normalised, StatementKind};

use super::PlanContext;
use super::access::Needs;
use super::catalog;
use super::full_write;
use super::functions::{self, Nature};
use super::names::{is_system, shared};
use super::text::{self, Text};
use crate::plan::{Edit, Ids, MergePlan, Plan, Replacement, Route};
use crate::refusal::Refusal;
use crate::vschema::Keyspace;

/// The one place that the context leads to: its keyspace and the route, or `None` if it leads to several shards.
pub(super) fn destination<'a>(context: &PlanContext<'a>) -> Option<(&'a Keyspace, Route)> {
    let keyspace = context.vschema.keyspace(context.keyspace?)?;
    match context.shard {
        Some(shard) => Some((keyspace, Route::Named(shared(shard)))),
        None => (!keyspace.sharded).then_some((keyspace, Route::AnyShard)),
    }
}

/// Whether a refusal only says that the statement could not be read, so that MySQL may judge it.
pub(super) fn may_judge(refusal: &Refusal) -> bool {
    matches!(refusal.reason, "syntax" | "query-form" | "table-form" | "join-form" | "insert-form" | "table-name")
}

/// Whether the statement begins with a word that begins no statement of MySQL or MariaDB.
pub(super) fn begins_like_nothing(statement: &Normalised) -> bool {
    let text = Text::new(statement);
    text.tokens.first().is_some_and(|first| {
        first.kind != TokenKind::Word || !VERBS.iter().any(|verb| verb.eq_ignore_ascii_case(text.str(first)))
    })
}

/// Plans a statement by its tokens, for [`destination`].
///
/// # Errors
/// Another keyspace or database, something of the connection, a name whose meaning depends on the server's version.
pub(super) fn plan(
    statement: &Normalised,
    context: &PlanContext<'_>,
    destination: (&Keyspace, Route),
) -> Result<Plan, Refusal> {
    read(statement, context, destination, false)
}

/// The same for a connection of the session's own, which may take and give back named locks.
pub(super) fn plan_pinned(
    statement: &Normalised,
    context: &PlanContext<'_>,
    destination: (&Keyspace, Route),
) -> Result<Plan, Refusal> {
    read(statement, context, destination, true)
}

fn read(
    statement: &Normalised,
    context: &PlanContext<'_>,
    (keyspace, route): (&Keyspace, Route),
    pinned: bool,
) -> Result<Plan, Refusal> {
    let text = Text::new(statement);
    let definition = statement.kind == StatementKind::Ddl;
    let mut reading = Reading {
        context,
        keyspace,
        text: &text,
        definition,
        pinned,
        frames: vec![Frame { lists_tables: false, table: false }],
        edits: Vec::new(),
    };
    let mut index = 0;
    while index < text.tokens.len() {
        index = reading.step(index)?;
    }
    let edits = reading.edits;
    let locks = |token: &Token| text.is_word(token, "FOR") || text.is_word(token, "LOCK");
    let writes = statement.kind != StatementKind::Select || text.tokens.iter().any(locks);
    Ok(Plan {
        keyspace: keyspace.name.clone(),
        route,
        merge: MergePlan::Pass,
        edits,
        writes,
        // Nobody has read what it calls.
        shareable: false,
        series: None,
        needs: Needs::default(),
        full_write: full_write::verb(&text),
        row: None,
        alone: None,
        ids: if matches!(statement.kind, StatementKind::Insert | StatementKind::Replace) {
            Ids::Unknown
        } else {
            Ids::default()
        },
        filling: None,
        asked: None,
        join: None,
        steps: None,
        exact: None,
        advice: None,
    })
}

/// What is known at one depth of parentheses.
#[derive(Clone, Copy)]
struct Frame {
    /// A comma is followed by a table.
    lists_tables: bool,
    /// A table comes next.
    table: bool,
}

struct Reading<'a> {
    context: &'a PlanContext<'a>,
    keyspace: &'a Keyspace,
    text: &'a Text<'a>,
    /// In DDL before its SELECT: every name with a dot is that of a table.
    definition: bool,
    /// On a connection of the session's own.
    pinned: bool,
    /// Never empty.
    frames: Vec<Frame>,
    edits: Vec<Edit>,
}

impl Reading<'_> {
    /// Reads the token at `index`, or the whole name that begins there, and gives the index behind it.
    fn step(&mut self, index: usize) -> Result<usize, Refusal> {
        let token = self.text.tokens[index];
        let frame = *self.frame();
        match token.kind {
            TokenKind::Open => {
                self.frame().table = false;
                self.frames.push(Frame { lists_tables: frame.table, table: frame.table });
            }
            TokenKind::Close => {
                if self.frames.len() > 1 {
                    self.frames.pop();
                }
                self.frame().table = false;
            }
            TokenKind::Comma => self.frame().table = frame.lists_tables,
            TokenKind::Semicolon if index + 1 < self.text.tokens.len() => {
                return Err(Refusal::invalid("several-statements", "send one statement at a time"));
            }
            TokenKind::SystemVariable => functions::check_variable(self.text.str(&token))?,
            TokenKind::Word | TokenKind::QuotedName => return self.name(index),
            // `.t` is a table of the default database, `{ OJ … }` a join: neither is worth its rules.
            TokenKind::Dot | TokenKind::Operator if frame.table => {
                return Err(ambiguous(self.text.str(&token)));
            }
            _ => self.frame().table = false,
        }
        Ok(index + 1)
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame { lists_tables: false, table: false });
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn name(&mut self, index: usize) -> Result<usize, Refusal> {
        let parts = self.parts(index);
        if parts == 1 {
            return self.single(index);
        }
        let (first, second) = (self.text.tokens[index], self.text.tokens[index + 2]);
        let end = index + 2 * parts - 1;
        let called = self.is(end, TokenKind::Open) && !self.frame().table;
        let qualifier = unquoted(self.text.str(&first));
        // Cutting the first part of these would make a database of the second.
        if parts > 3 || (parts == 3 && (self.definition || self.frame().table || called)) {
            return Err(ambiguous(&qualifier));
        }
        let database = self.definition || self.frame().table || called || parts > 2;
        self.frame().table = false;
        if text::has_version_comment(self.text.statement) {
            return Err(Refusal::unsupported(
                "version-comment",
                "a version comment beside a name with a dot could change what the name means; leave it out",
            ));
        }
        if !database {
            // A table or an alias; the name of a keyspace is left to neither meaning.
            return match self.context.vschema.keyspace(&qualifier) {
                Some(_) => Err(ambiguous(&qualifier)),
                None => Ok(end),
            };
        }
        if catalog::is_schema(&qualifier) && self.context.catalog.is_some() {
            return Err(Refusal::unsupported(
                "system-tables",
                "a statement on `information_schema` that is not read here is not run: it would name databases of the server; write it plainly",
            ));
        }
        if is_system(&qualifier) && self.context.vschema.keyspace(&qualifier).is_none() && !self.definition {
            return Ok(end);
        }
        let named = self.context.keyspace(&qualifier)?;
        if named.name != self.keyspace.name {
            return Err(Refusal::unsupported(
                "cross-keyspace",
                format!(
                    "a statement over the keyspaces `{}` and `{}` is not supported yet; read them one after the other",
                    self.keyspace.name, named.name
                ),
            ));
        }
        self.edits.push(Edit {
            start: self.text.anchor(first.start),
            end: self.text.anchor(second.start),
            replacement: Replacement::Text(shared("")),
            scatter_only: false,
        });
        Ok(end)
    }

    /// A name or keyword without a dot.
    fn single(&mut self, index: usize) -> Result<usize, Refusal> {
        let token = self.text.tokens[index];
        let word = self.text.str(&token);
        let is = |list: &[&str]| token.kind == TokenKind::Word && list.iter().any(|w| w.eq_ignore_ascii_case(word));
        let after = |words: &[&str]| {
            index
                .checked_sub(1)
                .is_some_and(|before| words.iter().any(|word| self.text.is_word(&self.text.tokens[before], word)))
        };
        let column = is(&["UPDATE"]) && after(&["KEY", "FOR", "ON"]);
        let verb = index == 0 && is(&["INSERT", "REPLACE", "HANDLER"]);
        if is(&["INTO"]) && (self.follows(index, "OUTFILE") || self.follows(index, "DUMPFILE")) {
            return Err(functions::refuse_into());
        }
        if verb || (is(TABLE_FOLLOWS) && !column) || (self.definition && is(&["LIKE", "VIEW"])) {
            *self.frame() = Frame { lists_tables: true, table: true };
        } else if is(&["SELECT"]) {
            self.definition = false;
            *self.frame() = Frame { lists_tables: false, table: false };
        } else if is(CLAUSES) || column {
            *self.frame() = Frame { lists_tables: false, table: false };
        } else if !(self.frame().table && is(MODIFIERS)) {
            let table = std::mem::take(&mut self.frame().table);
            if !table && !self.definition {
                self.call(index, &unquoted(word))?;
            }
        }
        Ok(index + 1)
    }

    fn call(&self, index: usize, name: &str) -> Result<(), Refusal> {
        let word = self.text.tokens[index].kind == TokenKind::Word;
        let bare = word && functions::is_bare_call(name);
        if (bare || self.is(index + 1, TokenKind::Open))
            && functions::nature(name) == Nature::Connection
            && !(self.pinned && functions::is_on_locks(name))
        {
            return Err(functions::refuse_connection(name));
        }
        if word && name.eq_ignore_ascii_case("PREVIOUS") && self.follows(index, "VALUE") {
            return Err(functions::refuse_connection("lastval"));
        }
        Ok(())
    }

    fn follows(&self, index: usize, word: &str) -> bool {
        self.text.tokens.get(index + 1).is_some_and(|token| self.text.is_word(token, word))
    }

    /// How many parts the name at `index` has; `*` counts as one.
    fn parts(&self, index: usize) -> usize {
        let mut parts = 1;
        while self.is(index + 2 * parts - 1, TokenKind::Dot) {
            match self.text.tokens.get(index + 2 * parts) {
                Some(token) if matches!(token.kind, TokenKind::Word | TokenKind::QuotedName) => parts += 1,
                Some(token) if self.text.str(token) == "*" => return parts + 1,
                _ => break,
            }
        }
        parts
    }

    fn is(&self, index: usize, kind: TokenKind) -> bool {
        self.text.tokens.get(index).is_some_and(|token| token.kind == kind)
    }
}

fn unquoted(name: &str) -> String {
    for quote in ["`", "\""] {
        if let Some(inside) = name.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inside.replace(&quote.repeat(2), quote);
        }
    }
    name.to_owned()
}

fn ambiguous(name: &str) -> Refusal {
    Refusal::unsupported(
        "ambiguous-qualifier",
        format!(
            "`{name}` could be a keyspace or a table here; give the table another alias, or leave the keyspace out"
        ),
    )
}

/// Words that a table follows.
const TABLE_FOLLOWS: &[&str] =
    &["FROM", "JOIN", "STRAIGHT_JOIN", "INTO", "UPDATE", "DELETE", "TABLE", "TABLES", "USING"];

/// Words that may stand between one of those and the table.
const MODIFIERS: &[&str] =
    &["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "IGNORE", "QUICK", "HISTORY", "LATERAL", "IF", "NOT", "EXISTS"];

/// Words that begin a clause without tables.
const CLAUSES: &[&str] = &[
    "WHERE",
    "SET",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "WINDOW",
    "VALUES",
    "VALUE",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "RETURNING",
];

/// Words that begin a statement of MySQL or MariaDB; those that are planned are none of this list's business.
const VERBS: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "BACKUP",
    "BEGIN",
    "BINLOG",
    "CACHE",
    "CALL",
    "CASE",
    "CHANGE",
    "CHECK",
    "CHECKSUM",
    "CLONE",
    "CLOSE",
    "COMMIT",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DO",
    "DROP",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "FLUSH",
    "FOR",
    "GET",
    "GRANT",
    "HANDLER",
    "HELP",
    "IF",
    "IMPORT",
    "INSERT",
    "INSTALL",
    "ITERATE",
    "KILL",
    "LEAVE",
    "LOAD",
    "LOCK",
    "LOOP",
    "OPEN",
    "OPTIMIZE",
    "PREPARE",
    "PURGE",
    "RELEASE",
    "RENAME",
    "REPAIR",
    "REPEAT",
    "REPLACE",
    "RESET",
    "RESIGNAL",
    "RESTART",
    "RETURN",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "SHUTDOWN",
    "SIGNAL",
    "START",
    "STOP",
    "TABLE",
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
    "UPDATE",
    "USE",
    "VALUES",
    "WHILE",
    "WITH",
    "XA",
];
