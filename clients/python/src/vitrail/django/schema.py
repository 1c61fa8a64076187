"""DDL, whose values are literals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from . import mysql
from .literals import literal

if TYPE_CHECKING:
    from .base import DatabaseWrapper


class DatabaseSchemaEditor(mysql.DatabaseSchemaEditor):
    """Makes and changes tables."""

    connection: DatabaseWrapper

    def execute(self, sql: Any, params: Any = ()) -> None:
        """Runs a statement, with its values in its text."""
        text = str(sql)
        super().execute(text if params is None else text % tuple(map(self.quote_value, params)), None)

    def quote_value(self, value: Any) -> str:
        """The literal of a value, as the session's ``sql_mode`` reads it."""
        return literal(value, backslashes="NO_BACKSLASH_ESCAPES" not in self.connection.sql_mode)

    def _field_should_be_indexed(self, model: Any, field: Any) -> bool:
        if self.connection.features.supports_foreign_keys:
            return bool(super()._field_should_be_indexed(model, field))
        # No constraint brings the index of a foreign key along.
        base: Any = BaseDatabaseSchemaEditor
        return base._field_should_be_indexed(self, model, field) and not self._is_limited_data_type(field)
