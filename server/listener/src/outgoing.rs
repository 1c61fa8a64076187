//! A message on its way out: encoded once, with room for its header in front, then cut into frames.

use bytes::{Buf, Bytes};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::frame::{EMPTY_DOCUMENT, Flags, HEADER_LEN, Header, Kind};
use vitrail_proto::message::{Auth, Credit, GoAway, Reply, ServerHello};

use crate::output::Frame;

/// The connection itself.
pub(crate) const CONNECTION: u64 = 0;

/// Rows below this are copied behind the rest of their message: cheaper than a slice of their own.
const COPIED: usize = 2 * 1024;
/// The end of a BSON document.
static TERMINATOR: &[u8] = &[0];

/// An encoded message.
pub(crate) struct Outgoing {
    kind: Kind,
    id: u64,
    end: bool,
    /// Header room and the body, up to `rows`.
    head: Vec<u8>,
    /// Rows as they came off the MySQL socket, then the terminator; empty: the body is complete.
    rows: Bytes,
}

impl Outgoing {
    pub(crate) fn reply(id: u64, reply: &Reply, end: bool) -> Outgoing {
        let rows = reply.rows.as_ref().map_or(0, |rows| rows.bytes.len());
        let fields = reply.fields.as_ref().map_or(0, Bytes::len);
        if rows < COPIED {
            return Outgoing::new(Kind::Reply, id, end, 128 + rows + fields, |out| reply.encode(out));
        }
        let mut rows = Bytes::new();
        let head = Outgoing::new(Kind::Reply, id, end, 128 + fields, |out| {
            rows = reply.encode_head(out).unwrap_or_default();
        });
        Outgoing { rows, ..head }
    }

    pub(crate) fn error(id: u64, mut error: ErrorBody) -> Outgoing {
        error.normalise();
        Outgoing::new(Kind::Error, id, true, 256, |out| error.encode(out))
    }

    pub(crate) fn hello(hello: &ServerHello) -> Outgoing {
        Outgoing::new(Kind::Hello, CONNECTION, false, 512, |out| hello.encode(out))
    }

    pub(crate) fn auth(auth: &Auth) -> Outgoing {
        Outgoing::new(Kind::Auth, CONNECTION, false, 256, |out| auth.encode(out))
    }

    /// Leave to upload the rest of a request.
    pub(crate) fn credit(id: u64, bytes: u32) -> Outgoing {
        Outgoing::new(Kind::Credit, id, false, 64, |out| Credit { bytes }.encode(out))
    }

    pub(crate) fn go_away(go_away: &GoAway) -> Outgoing {
        Outgoing::new(Kind::GoAway, CONNECTION, false, 128, |out| go_away.encode(out))
    }

    /// The answer to a PING.
    pub(crate) fn pong() -> Outgoing {
        Outgoing::new(Kind::Ping, CONNECTION, true, EMPTY_DOCUMENT.len(), |out| out.extend_from_slice(&EMPTY_DOCUMENT))
    }

    /// It carries END.
    pub(crate) fn is_end(&self) -> bool {
        self.end
    }

    pub(crate) fn body_len(&self) -> usize {
        self.head.len() - HEADER_LEN + self.rows.len() + usize::from(!self.rows.is_empty())
    }

    /// Cuts it into frames of at most `max_frame` body bytes, which share the message's memory.
    pub(crate) fn into_frames(mut self, max_frame: u32) -> impl Iterator<Item = Frame> {
        let mut left = self.body_len();
        let max_frame = max_frame as usize;
        let flags = if self.end { Flags::END } else { Flags::NONE };
        let whole = left <= max_frame;
        if whole {
            let header = self.header(left, flags);
            self.head[..HEADER_LEN].copy_from_slice(&header);
        }
        let terminator = if self.rows.is_empty() { Bytes::new() } else { Bytes::from_static(TERMINATOR) };
        let mut rest = [Bytes::from(std::mem::take(&mut self.head)), std::mem::take(&mut self.rows), terminator];
        if !whole {
            rest[0].advance(HEADER_LEN);
        }
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            if whole {
                left = 0;
                let [head, rows, terminator] = std::mem::take(&mut rest);
                return Some(Frame([head, rows, terminator, Bytes::new()]));
            }
            let length = left.min(max_frame);
            left -= length;
            let header = Bytes::copy_from_slice(&self.header(length, flags.with_more(left > 0)));
            let mut wanted = length;
            let [head, rows, terminator] = rest.each_mut().map(|part| {
                let taken = part.split_to(part.len().min(wanted));
                wanted -= taken.len();
                taken
            });
            Some(Frame([header, head, rows, terminator]))
        })
    }

    fn header(&self, length: usize, flags: Flags) -> [u8; HEADER_LEN] {
        Header { length: length as u32, kind: self.kind, flags, id: self.id }.encode()
    }

    fn new(kind: Kind, id: u64, end: bool, capacity: usize, encode: impl FnOnce(&mut Vec<u8>)) -> Outgoing {
        let mut head = Vec::with_capacity(HEADER_LEN + capacity);
        head.resize(HEADER_LEN, 0);
        encode(&mut head);
        Outgoing { kind, id, end, head, rows: Bytes::new() }
    }
}

#[cfg(test)]
mod tests {
    use vitrail_proto::rows::RowBatch;

    use super::*;

    /// Frames as one message again, and the number of them.
    fn joined(message: Outgoing, max_frame: u32) -> (Vec<u8>, usize) {
        let mut body = Vec::new();
        let mut frames = 0;
        for frame in message.into_frames(max_frame) {
            let bytes = frame.0.concat();
            let header = Header::decode(bytes.first_chunk().unwrap()).unwrap();
            assert_eq!(header.length as usize, bytes.len() - HEADER_LEN);
            assert!(header.length <= max_frame && header.flags.end());
            body.extend_from_slice(&bytes[HEADER_LEN..]);
            frames += 1;
        }
        (body, frames)
    }

    #[test]
    fn frames_join_to_what_was_encoded() {
        for size in [0, 1, COPIED - 1, COPIED, 16_000, 16_384, 50_000, 100_000] {
            let rows = RowBatch { bytes: vec![7; size].into(), count: 1 };
            let reply = Reply { rows: Some(rows), json: Some("x".repeat(9)), ..Reply::default() };
            let mut expected = Vec::new();
            reply.encode(&mut expected);
            let (body, frames) = joined(Outgoing::reply(5, &reply, true), 16 * 1024);
            assert_eq!(frames, expected.len().div_ceil(16 * 1024), "{size}");
            assert!(body == expected, "{size}");
        }
    }
}
