//! A look at a statement's tokens, for what it could do beyond the tables that its tree names, and where there is no tree.
//!
//! It errs on the side of more rights: a word that is followed by a parenthesis and is none of MySQL's own is taken for a call.

use vitrail_sql::lexer::{Token, TokenKind};
use vitrail_sql::normalise::Normalised;

use super::{Needs, Right};
use crate::planner::functions::{self, Nature};
use crate::planner::text::{has_version_comment, tokens};

/// The tokens of a statement.
pub(super) struct Scan<'a> {
    statement: &'a Normalised,
    tokens: Vec<Token>,
    first: Option<String>,
}

impl<'a> Scan<'a> {
    pub(super) fn of(statement: &'a Normalised) -> Scan<'a> {
        let tokens = tokens(statement);
        let text = |token: &Token| statement.text[token.start..token.end].to_ascii_uppercase();
        let first = tokens.iter().find(|token| token.kind != TokenKind::Open).map(text);
        Scan { statement, tokens, first }
    }

    /// The first word, in upper case.
    pub(super) fn first_word(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// One of these words stands somewhere.
    pub(super) fn has_word(&self, words: &[&str]) -> bool {
        (0..self.tokens.len()).any(|index| self.is_one_of(index, words))
    }

    /// `@@global.x`, `@@persist.x`
    pub(super) fn has_shared_variable(&self) -> bool {
        const SCOPES: [&str; 3] = ["@@global", "@@persist", "@@persist_only"];
        self.tokens.iter().filter(|token| token.kind == TokenKind::SystemVariable).any(|token| {
            let scope = self.text(token).split('.').next().unwrap_or_default().trim().to_ascii_lowercase();
            SCOPES.contains(&scope.as_str())
        })
    }

    /// A definition that names further tables, or reads some.
    pub(super) fn reaches_other_tables(&self) -> bool {
        const WORDS: &[&str] = &["SELECT", "VALUES", "LIKE", "REFERENCES", "UNION", "EXCHANGE", "NEXT", "NEXTVAL"];
        let tables = (0..self.tokens.len()).filter(|index| self.is_one_of(*index, &["TABLE"]));
        self.has_word(WORDS) || tables.count() > 1 || has_version_comment(self.statement)
    }

    /// A definition that chooses files, or another server.
    pub(super) fn reaches_outside(&self) -> bool {
        const ENGINES: &[&str] = &["FEDERATED", "FEDERATEDX", "CONNECT", "SPIDER", "S3"];
        let is_set = |index: usize| self.is(index, TokenKind::Operator) || self.is(index, TokenKind::String);
        (0..self.tokens.len()).any(|index| {
            self.is_one_of(index, &["DIRECTORY", "CONNECTION"]) && is_set(index + 1)
                || self.is_one_of(index, &["ENGINE"]) && (1..3).any(|after| self.names_one_of(index + after, ENGINES))
        })
    }

    /// `CREATE TEMPORARY TABLE t` and `DROP TEMPORARY TABLE t`: the tables are the session's own, but must not hide others'.
    pub(super) fn temporary_table(&self) -> Option<Needs> {
        let create = self.starts(&["CREATE"]) || self.starts(&["CREATE", "OR", "REPLACE"]);
        if !create && !self.starts(&["DROP"]) {
            return None;
        }
        let at = (1..4).find(|index| self.is_one_of(*index, &["TEMPORARY"]))?;
        let (mut needs, mut at) = (Needs::default(), at + 1);
        if !self.is_one_of(at, &["TABLE", "TABLES"]) {
            return None;
        }
        at += 1;
        while self.is_one_of(at, &["IF", "NOT", "EXISTS"]) {
            at += 1;
        }
        let command = if create { "CREATE TEMPORARY TABLES" } else { "DROP" };
        loop {
            let (keyspace, table, next) = self.table(at)?;
            needs.add_table(keyspace.as_deref(), &table, Right::Write, command);
            at = next;
            if create || !self.is(at, TokenKind::Comma) {
                break;
            }
            at += 1;
        }
        if create && self.reaches_other_tables() {
            needs.add_keyspace(Right::Write, command);
            needs.add(self.unread());
        }
        if self.reaches_outside() {
            needs.add_everything(Right::Admin, command);
        }
        Some(needs)
    }

    /// Files and sequences, whatever else the statement is.
    pub(super) fn beyond_tables(&self) -> Needs {
        let mut needs = Needs::default();
        let into_file =
            |index: usize| self.is_one_of(index, &["INTO"]) && self.is_one_of(index + 1, &["OUTFILE", "DUMPFILE"]);
        if (0..self.tokens.len()).any(into_file) {
            needs.add_everything(Right::Admin, "FILE");
        }
        let sequence =
            |index: usize| self.is_one_of(index, &["NEXT", "PREVIOUS"]) && self.is_one_of(index + 1, &["VALUE"]);
        if (0..self.tokens.len()).any(sequence) {
            needs.add_keyspace(Right::Write, "INSERT");
        }
        needs
    }

    /// A statement that should read no table. If it does, it may be any.
    pub(super) fn expression(&self) -> Needs {
        let mut needs = self.unread();
        if self.has_word(&["SELECT", "TABLE", "VALUES", "WITH"]) {
            needs.add_keyspace(Right::Read, "SELECT");
        }
        needs
    }

    /// What the tokens of a statement without a tree show beyond reading tables of the keyspace.
    pub(super) fn unread(&self) -> Needs {
        let mut needs = self.beyond_tables();
        if has_version_comment(self.statement) {
            needs.add_keyspace(Right::Admin, "ALL");
        }
        for (index, token) in self.tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Word | TokenKind::QuotedName => {
                    self.word(index, token, &mut needs);
                    self.call(index, token, &mut needs);
                }
                _ => {}
            }
        }
        needs
    }

    fn word(&self, index: usize, token: &Token, needs: &mut Needs) {
        let locks = self.is_one_of(index, &["FOR"]) && self.is_one_of(index + 1, &["UPDATE", "SHARE"])
            || self.is_one_of(index, &["SHARE"]) && self.is_one_of(index + 1, &["MODE"]);
        if locks {
            needs.add_keyspace(Right::Write, "LOCK");
        }
        if self.is(index + 1, TokenKind::Dot) {
            if self.names_system(token) {
                needs.add_everything(Right::Admin, "SELECT");
            } else if self.name(token).eq_ignore_ascii_case(INFORMATION_SCHEMA) {
                needs.add_keyspace(Right::Read, "SELECT");
            }
        }
    }

    fn call(&self, index: usize, token: &Token, needs: &mut Needs) {
        let called = self.is(index + 1, TokenKind::Open);
        let quoted = token.kind == TokenKind::QuotedName;
        if !called || self.is_column_list(index) {
            return;
        }
        let qualified = index > 0 && self.is(index - 1, TokenKind::Dot);
        if !quoted && !qualified && KEYWORDS.iter().any(|word| self.is_word(token, word)) {
            return;
        }
        function(self.name(token).as_ref(), quoted || qualified, needs);
    }

    /// The parenthesis behind this name holds columns: `INSERT INTO t (…`, `WITH c (…) AS (`, `AS d (`.
    fn is_column_list(&self, index: usize) -> bool {
        let mut first = index;
        while first >= 2 && self.is(first - 1, TokenKind::Dot) {
            first -= 2;
        }
        const BEFORE: &[&str] =
            &["INTO", "TABLE", "WITH", "RECURSIVE", "AS", "INDEX", "KEY", "TEMPORARY", "EXISTS", "REFERENCES"];
        if first > 0 && self.is_one_of(first - 1, BEFORE) {
            return true;
        }
        if first > 0
            && self.is_one_of(first - 1, &["INSERT", "REPLACE", "IGNORE", "DELAYED", "LOW_PRIORITY", "HIGH_PRIORITY"])
        {
            return self.starts(&["INSERT"]) || self.starts(&["REPLACE"]);
        }
        // A further common table expression: `, b (x) AS (`.
        let (mut depth, mut at) = (0usize, index + 1);
        while let Some(token) = self.tokens.get(at) {
            match token.kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                break;
            }
        }
        self.is_one_of(at, &["AS"]) && self.is(at + 1, TokenKind::Open)
    }

    /// Keyspace and table of the name at `index`, and the index behind it.
    fn table(&self, index: usize) -> Option<(Option<String>, String, usize)> {
        let named = |index: usize| {
            let token = self.tokens.get(index)?;
            matches!(token.kind, TokenKind::Word | TokenKind::QuotedName).then(|| self.name(token))
        };
        let first = named(index)?;
        if self.is(index + 1, TokenKind::Dot) {
            return Some((Some(first), named(index + 2)?, index + 3));
        }
        Some((None, first, index + 1))
    }

    fn starts(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(index, word)| self.is_one_of(index, &[word]))
    }

    fn is(&self, index: usize, kind: TokenKind) -> bool {
        self.tokens.get(index).is_some_and(|token| token.kind == kind)
    }

    fn is_one_of(&self, index: usize, words: &[&str]) -> bool {
        self.tokens.get(index).is_some_and(|token| words.iter().any(|word| self.is_word(token, word)))
    }

    /// The same of a name in quotes or without.
    fn names_one_of(&self, index: usize, names: &[&str]) -> bool {
        let quoted = |token: &&Token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName | TokenKind::String);
        let name = self.tokens.get(index).filter(quoted).map(|token| self.text(token).trim_matches(['\'', '"', '`']));
        name.is_some_and(|name| names.iter().any(|known| name.eq_ignore_ascii_case(known)))
    }

    fn is_word(&self, token: &Token, word: &str) -> bool {
        token.kind == TokenKind::Word && self.text(token).eq_ignore_ascii_case(word)
    }

    fn text(&self, token: &Token) -> &'a str {
        &self.statement.text[token.start..token.end]
    }

    /// Without its quotes.
    fn name(&self, token: &Token) -> String {
        unquoted(self.text(token))
    }

    fn names_system(&self, token: &Token) -> bool {
        let name = self.name(token);
        is_of_server(&name)
    }
}

/// The schema that shows what the account on MySQL may see.
pub(super) const INFORMATION_SCHEMA: &str = "information_schema";

/// Databases that tell of the whole server.
pub(super) fn is_of_server(name: &str) -> bool {
    ["mysql", "performance_schema", "sys"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What calling a function needs. A stored one does what its definer may.
pub(super) fn function(name: &str, stored: bool, needs: &mut Needs) {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if stored || functions::nature(name) == Nature::Unknown {
        needs.add_keyspace(Right::Admin, "EXECUTE");
    } else if is("nextval") || is("setval") {
        needs.add_keyspace(Right::Write, "INSERT");
    } else if is("lastval") {
        needs.add_keyspace(Right::Read, "SELECT");
    } else if is("load_file") {
        needs.add_everything(Right::Admin, "FILE");
    }
}

pub(super) fn unquoted(name: &str) -> String {
    for quote in ["`", "\""] {
        if let Some(inside) = name.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inside.replace(&quote.repeat(2), quote);
        }
    }
    name.to_owned()
}

/// Words before a parenthesis that call nothing.
const KEYWORDS: &[&str] = &[
    "ADD",
    "AGAINST",
    "ALL",
    "AND",
    "ANY",
    "AS",
    "BETWEEN",
    "BIGINT",
    "BINARY",
    "BIT",
    "BLOB",
    "BY",
    "CASE",
    "CHECK",
    "COLUMN",
    "COLUMNS",
    "DATETIME",
    "DEC",
    "DECIMAL",
    "DEFAULT",
    "DISTINCT",
    "DISTINCTROW",
    "DIV",
    "DO",
    "DOUBLE",
    "ELSE",
    "ENUM",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "FIXED",
    "FLOAT",
    "FOR",
    "FROM",
    "FULLTEXT",
    "GENERATED",
    "HAVING",
    "IN",
    "INDEX",
    "INT",
    "INTEGER",
    "INTERSECT",
    "INTO",
    "IS",
    "JOIN",
    "JSON_TABLE",
    "KEY",
    "LATERAL",
    "LIKE",
    "LIMIT",
    "LIST",
    "MEDIUMINT",
    "MEMBER",
    "MINUS",
    "NATIONAL",
    "NCHAR",
    "NOT",
    "NUMERIC",
    "NVARCHAR",
    "OF",
    "OFFSET",
    "ON",
    "OR",
    "OVER",
    "PARTITION",
    "PRIMARY",
    "RANGE",
    "REAL",
    "REGEXP",
    "RETURNING",
    "RLIKE",
    "ROLLUP",
    "ROWS",
    "SELECT",
    "SERIAL",
    "SET",
    "SIGNED",
    "SMALLINT",
    "SOME",
    "SPATIAL",
    "STRAIGHT_JOIN",
    "SUBPARTITION",
    "TABLE",
    "TEXT",
    "THAN",
    "THEN",
    "TINYINT",
    "UNION",
    "UNIQUE",
    "UNSIGNED",
    "USING",
    "VARBINARY",
    "VARCHAR",
    "VARYING",
    "WHEN",
    "WHERE",
    "WITH",
    "WITHIN",
    "XOR",
];
