//! The byte stream under a connection: TCP, a Unix socket, or TLS over TCP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::Address;
use crate::error::{Error, Result};
use crate::tls::Tls;

/// Silence after which the kernel asks whether the server's host is there, and how often it then asks.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// An open stream to a server.
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    // Boxed: a rustls session is some KB, and most connections have none.
    Tls(Box<TlsStream<Transport>>),
    /// Between two states; reads nothing.
    Closed,
}

impl Transport {
    /// Opens a stream, without TLS; over TCP from an address of this host, if one is given.
    pub(crate) async fn open(address: &Address, from: Option<IpAddr>) -> io::Result<Transport> {
        match address {
            Address::Tcp { host, port } => {
                let stream = match from {
                    None => TcpStream::connect((host.as_str(), *port)).await?,
                    Some(from) => dial(host, *port, from).await?,
                };
                prepare(&stream)?;
                Ok(Transport::Tcp(stream))
            }
            Address::Unix(path) => Ok(Transport::Unix(UnixStream::connect(path).await?)),
        }
    }

    /// The same stream under TLS.
    pub(crate) async fn upgrade(self, tls: &Tls, address: &Address) -> Result<Transport> {
        let host = match address {
            Address::Tcp { host, .. } => host.as_str(),
            Address::Unix(_) => "localhost",
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Error::Tls(format!("{host:?} is not a host name that a certificate can hold")))?;
        let stream = TlsConnector::from(tls.config()?)
            .connect(name, self)
            .await
            .map_err(|error| Error::Tls(format!("handshake failed: {error}")))?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    /// Nobody between us and the server can read what is sent.
    pub(crate) fn is_private(&self) -> bool {
        matches!(self, Transport::Unix(_) | Transport::Tls(_))
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Transport::Tls(_))
    }

    /// The server is on this host.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Transport::Tcp(stream) => stream.peer_addr().is_ok_and(|peer| matches!(peer.ip(), ip if is_loopback(ip))),
            Transport::Unix(_) => true,
            Transport::Tls(stream) => stream.get_ref().0.is_local(),
            Transport::Closed => false,
        }
    }
}

/// Connects from an address of this host, to the first address of the other that is of the same family and answers.
async fn dial(host: &str, port: u16, from: IpAddr) -> io::Result<TcpStream> {
    let mut problem = io::Error::new(io::ErrorKind::AddrNotAvailable, format!("{host} cannot be reached from {from}"));
    for address in tokio::net::lookup_host((host, port)).await?.filter(|to| to.is_ipv4() == from.is_ipv4()) {
        let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(from, 0))?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

/// Nagle off, keepalive on: a statement without a deadline must not wait for ever for a host that has gone.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Closed => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Closed => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_has_gone_is_noticed_without_a_deadline() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::tcp("127.0.0.1", listener.local_addr().unwrap().port());
        let Transport::Tcp(stream) = Transport::open(&address, None).await.unwrap() else { panic!("it is TCP") };
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_connection_comes_from_the_address_that_was_asked_for() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::tcp("localhost", listener.local_addr().unwrap().port());
        let _open = Transport::open(&address, Some([127, 0, 0, 9].into())).await.unwrap();
        let (_stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip().to_string(), "127.0.0.9");
        let other = Transport::open(&Address::tcp("127.0.0.1", 1), Some("::1".parse().unwrap())).await.err().unwrap();
        assert!(other.to_string().contains("127.0.0.1 cannot be reached from ::1"), "{other}");
    }
}
