"""Bind values on the wire (chapter values).

A decoded value is None, bool, int, float, str, bytes, :class:`Typed`, a list of those, or a list of tuples of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from . import limits
from .bson import Document, Encoded, write_int32, write_text
from .faults import Fault

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DIGITS = re.compile(r"[0-9]{1,20}")
_DATE = r"[0-9]{4}-(?:0[0-9]|1[0-2])-(?:[0-2][0-9]|3[01])"
_MINUTES = r"[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_TEXT_FORMS = {
    "date": re.compile(_DATE),
    "time": re.compile(rf"-?(?:[0-7]?[0-9]{{2}}|8[0-2][0-9]|83[0-8]):{_MINUTES}"),
    "datetime": re.compile(rf"{_DATE} (?:[01][0-9]|2[0-3]):{_MINUTES}"),
}
#: What comes before the text of a typed value: its ``t``, and the type and name of ``v``.
_TYPED_HEADS = {kind: write_text(b"t\0", kind) + b"\x02v\0" for kind in ("u64", "decimal", "json", *_TEXT_FORMS)}
_CHARSET = re.compile(r"[A-Za-z0-9_]{1,64}")
_U64_END = 1 << 64
_I64_END = 1 << 63


@dataclass(frozen=True)
class Typed:
    """A value that BSON has no type for: ``t`` of chapter values with its text or bytes."""

    t: str
    v: str | bytes
    cs: str | None = None

    def check(self) -> None:
        """Raises:
        Fault: the text is not of the type's grammar.
        """
        kind, value = self.t, self.v
        if (self.cs is not None) != (kind == "text"):
            raise Fault("bad_field", "cs")
        if kind in ("bit", "geometry", "text"):
            if not isinstance(value, bytes):
                raise Fault("bad_field", "v must be bytes")
            if kind == "bit" and not 1 <= len(value) <= 8:
                raise Fault("bad_field", "a bit value has 1 to 8 bytes")
            if kind == "geometry" and len(value) < 9:
                raise Fault("bad_field", "a geometry has at least 9 bytes: SRID and WKB")
            if self.cs is not None and not _CHARSET.fullmatch(self.cs):
                raise Fault("bad_field", "cs is no name of a character set")
            return
        if kind not in ("u64", "decimal", "json", *_TEXT_FORMS):
            raise Fault("unknown_value_type", kind[:64])
        if not isinstance(value, str):
            raise Fault("bad_field", "v must be text")
        if not _text_fits(kind, value):
            raise Fault("bad_field", f"not a {kind}")


def _text_fits(kind: str, value: str) -> bool:
    if kind == "json":
        return True
    if kind == "u64":
        return _DIGITS.fullmatch(value) is not None and int(value) < _U64_END
    if kind == "decimal":
        digits = sum(character.isdigit() for character in value)
        return digits <= 65 and _DECIMAL.fullmatch(value) is not None
    return _TEXT_FORMS[kind].fullmatch(value) is not None


def read_binds(value: Any) -> dict[str, Any]:
    """The binds of a request.

    Raises:
        Fault: a name or a value is not allowed.
    """
    if not isinstance(value, Document) or len(value) > limits.BINDS:
        raise Fault("bad_field")
    if value.repeated:
        raise Fault("duplicate_field", min(value.repeated)[:64])
    if not all(1 <= len(name.encode()) <= limits.NAME_BYTES for name in value):
        raise Fault("bad_field", "a name has 1 to 256 bytes")
    return {name: read_value(entry) for name, entry in value.items()}


def write_binds(binds: Mapping[str, Any] | Encoded) -> dict[str, Any] | Encoded:
    """Binds as a document of BSON values; each must have been checked."""
    return binds if isinstance(binds, Encoded) else {name: write_value(value) for name, value in binds.items()}


def typed_text(kind: str, text: str) -> bytes:
    """The document of a typed value whose content is text and has been checked."""
    content = text.encode()
    return b"%b%b\0\0" % (_typed_head(kind, len(content)), content)


@lru_cache(maxsize=1024)
def _typed_head(kind: str, size: int) -> bytes:
    """What comes before a text of so many bytes."""
    head = _TYPED_HEADS[kind]
    return b"%b%b%b" % (write_int32(len(head) + size + 10), head, write_int32(size + 1))


def read_value(value: Any) -> Any:
    """One bind value, which may be a list.

    Raises:
        Fault: it is not one.
    """
    if not isinstance(value, list):
        return _read_scalar(value)
    if not value:
        raise Fault("bad_field", "a list must not be empty")
    if not isinstance(value[0], list):
        return [_read_scalar(item) for item in value]
    width = len(value[0])
    if width == 0 or any(not isinstance(item, list) or len(item) != width for item in value):
        raise Fault("bad_field", "tuples must have one length and not be empty")
    return [tuple(_read_scalar(cell) for cell in item) for item in value]


def write_value(value: Any) -> Any:
    """The BSON value of a bind value that was read or adapted."""
    if isinstance(value, Typed):
        if value.t == "u64" and isinstance(value.v, str) and int(value.v) < _I64_END:
            return int(value.v)
        charset = {} if value.cs is None else {"cs": value.cs}
        return {"t": value.t, **charset, "v": value.v}
    if isinstance(value, (list, tuple)):
        return [write_value(item) for item in value]
    return value


def _read_scalar(value: Any) -> Any:
    if isinstance(value, Document):
        return _read_typed(value)
    if isinstance(value, list):
        raise Fault("bad_field", "a list inside a list")
    if isinstance(value, float) and not math.isfinite(value):
        raise Fault("bad_field", "a double must be finite")
    return bytes(value) if isinstance(value, memoryview) else value


def _read_typed(document: Document) -> Any:
    known = {}
    for name, value in document.items():
        if name in ("t", "v", "cs"):
            if name in document.repeated:
                raise Fault("duplicate_field", name)
            known[name] = bytes(value) if isinstance(value, memoryview) else value
        elif name.startswith("!"):
            raise Fault("unknown_critical", name[:64])
    kind, charset = known.get("t"), known.get("cs")
    if not isinstance(kind, str) or "v" not in known or not isinstance(charset, (str, type(None))):
        raise Fault("bad_field", "a typed value has t and v")
    typed = Typed(kind, known["v"], charset)
    typed.check()
    return int(typed.v) if kind == "u64" and int(typed.v) < _I64_END else typed
