"""Views of a keyspace with several shards are made on each shard, by whoever administers it. Here that is the suite itself."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.url import URL
from sqlalchemy_suite.keyspaces import RANGES

import vitrail
from vitrail.sqlalchemy.urls import translate

_VIEW = re.compile(r"\s*(?:CREATE|DROP)\s[^(]*?\bVIEW\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:`?(?P<keyspace>\w+)`?\.)?", re.IGNORECASE)


def listen(shards: int) -> None:
    """Runs CREATE VIEW and DROP VIEW on each shard of their keyspace, through a target that names it."""
    opened: dict[tuple[URL, str], vitrail.Connection] = {}

    @event.listens_for(Engine, "do_execute")
    def on_each_shard(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
        view = _VIEW.match(statement)
        if view is None:
            return None
        # As MySQL does it before DDL; views that the transaction has read could not be dropped.
        context.root_connection.connection.commit()
        url = context.engine.url.set(drivername="vitrail")
        for name in RANGES[shards]:
            target = f"{view['keyspace'] or url.database}:{name}"
            if (url, target) not in opened:
                opened[url, target] = vitrail.connect(translate(url), target=target, autocommit=True)
            opened[url, target].cursor().execute(statement, parameters or None)
        del cursor
        return True
