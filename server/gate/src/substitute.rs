//! Puts what only the gate knows of a session into a statement, as literals: `FOUND_ROWS()`, `DATABASE()`, `@@autocommit` and their
//! like, wherever they stand. A column of the answer keeps the name that it had.
//!
//! User variables and `LAST_INSERT_ID()` are not put in: they go along as values, which MySQL itself then has.

use std::fmt::Write;
use std::ops::Range;

use vitrail_proto::error::ErrorBody;
use vitrail_sql::lexer::{Lexer, Token, TokenKind};
use vitrail_sql::normalise::{Normalised, StatementKind};

use crate::preferences;
use crate::request::Scope;
use crate::session::Session;
use crate::variables;

/// The statement's text with the session's facts in it; `None` if it asks for none.
///
/// # Errors
/// What the lexer refuses; unknown variables of Vitrail's own.
pub(crate) fn facts(scope: &Scope<'_>, session: &Session, statement: &Normalised) -> Result<Option<String>, ErrorBody> {
    let text = &*statement.text;
    let tokens = tokens(statement)?;
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let source = &text[token.start..token.end];
        let follows = |ahead: usize, kind| tokens.get(index + ahead).is_some_and(|token: &Token| token.kind == kind);
        match token.kind {
            TokenKind::SystemVariable => {
                if let Some(literal) = variable(scope, session, source)? {
                    edits.push((token.start..token.end, literal));
                }
            }
            TokenKind::Word | TokenKind::QuotedName => {
                let qualified = index.checked_sub(1).is_some_and(|before| tokens[before].kind == TokenKind::Dot);
                let called = follows(1, TokenKind::Open) && follows(2, TokenKind::Close);
                let bare = token.kind == TokenKind::Word
                    && source.eq_ignore_ascii_case("current_user")
                    && !follows(1, TokenKind::Open);
                if !qualified
                    && (called || bare)
                    && let Some(literal) = function(scope, session, source.trim_matches(['`', '"']))
                {
                    let end = if called { tokens[index + 2].end } else { token.end };
                    edits.push((token.start..end, literal));
                }
            }
            _ => {}
        }
    }
    if edits.is_empty() {
        return Ok(None);
    }
    if statement.kind == StatementKind::Select {
        keep_titles(text, &tokens, &mut edits);
    }
    Ok(Some(edited(text, edits)))
}

/// The statement with aliases for the columns that are named by a text in which the name `word` stands; `None` if there are none.
///
/// # Errors
/// What the lexer refuses.
pub(crate) fn with_titles(statement: &Normalised, word: &str) -> Result<Option<String>, ErrorBody> {
    let text = &*statement.text;
    let tokens = tokens(statement)?;
    let named = |(index, token): &(usize, &Token)| {
        // A column with its table and database is named by the column.
        let of_column = tokens.get(index + 3).is_some_and(|next| next.kind == TokenKind::Dot);
        matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
            && text[token.start..token.end].trim_matches(['`', '"']).eq_ignore_ascii_case(word)
            && !of_column
    };
    let edit = |(_, token): (usize, &Token)| (token.start..token.end, text[token.start..token.end].to_owned());
    let mut edits: Vec<(Range<usize>, String)> = tokens.iter().enumerate().filter(named).map(edit).collect();
    let before = edits.len();
    keep_titles(text, &tokens, &mut edits);
    Ok((edits.len() > before).then(|| edited(text, edits)))
}

/// The text with its parts replaced.
fn edited(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let (mut out, mut copied) = (String::with_capacity(text.len() + 32), 0);
    for (range, literal) in edits {
        out.push_str(&text[copied..range.start]);
        out.push_str(&literal);
        copied = range.end;
    }
    out.push_str(&text[copied..]);
    out
}

/// A string as SQL that every sql_mode reads alike.
pub(crate) fn text_literal(value: &str) -> String {
    let mut literal = String::from("_utf8mb4 x'");
    for byte in value.bytes() {
        // Writing to a String cannot fail.
        let _ = write!(literal, "{byte:02x}");
    }
    literal.push('\'');
    literal
}

/// The tokens of the body without comments.
fn tokens(statement: &Normalised) -> Result<Vec<Token>, ErrorBody> {
    let mut lexer = Lexer::expanding(&statement.text.as_bytes()[..statement.body.end], statement.mode);
    lexer.seek(statement.body.start);
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token()? {
        if !matches!(token.kind, TokenKind::Comment | TokenKind::Hint) {
            tokens.push(token);
        }
    }
    Ok(tokens)
}

fn function(scope: &Scope<'_>, session: &Session, name: &str) -> Option<String> {
    let is = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(name));
    Some(if is(&["found_rows"]) {
        session.found_rows.to_string()
    } else if is(&["row_count"]) {
        signed(session.row_count)
    } else if is(&["connection_id"]) {
        format!("CAST({} AS UNSIGNED)", scope.connection_id)
    } else if is(&["database", "schema"]) {
        scope.target.keyspace.as_deref().map_or_else(|| "NULL".to_owned(), text_literal)
    } else if is(&["user", "session_user", "system_user", "current_user"]) {
        text_literal(&format!("{}@%", session.user))
    } else {
        return None;
    })
}

/// A negative number in parentheses, so that an operator before it stays what it is.
fn signed(number: i64) -> String {
    if number < 0 { format!("({number})") } else { number.to_string() }
}

fn variable(scope: &Scope<'_>, session: &Session, written: &str) -> Result<Option<String>, ErrorBody> {
    let lower = written.trim_start_matches('@').replace('`', "").to_ascii_lowercase();
    let name = match lower.split_once('.') {
        None => lower.as_str(),
        Some(("session" | "local", name)) => name,
        Some(_) => return Ok(None),
    };
    Ok(Some(match name {
        "autocommit" => u8::from(session.now.autocommit).to_string(),
        "in_transaction" => u8::from(session.shows_transaction()).to_string(),
        "warning_count" => session.warning_count.to_string(),
        "error_count" => session.error_count().to_string(),
        "pseudo_thread_id" => format!("CAST({} AS UNSIGNED)", scope.connection_id),
        "transaction_isolation" | "tx_isolation" | "transaction_read_only" | "tx_read_only" => {
            format!("@@session.{}", variables::physical(name, scope.gate.is_mariadb()))
        }
        name if name.starts_with(preferences::PREFIX) => {
            text_literal(&preferences::registered(name)?.value(&session.now.preferences))
        }
        _ => return Ok(None),
    }))
}

/// Adds aliases to the columns of the outermost SELECT that have none and are named by their text.
fn keep_titles(text: &str, tokens: &[Token], edits: &mut Vec<(Range<usize>, String)>) {
    const MODIFIERS: [&str; 10] = [
        "all",
        "distinct",
        "distinctrow",
        "high_priority",
        "straight_join",
        "sql_small_result",
        "sql_big_result",
        "sql_buffer_result",
        "sql_no_cache",
        "sql_calc_found_rows",
    ];
    const ENDS: [&str; 14] = [
        "from",
        "into",
        "where",
        "group",
        "having",
        "order",
        "limit",
        "union",
        "except",
        "intersect",
        "for",
        "window",
        "lock",
        "procedure",
    ];
    let is = |token: &Token, words: &[&str]| {
        token.kind == TokenKind::Word
            && words.iter().any(|word| text[token.start..token.end].eq_ignore_ascii_case(word))
    };
    // WITH … SELECT: the list stands behind the last parenthesis at the outermost level.
    let mut depth = 0_usize;
    let Some(select) = tokens.iter().position(|token| {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && is(token, &["select"])
    }) else {
        return;
    };
    let mut rest = &tokens[select + 1..];
    while let Some(first) = rest.first()
        && is(first, &MODIFIERS)
    {
        rest = &rest[1..];
    }
    let mut added = Vec::new();
    let (mut depth, mut begin) = (0_usize, 0);
    for index in 0..=rest.len() {
        let over = rest.get(index).is_none_or(|token| {
            depth == 0
                && (matches!(token.kind, TokenKind::Comma | TokenKind::Close | TokenKind::Semicolon)
                    || is(token, &ENDS))
        });
        if over {
            let item = &rest[begin..index];
            if let (Some(first), Some(last)) = (item.first(), item.last())
                && edits.iter().any(|(range, _)| range.start >= first.start && range.end <= last.end)
                && !is_aliased(text, item)
            {
                let title = text[first.start..last.end].replace('`', "``");
                added.push((last.end..last.end, format!(" AS `{title}`")));
            }
            if rest.get(index).is_none_or(|token| token.kind != TokenKind::Comma) {
                break;
            }
            begin = index + 1;
            continue;
        }
        match rest[index].kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    edits.extend(added);
}

/// Whether an item of a SELECT list has an alias: a name behind AS, or behind what ends an operand.
fn is_aliased(text: &str, item: &[Token]) -> bool {
    let [.., before, last] = item else { return false };
    let source = |token: &Token| &text[token.start..token.end];
    let named = matches!(last.kind, TokenKind::Word | TokenKind::QuotedName | TokenKind::String);
    let not_a_name =
        ["null", "true", "false", "end", "unknown"].iter().any(|word| source(last).eq_ignore_ascii_case(word));
    let operator = ["is", "not", "and", "or", "xor", "div", "mod", "like", "in", "collate", "binary", "then", "else"]
        .iter()
        .any(|word| source(before).eq_ignore_ascii_case(word));
    let operand = matches!(
        before.kind,
        TokenKind::Close
            | TokenKind::Word
            | TokenKind::QuotedName
            | TokenKind::Integer
            | TokenKind::Decimal
            | TokenKind::Float
            | TokenKind::String
            | TokenKind::Hex
            | TokenKind::Bits
            | TokenKind::UserVariable
            | TokenKind::SystemVariable
            | TokenKind::Bind
    );
    named && !(last.kind == TokenKind::Word && not_a_name) && operand && !operator
}
