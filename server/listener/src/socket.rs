//! A connected socket, plain or TLS, that is read and written through a shared reference.
//!
//! Request tasks write their replies themselves, without waking the connection's task, while that task reads. `tokio`'s
//! streams need `&mut` for TLS, so the TLS session is kept here beside its TCP stream.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ServerConnection;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// An open socket.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsSocket>),
}

/// A TCP stream whose TLS handshake is done.
pub(crate) struct TlsSocket {
    tcp: TcpStream,
    session: Mutex<ServerConnection>,
}

impl Socket {
    /// Nagle off, keepalive on: a peer that vanished is noticed after about a minute and a half.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Socket> {
        prepare(&stream)?;
        Ok(Socket::Tcp(stream))
    }

    pub(crate) fn unix(stream: UnixStream) -> Socket {
        Socket::Unix(stream)
    }

    pub(crate) fn tls(tcp: TcpStream, session: ServerConnection) -> Socket {
        Socket::Tls(Box::new(TlsSocket { tcp, session: Mutex::new(session) }))
    }

    /// Waits for bytes, end of stream or an error. May wake for nothing.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.readable().await,
            Socket::Unix(stream) => stream.readable().await,
            // What came in the same segment as the end of the handshake has left the TCP stream already.
            Socket::Tls(socket) if socket.holds_plaintext() => Ok(()),
            Socket::Tls(socket) => socket.tcp.readable().await,
        }
    }

    /// Waits until a write may succeed. May wake for nothing.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.writable().await,
            Socket::Unix(stream) => stream.writable().await,
            Socket::Tls(socket) => socket.tcp.writable().await,
        }
    }

    /// Reads what is there; `Ok(0)` is the end of the stream.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => {
                read_once(SockRef::from(stream), buffer, |read| stream.try_io(Interest::READABLE, read))
            }
            Socket::Unix(stream) => {
                read_once(SockRef::from(stream), buffer, |read| stream.try_io(Interest::READABLE, read))
            }
            Socket::Tls(socket) => socket.try_read(buffer),
        }
    }

    /// Writes as much as the socket takes. With TLS, accepted bytes may still wait for [`Socket::try_flush`].
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.try_write_vectored(slices),
            Socket::Unix(stream) => stream.try_write_vectored(slices),
            Socket::Tls(socket) => socket.try_write(slices),
        }
    }

    /// Writes TLS records that are ready; without TLS there is nothing to do.
    pub(crate) fn try_flush(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(_) | Socket::Unix(_) => Ok(()),
            Socket::Tls(socket) => write_records(&mut socket.session.lock(), &socket.tcp),
        }
    }

    /// Sends FIN (after a TLS close notification), so that the peer reads all that was written before.
    pub(crate) fn finish(&self) {
        let closed = match self {
            Socket::Tcp(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Socket::Unix(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Socket::Tls(socket) => {
                let mut session = socket.session.lock();
                session.send_close_notify();
                write_records(&mut session, &socket.tcp)
                    .and_then(|()| SockRef::from(&socket.tcp).shutdown(Shutdown::Write))
            }
        };
        if let Err(error) = closed {
            tracing::trace!(%error, "the socket was gone before its end could be sent");
        }
    }
}

impl TlsSocket {
    /// Whether decrypted bytes wait to be read. An error is left to the next read.
    fn holds_plaintext(&self) -> bool {
        self.session.lock().process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut session = self.session.lock();
        loop {
            match session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if session.read_tls(&mut Tcp(&self.tcp))? == 0 {
                return Ok(0);
            }
            let processed = session.process_new_packets();
            // An alert or a key update may be waiting; if the socket is full, the next flush sends it.
            let _ = write_records(&mut session, &self.tcp);
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = self.session.lock();
        write_records(&mut session, &self.tcp)?;
        let accepted = session.writer().write_vectored(slices)?;
        match write_records(&mut session, &self.tcp) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(accepted),
        }
    }
}

/// Nagle off, keepalive on.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// One read. If it does not fill the buffer nothing more was there, and the runtime learns that with it: an extra call for each read that
/// would only be told to wait is saved. What comes later is an event of its own.
fn read_once(
    socket: SockRef<'_>,
    buffer: &mut [u8],
    attempt: impl FnOnce(&mut dyn FnMut() -> io::Result<()>) -> io::Result<()>,
) -> io::Result<usize> {
    let mut done = None;
    let attempted = attempt(&mut || {
        let read = (&*socket).read(buffer)?;
        done = Some(read);
        if read == 0 || read == buffer.len() { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    });
    match done {
        Some(read) => Ok(read),
        None => attempted.map(|()| 0),
    }
}

fn write_records(session: &mut ServerConnection, tcp: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(&mut Tcp(tcp))?;
    }
    Ok(())
}

/// A TCP stream as rustls wants it: blocking calls that answer `WouldBlock`.
struct Tcp<'a>(&'a TcpStream);

impl Read for Tcp<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_once(SockRef::from(self.0), buffer, |read| self.0.try_io(Interest::READABLE, read))
    }
}

impl Write for Tcp<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
