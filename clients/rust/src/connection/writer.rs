//! Writes what is queued.

use std::sync::Arc;

use bytes::Buf;
use tokio::io::{AsyncWrite, AsyncWriteExt, WriteHalf};

use super::Shared;

/// Runs until the connection closes, then shuts the stream down.
pub(super) async fn run<S: AsyncWrite>(shared: Arc<Shared>, mut stream: WriteHalf<S>) {
    loop {
        let (output, closed) = {
            let mut state = shared.state.lock();
            (state.next_output(), state.is_closed())
        };
        if closed {
            break;
        }
        if output.is_empty() {
            shared.wake_writer.notified().await;
            continue;
        }
        if let Err(error) = write_all(&shared, &mut stream, output).await {
            shared.close(&format!("writing failed: {error}"));
            break;
        }
    }
    // The peer may be gone; there is nobody to tell.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), stream.shutdown()).await;
}

async fn write_all<S: AsyncWrite>(
    shared: &Shared,
    stream: &mut WriteHalf<S>,
    mut output: impl Buf,
) -> std::io::Result<()> {
    while output.has_remaining() {
        let taken = tokio::select! {
            taken = stream.write_buf(&mut output) => taken?,
            // A stalled peer must not keep a closed connection alive.
            () = shared.until_closed() => return Ok(()),
        };
        if taken == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
    }
    stream.flush().await
}
