"""Sessions that move: drain, crash, several hosts, gates that are learned, forks."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.servers import Gate, MariaDB, free_port

import vitrail


@pytest.fixture
def two_gates(folder: Path, mariadb: MariaDB) -> Iterator[tuple[Gate, Gate]]:
    """Two gates over the same keyspaces, each of which names the other."""
    ports = free_port(), free_port()
    first = Gate(folder / "first", mariadb, f'gates = ["127.0.0.1:{ports[1]}"]\ndrain = "3s"', port=ports[0])
    second = Gate(folder / "second", mariadb, f'gates = ["127.0.0.1:{ports[0]}"]\ndrain = "3s"', port=ports[1])
    yield first, second
    first.stop()
    second.stop()


def sessions(connection: vitrail.Connection) -> tuple[object, ...]:
    row = connection.cursor().execute("SELECT @a, @@sql_mode, @@autocommit, DATABASE()").fetchone()
    assert row is not None
    return row


def prepare(connection: vitrail.Connection) -> tuple[object, ...]:
    cursor = connection.cursor()
    cursor.execute("SET @a = 7, sql_mode = 'ANSI_QUOTES'")
    cursor.execute("USE shop")
    return sessions(connection)


LEAVES: list[Callable[[Gate], None]] = [Gate.drain, Gate.stop]


@pytest.mark.parametrize("leave", LEAVES, ids=["drain", "crash"])
def test_an_idle_session_moves_with_its_settings(two_gates: tuple[Gate, Gate], leave: Callable[[Gate], None]) -> None:
    first, second = two_gates
    with vitrail.connect(first.url(), autocommit=True) as connection:
        before = prepare(connection)
        assert before == (7, "ANSI_QUOTES", 1, "shop")
        leave(first)
        first.process.wait(20)
        assert sessions(connection) == before
        assert connection.server["gates"] == [f"127.0.0.1:{first.port}"]
        assert second.process.poll() is None


def test_a_transaction_ends_where_it_began(two_gates: tuple[Gate, Gate], table: str) -> None:
    first, _ = two_gates
    with vitrail.connect(first.url()) as connection:
        cursor = connection.cursor()
        cursor.execute(f"INSERT INTO {table} (id) VALUES (1)")
        first.drain()
        cursor.execute(f"INSERT INTO {table} (id) VALUES (2)")
        connection.commit()
        first.process.wait(20)
        assert cursor.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (2,)


def test_a_crash_takes_the_transaction_along(two_gates: tuple[Gate, Gate], table: str) -> None:
    first, _ = two_gates
    connection = vitrail.connect(first.url())
    cursor = connection.cursor()
    cursor.execute(f"INSERT INTO {table} (id) VALUES (1)")
    first.stop()
    for _ in range(2):
        with pytest.raises(vitrail.TransactionLost) as caught:
            cursor.execute(f"INSERT INTO {table} (id) VALUES (2)")
        assert caught.value.executed == "no"
    with pytest.raises(vitrail.TransactionLost):
        connection.commit()
    connection.rollback()
    cursor.execute(f"INSERT INTO {table} (id) VALUES (3)")
    connection.commit()
    assert cursor.execute(f"SELECT id FROM {table}").fetchall() == [(3,)]
    connection.close()


def test_what_pinned_a_session_is_told_to_be_lost(two_gates: tuple[Gate, Gate]) -> None:
    first, _ = two_gates
    connection = vitrail.connect(first.url(), autocommit=True)
    cursor = connection.cursor()
    cursor.execute("CREATE TEMPORARY TABLE here (id INT)")
    assert connection.pinned
    first.stop()
    with pytest.raises(vitrail.OperationalError) as caught:
        cursor.execute("SELECT * FROM here")
    assert (caught.value.code, caught.value.retryable) == ("session_lost", False)
    connection.reset()
    assert cursor.execute("SELECT 1").fetchone() == (1,)
    connection.close()


def test_the_first_host_that_answers_is_taken(gate: Gate) -> None:
    url = gate.url().replace("@127.0.0.1", f"@127.0.0.1:{free_port()},localhost:{free_port()},127.0.0.1")
    for _ in range(3):
        with vitrail.connect(url) as connection:
            assert connection.cursor().execute("SELECT 1").fetchone() == (1,)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(vitrail.OperationalError) as caught:
        vitrail.connect(f"vitrail://127.0.0.1:{free_port()}")
    assert (caught.value.code, caught.value.executed) == ("unavailable", "no")
    with pytest.raises(vitrail.OperationalError, match="cannot connect"):
        vitrail.connect(f"vitrail:///?socket={tmp_path}/none.sock")


def test_a_unix_socket(gate: Gate) -> None:
    path = str(gate.folder / "g.sock").replace("/", "%2F")
    with vitrail.connect(f"vitrail://app:app@{path}/main") as connection:
        assert connection.cursor().execute("SELECT 1").fetchone() == (1,)


def test_wrong_passwords(gate: Gate) -> None:
    for user, password in (("app", "wrong"), ("nobody", "app"), ("app", None)):
        with pytest.raises(vitrail.OperationalError) as caught:
            vitrail.connect(gate.url(user=user, password=password))
        assert (caught.value.code, caught.value.errno) in (("unauthenticated", 1045), ("denied", 1142))


def in_child(work: Callable[[], None]) -> None:
    """Runs something in a forked process; fails if that fails."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_forked_process_gets_a_session_of_its_own(gate: Gate) -> None:
    with vitrail.connect(gate.url(), autocommit=True) as connection:
        connection.cursor().execute("SET @a = 5")
        id = connection.server["connection_id"]

        def work() -> None:
            assert connection.cursor().execute("SELECT @a").fetchone() == (5,)
            assert connection.server["connection_id"] != id
            connection.close()

        for _ in range(2):
            in_child(work)
            assert connection.cursor().execute("SELECT @a").fetchone() == (5,)
            assert connection.server["connection_id"] == id


def test_a_fork_leaves_the_parents_transaction_and_stream_alone(gate: Gate, table: str) -> None:
    with vitrail.connect(gate.url()) as connection:
        connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (1)")
        stream = connection.cursor()
        stream.execute("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_5000")
        assert stream.fetchone() is not None

        def work() -> None:
            try:
                connection.cursor().execute("SELECT 1")
                raise AssertionError("the transaction is the parent's")
            except vitrail.TransactionLost:
                connection.rollback()
            assert connection.cursor().execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)
            connection.close()

        in_child(work)
        assert len(stream.fetchall()) == 4_999
        connection.commit()
        assert connection.cursor().execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (1,)


def test_a_statement_waits_for_a_gate_that_restarts(folder: Path, mariadb: MariaDB) -> None:
    """With one gate only, a session that was there before is opened again once the gate is back."""
    port = free_port()
    first = Gate(folder / "restart", mariadb, port=port)
    connection = vitrail.connect(first.url(), autocommit=True)
    connection.cursor().execute("SET @a = 9")
    first.process.send_signal(signal.SIGKILL)
    first.stop()
    again = Gate(folder / "restart", mariadb, port=port)
    assert connection.cursor().execute("SELECT @a").fetchone() == (9,)
    connection.close()
    again.stop()
