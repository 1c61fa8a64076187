//! Reads what arrives and hands it to whom it is for.
use super::Shared;
use bytes::BytesMut;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, ReadHalf};
pub(super) async fn run<S: AsyncRead>(
    _shared: Arc<Shared>,
    _stream: ReadHalf<S>,
    _buffer: BytesMut,
    _keepalive: Duration,
) {
}
