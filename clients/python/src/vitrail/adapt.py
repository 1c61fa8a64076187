"""Python values as binds of the protocol, written at once: a statement of many rows has thousands of them."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import struct
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from .errors import DataError
from .protocol.bson import (
    Encoded,
    binary_content,
    document,
    element,
    name_of,
    pack_double,
    text_content,
    write_array,
    write_int,
    write_int32,
)
from .protocol.faults import Fault
from .protocol.values import Typed, typed_text, write_value

#: Writes an element: its name, and the value.
Writer = Callable[[bytes, Any], bytes]
#: Writes an element from behind its name on.
ContentWriter = Callable[[Any], bytes]

_I64_END = 1 << 63
_U64_END = 1 << 64
_MOST_DIGITS = 65
_DECIMAL_END = 10**_MOST_DIGITS


class Json:
    """A JSON value as parameter. ``value`` is anything that :func:`json.dumps` takes; ``text`` is JSON already."""

    __slots__ = ("text",)

    def __init__(self, value: Any = None, *, text: str | None = None) -> None:
        self.text = json.dumps(value, ensure_ascii=False) if text is None else text


class Bit:
    """A BIT value as parameter: an integer from 0, or 1 to 8 bytes, big-endian."""

    __slots__ = ("content",)

    def __init__(self, value: int | bytes) -> None:
        if isinstance(value, int):
            if not 0 <= value < _U64_END:
                raise DataError(f"{value} is no BIT value: 0 to 2^64 - 1", code="data")
            value = value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
        self.content = bytes(value)


class Geometry:
    """A spatial value as parameter: its WKB, and the SRID; or as MySQL hands it out, SRID and WKB in one."""

    __slots__ = ("content",)

    def __init__(self, wkb: bytes, srid: int | None = None) -> None:
        self.content = bytes(wkb) if srid is None else srid.to_bytes(4, "little") + bytes(wkb)


class CharsetText:
    """Text in another character set than utf8mb4, as bytes, with MySQL's name of the set."""

    __slots__ = ("charset", "content")

    def __init__(self, content: bytes, charset: str) -> None:
        self.content = bytes(content)
        self.charset = charset


def adapt(binds: Mapping[str, Any]) -> Encoded:
    """The binds of a statement, each value with its name.

    Raises:
        DataError: a value cannot be sent; names the parameter.
    """
    return Encoded(document(elements(map(name_of, binds), binds.values())))


def elements(names: Iterable[bytes], values: Iterable[Any]) -> list[bytes]:
    """The elements of binds. Names are those of :func:`.bson.name_of`.

    Raises:
        DataError: a value cannot be sent; names the parameter.
    """
    found: list[bytes] = []
    add = found.append
    name = b""
    try:
        for name, value in zip(names, values, strict=True):
            kind = type(value)
            # Text and small integers are what most values are: written here, they take half the time.
            if kind is str:
                content = value.encode()
                add(b"\x02%b%b%b\0" % (name, write_int32(len(content) + 1), content))
            elif kind is int and -0x8000_0000 <= value < 0x8000_0000:
                add(b"\x10" + name + write_int32(value))
            else:
                writer = _WRITERS.get(kind) or _inherited(value)
                add(writer(name, value))
    except (DataError, Fault, UnicodeEncodeError) as error:
        reason = error.message if isinstance(error, DataError) else str(error)
        raise DataError(f"parameter `{name[:-1].decode()}`: {reason}", code="data") from None
    return found


def column(values: Sequence[Any]) -> tuple[bytes, list[bytes]]:
    """Elements of values that have no names yet: the first byte of each, and what comes behind the names. It is quickest where all
    values are of one type.

    Raises:
        DataError, Fault, UnicodeEncodeError: a value cannot be sent.
    """
    types = set(map(type, values))
    known = _CONTENTS.get(types.pop()) if len(types) == 1 else None
    if known is not None:
        kind, write = known
        try:
            return kind * len(values), list(map(write, values))
        except struct.error:
            # An integer of more than 32 bits, whose first byte is another.
            pass
    written = [(_WRITERS.get(type(value)) or _inherited(value))(b"", value) for value in values]
    return b"".join([element[:1] for element in written]), [element[1:] for element in written]


def _inherited(value: Any) -> Writer:
    """The writer for a class that the value's class derives from: enumerations of text, named tuples."""
    for kind, writer in _WRITERS.items():
        if isinstance(value, kind):
            return writer
    raise DataError(f"a value of type {type(value).__name__} cannot be sent", code="data")


def _integer(name: bytes, value: int) -> bytes:
    if -_I64_END <= value < _I64_END:
        return write_int(name, value)
    if abs(value) >= _DECIMAL_END:
        raise DataError("an integer of more than 65 digits", code="data")
    return b"\x03" + name + typed_text("u64" if 0 <= value < _U64_END else "decimal", int.__repr__(value))


def _double(value: float) -> bytes:
    if not math.isfinite(value):
        raise DataError(f"{value} is no value of MySQL", code="data")
    return pack_double(value)


def _decimal(value: decimal.Decimal) -> bytes:
    if not value.is_finite():
        raise DataError(f"{value} is no value of MySQL", code="data")
    if type(value) is decimal.Decimal:
        # Mostly the same as by `f`, in less than half of the time.
        text = str(value)
        if len(text) <= _MOST_DIGITS and "E" not in text:
            return typed_text("decimal", text)
    # Before it is written out: an exponent of a few digits can stand for millions of them.
    if not -_MOST_DIGITS <= value.adjusted() <= _MOST_DIGITS:
        raise DataError("a decimal of more than 65 digits", code="data")
    text = f"{value:f}"
    if len(text) > _MOST_DIGITS:
        Typed("decimal", text).check()
    return typed_text("decimal", text)


def _date(value: datetime.date) -> bytes:
    return typed_text("date", value.isoformat())


def _datetime(value: datetime.datetime) -> bytes:
    if value.tzinfo is not None:
        raise DataError("DATETIME has no zone: convert it, then remove the zone by replace(tzinfo=None)", code="data")
    return typed_text("datetime", value.isoformat(" "))


def _time(value: datetime.time) -> bytes:
    if value.tzinfo is not None:
        raise DataError("TIME has no zone: remove it by replace(tzinfo=None)", code="data")
    return typed_text("time", value.isoformat())


def _duration(value: datetime.timedelta) -> bytes:
    microseconds = value // datetime.timedelta(microseconds=1)
    sign, microseconds = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours > 838:
        raise DataError("TIME has at most 838 hours", code="data")
    text = f"{sign}{hours:02}:{minutes:02}:{seconds:02}"
    return typed_text("time", f"{text}.{fraction:06}" if fraction else text)


def _list(name: bytes, values: Collection[Any]) -> bytes:
    if not values:
        raise DataError("SQL has no empty list: leave the condition out", code="data")
    widths = {len(item) if isinstance(item, (list, tuple)) else None for item in values}
    if len(widths) > 1 or 0 in widths:
        raise DataError("a list holds single values only, or tuples of one length", code="data")
    return write_array(name, [_item(b"%d\0" % index, item) for index, item in enumerate(values)])


def _item(name: bytes, value: Any) -> bytes:
    if not isinstance(value, (list, tuple)):
        return _scalar(name, value)
    if any(isinstance(cell, (list, tuple)) for cell in value):
        raise DataError("a tuple inside a tuple", code="data")
    return write_array(name, [_scalar(b"%d\0" % index, cell) for index, cell in enumerate(value)])


def _scalar(name: bytes, value: Any) -> bytes:
    writer = _WRITERS.get(type(value)) or _inherited(value)
    if writer is _list:
        raise DataError(f"a value of type {type(value).__name__} cannot be sent", code="data")
    return writer(name, value)


def _checked(name: bytes, kind: str, content: str | bytes, charset: str | None = None) -> bytes:
    typed = Typed(kind, content, charset)
    typed.check()
    return element(name, write_value(typed))


def _writer(kind: bytes, content: ContentWriter) -> Writer:
    return lambda name, value: kind + name + content(value)


#: The first byte of an element, and what writes the rest behind the name, by types whose elements all begin alike; but for integers
#: of more than 32 bits, at which :class:`struct.error` is raised. In this order for derived classes: bool before int, datetime
#: before date.
_CONTENTS: dict[type, tuple[bytes, ContentWriter]] = {
    type(None): (b"\x0a", lambda _: b""),
    bool: (b"\x08", lambda value: b"\x01" if value else b"\x00"),
    int: (b"\x10", write_int32),
    float: (b"\x01", _double),
    str: (b"\x02", text_content),
    bytes: (b"\x05", binary_content),
    bytearray: (b"\x05", binary_content),
    memoryview: (b"\x05", binary_content),
    decimal.Decimal: (b"\x03", _decimal),
    datetime.datetime: (b"\x03", _datetime),
    datetime.date: (b"\x03", _date),
    datetime.time: (b"\x03", _time),
    datetime.timedelta: (b"\x03", _duration),
    uuid.UUID: (b"\x02", lambda value: text_content(str(value))),
    Json: (b"\x03", lambda value: typed_text("json", value.text)),
}

_WRITERS: dict[type, Writer] = {
    **{kind: _writer(*entry) for kind, entry in _CONTENTS.items()},
    int: _integer,
    list: _list,
    tuple: _list,
    set: _list,
    frozenset: _list,
    Bit: lambda name, value: _checked(name, "bit", value.content),
    Geometry: lambda name, value: _checked(name, "geometry", value.content),
    CharsetText: lambda name, value: _checked(name, "text", value.content, value.charset),
}
