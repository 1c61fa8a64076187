"""One statement with many sets of parameters, as requests that hold many each. Without I/O; shared by both clients.

An INSERT or REPLACE whose rows may go together (:mod:`.inserts`) becomes statements of many rows, as with other clients of MySQL.
If one of those fails because of a row, its rows are sent again one by one: so the error names the row, and inside a transaction the
rows before it remain, as if they had never gone together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import errors
from .adapt import adapt
from .groups import MOST_BYTES, Group, Statement
from .inserts import insert_of_rows
from .placeholders import Parameters, rewrite
from .session import Message, Options

_MOST_ITEMS = 1_000

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

    def add(self, statement: Statement) -> None:
        """Adds a statement."""
        sql, binds, rows, fills_request = statement
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
        self.is_full = fills_request or len(self.items) >= _MOST_ITEMS or self._size >= MOST_BYTES

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
            batch.add(_alone(self._operation, row))
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
    for statement in _statements(operation, parameters, None if insert is None else Group(insert)):
        batch.add(statement)
        if batch.is_full:
            yield batch
            batch = Batch(operation, batch.starts[-1])
    if batch.items:
        yield batch


def _statements(operation: str, parameters: Iterable[Parameters], group: Group | None) -> Iterator[Statement]:
    for index, row in enumerate(parameters):
        alone: Statement | None = None
        try:
            if group is None or not group.add(row, index):
                alone = _alone(operation, row)
        except errors.Error as error:
            if error.item is None:
                error.item = index
            raise
        if group is not None and (group.is_full or alone is not None):
            yield from group.take(all=alone is not None)
        if alone is not None:
            yield alone
    if group is not None:
        yield from group.take(all=True)


def _alone(operation: str, row: Parameters) -> Statement:
    sql, binds = rewrite(operation, row)
    return Statement(sql, adapt(binds), [row], fills_request=False)
