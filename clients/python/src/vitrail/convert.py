"""Cells of MySQL as Python values, by the type of their column (chapter types)."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable, Iterable
from typing import Any

from .errors import DataError
from .protocol.rows import Cell, Column

Converter = Callable[[bytes], Any]

BINARY_COLLATION = 63

DECIMAL, TINY, SHORT, LONG, FLOAT, DOUBLE, NULL, TIMESTAMP, LONGLONG, INT24 = range(0x0A)
DATE, TIME, DATETIME, YEAR = range(0x0A, 0x0E)
VARCHAR, BIT, VECTOR = 0x0F, 0x10, 0xF2
JSON, NEWDECIMAL, ENUM, SET, TINY_BLOB, MEDIUM_BLOB, LONG_BLOB, BLOB, VAR_STRING, STRING, GEOMETRY = range(0xF5, 0x100)

_TIME = re.compile(rb"(-?)([0-9]+):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?")


class DBAPIType(frozenset[int]):
    """Types that are one to PEP 249; equal to the type code of each of them."""

    def __eq__(self, other: object) -> bool:
        return other in self if isinstance(other, int) else super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = frozenset.__hash__


STRING_TYPE = DBAPIType({VARCHAR, ENUM, SET, VAR_STRING, STRING, JSON})
BINARY_TYPE = DBAPIType({TINY_BLOB, MEDIUM_BLOB, LONG_BLOB, BLOB, BIT, GEOMETRY, VECTOR})
NUMBER_TYPE = DBAPIType({DECIMAL, NEWDECIMAL, TINY, SHORT, LONG, FLOAT, DOUBLE, LONGLONG, INT24, YEAR})
DATETIME_TYPE = DBAPIType({DATE, TIME, DATETIME, TIMESTAMP})
ROWID_TYPE = DBAPIType()


def converters(columns: Iterable[Column]) -> list[Converter]:
    """How to read the cells of each column."""
    return [converter(column) for column in columns]


def converter(column: Column) -> Converter:
    """How to read the cells of a column. Types that are not known here are text, or bytes by their collation."""
    known = _CONVERTERS.get(column.type)
    if known is not None:
        return known
    return bytes if column.charset == BINARY_COLLATION else bytes.decode


def convert(cells: list[Cell], readers: list[Converter], columns: list[Column]) -> tuple[Any, ...]:
    """The values of a row.

    Raises:
        DataError: a cell is not of its column's type.
    """
    try:
        return tuple([None if cell is None else read(cell) for cell, read in zip(cells, readers, strict=True)])
    except (ValueError, ArithmeticError):
        raise _culprit(cells, readers, columns) from None


def _culprit(cells: list[Cell], readers: list[Converter], columns: list[Column]) -> DataError:
    for cell, read, column in zip(cells, readers, columns, strict=True):
        if cell is not None:
            try:
                read(cell)
            except (ValueError, ArithmeticError):
                return DataError(f"column `{column.name}`: {cell[:64]!r} is not of its type", code="data")
    raise AssertionError("every cell can be read")


def _decimal(cell: bytes) -> decimal.Decimal:
    return decimal.Decimal(cell.decode())


def _date(cell: bytes) -> datetime.date | str:
    """A date; as text where Python has none: zero dates and days that do not exist."""
    try:
        return datetime.date(int(cell[:4]), int(cell[5:7]), int(cell[8:]))
    except ValueError:
        return cell.decode()


def _datetime(cell: bytes) -> datetime.datetime | str:
    """A date and time without a zone; as text where Python has none."""
    fraction = cell[20:]
    try:
        return datetime.datetime(
            int(cell[:4]),
            int(cell[5:7]),
            int(cell[8:10]),
            int(cell[11:13]),
            int(cell[14:16]),
            int(cell[17:19]),
            int(fraction.ljust(6, b"0")) if fraction else 0,
        )
    except ValueError:
        return cell.decode()


def _time(cell: bytes) -> datetime.timedelta:
    match = _TIME.fullmatch(cell)
    if match is None:
        raise ValueError(cell)
    sign, hours, minutes, seconds, fraction = match.groups()
    duration = datetime.timedelta(
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int(fraction.ljust(6, b"0")) if fraction else 0,
    )
    return -duration if sign else duration


_CONVERTERS: dict[int, Converter] = {
    **dict.fromkeys((TINY, SHORT, INT24, LONG, LONGLONG, YEAR), int),
    **dict.fromkeys((FLOAT, DOUBLE), float),
    **dict.fromkeys((DECIMAL, NEWDECIMAL), _decimal),
    **dict.fromkeys((DATETIME, TIMESTAMP), _datetime),
    **dict.fromkeys((BIT, GEOMETRY, VECTOR), bytes),
    DATE: _date,
    TIME: _time,
    JSON: bytes.decode,
}
