"""Cursors: streams, back-pressure, early close, batches, and what is known of a statement."""

from __future__ import annotations

import gc
import time

import pytest
from support.servers import Gate

import vitrail
from vitrail.protocol.events import Reply


@pytest.fixture(scope="module")
def many(gate: Gate) -> str:
    """A table of 4,000 rows, 4 MB."""
    with vitrail.connect(gate.url(), autocommit=True) as opened:
        cursor = opened.cursor()
        cursor.execute("DROP TABLE IF EXISTS many")
        cursor.execute("CREATE TABLE many (id INT PRIMARY KEY, filler TEXT)")
        cursor.executemany("INSERT INTO many VALUES (%s, %s)", [(number, "x" * 1000) for number in range(4_000)])
        assert cursor.rowcount == 4_000
    return "many"


def test_rows_stream_in_order(connection: vitrail.Connection, many: str) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SELECT id FROM {many} ORDER BY id")
    assert [id for (id,) in cursor] == list(range(4_000))
    assert (cursor.rowcount, cursor.rownumber) == (4_000, 4_000)
    assert cursor.fetchone() is None


def test_the_server_waits_for_the_reader(connection: vitrail.Connection, many: str) -> None:
    """No further ahead than the window: most of the result has not been sent when the first rows are read."""
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM {many} ORDER BY id")
    assert cursor.fetchone() is not None
    assert cursor.rowcount == -1
    link = connection._link
    assert link is not None
    time.sleep(0.2)
    link.look()
    assert cursor._pending is not None
    arrived = sum(event.size for event in link._events[cursor._pending.id] if isinstance(event, Reply))
    assert arrived <= 2 * 262_144
    assert len(cursor.fetchall()) == 3_999


def test_early_close_is_cheap_and_leaves_the_connection_usable(connection: vitrail.Connection, many: str) -> None:
    for _ in range(20):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {many}")
            assert cursor.fetchone() is not None
    assert connection.cursor().execute("SELECT 5").fetchone() == (5,)


def test_a_cursor_that_is_forgotten_ends_its_statement(connection: vitrail.Connection, many: str) -> None:
    connection.cursor().execute(f"SELECT * FROM {many}")
    gc.collect()
    assert connection.cursor().execute("SELECT 5").fetchone() == (5,)
    assert connection._link is not None
    assert connection._link.in_flight == 0


def test_another_statement_takes_the_rest_into_memory(connection: vitrail.Connection, many: str) -> None:
    first, second = connection.cursor(), connection.cursor()
    first.execute(f"SELECT id FROM {many} ORDER BY id")
    assert first.fetchone() == (0,)
    assert second.execute("SELECT 7").fetchone() == (7,)
    assert len(first.fetchall()) == 3_999
    assert first.rowcount == 4_000


def test_executing_again_drops_the_rest(connection: vitrail.Connection, many: str) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM {many}")
    cursor.fetchmany(3)
    assert cursor.execute("SELECT 8").fetchall() == [(8,)]


def test_a_row_above_a_frame_and_a_window(connection: vitrail.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT REPEAT('a', 2000000), 1 UNION ALL SELECT REPEAT('b', 3000000), 2")
    assert [(len(text), number) for text, number in cursor] == [(2_000_000, 1), (3_000_000, 2)]


def test_columns_are_left_out_the_second_time(connection: vitrail.Connection) -> None:
    cursor = connection.cursor()
    for number in range(3):
        cursor.execute("SELECT %s AS a, 'x' AS b", [number])
        assert cursor.fetchall() == [(number, "x")]
        assert cursor.description is not None
        assert [column[0] for column in cursor.description] == ["a", "b"]


def test_batches_of_many_requests_are_all_or_nothing(gate: Gate, table: str) -> None:
    rows = [(number, "a") for number in range(2_500)]
    with vitrail.connect(gate.url(), autocommit=True) as opened:
        cursor = opened.cursor()
        with pytest.raises(vitrail.IntegrityError) as caught:
            cursor.executemany(f"INSERT INTO {table} (id, name) VALUES (%s, %s)", [*rows, (3, "again")])
        assert caught.value.item == 2_500
        assert not opened.in_transaction
        assert cursor.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)
        cursor.executemany(f"INSERT INTO {table} (id, name) VALUES (%s, %s)", iter(rows))
        assert cursor.rowcount == 2_500
        assert cursor.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (2_500,)


def test_a_batch_of_one_request_is_all_or_nothing(gate: Gate, table: str) -> None:
    with vitrail.connect(gate.url(), autocommit=True) as opened:
        cursor = opened.cursor()
        with pytest.raises(vitrail.IntegrityError) as caught:
            cursor.executemany(f"INSERT INTO {table} (id) VALUES (%(id)s)", [{"id": 1}, {"id": 2}, {"id": 1}])
        assert caught.value.item == 2
        assert cursor.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)


def test_batches_with_lists_and_large_values(connection: vitrail.Connection, table: str) -> None:
    cursor = connection.cursor()
    cursor.executemany(f"INSERT INTO {table} (id, name) VALUES (%s, LEFT(%s, 5))", [(n, "y" * 300_000) for n in range(10)])
    cursor.executemany(f"UPDATE {table} SET n = %s WHERE id IN %s", [(1, [1, 2]), (2, [3, 4, 5])])
    assert cursor.rowcount == 5
    cursor.executemany(f"DELETE FROM {table} WHERE id = %s", [])
    assert cursor.rowcount == 0


def test_a_large_upload(connection: vitrail.Connection) -> None:
    cursor = connection.cursor()
    text = "é" * 3_000_000
    assert cursor.execute("SELECT CHAR_LENGTH(%s)", [text]).fetchone() == (3_000_000,)


def test_what_a_write_tells(gate: Gate) -> None:
    with vitrail.connect(gate.url(), autocommit=True) as opened:
        cursor = opened.cursor()
        cursor.execute("DROP TABLE IF EXISTS counted")
        cursor.execute("CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, n TINYINT)")
        cursor.execute("INSERT INTO counted (n) VALUES (1), (2)")
        assert (cursor.rowcount, cursor.lastrowid, cursor.description) == (2, 1, None)
        cursor.execute("UPDATE counted SET n = 1 WHERE id > 0")
        assert cursor.rowcount == 1
        assert cursor.outcome is not None
        assert cursor.outcome.matched == 2
        with pytest.raises(vitrail.ProgrammingError, match="no result"):
            cursor.fetchone()
    with vitrail.connect(gate.url(), autocommit=True, found_rows=True) as opened:
        cursor = opened.cursor()
        assert cursor.execute("UPDATE counted SET n = 1 WHERE id > 0").rowcount == 2


def test_warnings_and_caps(connection: vitrail.Connection, many: str) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT 1/0", warnings=5)
    assert cursor.fetchone() == (None,)
    assert cursor.outcome is not None
    assert cursor.outcome.warning_count == 1
    assert cursor.warnings[0].errno == 1365
    cursor.execute(f"SELECT id FROM {many} ORDER BY id", max_rows=2)
    assert cursor.fetchall() == [(0,), (1,)]
    assert cursor.outcome.capped is None or cursor.outcome.capped == 2


def test_targets(gate: Gate) -> None:
    with vitrail.connect(gate.url("shop"), autocommit=True) as opened:
        cursor = opened.cursor()
        cursor.execute("DELETE FROM orders WHERE id >= 0")
        cursor.executemany("INSERT INTO orders VALUES (%s, %s)", [(number, f"o{number}") for number in range(40)])
        counts = [cursor.execute("SELECT COUNT(*) FROM orders", target=target).fetchone() for target in ("shop:-80", "shop:80-")]
        assert all(count is not None and 0 < count[0] < 40 for count in counts)
        assert sum(count[0] for count in counts if count is not None) == 40
        opened.target = "shop:-80"
        assert cursor.execute("SELECT COUNT(*) FROM orders").fetchone() == counts[0]
        opened.target = "main"
        assert cursor.execute("SELECT DATABASE()").fetchone() == ("main",)
        with pytest.raises(vitrail.ProgrammingError, match="tablet type"):
            cursor.execute("SELECT 1", target="shop@master")


def test_closed_things_say_so(connection: vitrail.Connection) -> None:
    cursor = connection.cursor()
    cursor.close()
    cursor.close()
    with pytest.raises(vitrail.InterfaceError, match="cursor is closed"):
        cursor.execute("SELECT 1")
    other = connection.cursor()
    connection.rollback()
    connection.close()
    with pytest.raises(vitrail.InterfaceError, match="connection is closed"):
        other.execute("SELECT 1")
    connection._closed = False  # for the fixture, which closes it again
