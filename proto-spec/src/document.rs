//! The BSON subset: a walk that validates, a reader of fields, and an append-only writer.
//!
//! [`check`] comes before everything else: it is iterative (nesting cannot exhaust the stack) and allocates nothing, and after it [`Fields`] read the
//! same bytes without surprises. Nothing here builds a tree.

mod check;
mod fields;
mod writer;

pub use self::check::check;
pub use self::fields::{Datum, Field, Fields};
pub use self::writer::{Writer, index};
use crate::error::ProtocolError;

type Result<T> = std::result::Result<T, ProtocolError>;

mod tag {
    pub(super) const DOUBLE: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const DOCUMENT: u8 = 0x03;
    pub(super) const ARRAY: u8 = 0x04;
    pub(super) const BINARY: u8 = 0x05;
    pub(super) const BOOL: u8 = 0x08;
    pub(super) const NULL: u8 = 0x0a;
    pub(super) const INT32: u8 = 0x10;
    pub(super) const INT64: u8 = 0x12;
}

/// A peer's name cut for an error message.
pub(crate) fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}
