"""A network that cuts, stalls and tears: no wait beyond the deadline, the right error, and nothing done twice."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from support.proxy import CutAfter, Proxy, garble, stall
from support.servers import Gate

import vitrail

#: Bytes of an INSERT that goes through: the cut is tried at each of many places of it.
PLACES = [0, 1, 4, 8, 15, 16, 17, 40, 80, 100]


@pytest.fixture
def proxy(gate: Gate) -> Iterator[Proxy]:
    with Proxy(gate.port) as between:
        yield between


def there(gate: Gate, id: int) -> int:
    with vitrail.connect(gate.url(), autocommit=True) as connection:
        row = connection.cursor().execute("SELECT COUNT(*) FROM t WHERE id = %s", [id]).fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.parametrize("place", PLACES)
def test_cut_on_the_way_up(gate: Gate, proxy: Proxy, table: str, place: int) -> None:
    """The statement is there once or not at all, and the error says what is known."""
    connection = vitrail.connect(proxy.url(), autocommit=True)
    connection.cursor().execute("SELECT 1")
    proxy.up = CutAfter(place)
    with pytest.raises(vitrail.OperationalError) as caught:
        connection.cursor().execute(f"INSERT INTO {table} (id, n) VALUES (1, 1)", timeout=10)
    assert caught.value.code == "outcome_unknown"
    assert isinstance(caught.value, vitrail.OutcomeUnknown)
    proxy.restore()
    assert there(gate, 1) == 0
    connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (2)")
    assert there(gate, 2) == 1
    connection.close()


@pytest.mark.parametrize("place", [0, 1, 10, 16, 17, 30])
def test_cut_on_the_way_down(gate: Gate, proxy: Proxy, table: str, place: int) -> None:
    """The statement was executed, once; the client cannot know, and does not repeat it."""
    connection = vitrail.connect(proxy.url(), autocommit=True)
    connection.cursor().execute("SELECT 1")
    proxy.down = CutAfter(place)
    with pytest.raises(vitrail.OutcomeUnknown) as caught:
        connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (1)", timeout=10)
    assert (caught.value.executed, caught.value.retryable) == ("unknown", False)
    proxy.restore()
    assert there(gate, 1) == 1
    assert connection.cursor().execute("SELECT 1").fetchone() == (1,)
    connection.close()


def test_a_commit_whose_answer_is_lost(gate: Gate, proxy: Proxy, table: str) -> None:
    connection = vitrail.connect(proxy.url())
    connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (1)")
    proxy.down = CutAfter(0)
    with pytest.raises(vitrail.OutcomeUnknown):
        connection.commit()
    proxy.restore()
    assert there(gate, 1) == 1
    connection.rollback()
    assert connection.cursor().execute("SELECT 1").fetchone() == (1,)
    connection.close()


def test_a_connection_that_is_cut_in_a_transaction(gate: Gate, proxy: Proxy, table: str) -> None:
    connection = vitrail.connect(proxy.url())
    connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (1)")
    proxy.cut()
    with pytest.raises(vitrail.TransactionLost):
        connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (2)")
    connection.rollback()
    assert there(gate, 1) == 0
    connection.close()


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_stalled_network_ends_with_the_deadline(proxy: Proxy, table: str, way: str) -> None:
    connection = vitrail.connect(proxy.url(), autocommit=True)
    connection.cursor().execute("SELECT 1")
    setattr(proxy, way, stall)
    started = time.monotonic()
    with pytest.raises(vitrail.DeadlineError) as caught:
        connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (1)", timeout=0.2)
    assert time.monotonic() - started < 3
    assert (caught.value.code, caught.value.executed) == ("outcome_unknown", "unknown")
    assert isinstance(caught.value, vitrail.OutcomeUnknown)
    proxy.restore()
    assert connection.cursor().execute("SELECT 1").fetchone() == (1,)
    connection.close()


def test_a_silent_server_is_pinged_and_given_up(proxy: Proxy) -> None:
    """Without a deadline, a connection on which nothing comes any more is noticed by a ping."""
    connection = vitrail.connect(proxy.url(), autocommit=True)
    connection._config.keepalive = 0.3
    assert connection.cursor().execute("SELECT SLEEP(1)").fetchone() == (0,)
    proxy.down = stall
    started = time.monotonic()
    with pytest.raises(vitrail.OutcomeUnknown, match="ping"):
        connection.cursor().execute("SELECT 1")
    assert time.monotonic() - started < 5
    connection.close()


def test_a_handshake_that_stalls_ends_with_the_connect_timeout(proxy: Proxy) -> None:
    proxy.down = stall
    started = time.monotonic()
    with pytest.raises(vitrail.OperationalError, match="connect timeout"):
        vitrail.connect(proxy.url(query="?connect_timeout=300ms"))
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("place", [0, 1, 15, 16, 100, 300])
def test_a_handshake_that_is_cut(proxy: Proxy, place: int) -> None:
    proxy.down = CutAfter(place)
    with pytest.raises(vitrail.OperationalError) as caught:
        vitrail.connect(proxy.url())
    assert (caught.value.code, caught.value.executed) == ("unavailable", "no")


def test_bytes_that_are_no_frames(proxy: Proxy) -> None:
    connection = vitrail.connect(proxy.url(), autocommit=True)
    connection.cursor().execute("SELECT 1")
    proxy.down = garble
    with pytest.raises(vitrail.OperationalError) as caught:
        connection.cursor().execute("SELECT 1")
    assert (caught.value.code, caught.value.executed) == ("outcome_unknown", "unknown")
    assert "broke the protocol" in caught.value.message
    proxy.restore()
    assert connection.cursor().execute("SELECT 1").fetchone() == (1,)
    connection.close()


def test_a_stream_that_is_cut_is_void(proxy: Proxy) -> None:
    connection = vitrail.connect(proxy.url(), autocommit=True)
    cursor = connection.cursor()
    cursor.execute("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_20000")
    assert cursor.fetchone() is not None
    proxy.cut()
    with pytest.raises(vitrail.OperationalError):
        cursor.fetchall()
    assert cursor.execute("SELECT 1").fetchone() == (1,)
    connection.close()
