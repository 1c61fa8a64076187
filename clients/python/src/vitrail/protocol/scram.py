"""SCRAM-SHA-256 and -PLUS, the client's side (chapter authentication)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import threading
from collections import OrderedDict
from typing import NamedTuple

from . import limits

BINDING_TYPE = "tls-server-end-point"

_NONCE = re.compile(r"[!-+\--~]{1,256}")
_MOST_CACHED = 256


class ScramError(Exception):
    """The server's message is wrong, or proves that it does not know the password."""


class Keys(NamedTuple):
    """What a password becomes with a salt and a count."""

    client: bytes
    server: bytes


class KeyCache:
    """Keys by password, salt and count, in memory: a burst of connections runs PBKDF2 once. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: OrderedDict[tuple[bytes, bytes, int], Keys] = OrderedDict()
        # The password itself is not kept: a digest with a secret of this process stands for it.
        self._secret = secrets.token_bytes(32)

    def derive(self, password: bytes, salt: bytes, iterations: int) -> Keys:
        """The keys, computed if they are not known yet."""
        entry = (hmac.digest(self._secret, password, "sha256"), salt, iterations)
        with self._lock:
            known = self._keys.get(entry)
        if known is not None:
            return known
        salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
        keys = Keys(hmac.digest(salted, b"Client Key", "sha256"), hmac.digest(salted, b"Server Key", "sha256"))
        with self._lock:
            self._keys[entry] = keys
            while len(self._keys) > _MOST_CACHED:
                self._keys.popitem(last=False)
        return keys

    def __len__(self) -> int:
        return len(self._keys)


class Exchange:
    """One login. ``binding`` is the hash of the server's certificate where the connection has TLS."""

    def __init__(
        self,
        user: str,
        password: str,
        binding: bytes | None = None,
        nonce: str | None = None,
        flag: str | None = None,
        cache: KeyCache | None = None,
    ) -> None:
        self._password = password.encode()
        self._cache = cache if cache is not None else KeyCache()
        self._nonce = nonce if nonce is not None else base64.b64encode(secrets.token_bytes(18)).decode()
        if flag is None:
            flag = "n" if binding is None else "p"
        header = f"p={BINDING_TYPE},," if flag == "p" else f"{flag},,"
        self._bound = header.encode() + (binding or b"" if flag == "p" else b"")
        name = user.replace("=", "=3D").replace(",", "=2C")
        self._first_bare = f"n={name},r={self._nonce}"
        self.mechanism = "SCRAM-SHA-256-PLUS" if flag == "p" else "SCRAM-SHA-256"
        self.first = (header + self._first_bare).encode()
        self._signature: bytes | None = None

    def prove(self, server_first: bytes) -> bytes:
        """The client's last message, for the server's challenge. Runs PBKDF2 unless the keys are cached.

        Raises:
            ScramError: the challenge is not acceptable.
        """
        nonce, salt, iterations = self._read_challenge(server_first)
        keys = self._cache.derive(self._password, salt, iterations)
        stored = hashlib.sha256(keys.client).digest()
        without_proof = f"c={base64.b64encode(self._bound).decode()},r={nonce}"
        signed = b",".join((self._first_bare.encode(), server_first, without_proof.encode()))
        mask = hmac.digest(stored, signed, "sha256")
        proof = bytes(left ^ right for left, right in zip(keys.client, mask, strict=True))
        self._signature = hmac.digest(keys.server, signed, "sha256")
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, server_final: bytes) -> None:
        """Checks that the server knows the keys.

        Raises:
            ScramError: it does not.
        """
        expected = self._signature
        text = server_final.decode(errors="replace")
        if expected is None or not text.startswith("v="):
            raise ScramError("the server did not prove that it knows the password")
        if not hmac.compare_digest(_base64(text[2:]), expected):
            raise ScramError("the server's signature is wrong: it does not know the password")

    def _read_challenge(self, server_first: bytes) -> tuple[str, bytes, int]:
        try:
            parts = server_first.decode().split(",")
        except UnicodeDecodeError:
            raise ScramError("the challenge is no text") from None
        if [part[:2] for part in parts] != ["r=", "s=", "i="]:
            raise ScramError("the challenge is malformed")
        nonce, salt, count = (part[2:] for part in parts)
        added = nonce.removeprefix(self._nonce)
        if not nonce.startswith(self._nonce) or not _NONCE.fullmatch(added):
            raise ScramError("the server's nonce does not go on from the client's")
        if not re.fullmatch(r"[0-9]{1,7}", count):
            raise ScramError("the count of iterations is no number")
        iterations = int(count)
        if not limits.LEAST_ITERATIONS <= iterations <= limits.MOST_ITERATIONS:
            raise ScramError(f"{iterations} iterations are not acceptable: from 4096 to 600000")
        return nonce, _base64(salt), iterations


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ScramError("broken base64") from None
