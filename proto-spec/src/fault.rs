//! What may be wrong with bytes that a peer sent, and whether the connection outlives it.

use std::borrow::Cow;

use crate::error::{Code, ErrorBody};

/// Why bytes of a peer were refused.
///
/// Everything about headers and BSON structure ends the connection (ERROR on id 0, then close). A bad field ends only its
/// request (ERROR on its id). [`ProtocolError::closes`] tells which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A kind that is neither known nor skippable.
    #[error("unknown frame kind {0}")]
    UnknownKind(u8),
    /// A flag that does not exist, or does not fit the kind.
    #[error("frame flags {flags:#04x} do not fit kind {kind}")]
    BadFlags {
        /// The kind.
        kind: u8,
        /// The flags.
        flags: u8,
    },
    /// Bytes 6 and 7 of the header are not zero.
    #[error("reserved header bytes are not zero")]
    Reserved,
    /// An id of 2^53 or more, id 0 where a request is needed, or a request's id where the connection is meant.
    #[error("frame id {id} does not fit kind {kind}")]
    BadId {
        /// The kind.
        kind: u8,
        /// The id.
        id: u64,
    },
    /// A frame body above the receiver's limit.
    #[error("frame body of {length} bytes is above the limit of {limit}")]
    FrameTooLarge {
        /// Announced length.
        length: u32,
        /// The limit.
        limit: u32,
    },
    /// A body too short for a document, or a fragment below 4 KiB.
    #[error("frame body of {length} bytes is below the least of {least}")]
    FrameTooSmall {
        /// Announced length.
        length: u32,
        /// The least.
        least: u32,
    },
    /// A fragment whose kind or flags differ from those of its message's first one, or more bytes than announced.
    #[error("fragment does not fit its message")]
    BadFragment,
    /// A request id that is not above all earlier ones.
    #[error("request id {0} is not above all earlier ones")]
    IdNotIncreasing(u64),
    /// More unfinished messages than requests may be in flight.
    #[error("too many unfinished messages")]
    TooManyFragments,
    /// More than the free part of an upload before its CREDIT.
    #[error("request sent beyond its first bytes without credit")]
    UploadWithoutCredit,
    /// A frame kind that has no place here: HELLO twice, a request before authentication, a server's kind from a client.
    #[error("kind {0} is not expected here")]
    UnexpectedKind(u8),
    /// A lying length inside a document, a missing terminator, or bytes after the end.
    #[error("document structure is broken")]
    BadStructure,
    /// A BSON type or binary subtype that the protocol does not use.
    #[error("BSON type {0:#04x} is not allowed")]
    BadType(u8),
    /// Text or a name that is not UTF-8.
    #[error("text is not UTF-8")]
    BadUtf8,
    /// A boolean that is neither 0 nor 1.
    #[error("boolean is neither 0 nor 1")]
    BadBool,
    /// Nested deeper than 16 levels.
    #[error("document is nested too deeply")]
    TooDeep,
    /// More than 10^6 values.
    #[error("message has too many values")]
    TooManyValues,
    /// A message above the receiver's limit. The rest of it is dropped.
    #[error("message of {length} bytes is above the limit of {limit}")]
    MessageTooLarge {
        /// Announced length.
        length: u32,
        /// The limit.
        limit: u32,
    },
    /// A known field with a wrong type or value.
    #[error("field `{field}`: {reason}")]
    BadField {
        /// Its name.
        field: Cow<'static, str>,
        /// What is wrong with it.
        reason: Cow<'static, str>,
    },
    /// A known field that occurs twice.
    #[error("field `{0}` occurs twice")]
    DuplicateField(String),
    /// A field that must be there.
    #[error("field `{0}` is missing")]
    MissingField(&'static str),
    /// An `op` that this side does not know.
    #[error("unknown op `{0}`")]
    UnknownOp(String),
    /// A field whose name begins with `!` that this side does not know.
    #[error("field `{0}` is critical and not known here")]
    UnknownCritical(String),
    /// A bind's type `t` that this side does not know.
    #[error("bind `{name}` has unknown type `{kind}`")]
    UnknownValueType {
        /// The bind.
        name: String,
        /// Its `t`.
        kind: String,
    },
    /// Packed rows or fields that do not fit their lengths.
    #[error("packed {0} are broken")]
    BadPacking(&'static str),
}

impl ProtocolError {
    /// A [`ProtocolError::BadField`].
    pub fn field(field: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> ProtocolError {
        ProtocolError::BadField { field: field.into(), reason: reason.into() }
    }

    /// Whether the connection must be closed, after ERROR on id 0. Else ERROR on the request's id, and it stays.
    pub fn closes(&self) -> bool {
        !matches!(
            self,
            ProtocolError::MessageTooLarge { .. }
                | ProtocolError::BadField { .. }
                | ProtocolError::DuplicateField(_)
                | ProtocolError::MissingField(_)
                | ProtocolError::UnknownOp(_)
                | ProtocolError::UnknownCritical(_)
                | ProtocolError::UnknownValueType { .. }
        )
    }

    /// The name that vectors use.
    pub fn name(&self) -> &'static str {
        match self {
            ProtocolError::UnknownKind(_) => "unknown_kind",
            ProtocolError::BadFlags { .. } => "bad_flags",
            ProtocolError::Reserved => "reserved",
            ProtocolError::BadId { .. } => "bad_id",
            ProtocolError::FrameTooLarge { .. } => "frame_too_large",
            ProtocolError::FrameTooSmall { .. } => "frame_too_small",
            ProtocolError::BadFragment => "bad_fragment",
            ProtocolError::IdNotIncreasing(_) => "id_not_increasing",
            ProtocolError::TooManyFragments => "too_many_fragments",
            ProtocolError::UploadWithoutCredit => "upload_without_credit",
            ProtocolError::UnexpectedKind(_) => "unexpected_kind",
            ProtocolError::BadStructure => "bad_structure",
            ProtocolError::BadType(_) => "bad_type",
            ProtocolError::BadUtf8 => "bad_utf8",
            ProtocolError::BadBool => "bad_bool",
            ProtocolError::TooDeep => "too_deep",
            ProtocolError::TooManyValues => "too_many_values",
            ProtocolError::MessageTooLarge { .. } => "message_too_large",
            ProtocolError::BadField { .. } => "bad_field",
            ProtocolError::DuplicateField(_) => "duplicate_field",
            ProtocolError::MissingField(_) => "missing_field",
            ProtocolError::UnknownOp(_) => "unknown_op",
            ProtocolError::UnknownCritical(_) => "unknown_critical",
            ProtocolError::UnknownValueType { .. } => "unknown_value_type",
            ProtocolError::BadPacking(_) => "bad_packing",
        }
    }

    /// What the peer is told it means.
    pub fn code(&self) -> Code {
        match self {
            ProtocolError::MessageTooLarge { .. } => Code::TooLarge,
            ProtocolError::UnknownOp(_)
            | ProtocolError::UnknownCritical(_)
            | ProtocolError::UnknownValueType { .. } => Code::Unsupported,
            other if other.closes() => Code::Protocol,
            _ => Code::Invalid,
        }
    }
}

impl From<ProtocolError> for ErrorBody {
    fn from(error: ProtocolError) -> ErrorBody {
        ErrorBody::new(error.code(), error.to_string())
    }
}
