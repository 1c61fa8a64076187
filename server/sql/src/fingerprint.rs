//! A 64-bit hash of what a statement looks like, for statistics and rules; the plan cache does not use it.

use crate::lexer::{Token, TokenKind};

/// FNV-1a over a canonical form: words in lower case, every literal alike, runs of literals and commas as one, no blanks, no
/// comments. Stable over releases and machines, so that statistics of different gates add up.
#[derive(Debug, Clone)]
pub struct Fingerprint {
    hash: u64,
    after_literal: bool,
    after_listed_comma: bool,
}

impl Default for Fingerprint {
    fn default() -> Fingerprint {
        Fingerprint { hash: 0xcbf2_9ce4_8422_2325, after_literal: false, after_listed_comma: false }
    }
}

impl Fingerprint {
    /// Adds the next token of `bytes`.
    pub fn token(&mut self, bytes: &[u8], token: Token) {
        let text = &bytes[token.start..token.end];
        match token.kind {
            TokenKind::Comment => {}
            TokenKind::String
            | TokenKind::National
            | TokenKind::Hex
            | TokenKind::Bits
            | TokenKind::Integer
            | TokenKind::Decimal
            | TokenKind::Float
            | TokenKind::Bind
            | TokenKind::ListBind => {
                if !self.after_literal && !self.after_listed_comma {
                    self.end_of_token(b"?");
                }
                self.after_literal = true;
                self.after_listed_comma = false;
            }
            TokenKind::Comma if self.after_literal => {
                self.after_literal = false;
                self.after_listed_comma = true;
            }
            _ => {
                if self.after_listed_comma {
                    self.end_of_token(b",");
                }
                self.after_literal = false;
                self.after_listed_comma = false;
                self.end_of_token(text);
            }
        }
    }

    /// The hash of all tokens so far.
    pub fn finish(&self) -> u64 {
        self.hash
    }

    fn end_of_token(&mut self, text: &[u8]) {
        for byte in text {
            self.byte(byte.to_ascii_lowercase());
        }
        self.byte(b' ');
    }

    fn byte(&mut self, byte: u8) {
        self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}
