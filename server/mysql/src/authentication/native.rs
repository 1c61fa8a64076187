//! `mysql_native_password`: SHA1(password) XOR SHA1(nonce, SHA1(SHA1(password))).

use sha1::{Digest, Sha1};

/// The answer to `nonce`.
pub(crate) fn scramble(password: &[u8], nonce: &[u8]) -> [u8; 20] {
    let once: [u8; 20] = Sha1::digest(password).into();
    let twice = Sha1::digest(once);
    let mut answer: [u8; 20] = Sha1::new().chain_update(nonce).chain_update(twice).finalize().into();
    for (byte, mask) in answer.iter_mut().zip(once) {
        *byte ^= mask;
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the server does: it holds SHA1(SHA1(password)) and recovers SHA1(password) from the answer.
    #[test]
    fn the_server_can_check_the_answer() {
        let (password, nonce) = (b"pass\xc3\xa9", b"01234567890123456789");
        let stored = Sha1::digest(Sha1::digest(password));
        let mask: [u8; 20] = Sha1::new().chain_update(nonce).chain_update(stored).finalize().into();
        let mut recovered = scramble(password, nonce);
        recovered.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        assert_eq!(Sha1::digest(recovered), stored);
    }
}
