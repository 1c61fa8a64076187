"""The dialect ``vitrail+aio://``, over the asyncio module by SQLAlchemy's adapter classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.connectors.asyncio import (
    AsyncAdapt_dbapi_connection,
    AsyncAdapt_dbapi_cursor,
    AsyncAdapt_dbapi_module,
    AsyncAdapt_dbapi_ss_cursor,
    AsyncAdapt_terminate,
)
from sqlalchemy.dialects.mysql.base import MySQLExecutionContext
from sqlalchemy.util.concurrency import await_

import vitrail
from vitrail import aio

from ..config import configure
from .base import VitrailDialect
from .cursor import AsyncCursor

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor, DBAPIModule


class AdaptedCursor(AsyncAdapt_dbapi_cursor):
    """A cursor that has all rows before ``execute`` returns."""

    __slots__ = ()

    def _make_new_cursor(self, connection: Any) -> Any:
        return AsyncCursor(connection)


class AdaptedStreamingCursor(AsyncAdapt_dbapi_ss_cursor):
    """A cursor that streams, for ``stream_results``."""

    __slots__ = ()

    def _make_new_cursor(self, connection: Any) -> Any:
        return AsyncCursor(connection)


class AdaptedConnection(AsyncAdapt_terminate, AsyncAdapt_dbapi_connection):
    """A connection of :mod:`vitrail.aio` that SQLAlchemy's blocking core may call."""

    __slots__ = ()
    _cursor_cls = AdaptedCursor
    _ss_cursor_cls = AdaptedStreamingCursor

    @property
    def autocommit(self) -> bool:
        """Whether each statement is a transaction of its own."""
        return bool(self._connection.autocommit)

    async def _terminate_graceful_close(self) -> None:
        await self._connection.close()

    def _terminate_force_close(self) -> None:
        self._connection.terminate()


class AdaptedModule(AsyncAdapt_dbapi_module):
    """The asyncio module as one of PEP 249."""

    def __init__(self) -> None:
        super().__init__(aio, dbapi_module=vitrail)

    def __getattr__(self, key: str) -> Any:
        # Exceptions, types and constants are those of the blocking module.
        return getattr(vitrail, key)

    def connect(self, url: str, **options: Any) -> AdaptedConnection:
        """Connects. ``async_creator_fn`` opens the connection in place of this client, as SQLAlchemy has it."""
        creator = options.pop("async_creator_fn", None)
        opening: Any = aio.connect_by(configure(url, **options)) if creator is None else creator(url, **options)
        return await_(AdaptedConnection.create(self, opening))


class VitrailExecutionContextAsync(MySQLExecutionContext):
    """Chooses a cursor: one that streams for ``stream_results``, else one that has all rows in memory."""

    def create_server_side_cursor(self) -> DBAPICursor:
        """A cursor that streams."""
        return self._dbapi_connection.cursor(server_side=True)


class VitrailDialectAsync(VitrailDialect):
    """``vitrail+aio://user:password@host:15300/keyspace``."""

    driver = "aio"
    supports_statement_cache = True
    execution_ctx_cls = VitrailExecutionContextAsync
    is_async = True
    has_terminate = True

    @classmethod
    def import_dbapi(cls) -> DBAPIModule:
        """The asyncio module, adapted."""
        module: Any = AdaptedModule()
        return module  # type: ignore[no-any-return]  # SQLAlchemy's protocol asks for less precise types

    def do_terminate(self, dbapi_connection: DBAPIConnection) -> None:
        """Ends a connection that may be broken, without an event loop if need be."""
        dbapi_connection.terminate()

    def get_driver_connection(self, connection: DBAPIConnection) -> Any:
        """The connection of :mod:`vitrail.aio`."""
        return connection._connection


dialect = VitrailDialectAsync
