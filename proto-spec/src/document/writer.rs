//! The append-only writer.

use super::tag;

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
