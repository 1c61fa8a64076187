//! Splits what people type or pipe into statements: at `;`, or at `\G` for one column a line.

/// A complete statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text, without the terminator.
    pub text: String,
    /// It ended with `\G`.
    pub vertical: bool,
    /// The line of the input on which it begins, from 1.
    pub line: usize,
}

/// Where the scanner stands between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Text,
    /// In a string or a quoted name, by its quote.
    Quoted(u8),
    /// In a comment to the end of the line.
    LineComment,
    /// In `/* … */`.
    BlockComment,
}

/// Collects input and gives out statements as they become complete.
#[derive(Debug)]
pub struct Splitter {
    buffer: String,
    /// Bytes of `buffer` that were scanned.
    scanned: usize,
    within: Within,
    /// Line breaks in what was given out already.
    lines: usize,
}

impl Default for Splitter {
    fn default() -> Self {
        Splitter { buffer: String::new(), scanned: 0, within: Within::Text, lines: 0 }
    }
}

impl Splitter {
    /// Adds input, and gives out the statements that are now complete.
    pub fn push(&mut self, input: &str) -> Vec<Statement> {
        self.buffer.push_str(input);
        let mut complete = Vec::new();
        while let Some((end, next, vertical)) = self.terminator() {
            let text: String = self.buffer[..end].to_owned();
            self.give(&text, vertical, &mut complete);
            self.lines += self.buffer[..next].matches('\n').count();
            self.buffer.drain(..next);
            self.scanned = 0;
        }
        complete
    }

    /// The end of the input: what is left is a statement, unless it is blank.
    pub fn finish(&mut self) -> Option<Statement> {
        let text = std::mem::take(&mut self.buffer);
        self.scanned = 0;
        self.within = Within::Text;
        let mut complete = Vec::new();
        self.give(&text, false, &mut complete);
        complete.pop()
    }

    /// Nothing has been typed but blanks.
    pub fn is_blank(&self) -> bool {
        self.buffer.trim().is_empty()
    }

    /// Forgets what was typed.
    pub fn clear(&mut self) {
        *self = Splitter::default();
    }

    fn give(&self, text: &str, vertical: bool, complete: &mut Vec<Statement>) {
        let trimmed = text.trim();
        if !trimmed.is_empty() && !only_comments(trimmed) {
            let lead = &text[..text.len() - text.trim_start().len()];
            let line = self.lines + lead.matches('\n').count() + 1;
            complete.push(Statement { text: trimmed.to_owned(), vertical, line });
        }
    }

    /// Scans on: (end of the statement, begin of the next, whether it was `\G`).
    fn terminator(&mut self) -> Option<(usize, usize, bool)> {
        let bytes = self.buffer.as_bytes();
        let (mut at, mut within) = (self.scanned, self.within);
        while at < bytes.len() {
            let next = bytes.get(at + 1).copied();
            let step = match (within, bytes[at]) {
                (Within::Text, b';') => {
                    self.within = within;
                    return Some((at, at + 1, false));
                }
                (Within::Text, b'\\') if next == Some(b'G') => {
                    self.within = within;
                    return Some((at, at + 2, true));
                }
                // What follows decides, and is not there yet.
                (Within::Text, b'\\' | b'-' | b'/') | (Within::BlockComment, b'*') if next.is_none() => break,
                (Within::Text, quote @ (b'\'' | b'"' | b'`')) => enter(&mut within, Within::Quoted(quote), 1),
                (Within::Text, b'#') => enter(&mut within, Within::LineComment, 1),
                (Within::Text, b'-') if next == Some(b'-') => match bytes.get(at + 2) {
                    None => break,
                    Some(blank) if blank.is_ascii_whitespace() => enter(&mut within, Within::LineComment, 2),
                    Some(_) => 1,
                },
                (Within::Text, b'/') if next == Some(b'*') => enter(&mut within, Within::BlockComment, 2),
                (Within::Quoted(quote), b'\\') if quote != b'`' => {
                    if next.is_none() {
                        break;
                    }
                    2
                }
                (Within::Quoted(quote), byte) if byte == quote => enter(&mut within, Within::Text, 1),
                (Within::LineComment, b'\n') => enter(&mut within, Within::Text, 1),
                (Within::BlockComment, b'*') if next == Some(b'/') => enter(&mut within, Within::Text, 2),
                _ => 1,
            };
            at += step;
        }
        self.scanned = at;
        self.within = within;
        None
    }
}

/// Changes the place and says how far to step.
fn enter(within: &mut Within, place: Within, step: usize) -> usize {
    *within = place;
    step
}

/// Whether there is nothing to run. A version comment (`/*! … */`) is run.
fn only_comments(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        if rest.is_empty() {
            return true;
        }
        let after = if rest.starts_with('#') || rest.starts_with("-- ") || rest == "--" || rest.starts_with("--\n") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if rest.starts_with("/*") && !rest.starts_with("/*!") {
            rest.split_once("*/").map_or("", |(_, after)| after)
        } else {
            return false;
        };
        rest = after.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, whether it ended with `\G`, and the line on which it begins.
    type Piece<'a> = (&'a str, bool, usize);

    fn split(input: &str) -> Vec<(String, bool, usize)> {
        let mut splitter = Splitter::default();
        let mut found = splitter.push(input);
        found.extend(splitter.finish());
        found.into_iter().map(|statement| (statement.text, statement.vertical, statement.line)).collect()
    }

    #[test]
    fn terminators_count_outside_of_strings_and_comments_only() {
        let cases: &[(&str, &[Piece<'_>])] = &[
            ("select 1", &[("select 1", false, 1)]),
            ("select 1; select 2;", &[("select 1", false, 1), ("select 2", false, 1)]),
            ("select 1\\G select 2;\n", &[("select 1", true, 1), ("select 2", false, 1)]),
            ("select ';', \"a;b\", `c;d`;", &[("select ';', \"a;b\", `c;d`", false, 1)]),
            ("select 'it''s;', 'a\\';b';", &[("select 'it''s;', 'a\\';b'", false, 1)]),
            (
                "-- one; two\nselect 1; # three; four\n\nselect 2",
                &[("-- one; two\nselect 1", false, 1), ("# three; four\n\nselect 2", false, 2)],
            ),
            ("select 1 /* ; */ + 2;", &[("select 1 /* ; */ + 2", false, 1)]),
            ("select 5--1;", &[("select 5--1", false, 1)]),
            (";;\n;", &[]),
            ("-- nothing\n", &[]),
            ("/* nothing */", &[]),
            ("/*! select 1 */;", &[("/*! select 1 */", false, 1)]),
        ];
        for (input, expected) in cases {
            let expected: Vec<_> =
                expected.iter().map(|(text, vertical, line)| (text.to_string(), *vertical, *line)).collect();
            assert_eq!(split(input), expected, "{input:?}");
        }
    }

    #[test]
    fn the_pieces_in_which_input_arrives_do_not_matter() {
        let input = "select 'a\\'; é' /* ; */; -- x;\nselect 2\\G\nselect \"b;\";";
        let whole = split(input);
        let mut splitter = Splitter::default();
        let mut found = Vec::new();
        for character in input.chars() {
            found.extend(splitter.push(character.encode_utf8(&mut [0; 4])));
        }
        found.extend(splitter.finish());
        let found: Vec<_> =
            found.into_iter().map(|statement| (statement.text, statement.vertical, statement.line)).collect();
        assert_eq!(found, whole);
    }
}
