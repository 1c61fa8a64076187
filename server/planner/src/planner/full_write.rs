//! Whether an UPDATE or DELETE says which rows it means, by its tokens alone: the same answer for what the parser reads and what it does not.

use vitrail_sql::lexer::TokenKind;
use vitrail_sql::normalise::StatementKind;

use super::text::Text;

/// Words of a condition that name nothing.
const CONSTANT: [&str; 16] = [
    "AND", "OR", "NOT", "XOR", "TRUE", "FALSE", "NULL", "UNKNOWN", "IS", "IN", "LIKE", "BETWEEN", "DIV", "MOD",
    "BINARY", "ESCAPE",
];

/// An UPDATE or DELETE that may change every row of its table: without LIMIT, without a condition of a join, and without a WHERE that
/// names anything (`WHERE 1 = 1` names nothing). The verb, if so.
pub(super) fn verb(text: &Text<'_>) -> Option<&'static str> {
    let verb = match text.statement.kind {
        StatementKind::Update => "UPDATE",
        StatementKind::Delete => "DELETE",
        _ => return None,
    };
    let (mut depth, mut condition) = (0, false);
    for (index, token) in text.tokens.iter().enumerate() {
        depth += text.nesting(token);
        let is = |word: &str| text.is_word(token, word);
        if depth == 0 {
            let opens = || text.tokens.get(index + 1).is_some_and(|next| next.kind == TokenKind::Open);
            if is("LIMIT") || is("ON") || is("USING") && opens() {
                return None;
            }
            if is("WHERE") {
                condition = true;
                continue;
            }
            if is("ORDER") || is("RETURNING") {
                condition = false;
            }
        }
        let names = match token.kind {
            TokenKind::Word => !CONSTANT.iter().any(|word| is(word)),
            TokenKind::QuotedName => true,
            _ => false,
        };
        if condition && names {
            return None;
        }
    }
    Some(verb)
}
