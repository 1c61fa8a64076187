//! One direction of a connection: bytes in, events out, as they come.

use bson::RawBsonRef;
use bson::raw::RawDocument;
use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use vitrail_proto::error::ProtocolError;
use vitrail_proto::frame::{HEADER_LEN, Header, Kind, Message, Reassembler, Received, Side};
use vitrail_proto::limits::Limits;

/// A receiver that is fed any number of bytes at a time.
pub struct Wire {
    pub reassembler: Reassembler,
    pub events: Vec<String>,
    pub messages: Vec<Message>,
    pub error: Option<ProtocolError>,
    buffer: Vec<u8>,
}

impl Wire {
    pub fn new(side: Side, limits: Limits, authenticated: bool) -> Wire {
        let mut reassembler = Reassembler::new(side, limits);
        if authenticated {
            reassembler.set_authenticated();
        }
        Wire { reassembler, events: Vec::new(), messages: Vec::new(), error: None, buffer: Vec::new() }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while !self.error.as_ref().is_some_and(ProtocolError::closes) {
            match self.take_frame() {
                Ok(Some(())) => {}
                Ok(None) => return,
                Err(error) => {
                    self.events.push(error.name().to_owned());
                    self.error = Some(error);
                }
            }
        }
    }

    /// A connection that is not closed has no bytes left over.
    pub fn is_settled(&self) -> bool {
        self.buffer.is_empty()
    }

    fn take_frame(&mut self) -> Result<Option<()>, ProtocolError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let header = Header::decode(header)?;
        assert_eq!(header.encode(), self.buffer[..HEADER_LEN]);
        self.reassembler.admit(&header)?;
        let end = HEADER_LEN + header.length as usize;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let body = Bytes::copy_from_slice(&self.buffer[HEADER_LEN..end]);
        self.buffer.drain(..end);
        self.events.push(match self.reassembler.push(header, body)? {
            Received::Message(message) => {
                let event = format!("message {} {} {}", kind_name(message.kind), message.id, message.body.len());
                self.messages.push(message);
                event
            }
            Received::Partial { id, announced, received, .. } => format!("partial {id} {received}/{announced}"),
            Received::Skipped => "skipped".to_owned(),
        });
        Ok(Some(()))
    }
}

pub fn side_of(case: &Json) -> Side {
    match case["side"].as_str() {
        Some("server") => Side::Server,
        Some("client") => Side::Client,
        other => panic!("{other:?} is no side"),
    }
}

pub fn kind_name(kind: Kind) -> String {
    format!("{kind:?}").to_uppercase()
}

/// The fields of a document as the vectors show them.
pub fn document_json(bytes: &[u8]) -> Json {
    let document = RawDocument::from_bytes(bytes).unwrap();
    let fields = document.iter().map(|element| {
        let (name, value) = element.unwrap();
        (name.as_str().to_owned(), value_json(value))
    });
    Json::Object(fields.collect::<Map<String, Json>>())
}

fn value_json(value: RawBsonRef<'_>) -> Json {
    match value {
        RawBsonRef::Double(value) => json!(value),
        RawBsonRef::String(value) => json!(value),
        RawBsonRef::Boolean(value) => json!(value),
        RawBsonRef::Null => Json::Null,
        RawBsonRef::Int32(value) => json!(value),
        RawBsonRef::Int64(value) => json!(value),
        RawBsonRef::Binary(value) => json!({"hex": super::hex(value.bytes)}),
        RawBsonRef::Document(value) => document_json(value.as_bytes()),
        RawBsonRef::Array(value) => Json::Array(value.into_iter().map(|each| value_json(each.unwrap())).collect()),
        other => panic!("{other:?} is not of the protocol"),
    }
}
