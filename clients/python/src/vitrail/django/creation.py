"""Databases for tests. They are keyspaces, which exist before: databases are made on each MySQL, and named in the gate's
configuration. To make one is to empty it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.db.backends.base.creation import BaseDatabaseCreation
from django.db.utils import DatabaseError

from . import mysql

if TYPE_CHECKING:
    from .base import DatabaseWrapper


class DatabaseCreation(mysql.DatabaseCreation):
    """Takes the keyspace ``TEST["NAME"]``, by default ``test_`` and the name, for the time of the tests."""

    connection: DatabaseWrapper

    def _create_test_db(self, verbosity: int, autoclobber: bool, keepdb: bool = False) -> str:
        """Drops what the keyspace holds, unless it is to be kept; asks before.

        Raises:
            SystemExit: there is no such keyspace, or the answer was no.
        """
        name: str = self._get_test_db_name()
        self.connection.forget_keyspace()
        try:
            found = self._tables(name)
        except DatabaseError as error:
            self.log(f"Got an error using the keyspace '{name}' for tests: {error}")
            self.log("It has to exist: create its database on each MySQL, and name it in the gate's configuration.")
            sys.exit(2)
        if keepdb or not found:
            return name
        if not autoclobber:
            question = f"The keyspace '{name}' is not empty. Type 'yes' to drop its {len(found)} tables, or 'no' to cancel: "
            if input(question) != "yes":
                self.log("Tests cancelled.")
                sys.exit(1)
        if verbosity >= 1:
            display = self._get_database_display_str(verbosity, name)
            self.log(f"Dropping old tables of the test database for alias {display}...")
        self._drop(name, found)
        return name

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:  # noqa: ARG002
        """Drops what the tests have made."""
        self._drop(test_database_name, self._tables(test_database_name))

    def _clone_test_db(self, suffix: str, verbosity: int, keepdb: bool = False) -> None:
        """Says that a keyspace is not copied; tests run in one process."""
        base: Any = BaseDatabaseCreation
        base._clone_test_db(self, suffix, verbosity, keepdb)

    def _tables(self, name: str) -> list[Any]:
        connection = self._connection(name)
        try:
            with connection.cursor() as cursor:
                return list(connection.introspection.get_table_list(cursor))
        finally:
            connection.close()

    def _drop(self, name: str, tables: list[Any]) -> None:
        connection = self._connection(name)
        try:
            with connection.constraint_checks_disabled(), connection.cursor() as cursor:
                for table in tables:
                    kind = "VIEW" if table.type == "v" else "TABLE"
                    cursor.execute(f"DROP {kind} {connection.ops.quote_name(table.name)}")
        finally:
            connection.close()

    def _connection(self, name: str) -> DatabaseWrapper:
        return type(self.connection)({**self.connection.settings_dict, "NAME": name}, self.connection.alias)
