//! Opens the stream below a connection: TCP, TLS over TCP, or a Unix socket.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::ConnectOptions;
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

pub(super) async fn open(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Opened, Error> {
    let tls = options.tls.as_deref();
    match endpoint {
        Endpoint::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(|error| failed(endpoint, error))?;
            Ok(Opened::Unix(stream))
        }
        Endpoint::Tcp { host, port } => {
            let stream = tcp(endpoint, host, *port, options.local_address).await?;
            let mode = tls.map_or(TlsMode::Disable, |setup| setup.mode(endpoint));
            let Some(setup) = tls.filter(|_| mode != TlsMode::Disable) else { return Ok(Opened::Tcp(stream)) };
            match setup.connect(host, stream).await {
                Ok((stream, binding)) => Ok(Opened::Tls(Box::new(stream), binding)),
                Err(failed) if failed.not_tls && mode == TlsMode::Prefer => {
                    tracing::warn!(%endpoint, "the server speaks no TLS and `tls=prefer` allows it: going on in plain text");
                    Ok(Opened::Tcp(tcp(endpoint, host, *port, options.local_address).await?))
                }
                Err(failed) => Err(failed.error),
            }
        }
    }
}

async fn tcp(endpoint: &Endpoint, host: &str, port: u16, from: Option<IpAddr>) -> Result<TcpStream, Error> {
    let known = tokio::net::lookup_host((host, port)).await.map_err(|error| failed(endpoint, error))?;
    let reachable = |address: &SocketAddr| from.is_none_or(|from| from.is_ipv4() == address.is_ipv4());
    let addresses: Vec<SocketAddr> = known.filter(reachable).collect();
    let last = addresses.len().saturating_sub(1);
    let mut problem = Error::connect(match from {
        None => format!("{endpoint} has no address"),
        Some(from) => {
            format!("{endpoint} has no address that can be reached from {from}: the one is IPv4, the other IPv6")
        }
    });
    for (index, address) in addresses.into_iter().enumerate() {
        let attempt = dial(address, from);
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

/// Connects, from an address of this machine if one is given.
async fn dial(address: SocketAddr, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let Some(from) = from else { return TcpStream::connect(address).await };
    let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(address).await
}

fn failed(endpoint: &Endpoint, error: std::io::Error) -> Error {
    let hint = match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "; nothing listens there: is the server running, is the port right?",
        std::io::ErrorKind::NotFound => "; there is no such socket: is the server running, is the path right?",
        std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address, or no free port on it",
        _ => "",
    };
    Error::connect(format!("cannot connect to {endpoint}: {error}{hint}")).with_source(error)
}
