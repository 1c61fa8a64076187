//! Cuts what a socket delivers into frames, holding memory only for a frame that is incomplete.

use vitrail_proto::error::ProtocolError;
use vitrail_proto::frame::{EMPTY_DOCUMENT, HEADER_LEN, Header, Kind};

/// The incomplete frame at the end of what was read so far.
#[derive(Debug)]
pub(crate) struct Input {
    partial: Vec<u8>,
    max_frame: u32,
}

impl Input {
    pub(crate) fn new(max_frame: u32) -> Input {
        Input { partial: Vec::new(), max_frame }
    }

    /// Hands every frame that `bytes` completes to `handle`; keeps the rest. Bodies that arrive whole are not copied.
    pub(crate) fn feed<E: From<ProtocolError>>(
        &mut self,
        mut bytes: &[u8],
        mut handle: impl FnMut(Header, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.partial.is_empty() {
                let Some(head) = bytes.first_chunk() else {
                    self.partial.extend_from_slice(bytes);
                    break;
                };
                let header = self.header(head)?;
                let total = HEADER_LEN + header.length as usize;
                if bytes.len() < total {
                    self.partial.extend_from_slice(bytes);
                    break;
                }
                handle(header, &bytes[HEADER_LEN..total])?;
                bytes = &bytes[total..];
            } else if let Some(head) = self.partial.first_chunk() {
                let header = self.header(head)?;
                let missing = HEADER_LEN + header.length as usize - self.partial.len();
                let (now, later) = bytes.split_at(missing.min(bytes.len()));
                self.partial.extend_from_slice(now);
                bytes = later;
                if now.len() == missing {
                    let frame = std::mem::take(&mut self.partial);
                    handle(header, &frame[HEADER_LEN..])?;
                }
            } else {
                let (now, later) = bytes.split_at((HEADER_LEN - self.partial.len()).min(bytes.len()));
                self.partial.extend_from_slice(now);
                bytes = later;
                // Refused as early as possible: bytes of another protocol may never fill a frame.
                if let Some(head) = self.partial.first_chunk() {
                    let header = self.header(head)?;
                    if header.length == 0 {
                        self.partial = Vec::new();
                        handle(header, &[])?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A header whose body may be read.
    fn header(&self, bytes: &[u8; HEADER_LEN]) -> Result<Header, ProtocolError> {
        admit(Header::decode(bytes)?, self.max_frame)
    }
}

/// Checks a frame's length before any memory is taken for it.
pub(crate) fn admit(header: Header, limit: u32) -> Result<Header, ProtocolError> {
    let length = header.length;
    if length > limit {
        return Err(ProtocolError::FrameTooLarge { length, limit });
    }
    // The last fragment of a request may have a single byte.
    let least = if header.kind == Kind::Request { 1 } else { EMPTY_DOCUMENT.len() as u32 };
    if length < least && !matches!(header.kind, Kind::Extension(_)) {
        return Err(ProtocolError::FrameTooSmall { length, least });
    }
    Ok(header)
}
