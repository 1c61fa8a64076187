"""What both dialects are: SQLAlchemy's MySQL dialect, but for what Vitrail does otherwise.

The dialect's name stays ``mysql``, so that ``mysql_engine=``, ``with_variant(…, "mysql")`` and migration tools mean it as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.mysql.base import MySQLCompiler, MySQLDialect

from .. import errors
from .urls import translate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import ConnectArgsType, DBAPIConnection, DBAPICursor, DBAPIModule, IsolationLevel
    from sqlalchemy.engine.url import URL
    from sqlalchemy.pool import PoolProxiedConnection

#: Codes of errors after which the session cannot go on as it was. Whatever else fails, a connection opens its session again,
#: at another gate if need be, and need not be thrown away.
_SESSION_IS_GONE = frozenset({"session_lost", "tx_lost", "protocol"})


class VitrailCompiler(MySQLCompiler):
    """Compiles statements."""

    def default_from(self) -> str:
        """Nothing: a SELECT with a condition and no table needs no DUAL, which a sharded keyspace would take for a table."""
        return ""


class VitrailDialect(MySQLDialect):
    """MySQL's dialect over Vitrail."""

    statement_compiler = VitrailCompiler
    supports_statement_cache = True
    supports_server_side_cursors = True
    supports_native_decimal = True
    # `executemany` is a batch that adds up what was affected.
    supports_sane_multi_rowcount = True

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """Arguments for ``connect``. Transactions are PEP 249's; an UPDATE counts the rows that it matches, as SQLAlchemy asks."""
        return [translate(url)], {"autocommit": False, "found_rows": True}

    def is_disconnect(
        self,
        e: DBAPIModule.Error,
        connection: PoolProxiedConnection | DBAPIConnection | None,  # noqa: ARG002
        cursor: DBAPICursor | None,  # noqa: ARG002
    ) -> bool:
        """Whether the connection is of no more use."""
        if isinstance(e, errors.InterfaceError):
            return e.message == errors.CONNECTION_IS_CLOSED
        return isinstance(e, errors.Error) and e.code in _SESSION_IS_GONE

    def get_isolation_level_values(self, dbapi_conn: DBAPIConnection) -> Sequence[IsolationLevel]:
        """MySQL's levels, and ``AUTOCOMMIT``."""
        return (*super().get_isolation_level_values(dbapi_conn), "AUTOCOMMIT")

    def set_isolation_level(self, dbapi_connection: DBAPIConnection, level: IsolationLevel) -> None:
        """Sets the level of the session's transactions."""
        automatic = level == "AUTOCOMMIT"
        cursor = dbapi_connection.cursor()
        cursor.execute(f"SET autocommit = {int(automatic)}")
        cursor.close()
        if not automatic:
            super().set_isolation_level(dbapi_connection, level)

    def detect_autocommit_setting(self, dbapi_conn: DBAPIConnection) -> bool:
        """Whether each statement is a transaction of its own."""
        return bool(dbapi_conn.autocommit)

    def _extract_error_code(self, exception: BaseException) -> int | None:
        return exception.errno if isinstance(exception, errors.Error) else None

    def _detect_charset(self, connection: Connection) -> str:  # noqa: ARG002
        # Text is UTF-8 on the wire, whatever its column has.
        return "utf8mb4"

    def _initialize_mariadb(self, connection: Connection) -> None:
        super()._initialize_mariadb(connection)
        # MariaDB's sequences are of one connection to one server.
        self.supports_sequences = False
        if self._is_sharded(connection):
            # RETURNING of several rows gives them shard by shard. `insert().returning()` with many sets of parameters, which the
            # ORM uses, so becomes a statement for each.
            self.insertmanyvalues_page_size = 1

    def _is_sharded(self, connection: Connection) -> bool:
        """Whether the keyspace has several shards, and the target names none of them."""
        driver: Any = connection.connection.driver_connection
        if ":" in driver.target:
            return False
        shards = connection.exec_driver_sql("SHOW VITRAIL SHARDS").all()
        return len([shard for shard in shards if shard[0] == self.default_schema_name]) > 1
