"""Deadlines and cancel reach the server; the connection stays usable."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest
from support.servers import Gate, MariaDB, wait_until

import vitrail


def running(mariadb: MariaDB, mark: str) -> int:
    """How many statements with this mark run in MariaDB."""
    query = f"SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{mark}%' AND info NOT LIKE '%processlist%'"
    return int(mariadb.sql(query))


def test_a_deadline_ends_the_statement_in_mysql(connection: vitrail.Connection, mariadb: MariaDB) -> None:
    cursor = connection.cursor()
    started = time.monotonic()
    with pytest.raises(vitrail.DeadlineError) as caught:
        cursor.execute("SELECT SLEEP(30), 'deadline_one'", timeout=0.3)
    assert time.monotonic() - started < 5
    assert isinstance(caught.value, TimeoutError)
    assert (caught.value.code, caught.value.errno) == ("deadline", 3024)
    wait_until("the kill", lambda: running(mariadb, "deadline_one") == 0)
    assert cursor.execute("SELECT 1").fetchone() == (1,)


def test_a_connection_may_have_a_deadline_for_all(gate: Gate) -> None:
    with vitrail.connect(gate.url(query="?query_timeout=300ms")) as connection:
        with pytest.raises(vitrail.DeadlineError):
            connection.cursor().execute("SELECT SLEEP(30)")
        assert connection.cursor().execute("SELECT SLEEP(0.4)", timeout=20).fetchone() == (0,)


def test_cancel_from_another_thread(connection: vitrail.Connection, mariadb: MariaDB) -> None:
    cursor = connection.cursor()

    def cancel() -> None:
        wait_until("the statement", lambda: running(mariadb, "cancel_one") == 1)
        connection.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    started = time.monotonic()
    with pytest.raises(vitrail.CancelledError) as caught:
        cursor.execute("SELECT SLEEP(30), 'cancel_one'")
    thread.join()
    assert time.monotonic() - started < 10
    assert (caught.value.code, caught.value.errno, caught.value.sqlstate) == ("cancelled", 1317, "70100")
    assert cursor.execute("SELECT 2").fetchone() == (2,)
    connection.cancel()
    assert cursor.execute("SELECT 3").fetchone() == (3,)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, as from a terminal; a shell in the background ignores it, and so would Python."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_cancels_the_statement(connection: vitrail.Connection, mariadb: MariaDB) -> None:
    """Ctrl-C in the middle of a wait: the statement ends at the server, and the connection goes on."""
    cursor = connection.cursor()

    def interrupt() -> None:
        wait_until("the statement", lambda: running(mariadb, "interrupt_one") == 1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        cursor.execute("SELECT SLEEP(30), 'interrupt_one'")
    thread.join()
    wait_until("the kill", lambda: running(mariadb, "interrupt_one") == 0)
    assert cursor.execute("SELECT 4").fetchone() == (4,)


def test_a_stream_can_be_cancelled(connection: vitrail.Connection, mariadb: MariaDB) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT seq, REPEAT('x', 1000), 'stream_one' FROM seq_1_to_1000000")
    assert cursor.fetchone() is not None
    connection.cancel()
    with pytest.raises(vitrail.CancelledError):
        cursor.fetchall()
    wait_until("the kill", lambda: running(mariadb, "stream_one") == 0)
    assert cursor.execute("SELECT 5").fetchone() == (5,)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_rows_are_read(connection: vitrail.Connection, mariadb: MariaDB) -> None:
    """The rows that were on the way are lost, so the cursor gives no more; the connection goes on."""
    cursor = connection.cursor()
    cursor.execute("SELECT seq, REPEAT('x', 1000), 'interrupt_two' FROM seq_1_to_5000000")
    assert cursor.fetchone() is not None

    def interrupt() -> None:
        time.sleep(0.3)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        cursor.fetchall()
    thread.join()
    with pytest.raises(vitrail.ProgrammingError, match="no result"):
        cursor.fetchone()
    wait_until("the kill", lambda: running(mariadb, "interrupt_two") == 0)
    assert cursor.execute("SELECT 4").fetchone() == (4,)
