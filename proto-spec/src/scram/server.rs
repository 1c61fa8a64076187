//! The server's side of an exchange.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use super::{ScramError, StoredKeys, decode_base64, hash, hmac, is_nonce, take_attribute, xor};

/// An exchange between the server's two messages.
pub struct ServerExchange {
    keys: StoredKeys,
    /// `client-first-bare,server-first,`
    signed: String,
    nonce: String,
    /// What the client's `c=` must decode to.
    binding: Vec<u8>,
}

impl ServerExchange {
    /// Answers the client's first message.
    ///
    /// `plus`: HELLO named the -PLUS mechanism. `binding`: the `tls-server-end-point` data of this TLS connection, `None`
    /// without TLS. `user`: from HELLO. `keys`: the user's, or [`StoredKeys::mock`]. `nonce`: see [`super::nonce`].
    pub fn start(
        client_first: &[u8],
        plus: bool,
        binding: Option<&[u8]>,
        user: &str,
        keys: StoredKeys,
        nonce: &str,
    ) -> Result<(ServerExchange, Vec<u8>), ScramError> {
        let text = std::str::from_utf8(client_first).map_err(|_| ScramError::Malformed)?;
        let (flag, rest) = text.split_once(',').ok_or(ScramError::Malformed)?;
        // An authorisation identity (`a=`) is not supported: the user acts as itself.
        let bare = rest.strip_prefix(',').ok_or(ScramError::Malformed)?;
        let mut expected = text.as_bytes()[..text.len() - bare.len()].to_vec();
        match (flag, plus, binding) {
            ("p=tls-server-end-point", true, Some(data)) => expected.extend_from_slice(data),
            ("n", false, _) | ("y", false, None) => {}
            ("y", false, Some(_)) => return Err(ScramError::Downgrade),
            _ => return Err(ScramError::Binding),
        }
        let mut attributes = bare;
        let name = take_attribute(&mut attributes, 'n')?;
        let client_nonce = take_attribute(&mut attributes, 'r')?;
        if !is_nonce(client_nonce) || !attributes.is_empty() {
            return Err(ScramError::Malformed);
        }
        if !name.is_empty() && unescape(name)? != user {
            return Err(ScramError::User);
        }
        let nonce = format!("{client_nonce}{nonce}");
        let server_first = format!("r={nonce},s={},i={}", STANDARD.encode(&keys.salt), keys.iterations);
        let signed = format!("{bare},{server_first},");
        Ok((ServerExchange { keys, signed, nonce, binding: expected }, server_first.into_bytes()))
    }

    /// Checks the client's proof. The answer is the server's last message, and the user is proved.
    pub fn finish(self, client_final: &[u8]) -> Result<Vec<u8>, ScramError> {
        let text = std::str::from_utf8(client_final).map_err(|_| ScramError::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let mut attributes = without_proof;
        let binding = decode_base64(take_attribute(&mut attributes, 'c')?)?;
        let nonce = take_attribute(&mut attributes, 'r')?;
        if !attributes.is_empty() {
            return Err(ScramError::Malformed);
        }
        if nonce != self.nonce {
            return Err(ScramError::Nonce);
        }
        if binding != self.binding {
            return Err(ScramError::Binding);
        }
        let proof = decode_base64(proof)?.try_into().map_err(|_| ScramError::Malformed)?;
        let message = [self.signed.as_bytes(), without_proof.as_bytes()];
        let client_key = xor(&hmac(&self.keys.stored_key, &message), &proof);
        if !bool::from(hash(&client_key).ct_eq(&self.keys.stored_key)) {
            return Err(ScramError::Proof);
        }
        Ok(format!("v={}", STANDARD.encode(hmac(&self.keys.server_key, &message))).into_bytes())
    }
}

/// A SASL name: `=2C` is a comma and `=3D` an equals sign; any other `=` is malformed.
fn unescape(name: &str) -> Result<String, ScramError> {
    let mut parts = name.split('=');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (mark, rest) = match part.as_bytes() {
            [b'2', b'C', ..] => (',', &part[2..]),
            [b'3', b'D', ..] => ('=', &part[2..]),
            _ => return Err(ScramError::Malformed),
        };
        text.push(mark);
        text.push_str(rest);
    }
    Ok(text)
}
