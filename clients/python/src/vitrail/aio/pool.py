"""A pool of the asyncio module: few sockets, and sessions over them for as many tasks as there are."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import errors
from ..config import Config
from ..hooks import Listeners, QueryListener
from ..placeholders import Parameters
from ..results import Outcome
from .connection import Connection
from .links import Links
from .record import Record

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ..session import StatementOptions


class Pool:
    """Hands out connections, each a fresh session that opens with its first statement.

    ``max_sessions`` bounds how many are handed out at a time; who comes then waits. Sockets are ``pool_max`` of the URL at most.
    """

    def __init__(self, config: Config, max_sessions: int) -> None:
        if max_sessions < 1:
            raise errors.interface("`max_sessions` is at least 1", errors.BAD_CONFIGURATION)
        self._links = Links(config)
        self._places = asyncio.Semaphore(max_sessions)
        self._listeners = Listeners()
        self._taken: set[Connection] = set()
        self._closed = False

    def acquire(self, *, timeout: float | None = None) -> Acquisition:
        """A connection: ``async with pool.acquire() as connection``, or ``await`` it and :meth:`release` it. ``timeout``: seconds
        to wait for a place.

        Raises:
            TimeoutError: there was no place in time.
        """
        return Acquisition(self, timeout)

    async def release(self, connection: Connection) -> None:
        """Takes a connection back: its session ends, and what is open in it is rolled back."""
        if connection in self._taken:
            self._taken.discard(connection)
            try:
                await connection.close()
            finally:
                self._places.release()

    async def execute(self, query: str, *args: Any, **options: Unpack[StatementOptions]) -> Outcome:
        """As :meth:`Connection.execute`, on a connection of the pool."""
        async with self.acquire() as connection:
            return await connection.execute(query, *args, **options)

    async def executemany(self, query: str, args: Iterable[Parameters], **options: Unpack[StatementOptions]) -> Outcome:
        """As :meth:`Connection.executemany`, on a connection of the pool."""
        async with self.acquire() as connection:
            return await connection.executemany(query, args, **options)

    async def fetch(self, query: str, *args: Any, **options: Unpack[StatementOptions]) -> list[Record]:
        """As :meth:`Connection.fetch`, on a connection of the pool."""
        async with self.acquire() as connection:
            return await connection.fetch(query, *args, **options)

    async def fetchrow(self, query: str, *args: Any, **options: Unpack[StatementOptions]) -> Record | None:
        """As :meth:`Connection.fetchrow`, on a connection of the pool."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, column: int | str = 0, **options: Unpack[StatementOptions]) -> Any:
        """As :meth:`Connection.fetchval`, on a connection of the pool."""
        async with self.acquire() as connection:
            return await connection.fetchval(query, *args, column=column, **options)

    def get_size(self) -> int:
        """How many sockets are open."""
        return self._links.size

    def add_query_logger(self, listener: QueryListener) -> None:
        """Calls ``listener`` with a :class:`vitrail.QueryRecord` after each statement of any connection."""
        self._listeners.add(listener)

    def remove_query_logger(self, listener: QueryListener) -> None:
        """Calls it no more."""
        self._listeners.remove(listener)

    async def close(self) -> None:
        """Closes the pool: ends all sessions, and the sockets. Statements that run fail."""
        if self._closed:
            return
        self._closed = True
        for connection in list(self._taken):
            await self.release(connection)
        await self._links.close()

    def terminate(self) -> None:
        """Closes all sockets at once."""
        self._closed = True
        self._links.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _fill(self) -> None:
        try:
            await self._links.fill()
        except BaseException:
            self._links.abort()
            raise

    async def _take(self, timeout: float | None) -> Connection:
        if self._closed:
            raise errors.interface("the pool is closed")
        if timeout is None:
            await self._places.acquire()
        else:
            await asyncio.wait_for(self._places.acquire(), timeout)
        connection = Connection(self._links, owns_links=False, listeners=self._listeners)
        self._taken.add(connection)
        return connection


class Acquisition:
    """What :meth:`Pool.acquire` gives: for ``async with``, or to be awaited."""

    def __init__(self, pool: Pool, timeout: float | None) -> None:
        self._pool = pool
        self._timeout = timeout
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._pool._take(self._timeout).__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool._take(self._timeout)
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._pool.release(connection)


__all__ = ["Acquisition", "Pool"]
