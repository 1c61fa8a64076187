//! From text to sqlparser's tree, on tokens of our own lexer, so that both read every byte alike.
//!
//! Every location of the tree is a byte: line 1, column position + 1 ([`SourceMap`]).

use std::ops::{ControlFlow, Range};

use sqlparser::ast::{Statement, visit_relations};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError, ParserOptions};
use sqlparser::tokenizer::{Location, Span, Token as Node, TokenWithSpan};

use crate::dialect::ServerDialect;
use crate::error::SqlError;
use crate::lexer::{LexMode, Lexer, Token, TokenKind};
use crate::literal::unquote_name;
use crate::normalise::{Anchor, Normalised};
use crate::spelling;

/// How deep expressions and subqueries nest. Chosen so that parsing, walking and dropping fit a stack of 2 MiB.
pub const MAX_NESTING: usize = 128;

/// From this version on, MySQL and MariaDB disagree about who runs a version comment.
const FIRST_DISPUTED_VERSION: u32 = 50_700;

/// A parsed statement.
///
/// Literals keep their source text (escapes are not decoded: use [`Normalised::literal_value`] or [`Normalised::value_at`]).
/// `:name` is a placeholder `":name"`; `IN ::list` is an `InList` of the one placeholder `"::list"`. `||` is OR unless the
/// mode says otherwise; `LOCK IN SHARE MODE` is `FOR SHARE`. Variables are identifiers `@x`, `@@global.x`.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The tree. Some 3 KB: plans do not keep it.
    pub statement: Box<Statement>,
}

/// From sqlparser's locations to bytes, literals and anchors of the statement that was parsed.
#[derive(Debug, Clone, Copy)]
pub struct SourceMap<'a> {
    statement: &'a Normalised,
}

/// Parses the body of `statement`.
///
/// # Errors
/// [`SqlError::Syntax`] with the position and the text from there; [`SqlError::Unsupported`] for a version comment that not every server runs.
pub fn parse(statement: &Normalised) -> Result<Parsed, SqlError> {
    let text = &*statement.text;
    let (tokens, bare) = nodes(statement)?;
    let dialect = ServerDialect::default();
    let options = ParserOptions::new().with_unescape(false);
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(MAX_NESTING)
        .with_options(options)
        .with_tokens_with_locations(tokens);
    let mut parsed = parser.parse_statement().map_err(|error| error_of(statement, &error))?;
    let rest = parser.peek_token();
    if rest.token != Node::EOF {
        let position = rest.span.start.column.saturating_sub(1) as usize;
        return Err(SqlError::syntax(text, position, "the statement should end before this"));
    }
    spelling::nested(&mut parsed, &bare);
    refuse_reserved_tables(statement, &parsed)?;
    Ok(Parsed { statement: Box::new(parsed) })
}

/// Words that MySQL reserves, and sqlparser takes for the name of a table: in `SELECT a FROM FROM t` a word is missing.
const NO_TABLES: [&str; 11] = ["from", "group", "order", "by", "on", "union", "and", "or", "set", "as", "select"];

fn refuse_reserved_tables(statement: &Normalised, parsed: &Statement) -> Result<(), SqlError> {
    let flow = visit_relations(parsed, |name| {
        let reserved = name.0.iter().filter_map(|part| part.as_ident()).find(|ident| {
            ident.quote_style.is_none() && NO_TABLES.iter().any(|word| word.eq_ignore_ascii_case(&ident.value))
        });
        match reserved.and_then(|ident| SourceMap::new(statement).byte(ident.span.start)) {
            Some(position) => ControlFlow::Break(position),
            None => ControlFlow::Continue(()),
        }
    });
    match flow {
        ControlFlow::Break(position) => Err(SqlError::syntax(&statement.text, position, "a table was expected")),
        ControlFlow::Continue(()) => Ok(()),
    }
}

impl<'a> SourceMap<'a> {
    /// The map of the statement that was parsed.
    pub fn new(statement: &'a Normalised) -> SourceMap<'a> {
        SourceMap { statement }
    }

    /// The bytes of a node; `None` if sqlparser has no place for it.
    pub fn bytes(&self, span: Span) -> Option<Range<usize>> {
        let (start, end) = (self.byte(span.start)?, self.byte(span.end)?);
        (start <= end).then_some(start..end)
    }

    /// The byte of a location; `None` if it is empty.
    pub fn byte(&self, location: Location) -> Option<usize> {
        let byte = usize::try_from(location.column).ok()?.checked_sub(1)?;
        (location.line == 1 && byte <= self.statement.text.len()).then_some(byte)
    }

    /// Where a node stands in every statement with the same key.
    pub fn anchors(&self, span: Span) -> Option<(Anchor, Anchor)> {
        let bytes = self.bytes(span)?;
        Some((self.statement.anchor(bytes.start), self.statement.anchor(bytes.end)))
    }

    /// The index of the literal that a node is, or stands in; `None` if the key holds it.
    pub fn literal(&self, span: Span) -> Option<usize> {
        self.statement.literal_at(self.bytes(span)?.start)
    }

    /// The source text of a node.
    pub fn text(&self, span: Span) -> Option<&'a str> {
        self.statement.text.get(self.bytes(span)?)
    }
}

/// Refuses a text once its lexer has entered a version comment that not every server runs.
pub(crate) fn refuse_disputed_versions(lexer: &Lexer<'_>) -> Result<(), SqlError> {
    if lexer.newest_version() < FIRST_DISPUTED_VERSION {
        return Ok(());
    }
    Err(SqlError::Unsupported {
        what: "a version comment that only some servers run".to_owned(),
        remedy: "write the statement without it",
    })
}

/// The body's tokens as sqlparser has them, and where tables begin that stand in parentheses alone.
fn nodes(statement: &Normalised) -> Result<(Vec<TokenWithSpan>, Vec<Location>), SqlError> {
    let text = &*statement.text;
    let mut lexer = Lexer::expanding(&text.as_bytes()[..statement.body.end], statement.mode);
    lexer.seek(statement.body.start);
    let mut out = Vec::with_capacity(statement.body.len() / 4 + 4);
    while let Some(token) = lexer.next_token()? {
        refuse_disputed_versions(&lexer)?;
        push_node(&mut out, text, token, statement.mode)?;
    }
    replace_share_mode(&mut out);
    spelling::without_dual(&mut out);
    spelling::without_modifiers(&mut out);
    spelling::returning_first(&mut out);
    join_updated_tables(&mut out);
    spelling::plain_units(&mut out);
    spelling::quoted_units(&mut out);
    let bare = spelling::bare_tables(&mut out);
    Ok((out, bare))
}

fn push_node(out: &mut Vec<TokenWithSpan>, text: &str, token: Token, mode: LexMode) -> Result<(), SqlError> {
    let source = &text[token.start..token.end];
    let inside = |skip: usize| source.get(skip..source.len().saturating_sub(1)).unwrap_or_default().to_owned();
    let span = span_of(token.start, token.end);
    let node = match token.kind {
        TokenKind::Comment | TokenKind::Hint => return Ok(()),
        TokenKind::Word | TokenKind::UserVariable | TokenKind::SystemVariable => Node::make_word(source, None),
        TokenKind::QuotedName => Node::make_word(&unquote_name(source), Some('`')),
        TokenKind::String if source.starts_with('"') => Node::DoubleQuotedString(inside(1)),
        TokenKind::String => Node::SingleQuotedString(inside(1)),
        TokenKind::National => Node::NationalStringLiteral(inside(2)),
        TokenKind::Hex if source.starts_with('0') => Node::HexStringLiteral(source[2..].to_owned()),
        TokenKind::Hex => Node::HexStringLiteral(inside(2)),
        TokenKind::Bits if source.starts_with('0') => Node::SingleQuotedByteStringLiteral(source[2..].to_owned()),
        TokenKind::Bits => Node::SingleQuotedByteStringLiteral(inside(2)),
        TokenKind::Integer | TokenKind::Decimal | TokenKind::Float => Node::Number(source.to_owned(), false),
        TokenKind::Bind => Node::Placeholder(source.to_owned()),
        TokenKind::ListBind => {
            out.push(TokenWithSpan::new(Node::LParen, span));
            out.push(TokenWithSpan::new(Node::Placeholder(source.to_owned()), span));
            Node::RParen
        }
        TokenKind::Open => Node::LParen,
        TokenKind::Close => Node::RParen,
        TokenKind::Comma => Node::Comma,
        TokenKind::Semicolon => Node::SemiColon,
        TokenKind::Dot => Node::Period,
        TokenKind::Operator | TokenKind::VersionComment => match operator(source, mode) {
            Some(node) => node,
            None => return Err(SqlError::syntax(text, token.start, "no operator of MySQL begins like this")),
        },
    };
    out.push(TokenWithSpan::new(node, span));
    Ok(())
}

fn operator(source: &str, mode: LexMode) -> Option<Node> {
    Some(match source {
        "=" => Node::Eq,
        "<=>" => Node::Spaceship,
        "<>" | "!=" => Node::Neq,
        "<" => Node::Lt,
        ">" => Node::Gt,
        "<=" => Node::LtEq,
        ">=" => Node::GtEq,
        "<<" => Node::ShiftLeft,
        ">>" => Node::ShiftRight,
        "+" => Node::Plus,
        "-" => Node::Minus,
        "*" => Node::Mul,
        "/" => Node::Div,
        "%" => Node::Mod,
        "||" if mode.pipes_as_concat => Node::StringConcat,
        "||" => Node::make_keyword("OR"),
        "&&" => Node::make_keyword("AND"),
        "&" => Node::Ampersand,
        "|" => Node::Pipe,
        "^" => Node::Caret,
        "~" => Node::Tilde,
        "!" => Node::ExclamationMark,
        ":=" => Node::Assignment,
        "->" => Node::Arrow,
        "->>" => Node::LongArrow,
        "?" => Node::Placeholder("?".to_owned()),
        "{" => Node::LBrace,
        "}" => Node::RBrace,
        "@" => Node::AtSign,
        _ => return None,
    })
}

fn span_of(start: usize, end: usize) -> Span {
    Span::new(Location::new(1, start as u64 + 1), Location::new(1, end as u64 + 1))
}

/// `LOCK IN SHARE MODE` to `FOR SHARE`, which sqlparser knows and which means the same to a plan.
fn replace_share_mode(tokens: &mut Vec<TokenWithSpan>) {
    let is = |token: &TokenWithSpan, keyword| matches!(&token.token, Node::Word(word) if word.keyword == keyword && word.quote_style.is_none());
    let named = |token: &TokenWithSpan, name: &str| matches!(&token.token, Node::Word(word) if word.value.eq_ignore_ascii_case(name));
    let mut kept = 0;
    let mut read = 0;
    while read < tokens.len() {
        let share = tokens.get(read..read + 4).is_some_and(|window| {
            is(&window[0], Keyword::LOCK)
                && is(&window[1], Keyword::IN)
                && is(&window[2], Keyword::SHARE)
                && named(&window[3], "MODE")
        });
        if share {
            tokens[read].token = Node::make_keyword("FOR");
            tokens[read + 1].token = Node::make_keyword("SHARE");
            tokens.swap(kept, read);
            tokens.swap(kept + 1, read + 1);
            kept += 2;
            read += 4;
        } else {
            tokens.swap(kept, read);
            kept += 1;
            read += 1;
        }
    }
    tokens.truncate(kept);
}

/// `UPDATE a, b SET` to `UPDATE a CROSS JOIN b SET`, which sqlparser knows. Behind a comma, RIGHT JOIN would keep other rows so: that stays.
fn join_updated_tables(tokens: &mut Vec<TokenWithSpan>) {
    let is = |token: &TokenWithSpan, keyword| matches!(&token.token, Node::Word(word) if word.keyword == keyword && word.quote_style.is_none());
    if !tokens.first().is_some_and(|token| is(token, Keyword::UPDATE)) {
        return;
    }
    let (mut depth, mut commas) = (0, Vec::new());
    for (index, token) in tokens.iter().enumerate() {
        match &token.token {
            Node::LParen => depth += 1,
            Node::RParen => depth -= 1,
            Node::Comma if depth == 0 => commas.push(index),
            _ if depth == 0 && is(token, Keyword::RIGHT) => return,
            _ if depth == 0 && is(token, Keyword::SET) => break,
            _ => {}
        }
    }
    for index in commas.into_iter().rev() {
        let span = tokens[index].span;
        tokens[index].token = Node::make_keyword("CROSS");
        tokens.insert(index + 1, TokenWithSpan { token: Node::make_keyword("JOIN"), span });
    }
}

/// sqlparser tells the place in its message only.
fn error_of(statement: &Normalised, error: &ParserError) -> SqlError {
    let text = &*statement.text;
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return SqlError::Unsupported {
                what: format!("nesting deeper than {MAX_NESTING} levels"),
                remedy: "write it flatter",
            };
        }
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
    };
    let (reason, column) = match message.split_once(" at Line: ") {
        Some((reason, place)) => (reason, place.rsplit(' ').next().and_then(|column| column.parse::<usize>().ok())),
        None => (message.as_str(), None),
    };
    let position = match column {
        Some(column) if column > 0 => column - 1,
        _ => statement.body.end,
    };
    SqlError::syntax(
        text,
        position,
        reason.strip_prefix("Expected: ").map_or(reason.to_owned(), |rest| format!("expected {rest}")),
    )
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::lexer::LexMode;
    use crate::normalise::normalise;

    #[test]
    fn parses_what_mysql_parses() {
        for sql in [
            "select 1",
            "select !a from t",
            "select a from t where id in ::ids and b = :b",
            "select a ^ 2 * 3 || b and c",
            "select a from t where id = 5 lock in share mode",
            "select `a b`, \"x\" 'y' from t where a = 'it\\'s'",
            "insert into t (a, b) values (1, 'x'), (2, _utf8mb4'y') on duplicate key update a = values(a)",
            "select @x, @@session.sql_mode, 0x1f, x'ff', b'01', 0b1, 1e3, .5, N'n'",
            "update t set a = 1 where id = 3 limit 1",
            "update a, b as c left join d on d.x = c.x, (select 1, 2) e set a.x = 1, c.y = (select 1, 2) where a.id = c.id",
            "delete from t where id = 1",
            "select /*!40001 SQL_NO_CACHE */ * from t limit ?",
            "replace into t values (:a, :b)",
            "select a->'$.x', a->>'$.y' from t where d > date '2020-01-01' - interval 1 day",
        ] {
            let statement = normalise(sql.into(), LexMode::default()).unwrap();
            if let Err(error) = parse(&statement) {
                panic!("{sql}: {error}");
            }
        }
    }

    #[test]
    fn caret_and_pipes_bind_as_in_mysql() {
        for (sql, want) in [
            ("select a ^ 2 * 3", "SELECT a ^ 2 * 3"),
            ("select a || b and c", "SELECT a OR b AND c"),
            ("select !a = b", "SELECT NOT a = b"),
        ] {
            let parsed = parse(&normalise(sql.into(), LexMode::default()).unwrap()).unwrap();
            assert_eq!(parsed.statement.to_string(), want);
        }
    }

    #[test]
    fn deep_nesting_is_an_error_on_a_small_stack() {
        let run = || {
            for (open, close) in [("(", ")"), ("(select ", ")"), ("not ", ""), ("!", ""), ("- ", "")] {
                let sql = format!("select {}1{}", open.repeat(2000), close.repeat(2000));
                drop(parse(&normalise(sql.into(), LexMode::default()).unwrap()));
            }
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
    }

    #[test]
    fn errors_name_the_word() {
        let statement = normalise("select a\nfrom t wher b = 1".into(), LexMode::default()).unwrap();
        let message = parse(&statement).unwrap_err().to_string();
        assert!(
            message.starts_with("syntax error near 'b = 1' at line 2")
                || message.starts_with("syntax error near 'wher"),
            "{message}"
        );
    }
}
