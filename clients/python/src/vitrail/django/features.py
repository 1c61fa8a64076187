"""What Django may expect: all that its MySQL backend has in an unsharded keyspace, less over shards."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db.utils import InterfaceError

from . import mysql

if TYPE_CHECKING:
    from .base import DatabaseWrapper


#: The format in which EXPLAIN shows the plan of the gate.
VITRAIL_FORMAT = "VITRAIL"


class DatabaseFeatures(mysql.DatabaseFeatures):
    """Features of a keyspace. Those that several shards take away are False there."""

    connection: DatabaseWrapper
    #: What ``fetchmany`` gives after the last row.
    empty_fetchmany_value: list[Any] = []  # noqa: RUF012  # Django compares it, and changes nothing
    closed_cursor_error_class = InterfaceError
    # DDL takes no binds.
    schema_editor_uses_clientside_param_binding = True
    # Procedures and databases are made on each MySQL, and named in the gate's configuration.
    can_clone_databases = False
    create_test_procedure_without_params_sql = None
    create_test_procedure_with_int_param_sql = None

    @cached_property
    def supports_foreign_keys(self) -> bool:
        """Not over shards: MySQL looks for the row that a key refers to on the shard of the row that has it."""
        return not self.connection.is_sharded

    @cached_property
    def can_introspect_foreign_keys(self) -> bool:
        """Where there are any."""
        return bool(self.supports_foreign_keys)

    @cached_property
    def can_return_columns_from_insert(self) -> bool:
        """Whether INSERT … RETURNING is used. Not over shards, where reference tables answer nothing to it, and several rows
        are refused; numbers of rows come by ``LAST_INSERT_ID`` there."""
        return not self.connection.is_sharded and bool(self.connection.mysql_is_mariadb)

    @cached_property
    def supports_sequence_reset(self) -> bool:
        """Not over shards: numbers come from a sequence of another keyspace, which outlives the table."""
        return not self.connection.is_sharded

    @cached_property
    def supported_explain_formats(self) -> set[str]:
        """Those of MySQL, and Vitrail's own."""
        return {*super().supported_explain_formats, VITRAIL_FORMAT}
