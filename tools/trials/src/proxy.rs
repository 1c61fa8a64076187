//! A network that misbehaves: a TCP proxy that knows where messages begin, and does something wrong at the n-th of them.
//!
//! It counts the messages of each direction over all its connections from the moment it is armed, so that a test can walk through a
//! conversation: 0, 1, 2, … until the conversation ends before the fault is reached.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How messages follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// BSON-RPC: 16 bytes of header, which begin with the length of the body.
    Vitrail,
    /// MySQL's packets: a length of 3 bytes and a sequence number.
    MySql,
}

/// Whose messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connected.
    Up,
    /// From the server.
    Down,
}

/// What happens at the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is late.
    Delay,
    /// It and the connection end before it, in order (FIN) to both sides.
    Close,
    /// The same with a reset (RST) to both sides.
    Reset,
    /// Half of it arrives, then both sides read the end.
    Truncate,
    /// It and everything after it in its direction stays away; the connection stays open.
    Stall,
    /// A bit in its header is another one.
    CorruptHeader,
    /// A bit in the middle of its body is another one.
    CorruptBody,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 7] =
        [Kind::Delay, Kind::Close, Kind::Reset, Kind::Truncate, Kind::Stall, Kind::CorruptHeader, Kind::CorruptBody];

    /// Those that leave every byte that arrives as it was sent.
    pub const HONEST: [Kind; 5] = [Kind::Delay, Kind::Close, Kind::Reset, Kind::Truncate, Kind::Stall];
}

/// How late a late message is.
const LATE: Duration = Duration::from_millis(150);

/// The one thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// In which direction.
    pub direction: Direction,
    /// At which message of that direction, from 0.
    pub at: u64,
}

#[derive(Clone)]
enum Target {
    Address(SocketAddr),
    Socket(PathBuf),
}

struct Shared {
    framing: Framing,
    target: Mutex<Target>,
    armed: Mutex<Armed>,
    /// Counts up to end every connection that lives.
    severed: watch::Sender<u64>,
    /// Bytes that went up and down.
    bytes: [AtomicU64; 2],
}

#[derive(Default)]
struct Armed {
    fault: Option<Fault>,
    /// Messages so far, up and down.
    seen: [u64; 2],
    fired: bool,
}

/// A proxy. Dropped, it and its connections end.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of a TCP address.
    pub async fn to_address(address: SocketAddr, framing: Framing) -> Proxy {
        Proxy::start(Target::Address(address), framing).await
    }

    /// A proxy in front of a Unix socket.
    pub async fn to_socket(path: &Path, framing: Framing) -> Proxy {
        Proxy::start(Target::Socket(path.to_owned()), framing).await
    }

    async fn start(target: Target, framing: Framing) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port can be bound");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            framing,
            target: Mutex::new(target),
            armed: Mutex::default(),
            severed: watch::Sender::new(0),
            bytes: Default::default(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Proxy { address, shared, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts from 0 again, and lets this go wrong.
    pub fn arm(&self, fault: Fault) {
        *self.shared.armed.lock() = Armed { fault: Some(fault), ..Armed::default() };
    }

    /// Lets everything pass. Whether the fault had been reached.
    pub fn disarm(&self) -> bool {
        std::mem::take(&mut *self.shared.armed.lock()).fired
    }

    /// Whether the fault has been reached.
    pub fn has_fired(&self) -> bool {
        self.shared.armed.lock().fired
    }

    /// Messages since it was armed or disarmed, up and down.
    pub fn messages(&self) -> [u64; 2] {
        self.shared.armed.lock().seen
    }

    /// Leads new connections elsewhere.
    pub fn retarget(&self, address: SocketAddr) {
        *self.shared.target.lock() = Target::Address(address);
    }

    /// Ends every connection at once, by resets.
    pub fn sever(&self) {
        self.shared.severed.send_modify(|count| *count += 1);
    }

    /// Bytes that have passed, up and down.
    pub fn passed(&self) -> u64 {
        self.shared.bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.sever();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let _ = client.set_nodelay(true);
        tokio::spawn(carry(client, shared.clone()));
    }
}

/// How a direction ends, and with it the connection unless said otherwise.
enum End {
    /// Whoever sends has said that nothing more comes; the other direction goes on.
    Sent,
    /// In order, to both sides.
    Quietly,
    /// By resets.
    Reset,
}

/// Carries one connection until it ends.
async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let mut severed = shared.severed.subscribe();
    severed.mark_unchanged();
    let target = shared.target.lock().clone();
    match target {
        Target::Address(address) => {
            let Ok(server) = TcpStream::connect(address).await else { return };
            let _ = server.set_nodelay(true);
            let (client_for_reset, server_for_reset) =
                (socket2::SockRef::from(&client).try_clone(), socket2::SockRef::from(&server).try_clone());
            let end = both(client, server, &shared, &mut severed).await;
            if matches!(end, End::Reset) {
                reset(client_for_reset);
                reset(server_for_reset);
            }
        }
        Target::Socket(path) => {
            let Ok(server) = UnixStream::connect(path).await else { return };
            let client_for_reset = socket2::SockRef::from(&client).try_clone();
            let end = both(client, server, &shared, &mut severed).await;
            if matches!(end, End::Reset) {
                reset(client_for_reset);
            }
        }
    }
}

/// The last handle of a socket that lingers for no time is a reset when it goes.
fn reset(socket: io::Result<socket2::Socket>) {
    if let Ok(socket) = socket {
        let _ = socket.set_linger(Some(Duration::ZERO));
    }
}

async fn both<C, S>(client: C, server: S, shared: &Shared, severed: &mut watch::Receiver<u64>) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut client_read, mut client_write) = tokio::io::split(client);
    let (mut server_read, mut server_write) = tokio::io::split(server);
    let up = relay(&mut client_read, &mut server_write, Direction::Up, shared);
    let down = relay(&mut server_read, &mut client_write, Direction::Down, shared);
    let directions = async {
        tokio::pin!(up, down);
        let (end, up_ended) = tokio::select! {
            end = &mut up => (end, true),
            end = &mut down => (end, false),
        };
        match end {
            End::Sent if up_ended => down.await,
            // A server that has ended takes nothing more.
            other => other,
        }
    };
    tokio::select! {
        end = directions => end,
        _ = severed.changed() => End::Reset,
    }
}

/// Carries one direction, message by message, until it ends.
async fn relay(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    direction: Direction,
    shared: &Shared,
) -> End {
    let mut message = Vec::new();
    loop {
        match read_message(from, shared.framing, &mut message).await {
            Ok(true) => {}
            Ok(false) => {
                let _ = to.shutdown().await;
                return End::Sent;
            }
            Err(_) => return End::Quietly,
        }
        shared.bytes[direction as usize].fetch_add(message.len() as u64, Ordering::Relaxed);
        match shared.meets(direction) {
            None => {}
            Some(Kind::Delay) => tokio::time::sleep(LATE).await,
            Some(Kind::Close) => return End::Quietly,
            Some(Kind::Reset) => return End::Reset,
            Some(Kind::Truncate) => {
                let _ = to.write_all(&message[..message.len() / 2]).await;
                return End::Quietly;
            }
            // What is read no more fills the sender's window, as where a host has gone.
            Some(Kind::Stall) => std::future::pending().await,
            Some(Kind::CorruptHeader) => message[0] ^= 0x04,
            Some(Kind::CorruptBody) => {
                let header = shared.framing.header();
                let at = header + (message.len() - header) / 2;
                match message.get_mut(at) {
                    Some(byte) => *byte ^= 0x20,
                    None => message[0] ^= 0x04,
                }
            }
        }
        if to.write_all(&message).await.is_err() {
            return End::Quietly;
        }
    }
}

impl Shared {
    /// Counts a message; what happens to it.
    fn meets(&self, direction: Direction) -> Option<Kind> {
        let mut armed = self.armed.lock();
        let number = armed.seen[direction as usize];
        armed.seen[direction as usize] += 1;
        let fault = armed.fault.filter(|fault| fault.direction == direction && fault.at == number)?;
        armed.fired = true;
        Some(fault.kind)
    }
}

impl Framing {
    fn header(self) -> usize {
        match self {
            Framing::Vitrail => 16,
            Framing::MySql => 4,
        }
    }

    fn body(self, header: &[u8]) -> usize {
        match self {
            Framing::Vitrail => u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize,
            Framing::MySql => u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize,
        }
    }
}

/// Reads one message; false at an end between two.
async fn read_message(
    from: &mut (impl AsyncRead + Unpin),
    framing: Framing,
    message: &mut Vec<u8>,
) -> io::Result<bool> {
    message.clear();
    message.resize(framing.header(), 0);
    let first = from.read(&mut message[..1]).await?;
    if first == 0 {
        return Ok(false);
    }
    from.read_exact(&mut message[1..]).await?;
    let body = framing.body(message);
    message.resize(framing.header() + body, 0);
    from.read_exact(&mut message[framing.header()..]).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    fn packet(text: &[u8]) -> Vec<u8> {
        let mut packet = vec![text.len() as u8, 0, 0, 0];
        packet.extend_from_slice(text);
        packet
    }

    /// Sends two packets and reads until the end; `None` where nothing more comes.
    async fn converse(proxy: &Proxy) -> Option<io::Result<Vec<u8>>> {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(&packet(b"first")).await.unwrap();
        stream.write_all(&packet(b"second")).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut all = Vec::new();
        let read = async {
            stream.read_to_end(&mut all).await?;
            Ok(all)
        };
        tokio::time::timeout(Duration::from_secs(2), read).await.ok()
    }

    #[tokio::test]
    async fn each_fault_meets_the_message_that_it_names() {
        let proxy = Proxy::to_address(echo().await, Framing::MySql).await;
        let whole = [packet(b"first"), packet(b"second")].concat();
        assert_eq!(converse(&proxy).await.unwrap().unwrap(), whole);
        let down = |kind, at| Fault { kind, direction: Direction::Down, at };
        for (fault, expected) in [
            (down(Kind::Delay, 1), Some(whole.clone())),
            (down(Kind::Close, 1), Some(packet(b"first"))),
            (down(Kind::Close, 2), Some(whole.clone())),
            (down(Kind::Truncate, 1), Some([packet(b"first"), packet(b"second")[..5].to_vec()].concat())),
            (down(Kind::CorruptBody, 0), Some([packet(b"fiRst"), packet(b"second")].concat())),
        ] {
            proxy.arm(fault);
            assert_eq!(converse(&proxy).await.unwrap().ok(), expected, "{fault:?}");
            assert_eq!(proxy.disarm(), fault.at < 2, "{fault:?}");
        }
        // What was sent already and is not read makes the kernel say so.
        proxy.arm(Fault { direction: Direction::Up, ..down(Kind::Close, 0) });
        match converse(&proxy).await.unwrap() {
            Ok(answer) => assert_eq!(answer, [0_u8; 0]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
        assert!(proxy.disarm());
        proxy.arm(down(Kind::Reset, 1));
        assert_eq!(converse(&proxy).await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        proxy.arm(down(Kind::Stall, 1));
        assert!(converse(&proxy).await.is_none(), "a stalled connection stays open");
    }
}
