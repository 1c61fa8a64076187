"""Transactions of the asyncio module, and savepoints inside them."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import TYPE_CHECKING

from .. import errors

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..session import BeginOptions
    from .connection import Connection


class Transaction:
    """``async with connection.transaction():``, or :meth:`start` and then :meth:`commit` or :meth:`rollback`."""

    def __init__(self, connection: Connection, options: BeginOptions) -> None:
        self._connection = connection
        self._options = options
        self._savepoint: str | None = None
        self._started = False

    async def start(self) -> None:
        """Begins it; inside another one, sets a savepoint.

        Raises:
            errors.Error: it could not begin.
        """
        if self._started:
            raise errors.interface("the transaction has begun already")
        connection = self._connection
        if connection._depth:
            self._savepoint = f"block_{connection._depth}"
            await connection.execute(f"SAVEPOINT {self._savepoint}")
        else:
            await connection.begin(self._options)
        connection._depth += 1
        self._started = True

    async def commit(self) -> None:
        """Commits it, or releases the savepoint.

        Raises:
            TransactionLost: it was lost before; nothing of it remains.
            OutcomeUnknown: the connection broke before the answer; nobody can say.
            OperationalError: it did not succeed; ``executed`` says whether an effect remains.
        """
        self._end()
        if self._savepoint is None:
            await self._connection.commit()
        else:
            await self._connection.execute(f"RELEASE SAVEPOINT {self._savepoint}")

    async def rollback(self) -> None:
        """Rolls it back, or goes back to the savepoint.

        Raises:
            errors.Error: the server refused it.
        """
        self._end()
        if self._savepoint is None:
            await self._connection.rollback()
        else:
            await self._connection.execute(f"ROLLBACK TO SAVEPOINT {self._savepoint}")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._started:
            return
        if kind is None:
            await self.commit()
        else:
            # The exception of the block says more than one of the rollback.
            with contextlib.suppress(errors.Error):
                await self.rollback()

    def _end(self) -> None:
        if not self._started:
            raise errors.interface("the transaction has not begun, or is over")
        self._started = False
        self._connection._depth -= 1
