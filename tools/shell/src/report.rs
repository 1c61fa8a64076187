//! How an error is told: what the server said, the line that it is about with a caret below, and where that line stands.

use nu_ansi_term::{Color, Style};
use unicode_width::UnicodeWidthStr;
use vitrail_client::Error;
use vitrail_sql::lexer::TokenKind;

use crate::input::Statement;
use crate::lexing::{Tokens, unquoted};
use crate::terminal::{dim, painted};

/// Columns of a quoted line before and after its caret.
const AROUND: usize = 60;

/// The error of a statement, for people. `file` is where the statement was read, if not from a prompt.
pub fn failure(error: &Error, statement: &Statement, file: Option<&str>, colour: bool) -> String {
    let text = error.to_string();
    let rest = text.strip_prefix("ERROR ").unwrap_or(&text);
    let mut told = format!("{} {rest}", painted("ERROR", Style::new().bold().fg(Color::Red), colour));
    let place = place(error.message(), &statement.text);
    if let Some(at) = place {
        told += &caret(&statement.text, at, colour);
    }
    if let Some(file) = file {
        let line = statement.line + place.map_or(0, |at| statement.text[..at].matches('\n').count());
        told += &format!("\n  at {file}, line {line}");
    }
    told
}

/// Where in the statement a message points, in bytes.
fn place(message: &str, sql: &str) -> Option<usize> {
    if let Some((_, rest)) = message.split_once("at byte ") {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return digits.parse().ok().filter(|at| sql.is_char_boundary(*at));
    }
    if let Some((_, rest)) = message.split_once("near '") {
        let (near, line) = match rest.rsplit_once("' at line ") {
            Some((near, line)) => {
                (near, line.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok())
            }
            None => (rest.rsplit_once("': ").map_or(rest, |(near, _)| near), None),
        };
        let line_start = line.and_then(|line: usize| start_of_line(sql, line)).unwrap_or(0);
        if near.is_empty() {
            return Some(sql.trim_end().len());
        }
        // The server counts lines from the place of the error; a quoted part may begin before it only by blanks.
        return sql[line_start..].find(near).map(|at| line_start + at).or_else(|| sql.find(near));
    }
    // A name that occurs once can only be that one.
    let (_, rest) = message.split_once(['\'', '`'])?;
    let name = rest.split(['\'', '`']).next()?;
    let name = name.rsplit('.').next().filter(|name| !name.is_empty())?;
    let tokens = Tokens::of(sql);
    let mut named = tokens.meaningful().filter(|token| {
        matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
            && unquoted(tokens.source(*token)).eq_ignore_ascii_case(name)
    });
    match (named.next(), named.next()) {
        (Some(token), None) => Some(token.start),
        _ => None,
    }
}

fn start_of_line(sql: &str, line: usize) -> Option<usize> {
    std::iter::once(0).chain(sql.match_indices('\n').map(|(at, _)| at + 1)).nth(line.checked_sub(1)?)
}

/// The line of a place, and a caret below it.
fn caret(sql: &str, at: usize, colour: bool) -> String {
    let start = sql[..at].rfind('\n').map_or(0, |line| line + 1);
    let end = sql[at..].find('\n').map_or(sql.len(), |length| at + length);
    let flat = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let (before, after) = (flat(&sql[start..at]), flat(&sql[at..end]));
    let skipped = before.chars().count().saturating_sub(AROUND);
    let shown: String = before.chars().skip(skipped).collect();
    let shown = if skipped > 0 { format!("…{shown}") } else { shown };
    let rest: String = after.chars().take(AROUND).collect();
    let more = if after.chars().count() > AROUND { "…" } else { "" };
    let arrow = painted("^", Style::new().bold().fg(Color::Red), colour);
    format!("\n  {}\n  {}{arrow}", painted(&format!("{shown}{rest}{more}"), dim(), colour), " ".repeat(shown.width()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointed(message: &str, sql: &str) -> Option<String> {
        place(message, sql).map(|at| caret(sql, at, false))
    }

    #[test]
    fn a_caret_stands_below_what_is_wrong() {
        let cases = [
            (
                "syntax error near 'c FROM flight' at line 1: the statement should end before this",
                "SELECT a b c FROM flight",
                "\n  SELECT a b c FROM flight\n             ^",
            ),
            (
                "You have an error in your SQL syntax; … to use near '* from x' at line 2",
                "select * from x,\n  (select 1 + * from x) y",
                "\n    (select 1 + * from x) y\n                ^",
            ),
            ("… near '' at line 1", "select 1 +", "\n  select 1 +\n            ^"),
            ("syntax error near 'SELCT 1': no statement begins like this", "SELCT 1", "\n  SELCT 1\n  ^"),
            ("a string that begins at byte 7 has no end; close it", "SELECT 'abc", "\n  SELECT 'abc\n         ^"),
            ("Unknown column 'y' in 'WHERE'", "SELECT x FROM\nt WHERE y = 'y'", "\n  t WHERE y = 'y'\n          ^"),
            (
                "Table 'shop.nope' doesn't exist",
                "SELECT '東京' FROM nope",
                "\n  SELECT '東京' FROM nope\n                     ^",
            ),
        ];
        for (message, sql, expected) in cases {
            assert_eq!(pointed(message, sql).as_deref(), Some(expected), "{message}");
        }
        assert_eq!(pointed("Unknown column 'a' in 'SELECT'", "select a from t order by a"), None, "which of them?");
        assert_eq!(pointed("the deadline has passed", "select 1"), None);
    }

    #[test]
    fn long_lines_are_shown_around_the_caret() {
        let sql = format!("select {} oops {}", "x, ".repeat(100), "y ".repeat(100));
        let shown = pointed("Unknown column 'oops'", &sql).unwrap();
        let lines: Vec<&str> = shown.lines().skip(1).collect();
        assert!(
            lines[0].width() <= 2 * AROUND + 4 && lines[0].starts_with("  …") && lines[0].ends_with('…'),
            "{shown}"
        );
        assert_eq!(lines[0].chars().nth(lines[1].chars().count() - 1), Some('o'));
    }
}
