"""The asyncio module under cancellation, deadlines, drains, crashes and a network that does harm."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.proxy import CutAfter, Proxy, garble, stall
from support.servers import Gate, MariaDB, free_port

import vitrail
from vitrail import aio


@pytest.fixture
def proxy(gate: Gate) -> Iterator[Proxy]:
    with Proxy(gate.port) as between:
        yield between


async def gone(mariadb: MariaDB, mark: str) -> None:
    """Waits until no statement with this mark runs in MariaDB."""
    query = f"SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{mark}%' AND info NOT LIKE '%processlist%'"
    while int(await asyncio.to_thread(mariadb.sql, query)):
        await asyncio.sleep(0.05)


async def test_a_timeout_around_a_statement_cancels_it(gate: Gate, mariadb: MariaDB) -> None:
    async with await aio.connect(gate.url()) as connection:
        with pytest.raises((asyncio.TimeoutError, TimeoutError)):
            await asyncio.wait_for(connection.fetch("SELECT SLEEP(30), 'aio_one'"), 0.3)
        await asyncio.wait_for(gone(mariadb, "aio_one"), 10)
        assert await connection.fetchval("SELECT 1") == 1
        task = asyncio.ensure_future(connection.fetch("SELECT SLEEP(30), 'aio_two'"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await connection.fetchval("SELECT 2") == 2
        await asyncio.wait_for(gone(mariadb, "aio_two"), 10)


async def test_the_timeout_of_a_statement(gate: Gate, mariadb: MariaDB) -> None:
    async with await aio.connect(gate.url()) as connection:
        for call in (connection.fetch, connection.fetchrow, connection.fetchval, connection.execute):
            with pytest.raises(vitrail.DeadlineError) as caught:
                await call("SELECT SLEEP(30), 'aio_three'", timeout=0.2)
            assert isinstance(caught.value, TimeoutError)
        with pytest.raises(TimeoutError):
            async for _ in connection.cursor("SELECT SLEEP(0.2), seq, 'aio_three' FROM seq_1_to_1000", timeout=0.5):
                pass
        await asyncio.wait_for(gone(mariadb, "aio_three"), 10)
        assert await connection.fetchval("SELECT 1") == 1


async def test_cancelling_at_any_time_leaves_the_connection_usable(gate: Gate, table: str) -> None:
    """A seeded sample of moments; nothing of a transaction that was left by a cancel remains."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    async with await aio.connect(gate.url()) as connection:

        async def work(number: int) -> None:
            async with connection.transaction():
                await connection.execute(f"INSERT INTO {table} (id) VALUES (%s)", number)
                await connection.fetch("SELECT seq, REPEAT('x', 100) FROM seq_1_to_2000")
                await connection.execute(f"UPDATE {table} SET n = 1 WHERE id = %s", number)
                await asyncio.sleep(60)

        for number in range(40):
            task = asyncio.ensure_future(work(number))
            await asyncio.sleep(chance.uniform(0, 0.03))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await connection.fetchval("SELECT %s", number) == number
            assert not connection.is_in_transaction()
        assert await connection.fetchval(f"SELECT COUNT(*) FROM {table}") == 0


async def test_a_cursor_whose_reader_was_cancelled_gives_no_more_rows(gate: Gate) -> None:
    """What the reader would have got is lost; the next row must not look as if it followed."""
    async with await aio.connect(gate.url()) as connection:
        cursor = connection.cursor("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_5000000")
        assert len(await cursor.fetch(10)) == 10
        with pytest.raises((asyncio.TimeoutError, TimeoutError)):
            await asyncio.wait_for(cursor.fetch(5_000_000), 0.3)
        for _ in range(2):
            with pytest.raises(vitrail.CancelledError):
                await cursor.fetchrow()
        assert await connection.fetchval("SELECT 1") == 1


async def test_cancelled_tasks_of_a_pool(gate: Gate) -> None:
    """Places come back, sessions end, and the socket stays."""
    async with await aio.create_pool(gate.url(), pool_max=1, max_sessions=4) as pool:
        for _ in range(5):
            tasks = [asyncio.ensure_future(pool.fetch("SELECT SLEEP(30)")) for _ in range(12)]
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert await pool.fetchval("SELECT 1") == 1
        assert pool.get_size() == 1


@pytest.mark.parametrize("place", [0, 1, 16, 40])
async def test_cut_on_the_way_down(gate: Gate, proxy: Proxy, table: str, place: int) -> None:
    """Executed once, not repeated; the pool heals."""
    async with await aio.create_pool(proxy.url(), pool_max=1) as pool, pool.acquire() as connection:
        await connection.fetchval("SELECT 1")
        proxy.down = CutAfter(place)
        with pytest.raises(vitrail.OutcomeUnknown):
            await connection.execute(f"INSERT INTO {table} (id) VALUES (1)", timeout=10)
        proxy.restore()
        assert await connection.fetchval("SELECT 2") == 2
        assert await pool.fetchval(f"SELECT COUNT(*) FROM {table}") == 1
        assert gate.process.poll() is None


async def test_a_stalled_network_ends_with_the_deadline(proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    async with await aio.create_pool(proxy.url(), pool_max=1) as pool:
        await pool.fetchval("SELECT 1")
        for harm in ("down", "up"):
            setattr(proxy, harm, stall)
            started = loop.time()
            with pytest.raises(vitrail.DeadlineError) as caught:
                await pool.fetchval("SELECT 1", timeout=0.2)
            assert loop.time() - started < 4
            assert caught.value.executed == "unknown"
            proxy.restore()
            assert await pool.fetchval("SELECT 1") == 1


async def test_all_sessions_of_a_socket_learn_of_its_end(proxy: Proxy) -> None:
    async with await aio.create_pool(proxy.url(), pool_max=1) as pool:
        tasks = [asyncio.ensure_future(pool.fetchval("SELECT SLEEP(20)")) for _ in range(20)]
        await asyncio.sleep(0.3)
        proxy.cut()
        failures = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(failure) for failure in failures} == {vitrail.OutcomeUnknown}
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_silent_server_is_pinged_and_given_up(proxy: Proxy) -> None:
    async with await aio.create_pool(proxy.url(), pool_max=1) as pool:
        pool._links.config.keepalive = 0.3
        pool._links.abort()
        pool._links._closed = False
        assert await pool.fetchval("SELECT SLEEP(1)") == 0
        proxy.down = stall
        with pytest.raises(vitrail.OutcomeUnknown, match="ping"):
            await asyncio.wait_for(pool.fetchval("SELECT 1"), 10)


async def test_handshakes_that_fail(proxy: Proxy, gate: Gate) -> None:
    for harm in (stall, garble, CutAfter(0), CutAfter(20)):
        proxy.down = harm
        with pytest.raises(vitrail.OperationalError) as caught:
            await aio.connect(proxy.url(query="?connect_timeout=300ms"))
        assert caught.value.executed in ("no", "unknown")
    with pytest.raises(vitrail.OperationalError) as caught:
        await aio.connect(gate.url(user="app", password="wrong"))
    assert caught.value.code == "unauthenticated"
    with pytest.raises(vitrail.OperationalError) as caught:
        await aio.connect(f"vitrail://127.0.0.1:{free_port()}")
    assert caught.value.code == "unavailable"


async def test_a_transaction_that_is_cut(proxy: Proxy, table: str) -> None:
    async with await aio.connect(proxy.url()) as connection:
        with pytest.raises(vitrail.TransactionLost):
            async with connection.transaction():
                await connection.execute(f"INSERT INTO {table} (id) VALUES (1)")
                proxy.cut()
                await connection.execute(f"INSERT INTO {table} (id) VALUES (2)")
        await connection.execute(f"INSERT INTO {table} (id) VALUES (3)")
        assert [row["id"] for row in await connection.fetch(f"SELECT id FROM {table}")] == [3]


@pytest.mark.parametrize("way", ["drain", "stop"])
async def test_sessions_move_to_another_gate(folder: Path, mariadb: MariaDB, way: str) -> None:
    """Idle sessions and those between statements go on with what they had; none is told."""
    ports = free_port(), free_port()
    first = Gate(folder / "one", mariadb, f'gates = ["127.0.0.1:{ports[1]}"]\ndrain = "5s"', port=ports[0])
    second = Gate(folder / "two", mariadb, port=ports[1])
    pool = await aio.create_pool(first.url(), pool_max=2)
    connections = [await pool.acquire() for _ in range(10)]
    for number, connection in enumerate(connections):
        await connection.execute(f"SET @mine = {number}")
    transaction = connections[0].transaction()
    if way == "drain":
        await transaction.start()
        await connections[0].execute("SET @mine = 100")
    getattr(first, way)()
    await asyncio.sleep(0.2)
    for number, connection in enumerate(connections[1:], 1):
        assert await connection.fetchval("SELECT @mine") == number
        assert connection.get_server()["incarnation"] != connections[0].get_server().get("incarnation")
    if way == "drain":
        assert await connections[0].fetchval("SELECT @mine") == 100
        await transaction.commit()
        await asyncio.to_thread(first.process.wait, 20)
        assert await connections[0].fetchval("SELECT @mine") == 100
    else:
        assert await connections[0].fetchval("SELECT @mine") == 0
    await pool.close()
    first.stop()
    second.stop()
