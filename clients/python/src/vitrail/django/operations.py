"""SQL as Vitrail takes it, and values as Django wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..placeholders import is_list
from . import mysql
from .features import VITRAIL_FORMAT
from .literals import literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .base import DatabaseWrapper


class DatabaseOperations(mysql.DatabaseOperations):
    """Those of MySQL, with values that travel apart from the statement."""

    connection: DatabaseWrapper

    def binary_placeholder_sql(self, *arguments: Any) -> Any:
        """A plain one: bytes are sent as such, and an introducer in front of them is an error. Of Django 6 also the values."""
        found = super().binary_placeholder_sql(*arguments)
        if isinstance(found, str):
            return _without_introducer(found)
        sql, values = found
        return _without_introducer(sql), values

    def explain_query_prefix(self, format: str | None = None, **options: Any) -> str:
        """Vitrail's own plan for ``explain(format="VITRAIL")``, and over shards where no format is named: MySQL explains only what
        goes to one of them."""
        if format is None and self.connection.is_sharded:
            format = VITRAIL_FORMAT
        if format is None or format.upper() != VITRAIL_FORMAT:
            return str(super().explain_query_prefix(format, **options))
        prefix = "EXPLAIN ANALYZE" if options.pop("analyze", False) else "EXPLAIN"
        # What else is asked for is an error.
        super().explain_query_prefix(format, **options)
        return f"{prefix} FORMAT={VITRAIL_FORMAT}"

    def last_executed_query(self, cursor: Any, sql: Any, params: Any) -> str:
        """The statement with literals in place of its values, for people: it was sent with binds."""
        operation, values = getattr(cursor, "executed", (str(sql), params))
        if values is None:
            return str(operation)
        try:
            if isinstance(values, Mapping):
                return str(operation % {name: _shown(value) for name, value in values.items()})
            return str(operation % tuple(_shown(value) for value in values))
        except (KeyError, TypeError, ValueError):
            # They do not fit each other, as the client says, too.
            return f"{operation} with {values!r}"

    def execute_sql_flush(self, sql_list: Iterable[str]) -> None:
        """Empties tables by statements that a gate otherwise may take for an accident."""
        super().execute_sql_flush([f"/*vitrail allow_full_writes=1 */ {sql}" for sql in sql_list])


def _shown(value: Any) -> str:
    if is_list(value):
        return f"({', '.join(map(_shown, value))})"
    try:
        return literal(value)
    except DataError:
        return repr(value)


def _without_introducer(sql: str) -> str:
    return "%s" if sql == "_binary %s" else sql
