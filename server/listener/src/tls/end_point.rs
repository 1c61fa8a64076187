//! `tls-server-end-point` (RFC 5929): a hash of the server's certificate, by the hash of the certificate's signature.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// Object identifiers of signatures by SHA-384: RSA, ECDSA.
const SHA384: [&[u8]; 2] =
    [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]];
/// Object identifiers of signatures by SHA-512: RSA, ECDSA.
const SHA512: [&[u8]; 2] =
    [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04]];
/// RSASSA-PSS, whose hash is in its parameters.
const PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
/// Object identifiers of the hashes themselves, as PSS names them.
const PLAIN_SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
const PLAIN_SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// Field 0 of the PSS parameters: the hash.
const PSS_HASH: u8 = 0xa0;

/// The hash of a DER certificate. SHA-256 for signatures by MD5 and SHA-1 (as the RFC says), and for those that have
/// no hash of their own (Ed25519), where the RFC is silent.
pub(super) fn hash(certificate: &[u8]) -> Box<[u8]> {
    match signature_hash(certificate) {
        Some(Hash::Sha384) => Sha384::digest(certificate).as_slice().into(),
        Some(Hash::Sha512) => Sha512::digest(certificate).as_slice().into(),
        None => Sha256::digest(certificate).as_slice().into(),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Hash {
    Sha384,
    Sha512,
}

/// `Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OID, parameters }, … }`.
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    let (body, _) = element(certificate, SEQUENCE)?;
    let (_, after_tbs) = element(body, SEQUENCE)?;
    let (algorithm, _) = element(after_tbs, SEQUENCE)?;
    let (name, parameters) = element(algorithm, OBJECT_IDENTIFIER)?;
    if name == PSS {
        let (fields, _) = element(parameters, SEQUENCE)?;
        let (field, _) = element(fields, PSS_HASH)?;
        let (hash, _) = element(field, SEQUENCE)?;
        return match element(hash, OBJECT_IDENTIFIER)?.0 {
            PLAIN_SHA384 => Some(Hash::Sha384),
            PLAIN_SHA512 => Some(Hash::Sha512),
            _ => None,
        };
    }
    if SHA384.contains(&name) {
        Some(Hash::Sha384)
    } else if SHA512.contains(&name) {
        Some(Hash::Sha512)
    } else {
        None
    }
}

/// The contents of the first element, which must have `tag`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let mut length = usize::from(first);
    if first >= 0x80 {
        let digits = usize::from(first & 0x7f);
        if digits == 0 || digits > 4 || digits > rest.len() {
            return None;
        }
        let (bytes, after) = rest.split_at(digits);
        length = bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        rest = after;
    }
    (length <= rest.len()).then(|| rest.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate's outline with a long-form length, an empty body and the given algorithm.
    fn outline(algorithm: &[u8]) -> Vec<u8> {
        let mut inner = vec![SEQUENCE, 0x81, 0x02, 0x05, 0x00];
        inner.extend([SEQUENCE, algorithm.len() as u8]);
        inner.extend(algorithm);
        let mut der = vec![SEQUENCE, 0x82, 0x00, inner.len() as u8];
        der.extend(inner);
        der
    }

    fn object(name: &[u8]) -> Vec<u8> {
        [&[OBJECT_IDENTIFIER, name.len() as u8][..], name].concat()
    }

    fn wrap(tag: u8, contents: &[u8]) -> Vec<u8> {
        [&[tag, contents.len() as u8][..], contents].concat()
    }

    #[test]
    fn hash_follows_the_signature() {
        let pss = |hash| [object(PSS), wrap(SEQUENCE, &wrap(PSS_HASH, &wrap(SEQUENCE, &object(hash))))].concat();
        let sha256_with_rsa = object(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]);
        let ed25519 = object(&[0x2b, 0x65, 0x70]);
        for (name, algorithm, length) in [
            ("sha256WithRSA", sha256_with_rsa, 32),
            ("sha384WithRSA", object(SHA384[0]), 48),
            ("ecdsa-with-SHA384", object(SHA384[1]), 48),
            ("sha512WithRSA", object(SHA512[0]), 64),
            ("ecdsa-with-SHA512", object(SHA512[1]), 64),
            ("ed25519", ed25519, 32),
            ("pss by sha384", pss(PLAIN_SHA384), 48),
            ("pss by sha512", pss(PLAIN_SHA512), 64),
        ] {
            assert_eq!(hash(&outline(&algorithm)).len(), length, "{name}");
        }
    }

    #[test]
    fn broken_certificates_are_hashed_all_the_same() {
        let whole = outline(&object(SHA384[0]));
        for end in 0..whole.len() {
            assert_eq!(hash(&whole[..end]).len(), 32, "cut at {end}");
        }
    }
}
