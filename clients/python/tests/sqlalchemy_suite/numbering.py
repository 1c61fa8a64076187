"""Tables of several shards are numbered by sequences, which outlive their tables. The suite expects a new table to begin at 1."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, event
from sqlalchemy.engine.url import URL
from sqlalchemy_suite.keyspaces import sequence, tables

import vitrail
from vitrail.sqlalchemy.urls import translate


def listen() -> None:
    """Takes the sequence of each table that is created back to 1."""
    numbered = {name for name, how in tables().items() if "numbered" in how}
    opened: dict[URL, vitrail.Connection] = {}

    @event.listens_for(Table, "after_create")
    def begin_at_one(table: Table, connection: Any, **_: Any) -> None:
        url = connection.engine.url.set(drivername="vitrail")
        if table.name not in numbered or "TEMPORARY" in table._prefixes:
            return
        if url not in opened:
            opened[url] = vitrail.connect(translate(url), target="main", autocommit=True)
        name = sequence(table.schema or url.database, table.name)
        opened[url].cursor().execute(f"UPDATE `{name}` SET next_id = 1")
