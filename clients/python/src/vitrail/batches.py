"""One statement with many sets of parameters, as requests that hold many each. Without I/O; shared by both clients.

An INSERT or REPLACE whose rows may go together (:mod:`.inserts`) becomes statements of many rows, as with other clients of MySQL.
If one of those fails because of a row, its rows are sent again one by one: so the error names the row, and inside a transaction the
rows before it remain, as if they had never gone together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import errors
from .adapt import adapt, elements
from .inserts import Insert, insert_of_rows, text_of_rows
from .placeholders import Parameters, has_lists, rewrite, values
from .protocol.bson import Encoded, document, name_of
from .protocol.limits import FREE_UPLOAD
from .session import Message, Options

_MOST_ITEMS = 1_000
_MOST_BINDS = 4_096
#: A request is sent at once up to the free part of an upload: so the next is made while it runs.
_MOST_BYTES = FREE_UPLOAD - 8_192
#: About how many characters a bind takes in the text of a statement.
_BIND_TEXT = 8

#: Names of the binds of a statement of many rows, in their order.
_NAMES = [name_of(f"v{number}") for number in range(1, _MOST_BINDS + 1)]

#: Errors that may be those of one row, and leave nothing of their statement.
_OF_A_ROW = frozenset({"constraint", "data", "denied", "invalid", "not_found", "too_large", "unsupported"})


class Batch:
    """The statements of one request.

    Attributes:
        items: the statements.
        starts: index of the first set of parameters of each statement, and of the one after the last.
        is_full: the next statement goes into another request.
    """

    def __init__(self, operation: str, start: int) -> None:
        self.items: list[dict[str, Any]] = []
        self.starts = [start]
        self.is_full = False
        self._operation = operation
        self._rows: list[Parameters] = []
        self._sql: str | None = None
        self._size = 0

    def add(self, sql: str, binds: Encoded, rows: list[Parameters]) -> None:
        """Adds a statement with the sets of parameters that are in it."""
        size = len(binds)
        item: dict[str, Any] = {"binds": binds}
        # An item without a statement repeats the one before.
        if sql != self._sql:
            item["sql"] = self._sql = sql
            size += len(sql)
        self.items.append(item)
        self.starts.append(self.starts[-1] + len(rows))
        self._rows += rows
        self._size += size
        self.is_full = len(self.items) >= _MOST_ITEMS or self._size >= _MOST_BYTES

    def message(self, atomic: bool, chosen: Options) -> Message:
        """The request. ``atomic``: it is a transaction by itself."""
        return {"op": "batch", "items": self.items, "atomic": atomic, **chosen.fields()}

    def blame(self, error: errors.Error) -> None:
        """Says in an error which sets of parameters it is about."""
        item = error.item
        if item is not None and item < len(self.items):
            error.item, end = self.starts[item : item + 2]
            error.items = range(error.item, end)

    def apart(self, error: errors.Error, atomic: bool) -> Batch | None:
        """What is to be sent after an error that :meth:`blame` has seen, so that it is told of one set of parameters: the sets of
        the failed statement and all after it, each by itself; of an ``atomic`` request, of which nothing remains, all. None: the
        error stands."""
        failed = error.items
        if failed is None or len(failed) < 2 or error.code not in _OF_A_ROW:
            return None
        # What remains of a request in a transaction are its statements before.
        first = self.starts[0]
        if error.executed != "no" and (atomic or error.executed != "partial" or failed.start == first):
            return None
        start = first if atomic else failed.start
        batch = Batch(self._operation, start)
        for row in self._rows[start - first :]:
            _add_alone(batch, self._operation, row)
        return batch


class Ahead:
    """Batches of which the next is made while the one before is under way."""

    def __init__(self, requests: Iterator[Batch]) -> None:
        self._requests = requests
        self._next: Batch | None = None
        self._failure: Exception | None = None

    def prepare(self) -> None:
        """Makes the next one. A failure is kept for who takes it."""
        if self._next is None and self._failure is None:
            try:
                self._next = next(self._requests, None)
            except Exception as error:
                self._failure = error

    @property
    def is_empty(self) -> bool:
        """Whether there is no other.

        Raises:
            errors.Error: it cannot be made.
        """
        self.prepare()
        if self._failure is not None:
            raise self._failure
        return self._next is None

    def take(self) -> Batch | None:
        """The next one; None after the last.

        Raises:
            errors.Error: it cannot be made.
        """
        taken = None if self.is_empty else self._next
        self._next = None
        return taken


class Tally:
    """What the statements of a batch did together."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """None of them counts."""
        self.affected = self.insert_id = 0

    def take(self, reply: Mapping[str, Any]) -> None:
        """Adds a reply."""
        end = reply.get("end", {})
        self.affected += end.get("affected", 0)
        self.insert_id = end.get("insert_id", 0) or self.insert_id


def batches(operation: str, parameters: Iterable[Parameters], together: bool) -> Iterator[Batch]:
    """The requests, in order. ``together``: rows of an INSERT may share a statement.

    Raises:
        ProgrammingError: placeholders and parameters do not fit each other.
        DataError: a parameter has no form in SQL.
    """
    insert = insert_of_rows(operation) if together else None
    batch = Batch(operation, 0)
    group = None if insert is None else _Group(insert)
    for index, row in enumerate(parameters):
        try:
            if group is None or not group.add(row):
                if group is not None:
                    group.move_to(batch)
                _add_alone(batch, operation, row)
        except errors.Error as error:
            error.item = index
            raise
        if group is not None and group.is_full:
            group.move_to(batch)
            batch.is_full = True
        if batch.is_full:
            yield batch
            batch = Batch(operation, batch.starts[-1])
    if group is not None:
        group.move_to(batch)
    if batch.items:
        yield batch


def _add_alone(batch: Batch, operation: str, row: Parameters) -> None:
    sql, binds = rewrite(operation, row)
    batch.add(sql, adapt(binds), [row])


class _Group:
    """Rows that share a statement."""

    def __init__(self, insert: Insert) -> None:
        self._insert = insert
        self._width = len(insert.row.names)
        self._row_text = sum(map(len, insert.row.texts)) + _BIND_TEXT * self._width
        self._clear()

    def _clear(self) -> None:
        self._elements: list[bytes] = []
        self._rows: list[Parameters] = []
        self._size = 0

    @property
    def is_full(self) -> bool:
        return len(self._elements) + self._width > _MOST_BINDS or self._size >= _MOST_BYTES

    def add(self, row: Parameters) -> bool:
        """Adds a row; False: it holds a list, which is no value of a row, or more values than a statement may have here."""
        template = self._insert.row
        found = values(template, row)
        at = len(self._elements)
        names = _NAMES[at : at + self._width]
        if len(names) < self._width or has_lists(found):
            return False
        try:
            added = elements(names, found)
        except errors.DataError:
            # By the row's own names.
            elements(map(name_of, template.names), found)
            raise
        self._elements += added
        self._size += sum(map(len, added)) + self._row_text
        # A copy: an iterator may yield one list again and again.
        self._rows.append(tuple(row) if template.keys is None else dict(row))
        return True

    def move_to(self, batch: Batch) -> None:
        """Makes a statement of the rows."""
        if self._rows:
            batch.add(text_of_rows(self._insert, len(self._rows)), Encoded(document(self._elements)), self._rows)
            self._clear()
