"""The backend: Django's for MySQL, but for what Vitrail does otherwise."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DatabaseErrorWrapper, IntegrityError
from django.utils.asyncio import async_unsafe

import vitrail

from . import mysql
from .client import DatabaseClient
from .creation import DatabaseCreation
from .cursors import MemoryCursor, StreamingCursor
from .features import DatabaseFeatures
from .operations import DatabaseOperations
from .parameters import parameters
from .schema import DatabaseSchemaEditor

if TYPE_CHECKING:
    from types import TracebackType


#: What :meth:`DatabaseWrapper.create_cursor` calls a cursor that streams.
STREAMING = "streaming"


class ErrorWrapper(DatabaseErrorWrapper):
    """Raises Django's errors for the client's. Their arguments are MySQL's number and the text, as with MySQL's own drivers; the
    client's error, with all that it knows, is their ``__cause__``."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, vitrail.Error):
            error.args = (error.errno, error.message)
            if error.errno in mysql.CursorWrapper.codes_for_integrityerror:
                raise IntegrityError(*error.args).with_traceback(trace) from error
        super().__exit__(kind, error, trace)


class DatabaseWrapper(mysql.DatabaseWrapper):
    """A connection of Django's to a keyspace.

    ``iterator()`` streams rows, unless ``DISABLE_SERVER_SIDE_CURSORS`` is set; all else has its rows in memory.
    """

    Database = vitrail
    SchemaEditorClass = DatabaseSchemaEditor
    client_class = DatabaseClient
    creation_class = DatabaseCreation
    features_class = DatabaseFeatures
    introspection_class = mysql.DatabaseIntrospection
    ops_class = DatabaseOperations

    @cached_property
    def wrap_database_errors(self) -> ErrorWrapper:
        """Context manager and decorator that raises Django's errors for the client's."""
        return ErrorWrapper(self)

    @cached_property
    def is_sharded(self) -> bool:
        """Whether the keyspace has several shards, and the target names none of them."""
        if ":" in (self.settings_dict["NAME"] or ""):
            return False
        with self.temporary_connection() as cursor:
            cursor.execute("SELECT DATABASE()")
            [keyspace] = cursor.fetchone()
            cursor.execute("SHOW VITRAIL SHARDS")
            return len([row for row in cursor.fetchall() if row[0] == keyspace]) > 1

    def forget_keyspace(self) -> None:
        """Forgets what is known of the keyspace: another is used from now on."""
        self.__dict__.pop("is_sharded", None)
        self.features = self.features_class(self)

    # === connections ===

    def get_connection_params(self) -> dict[str, Any]:
        """Arguments for :func:`vitrail.connect`. An UPDATE counts the rows that it matches, as Django asks."""
        read = parameters(self.settings_dict)
        self.isolation_level = read.isolation_level
        return {"url": read.url, "autocommit": True, "found_rows": True, **read.options}

    @async_unsafe
    def get_new_connection(self, conn_params: dict[str, Any]) -> vitrail.Connection:
        """Connects."""
        return vitrail.connect(**conn_params)

    def init_connection_state(self) -> None:
        """Checks the server's version. Settings are a part of what the session was opened with."""
        BaseDatabaseWrapper.init_connection_state(self)
        if self.features.is_sql_auto_is_null_enabled:
            with self.cursor() as cursor:
                cursor.execute("SET SQL_AUTO_IS_NULL = 0")

    def is_usable(self) -> bool:
        """Whether the session answers, at whatever gate."""
        try:
            self.connection.cursor().execute("SELECT 1").fetchall()
        except vitrail.Error:
            return False
        return True

    def _set_autocommit(self, autocommit: bool) -> None:
        with self.wrap_database_errors:
            self.connection.autocommit = autocommit

    # === cursors ===

    @async_unsafe
    def create_cursor(self, name: str | None = None) -> StreamingCursor:
        """A cursor that has all rows before ``execute`` returns; one that streams for the name :data:`STREAMING`."""
        return StreamingCursor(self.connection) if name == STREAMING else MemoryCursor(self.connection)

    @async_unsafe
    def chunked_cursor(self) -> Any:
        """A cursor for ``iterator()``."""
        return self._cursor(None if self.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS") else STREAMING)
