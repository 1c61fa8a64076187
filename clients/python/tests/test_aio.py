"""The asyncio module: fetching, transactions, streams, pools, multiplexing."""

from __future__ import annotations

import asyncio
import gc

import pytest
from support.servers import Gate

import vitrail
from vitrail import aio


async def test_fetching(gate: Gate) -> None:
    async with await aio.connect(gate.url()) as connection:
        rows = await connection.fetch("SELECT seq AS n, %s AS t FROM seq_1_to_3", "x")
        assert [tuple(row) for row in rows] == [(1, "x"), (2, "x"), (3, "x")]
        assert await connection.fetchrow("SELECT %(a)s + 1 AS b", {"a": 4}) == (5,)
        assert await connection.fetchrow("SELECT 1 FROM DUAL WHERE 1 = 0") is None
        assert await connection.fetchval("SELECT 1, 2", column=1) == 2
        assert await connection.fetchval("SELECT 1 AS a, 2 AS b", column="a") == 1
        assert await connection.fetchval("SELECT 1 FROM DUAL WHERE 1 = 0") is None
        assert await connection.fetchval("SELECT 5 % 3") == 2
        assert connection.get_server()["flavour"] == "MariaDB"


async def test_records(gate: Gate) -> None:
    async with await aio.connect(gate.url()) as connection:
        row = await connection.fetchrow("SELECT 1 AS id, 'Lyon' AS name")
        assert row is not None
        assert (row[0], row["name"], row[-1], row[0:1], len(row)) == (1, "Lyon", "Lyon", (1,), 2)
        assert dict(row.items()) == {"id": 1, "name": "Lyon"}
        assert list(row.keys()) == ["id", "name"]
        assert list(row.values()) == [1, "Lyon"]
        assert row.get("none", 7) == 7
        assert "id" in row
        assert repr(row) == "<Record id=1 name='Lyon'>"
        assert row == await connection.fetchrow("SELECT 1 AS x, 'Lyon' AS y")
        assert len({row, (1, "Lyon")}) == 1
        with pytest.raises(KeyError):
            row["none"]


async def test_writes(gate: Gate, table: str) -> None:
    async with await aio.connect(gate.url()) as connection:
        done = await connection.execute(f"INSERT INTO {table} (id) VALUES (1), (2)")
        assert done.affected == 2
        done = await connection.executemany(f"INSERT INTO {table} (id) VALUES (%s)", [(number,) for number in range(3, 1_500)])
        assert done.affected == 1_497
        with pytest.raises(vitrail.IntegrityError) as caught:
            await connection.executemany(f"INSERT INTO {table} (id) VALUES (%s)", [*((n,) for n in range(5_000, 6_200)), (1,)])
        assert caught.value.item == 1_200
        assert await connection.fetchval(f"SELECT COUNT(*) FROM {table}") == 1_499
        assert (await connection.executemany(f"DELETE FROM {table} WHERE id = %s", [])).affected == 0


async def test_transactions(gate: Gate, table: str) -> None:
    async with await aio.connect(gate.url()) as connection, await aio.connect(gate.url()) as other:
        async with connection.transaction(isolation="repeatable read"):
            await connection.execute(f"INSERT INTO {table} (id) VALUES (1)")
            assert await other.fetchval(f"SELECT COUNT(*) FROM {table}") == 0
            with pytest.raises(ZeroDivisionError):
                async with connection.transaction():
                    await connection.execute(f"INSERT INTO {table} (id) VALUES (2)")
                    raise ZeroDivisionError
            async with connection.transaction():
                await connection.execute(f"INSERT INTO {table} (id) VALUES (3)")
        assert [row["id"] for row in await other.fetch(f"SELECT id FROM {table} ORDER BY id")] == [1, 3]
        with pytest.raises(ZeroDivisionError):
            async with connection.transaction():
                await connection.execute(f"INSERT INTO {table} (id) VALUES (4)")
                raise ZeroDivisionError
        assert not connection.is_in_transaction()
        by_hand = connection.transaction()
        await by_hand.start()
        await connection.execute(f"INSERT INTO {table} (id) VALUES (5)")
        await by_hand.rollback()
        with pytest.raises(vitrail.InterfaceError, match="is over"):
            await by_hand.commit()
        assert await other.fetchval(f"SELECT COUNT(*) FROM {table}") == 2


async def test_streams(gate: Gate) -> None:
    async with await aio.connect(gate.url()) as connection:
        count = 0
        async for row in connection.cursor("SELECT seq, REPEAT('x', 500) AS t FROM seq_1_to_10000"):
            count += 1
            assert row["seq"] == count
        assert count == 10_000
        async with connection.cursor("SELECT seq FROM seq_1_to_10") as cursor:
            assert [row[0] for row in await cursor.fetch(3)] == [1, 2, 3]
            assert await cursor.fetchrow() == (4,)
            assert len(await cursor.fetch(100)) == 6
            assert await cursor.fetchrow() is None
            assert cursor.outcome is not None
            assert cursor.outcome.rows == 10


async def test_the_server_waits_for_the_reader(gate: Gate) -> None:
    async with await aio.connect(gate.url()) as connection:
        cursor = connection.cursor("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_20000")
        assert await cursor.fetchrow() is not None
        # A round trip of another session on the socket: what was on the way has come.
        assert connection._link is not None
        other = aio.Connection(connection._links, owns_links=False)
        assert await other.fetchval("SELECT SLEEP(0.2)") == 0
        assert cursor._stream is not None
        assert cursor._stream.slot.arrived <= 2 * 262_144
        await other.close()
        await cursor.close()
        assert await connection.fetchval("SELECT 1") == 1


async def test_early_ends_of_streams_leave_the_connection_usable(gate: Gate) -> None:
    async with await aio.connect(gate.url()) as connection:
        for number in range(20):
            async for row in connection.cursor("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000"):
                assert row[0] == 1
                break
            gc.collect()
            assert await connection.fetchval("SELECT %s", number) == number
        cursor = connection.cursor("SELECT seq, REPEAT('x', 100) FROM seq_1_to_5000")
        assert await cursor.fetchrow() is not None
        assert await connection.fetchval("SELECT 7") == 7
        assert len(await cursor.fetch(10_000)) == 4_999
        assert connection._link is not None
        assert connection._link.in_flight == 0


async def test_many_sessions_share_a_socket(gate: Gate) -> None:
    """Each has its own variables; a slow reader holds up nobody."""
    async with await aio.create_pool(gate.url(), pool_max=1, max_sessions=60) as pool:
        slow = await pool.acquire()
        cursor = slow.cursor("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_1000000")
        assert await cursor.fetchrow() is not None

        async def work(number: int) -> None:
            async with pool.acquire() as connection:
                await connection.execute(f"SET @mine = {number}")
                for _ in range(3):
                    assert await connection.fetchval("SELECT @mine") == number

        await asyncio.gather(*(work(number) for number in range(150)))
        assert pool.get_size() == 1
        await pool.release(slow)


async def test_statements_of_a_socket_run_side_by_side(gate: Gate) -> None:
    async with await aio.create_pool(gate.url(), pool_max=1) as pool:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await asyncio.gather(*(pool.fetchval("SELECT SLEEP(0.5), %s", number) for number in range(8)))
        assert loop.time() - started < 3


async def test_pools(gate: Gate, table: str) -> None:
    async with await aio.create_pool(gate.url(), pool_min=2, pool_max=3, max_sessions=2) as pool:
        assert pool.get_size() == 2
        await pool.executemany(f"INSERT INTO {table} (id, name) VALUES (%s, %s)", [(1, "a"), (2, "b")])
        assert (await pool.execute(f"UPDATE {table} SET n = 1 WHERE id > 0")).affected == 2
        assert len(await pool.fetch(f"SELECT * FROM {table}")) == 2
        assert (await pool.fetchrow(f"SELECT name FROM {table} WHERE id = %s", 2)) == ("b",)
        first, second = await pool.acquire(), await pool.acquire()
        with pytest.raises((asyncio.TimeoutError, TimeoutError)):
            await pool.acquire(timeout=0.05)
        await first.begin({})
        await first.execute(f"DELETE FROM {table} WHERE id > 0")
        await pool.release(first)
        await pool.release(first)
        assert await pool.fetchval(f"SELECT COUNT(*) FROM {table}") == 2
        with pytest.raises(vitrail.InterfaceError, match="closed"):
            await first.fetch("SELECT 1")
        await pool.release(second)
    with pytest.raises(vitrail.InterfaceError, match="pool is closed"):
        await pool.fetch("SELECT 1")


async def test_one_task_at_a_time(gate: Gate) -> None:
    async with await aio.connect(gate.url()) as connection:
        both = asyncio.gather(connection.fetchval("SELECT SLEEP(0.2)"), connection.fetchval("SELECT 1"), return_exceptions=True)
        first, second = await both
        assert first == 0
        assert isinstance(second, vitrail.InterfaceError)


def fail(_: vitrail.QueryRecord) -> None:
    raise ZeroDivisionError


async def test_listeners(gate: Gate) -> None:
    heard: list[vitrail.QueryRecord] = []
    ended: list[aio.Connection] = []
    connection = await aio.connect(gate.url(), traceparent=lambda: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    connection.add_query_logger(heard.append)
    connection.add_query_logger(fail)
    connection.add_termination_listener(ended.append)
    await connection.fetch("SELECT %s", "secret")
    with pytest.raises(vitrail.ProgrammingError):
        await connection.fetch("SELEC")
    connection.remove_query_logger(heard.append)
    await connection.close()
    await connection.close()
    assert [(record.sql, record.attempts) for record in heard] == [("SELECT :v1", 1), ("SELEC", 1)]
    assert heard[0].error is None
    assert heard[1].error is not None
    assert heard[1].error.errno == 1064
    assert ended == [connection]


async def test_a_large_upload_and_a_large_answer(gate: Gate) -> None:
    async with await aio.connect(gate.url()) as connection:
        text = "é" * 2_000_000
        assert await connection.fetchval("SELECT %s", text) == text


async def test_targets_and_reset(gate: Gate) -> None:
    async with await aio.connect(gate.url()) as connection:
        await connection.set_target("shop")
        assert await connection.fetchval("SELECT DATABASE()") == "shop"
        await connection.execute("SET @a = 1")
        await connection.reset()
        assert (await connection.fetchrow("SELECT DATABASE(), @a")) is not None
        assert await connection.fetchval("SELECT @a") is None
        await connection.fetchval("SELECT COUNT(*) FROM orders", target="shop:-80")
