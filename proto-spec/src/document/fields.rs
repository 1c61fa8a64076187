//! The reader of what was checked.

use std::borrow::Cow;

use super::{Result, check, shortened, tag};
use crate::error::ProtocolError;

/// The fields of a document that [`check`] has passed.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(&'a [u8]);

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub enum Datum<'a> {
    /// A double.
    Double(f64),
    /// Text.
    Text(&'a str),
    /// A document.
    Document(Fields<'a>),
    /// An array: its elements are fields whose names mean nothing.
    Array(Fields<'a>),
    /// Bytes.
    Binary(&'a [u8]),
    /// A boolean.
    Boolean(bool),
    /// Null.
    Null,
    /// An integer of 32 bits.
    Int32(i32),
    /// An integer of 64 bits.
    Int64(i64),
}

/// One element of a document: its name and its value, read by the type that is expected.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: Datum<'a>,
}

/// Goes through the elements of a document.
struct Elements<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Checks `bytes` and opens them.
    pub fn open(bytes: &'a [u8]) -> Result<Fields<'a>> {
        check(bytes)?;
        Ok(Fields(bytes))
    }

    /// All, in order.
    pub fn iter(self) -> impl Iterator<Item = Result<Field<'a>>> + use<'a> {
        Elements(self.0.get(4..).unwrap_or_default())
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Field<'a>>;

    fn next(&mut self) -> Option<Result<Field<'a>>> {
        match self.take::<1>() {
            Some([0]) | None => None,
            // A document that was checked has no other elements than these.
            Some([tag]) => Some(self.element(*tag).ok_or(ProtocolError::BadStructure)),
        }
    }
}

impl<'a> Elements<'a> {
    fn element(&mut self, tag: u8) -> Option<Field<'a>> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let name = std::str::from_utf8(self.bytes(end)?).ok()?;
        self.bytes(1)?;
        let value = match tag {
            tag::DOUBLE => Datum::Double(f64::from_le_bytes(*self.take()?)),
            tag::INT32 => Datum::Int32(i32::from_le_bytes(*self.take()?)),
            tag::INT64 => Datum::Int64(i64::from_le_bytes(*self.take()?)),
            tag::BOOL => Datum::Boolean(*self.take()? == [1]),
            tag::NULL => Datum::Null,
            tag::STRING => {
                let length = self.length()?;
                let (_, text) = self.bytes(length)?.split_last()?;
                Datum::Text(std::str::from_utf8(text).ok()?)
            }
            tag::BINARY => {
                let length = self.length()?;
                self.bytes(1)?;
                Datum::Binary(self.bytes(length)?)
            }
            tag::DOCUMENT => Datum::Document(self.document()?),
            tag::ARRAY => Datum::Array(self.document()?),
            _ => return None,
        };
        Some(Field { name, value })
    }

    fn document(&mut self) -> Option<Fields<'a>> {
        let length = u32::from_le_bytes(*self.0.first_chunk()?);
        Some(Fields(self.bytes(length as usize)?))
    }

    fn length(&mut self) -> Option<usize> {
        Some(u32::from_le_bytes(*self.take()?) as usize)
    }

    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
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
            Datum::Text(text) => Ok(text),
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
            Datum::Boolean(value) => Ok(value),
            _ => Err(self.wrong("must be a boolean")),
        }
    }

    /// An integer of either width.
    pub fn integer(&self) -> Result<i64> {
        match self.value {
            Datum::Int32(value) => Ok(i64::from(value)),
            Datum::Int64(value) => Ok(value),
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
            Datum::Binary(bytes) => Ok(bytes),
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
            Datum::Document(document) => Ok(document),
            _ => Err(self.wrong("must be a document")),
        }
    }

    /// The elements of an array, each under this field's name.
    pub fn array(&self) -> Result<impl Iterator<Item = Result<Field<'a>>> + use<'a>> {
        let Datum::Array(elements) = self.value else { return Err(self.wrong("must be an array")) };
        let name = self.name;
        Ok(elements.iter().map(move |element| element.map(|Field { value, .. }| Field { name, value })))
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
