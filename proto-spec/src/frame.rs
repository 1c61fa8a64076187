//! Frames: the 16-byte header, cutting messages into frames, and putting them together again.
//!
//! Nothing here reads a socket. A receiver reads 16 bytes, asks [`Reassembler::admit`], reads the body that it allows, and
//! hands both to [`Reassembler::push`].

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::limits::{FREE_UPLOAD, ID_LIMIT, Limits, MAX_IN_FLIGHT, MAX_UNAUTHENTICATED_FRAME, MIN_FRAGMENT};

/// Bytes of a header.
pub const HEADER_LEN: usize = 16;

/// The shortest BSON document: its length and its terminator.
pub const EMPTY_DOCUMENT: [u8; 5] = [5, 0, 0, 0, 0];

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// 1: versions, capabilities, limits, and the first step of authentication.
    Hello,
    /// 2: further steps of authentication.
    Auth,
    /// 3: asks for something.
    Request,
    /// 4: answers a request, wholly or in part.
    Reply,
    /// 5: ends a request, or the connection.
    Error,
    /// 6: more room for replies, or leave to upload.
    Credit,
    /// 7: stops a request.
    Cancel,
    /// 8: asks whether the peer lives; with END, says so.
    Ping,
    /// 9: the server drains.
    GoAway,
    /// 128 to 255: unknown, and skipped.
    Extension(u8),
}

impl Kind {
    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Kind::Hello => 1,
            Kind::Auth => 2,
            Kind::Request => 3,
            Kind::Reply => 4,
            Kind::Error => 5,
            Kind::Credit => 6,
            Kind::Cancel => 7,
            Kind::Ping => 8,
            Kind::GoAway => 9,
            Kind::Extension(number) => number,
        }
    }

    /// The kind of a number; those below 128 that are not known are refused.
    pub fn from_number(number: u8) -> Result<Kind, ProtocolError> {
        Ok(match number {
            1 => Kind::Hello,
            2 => Kind::Auth,
            3 => Kind::Request,
            4 => Kind::Reply,
            5 => Kind::Error,
            6 => Kind::Credit,
            7 => Kind::Cancel,
            8 => Kind::Ping,
            9 => Kind::GoAway,
            128.. => Kind::Extension(number),
            _ => return Err(ProtocolError::UnknownKind(number)),
        })
    }

    /// Flags that fit this kind.
    fn allowed_flags(self) -> u8 {
        match self {
            Kind::Request => Flags::MORE.0,
            Kind::Reply => Flags::MORE.0 | Flags::END.0,
            Kind::Error | Kind::Ping => Flags::END.0,
            Kind::Extension(_) => Flags::MORE.0 | Flags::END.0,
            _ => 0,
        }
    }

    /// Whether `id` fits this kind: requests have one of their own, the connection has 0, an ERROR may end either.
    fn allows_id(self, id: u64) -> bool {
        match self {
            Kind::Request | Kind::Reply | Kind::Credit | Kind::Cancel => id != 0,
            Kind::Hello | Kind::Auth | Kind::Ping | Kind::GoAway => id == 0,
            Kind::Error | Kind::Extension(_) => true,
        }
    }
}

/// Flags of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// None.
    pub const NONE: Flags = Flags(0);
    /// Another frame of the same message follows.
    pub const MORE: Flags = Flags(1);
    /// The last message of a request; on each frame of it.
    pub const END: Flags = Flags(2);

    /// The bits on the wire.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether MORE is set.
    pub fn more(self) -> bool {
        self.0 & Flags::MORE.0 != 0
    }

    /// Whether END is set.
    pub fn end(self) -> bool {
        self.0 & Flags::END.0 != 0
    }

    /// The same with or without MORE.
    pub fn with_more(self, more: bool) -> Flags {
        if more { Flags(self.0 | Flags::MORE.0) } else { Flags(self.0 & !Flags::MORE.0) }
    }
}

/// The header of a frame. Little-endian: u32 body length, u8 kind, u8 flags, u16 zero, u64 id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the body.
    pub length: u32,
    /// What it is.
    pub kind: Kind,
    /// Its flags.
    pub flags: Flags,
    /// The request, or 0 for the connection.
    pub id: u64,
}

impl Header {
    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4] = self.kind.number();
        bytes[5] = self.flags.0;
        bytes[8..].copy_from_slice(&self.id.to_le_bytes());
        bytes
    }

    /// Reads a header. Checks all that depends on the header alone; every error closes the connection.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Header, ProtocolError> {
        let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let (number, flags) = (bytes[4], bytes[5]);
        let id = u64::from_le_bytes(bytes[8..].try_into().expect("8 of 16 bytes remain"));
        let kind = Kind::from_number(number)?;
        if flags & !kind.allowed_flags() != 0 || (kind == Kind::Error && flags != Flags::END.0) {
            return Err(ProtocolError::BadFlags { kind: number, flags });
        }
        if bytes[6] != 0 || bytes[7] != 0 {
            return Err(ProtocolError::Reserved);
        }
        if id >= ID_LIMIT || !kind.allows_id(id) {
            return Err(ProtocolError::BadId { kind: number, id });
        }
        Ok(Header { length, kind, flags: Flags(flags), id })
    }
}

/// Cuts a message into frames.
///
/// A REQUEST is cut at [`FREE_UPLOAD`] as well: what follows waits for CREDIT.
#[derive(Debug, Clone)]
pub struct Fragments<'a> {
    kind: Kind,
    flags: Flags,
    id: u64,
    max_frame: usize,
    body: &'a [u8],
    offset: usize,
    done: bool,
}

impl<'a> Fragments<'a> {
    /// Frames of `body`, none with a body above `max_frame` bytes (the receiver's; at least 16 KiB).
    pub fn new(kind: Kind, flags: Flags, id: u64, max_frame: u32, body: &'a [u8]) -> Fragments<'a> {
        let max_frame = max_frame.max(2 * MIN_FRAGMENT) as usize;
        Fragments { kind, flags, id, max_frame, body, offset: 0, done: false }
    }

    /// Bytes of the body that were given out so far.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Whether the next frame needs the CREDIT of an upload.
    pub fn needs_credit(&self) -> bool {
        self.kind == Kind::Request && !self.done && self.offset >= FREE_UPLOAD as usize
    }

    fn next_length(&self) -> usize {
        let rest = self.body.len() - self.offset;
        let free = FREE_UPLOAD as usize;
        let wanted = if self.kind == Kind::Request && self.offset < free && self.body.len() > free {
            free - self.offset
        } else {
            rest
        };
        if wanted <= self.max_frame {
            wanted
        } else if wanted - self.max_frame < MIN_FRAGMENT as usize {
            // What remains before the cut would be below the least fragment: leave it more.
            self.max_frame - MIN_FRAGMENT as usize
        } else {
            self.max_frame
        }
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = (Header, &'a [u8]);

    fn next(&mut self) -> Option<(Header, &'a [u8])> {
        if self.done {
            return None;
        }
        let end = self.offset + self.next_length();
        let bytes = &self.body[self.offset..end];
        self.offset = end;
        self.done = end == self.body.len();
        let flags = self.flags.with_more(!self.done);
        Some((Header { length: bytes.len() as u32, kind: self.kind, flags, id: self.id }, bytes))
    }
}

/// Appends a whole message to `out`, as one frame or several. A client whose request is above [`FREE_UPLOAD`] uses
/// [`Fragments`] instead, because it has to wait for CREDIT.
pub fn write_message(out: &mut Vec<u8>, kind: Kind, flags: Flags, id: u64, max_frame: u32, body: &[u8]) {
    out.reserve(body.len() + HEADER_LEN * (1 + body.len() / max_frame.max(1) as usize));
    for (header, bytes) in Fragments::new(kind, flags, id, max_frame, body) {
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(bytes);
    }
}

/// A complete message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Its flags; MORE is never set.
    pub flags: Flags,
    /// The request, or 0.
    pub id: u64,
    /// One BSON document, of which only the announced length was checked.
    pub body: Bytes,
}

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// It completed a message.
    Message(Message),
    /// It belongs to a message that is not complete.
    Partial {
        /// Whose.
        id: u64,
        /// What.
        kind: Kind,
        /// Bytes that the whole message will have.
        announced: u32,
        /// Bytes that have come so far.
        received: u32,
    },
    /// It was of an unknown kind that is skipped, or of a message that was given up.
    Skipped,
}

/// Which end of the connection receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Receives HELLO, AUTH, REQUEST, CREDIT, CANCEL, PING.
    Server,
    /// Receives HELLO, AUTH, REPLY, ERROR, CREDIT, PING with END, GOAWAY.
    Client,
}

impl Side {
    fn receives(self, kind: Kind, flags: Flags) -> bool {
        match kind {
            Kind::Hello | Kind::Auth | Kind::Credit | Kind::Extension(_) => true,
            Kind::Request | Kind::Cancel => self == Side::Server,
            Kind::Reply | Kind::Error | Kind::GoAway => self == Side::Client,
            Kind::Ping => flags.end() == (self == Side::Client),
        }
    }
}

/// An unfinished message.
#[derive(Debug)]
struct Partial {
    kind: Kind,
    flags: Flags,
    announced: u32,
    granted: bool,
    bytes: Vec<u8>,
}

/// Puts messages together from the frames of one connection.
///
/// Memory: a message's buffer grows with the bytes that have come, to at most twice those, and never beyond what its first
/// four bytes announced. On a server nothing beyond [`FREE_UPLOAD`] comes for a request before [`Reassembler::grant`].
#[derive(Debug)]
pub struct Reassembler {
    side: Side,
    limits: Limits,
    authenticated: bool,
    last_request: u64,
    partial: HashMap<u64, Partial>,
    given_up: VecDeque<u64>,
}

impl Reassembler {
    /// For a connection whose authentication has not ended. `limits` are those that this side announces.
    pub fn new(side: Side, limits: Limits) -> Reassembler {
        Reassembler {
            side,
            limits: limits.clamped(),
            authenticated: false,
            last_request: 0,
            partial: HashMap::new(),
            given_up: VecDeque::new(),
        }
    }

    /// Authentication has ended: the announced limits hold, and requests may come.
    pub fn set_authenticated(&mut self) {
        self.authenticated = true;
    }

    /// Whether the body of `header` may be read. To be asked before any memory is taken for it.
    pub fn admit(&self, header: &Header) -> Result<(), ProtocolError> {
        let limit = if self.authenticated { self.limits.max_frame } else { MAX_UNAUTHENTICATED_FRAME };
        if header.length > limit {
            return Err(ProtocolError::FrameTooLarge { length: header.length, limit });
        }
        let number = header.kind.number();
        if !self.side.receives(header.kind, header.flags) {
            return Err(ProtocolError::UnexpectedKind(number));
        }
        let opening = matches!(header.kind, Kind::Hello | Kind::Auth);
        let in_time = if self.authenticated { !opening } else { opening || header.kind == Kind::Error };
        if !in_time {
            return Err(ProtocolError::UnexpectedKind(number));
        }
        if matches!(header.kind, Kind::Extension(_)) {
            return Ok(());
        }
        let continued = self.partial.contains_key(&header.id) && matches!(header.kind, Kind::Request | Kind::Reply);
        let given_up = self.given_up.contains(&header.id);
        let least = if header.flags.more() {
            MIN_FRAGMENT
        } else if continued || given_up {
            1
        } else {
            EMPTY_DOCUMENT.len() as u32
        };
        if header.length < least {
            return Err(ProtocolError::FrameTooSmall { length: header.length, least });
        }
        Ok(())
    }

    /// Takes one frame whose header was admitted. `body` has `header.length` bytes; it becomes the message's body without a
    /// copy if the message is one frame.
    ///
    /// [`ProtocolError::MessageTooLarge`] ends only that message: the rest of its frames is skipped.
    pub fn push(&mut self, header: Header, body: Bytes) -> Result<Received, ProtocolError> {
        self.admit(&header)?;
        if body.len() != header.length as usize {
            return Err(ProtocolError::BadStructure);
        }
        match header.kind {
            Kind::Extension(_) => Ok(Received::Skipped),
            Kind::Request | Kind::Reply => match self.partial.remove(&header.id) {
                Some(partial) => self.continue_message(partial, header, &body),
                None => self.begin_message(header, body),
            },
            kind => {
                if kind == Kind::Error {
                    self.partial.remove(&header.id);
                }
                whole(header, body)
            }
        }
    }

    /// CREDIT was sent for the upload of `id`: the rest may come.
    pub fn grant(&mut self, id: u64) {
        if let Some(partial) = self.partial.get_mut(&id) {
            partial.granted = true;
        }
    }

    /// The unfinished message of `id` was refused: frees what has come, and skips what still comes.
    pub fn give_up(&mut self, id: u64) {
        if self.partial.remove(&id).is_some() {
            self.remember(id);
        }
    }

    /// Bytes that unfinished messages hold.
    pub fn buffered(&self) -> usize {
        self.partial.values().map(|partial| partial.bytes.capacity()).sum()
    }

    fn remember(&mut self, id: u64) {
        if self.given_up.len() == MAX_IN_FLIGHT {
            self.given_up.pop_front();
        }
        self.given_up.push_back(id);
    }

    fn begin_message(&mut self, header: Header, body: Bytes) -> Result<Received, ProtocolError> {
        if let Some(at) = self.given_up.iter().position(|id| *id == header.id) {
            if !header.flags.more() {
                self.given_up.remove(at);
            }
            return Ok(Received::Skipped);
        }
        if self.side == Side::Server {
            if header.id <= self.last_request {
                return Err(ProtocolError::IdNotIncreasing(header.id));
            }
            self.last_request = header.id;
        }
        let announced = announced_length(&body)?;
        let limit = self.limits.max_message;
        if announced > limit {
            if header.flags.more() {
                self.remember(header.id);
            }
            return Err(ProtocolError::MessageTooLarge { length: announced, limit });
        }
        if !header.flags.more() {
            self.check_upload(body.len(), false)?;
            return whole(header, body);
        }
        if self.partial.len() >= MAX_IN_FLIGHT {
            return Err(ProtocolError::TooManyFragments);
        }
        let flags = header.flags.with_more(false);
        let partial = Partial { kind: header.kind, flags, announced, granted: false, bytes: Vec::new() };
        self.continue_message(partial, header, &body)
    }

    fn continue_message(
        &mut self,
        mut partial: Partial,
        header: Header,
        body: &[u8],
    ) -> Result<Received, ProtocolError> {
        let received = partial.bytes.len() + body.len();
        let fits = if header.flags.more() {
            received < partial.announced as usize
        } else {
            received == partial.announced as usize
        };
        if partial.kind != header.kind || partial.flags != header.flags.with_more(false) || !fits {
            return Err(ProtocolError::BadFragment);
        }
        self.check_upload(received, partial.granted)?;
        if received > partial.bytes.capacity() {
            let wanted = (2 * received).min(partial.announced as usize);
            partial.bytes.reserve_exact(wanted - partial.bytes.len());
        }
        partial.bytes.extend_from_slice(body);
        if header.flags.more() {
            let part = Received::Partial {
                id: header.id,
                kind: partial.kind,
                announced: partial.announced,
                received: received as u32,
            };
            self.partial.insert(header.id, partial);
            Ok(part)
        } else {
            let (kind, flags) = (partial.kind, partial.flags);
            Ok(Received::Message(Message { kind, flags, id: header.id, body: Bytes::from(partial.bytes) }))
        }
    }

    fn check_upload(&self, received: usize, granted: bool) -> Result<(), ProtocolError> {
        if self.side == Side::Server && !granted && received > FREE_UPLOAD as usize {
            return Err(ProtocolError::UploadWithoutCredit);
        }
        Ok(())
    }
}

fn announced_length(body: &[u8]) -> Result<u32, ProtocolError> {
    match body.first_chunk::<4>() {
        Some(bytes) => Ok(u32::from_le_bytes(*bytes)),
        None => Err(ProtocolError::BadStructure),
    }
}

fn whole(header: Header, body: Bytes) -> Result<Received, ProtocolError> {
    if announced_length(&body)? as usize != body.len() {
        return Err(ProtocolError::BadStructure);
    }
    Ok(Received::Message(Message { kind: header.kind, flags: header.flags, id: header.id, body }))
}
