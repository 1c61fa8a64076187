//! Payloads that end a command: OK, EOF, ERR, and what session tracking adds to OK.

use crate::capability::{self, Capabilities};
use crate::error::{Error, Result, ServerError};
use crate::wire::Reader;

/// The server's status flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Status(pub u16);

impl Status {
    /// A transaction is open.
    pub const IN_TRANSACTION: u16 = 0x0001;
    /// `autocommit` is on.
    pub const AUTOCOMMIT: u16 = 0x0002;
    /// Another result follows.
    pub const MORE_RESULTS: u16 = 0x0008;
    /// A backslash in a string literal means itself.
    pub const NO_BACKSLASH_ESCAPES: u16 = 0x0200;
    /// The session's state has changed; details follow.
    pub const STATE_CHANGED: u16 = 0x4000;

    /// A transaction is open.
    pub fn in_transaction(self) -> bool {
        self.0 & Status::IN_TRANSACTION != 0
    }

    /// `autocommit` is on.
    pub fn autocommit(self) -> bool {
        self.0 & Status::AUTOCOMMIT != 0
    }

    /// Another result follows.
    pub fn more_results(self) -> bool {
        self.0 & Status::MORE_RESULTS != 0
    }

    /// A backslash in a string literal means itself.
    pub fn no_backslash_escapes(self) -> bool {
        self.0 & Status::NO_BACKSLASH_ESCAPES != 0
    }
}

/// What changed in the session, as the server tracks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A system variable has this value now. MariaDB's `last_gtid` comes as [`Change::Gtids`].
    Variable {
        /// Its name, lower case.
        name: String,
        /// Its value as text.
        value: String,
    },
    /// The default database.
    Schema(String),
    /// Some state of the session (variables, temporary tables, prepared statements) is no longer as after login.
    State,
    /// GTIDs of what the session wrote.
    Gtids(String),
}

/// The end of a statement or of one result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct End {
    /// Rows changed.
    pub affected: u64,
    /// `LAST_INSERT_ID` of this statement; 0: none.
    pub insert_id: u64,
    /// The server's status flags after it.
    pub status: Status,
    /// How many warnings there are.
    pub warnings: u16,
    /// The server's text, such as `Rows matched: 1  Changed: 1  Warnings: 0`; may be empty.
    pub info: String,
    /// What changed in the session, in the server's order.
    pub changes: Vec<Change>,
}

impl End {
    /// Rows that an UPDATE matched, where the info text says so.
    pub fn matched(&self) -> Option<u64> {
        let digits = self.info.strip_prefix("Rows matched: ")?;
        digits[..digits.find(' ').unwrap_or(digits.len())].parse().ok()
    }

    /// The GTIDs of what the statement wrote.
    pub fn gtids(&self) -> Option<&str> {
        self.changes.iter().rev().find_map(|change| match change {
            Change::Gtids(gtids) => Some(gtids.as_str()),
            _ => None,
        })
    }

    /// Reads an OK payload (first byte 0x00, or 0xfe where it ends rows).
    pub(crate) fn parse_ok(payload: &[u8], capabilities: Capabilities) -> Result<End> {
        let mut reader = Reader::new(payload);
        reader.u8()?;
        let affected = reader.lenenc()?;
        let insert_id = reader.lenenc()?;
        let status = Status(reader.u16()?);
        let warnings = reader.u16()?;
        let mut end = End { affected, insert_id, status, warnings, ..End::default() };
        if capabilities & capability::SESSION_TRACK != 0 {
            if !reader.is_empty() {
                end.info = text(reader.lenenc_bytes()?);
            }
            if status.0 & Status::STATE_CHANGED != 0 && !reader.is_empty() {
                parse_changes(reader.lenenc_bytes()?, &mut end.changes)?;
            }
        } else {
            end.info = text(reader.rest());
        }
        Ok(end)
    }

    /// Reads what ends columns or rows: EOF of the old form, or an OK in its place.
    pub(crate) fn parse_eof(payload: &[u8], capabilities: Capabilities) -> Result<End> {
        if capabilities & capability::DEPRECATE_EOF != 0 {
            return End::parse_ok(payload, capabilities);
        }
        let mut reader = Reader::new(payload);
        reader.u8()?;
        let warnings = reader.u16()?;
        Ok(End { warnings, status: Status(reader.u16()?), ..End::default() })
    }
}

impl ServerError {
    /// Reads an ERR payload. Errors before login come without a SQLSTATE.
    pub(crate) fn parse(payload: &[u8]) -> Result<ServerError> {
        let mut reader = Reader::new(payload);
        reader.u8()?;
        let errno = reader.u16()?;
        let rest = reader.rest();
        let (sqlstate, message) = match rest.split_at_checked(6) {
            Some(([b'#', sqlstate @ ..], message)) => (text(sqlstate), message),
            _ => ("HY000".to_owned(), rest),
        };
        Ok(ServerError { errno, sqlstate, message: text(message) })
    }
}

/// Reads the session-tracking part of an OK. Kinds that are unknown are skipped, as their lengths allow.
fn parse_changes(block: &[u8], changes: &mut Vec<Change>) -> Result<()> {
    let mut reader = Reader::new(block);
    while !reader.is_empty() {
        let kind = reader.u8()?;
        let mut item = Reader::new(reader.lenenc_bytes()?);
        match kind {
            0 => {
                // MySQL sends one variable for each item, MariaDB several.
                while !item.is_empty() {
                    let name = text(item.lenenc_bytes()?).to_ascii_lowercase();
                    let value = text(item.lenenc_bytes()?);
                    if name != "last_gtid" {
                        changes.push(Change::Variable { name, value });
                    } else if !value.is_empty() {
                        changes.push(Change::Gtids(value));
                    }
                }
            }
            1 => changes.push(Change::Schema(text(item.lenenc_bytes()?))),
            // MySQL puts a length before the digit, MariaDB does not.
            2 if item.rest().ends_with(b"1") => changes.push(Change::State),
            // One byte says how the GTIDs are written: 0, as text.
            3 if item.u8()? == 0 => changes.push(Change::Gtids(text(item.lenenc_bytes()?))),
            _ => {}
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The error of a payload whose first byte is 0xff.
pub(crate) fn server_error(payload: &[u8]) -> Error {
    match ServerError::parse(payload) {
        Ok(error) => Error::Server(error),
        Err(error) => error,
    }
}
