//! The BSON subset: a raw walk that validates, a reader of fields, and an append-only writer.
//!
//! [`check`] comes before everything else: it is iterative (nesting cannot exhaust the stack), allocates nothing, and after
//! it the `bson` crate's `RawDocument` reads the same bytes without surprises. Nothing here builds a tree.

use std::borrow::Cow;

use bson::RawBsonRef;
use bson::raw::{RawArray, RawDocument};
use bson::spec::BinarySubtype;

use crate::error::ProtocolError;
use crate::limits::{MAX_DEPTH, MAX_VALUES};

type Result<T> = std::result::Result<T, ProtocolError>;

mod tag {
    pub const DOUBLE: u8 = 0x01;
    pub const STRING: u8 = 0x02;
    pub const DOCUMENT: u8 = 0x03;
    pub const ARRAY: u8 = 0x04;
    pub const BINARY: u8 = 0x05;
    pub const BOOL: u8 = 0x08;
    pub const NULL: u8 = 0x0a;
    pub const INT32: u8 = 0x10;
    pub const INT64: u8 = 0x12;
}

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
        std::str::from_utf8(&bytes[at..at + name]).map_err(|_| ProtocolError::BadUtf8)?;
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
                std::str::from_utf8(&bytes[at + 4..at + 3 + length]).map_err(|_| ProtocolError::BadUtf8)?;
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

/// The fields of a document that [`check`] has passed.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(&'a RawDocument);

impl<'a> Fields<'a> {
    /// Checks `bytes` and opens them.
    pub fn open(bytes: &'a [u8]) -> Result<Fields<'a>> {
        check(bytes)?;
        RawDocument::from_bytes(bytes).map(Fields).map_err(|_| ProtocolError::BadStructure)
    }

    /// All, in order.
    pub fn iter(self) -> impl Iterator<Item = Result<Field<'a>>> {
        self.0.iter().map(|element| match element {
            Ok((name, value)) => Ok(Field { name: name.as_str(), value }),
            Err(_) => Err(ProtocolError::BadStructure),
        })
    }
}

/// One element of a document: its name and its value, read by the type that is expected.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: RawBsonRef<'a>,
}

impl<'a> Field<'a> {
    fn wrong(&self, reason: &'static str) -> ProtocolError {
        ProtocolError::BadField { field: Cow::Owned(shortened(self.name)), reason: Cow::Borrowed(reason) }
    }

    /// An error about this field.
    pub fn error(&self, reason: impl Into<Cow<'static, str>>) -> ProtocolError {
        ProtocolError::BadField { field: Cow::Owned(shortened(self.name)), reason: reason.into() }
    }

    /// What an unknown field means: a critical one (`!`) is refused, any other is skipped.
    pub fn unknown(&self) -> Result<()> {
        if self.name.starts_with('!') {
            return Err(ProtocolError::UnknownCritical(shortened(self.name)));
        }
        Ok(())
    }

    /// Stores a known field's value; a second one is refused.
    pub fn put<T>(&self, slot: &mut Option<T>, value: T) -> Result<()> {
        if slot.is_some() {
            return Err(ProtocolError::DuplicateField(shortened(self.name)));
        }
        *slot = Some(value);
        Ok(())
    }

    /// Text.
    pub fn text(&self) -> Result<&'a str> {
        match self.value {
            RawBsonRef::String(text) => Ok(text),
            _ => Err(self.wrong("must be text")),
        }
    }

    /// Text of at most `most` bytes.
    pub fn text_within(&self, most: usize) -> Result<&'a str> {
        let text = self.text()?;
        if text.len() > most {
            return Err(self.wrong("is too long"));
        }
        Ok(text)
    }

    /// A boolean.
    pub fn boolean(&self) -> Result<bool> {
        match self.value {
            RawBsonRef::Boolean(value) => Ok(value),
            _ => Err(self.wrong("must be a boolean")),
        }
    }

    /// An integer of either width.
    pub fn integer(&self) -> Result<i64> {
        match self.value {
            RawBsonRef::Int32(value) => Ok(i64::from(value)),
            RawBsonRef::Int64(value) => Ok(value),
            _ => Err(self.wrong("must be an integer")),
        }
    }

    /// An integer from 0 to 2^32 - 1.
    pub fn u32(&self) -> Result<u32> {
        u32::try_from(self.integer()?).map_err(|_| self.wrong("is out of range"))
    }

    /// An integer from 0 to 65,535.
    pub fn u16(&self) -> Result<u16> {
        u16::try_from(self.integer()?).map_err(|_| self.wrong("is out of range"))
    }

    /// An integer from 0 to 2^63 - 1.
    pub fn positive(&self) -> Result<u64> {
        u64::try_from(self.integer()?).map_err(|_| self.wrong("is out of range"))
    }

    /// A counter of 64 bits without a sign: the bits of an integer.
    pub fn counter(&self) -> Result<u64> {
        Ok(self.integer()? as u64)
    }

    /// Bytes.
    pub fn binary(&self) -> Result<&'a [u8]> {
        match self.value {
            RawBsonRef::Binary(binary) if binary.subtype == BinarySubtype::Generic => Ok(binary.bytes),
            _ => Err(self.wrong("must be binary")),
        }
    }

    /// Bytes, at most `most`.
    pub fn binary_within(&self, most: usize) -> Result<&'a [u8]> {
        let bytes = self.binary()?;
        if bytes.len() > most {
            return Err(self.wrong("is too long"));
        }
        Ok(bytes)
    }

    /// A document.
    pub fn document(&self) -> Result<Fields<'a>> {
        match self.value {
            RawBsonRef::Document(document) => Ok(Fields(document)),
            _ => Err(self.wrong("must be a document")),
        }
    }

    /// The elements of an array, each under this field's name.
    pub fn array(&self) -> Result<impl Iterator<Item = Result<Field<'a>>> + use<'a>> {
        match self.value {
            RawBsonRef::Array(array) => Ok(elements(self.name, array)),
            _ => Err(self.wrong("must be an array")),
        }
    }

    /// An array of at most `most` texts.
    pub fn texts(&self, most: usize) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for element in self.array()? {
            if texts.len() == most {
                return Err(self.wrong("has too many elements"));
            }
            texts.push(element?.text()?.to_owned());
        }
        Ok(texts)
    }
}

fn elements<'a>(name: &'a str, array: &'a RawArray) -> impl Iterator<Item = Result<Field<'a>>> + use<'a> {
    array.into_iter().map(move |element| match element {
        Ok(value) => Ok(Field { name, value }),
        Err(_) => Err(ProtocolError::BadStructure),
    })
}

/// A peer's name cut for an error message.
pub(crate) fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Appends one document to a buffer. Lengths are filled in when a document ends.
///
/// Names must not contain NUL; those of the protocol do not, and names that come from callers lose it.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Writer<'a> {
    /// Begins a document at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Writer<'a> {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        Writer { out, start }
    }

    /// Ends the document.
    pub fn finish(self) {
        self.out.push(0);
        let length = (self.out.len() - self.start) as u32;
        self.out[self.start..self.start + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn name(&mut self, tag: u8, name: &str) {
        self.out.push(tag);
        self.out.extend(name.bytes().filter(|byte| *byte != 0));
        self.out.push(0);
    }

    /// Text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(tag::STRING, name);
        self.out.extend_from_slice(&(value.len() as u32 + 1).to_le_bytes());
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(0);
    }

    /// Bytes.
    pub fn binary(&mut self, name: &str, value: &[u8]) {
        self.binary_head(name, value.len());
        self.out.extend_from_slice(value);
    }

    /// The name and length of bytes that the caller appends elsewhere.
    pub(crate) fn binary_head(&mut self, name: &str, length: usize) {
        self.name(tag::BINARY, name);
        self.out.extend_from_slice(&(length as u32).to_le_bytes());
        self.out.push(0);
    }

    /// Ends the document whose last element is a binary of which `absent` bytes, and the terminator, are sent from elsewhere.
    pub(crate) fn finish_without(self, absent: usize) {
        let length = (self.out.len() - self.start + absent + 1) as u32;
        self.out[self.start..self.start + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// An integer, in the narrower width that holds it.
    pub fn integer(&mut self, name: &str, value: i64) {
        match i32::try_from(value) {
            Ok(narrow) => {
                self.name(tag::INT32, name);
                self.out.extend_from_slice(&narrow.to_le_bytes());
            }
            Err(_) => {
                self.name(tag::INT64, name);
                self.out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    /// A counter without a sign, as the bits of an integer.
    pub fn counter(&mut self, name: &str, value: u64) {
        self.integer(name, value as i64);
    }

    /// A double.
    pub fn double(&mut self, name: &str, value: f64) {
        self.name(tag::DOUBLE, name);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// A boolean.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.name(tag::BOOL, name);
        self.out.push(u8::from(value));
    }

    /// A boolean that is left out when it is false.
    pub fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.boolean(name, true);
        }
    }

    /// Null.
    pub fn null(&mut self, name: &str) {
        self.name(tag::NULL, name);
    }

    /// A document, written by `fill`.
    pub fn document(&mut self, name: &str, fill: impl FnOnce(&mut Writer<'_>)) {
        self.name(tag::DOCUMENT, name);
        self.nested(fill);
    }

    /// An array, written by `fill` under the names that [`index`] gives.
    pub fn array(&mut self, name: &str, fill: impl FnOnce(&mut Writer<'_>)) {
        self.name(tag::ARRAY, name);
        self.nested(fill);
    }

    /// An array of texts.
    pub fn texts(&mut self, name: &str, values: &[String]) {
        self.array(name, |array| {
            for (at, value) in values.iter().enumerate() {
                array.text(index(at, &mut [0; 20]), value);
            }
        });
    }

    fn nested(&mut self, fill: impl FnOnce(&mut Writer<'_>)) {
        let mut inner = Writer::new(self.out);
        fill(&mut inner);
        inner.finish();
    }
}

/// The name of an array's element: its index in decimal.
pub fn index(at: usize, room: &mut [u8; 20]) -> &str {
    let mut start = room.len();
    let mut rest = at;
    loop {
        start -= 1;
        room[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    std::str::from_utf8(&room[start..]).expect("digits are ASCII")
}
