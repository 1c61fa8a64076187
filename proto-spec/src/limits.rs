//! Every bound of the specification (chapter `limits.md`), checked before anything is allocated.

use std::time::Duration;

/// Protocol version that this crate speaks.
pub const VERSION: u32 = 1;
/// ALPN name that both sides of a TLS connection check.
pub const ALPN: &[u8] = b"vitrail/1";
/// Default TCP port of BSON-RPC.
pub const DEFAULT_PORT: u16 = 15300;

/// Largest frame body before authentication has ended, in bytes. TLS and HTTP bytes read as a header are always above it.
pub const MAX_UNAUTHENTICATED_FRAME: u32 = 16 * 1024;
/// Default largest frame body, in bytes.
pub const DEFAULT_MAX_FRAME: u32 = 256 * 1024;
/// Smallest `max_frame` that a HELLO may announce, in bytes.
pub const MIN_MAX_FRAME: u32 = 16 * 1024;
/// Largest `max_frame` that a HELLO may announce, in bytes.
pub const CEILING_MAX_FRAME: u32 = 1024 * 1024;
/// Default largest message, in bytes.
pub const DEFAULT_MAX_MESSAGE: u32 = 128 * 1024 * 1024;
/// Smallest `max_message` that a HELLO may announce, in bytes.
pub const MIN_MAX_MESSAGE: u32 = 16 * 1024;
/// Largest `max_message` that a HELLO may announce, in bytes.
pub const CEILING_MAX_MESSAGE: u32 = 1024 * 1024 * 1024;
/// Smallest body of a frame that carries MORE, in bytes.
pub const MIN_FRAGMENT: u32 = 4 * 1024;
/// Request ids and session ids are below this (exact in a JavaScript number).
pub const ID_LIMIT: u64 = 1 << 53;

/// Deepest nesting of a document; the message itself is level 1.
pub const MAX_DEPTH: usize = 16;
/// Most elements of a message, all levels counted.
pub const MAX_VALUES: usize = 1_000_000;
/// Most binds of a statement, elements of lists not counted.
pub const MAX_BINDS: usize = 65_535;
/// Longest bind name, in bytes.
pub const MAX_BIND_NAME: usize = 256;
/// Most capabilities, other gates and variables that one message may name.
pub const MAX_NAMES: usize = 256;
/// Longest name of a user variable or prepared statement, in bytes.
pub const MAX_VARIABLE_NAME: usize = 256;
/// Most bytes that names and contents of one message's user variables, or of its prepared statements, have together.
pub const MAX_SESSION_BYTES: usize = 1024 * 1024;
/// Longest user, application, driver or instance name, in bytes.
pub const MAX_NAME: usize = 256;
/// Longest message of an authentication mechanism, in bytes.
pub const MAX_AUTH_DATA: usize = 4 * 1024;
/// Longest position token, in bytes.
pub const MAX_POSITION: usize = 4 * 1024;
/// Longest text of an error, in bytes; longer ones are cut at a character.
pub const MAX_ERROR_MESSAGE: usize = 4 * 1024;

/// Default initial credit of a request, in bytes of REPLY bodies.
pub const DEFAULT_CREDIT: u32 = 256 * 1024;
/// A credit balance stays below this.
pub const CREDIT_LIMIT: i64 = 1 << 31;
/// Bytes of a request's body that need no CREDIT.
pub const FREE_UPLOAD: u32 = 64 * 1024;
/// Target size of a batch of rows, in bytes.
pub const ROW_BATCH: usize = 32 * 1024;
/// Most requests in flight on a connection.
pub const MAX_IN_FLIGHT: usize = 1024;
/// Most requests waiting or running in one session.
pub const MAX_SESSION_DEPTH: usize = 64;
/// Most sessions of a connection.
pub const MAX_SESSIONS: usize = 4096;
/// Most control frames (CREDIT, CANCEL, PING) per second, above what credit itself needs.
pub const MAX_CONTROL_RATE: u32 = 1000;
/// Most unauthenticated connections per address, unless configured otherwise.
pub const MAX_UNAUTHENTICATED_PER_ADDRESS: usize = 512;
/// Most unauthenticated connections of a server, unless configured otherwise.
pub const MAX_UNAUTHENTICATED: usize = 4096;
/// Time to authenticate.
pub const AUTHENTICATION_TIME: Duration = Duration::from_secs(10);
/// A socket that takes no byte for so long is closed.
pub const STALL_TIME: Duration = Duration::from_secs(30);
/// A client closes when a request is so long past its deadline.
pub const DEADLINE_GRACE: Duration = Duration::from_secs(1);

/// Fewest PBKDF2 iterations that a client accepts.
pub const MIN_ITERATIONS: u32 = 4096;
/// Most PBKDF2 iterations that a client accepts.
pub const MAX_ITERATIONS: u32 = 600_000;

/// What one side accepts; announced in its HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame body, in bytes.
    pub max_frame: u32,
    /// Largest message, in bytes.
    pub max_message: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_frame: DEFAULT_MAX_FRAME, max_message: DEFAULT_MAX_MESSAGE }
    }
}

impl Limits {
    /// The same within what the specification allows.
    pub fn clamped(self) -> Limits {
        let max_frame = self.max_frame.clamp(MIN_MAX_FRAME, CEILING_MAX_FRAME);
        Limits { max_frame, max_message: self.max_message.clamp(MIN_MAX_MESSAGE, CEILING_MAX_MESSAGE) }
    }
}
