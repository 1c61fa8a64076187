//! The Vitrail protocol: frames, messages, values and packed rows over borrowed bytes, without any I/O.
//!
//! Layout, in the order in which bytes gain meaning:
//!
//! * [`frame`]: the 16-byte header and reassembly of messages from frames.
//! * [`limits`]: every bound of the specification, checked before anything is allocated.
//! * [`document`]: the BSON subset: a raw walk that validates, a reader and a writer.
//! * [`message`]: the bodies of each kind (HELLO, AUTH, REQUEST, REPLY, ERROR, CREDIT, CANCEL, GOAWAY).
//! * [`value`]: bind values and their wire forms.
//! * [`rows`]: packed rows and packed fields, as they came off the MySQL socket.
//! * [`scram`]: SCRAM-SHA-256 for both sides.
//! * [`target`] and [`url`]: how a target and a connection URL are written.
//! * [`error`]: the error that travels ([`error::ErrorBody`]) and the error of decoding ([`error::ProtocolError`]).

pub mod document;
pub mod error;
mod fault;
pub mod frame;
pub mod limits;
pub mod message;
pub mod rows;
pub mod scram;
pub mod target;
pub mod url;
pub mod value;
