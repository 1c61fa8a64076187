//! `caching_sha2_password`: a scramble while the server's cache knows the user, else the password itself, over a transport that
//! nobody can read or under the server's RSA key.

use rsa::pkcs8::DecodePublicKey;
use rsa::{Oaep, PublicKey as RsaKey};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::options::{ConnectOptions, PublicKey};
use crate::packet::Channel;

const REQUEST_PUBLIC_KEY: u8 = 0x02;
const FAST_SUCCESS: &[u8] = &[0x03];
const FULL_LOGIN: &[u8] = &[0x04];

/// SHA256(password) XOR SHA256(SHA256(SHA256(password)), nonce).
pub(crate) fn scramble(password: &[u8], nonce: &[u8]) -> [u8; 32] {
    let mut answer: [u8; 32] = Sha256::digest(password).into();
    let twice = Sha256::digest(answer);
    let mask = Sha256::new().chain_update(twice).chain_update(nonce).finalize();
    for (byte, mask) in answer.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    answer
}

/// Goes on after the server's extra data: done, or the full login.
pub(crate) async fn proceed(channel: &mut Channel, options: &ConnectOptions, nonce: &[u8], data: &[u8]) -> Result<()> {
    match data {
        FAST_SUCCESS => Ok(()),
        FULL_LOGIN => {
            let mut secret = options.password.clone().into_bytes();
            secret.push(0);
            if channel.transport.is_private() {
                return channel.send_answer(&secret).await;
            }
            let pem = public_key(channel, options).await?;
            let sealed = seal(&secret, nonce, &pem)?;
            channel.send_answer(&sealed).await
        }
        _ => Err(Error::Protocol("unknown data of caching_sha2_password")),
    }
}

/// The server's key, if we may use it.
async fn public_key(channel: &mut Channel, options: &ConnectOptions) -> Result<String> {
    let allowed = match &options.public_key {
        PublicKey::Known(pem) => return Ok(pem.clone()),
        PublicKey::Fetch => true,
        PublicKey::FetchFromLoopback => channel.transport.is_local(),
        PublicKey::Never => false,
    };
    if !allowed {
        return Err(Error::Authentication(
            "caching_sha2_password needs the password itself, and the connection is in the clear; \
             use TLS or a Unix socket, or allow the server's public key"
                .into(),
        ));
    }
    channel.send_answer(&[REQUEST_PUBLIC_KEY]).await?;
    let payload = channel.payload().await?;
    match payload.first() {
        Some(0x01) => Ok(String::from_utf8_lossy(&payload[1..]).into_owned()),
        Some(0xff) => Err(crate::response::server_error(&payload)),
        _ => Err(Error::Protocol("no public key where one should be")),
    }
}

/// The password, masked with the nonce, under the key: RSA-OAEP with SHA-1, as the server expects.
fn seal(secret: &[u8], nonce: &[u8], pem: &str) -> Result<Vec<u8>> {
    // MySQL's own file ends with a zero.
    let pem = pem.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let key = RsaKey::from_public_key_pem(pem)
        .map_err(|error| Error::Authentication(format!("the server's public key is malformed: {error}")))?;
    if nonce.is_empty() {
        return Err(Error::Protocol("a login without a nonce"));
    }
    let masked: Vec<u8> = secret.iter().zip(nonce.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    key.encrypt(&mut getrandom::SysRng, Oaep::<sha1::Sha1>::new(), &masked)
        .map_err(|error| Error::Authentication(format!("the password does not fit the server's public key: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the server does: it holds SHA256(SHA256(password)) and recovers SHA256(password) from the answer.
    #[test]
    fn the_server_can_check_the_answer() {
        let (password, nonce) = (b"secret", b"01234567890123456789");
        let stored = Sha256::digest(Sha256::digest(password));
        let mask = Sha256::new().chain_update(stored).chain_update(nonce).finalize();
        let mut recovered = scramble(password, nonce);
        recovered.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        assert_eq!(Sha256::digest(recovered), stored);
    }

    #[test]
    fn a_malformed_key_is_an_error() {
        for pem in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
            assert!(matches!(seal(b"x\0", b"nonce", pem), Err(Error::Authentication(_))));
        }
    }
}
