"""Python values as bind values of the protocol."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from .errors import DataError
from .protocol.faults import Fault
from .protocol.values import Typed

_I64_END = 1 << 63
_U64_END = 1 << 64
_DECIMAL_END = 10**65


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


def adapt(value: Any, name: str = "") -> Any:
    """The bind value of a Python value; ``name`` is for the error.

    Raises:
        DataError: it has none.
    """
    adapter = _ADAPTERS.get(type(value))
    if adapter is None:
        adapter = _inherited(value)
        if adapter is None:
            raise DataError(f"parameter `{name}`: a value of type {type(value).__name__} cannot be sent", code="data")
    try:
        return adapter(value)
    except (DataError, Fault, UnicodeEncodeError) as error:
        reason = error.message if isinstance(error, DataError) else str(error)
        raise DataError(f"parameter `{name}`: {reason}", code="data") from None


def adapt_all(binds: Mapping[str, Any]) -> dict[str, Any]:
    """Binds by name, each adapted."""
    return {name: adapt(value, name) for name, value in binds.items()}


def _inherited(value: Any) -> Callable[[Any], Any] | None:
    """The adapter of a class that the value's class derives from: enumerations of text, named tuples."""
    for kind, adapter in _ADAPTERS.items():
        if isinstance(value, kind):
            return adapter
    return None


def _integer(value: int) -> Any:
    value = int(value)
    if -_I64_END <= value < _I64_END:
        return value
    if 0 <= value < _U64_END:
        return Typed("u64", str(value))
    if abs(value) >= _DECIMAL_END:
        raise DataError("an integer of more than 65 digits", code="data")
    return Typed("decimal", str(value))


def _double(value: float) -> float:
    if not math.isfinite(value):
        raise DataError(f"{value} is no value of MySQL", code="data")
    return float(value)


def _text(value: str) -> str:
    text = str.__str__(value)
    text.encode()
    return text


def _decimal(value: decimal.Decimal) -> Typed:
    if not value.is_finite():
        raise DataError(f"{value} is no value of MySQL", code="data")
    # Before it is written out: an exponent of a few digits can stand for millions of them.
    if value.adjusted() > 65 or len(value.as_tuple().digits) > 65 or int(value.as_tuple().exponent) < -65:
        raise DataError("a decimal of more than 65 digits", code="data")
    return _checked("decimal", f"{value:f}")


def _datetime(value: datetime.datetime) -> Typed:
    if value.tzinfo is not None:
        raise DataError("DATETIME has no zone: convert it, then remove the zone by replace(tzinfo=None)", code="data")
    return Typed("datetime", value.isoformat(" "))


def _time(value: datetime.time) -> Typed:
    if value.tzinfo is not None:
        raise DataError("TIME has no zone: remove it by replace(tzinfo=None)", code="data")
    return Typed("time", value.isoformat())


def _duration(value: datetime.timedelta) -> Typed:
    microseconds = value // datetime.timedelta(microseconds=1)
    sign, microseconds = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours > 838:
        raise DataError("TIME has at most 838 hours", code="data")
    text = f"{sign}{hours:02}:{minutes:02}:{seconds:02}"
    return Typed("time", f"{text}.{fraction:06}" if fraction else text)


def _list(values: Any) -> list[Any]:
    items = [_item(value) for value in values]
    if not items:
        raise DataError("SQL has no empty list: leave the condition out", code="data")
    widths = {len(item) if isinstance(item, tuple) else None for item in items}
    if len(widths) > 1 or 0 in widths:
        raise DataError("a list holds single values only, or tuples of one length", code="data")
    return items


def _item(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        cells = tuple(_adapt_scalar(cell) for cell in value)
        if any(isinstance(cell, (list, tuple)) for cell in cells):
            raise DataError("a tuple inside a tuple", code="data")
        return cells
    return _adapt_scalar(value)


def _adapt_scalar(value: Any) -> Any:
    adapter = _ADAPTERS.get(type(value)) or _inherited(value)
    if adapter is None or isinstance(value, (set, frozenset)):
        raise DataError(f"a value of type {type(value).__name__} cannot be sent", code="data")
    return adapter(value)


def _checked(kind: str, content: str | bytes, charset: str | None = None) -> Typed:
    typed = Typed(kind, content, charset)
    typed.check()
    return typed


#: In this order for derived classes: bool before int, datetime before date.
_ADAPTERS: dict[type, Callable[[Any], Any]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    int: _integer,
    float: _double,
    str: _text,
    bytes: lambda value: bytes(value),
    bytearray: lambda value: bytes(value),
    memoryview: lambda value: bytes(value),
    decimal.Decimal: _decimal,
    datetime.datetime: _datetime,
    datetime.date: lambda value: Typed("date", value.isoformat()),
    datetime.time: _time,
    datetime.timedelta: _duration,
    uuid.UUID: str,
    list: _list,
    tuple: _list,
    set: _list,
    frozenset: _list,
    Json: lambda value: Typed("json", _text(value.text)),
    Bit: lambda value: _checked("bit", value.content),
    Geometry: lambda value: _checked("geometry", value.content),
    CharsetText: lambda value: _checked("text", value.content, value.charset),
    Typed: lambda value: _checked(value.t, value.v, value.cs),
}
