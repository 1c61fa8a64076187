//! `tls-server-end-point` (RFC 5929): a hash of the server's certificate that both sides can compute.

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// DER of the object identifiers whose signatures use SHA-384: sha384WithRSAEncryption, ecdsa-with-SHA384.
const SHA384: [&[u8]; 2] = [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12], &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]];
/// The same for SHA-512.
const SHA512: [&[u8]; 2] = [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13], &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4]];

/// Binding data of a certificate in DER: its hash by the hash of its signature, and SHA-256 where that is MD5, SHA-1, or
/// none of its own (RSA-PSS, Ed25519).
pub fn server_end_point(certificate: &[u8]) -> Vec<u8> {
    match signature_algorithm(certificate) {
        Some(oid) if SHA384.contains(&oid) => Sha384::digest(certificate).to_vec(),
        Some(oid) if SHA512.contains(&oid) => Sha512::digest(certificate).to_vec(),
        _ => Sha256::digest(certificate).to_vec(),
    }
}

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, ... }, signature }`
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (_, content, _) = take_element(certificate)?;
    let (_, _, rest) = take_element(content)?;
    let (_, algorithm, _) = take_element(rest)?;
    let (tag, oid, _) = take_element(algorithm)?;
    (tag == 6).then_some(oid)
}

/// Tag, content and what follows of a DER element.
fn take_element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
