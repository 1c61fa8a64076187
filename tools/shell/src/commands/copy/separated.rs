//! Reads CSV and TSV as the shell writes them, record by record: NULL and the empty text are told apart.

use std::io::{self, BufRead};

/// A field: NULL, or its text.
pub(super) type Field = Option<Vec<u8>>;

/// Longest record, in bytes.
const RECORD: usize = 64 << 20;

/// How fields are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// RFC 4180; an empty field without quotes is NULL.
    Csv,
    /// Escapes by backslash; `\N` is NULL.
    Tsv,
}

/// Reads records.
pub(super) struct Records<R> {
    input: R,
    kind: Kind,
    /// Lines read before the record at hand.
    lines: u64,
    /// Bytes read.
    bytes: u64,
}

impl<R: BufRead> Records<R> {
    /// Records of an input.
    pub(super) fn new(input: R, kind: Kind) -> Records<R> {
        Records { input, kind, lines: 0, bytes: 0 }
    }

    /// The line on which the next record begins, from 1.
    pub(super) fn line(&self) -> u64 {
        self.lines + 1
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next record; `None` at the end. A blank line is none.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<Field>>> {
        loop {
            let mut record = Vec::new();
            loop {
                let before = record.len();
                self.input.read_until(b'\n', &mut record)?;
                if record.len() > RECORD {
                    return Err(invalid(format!("a record is longer than {RECORD} bytes")));
                }
                let ended = record.len() == before;
                self.bytes += (record.len() - before) as u64;
                self.lines += u64::from(!ended);
                // A quoted field may hold line breaks.
                let open = self.kind == Kind::Csv && record.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
                match (open, ended) {
                    (true, true) => return Err(invalid("the last record ends inside quotes".into())),
                    (true, false) => {}
                    (false, _) => break,
                }
            }
            if record.is_empty() {
                return Ok(None);
            }
            while matches!(record.last(), Some(b'\n' | b'\r')) {
                record.pop();
            }
            if record.is_empty() {
                continue;
            }
            return match self.kind {
                Kind::Csv => csv(&record).map(Some),
                Kind::Tsv => Ok(Some(record.split(|byte| *byte == b'\t').map(tsv).collect())),
            };
        }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn csv(record: &[u8]) -> io::Result<Vec<Field>> {
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        let (field, after) = match rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let (text, after) = unquoted(quoted)?;
                (Some(text), after)
            }
            None => {
                let end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
                ((end > 0).then(|| rest[..end].to_vec()), &rest[end..])
            }
        };
        fields.push(field);
        match after.split_first() {
            None => return Ok(fields),
            Some((b',', next)) => rest = next,
            Some(_) => return Err(invalid("something stands between a closing quote and the comma".into())),
        }
    }
}

/// The text inside quotes, and what follows them.
fn unquoted(mut rest: &[u8]) -> io::Result<(Vec<u8>, &[u8])> {
    let mut text = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'"').ok_or_else(|| invalid("a quote is not closed".into()))?;
        text.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(b"\"") {
            Some(further) => {
                text.push(b'"');
                rest = further;
            }
            None => return Ok((text, rest)),
        }
    }
}

fn tsv(field: &[u8]) -> Field {
    if field == b"\\N" {
        return None;
    }
    let mut text = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(&byte) = bytes.next() {
        text.push(match byte {
            b'\\' => match bytes.next() {
                Some(b't') => b'\t',
                Some(b'n') => b'\n',
                Some(b'0') => 0,
                Some(&other) => other,
                None => b'\\',
            },
            other => other,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kind: Kind, text: &str) -> io::Result<Vec<Vec<Option<String>>>> {
        let mut records = Records::new(text.as_bytes(), kind);
        let mut found = Vec::new();
        while let Some(record) = records.next()? {
            let text = |field: Field| field.map(|bytes| String::from_utf8(bytes).unwrap());
            found.push(record.into_iter().map(text).collect());
        }
        Ok(found)
    }

    #[test]
    fn null_and_empty_are_told_apart() {
        let some = |text: &str| Some(text.to_owned());
        let csv = all(Kind::Csv, "a,\"\",,\"b \"\"c\"\", d\r\ne\"\n\nlast,,\n").unwrap();
        assert_eq!(csv, [vec![some("a"), some(""), None, some("b \"c\", d\r\ne")], vec![some("last"), None, None],]);
        let tsv = all(Kind::Tsv, "a\t\\N\t\tb\\tc\\\\N\\n\n").unwrap();
        assert_eq!(tsv, [vec![some("a"), None, some(""), some("b\tc\\N\n")]]);
    }

    #[test]
    fn what_is_broken_is_refused() {
        for text in ["\"open\n", "\"a\"b,c\n"] {
            assert!(all(Kind::Csv, text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lines_are_counted() {
        let mut records = Records::new("\"a\nb\"\nc\n".as_bytes(), Kind::Csv);
        assert_eq!(records.line(), 1);
        records.next().unwrap();
        assert_eq!((records.line(), records.bytes()), (3, 6));
    }
}
