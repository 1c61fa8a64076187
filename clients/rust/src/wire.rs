//! The seam to the protocol crate: what of it the connection uses, with the client's errors.

use bytes::{Bytes, BytesMut};
use vitrail_proto::message::Request;

use crate::error::Error;

pub(crate) enum Kind {
    Request,
    Credit,
    Cancel,
    Ping,
}

/// An empty BSON document.
pub(crate) const EMPTY: &[u8] = &[5, 0, 0, 0, 0];

pub(crate) fn encode_request(_request: &Request) -> Result<Bytes, Error> {
    Err(Error::protocol("no codec"))
}
pub(crate) fn encode_frame(_out: &mut BytesMut, _kind: Kind, _more: bool, _end: bool, _id: u64, _body: &[u8]) {}
pub(crate) fn encode_credit(_bytes: u32) -> Vec<u8> {
    Vec::new()
}
pub(crate) fn server_end_point(_certificate: &[u8]) -> Vec<u8> {
    Vec::new()
}
