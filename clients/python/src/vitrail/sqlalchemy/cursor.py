"""Cursors of PEP 249's shape over the asyncio module, for SQLAlchemy's adapter classes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import errors
from ..cursor import Row
from ..results import Description

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

    from ..aio import Connection
    from ..aio.stream import Stream
    from ..placeholders import Parameters


class AsyncCursor:
    """Runs statements on a connection of :mod:`vitrail.aio` and hands out their rows as tuples, while they arrive.

    Attributes:
        arraysize: how many rows :meth:`fetchmany` takes if it is not told.
        description: columns of the result as PEP 249 has them; None without a result.
        rowcount: rows affected, or rows of the result once its end has arrived; -1 before.
        lastrowid: ``LAST_INSERT_ID`` of the statement; None if it made none.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.arraysize = 1
        self._clear()

    def _clear(self) -> None:
        self._stream: Stream | None = None
        self._rows: deque[Row] = deque()
        self.description: list[Description] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def execute(self, operation: str, parameters: Parameters | None = None) -> Self:
        """Runs a statement, and reads until it is known whether it has a result.

        Raises:
            errors.Error: it has failed.
        """
        await self.close()
        self._clear()
        stream = await self._connection.open_stream(operation, _arguments(parameters), {})
        self._stream = stream
        while stream.columns is None and await self._take():
            pass
        if stream.columns is not None:
            self.description = stream.description
        return self

    async def executemany(self, operation: str, parameters: Iterable[Parameters]) -> Self:
        """Runs a statement once per set of parameters.

        Raises:
            errors.Error: one has failed; ``item`` says which.
        """
        await self.close()
        self._clear()
        outcome = await self._connection.executemany(operation, parameters)
        self.rowcount = outcome.affected
        self.lastrowid = outcome.insert_id or None
        return self

    async def fetchone(self) -> Row | None:
        """The next row; None after the last."""
        self._check_result()
        while not self._rows:
            if not await self._take():
                return None
        return self._rows.popleft()

    async def fetchmany(self, size: int | None = None) -> Sequence[Row]:
        """The next rows, ``arraysize`` or ``size`` of them unless there are fewer."""
        self._check_result()
        wanted = self.arraysize if size is None else size
        while len(self._rows) < wanted and await self._take():
            pass
        return [self._rows.popleft() for _ in range(min(wanted, len(self._rows)))]

    async def fetchall(self) -> Sequence[Row]:
        """All rows that are left."""
        self._check_result()
        while await self._take():
            pass
        found, self._rows = list(self._rows), deque()
        return found

    async def nextset(self) -> bool | None:
        """None: further results of a CALL are rows of the first, as the asyncio module has them."""
        return None

    async def setinputsizes(self, *sizes: Any) -> None:
        """Does nothing: values travel with their types."""

    async def close(self) -> None:
        """Ends the statement at the server if it still sends."""
        if self._stream is not None and not self._stream.done:
            self._stream.drop()
        self._rows.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row:
        row = await self.fetchone()
        if row is None:
            raise StopAsyncIteration
        return row

    async def _take(self) -> bool:
        """Takes the rows of one reply; False: there was none left."""
        stream = self._stream
        if stream is None:
            return False
        records = await stream.records()
        if records is not None:
            self._rows.extend(tuple(record) for record in records)
        if stream.outcome is not None:
            outcome = stream.outcome
            self.rowcount = outcome.affected if stream.columns is None else outcome.rows
            self.lastrowid = outcome.insert_id or None
        return records is not None

    def _check_result(self) -> None:
        if self.description is None:
            raise errors.ProgrammingError("there is no result to fetch from: the last statement returned no rows, or none was run")


def _arguments(parameters: Parameters | None) -> tuple[Any, ...]:
    """Parameters as the asyncio module takes them, for which no arguments mean a statement without placeholders."""
    if parameters is None:
        return ()
    return tuple(parameters) if isinstance(parameters, Sequence) and parameters else (parameters or {},)
