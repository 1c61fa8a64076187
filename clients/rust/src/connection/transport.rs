//! Opens the stream below a connection: TCP, TLS over TCP, or a Unix socket.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::tls::TlsSetup;
use crate::config::{Endpoint, TlsMode};
use crate::error::Error;

/// How long one address may take before the next is tried beside it.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_secs(2);

pub(super) enum Opened {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// With its `tls-server-end-point` channel binding.
    Tls(Box<TlsStream<TcpStream>>, Vec<u8>),
}

pub(super) async fn open(endpoint: &Endpoint, tls: Option<&TlsSetup>) -> Result<Opened, Error> {
    match endpoint {
        Endpoint::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(|error| failed(endpoint, error))?;
            Ok(Opened::Unix(stream))
        }
        Endpoint::Tcp { host, port } => {
            let stream = tcp(endpoint, host, *port).await?;
            let mode = tls.map_or(TlsMode::Disable, |setup| setup.mode(endpoint));
            let Some(setup) = tls.filter(|_| mode != TlsMode::Disable) else { return Ok(Opened::Tcp(stream)) };
            match setup.connect(host, stream).await {
                Ok((stream, binding)) => Ok(Opened::Tls(Box::new(stream), binding)),
                Err(failed) if failed.not_tls && mode == TlsMode::Prefer => {
                    tracing::warn!(%endpoint, "the server speaks no TLS and `tls=prefer` allows it: going on in plain text");
                    Ok(Opened::Tcp(tcp(endpoint, host, *port).await?))
                }
                Err(failed) => Err(failed.error),
            }
        }
    }
}

async fn tcp(endpoint: &Endpoint, host: &str, port: u16) -> Result<TcpStream, Error> {
    let addresses: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await.map_err(|error| failed(endpoint, error))?.collect();
    let last = addresses.len().saturating_sub(1);
    let mut problem = Error::connect(format!("{endpoint} has no address"));
    for (index, address) in addresses.into_iter().enumerate() {
        let attempt = TcpStream::connect(address);
        let result = match index == last {
            true => attempt.await,
            false => match tokio::time::timeout(NEXT_ADDRESS_AFTER, attempt).await {
                Ok(result) => result,
                Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
            },
        };
        match result {
            Ok(stream) => {
                // Requests are small and wait for their answers: Nagle would delay each.
                stream.set_nodelay(true).map_err(|error| failed(endpoint, error))?;
                return Ok(stream);
            }
            Err(error) => problem = failed(endpoint, error),
        }
    }
    Err(problem)
}

fn failed(endpoint: &Endpoint, error: std::io::Error) -> Error {
    let hint = match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "; nothing listens there: is the server running, is the port right?",
        std::io::ErrorKind::NotFound => "; there is no such socket: is the server running, is the path right?",
        _ => "",
    };
    Error::connect(format!("cannot connect to {endpoint}: {error}{hint}")).with_source(error)
}
