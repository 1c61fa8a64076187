"""The channel binding ``tls-server-end-point`` (RFC 5929): a hash of the server's certificate."""

from __future__ import annotations

import hashlib

# Signature algorithms by their object identifier in DER, with the hash function of the binding. MD5, SHA-1 and signatures
# without one hash function of their own are not listed: for those it is SHA-256.
_RSA = bytes.fromhex("2a864886f70d0101")
_ECDSA = bytes.fromhex("2a8648ce3d0403")
_HASHES = {
    _RSA + b"\x0b": "sha256",
    _RSA + b"\x0c": "sha384",
    _RSA + b"\x0d": "sha512",
    _RSA + b"\x0e": "sha224",
    _ECDSA + b"\x01": "sha224",
    _ECDSA + b"\x02": "sha256",
    _ECDSA + b"\x03": "sha384",
    _ECDSA + b"\x04": "sha512",
}


def server_end_point(certificate: bytes) -> bytes:
    """The binding data of a certificate in DER."""
    return hashlib.new(_HASHES.get(_signature_algorithm(certificate), "sha256"), certificate).digest()


def _signature_algorithm(certificate: bytes) -> bytes:
    """The identifier in ``Certificate { tbsCertificate, signatureAlgorithm { identifier, … }, … }``; empty if unreadable."""
    try:
        start, _ = _content(certificate, 0)
        _, after_signed = _content(certificate, start)
        algorithm, _ = _content(certificate, after_signed)
        identifier, end = _content(certificate, algorithm)
    except IndexError:
        return b""
    return certificate[identifier:end]


def _content(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at ``at`` begins and ends."""
    length = data[at + 1]
    start = at + 2
    if length & 0x80:
        width = length & 0x7F
        length = int.from_bytes(data[start : start + width], "big")
        start += width
    return start, start + length
