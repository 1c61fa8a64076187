//! CREDIT and GOAWAY, and the empty body of CANCEL and PING.

use crate::document::{Fields, Writer};
use crate::error::ProtocolError;
use crate::limits::{CREDIT_LIMIT, MAX_ERROR_MESSAGE};

/// CREDIT: more bytes for a request's REPLYs (client), or leave to upload the rest (server).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Bytes.
    pub bytes: u32,
}

/// GOAWAY: the server drains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoAway {
    /// Transactions and pins may last so long.
    pub drain_ms: u32,
    /// For people.
    pub reason: String,
}

impl Credit {
    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Writer::new(out);
        body.integer("bytes", self.bytes.into());
        body.finish();
    }

    /// Reads the body of a CREDIT: 1 to 2^31 - 1 bytes.
    pub fn decode(body: &[u8]) -> Result<Credit, ProtocolError> {
        let mut bytes = None;
        for field in Fields::open(body)?.iter() {
            let field = field?;
            match field.name {
                "bytes" => {
                    let value = field.u32()?;
                    if value == 0 || i64::from(value) >= CREDIT_LIMIT {
                        return Err(field.error("is out of range"));
                    }
                    field.put(&mut bytes, value)?
                }
                _ => field.unknown()?,
            }
        }
        Ok(Credit { bytes: bytes.ok_or(ProtocolError::MissingField("bytes"))? })
    }
}

impl GoAway {
    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Writer::new(out);
        body.integer("drain_ms", self.drain_ms.into());
        body.text("reason", &self.reason);
        body.finish();
    }

    /// Reads the body of a GOAWAY.
    pub fn decode(body: &[u8]) -> Result<GoAway, ProtocolError> {
        let (mut drain_ms, mut reason) = (None, None);
        for field in Fields::open(body)?.iter() {
            let field = field?;
            match field.name {
                "drain_ms" => field.put(&mut drain_ms, field.u32()?)?,
                "reason" => field.put(&mut reason, field.text_within(MAX_ERROR_MESSAGE)?.to_owned())?,
                _ => field.unknown()?,
            }
        }
        Ok(GoAway {
            drain_ms: drain_ms.ok_or(ProtocolError::MissingField("drain_ms"))?,
            reason: reason.unwrap_or_default(),
        })
    }
}

/// Checks the body of a CANCEL or PING, which has no fields yet: unknown ones are skipped, critical ones refused.
pub fn decode_empty(body: &[u8]) -> Result<(), ProtocolError> {
    Fields::open(body)?.iter().try_for_each(|field| field?.unknown())
}
