//! A reader over the payload of one packet, and the writers that are needed to answer.

use crate::error::{Error, Result};

/// Reads the parts of a payload; a short payload is [`Error::Protocol`].
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Reader<'a> {
        Reader { rest: payload }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(Error::Protocol("a packet ends too early"))?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        let bytes = self.bytes(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        let bytes = self.bytes(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A length-encoded integer; `None` is the NULL of a text row.
    pub(crate) fn lenenc_or_null(&mut self) -> Result<Option<u64>> {
        let width = match self.u8()? {
            0xfb => return Ok(None),
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            0xff => return Err(Error::Protocol("0xff where a length should be")),
            small => return Ok(Some(u64::from(small))),
        };
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.bytes(width)?);
        Ok(Some(u64::from_le_bytes(bytes)))
    }

    pub(crate) fn lenenc(&mut self) -> Result<u64> {
        self.lenenc_or_null()?.ok_or(Error::Protocol("NULL where a length should be"))
    }

    pub(crate) fn lenenc_bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.lenenc()?;
        self.bytes(usize::try_from(length).map_err(|_| Error::Protocol("a length that no memory holds"))?)
    }

    /// One cell of a text row.
    pub(crate) fn cell(&mut self) -> Result<Option<&'a [u8]>> {
        match self.lenenc_or_null()? {
            None => Ok(None),
            Some(length) => {
                let length = usize::try_from(length).map_err(|_| Error::Protocol("a length that no memory holds"))?;
                self.bytes(length).map(Some)
            }
        }
    }

    /// Bytes up to a zero, which is skipped; all that is left if there is none.
    pub(crate) fn until_zero(&mut self) -> &'a [u8] {
        match self.rest.iter().position(|&byte| byte == 0) {
            Some(at) => {
                let head = &self.rest[..at];
                self.rest = &self.rest[at + 1..];
                head
            }
            None => self.rest(),
        }
    }
}

/// Appends a length-encoded integer.
pub(crate) fn put_lenenc(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_le_bytes();
    match value {
        0..=0xfa => out.push(bytes[0]),
        0xfb..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&bytes[..2]);
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend_from_slice(&bytes[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends length-encoded bytes.
pub(crate) fn put_lenenc_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_lenenc(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_round_trip_at_every_width() {
        for value in [0, 250, 251, 252, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, u64::MAX] {
            let mut bytes = Vec::new();
            put_lenenc(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.lenenc().unwrap(), value);
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn short_payloads_are_errors() {
        for bytes in [
            &b""[..],
            b"\xfc\x01",
            b"\xfd\x01\x02",
            b"\xfe\x01",
            b"\xff",
            b"\x05abc",
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(Reader::new(bytes).lenenc_bytes().is_err(), "{bytes:?}");
        }
    }
}
