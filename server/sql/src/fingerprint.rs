//! A 64-bit hash of what a statement looks like, for statistics and rules; the plan cache does not use it.

use crate::canonical::{Canonical, Sink};
use crate::lexer::{LexMode, Token, TokenKind};

/// FNV-1a over the canonical form, words in lower case. Stable over releases and machines, so that statistics of different gates
/// add up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fingerprint {
    canonical: Canonical,
    hash: Hash,
}

impl Fingerprint {
    /// Adds the next token of `bytes`.
    pub(crate) fn token(&mut self, bytes: &[u8], token: Token, mode: LexMode) {
        self.canonical.token(bytes, token, mode, &mut self.hash);
    }

    /// The hash of all tokens.
    pub(crate) fn finish(&mut self, bytes: &[u8]) -> u64 {
        self.canonical.finish(bytes, &mut self.hash);
        self.hash.value()
    }
}

/// The hash of the pieces of a canonical form.
#[derive(Debug, Clone)]
pub(crate) struct Hash(u64);

impl Default for Hash {
    fn default() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// Of all pieces so far.
    pub(crate) fn value(&self) -> u64 {
        self.0
    }

    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

impl Sink for Hash {
    fn piece(&mut self, text: &[u8], _: TokenKind, _: bool) {
        for byte in text {
            self.byte(byte.to_ascii_lowercase());
        }
        self.byte(b' ');
    }
}
