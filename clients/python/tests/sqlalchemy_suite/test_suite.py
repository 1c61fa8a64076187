"""SQLAlchemy's compliance suite for dialects, all of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.testing import suite
from sqlalchemy.testing.suite import *  # noqa: F403

from vitrail.buffered import BufferedCursor


class ServerSideCursorsTest(suite.ServerSideCursorsTest):  # type: ignore[misc]  # the suite has no types
    """The suite knows the cursors of SQLAlchemy's own drivers only; of others it takes each for one that does not stream."""

    def _is_server_side(self, cursor: Any) -> bool:
        driver = self.engine.dialect.driver
        if driver == "vitrail":
            return not isinstance(cursor, BufferedCursor)
        if driver == "aio":
            return bool(cursor.server_side)
        return bool(super()._is_server_side(cursor))
