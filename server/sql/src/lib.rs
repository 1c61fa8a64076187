//! SQL text: lexing, normalising, fingerprinting, parsing, binding and editing by position. No I/O.
//!
//! The hot path lexes once ([`normalise`]) and finds its plan by key; only a miss parses ([`parse`]).

pub mod normalise;
