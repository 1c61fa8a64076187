//! Paints what is typed.

use std::sync::Arc;

use nu_ansi_term::{Color, Style};
use parking_lot::RwLock;
use reedline::{Highlighter, StyledText};
use vitrail_sql::lexer::{Token, TokenKind};

use crate::complete::Around;
use crate::keywords::{is_function, is_keyword};
use crate::lexing::Tokens;

/// Paints SQL by its tokens, and backslash commands.
pub struct SqlHighlighter {
    /// Else the text stays as it is.
    pub paints: bool,
    /// Told what is typed.
    pub around: Arc<RwLock<Around>>,
}

impl Highlighter for SqlHighlighter {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        line.clone_into(&mut self.around.write().typed);
        let mut styled = StyledText::new();
        for (part, text) in parts(line) {
            styled.push((if self.paints { style(part) } else { Style::new() }, text.to_owned()));
        }
        styled
    }
}

/// What a part of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Blanks, names, operators.
    Plain,
    /// A word of SQL.
    Keyword,
    /// A function.
    Function,
    /// A number.
    Number,
    /// A string, a blob, a date.
    Text,
    /// A name in backticks.
    Name,
    /// `@x`, `@@x`, `:x`.
    Variable,
    /// A comment.
    Comment,
    /// A backslash command.
    Command,
}

fn style(part: Part) -> Style {
    match part {
        Part::Plain => Style::new(),
        Part::Keyword => Style::new().bold().fg(Color::Blue),
        Part::Function => Style::new().fg(Color::Cyan),
        Part::Number => Style::new().fg(Color::Magenta),
        Part::Text => Style::new().fg(Color::Green),
        Part::Name => Style::new().fg(Color::Yellow),
        Part::Variable => Style::new().fg(Color::Purple),
        Part::Comment => Style::new().fg(Color::DarkGray),
        Part::Command => Style::new().bold().fg(Color::Cyan),
    }
}

/// The parts of a line, in order; together they are the line.
fn parts(line: &str) -> Vec<(Part, &str)> {
    if line.trim_start().starts_with('\\') {
        let begin = line.len() - line.trim_start().len();
        let end = line[begin..].find(char::is_whitespace).map_or(line.len(), |length| begin + length);
        return [(Part::Command, &line[..end]), (Part::Plain, &line[end..])].into();
    }
    let tokens = Tokens::of(line);
    let mut parts = Vec::new();
    let mut at = 0;
    for (index, token) in tokens.list.iter().enumerate() {
        parts.push((Part::Plain, &line[at..token.start]));
        parts.push((part(&tokens, index, *token), tokens.source(*token)));
        at = token.end;
    }
    let open = tokens.open.unwrap_or(line.len());
    if at < open {
        parts.push((Part::Plain, &line[at..open]));
    }
    // What has no end yet is painted as what it will be.
    let unfinished = &line[open.max(at)..];
    parts.push(match unfinished.as_bytes().first() {
        Some(b'`') => (Part::Name, unfinished),
        Some(b'/') => (Part::Comment, unfinished),
        _ => (Part::Text, unfinished),
    });
    parts.retain(|(_, text)| !text.is_empty());
    parts
}

fn part(tokens: &Tokens<'_>, index: usize, token: Token) -> Part {
    match token.kind {
        TokenKind::Word => {
            let word = tokens.source(token);
            let after_dot = index > 0 && tokens.list[index - 1].kind == TokenKind::Dot;
            let called = tokens.list.get(index + 1).is_some_and(|next| next.kind == TokenKind::Open);
            if after_dot {
                Part::Plain
            } else if called && is_function(word) {
                Part::Function
            } else if is_keyword(word) {
                Part::Keyword
            } else {
                Part::Plain
            }
        }
        TokenKind::QuotedName => Part::Name,
        TokenKind::String | TokenKind::National | TokenKind::Hex | TokenKind::Bits => Part::Text,
        TokenKind::Integer | TokenKind::Decimal | TokenKind::Float => Part::Number,
        TokenKind::UserVariable | TokenKind::SystemVariable | TokenKind::Bind | TokenKind::ListBind => Part::Variable,
        TokenKind::Comment | TokenKind::Hint | TokenKind::VersionComment => Part::Comment,
        TokenKind::Open
        | TokenKind::Close
        | TokenKind::Comma
        | TokenKind::Semicolon
        | TokenKind::Dot
        | TokenKind::Operator => Part::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts that are not plain.
    fn painted(line: &str) -> Vec<(Part, &str)> {
        let all = parts(line);
        assert_eq!(all.iter().map(|(_, text)| *text).collect::<String>(), line, "nothing is lost");
        all.into_iter().filter(|(part, _)| *part != Part::Plain).collect()
    }

    #[test]
    fn parts_are_told_apart() {
        assert_eq!(
            painted("select count(*), t.`a b`, t.left from t where x = 'é' and y > 1.5 -- z"),
            [
                (Part::Keyword, "select"),
                (Part::Function, "count"),
                (Part::Name, "`a b`"),
                (Part::Keyword, "from"),
                (Part::Keyword, "where"),
                (Part::Text, "'é'"),
                (Part::Keyword, "and"),
                (Part::Number, "1.5"),
                (Part::Comment, "-- z"),
            ]
        );
        assert_eq!(painted("set @a := :b"), [(Part::Keyword, "set"), (Part::Variable, "@a"), (Part::Variable, ":b")]);
        assert_eq!(painted("  \\d flight"), [(Part::Command, "  \\d")]);
    }

    #[test]
    fn what_is_half_typed_is_painted_as_what_it_will_be() {
        assert_eq!(painted("select 'it"), [(Part::Keyword, "select"), (Part::Text, "'it")]);
        assert_eq!(painted("select `a"), [(Part::Keyword, "select"), (Part::Name, "`a")]);
        assert_eq!(painted("/* a"), [(Part::Comment, "/* a")]);
        assert_eq!(painted("select \\ 1"), [(Part::Keyword, "select"), (Part::Number, "1")]);
        assert_eq!(painted(""), []);
    }
}
