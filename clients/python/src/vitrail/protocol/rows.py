"""Packed rows and fields (chapter rows)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .faults import Fault

_FIXED = struct.Struct("<HIBHB2x")

_LENGTH = struct.Struct("<I").unpack_from

#: Bytes as Latin-1 text, a character for each: most cells are ASCII, and are the text that they stand for. None is NULL.
Cell = str | None


@dataclass(frozen=True)
class Column:
    """One column of a result, as MySQL describes it. ``charset`` is the number of the collation; 63 is bytes."""

    schema: str
    table: str
    org_table: str
    name: str
    org_name: str
    charset: int
    length: int
    type: int
    flags: int
    decimals: int


def columns(packed: bytes | memoryview) -> list[Column]:
    """The columns of packed fields.

    Raises:
        Fault: ``bad_packing``.
    """
    return [_column(definition) for definition in _pieces(bytes(packed))]


def cells(packed: bytes | memoryview, count: int, width: int) -> list[Cell]:
    """The cells of ``count`` packed rows of ``width`` cells each, one row after the other.

    Raises:
        Fault: ``bad_packing``.
    """
    data = bytes(packed)
    text = data.decode("latin-1")
    found: list[Cell] = []
    add = found.append
    places = range(width)
    at = 0
    try:
        for _ in range(count):
            end = at + 4 + _LENGTH(data, at)[0]
            at += 4
            for _ in places:
                length = data[at]
                at += 1
                if length > 0xFA:
                    if length == 0xFB:
                        add(None)
                        continue
                    length, at = _wide_length(data, length, at, end)
                stop = at + length
                add(text[at:stop])
                at = stop
            # Cells only lead on, so that none of them is beyond the row if the last is not.
            if at != end:
                raise Fault("bad_packing", "the cells of a row do not fill it")
    except (IndexError, struct.error):
        raise Fault("bad_packing", "a row beyond the batch") from None
    if at != len(data):
        raise Fault("bad_packing", "rows and their count differ")
    return found


def _wide_length(data: bytes, first: int, at: int, end: int) -> tuple[int, int]:
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first)
    if width is None or at + width > end:
        raise Fault("bad_packing", "a length that cannot be read")
    return int.from_bytes(data[at : at + width], "little"), at + width


def _pieces(packed: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(packed):
        if at + 4 > len(packed):
            raise Fault("bad_packing", "a cut length")
        end = at + 4 + int.from_bytes(packed[at : at + 4], "little")
        if end > len(packed):
            raise Fault("bad_packing", "beyond the end")
        yield packed[at + 4 : end]
        at = end


def _column(definition: bytes) -> Column:
    at = 0
    names: list[bytes] = []
    for _ in range(6):
        if at >= len(definition):
            raise Fault("bad_packing", "a cut definition")
        length, at = definition[at], at + 1
        if length > 0xFA:
            length, at = _wide_length(definition, length, at, len(definition))
        if at + length > len(definition):
            raise Fault("bad_packing", "a name beyond its definition")
        names.append(definition[at : at + length])
        at += length
    if names[0] != b"def" or len(definition) != at + 1 + _FIXED.size or definition[at] != _FIXED.size:
        raise Fault("bad_packing", "not a column definition")
    try:
        schema, table, org_table, name, org_name = (part.decode() for part in names[1:])
    except UnicodeDecodeError:
        raise Fault("bad_packing", "a name that is no UTF-8") from None
    charset, length, type, flags, decimals = _FIXED.unpack_from(definition, at + 1)
    return Column(schema, table, org_table, name, org_name, charset, length, type, flags, decimals)
