//! Bytes to messages: cuts frames off the read buffer and puts fragmented messages together.

use bytes::{Buf, BytesMut};
use vitrail_proto::error::ProtocolError;
use vitrail_proto::frame::{HEADER_LEN, Header, Reassembler, Received};

use crate::error::Error;

/// The next frame of `buffer`, put where it belongs; `None` when more bytes are needed, for which room was made.
pub(super) fn next(buffer: &mut BytesMut, messages: &mut Reassembler) -> Result<Option<(Header, Received)>, Error> {
    let Some(head) = buffer.first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let header = Header::decode(head).map_err(broken)?;
    // Before any memory is taken for the body.
    messages.admit(&header).map_err(broken)?;
    let total = HEADER_LEN + header.length as usize;
    if buffer.len() < total {
        buffer.reserve(total - buffer.len());
        return Ok(None);
    }
    buffer.advance(HEADER_LEN);
    let body = buffer.split_to(header.length as usize).freeze();
    let received = messages.push(header, body).map_err(broken)?;
    Ok(Some((header, received)))
}

/// What decoding says, as the client's error.
pub(super) fn broken(error: ProtocolError) -> Error {
    Error::protocol(format!("the server broke the protocol: {error}")).with_source(error)
}
