"""Cells of MySQL as Python values, by the type of their column (chapter types)."""

from __future__ import annotations

import datetime
import decimal
import operator
import re
from collections.abc import Callable
from typing import Any

from .errors import DataError
from .protocol.rows import Cell, Column

#: Values of the cells of a column.
Reader = Callable[[list[Cell]], list[Any]]

BINARY_COLLATION = 63

DECIMAL, TINY, SHORT, LONG, FLOAT, DOUBLE, NULL, TIMESTAMP, LONGLONG, INT24 = range(0x0A)
DATE, TIME, DATETIME, YEAR = range(0x0A, 0x0E)
VARCHAR, BIT, VECTOR = 0x0F, 0x10, 0xF2
JSON, NEWDECIMAL, ENUM, SET, TINY_BLOB, MEDIUM_BLOB, LONG_BLOB, BLOB, VAR_STRING, STRING, GEOMETRY = range(0xF5, 0x100)

_TIME = re.compile(r"(-?)([0-9]+):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?", re.ASCII)


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


def reader(column: Column) -> Reader:
    """How to read the cells of a column. Types that are not known here are text, or bytes by their collation."""
    known = _READERS.get(column.type)
    if known is not None:
        return known
    return _bytes if column.charset == BINARY_COLLATION else _texts


def convert(cells: list[Cell], columns: list[Column], reads: list[Reader]) -> list[tuple[Any, ...]]:
    """The rows of cells that come one row after the other: column by column, so that a loop over Python's own types is theirs.

    Raises:
        DataError: a cell is not of its column's type.
    """
    width = len(columns)
    try:
        return list(zip(*[read(cells[place::width]) for place, read in enumerate(reads)], strict=True))
    except (ValueError, ArithmeticError):
        raise _culprit(cells, columns, reads) from None


def _culprit(cells: list[Cell], columns: list[Column], reads: list[Reader]) -> DataError:
    width = len(columns)
    for place, (read, column) in enumerate(zip(reads, columns, strict=True)):
        for cell in cells[place::width]:
            try:
                read([cell])
            except (ValueError, ArithmeticError):
                return DataError(f"column `{column.name}`: {(cell or '').encode('latin-1')[:64]!r} is not of its type", code="data")
    raise AssertionError("every cell can be read")


def _each(convert: Callable[[str], Any]) -> Reader:
    """Reads cells one by one. ``convert`` takes no None."""

    def read(cells: list[Cell]) -> list[Any]:
        try:
            return list(map(convert, cells))  # type: ignore[arg-type]  # most columns have no NULL, and need no look at each
        except (TypeError, AttributeError):
            return [None if cell is None else convert(cell) for cell in cells]

    return read


def _texts(cells: list[Cell]) -> list[Any]:
    return [cell if cell is None or cell.isascii() else cell.encode("latin-1").decode() for cell in cells]


def _days(parse: Callable[[str], Any], convert: Callable[[str], Any]) -> Reader:
    """Reads dates by ``parse``, which is quick; where it finds one that it does not know, all by ``convert``."""
    careful = _each(convert)

    def read(cells: list[Cell]) -> list[Any]:
        try:
            return list(map(parse, cells))  # type: ignore[arg-type]  # as above
        except (TypeError, ValueError):
            return careful(cells)

    return read


def _date(cell: str) -> datetime.date | str:
    """A date; as text where Python has none: zero dates and days that do not exist."""
    try:
        return datetime.date(int(cell[:4]), int(cell[5:7]), int(cell[8:]))
    except ValueError:
        return cell


def _datetime(cell: str) -> datetime.datetime | str:
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
            int(fraction.ljust(6, "0")) if fraction else 0,
        )
    except ValueError:
        return cell


def _time(cell: str) -> datetime.timedelta:
    match = _TIME.fullmatch(cell)
    if match is None:
        raise ValueError(cell)
    sign, hours, minutes, seconds, fraction = match.groups()
    duration = datetime.timedelta(
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int(fraction.ljust(6, "0")) if fraction else 0,
    )
    return -duration if sign else duration


_bytes = _each(operator.methodcaller("encode", "latin-1"))

_READERS: dict[int, Reader] = {
    **dict.fromkeys((TINY, SHORT, INT24, LONG, LONGLONG, YEAR), _each(int)),
    **dict.fromkeys((FLOAT, DOUBLE), _each(float)),
    **dict.fromkeys((DECIMAL, NEWDECIMAL), _each(decimal.Decimal)),
    **dict.fromkeys((DATETIME, TIMESTAMP), _days(datetime.datetime.fromisoformat, _datetime)),
    **dict.fromkeys((BIT, GEOMETRY, VECTOR), _bytes),
    DATE: _days(datetime.date.fromisoformat, _date),
    TIME: _each(_time),
    JSON: _texts,
}
