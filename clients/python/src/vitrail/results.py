"""Replies as columns, rows and outcomes. Without I/O; shared by both clients."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import errors
from .convert import DECIMAL, NEWDECIMAL, Reader, convert, reader
from .protocol.faults import Fault
from .protocol.rows import Column, cells, columns

#: What is left of a result may take so many bytes of memory when another statement is run on its connection.
READ_AHEAD = 64 << 20
READ_AHEAD_TEXT = (
    f"another statement was run on the connection while more than {READ_AHEAD >> 20} MiB of this result were left: "
    "close the cursor before, or read it over a connection of its own"
)

Description = tuple[str, int, int | None, int | None, int | None, int | None, bool]

_NOT_NULL = 1
_MORE_RESULTS = 8
_MOST_STATEMENTS = 512
_LONGEST_STATEMENT = 16_384


class WarningText(NamedTuple):
    """A warning, as ``SHOW WARNINGS`` has it."""

    level: str
    errno: int
    message: str


@dataclass(frozen=True)
class Outcome:
    """What a statement did.

    Attributes:
        rows: rows returned.
        affected: rows affected: changed ones, or matched ones with ``found_rows``.
        insert_id: ``LAST_INSERT_ID`` of the statement; 0: none.
        warning_count: how many warnings there are.
        warnings: their texts, if they were asked for.
        position: position of a write or commit, to be given to later reads.
        matched: rows matched, where MySQL says so.
        info: MySQL's text.
        capped: how many rows there may be where rows are missing; None: none are missing.
        more: another result follows.
        item: index of the parameters that this ends, in a batch.
    """

    rows: int = 0
    affected: int = 0
    insert_id: int = 0
    warning_count: int = 0
    warnings: tuple[WarningText, ...] = ()
    position: bytes | None = None
    matched: int | None = None
    info: str | None = None
    capped: int | None = None
    more: bool = False
    item: int | None = None


def outcome(end: Mapping[str, Any]) -> Outcome:
    """The outcome of an ``end``."""
    get = end.get
    position, capped, texts = get("position"), get("capped"), get("texts")
    return Outcome(
        get("rows", 0),
        get("affected", 0),
        get("insert_id", 0),
        get("warnings", 0),
        tuple(WarningText(**text) for text in texts) if texts else (),
        None if position is None else bytes(position),
        get("matched"),
        get("info"),
        None if capped is None else capped["limit"],
        get("status", 0) & _MORE_RESULTS != 0,
        get("item"),
    )


class Fields:
    """The columns of a result, and what follows from them.

    Attributes:
        hash: stands for them in a request, so that the server can leave them out.
        columns: as MySQL describes them.
        readers: how to read the cells of each.
        description: as PEP 249 describes them.
        places: the place of each name; of several with one name, the last has it.
    """

    def __init__(self, hash: int, packed: bytes | memoryview, reader: Callable[[Column], Reader]) -> None:
        self.hash = hash
        self.columns = columns(packed)
        self.readers = [reader(column) for column in self.columns]
        self.description = [describe(column) for column in self.columns]
        self.places = {column.name: place for place, column in enumerate(self.columns)}


def describe(column: Column) -> Description:
    """A column as PEP 249 describes it."""
    precision = scale = None
    if column.type in (DECIMAL, NEWDECIMAL):
        scale = column.decimals
        precision = column.length - (1 if scale else 0)
    nullable = column.flags & _NOT_NULL == 0
    return (column.name, column.type, column.length, column.length, precision, scale, nullable)


class FieldCache:
    """Columns by statement, so that servers can leave them out. Bounded; the longest unused go."""

    def __init__(self) -> None:
        self._fields: OrderedDict[str, Fields] = OrderedDict()

    def get(self, sql: str) -> Fields | None:
        """The columns that the statement had last."""
        known = self._fields.get(sql)
        if known is not None:
            self._fields.move_to_end(sql)
        return known

    def put(self, sql: str, fields: Fields) -> None:
        """Remembers the columns of a statement."""
        if len(sql) <= _LONGEST_STATEMENT:
            self._fields[sql] = fields
            self._fields.move_to_end(sql)
            while len(self._fields) > _MOST_STATEMENTS:
                self._fields.popitem(last=False)


class Part(NamedTuple):
    """What a reply brings: the columns of a result that begins, rows, and the outcome of one that ends."""

    fields: Fields | None
    rows: list[tuple[Any, ...]]
    outcome: Outcome | None


class ResultReader:
    """Reads the replies of one request. ``held``: the columns whose hash went along."""

    def __init__(self, cache: FieldCache, sql: str, held: Fields | None) -> None:
        self._cache = cache
        self._sql = sql
        self._held = held
        self._fields: Fields | None = None

    def reader(self, column: Column) -> Reader:
        """How to read the cells of a column."""
        return reader(column)

    def read(self, reply: Mapping[str, Any]) -> Part:
        """What a reply brings.

        Raises:
            OperationalError: the server broke the protocol.
            DataError: a cell is not of its column's type.
        """
        try:
            return self._read(reply)
        except Fault as fault:
            raise errors.local("protocol", f"the server broke the protocol: {fault}", "unknown") from None

    def _read(self, reply: Mapping[str, Any]) -> Part:
        begins = self._begin(reply)
        found: list[tuple[Any, ...]] = []
        if "rows" in reply:
            fields = self._fields
            if fields is None:
                raise Fault("bad_packing", "rows before their fields")
            described = fields.columns
            found = convert(cells(reply["rows"], reply["n"], len(described)), described, fields.readers)
        end = reply.get("end")
        if end is None:
            return Part(begins, found, None)
        self._fields = None
        return Part(begins, found, outcome(end))

    def _begin(self, reply: Mapping[str, Any]) -> Fields | None:
        if "fields" in reply:
            self._fields = Fields(reply.get("fh", 0), reply["fields"], self.reader)
            if "fh" in reply:
                self._cache.put(self._sql, self._fields)
        elif "fh" in reply:
            if self._held is None or self._held.hash != reply["fh"]:
                raise Fault("bad_packing", "fields were left out that the client does not hold")
            self._fields = self._held
        else:
            return None
        return self._fields
