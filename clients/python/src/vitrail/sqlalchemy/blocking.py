"""The dialect ``vitrail://``, over the blocking module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.mysql.base import MySQLExecutionContext

from ..buffered import BufferedCursor
from .base import VitrailDialect

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPICursor, DBAPIModule


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
