"""Rows of a bulk insert that go together: as statements of many rows, whose binds are written column by column."""

from __future__ import annotations

import bisect
import itertools
import operator
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from . import errors
from .adapt import column, elements
from .inserts import Insert
from .placeholders import Parameters, are_plain, has_lists, values
from .protocol.bson import Encoded, document, name_of
from .protocol.faults import Fault
from .protocol.limits import FREE_UPLOAD

#: A request is sent at once up to the free part of an upload: so the next is made while it runs.
MOST_BYTES = FREE_UPLOAD - 8_192
_MOST_BINDS = 4_096
#: So many rows are kept before they are written, at most.
_MOST_WAITING = 64
#: About how many characters a bind takes in the text of a statement.
_BIND_TEXT = 8

#: Names of the binds of a statement of many rows, in their order.
_NAMES = [name_of(f"v{number}") for number in range(1, _MOST_BINDS + 1)]
#: How many bytes are the first elements' heads: a byte, and the name.
_HEAD_SIZES = list(itertools.accumulate((1 + len(name) for name in _NAMES), initial=0))


class Statement(NamedTuple):
    """A statement with the sets of parameters that are in it. ``fills_request``: the next one goes into another request."""

    sql: str
    binds: Encoded
    rows: list[Parameters]
    fills_request: bool


class Group:
    """Rows that share a statement. They are written some at a time and column by column, so that most loops are Python's own.

    Attributes:
        is_full: there are enough of them for a statement.
    """

    def __init__(self, insert: Insert) -> None:
        width = len(insert.row.names)
        self.is_full = False
        self._insert = insert
        self._template = insert.row
        self._row_text = sum(map(len, insert.row.texts)) + _BIND_TEXT * width
        self._most_rows = _MOST_BINDS // width
        self._start = 0
        self._rows: list[Parameters] = []
        # Values of the rows that are not written yet, and how many of them are to be written at once.
        self._waiting: list[Sequence[Any]] = []
        self._step = 1
        self._largest = 1
        # What is written: of each column the first bytes of its elements, and what comes behind the names; and how many bytes the
        # rows have so far, by row, names left out.
        self._kinds = [bytearray() for _ in range(width)]
        self._contents: list[list[bytes]] = [[] for _ in range(width)]
        self._ends: list[int] = []

    def add(self, row: Parameters, index: int) -> bool:
        """Adds a row; False: it holds a list, which is no value of a row, or more values than a statement may have here.

        Raises:
            errors.Error: this row, or one before that ``item`` names, cannot be sent.
        """
        template = self._template
        try:
            found = values(template, row)
        except errors.Error:
            self._write()
            raise
        plain = are_plain(found)
        if (not plain and has_lists(found)) or not self._most_rows:
            self._write()
            return False
        if not self._rows:
            self._start = index
        # A copy: an iterator may yield one list again and again.
        if template.keys is None:
            found = row = tuple(found)
        else:
            row = dict(row)
        self._rows.append(row)
        self._waiting.append(found)
        # A value that may change, as bytes in a buffer do, is written while it is what it was.
        if len(self._waiting) >= self._step or not plain or len(self._rows) >= self._most_rows:
            self._write()
        return True

    def take(self, all: bool) -> Iterator[Statement]:
        """Takes statements out that are full; with ``all``, also one of the rows that are left."""
        self._write()
        while self._rows and (self.is_full or all):
            rows = self._count()
            statement = Statement(self._insert.text(rows), self._binds(rows), self._rows[:rows], fills_request=self.is_full)
            self._remove(rows)
            yield statement

    def _write(self) -> None:
        """Writes the rows that wait."""
        if not self._waiting:
            return
        try:
            columns = [column(found) for found in zip(*self._waiting, strict=True)]
        except (errors.DataError, Fault, UnicodeEncodeError):
            self._blame()
            raise
        sizes = [self._row_text] * len(self._waiting)
        for place, (kinds, contents) in enumerate(columns):
            self._kinds[place] += kinds
            self._contents[place] += contents
            sizes = list(map(operator.add, sizes, map(len, contents)))
        last = self._ends[-1] if self._ends else 0
        self._ends += itertools.islice(itertools.accumulate(sizes, initial=last), 1, None)
        self._largest = max(self._largest, *sizes)
        # Few of large rows, which are not to be in memory at once.
        self._step = max(1, min(2 * self._step, _MOST_WAITING, MOST_BYTES // self._largest))
        self._waiting.clear()
        self._look()

    def _blame(self) -> None:
        """Raises the error of a row that waits, by the row's own names."""
        names = [name_of(name) for name in self._template.names]
        for index, found in enumerate(self._waiting, self._start + len(self._ends)):
            try:
                elements(names, found)
            except errors.DataError as error:
                error.item = index
                raise

    def _look(self) -> None:
        """Sees whether the rows that are written are enough."""
        rows = len(self._ends)
        self.is_full = rows > 0 and (rows >= self._most_rows or self._size(rows - 1) >= MOST_BYTES)

    def _size(self, row: int) -> int:
        """About how many bytes the rows take in a request, to a row and with it."""
        return self._ends[row] + _HEAD_SIZES[(row + 1) * len(self._contents)]

    def _count(self) -> int:
        """How many rows the next statement has."""
        rows = len(self._rows)
        return min(rows, 1 + bisect.bisect_left(range(rows), MOST_BYTES, key=self._size))

    def _remove(self, rows: int) -> None:
        self._start += rows
        del self._rows[:rows]
        for kinds, contents in zip(self._kinds, self._contents, strict=True):
            del kinds[:rows], contents[:rows]
        last = self._ends[rows - 1]
        self._ends = [end - last for end in self._ends[rows:]]
        self._look()

    def _binds(self, rows: int) -> Encoded:
        """The binds of the first rows: heads and contents of elements in turn."""
        width = len(self._contents)
        count = rows * width
        pieces = [b""] * (2 * count)
        for place, (kinds, contents) in enumerate(zip(self._kinds, self._contents, strict=True)):
            places = slice(place, count, width)
            kind = kinds[0]
            if kinds.count(kind, 0, rows) == rows:
                heads = _heads(kind)[places]
            else:
                heads = [_heads(kind)[at] for kind, at in zip(kinds, range(count)[places], strict=False)]
            pieces[2 * place :: 2 * width] = heads
            pieces[2 * place + 1 :: 2 * width] = contents[:rows]
        return Encoded(document(pieces))


@cache
def _heads(kind: int) -> list[bytes]:
    """What elements begin with whose first byte is ``kind``: it, and one of the names."""
    return [bytes((kind,)) + name for name in _NAMES]
