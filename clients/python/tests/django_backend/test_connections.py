"""Connections, transactions and errors of the Django backend, where Django's own tests do not look."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, DataError, IntegrityError, NotSupportedError, OperationalError, ProgrammingError, transaction
from django_backend.connecting import open_connection, rows
from support.servers import Gate

import vitrail

# === connections ===


def test_the_server_is_recognised(wrapper: Any) -> None:
    assert wrapper.mysql_is_mariadb and wrapper.display_name == "MariaDB"
    assert wrapper.mysql_version >= (10, 11)
    assert rows(wrapper, "SELECT @@tx_isolation, @@autocommit") == [("READ-COMMITTED", 1)]


def test_settings_of_the_session(gate: Gate) -> None:
    options = {"isolation_level": "serializable", "variables": {"lock_wait_timeout": "7"}}
    wrapper = open_connection(gate, OPTIONS=options)
    assert rows(wrapper, "SELECT @@tx_isolation, @@lock_wait_timeout") == [("SERIALIZABLE", 7)]
    wrapper.close()
    assert wrapper.connection is None
    assert rows(wrapper, "SELECT 1") == [(1,)]
    wrapper.close()


def test_a_lost_transaction_ends_the_block_and_not_the_connection(gate: Gate, wrapper: Any) -> None:
    with pytest.raises(OperationalError) as caught, transaction.atomic():
        [[id]] = rows(wrapper, "SELECT CONNECTION_ID()")
        rows(wrapper, "INSERT INTO t (id) VALUES (1)")
        with vitrail.connect(gate.url(), autocommit=True) as other:
            other.cursor().execute(f"KILL {id}")
        rows(wrapper, "SELECT 1")
    assert caught.value.args[0] == 1927
    wrapper.close_if_unusable_or_obsolete()
    assert rows(wrapper, "SELECT COUNT(*) FROM t") == [(0,)]


def test_a_connection_is_usable_while_a_gate_is_there(gate_of_tests: Gate) -> None:
    wrapper = open_connection(gate_of_tests, OPTIONS={"connect_timeout": 0.2})
    wrapper.ensure_connection()
    assert wrapper.is_usable()
    gate_of_tests.stop()
    assert not wrapper.is_usable()
    wrapper.close()


# === transactions ===


def test_transactions_and_savepoints(wrapper: Any) -> None:
    with transaction.atomic():
        rows(wrapper, "INSERT INTO t (id) VALUES (1)")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            rows(wrapper, "INSERT INTO t (id) VALUES (2)")
            raise ZeroDivisionError
        with transaction.atomic():
            rows(wrapper, "INSERT INTO t (id) VALUES (3)")
    assert rows(wrapper, "SELECT id FROM t ORDER BY id") == [(1,), (3,)]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        rows(wrapper, "DELETE FROM t WHERE id = 1")
        raise ZeroDivisionError
    assert rows(wrapper, "SELECT COUNT(*) FROM t") == [(2,)]


def test_without_autocommit(wrapper: Any) -> None:
    wrapper.set_autocommit(False)
    rows(wrapper, "INSERT INTO t (id) VALUES (1)")
    wrapper.rollback()
    rows(wrapper, "INSERT INTO t (id) VALUES (2)")
    wrapper.commit()
    wrapper.set_autocommit(True)
    assert rows(wrapper, "SELECT id FROM t") == [(2,)]


def test_an_error_breaks_the_block_and_not_the_connection(wrapper: Any) -> None:
    with transaction.atomic():
        rows(wrapper, "INSERT INTO t (id) VALUES (1)")
        with pytest.raises(IntegrityError), transaction.atomic():
            rows(wrapper, "INSERT INTO t (id) VALUES (1)")
        with pytest.raises(IntegrityError), transaction.atomic():
            rows(wrapper, "INSERT INTO t (id, name) VALUES (2, 'two'), (1, 'one')")
    assert rows(wrapper, "SELECT id FROM t") == [(1,)]


# === errors ===


@pytest.mark.parametrize(
    ("sql", "kind", "errno"),
    [
        ("INSERT INTO t (id) VALUES (1), (1)", IntegrityError, 1062),
        ("INSERT INTO t (id) VALUES (NULL)", IntegrityError, 1048),
        ("SELECT CAST(1 AS UNSIGNED) - 2", IntegrityError, 1690),
        ("INSERT INTO t (id, name) VALUES (1, REPEAT('x', 200))", DataError, 1406),
        ("SELECT * FROM missing", ProgrammingError, 1146),
        ("SELECT 1 FROM FROM", ProgrammingError, 1064),
    ],
)
def test_errors_are_those_of_django(wrapper: Any, sql: str, kind: type[DatabaseError], errno: int) -> None:
    with pytest.raises(kind) as caught:
        rows(wrapper, sql)
    assert type(caught.value) is kind
    assert caught.value.args[0] == errno and isinstance(caught.value.args[1], str)
    cause = caught.value.__cause__
    assert isinstance(cause, vitrail.Error) and cause.errno == errno and cause.sqlstate in str(cause)


def test_a_refusal_is_told(gate: Gate) -> None:
    wrapper = open_connection(gate, "shop")
    with pytest.raises(NotSupportedError, match="vschema") as caught:
        rows(wrapper, "CREATE TABLE unheard_of (id INT)")
    assert caught.value.args[0] == 1235
    wrapper.close()


def test_a_login_that_is_refused(gate: Gate) -> None:
    with pytest.raises(OperationalError) as caught:
        open_connection(gate, PASSWORD="wrong").ensure_connection()
    assert caught.value.args[0] == 1045
