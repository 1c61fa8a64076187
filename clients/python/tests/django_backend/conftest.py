"""What tests of the Django backend share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django_backend.connecting import open_connection
from support.servers import Gate, MariaDB


@pytest.fixture
def wrapper(gate: Gate, table: str) -> Iterator[Any]:  # noqa: ARG001
    """A connection to keyspace ``main``, which has the table ``t``."""
    found = open_connection(gate)
    yield found
    found.close()


@pytest.fixture
def gate_of_tests(folder: Path, mariadb: MariaDB) -> Iterator[Gate]:
    """A gate with a keyspace for tests of ``main``, too."""
    mariadb.sql("CREATE OR REPLACE DATABASE test_main")
    mysql = f'{{ host = "127.0.0.1", port = {mariadb.port}, user = "vitrail", password = "secret" }}'
    server = Gate(
        folder / "gate_of_tests",
        mariadb,
        extra=f'[[keyspaces.test_main.shards]]\nname = "0"\ndatabase = "test_main"\nmysql = {mysql}\n',
    )
    yield server
    server.stop()
