"""The dialect ``vitrail://``, over the blocking module."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.mysql.base import MySQLExecutionContext

from ..cursor import Cursor
from .base import VitrailDialect

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPICursor, DBAPIModule
    from typing_extensions import Self, Unpack

    from ..placeholders import Parameters
    from ..session import StatementOptions


class BufferedCursor(Cursor):
    """A cursor that has all rows before :meth:`execute` returns, as SQLAlchemy expects without ``stream_results``: whatever fails
    has failed by then, and a rollback leaves the rows."""

    def execute(self, operation: str, parameters: Parameters | None = None, **options: Unpack[StatementOptions]) -> Self:
        """Runs a statement and takes the rows of its first result into memory."""
        super().execute(operation, parameters, **options)
        if self.description is not None:
            self._rows = deque(self.fetchall())
            self.rownumber = 0
        return self


class VitrailExecutionContext(MySQLExecutionContext):
    """Chooses a cursor: one that streams for ``stream_results``, else one that has all rows in memory."""

    def create_server_side_cursor(self) -> DBAPICursor:
        """Every cursor of the client streams."""
        return self._dbapi_connection.cursor()

    def create_default_cursor(self) -> DBAPICursor:
        """A cursor with its rows in memory."""
        connection: Any = self._dbapi_connection.dbapi_connection
        cursor: Any = BufferedCursor(connection)
        return cursor  # type: ignore[no-any-return]  # SQLAlchemy's protocol asks for less precise types


class VitrailDialectBlocking(VitrailDialect):
    """``vitrail://user:password@host:15300/keyspace``."""

    driver = "vitrail"
    supports_statement_cache = True
    execution_ctx_cls = VitrailExecutionContext

    @classmethod
    def import_dbapi(cls) -> DBAPIModule:
        """The module of PEP 249."""
        import vitrail

        module: Any = vitrail
        return module  # type: ignore[no-any-return]  # as above


dialect = VitrailDialectBlocking
