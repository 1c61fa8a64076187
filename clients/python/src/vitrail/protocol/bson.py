"""The BSON subset of the protocol (chapter messages): documents to dictionaries and back.

Every length is checked before memory is taken. Binary values of a decoded document are views of its bytes where they are long,
so that packed rows are not copied.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from . import limits
from .faults import Fault

EMPTY_DOCUMENT = b"\x05\x00\x00\x00\x00"

_INT32 = struct.Struct("<i")
_INT64 = struct.Struct("<q")
_DOUBLE = struct.Struct("<d")

#: What decoding gives: None, bool, int, float, str, bytes or memoryview, list, Document.
Value: TypeAlias = Any


class Document(dict[str, Value]):
    """A decoded document. ``repeated`` names the fields that occur more than once; the first value of each counts."""

    __slots__ = ("repeated",)

    def __init__(self) -> None:
        super().__init__()
        self.repeated: set[str] = set()


def decode(body: bytes | bytearray | memoryview) -> Document:
    """Reads one document that fills ``body``.

    Raises:
        Fault: the bytes are not the subset, too deep, or too many.
    """
    return _Decoder(bytes(body)).whole()


class _Decoder:
    __slots__ = ("body", "elements", "view")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.view = memoryview(body)
        self.elements = 0

    def whole(self) -> Document:
        if len(self.body) < 5:
            raise Fault("bad_structure", "shorter than a document")
        if _INT32.unpack_from(self.body)[0] != len(self.body):
            raise Fault("bad_structure", "the length is not that of the bytes")
        document = Document()
        self._elements(0, len(self.body), 1, document, None)
        return document

    def _elements(self, start: int, end: int, depth: int, document: Document | None, array: list[Value] | None) -> None:
        """Reads the elements of the document in ``[start, end)``, whose length has been checked."""
        if depth > limits.NESTING:
            raise Fault("too_deep")
        body = self.body
        last = end - 1
        if body[last] != 0:
            raise Fault("bad_structure", "no terminator")
        at = start + 4
        while at < last:
            kind = body[at]
            if kind == 0:
                raise Fault("bad_structure", "a terminator before the end")
            self.elements += 1
            if self.elements > limits.ELEMENTS:
                raise Fault("too_many_values")
            name_end = body.find(0, at + 1, last)
            if name_end < 0:
                raise Fault("bad_structure", "a name without end")
            name = self._text(at + 1, name_end)
            value, at = self._value(kind, name_end + 1, last, depth)
            if array is not None:
                array.append(value)
            elif document is not None:
                if name in document:
                    document.repeated.add(name)
                else:
                    document[name] = value

    def _value(self, kind: int, at: int, last: int, depth: int) -> tuple[Value, int]:
        """The value that begins at ``at`` and must end by ``last``, and where the next element begins."""
        body = self.body
        if kind == 0x10:
            end = self._fits(at, 4, last)
            return _INT32.unpack_from(body, at)[0], end
        if kind == 0x12:
            end = self._fits(at, 8, last)
            return _INT64.unpack_from(body, at)[0], end
        if kind == 0x02:
            length = self._length(at, last)
            end = self._fits(at + 4, length, last)
            if length < 1 or body[end - 1] != 0:
                raise Fault("bad_structure", "text without its terminator")
            return self._text(at + 4, end - 1), end
        if kind == 0x05:
            length = self._length(at, last)
            self._fits(at + 4, 1, last)
            if body[at + 4] != 0:
                raise Fault("bad_type", f"binary of subtype {body[at + 4]}")
            end = self._fits(at + 5, length, last)
            content: bytes | memoryview = self.view[at + 5 : end] if length > 4096 else body[at + 5 : end]
            return content, end
        if kind == 0x08:
            end = self._fits(at, 1, last)
            if body[at] > 1:
                raise Fault("bad_bool")
            return body[at] == 1, end
        if kind == 0x0A:
            return None, at
        if kind == 0x01:
            end = self._fits(at, 8, last)
            return _DOUBLE.unpack_from(body, at)[0], end
        if kind in (0x03, 0x04):
            length = self._length(at, last)
            if length < 5:
                raise Fault("bad_structure", "an inner document that is too short")
            end = self._fits(at, length, last)
            if kind == 0x03:
                document = Document()
                self._elements(at, end, depth + 1, document, None)
                return document, end
            array: list[Value] = []
            self._elements(at, end, depth + 1, None, array)
            return array, end
        raise Fault("bad_type", f"type {kind:#04x}")

    def _length(self, at: int, last: int) -> int:
        self._fits(at, 4, last)
        length: int = _INT32.unpack_from(self.body, at)[0]
        if length < 0:
            raise Fault("bad_structure", "a negative length")
        return length

    @staticmethod
    def _fits(at: int, length: int, last: int) -> int:
        if at + length > last:
            raise Fault("bad_structure", "a value beyond its document")
        return at + length

    def _text(self, start: int, end: int) -> str:
        try:
            return self.body[start:end].decode()
        except UnicodeDecodeError:
            raise Fault("bad_utf8") from None


def encode(fields: Mapping[str, Value]) -> bytes:
    """Writes a document. Integers take 32 bits where they fit.

    Raises:
        TypeError, OverflowError: a value that has no form in the subset.
    """
    parts: list[bytes] = []
    for name, value in fields.items():
        _append(parts, name.encode() + b"\0", value)
    return _closed(parts)


def _closed(parts: list[bytes]) -> bytes:
    content = b"".join(parts)
    return b"".join((_INT32.pack(len(content) + 5), content, b"\0"))


def _append(parts: list[bytes], name: bytes, value: Value) -> None:
    if b"\0" in name[:-1]:
        raise ValueError("a name must not contain NUL")
    if value is None:
        parts.append(b"\x0a" + name)
    elif value is True or value is False:
        parts.append(b"\x08" + name + (b"\x01" if value else b"\x00"))
    elif isinstance(value, int):
        if -(1 << 31) <= value < 1 << 31:
            parts.append(b"\x10" + name + _INT32.pack(value))
        elif -(1 << 63) <= value < 1 << 63:
            parts.append(b"\x12" + name + _INT64.pack(value))
        else:
            raise OverflowError("an integer beyond 64 bits")
    elif isinstance(value, str):
        text = value.encode()
        parts.append(b"".join((b"\x02", name, _INT32.pack(len(text) + 1), text, b"\0")))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        content = bytes(value)
        parts.append(b"".join((b"\x05", name, _INT32.pack(len(content)), b"\0", content)))
    elif isinstance(value, float):
        parts.append(b"\x01" + name + _DOUBLE.pack(value))
    elif isinstance(value, Mapping):
        parts.append(b"\x03" + name + encode(value))
    elif isinstance(value, Sequence):
        inner: list[bytes] = []
        for index, item in enumerate(value):
            _append(inner, b"%d\0" % index, item)
        parts.append(b"\x04" + name + _closed(inner))
    else:
        raise TypeError(f"{type(value).__name__} has no form in BSON")
