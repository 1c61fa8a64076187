"""How a request is sent until it is answered or fails for good. Without I/O; shared by both clients."""

from __future__ import annotations

import random
import time

from .config import Config
from .errors import Error
from .hooks import Listeners
from .session import Deadline, Message


class Attempts:
    """The attempts of one request, and what listeners are told of them.

    It is sent again only outside a transaction and a pin, before the application saw a row, and only when the server said that it
    was not executed, or never had all of it.
    """

    def __init__(self, message: Message, deadline: Deadline, config: Config, listeners: Listeners) -> None:
        self._message = message
        self._deadline = deadline
        self._listeners = listeners
        self._left = config.retries
        self._tried = 0
        self._started = time.monotonic()
        trace = None if config.traceparent is None else config.traceparent()
        if trace is not None:
            message["trace"] = trace

    def pause(self, error: Error, bound: bool, moves: bool) -> float | None:
        """Seconds to wait before the next attempt; None: no further one. ``moves``: it goes over another connection."""
        if bound or self._left <= 0 or not error.retryable or error.executed != "no":
            return None
        backoff = 0.0 if moves and self._tried == 0 else 0.02 * 2 ** min(self._tried, 6) * random.uniform(0.5, 1.0)
        wait = max(backoff, error.retry_after or 0.0)
        left = self._deadline.remaining()
        if left is not None and wait >= left:
            return None
        self._left -= 1
        self._tried += 1
        return wait

    def end(self, error: Error | None) -> None:
        """It was answered, or has failed for good."""
        if self._listeners.listen:
            sql = str(self._message.get("sql", self._message["op"]))
            self._listeners.tell(sql, time.monotonic() - self._started, self._tried + 1, error)
