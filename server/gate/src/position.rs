//! Position tokens: which shard had got how far after a write.
//!
//! A token is opaque to clients. Tablets write it as entries of one shard each, and tokens of several tablets are put
//! together by `;` between them.

/// Tokens beyond this size are left out: clients carry them around. In bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// Puts the tokens of several shards together. `None` if no shard gave one, or all of them would be too large.
#[derive(Debug, Default)]
pub(crate) struct Positions(Vec<u8>);

impl Positions {
    /// Adds the token of one shard, if it gave one.
    pub(crate) fn add(&mut self, token: Option<Vec<u8>>) {
        match token {
            Some(token) if self.0.is_empty() => self.0 = token,
            Some(token) => {
                self.0.push(b';');
                self.0.extend_from_slice(&token);
            }
            None => {}
        }
    }

    /// The token of all.
    pub(crate) fn into_token(self) -> Option<Vec<u8>> {
        (!self.0.is_empty() && self.0.len() <= MAX_TOKEN).then_some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_joined() {
        let mut positions = Positions::default();
        for token in [None, Some("k/-80=0-1-7"), None, Some("k/80-=0-1-9")] {
            positions.add(token.map(|token| token.as_bytes().to_vec()));
        }
        assert_eq!(positions.into_token().as_deref(), Some(&b"k/-80=0-1-7;k/80-=0-1-9"[..]));
        assert_eq!(Positions::default().into_token(), None);
        let mut large = Positions::default();
        large.add(Some(vec![b'x'; MAX_TOKEN + 1]));
        assert_eq!(large.into_token(), None);
    }
}
