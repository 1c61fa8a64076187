"""Transactions, savepoints, autocommit, lost transactions, and errors with all that they tell."""

from __future__ import annotations

import pickle
import threading

import pytest
from support.servers import Gate, MariaDB

import vitrail


def count(gate: Gate, table: str) -> int:
    with vitrail.connect(gate.url(), autocommit=True) as other:
        row = other.cursor().execute(f"SELECT COUNT(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])


def test_nothing_is_committed_by_surprise(gate: Gate, table: str) -> None:
    connection = vitrail.connect(gate.url())
    connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (1)")
    assert connection.in_transaction
    assert count(gate, table) == 0
    connection.close()
    assert count(gate, table) == 0


def test_commit_and_rollback(connection: vitrail.Connection, gate: Gate, table: str) -> None:
    cursor = connection.cursor()
    cursor.execute(f"INSERT INTO {table} (id) VALUES (1)")
    connection.commit()
    assert not connection.in_transaction
    assert count(gate, table) == 1
    cursor.execute(f"INSERT INTO {table} (id) VALUES (2)")
    connection.rollback()
    assert count(gate, table) == 1
    connection.commit()
    connection.rollback()


def test_the_block_of_a_connection(gate: Gate, table: str) -> None:
    with vitrail.connect(gate.url()) as connection:
        connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (1)")
    assert connection.closed
    assert count(gate, table) == 1
    with pytest.raises(ZeroDivisionError), vitrail.connect(gate.url()) as connection:
        connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (2)")
        raise ZeroDivisionError
    assert connection.closed
    assert count(gate, table) == 1


def test_savepoints(gate: Gate, table: str) -> None:
    with vitrail.connect(gate.url(), autocommit=True) as connection:
        cursor = connection.cursor()
        with connection.transaction(isolation="read committed"):
            cursor.execute(f"INSERT INTO {table} (id) VALUES (1)")
            with pytest.raises(ZeroDivisionError), connection.transaction():
                cursor.execute(f"INSERT INTO {table} (id) VALUES (2)")
                raise ZeroDivisionError
            with connection.transaction():
                cursor.execute(f"INSERT INTO {table} (id) VALUES (3)")
        assert cursor.execute(f"SELECT id FROM {table} ORDER BY id").fetchall() == [(1,), (3,)]
        with pytest.raises(ZeroDivisionError), connection.transaction():
            cursor.execute(f"INSERT INTO {table} (id) VALUES (4)")
            raise ZeroDivisionError
        assert not connection.in_transaction
        assert count(gate, table) == 2


def test_options_of_begin(connection: vitrail.Connection, table: str) -> None:
    connection.begin(read_only=True, snapshot=True)
    with pytest.raises(vitrail.Error) as caught:
        connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (1)")
    assert caught.value.errno == 1792
    connection.rollback()
    for wrong in ({"isolation": "none"}, {"mode": "all"}):
        with pytest.raises(vitrail.ProgrammingError, match="must be one of"):
            connection.begin(**wrong)  # type: ignore[arg-type]


def test_a_commit_over_two_shards(gate: Gate) -> None:
    with vitrail.connect(gate.url("shop")) as connection:
        cursor = connection.cursor()
        cursor.execute("DELETE FROM orders WHERE id >= 0")
        connection.commit()
        connection.begin(mode="single")
        with pytest.raises(vitrail.Error):
            for number in range(1, 40):
                cursor.execute("INSERT INTO orders VALUES (%s, 'x')", [number])
        connection.rollback()
        for number in range(1, 40):
            cursor.execute("INSERT INTO orders VALUES (%s, 'x')", [number])
        connection.commit()
        assert cursor.outcome is not None
        assert cursor.execute("SELECT COUNT(*) FROM orders").fetchone() == (39,)


def test_autocommit_is_a_property(connection: vitrail.Connection, gate: Gate, table: str) -> None:
    assert connection.autocommit is False
    connection.autocommit = True
    connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (1)")
    assert count(gate, table) == 1
    connection.autocommit = False
    connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (2)")
    with pytest.raises(vitrail.ProgrammingError, match="inside a transaction"):
        connection.autocommit = True
    connection.rollback()
    assert count(gate, table) == 1


def test_a_deadlock_is_retryable_as_a_whole(gate: Gate, table: str) -> None:
    first, second = vitrail.connect(gate.url()), vitrail.connect(gate.url())
    first.cursor().executemany(f"INSERT INTO {table} (id) VALUES (%s)", [(1,), (2,)])
    first.commit()
    first.cursor().execute(f"UPDATE {table} SET n = 1 WHERE id = 1")
    second.cursor().execute(f"UPDATE {table} SET n = 2 WHERE id = 2")
    failures: list[vitrail.Error] = []

    def update(connection: vitrail.Connection, id: int) -> None:
        try:
            connection.cursor().execute(f"UPDATE {table} SET n = 3 WHERE id = {id}")
        except vitrail.Error as error:
            failures.append(error)

    thread = threading.Thread(target=update, args=(first, 2))
    thread.start()
    update(second, 1)
    thread.join()
    [error] = failures
    assert isinstance(error, vitrail.OperationalError)
    assert (error.errno, error.sqlstate, error.code, error.retryable, error.executed) == (1213, "40001", "conflict", True, "no")
    for connection in (first, second):
        connection.rollback()
        connection.close()


def test_a_transaction_that_the_server_loses(gate: Gate, mariadb: MariaDB, table: str) -> None:
    """Its MySQL connection is killed: every statement fails until the rollback, so that nothing slips into autocommit."""
    connection = vitrail.connect(gate.url(), autocommit=True)
    connection.begin()
    cursor = connection.cursor()
    cursor.execute(f"INSERT INTO {table} (id) VALUES (1)")
    cursor.execute("SELECT SLEEP(0), 'of this transaction' FROM t")
    running = mariadb.sql("SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_rows_modified > 0")
    mariadb.sql(f"KILL {running.split()[0]}")
    with pytest.raises(vitrail.Error):
        cursor.execute(f"INSERT INTO {table} (id) VALUES (2)")
    with pytest.raises(vitrail.TransactionLost) as caught:
        cursor.execute(f"INSERT INTO {table} (id) VALUES (3)")
    assert caught.value.errno == 61004
    connection.rollback()
    cursor.execute(f"INSERT INTO {table} (id) VALUES (4)")
    assert count(gate, table) == 1
    connection.close()


ERRORS: list[tuple[str, type[vitrail.Error], int, str]] = [
    ("SELEC 1", vitrail.ProgrammingError, 1064, "42000"),
    ("SELECT * FROM nowhere", vitrail.ProgrammingError, 1146, "42S02"),
    ("SELECT nothing FROM t", vitrail.ProgrammingError, 1054, "42S22"),
    ("INSERT INTO t (id) VALUES (1), (1)", vitrail.IntegrityError, 1062, "23000"),
    ("INSERT INTO t (id, n) VALUES (1, NULL)", vitrail.IntegrityError, 1048, "23000"),
    ("INSERT INTO t (id, name) VALUES (1, REPEAT('x', 101))", vitrail.DataError, 1406, "22001"),
    ("INSERT INTO t (id, n) VALUES (1, 3000000000)", vitrail.DataError, 1264, "22003"),
    ("INSERT INTO t (id, n) VALUES (1, 'x')", vitrail.DataError, 1366, "22007"),
    ("CREATE DATABASE more", vitrail.NotSupportedError, 1235, "42000"),
    ("SELECT 1; SELECT 2", vitrail.Error, 1064, "42000"),
]


@pytest.mark.parametrize(("sql", "kind", "errno", "sqlstate"), ERRORS, ids=lambda part: part if isinstance(part, str) else "")
def test_errors_by_class(
    connection: vitrail.Connection, table: str, sql: str, kind: type[vitrail.Error], errno: int, sqlstate: str
) -> None:
    assert table == "t"
    with pytest.raises(kind) as caught:
        connection.cursor().execute(sql)
    error = caught.value
    assert (error.errno, error.sqlstate, error.executed, error.retryable) == (errno, sqlstate, "no", False)
    assert str(errno) in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), vars(again)) == (type(error), vars(error))


def test_what_a_user_may_not_do(gate: Gate) -> None:
    with vitrail.connect(gate.url(user="app", password="app"), autocommit=True) as connection:
        with pytest.raises(vitrail.OperationalError) as caught:
            connection.cursor().execute("CREATE TABLE mine (id INT)")
        assert (caught.value.code, caught.value.errno) == ("denied", 1142)


def test_deadline_errors_travel_between_processes() -> None:
    error = vitrail.DeadlineError("late", code="deadline", executed="unknown")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, vitrail.DeadlineError)
    assert issubclass(vitrail.DeadlineError, TimeoutError)
    assert (again.errno, again.code, again.executed) == (3024, "deadline", "unknown")
