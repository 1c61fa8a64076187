"""The compliance suite of PEP 249 (``dbapi-compliance``), all of its tests."""

from __future__ import annotations

from typing import Any, ClassVar

import dbapi20
import pytest
from support.servers import Gate, MariaDB

import vitrail


class TestCompliance(dbapi20.DatabaseAPI20Test):  # type: ignore[misc]  # the suite has no types
    """Each test of the suite against a real gate."""

    driver = vitrail
    connect_args: ClassVar[tuple[str, ...]] = ()
    connect_kw_args: ClassVar[dict[str, Any]] = {}
    lower_func = "lower_of"

    @pytest.fixture(autouse=True)
    def _gate(self, gate: Gate, mariadb: MariaDB) -> None:
        type(self).connect_args = (gate.url(),)
        with vitrail.connect(gate.url(), autocommit=True) as connection:
            cursor = connection.cursor()
            for table in ("booze", "barflys"):
                cursor.execute(f"DROP TABLE IF EXISTS {self.table_prefix}{table}")
        # Vitrail makes no procedures, but calls them.
        mariadb.sql(f"""USE main; DROP PROCEDURE IF EXISTS lower_of; DROP PROCEDURE IF EXISTS two_results;
            CREATE PROCEDURE lower_of(IN t VARCHAR(100)) SELECT LOWER(t);
            DELIMITER //
            CREATE PROCEDURE two_results() BEGIN SELECT COUNT(*) FROM {self.table_prefix}booze;
            SELECT name FROM {self.table_prefix}booze ORDER BY name; END//""")

    def test_nextset(self) -> None:
        """The suite leaves this one to the driver: several results of a procedure."""
        connection = self._connect()
        try:
            cursor = connection.cursor()
            self.executeDDL1(cursor)
            for statement in self._populate():
                cursor.execute(statement)
            cursor.callproc("two_results")
            assert cursor.fetchone() == (len(self.samples),)
            assert cursor.nextset()
            assert [name for (name,) in cursor.fetchall()] == sorted(self.samples)
            assert cursor.nextset() is None
        finally:
            connection.close()

    def test_setoutputsize(self) -> None:
        """The suite leaves this one to the driver: it may do nothing, but must be there."""
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.setoutputsize(1000)
            cursor.setoutputsize(2000, 0)
            self._paraminsert(cursor)
        finally:
            connection.close()


def test_the_suite_is_whole() -> None:
    """No test of it is lost by an override."""
    names = [name for name in dir(dbapi20.DatabaseAPI20Test) if name.startswith("test_")]
    assert len(names) == 36
    assert all(callable(getattr(TestCompliance, name)) for name in names)
