//! Packets: a u24 length, a sequence number and a payload; larger payloads go on in further packets.
//!
//! [`Channel::scan`] is the hot path. Complete packets stay where the socket put them: the sequence byte is checked and set to
//! zero, which turns (u24 length, u8 sequence) into the u32 length of a packed row, and the stretch of buffer that
//! they fill is handed on as it is. A packet above [`LARGE`] is gathered in a buffer of its own, so that the
//! read buffer never outgrows that size, and grows only as its bytes arrive.
//!
//! Everything that reads is safe to drop and call again: what was received stays in the channel.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::{Error, Result, Sent};
use crate::transport::Transport;

/// The payload of a packet that is followed by another one of the same row.
const FULL: usize = 0xff_ffff;
/// The header.
const HEADER: usize = 4;
/// First size of the read buffer: a point select's whole answer.
const SMALL_BUFFER: usize = 8 << 10;
/// Packets above this are gathered apart; also the largest size of the read buffer.
const LARGE: usize = 64 << 10;
/// Below this, a copy is cheaper than giving away the read buffer.
const COPY_BELOW: usize = 4 << 10;
/// A packed row has a u32 length.
const MAX_ROW: usize = u32::MAX as usize;
/// A large packet's buffer asks for at most so much ahead of what has arrived.
const READ_AHEAD: usize = 1 << 20;

/// What a scan met.
#[derive(Debug)]
pub(crate) enum Scan {
    /// At least one row, packed.
    Rows { bytes: Bytes, count: u32 },
    /// A payload that is no row: OK, EOF or ERR.
    Control(Bytes),
}

/// Which payloads a scan takes for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Text rows: 0xff begins an error, 0xfe the end.
    Text,
    /// Column definitions: only an error is none.
    Columns,
}

/// Packets over a transport.
pub(crate) struct Channel {
    pub(crate) transport: Transport,
    /// Received and not yet taken.
    buffer: BytesMut,
    /// The packet above `LARGE` that is arriving.
    large: Option<Large>,
    /// The sequence number that comes next, either way.
    sequence: u8,
    /// The largest payload that is taken.
    max_packet: usize,
    /// An error met while rows were on hand; the next read returns it.
    delayed: Option<io::Error>,
    /// What reading is for, in errors.
    doing: &'static str,
}

/// A large packet with a u32 header, and how much of its current physical packet is missing.
struct Large {
    bytes: BytesMut,
    missing: usize,
    last: bool,
    control: bool,
}

impl Channel {
    pub(crate) fn new(transport: Transport, max_packet: usize) -> Channel {
        Channel {
            transport,
            buffer: BytesMut::new(),
            large: None,
            sequence: 0,
            max_packet: max_packet.min(MAX_ROW),
            delayed: None,
            doing: "logging in",
        }
    }

    /// Nothing received is waiting to be taken.
    pub(crate) fn is_drained(&self) -> bool {
        self.buffer.is_empty() && self.large.is_none() && self.delayed.is_none()
    }

    /// Bounds the payloads that are taken from now on.
    pub(crate) fn set_max_packet(&mut self, max_packet: usize) {
        self.max_packet = max_packet.min(MAX_ROW);
    }

    /// Gives the read buffer back. Only between commands.
    pub(crate) fn release_buffer(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Whether the peer is silent, as it must be between commands. Costs no system call while nothing arrived.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        let mut byte = [0; 1];
        let mut read = pin!(self.transport.read(&mut byte));
        poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await
    }

    /// Sends a command: `head` and then `body` make the payload. A new exchange begins: sequence 0.
    pub(crate) async fn send_command(&mut self, head: u8, body: &[u8]) -> Result<()> {
        self.send_commands(head, body, &[]).await
    }

    /// Sends a command, and `others` with the same `head` behind it; if there are any, each of all fits into a packet.
    pub(crate) async fn send_commands(&mut self, head: u8, body: &[u8], others: &[Bytes]) -> Result<()> {
        self.sequence = 0;
        self.doing = "reading the answer";
        if others.is_empty() {
            return self.send(&[head], body).await;
        }
        let bodies = || std::iter::once(body).chain(others.iter().map(|body| &**body));
        let mut packets = Vec::with_capacity(bodies().map(|body| HEADER + 1 + body.len()).sum());
        for body in bodies() {
            debug_assert!(body.len() + 1 < FULL, "statements that go together are short");
            packets.put_uint_le(body.len() as u64 + 1, 3);
            packets.extend_from_slice(&[0, head]);
            packets.extend_from_slice(body);
        }
        self.begin_answer();
        self.write(&packets, &mut Sent::Nothing).await?;
        self.flush().await
    }

    /// The answer to a command of one packet begins.
    pub(crate) fn begin_answer(&mut self) {
        self.sequence = 1;
    }

    /// Sends a payload that answers the peer, in the exchange under way.
    pub(crate) async fn send_answer(&mut self, payload: &[u8]) -> Result<()> {
        self.send(&[], payload).await
    }

    /// Sends one payload in as many packets as it needs.
    async fn send(&mut self, head: &[u8], mut body: &[u8]) -> Result<()> {
        let mut head = head;
        let mut sent = Sent::Nothing;
        loop {
            let length = (head.len() + body.len()).min(FULL);
            let (chunk, rest) = body.split_at(length - head.len());
            body = rest;
            let mut first = Vec::with_capacity(HEADER + head.len() + if chunk.len() < LARGE { chunk.len() } else { 0 });
            first.extend_from_slice(&(length as u32).to_le_bytes()[..3]);
            first.push(self.sequence);
            first.extend_from_slice(head);
            head = &[];
            self.sequence = self.sequence.wrapping_add(1);
            // Small payloads go in one write with their header; large ones are not copied.
            let second = if chunk.len() < LARGE {
                first.extend_from_slice(chunk);
                &[][..]
            } else {
                chunk
            };
            self.write(&first, &mut sent).await?;
            self.write(second, &mut sent).await?;
            if length < FULL {
                break;
            }
        }
        self.flush().await
    }

    async fn write(&mut self, mut part: &[u8], sent: &mut Sent) -> Result<()> {
        while !part.is_empty() {
            match self.transport.write(part).await {
                Ok(0) => return Err(self.write_failed(io::ErrorKind::WriteZero.into(), *sent)),
                Ok(written) => {
                    *sent = Sent::Something;
                    part = &part[written..];
                }
                Err(source) => return Err(self.write_failed(source, *sent)),
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        self.transport.flush().await.map_err(|source| Error::Io { source, sent: Sent::Something, doing: "sending" })
    }

    fn write_failed(&self, source: io::Error, sent: Sent) -> Error {
        Error::Io { source, sent, doing: "sending" }
    }

    /// The next payload, whatever it is. Used where no rows can come.
    pub(crate) async fn payload(&mut self) -> Result<Bytes> {
        loop {
            if self.large.is_some() {
                let mut bytes = self.gather().await?.bytes.freeze();
                bytes.advance(HEADER);
                return Ok(bytes);
            }
            match self.frame(0) {
                Some(length) if length > LARGE => self.begin_large(length, true)?,
                Some(length) if self.buffer.len() >= HEADER + length => {
                    self.take_sequence(0)?;
                    self.buffer.advance(HEADER);
                    return Ok(Bytes::copy_from_slice(&self.buffer.split_to(length)));
                }
                _ => self.fill().await?,
            }
        }
    }

    /// The next rows, up to about `max_bytes` and at most `max_rows`, or what is no row.
    ///
    /// Waits only while there is no complete row: what has arrived is handed on rather than held for a fuller batch.
    pub(crate) async fn scan(&mut self, kind: Rows, max_bytes: usize, max_rows: u32) -> Result<Scan> {
        let mut at = 0;
        let mut count = 0;
        loop {
            if self.large.is_some() {
                let mut large = self.gather().await?;
                if large.control {
                    large.bytes.advance(HEADER);
                    return Ok(Scan::Control(large.bytes.freeze()));
                }
                let length = (large.bytes.len() - HEADER) as u32;
                large.bytes[..HEADER].copy_from_slice(&length.to_le_bytes());
                return Ok(Scan::Rows { bytes: large.bytes.freeze(), count: 1 });
            }
            while count < max_rows && at < max_bytes {
                let Some(length) = self.frame(at) else { break };
                if length == 0 {
                    return Err(Error::Protocol("an empty packet where a row should be"));
                }
                let Some(&first) = self.buffer.get(at + HEADER) else { break };
                let control = match kind {
                    Rows::Text => first == 0xff || (first == 0xfe && length < FULL),
                    Rows::Columns => first == 0xff,
                };
                if control || length > LARGE {
                    if count > 0 {
                        return Ok(self.take_rows(at, count));
                    }
                    if length > LARGE {
                        self.begin_large(length, control)?;
                        break;
                    }
                    if self.buffer.len() < HEADER + length {
                        break;
                    }
                    return Ok(Scan::Control(self.payload().await?));
                }
                if self.buffer.len() < at + HEADER + length {
                    break;
                }
                if length > self.max_packet {
                    return Err(Error::TooLarge { what: "row", size: length as u64, limit: self.max_packet as u64 });
                }
                self.take_sequence(at)?;
                self.buffer[at + 3] = 0;
                at += HEADER + length;
                count += 1;
            }
            if self.large.is_some() {
                continue;
            }
            if count == 0 {
                self.fill().await?;
            } else if count == max_rows || at >= max_bytes || !self.fill_now().await {
                return Ok(self.take_rows(at, count));
            }
        }
    }

    /// Hands out the rows that fill the first `at` bytes of the buffer.
    fn take_rows(&mut self, at: usize, count: u32) -> Scan {
        let bytes = if at < COPY_BELOW {
            let bytes = Bytes::copy_from_slice(&self.buffer[..at]);
            self.buffer.advance(at);
            bytes
        } else {
            self.buffer.split_to(at).freeze()
        };
        Scan::Rows { bytes, count }
    }

    /// Length of the packet that begins at `at`, once its header is there.
    fn frame(&self, at: usize) -> Option<usize> {
        let header = self.buffer.get(at..at + HEADER)?;
        Some(usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16)
    }

    /// Checks the sequence number of the packet that begins at `at` and counts on.
    fn take_sequence(&mut self, at: usize) -> Result<()> {
        if self.buffer[at + 3] != self.sequence {
            return Err(Error::Protocol("packets out of order"));
        }
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// Begins to gather the packet at the front of the buffer apart.
    fn begin_large(&mut self, length: usize, control: bool) -> Result<()> {
        if length > self.max_packet {
            return Err(Error::TooLarge { what: "row", size: length as u64, limit: self.max_packet as u64 });
        }
        self.take_sequence(0)?;
        self.buffer.advance(HEADER);
        let mut bytes = BytesMut::with_capacity(HEADER + length.min(READ_AHEAD));
        bytes.put_u32_le(0);
        self.large = Some(Large { bytes, missing: length, last: length < FULL, control });
        Ok(())
    }

    /// Receives the rest of the large packet, and of those that go on with it.
    async fn gather(&mut self) -> Result<Large> {
        loop {
            let Some(large) = &mut self.large else { return Err(Error::Protocol("no large packet to gather")) };
            if large.missing > 0 {
                if self.buffer.is_empty() {
                    large.bytes.reserve(large.missing.min(READ_AHEAD));
                    let mut target = (&mut large.bytes).limit(large.missing);
                    let read = match self.delayed.take() {
                        Some(error) => Err(error),
                        None => self.transport.read_buf(&mut target).await,
                    };
                    large.missing -= received(read, self.doing)?;
                } else {
                    let taken = self.buffer.split_to(large.missing.min(self.buffer.len()));
                    large.bytes.extend_from_slice(&taken);
                    large.missing -= taken.len();
                }
            } else if large.last {
                if let Some(large) = self.large.take() {
                    return Ok(large);
                }
            } else {
                let size = large.bytes.len() - HEADER;
                match self.frame(0) {
                    None => self.fill().await?,
                    Some(length) => {
                        if size + length > self.max_packet {
                            let size = (size + length) as u64;
                            return Err(Error::TooLarge { what: "row", size, limit: self.max_packet as u64 });
                        }
                        self.take_sequence(0)?;
                        self.buffer.advance(HEADER);
                        if let Some(large) = &mut self.large {
                            large.missing = length;
                            large.last = length < FULL;
                        }
                    }
                }
            }
        }
    }

    /// Makes room for the next read: small at first, large once a read has filled the small one.
    fn reserve(&mut self) {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(SMALL_BUFFER);
        } else if self.buffer.capacity() - self.buffer.len() < SMALL_BUFFER / 2 {
            self.buffer.reserve(LARGE);
        }
    }

    /// Waits for more bytes.
    async fn fill(&mut self) -> Result<()> {
        if let Some(error) = self.delayed.take() {
            return Err(Error::Io { source: error, sent: Sent::Something, doing: self.doing });
        }
        self.reserve();
        received(self.transport.read_buf(&mut self.buffer).await, self.doing).map(|_| ())
    }

    /// Takes what has arrived already; false if that is nothing. Errors wait for the next `fill`.
    async fn fill_now(&mut self) -> bool {
        if self.delayed.is_some() {
            return false;
        }
        self.reserve();
        let mut read = pin!(self.transport.read_buf(&mut self.buffer));
        let outcome = poll_fn(|cx| match read.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => Poll::Ready(None),
        })
        .await;
        match outcome {
            None => false,
            Some(Ok(0)) => {
                self.delayed = Some(io::ErrorKind::UnexpectedEof.into());
                false
            }
            Some(Ok(_)) => true,
            Some(Err(error)) => {
                self.delayed = Some(error);
                false
            }
        }
    }
}

/// Bytes of a read; the end of the stream is an error, because the protocol has no place for it.
fn received(read: io::Result<usize>, doing: &'static str) -> Result<usize> {
    match read {
        Ok(0) => Err(Error::Io { source: io::ErrorKind::UnexpectedEof.into(), sent: Sent::Something, doing }),
        Ok(count) => Ok(count),
        Err(source) => Err(Error::Io { source, sent: Sent::Something, doing }),
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tokio::net::UnixStream;

    use super::*;

    /// A channel whose peer has sent `bytes`, in pieces of `piece` bytes, and closed.
    fn channel(bytes: Vec<u8>, piece: usize, max_packet: usize) -> Channel {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        tokio::spawn(async move {
            for piece in bytes.chunks(piece.max(1)) {
                if theirs.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
        Channel::new(Transport::Unix(ours), max_packet)
    }

    /// Packets of one payload, with sequence numbers from `sequence` on.
    fn packets(payload: &[u8], sequence: &mut u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = payload;
        loop {
            let (chunk, tail) = rest.split_at(rest.len().min(FULL));
            bytes.extend_from_slice(&(chunk.len() as u32).to_le_bytes()[..3]);
            bytes.push(*sequence);
            bytes.extend_from_slice(chunk);
            *sequence = sequence.wrapping_add(1);
            rest = tail;
            if chunk.len() < FULL {
                return bytes;
            }
        }
    }

    #[tokio::test]
    async fn rows_arrive_whole_in_any_pieces() {
        let sizes = [1, 5, 300, LARGE - 1, LARGE, LARGE + 1, 2, FULL - 1, FULL, FULL + 1, 7, 2 * FULL, 3];
        let mut sequence = 0;
        let mut bytes = Vec::new();
        for size in sizes {
            bytes.extend(packets(&vec![0x41; size], &mut sequence));
        }
        bytes.extend(packets(b"\xfe\0\0\x02\0", &mut sequence));
        for piece in [977, 4096, 70_001, usize::MAX] {
            let mut channel = channel(bytes.clone(), piece, 1 << 30);
            let mut met = Vec::new();
            let end = loop {
                match channel.scan(Rows::Text, 32 << 10, u32::MAX).await.unwrap() {
                    Scan::Rows { bytes, count } => {
                        let mut rest = &bytes[..];
                        for _ in 0..count {
                            let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
                            assert!(rest[4..4 + length].iter().all(|&byte| byte == 0x41));
                            met.push(length);
                            rest = &rest[4 + length..];
                        }
                        assert!(rest.is_empty());
                    }
                    Scan::Control(payload) => break payload,
                }
            };
            assert_eq!(met, sizes);
            assert_eq!(&end[..], b"\xfe\0\0\x02\0");
            assert!(channel.is_drained());
        }
    }

    #[tokio::test]
    async fn what_is_no_protocol_is_an_error() {
        let table: [(&[u8], &str); 7] = [
            (b"\x01\0\0\x05A", "out of order"),
            (b"\0\0\0\0", "empty packet"),
            (b"\x02\0\0\0A", "lost"),
            (b"\x02\0", "lost"),
            (b"", "lost"),
            (b"\xff\xff\x7f\0A", "above the limit"),
            (b"\xff\xff\xff\0\xfe", "above the limit"),
        ];
        for (bytes, expected) in table {
            let error = channel(bytes.to_vec(), 1, 1 << 20).scan(Rows::Text, 1 << 10, u32::MAX).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{bytes:?}: {error}");
        }
    }

    #[tokio::test]
    async fn any_bytes_give_rows_or_an_error() {
        let seed = rand::random();
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..2_000 {
            let mut sequence = 0;
            let mut bytes = Vec::new();
            for _ in 0..random.random_range(0..4) {
                let payload: Vec<u8> = (0..random.random_range(0..40)).map(|_| random.random()).collect();
                bytes.extend(packets(&payload, &mut sequence));
            }
            for _ in 0..random.random_range(0..3) {
                if !bytes.is_empty() {
                    let at = random.random_range(0..bytes.len());
                    bytes[at] = random.random();
                }
            }
            let mut channel = channel(bytes, random.random_range(1..50), 1 << 20);
            loop {
                match channel.scan(Rows::Text, 64, u32::MAX).await {
                    Ok(Scan::Rows { bytes, count }) => assert!(count > 0 && bytes.len() >= 5),
                    Ok(Scan::Control(payload)) => {
                        let _ = crate::response::End::parse_ok(&payload, u32::MAX);
                        let _ = crate::response::End::parse_eof(&payload, 0);
                        let _ = crate::response::server_error(&payload);
                    }
                    Err(_) => break,
                }
            }
        }
    }
}
