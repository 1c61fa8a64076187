//! Splits what people type or pipe into statements and backslash commands.
//!
//! A statement ends at the delimiter (`;`), at `\g`, or at `\G` for one column a line. A command begins with a backslash where a statement could begin, and takes
//! the rest of its line; a few also end the statement before them (`SELECT 1 \watch 2`), which they then take. What mysql's
//! users type without a semicolon (`use shop`, `source dump.sql`, `delimiter //`) is understood where it fills a line.

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

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// SQL for the server.
    Statement(Statement),
    /// A command of the shell.
    Command {
        /// The line, from its backslash.
        text: String,
        /// The statement that stood before it on the line.
        before: Option<Statement>,
        /// The line of the input, from 1.
        line: usize,
    },
}

/// Commands that may end a statement.
const AFTER_STATEMENT: [&str; 5] = ["watch", "explain", "e", "edit", "fs"];

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

/// What the scanner came upon: where the statement ends and where the next thing begins.
enum Found {
    Statement { end: usize, next: usize, vertical: bool },
    Command { end: usize, next: usize, text: String },
    Delimiter { next: usize, text: String },
}

/// Collects input and gives out what has become complete.
#[derive(Debug)]
pub struct Splitter {
    buffer: String,
    /// Bytes of `buffer` that were scanned.
    scanned: usize,
    within: Within,
    /// Something other than blanks and comments was seen since the last statement.
    begun: bool,
    /// Ends a statement.
    delimiter: String,
    /// Line breaks in what was given out already.
    lines: usize,
    /// Nothing more will come: the last line needs no line break.
    ending: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Splitter {
            buffer: String::new(),
            scanned: 0,
            within: Within::Text,
            begun: false,
            delimiter: ";".into(),
            lines: 0,
            ending: false,
        }
    }
}

impl Splitter {
    /// Everything in a text that is all there is.
    pub fn all(text: &str) -> Vec<Input> {
        let mut splitter = Splitter::default();
        let mut found = splitter.push(text);
        found.extend(splitter.finish());
        found
    }

    /// Adds input, and gives out what is now complete.
    pub fn push(&mut self, input: &str) -> Vec<Input> {
        self.buffer.push_str(input);
        let mut complete = Vec::new();
        while let Some(found) = self.scan() {
            let next = match found {
                Found::Statement { end, next, vertical } => {
                    complete.extend(self.statement(end, vertical).map(Input::Statement));
                    next
                }
                Found::Command { end, next, text } => {
                    let before = self.statement(end, false);
                    let line = self.lines + self.buffer[..end].matches('\n').count() + 1;
                    complete.push(Input::Command { text, before, line });
                    next
                }
                Found::Delimiter { next, text } => {
                    self.delimiter = text;
                    next
                }
            };
            self.lines += self.buffer[..next].matches('\n').count();
            self.buffer.drain(..next);
            self.scanned = 0;
            self.begun = false;
        }
        complete
    }

    /// The end of the input: what is left is a statement, unless it is blank.
    pub fn finish(&mut self) -> Vec<Input> {
        self.ending = true;
        let mut complete = self.push("");
        complete.extend(self.statement(self.buffer.len(), false).map(Input::Statement));
        let delimiter = std::mem::take(&mut self.delimiter);
        *self = Splitter { delimiter, ..Splitter::default() };
        complete
    }

    /// Whether what is left is only blanks and comments.
    pub fn is_blank(&self) -> bool {
        !self.begun && self.within != Within::BlockComment
    }

    /// A splitter with the delimiter of this one, for a text of its own.
    pub fn fresh(&self) -> Splitter {
        Splitter { delimiter: self.delimiter.clone(), ..Splitter::default() }
    }

    fn statement(&self, end: usize, vertical: bool) -> Option<Statement> {
        let text = &self.buffer[..end];
        let trimmed = text.trim();
        if trimmed.is_empty() || only_comments(trimmed) {
            return None;
        }
        let lead = &text[..text.len() - text.trim_start().len()];
        Some(Statement { text: trimmed.to_owned(), vertical, line: self.lines + lead.matches('\n').count() + 1 })
    }

    /// The rest of the line at `at` and where the next line begins; `None` while it is not all there.
    fn line(&self, at: usize) -> Option<(&str, usize)> {
        match self.buffer[at..].find('\n') {
            Some(offset) => Some((self.buffer[at..at + offset].trim_end(), at + offset + 1)),
            None if self.ending => Some((self.buffer[at..].trim_end(), self.buffer.len())),
            None => None,
        }
    }

    /// Scans on to the end of a statement or command.
    fn scan(&mut self) -> Option<Found> {
        let bytes = self.buffer.as_bytes();
        let (mut at, mut within) = (self.scanned, self.within);
        let mut found = None;
        while at < bytes.len() {
            let (byte, next) = (bytes[at], bytes.get(at + 1).copied());
            if within == Within::Text && !byte.is_ascii_whitespace() {
                let comment = matches!(byte, b'#' | b'-' | b'/');
                if !self.begun && !comment {
                    match self.at_beginning(at) {
                        Beginning::Waits => break,
                        Beginning::Is(what) => {
                            found = Some(what);
                            break;
                        }
                        Beginning::Statement => {}
                    }
                }
                let delimiter = self.delimiter.as_bytes();
                if delimiter.starts_with(&bytes[at..]) && bytes.len() - at < delimiter.len() && !self.ending {
                    break;
                }
                if bytes[at..].starts_with(delimiter) {
                    found = Some(Found::Statement { end: at, next: at + self.delimiter.len(), vertical: false });
                    break;
                }
                if byte == b'\\' {
                    match self.after_backslash(at) {
                        Beginning::Waits => break,
                        Beginning::Is(what) => {
                            found = Some(what);
                            break;
                        }
                        Beginning::Statement => {}
                    }
                }
                self.begun |= !comment;
            }
            let step = match (within, byte) {
                // What follows decides, and is not there yet.
                (Within::Text, b'-' | b'/') | (Within::BlockComment, b'*') if next.is_none() && !self.ending => break,
                (Within::Text, quote @ (b'\'' | b'"' | b'`')) => enter(&mut within, Within::Quoted(quote), 1),
                (Within::Text, b'#') => enter(&mut within, Within::LineComment, 1),
                (Within::Text, b'-') if next == Some(b'-') => match bytes.get(at + 2) {
                    None if !self.ending => break,
                    Some(other) if !other.is_ascii_whitespace() => {
                        self.begun = true;
                        1
                    }
                    _ => enter(&mut within, Within::LineComment, 2),
                },
                (Within::Text, b'/') if next == Some(b'*') => {
                    self.begun |= matches!(bytes.get(at + 2), Some(b'!' | b'M'));
                    enter(&mut within, Within::BlockComment, 2)
                }
                (Within::Text, b'-' | b'/') => {
                    self.begun = true;
                    1
                }
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
        found
    }

    /// Where a statement could begin: a command, or a line that mysql's users type without a semicolon.
    fn at_beginning(&self, at: usize) -> Beginning {
        let bytes = self.buffer.as_bytes();
        let rest = &bytes[at..];
        if bytes[at] == b'\\' {
            let ends_statement = matches!(rest.get(1), Some(b'g' | b'G')) && !matches!(rest.get(2), Some(b'a'..=b'z'));
            return match self.line(at) {
                _ if ends_statement => Beginning::Statement,
                Some((text, next)) => Beginning::Is(Found::Command { end: at, next, text: text.to_owned() }),
                None => Beginning::Waits,
            };
        }
        const LINES: [&str; 9] = ["delimiter", "use", "source", "quit", "exit", "help", "status", "clear", "?"];
        let word = rest.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'?').count();
        let word = &self.buffer[at..at + word];
        let may_grow = at + word.len() == self.buffer.len() && !self.ending;
        let candidate = LINES.iter().any(|line| match may_grow {
            true => line.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word)),
            false => line.eq_ignore_ascii_case(word),
        });
        if !candidate {
            return Beginning::Statement;
        }
        let Some((line, next)) = self.line(at) else {
            // `use shop;` is a statement like any other.
            let ended = word.eq_ignore_ascii_case("use") && self.buffer[at..].contains(&self.delimiter);
            return if ended { Beginning::Statement } else { Beginning::Waits };
        };
        let rest = line[word.len()..].trim();
        let word = word.to_ascii_lowercase();
        if word == "delimiter" {
            let text = rest.split_whitespace().next().unwrap_or(";").to_owned();
            return Beginning::Is(Found::Delimiter { next, text });
        }
        let rest = rest.strip_suffix(&self.delimiter).unwrap_or(rest).trim_end();
        let text = match (word.as_str(), rest.split_whitespace().count()) {
            ("use", 1) if !line.contains(&self.delimiter) => format!("\\u {rest}"),
            ("source", 1..) => format!("\\i {rest}"),
            ("quit" | "exit", 0) => "\\q".into(),
            ("help" | "?", 0) => "\\?".into(),
            ("status", 0) => "\\s".into(),
            ("clear", 0) => "\\! clear".into(),
            _ => return Beginning::Statement,
        };
        Beginning::Is(Found::Command { end: at, next, text })
    }

    /// A backslash inside a statement: its end, or a command that takes it.
    fn after_backslash(&self, at: usize) -> Beginning {
        let rest = &self.buffer[at + 1..];
        let word = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        if word == rest.len() && !self.ending {
            // `\G` is an end whatever follows; anything else may grow.
            return if rest == "G" { self.ended(at, 2, true) } else { Beginning::Waits };
        }
        match &rest[..word] {
            "G" => self.ended(at, 2, true),
            "g" => self.ended(at, 2, false),
            name if AFTER_STATEMENT.contains(&name) => match self.line(at) {
                Some((text, next)) => Beginning::Is(Found::Command { end: at, next, text: text.to_owned() }),
                None => Beginning::Waits,
            },
            _ => Beginning::Statement,
        }
    }

    /// The statement before `\G`, with the delimiter that people put behind it.
    fn ended(&self, at: usize, length: usize, vertical: bool) -> Beginning {
        Beginning::Is(Found::Statement { end: at, next: at + length, vertical })
    }
}

/// What stands at a place where something could begin.
enum Beginning {
    /// The rest of the line decides.
    Waits,
    Is(Found),
    Statement,
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
        } else if rest.starts_with("/*") && !rest.starts_with("/*!") && !rest.starts_with("/*M!") {
            rest.split_once("*/").map_or("", |(_, after)| after)
        } else {
            return false;
        };
        rest = after.trim_start();
    }
}

#[cfg(test)]
mod tests;
