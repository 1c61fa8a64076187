"""The BSON subset of the protocol (chapter messages): documents to dictionaries and back.

Every length is checked before memory is taken. Binary values of a decoded document are views of its bytes where they are long,
so that packed rows are not copied.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, TypeAlias

from . import limits
from .faults import Fault

EMPTY_DOCUMENT = b"\x05\x00\x00\x00\x00"

_INT32 = struct.Struct("<i")
_INT64 = struct.Struct("<q")
_DOUBLE = struct.Struct("<d")
#: Writes four bytes, the least first.
write_int32 = _INT32.pack
#: Writes the eight bytes of a double.
pack_double = _DOUBLE.pack
_read_int32 = _INT32.unpack_from
_read_int64 = _INT64.unpack_from
_write_int64 = _INT64.pack

#: What decoding gives: None, bool, int, float, str, bytes or memoryview, list, Document.
Value: TypeAlias = Any


class Document(dict[str, Value]):
    """A decoded document. ``repeated`` names the fields that occur more than once; the first value of each counts."""

    repeated: AbstractSet[str] = frozenset()

    def repeat(self, name: str) -> None:
        """A field has come again."""
        repeated = self.repeated if isinstance(self.repeated, set) else set()
        repeated.add(name)
        self.repeated = repeated


def decode(body: bytes | bytearray | memoryview) -> Document:
    """Reads one document that fills ``body``.

    Raises:
        Fault: the bytes are not the subset, too deep, or too many.
    """
    return _Decoder(bytes(body)).whole()


class _Decoder:
    __slots__ = ("body", "elements")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.elements = 0

    def whole(self) -> Document:
        if len(self.body) < 5:
            raise Fault("bad_structure", "shorter than a document")
        if _read_int32(self.body)[0] != len(self.body):
            raise Fault("bad_structure", "the length is not that of the bytes")
        document = Document()
        try:
            self._elements(0, len(self.body), 1, document, None)
        except UnicodeDecodeError:
            raise Fault("bad_utf8") from None
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
            name = body[at + 1 : name_end].decode()
            at = name_end + 1
            if kind == 0x10:
                if at + 4 > last:
                    raise _beyond()
                value: Value = _read_int32(body, at)[0]
                at += 4
            else:
                value, at = self._value(kind, at, last, depth)
            if array is not None:
                array.append(value)
            elif document is not None:
                if name in document:
                    document.repeat(name)
                else:
                    document[name] = value

    def _value(self, kind: int, at: int, last: int, depth: int) -> tuple[Value, int]:
        """The value that begins at ``at`` and must end by ``last``, and where the next element begins. Of all kinds but int32."""
        body = self.body
        if kind == 0x12:
            end = self._fits(at, 8, last)
            return _read_int64(body, at)[0], end
        if kind == 0x02:
            length = self._length(at, last)
            end = self._fits(at + 4, length, last)
            if length < 1 or body[end - 1] != 0:
                raise Fault("bad_structure", "text without its terminator")
            return body[at + 4 : end - 1].decode(), end
        if kind == 0x05:
            length = self._length(at, last)
            self._fits(at + 4, 1, last)
            if body[at + 4] != 0:
                raise Fault("bad_type", f"binary of subtype {body[at + 4]}")
            end = self._fits(at + 5, length, last)
            content: bytes | memoryview = memoryview(body)[at + 5 : end] if length > 4096 else body[at + 5 : end]
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
        length: int = _read_int32(self.body, at)[0]
        if length < 0:
            raise Fault("bad_structure", "a negative length")
        return length

    @staticmethod
    def _fits(at: int, length: int, last: int) -> int:
        if at + length > last:
            raise _beyond()
        return at + length


def _beyond() -> Fault:
    return Fault("bad_structure", "a value beyond its document")


class Encoded(bytes):
    """A document that is written already."""


@lru_cache(maxsize=8192)
def name_of(name: str) -> bytes:
    """A name as elements have it, with its end.

    Raises:
        ValueError: it contains NUL.
    """
    if "\0" in name:
        raise ValueError("a name must not contain NUL")
    return name.encode() + b"\0"


def encode(fields: Mapping[str, Value]) -> bytes:
    """Writes a document. Integers take 32 bits where they fit.

    Raises:
        TypeError, OverflowError: a value that has no form in the subset.
    """
    elements: list[bytes] = []
    for name, value in fields.items():
        writer = _WRITERS.get(type(value), element)
        elements.append(writer(name_of(name), value))
    return document(elements)


def document(elements: Iterable[bytes]) -> bytes:
    """Writes a document of elements that are written already."""
    content = b"".join(elements)
    return b"%b%b\0" % (write_int32(len(content) + 5), content)


def element(name: bytes, value: Value) -> bytes:
    """Writes an element; ``name`` is one of :func:`name_of`.

    Raises:
        TypeError, OverflowError: a value that has no form in the subset.
    """
    writer = _WRITERS.get(type(value))
    if writer is None:
        for kind, inherited in _WRITERS.items():
            if isinstance(value, kind):
                return inherited(name, value)
        raise TypeError(f"{type(value).__name__} has no form in BSON")
    return writer(name, value)


def write_null(name: bytes, _: None) -> bytes:
    """An element of no value."""
    return b"\x0a" + name


def write_bool(name: bytes, value: bool) -> bytes:
    """An element of a boolean."""
    return b"\x08%b\x01" % name if value else b"\x08%b\x00" % name


def write_int(name: bytes, value: int) -> bytes:
    """An element of an integer.

    Raises:
        OverflowError: it has more than 64 bits.
    """
    if -0x8000_0000 <= value < 0x8000_0000:
        return b"\x10" + name + write_int32(value)
    if -(1 << 63) <= value < 1 << 63:
        return b"\x12" + name + _write_int64(value)
    raise OverflowError("an integer beyond 64 bits")


def write_double(name: bytes, value: float) -> bytes:
    """An element of a double."""
    return b"\x01" + name + pack_double(value)


def write_text(name: bytes, value: str) -> bytes:
    """An element of text.

    Raises:
        UnicodeEncodeError: it has half of a surrogate pair.
    """
    return b"\x02" + name + text_content(value)


def text_content(value: str) -> bytes:
    """An element of text, from behind its name on.

    Raises:
        UnicodeEncodeError: it has half of a surrogate pair.
    """
    content = value.encode()
    return b"%b%b\0" % (write_int32(len(content) + 1), content)


def write_binary(name: bytes, value: bytes | bytearray | memoryview) -> bytes:
    """An element of bytes."""
    return b"\x05%b%b" % (name, binary_content(value))


def binary_content(value: bytes | bytearray | memoryview) -> bytes:
    """An element of bytes, from behind its name on."""
    content = bytes(value)
    return b"%b\0%b" % (write_int32(len(content)), content)


def write_array(name: bytes, elements: Iterable[bytes]) -> bytes:
    """An element of an array, whose elements are written already, with the names ``0``, ``1`` and so on."""
    return b"\x04" + name + document(elements)


def _write_sequence(name: bytes, value: Sequence[Value]) -> bytes:
    return write_array(name, [element(b"%d\0" % index, item) for index, item in enumerate(value)])


_WRITERS: dict[type, Callable[[bytes, Any], bytes]] = {
    type(None): write_null,
    bool: write_bool,
    int: write_int,
    str: write_text,
    Encoded: lambda name, value: b"\x03" + name + value,
    bytes: write_binary,
    bytearray: write_binary,
    memoryview: write_binary,
    float: write_double,
    dict: lambda name, value: b"\x03" + name + encode(value),
    list: _write_sequence,
    tuple: _write_sequence,
}
