"""Servers that tests share: one MariaDB and one gate for the whole run."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers import Gate, MariaDB, temporary

import vitrail

#: SQLAlchemy 2.1 needs Python 3.11.
collect_ignore = ["test_sqlalchemy.py"] if sys.version_info < (3, 11) else []

#: No test may take longer; a hang is a failure.
_MOST_SECONDS = 60


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs tests that are coroutines, each in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), _MOST_SECONDS))
    return True


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder for all servers of the run."""
    with temporary() as path:
        yield path


@pytest.fixture(scope="session")
def mariadb(folder: Path) -> Iterator[MariaDB]:
    """The MariaDB of the run."""
    server = MariaDB(folder)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def gate(folder: Path, mariadb: MariaDB) -> Iterator[Gate]:
    """The gate of the run."""
    server = Gate(folder / "gate", mariadb)
    yield server
    server.stop()


@pytest.fixture
def connection(gate: Gate) -> Iterator[vitrail.Connection]:
    """A connection to keyspace ``main``, not in autocommit."""
    opened = vitrail.connect(gate.url())
    yield opened
    opened.close()


@pytest.fixture
def table(gate: Gate) -> Iterator[str]:
    """An empty table in keyspace ``main``: ``id`` and ``name``."""
    with vitrail.connect(gate.url(), autocommit=True) as opened:
        opened.cursor().execute("DROP TABLE IF EXISTS t")
        opened.cursor().execute("CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR(100), n INT NOT NULL DEFAULT 0)")
        yield "t"
