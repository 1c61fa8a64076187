//! SQL text: lexing, normalising, fingerprinting, parsing, binding and editing by position. No I/O.
//!
//! The hot path lexes once ([`normalise()`]) and finds its plan by key; only a miss parses.

pub mod bind;
mod canonical;
pub mod classify;
pub mod control;
mod dialect;
pub mod directive;
pub mod edit;
pub mod error;
mod fingerprint;
pub mod lexer;
pub mod literal;
pub mod normalise;
pub mod parse;
pub mod redact;
mod spelling;
pub mod user_variable;
mod walk;

pub use error::SqlError;
pub use lexer::LexMode;
pub use normalise::{Normalised, normalise};
pub use parse::{Parsed, SourceMap, parse};
