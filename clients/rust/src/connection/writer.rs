//! Writes what is queued.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

use super::shared::Shared;
use super::state::Output;

/// How long the peer may take to see that the stream is shut down.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Runs until the connection closes, then shuts the stream down.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let output = shared.state.lock().next_output();
        match output {
            Output::Closed => break,
            Output::Nothing => shared.wake_writer.notified().await,
            Output::Frames(frames) => {
                let written = tokio::select! {
                    written = write_all(&shared, frames) => written,
                    // A stalled peer must not keep a closed connection alive.
                    () = shared.until_closed() => break,
                };
                if let Err(error) = written {
                    shared.close(&format!("writing failed: {error}"));
                    break;
                }
            }
        }
    }
    // Taken out, so that handles which are still held do not keep the socket.
    let stream = shared.stream.lock().take();
    if let Some(mut stream) = stream {
        // The peer may be gone; there is nobody to tell.
        let _ = tokio::time::timeout(SHUTDOWN, poll_fn(|context| stream.as_mut().poll_shutdown(context))).await;
    }
}

async fn write_all(shared: &Shared, mut frames: BytesMut) -> std::io::Result<()> {
    poll_fn(|context| match &mut *shared.stream.lock() {
        Some(stream) => poll_write_all(stream.as_mut(), context, &mut frames),
        None => Poll::Ready(Err(std::io::ErrorKind::NotConnected.into())),
    })
    .await
}

fn poll_write_all(
    mut stream: Pin<&mut (dyn AsyncWrite + Send)>,
    context: &mut Context<'_>,
    frames: &mut BytesMut,
) -> Poll<std::io::Result<()>> {
    while frames.has_remaining() {
        match ready!(stream.as_mut().poll_write(context, frames))? {
            0 => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
            taken => frames.advance(taken),
        }
    }
    stream.poll_flush(context)
}
