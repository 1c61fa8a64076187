"""Cursors of the asyncio module."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..results import Outcome
from .record import Record
from .stream import Stream

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..session import StatementOptions
    from .connection import Connection


class Cursor:
    """Reads the rows of a statement while they arrive. The statement is run when the first row is asked for.

    When another statement is run on the same connection meanwhile, what is left of the result is taken into memory first, up to
    64 MiB. Closing the cursor ends the statement at the server; the connection stays usable.
    """

    def __init__(self, connection: Connection, query: str, args: tuple[Any, ...], options: StatementOptions) -> None:
        self._connection = connection
        self._statement = (query, args, options)
        self._stream: Stream | None = None
        self._rows: deque[Record] = deque()
        self._closed = False

    @property
    def outcome(self) -> Outcome | None:
        """What the statement did, once its end has arrived."""
        return None if self._stream is None else self._stream.outcome

    async def fetch(self, count: int) -> list[Record]:
        """The next rows, ``count`` of them unless there are fewer.

        Raises:
            errors.Error: the statement has failed, which voids the rows before.
        """
        found: list[Record] = []
        while len(found) < count and (self._rows or await self._fill()):
            found.append(self._rows.popleft())
        return found

    async def fetchrow(self) -> Record | None:
        """The next row; None after the last.

        Raises:
            errors.Error: the statement has failed, which voids the rows before.
        """
        if not self._rows and not await self._fill():
            return None
        return self._rows.popleft()

    async def close(self) -> None:
        """Ends the statement at the server if it still sends."""
        self._closed = True
        self._rows.clear()
        if self._stream is not None:
            self._stream.drop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record:
        row = await self.fetchrow()
        if row is None:
            raise StopAsyncIteration
        return row

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _fill(self) -> bool:
        if self._closed:
            return False
        if self._stream is None:
            self._stream = await self._connection.open_stream(*self._statement)
        while not self._rows:
            records = await self._stream.records()
            if records is None:
                return False
            self._rows.extend(records)
        return True
