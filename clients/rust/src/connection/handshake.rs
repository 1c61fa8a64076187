//! HELLO and AUTH: who the client is, proved without sending the password.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use vitrail_proto::message::ServerHello;

use super::ConnectOptions;
use crate::error::Error;

/// SCRAM keys by salt and iteration count.
#[derive(Debug, Default)]
pub struct KeyCache {}

pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    _stream: &mut S,
    _buffer: &mut BytesMut,
    _binding: Option<Vec<u8>>,
    _options: &ConnectOptions,
) -> Result<ServerHello, Error> {
    Err(Error::protocol("no codec"))
}
