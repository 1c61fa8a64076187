"""The SQLAlchemy dialects where the compliance suite does not look: URLs, lost connections, streams, several shards."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from support.servers import Gate

import vitrail
from vitrail import errors
from vitrail.sqlalchemy.blocking import VitrailDialectBlocking
from vitrail.sqlalchemy.urls import translate


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("vitrail://host/flights", "vitrail://host/flights"),
        ("vitrail://me:a%40b@host:15300/flights:-80@replica", "vitrail://me:a%40b@host:15300/flights%3A-80%40replica"),
        ("vitrail+aio:///flights?host=a:15300&host=b&tls=require", "vitrail://a:15300,b/flights?tls=require"),
        ("vitrail://[::1]:15301/", "vitrail://[::1]:15301/"),
        ("vitrail://me@/flights?socket=/run/vitrail.sock", "vitrail://me@/flights?socket=%2Frun%2Fvitrail.sock"),
    ],
)
def test_urls(written: str, read: str) -> None:
    assert translate(make_url(written)) == read
    vitrail.config.configure(read)


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(sqlalchemy.exc.InterfaceError, match="did you mean `tls`"):
        sqlalchemy.create_engine("vitrail://host/flights?tsl=require").connect()


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (errors.local("tx_lost", ""), True),
        (errors.local("session_lost", ""), True),
        (errors.interface(errors.CONNECTION_IS_CLOSED), True),
        (errors.interface("the cursor is closed"), False),
        (errors.local("unavailable", ""), False),
        (errors.local("conflict", ""), False),
    ],
)
def test_what_ends_a_connection(error: Any, gone: bool) -> None:
    assert VitrailDialectBlocking().is_disconnect(error, None, None) is gone


def test_nothing_imports_sqlalchemy_unasked() -> None:
    program = "import sys, vitrail, vitrail.aio; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_rows_outlive_a_rollback_unless_they_stream(gate: Gate, table: str) -> None:
    engine = sqlalchemy.create_engine(gate.url())
    with engine.connect() as connection:
        connection.exec_driver_sql(f"INSERT INTO {table} (id) VALUES (1), (2), (3)")
        connection.commit()
        query = sqlalchemy.text(f"SELECT id FROM {table} ORDER BY id")
        rows = connection.execute(query)
        connection.rollback()
        assert [row.id for row in rows] == [1, 2, 3]
        streamed = connection.execution_options(stream_results=True).execute(query)
        assert [row.id for row in streamed.yield_per(1)] == [1, 2, 3]
    engine.dispose()


async def test_the_asyncio_dialect_keeps_its_transaction(gate: Gate, table: str) -> None:
    """A batch in a transaction that has not begun at the server is no transaction of its own."""
    engine = create_async_engine(gate.url().replace("vitrail:", "vitrail+aio:", 1))
    insert = sqlalchemy.text(f"INSERT INTO {table} (id) VALUES (:id)")
    async with engine.connect() as connection:
        await connection.execute(insert, [{"id": 1}, {"id": 2}])
        await connection.rollback()
        found = await connection.execute(sqlalchemy.text(f"SELECT COUNT(*) FROM {table}"))
        assert found.scalar() == 0
        streamed = await connection.stream(sqlalchemy.text("SELECT 1 UNION ALL SELECT 2"))
        assert [row[0] async for row in streamed] == [1, 2]
    await engine.dispose()


def test_a_sharded_keyspace_is_recognised(gate: Gate) -> None:
    for target, size in (("shop", 1), ("shop:-80", 1000), ("main", 1000)):
        engine = sqlalchemy.create_engine(gate.url(target))
        engine.connect().close()
        assert engine.dialect.insertmanyvalues_page_size == size
        engine.dispose()
