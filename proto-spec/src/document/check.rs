//! The walk that validates.

use super::{Result, tag};
use crate::error::ProtocolError;
use crate::limits::{MAX_DEPTH, MAX_VALUES};

/// Checks the structure of one document that fills `bytes`: lengths, terminators, types, UTF-8, depth and number of values.
pub fn check(bytes: &[u8]) -> Result<()> {
    let mut ends = [0usize; MAX_DEPTH];
    let mut depth = 0;
    let mut values = 0;
    let mut at = enter(bytes, 0, bytes.len(), true)?;
    ends[0] = bytes.len() - 1;
    loop {
        let end = ends[depth];
        if at == end {
            if bytes[at] != 0 {
                return Err(ProtocolError::BadStructure);
            }
            at += 1;
            if depth == 0 {
                return Ok(());
            }
            depth -= 1;
            continue;
        }
        let tag = bytes[at];
        if tag == 0 {
            return Err(ProtocolError::BadStructure);
        }
        values += 1;
        if values > MAX_VALUES {
            return Err(ProtocolError::TooManyValues);
        }
        at += 1;
        let name = bytes[at..end].iter().position(|byte| *byte == 0).ok_or(ProtocolError::BadStructure)?;
        text(&bytes[at..at + name])?;
        at += name + 1;
        let fixed = match tag {
            tag::DOUBLE | tag::INT64 => 8,
            tag::INT32 => 4,
            tag::NULL => 0,
            tag::BOOL => {
                if at < end && bytes[at] > 1 {
                    return Err(ProtocolError::BadBool);
                }
                1
            }
            tag::STRING => {
                let length = length_at(bytes, at, end)?;
                if length == 0 || length > end - at - 4 || bytes[at + 4 + length - 1] != 0 {
                    return Err(ProtocolError::BadStructure);
                }
                text(&bytes[at + 4..at + 3 + length])?;
                4 + length
            }
            tag::BINARY => {
                let length = length_at(bytes, at, end)?;
                let subtype = *bytes[..end].get(at + 4).ok_or(ProtocolError::BadStructure)?;
                if subtype != 0 {
                    return Err(ProtocolError::BadType(subtype));
                }
                if length > end - at - 5 {
                    return Err(ProtocolError::BadStructure);
                }
                5 + length
            }
            tag::DOCUMENT | tag::ARRAY => {
                depth += 1;
                if depth == MAX_DEPTH {
                    return Err(ProtocolError::TooDeep);
                }
                let start = at;
                at = enter(bytes, start, end, false)?;
                ends[depth] = start + length_at(bytes, start, end)? - 1;
                continue;
            }
            other => return Err(ProtocolError::BadType(other)),
        };
        if fixed > end - at {
            return Err(ProtocolError::BadStructure);
        }
        at += fixed;
    }
}

/// The length at `at`, if four bytes are there and it is not negative.
fn length_at(bytes: &[u8], at: usize, end: usize) -> Result<usize> {
    let four = bytes[..end].get(at..at + 4).ok_or(ProtocolError::BadStructure)?;
    let length = i32::from_le_bytes(four.try_into().expect("four bytes were taken"));
    usize::try_from(length).map_err(|_| ProtocolError::BadStructure)
}

/// Position of the first element of the document at `at`; its length must fit (and, outermost, fill) what ends at `end`.
fn enter(bytes: &[u8], at: usize, end: usize, fill: bool) -> Result<usize> {
    let length = length_at(bytes, at, end)?;
    if length < 5 || length > end - at || (fill && length != end - at) {
        return Err(ProtocolError::BadStructure);
    }
    Ok(at + 4)
}

/// Bytes must be UTF-8, as they mostly are by being ASCII.
fn text(bytes: &[u8]) -> Result<()> {
    if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() { Ok(()) } else { Err(ProtocolError::BadUtf8) }
}
