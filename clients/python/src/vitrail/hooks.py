"""Listeners: who wants to know of statements, and of connections that end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from .errors import Error

logger = logging.getLogger("vitrail")


@dataclass(frozen=True)
class QueryRecord:
    """A statement that was answered, or failed.

    Attributes:
        sql: the statement as it was sent: placeholders are names, values are not in it.
        elapsed: seconds until its first reply or its error, attempts included.
        attempts: how often it was sent.
        error: why it failed; None if it did not.
    """

    sql: str
    elapsed: float
    attempts: int
    error: Error | None


QueryListener = Callable[[QueryRecord], None]


class Listeners:
    """The query listeners of a connection or pool. An exception of a listener is logged, and concerns no statement."""

    def __init__(self) -> None:
        self._listeners: list[QueryListener] = []

    def add(self, listener: QueryListener) -> None:
        """Calls it for each statement from now on."""
        self._listeners.append(listener)

    def remove(self, listener: QueryListener) -> None:
        """Calls it no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    @property
    def listen(self) -> bool:
        """Whether anybody wants to be told, the log included."""
        return bool(self._listeners) or logger.isEnabledFor(logging.DEBUG)

    def tell(self, sql: str, elapsed: float, attempts: int, error: Error | None) -> None:
        """A statement was answered, or failed."""
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s in %.1f ms: %.200s", error.code if error else "answered", elapsed * 1000, sql)
        record = QueryRecord(sql, elapsed, attempts, error)
        for listener in list(self._listeners):
            try:
                listener(record)
            except Exception:
                logger.exception("a query listener failed")
