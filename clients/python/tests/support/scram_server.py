"""SCRAM, the server's side: for vectors and the scripted gate."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from vitrail.protocol.scram import BINDING_TYPE

_FIRST = re.compile(r"(p=[^,]*|y|n),([^,]*),n=((?:[^,=]|=2C|=3D)*),r=([!-+\--~]{1,256})")


class Refused(Exception):
    """The client's message is wrong."""


@dataclass(frozen=True)
class Stored:
    """What a server keeps of a password."""

    iterations: int
    salt: bytes
    stored: bytes
    server: bytes

    @staticmethod
    def parse(text: str) -> Stored:
        """Reads ``SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey``."""
        _, parameters, keys = text.split("$")
        iterations, salt = parameters.split(":")
        stored, server = keys.split(":")
        return Stored(int(iterations), base64.b64decode(salt), base64.b64decode(stored), base64.b64decode(server))

    @staticmethod
    def derive(password: str, salt: bytes = b"salt and pepper", iterations: int = 4096) -> Stored:
        """What is kept of a password."""
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
        client = hmac.digest(salted, b"Client Key", "sha256")
        return Stored(iterations, salt, hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256"))


class ServerExchange:
    """One login, seen from the server."""

    def __init__(self, client_first: bytes, user: str, stored: Stored, nonce: str, binding: bytes | None = None) -> None:
        match = _FIRST.fullmatch(client_first.decode())
        if match is None:
            raise Refused("malformed")
        flag, identity, name, client_nonce = match.groups()
        if identity:
            raise Refused("another identity")
        if name and name.replace("=2C", ",").replace("=3D", "=") != user:
            raise Refused("another user")
        if flag.startswith("p=") and (flag != f"p={BINDING_TYPE}" or binding is None):
            raise Refused("binding")
        if flag == "y" and binding is not None:
            raise Refused("downgrade")
        header = f"{flag},,".encode()
        self._bound = header + (binding or b"" if flag.startswith("p=") else b"")
        self._nonce = client_nonce + nonce
        self._stored = stored
        salt = base64.b64encode(stored.salt).decode()
        self.first = f"r={self._nonce},s={salt},i={stored.iterations}".encode()
        self._signed = client_first[len(header) :] + b"," + self.first

    def finish(self, client_final: bytes) -> bytes:
        """The server's signature for the client's proof."""
        without_proof, comma, proof = client_final.decode().rpartition(",p=")
        if not comma or without_proof != f"c={base64.b64encode(self._bound).decode()},r={self._nonce}":
            raise Refused("final message")
        signed = self._signed + b"," + without_proof.encode()
        mask = hmac.digest(self._stored.stored, signed, "sha256")
        key = bytes(left ^ right for left, right in zip(base64.b64decode(proof), mask, strict=True))
        if not hmac.compare_digest(hashlib.sha256(key).digest(), self._stored.stored):
            raise Refused("wrong password")
        return b"v=" + base64.b64encode(hmac.digest(self._stored.server, signed, "sha256"))
