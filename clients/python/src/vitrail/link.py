"""A blocking connection to a gate: the conversation over a socket."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from . import errors
from .config import Config
from .protocol import conversation as talk
from .protocol.events import Challenged, Closed, Draining, Event, Failed, ProtocolFailure, Reply
from .protocol.urls import Host
from .session import Deadline, Session
from .wire import Lost, TimedOut, dial, late

logger = logging.getLogger("vitrail")

#: A connection is closed when so many seconds have passed since the deadline of a request without an answer.
GRACE = 1.0


class Link:
    """One connection, used by one session. Only :meth:`interrupt` may be called by other threads."""

    def __init__(self, config: Config, host: Host, until: float) -> None:
        self.host = host
        self.process = os.getpid()
        self.closed: str | None = None
        self.observer: Session | None = None
        self.hello: dict[str, Any] = {}
        self._config = config
        self._events: dict[int, deque[Reply | Failed]] = {}
        self._abandoned: set[int] = set()
        self._refusal: errors.Error | None = None
        self._lock = threading.RLock()
        self._interrupted: set[int] = set()
        self._wire = dial(config, host, until)
        self._talk = talk.Conversation(config.identity(self._wire.binding), config.keys)
        try:
            self._greet(until)
        except BaseException:
            self.close("the connection could not be made")
            raise

    def _greet(self, until: float) -> None:
        try:
            self._flush(until)
            while not self._talk.ready:
                self._pump(until)
                self._flush(until)
        except Lost as lost:
            raise self._refusal or errors.local(
                "unavailable",
                f"the connection to `{self.host}` ended during the handshake: {lost}; is this a Vitrail port, and does it "
                "speak TLS? See `tls` in the URL",
            ) from None
        except TimedOut:
            raise late(self.host) from None
        self.hello = self._talk.hello or {}

    # === requests ===

    @property
    def draining(self) -> bool:
        """The server will go: new sessions go elsewhere."""
        return self._talk.draining

    @property
    def in_flight(self) -> int:
        """Requests that have not ended, those that nobody waits for included."""
        return self._talk.in_flight

    def send(self, requests: list[Mapping[str, Any]], deadline: Deadline) -> list[int]:
        """Sends requests in one write; gives their ids.

        Raises:
            errors.Error: they were not sent, or not wholly: nothing was executed.
        """
        with self._lock:
            if self.closed is not None:
                raise errors.lost(str(self.closed), handed_over=False)
            ids = self._talk.request(*requests)
            for id in ids:
                self._events[id] = deque()
            try:
                self._flush(self._limit(deadline))
            except Lost as lost:
                # A server runs what it has whole, and this was not handed over whole.
                raise errors.lost(str(lost), handed_over=False) from None
            except TimedOut:
                self.close("the server took no more bytes")
                raise errors.local("deadline", "the request could not be sent before its deadline") from None
            return ids

    def next(self, id: int, deadline: Deadline) -> Reply | Failed:
        """The next event of a request, waiting for it. A deadline without an answer closes the connection. Whoever is interrupted
        here has to abandon the request."""
        events = self._events[id]
        while not events:
            if self.closed is not None:
                return Failed(id, self._lost_error(id, self.closed))
            try:
                self._await(deadline)
            except Lost:
                continue
            except TimedOut:
                handed = self._talk.is_handed_over(id)
                self.close("the deadline has passed without an answer")
                return Failed(id, errors.unanswered(handed))
        event = events.popleft()
        if isinstance(event, Failed) or event.last:
            self._events.pop(id, None)
        return event

    def consume(self, reply: Reply) -> None:
        """The application has taken a reply: the server may send more."""
        with self._lock:
            self._talk.consume(reply.id, reply.size)
            with contextlib.suppress(Lost, TimedOut):
                self._flush(time.monotonic() + self._config.keepalive)

    def abandon(self, id: int) -> None:
        """Cancels a request whose answer nobody wants; what still comes of it is dropped."""
        with self._lock:
            for event in self._events.pop(id, ()):
                if isinstance(event, Reply):
                    self._talk.consume(id, event.size)
            if self.closed is None and self._talk.is_active(id):
                self._abandoned.add(id)
                self._talk.cancel(id)
                with contextlib.suppress(Lost, TimedOut):
                    self._flush(time.monotonic() + self._config.keepalive)

    def detach(self, id: int) -> None:
        """Lets a request run to its end with nobody waiting."""
        if self._events.pop(id, None) is not None and self._talk.is_active(id):
            self._abandoned.add(id)

    def interrupt(self, id: int) -> None:
        """Cancels a request from any thread. Its answer still comes."""
        self._interrupted.add(id)
        if self._lock.acquire(blocking=False):
            try:
                if self.closed is None:
                    self._cancel_interrupted()
                    with contextlib.suppress(Lost, TimedOut):
                        self._flush(time.monotonic() + self._config.keepalive)
            finally:
                self._lock.release()
        else:
            self._wire.wake()

    def look(self) -> None:
        """Takes what has come meanwhile, without waiting: a drain, or the end of the connection."""
        with self._lock, contextlib.suppress(Lost, TimedOut):
            while self.closed is None and self._wire.has_news() and self._read():
                pass

    def close(self, reason: str) -> None:
        """Closes the socket at once; requests under way fail."""
        if self.closed is None:
            self.closed = reason
        self._wire.close()

    # === the socket ===

    def _limit(self, deadline: Deadline) -> float | None:
        return None if deadline.until is None else deadline.until + GRACE

    def _await(self, deadline: Deadline) -> None:
        """Waits for something to arrive; pings a server that is silent for long."""
        with self._lock:
            limit = self._limit(deadline)
            silent_until = time.monotonic() + self._config.keepalive
            try:
                self._pump(silent_until if limit is None else min(limit, silent_until))
                return
            except TimedOut:
                if limit is not None and time.monotonic() >= limit:
                    raise
            self._talk.ping()
            silent_until = time.monotonic() + self._config.keepalive
            try:
                self._flush(silent_until if limit is None else min(limit, silent_until))
                self._pump(silent_until if limit is None else min(limit, silent_until))
            except TimedOut:
                if limit is not None and time.monotonic() >= limit:
                    raise
                self.close("the server did not answer a ping")
                raise Lost(self.closed) from None

    def _pump(self, until: float) -> None:
        """Takes what arrives next, waiting for it."""
        while True:
            self._cancel_interrupted()
            self._flush(until)
            if not self._wire.may_hold_bytes:
                self._wire.wait(until)
            if self._read():
                return

    def _read(self) -> bool:
        """Takes what is there; False: nothing is."""
        if self.closed is not None:
            raise Lost(self.closed)
        try:
            data = self._wire.receive()
            if data is None:
                return False
            self._take(data)
        except Lost as lost:
            self.close(str(lost))
            raise
        except BaseException:
            # Whoever interrupts here leaves a part of the bytes unread, or all that were just taken from the socket.
            self.close("interrupted while it was read")
            raise
        return True

    def _take(self, data: memoryview) -> None:
        try:
            for event in self._talk.receive(data):
                self._dispatch(event)
        except ProtocolFailure as failure:
            self._refusal = failure.error
            self.close(failure.error.message)
            raise Lost(failure.error.message) from None

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, (Reply, Failed)):
            self._observe(event)
            if event.id in self._abandoned:
                if isinstance(event, Reply) and not event.last:
                    self._talk.consume(event.id, event.size)
                else:
                    self._abandoned.discard(event.id)
            elif event.id in self._events:
                self._events[event.id].append(event)
        elif isinstance(event, Challenged):
            self._talk.prove(event.challenge)
        elif isinstance(event, Draining):
            logger.info("%s drains: %s", self.host, event.reason)
        elif isinstance(event, Closed):
            self._refusal = event.error
            self.close(event.error.message)

    def _observe(self, event: Reply | Failed) -> None:
        if self.observer is None:
            return
        if isinstance(event, Failed):
            self.observer.failed(event.error)
        elif "end" in event.message:
            self.observer.ended(event.message["end"])

    def _cancel_interrupted(self) -> None:
        while self._interrupted:
            self._talk.cancel(self._interrupted.pop())

    def _flush(self, until: float | None) -> None:
        """Sends all that is queued."""
        if self.closed is not None:
            raise Lost(self.closed)
        try:
            output = self._talk.take_output()
            if output:
                self._wire.send(output, until)
        except BaseException as error:
            # A frame that is cut in the middle, or not sent at all, leaves nothing to go on with.
            self.close(str(error) if isinstance(error, Lost) else "a write was cut off")
            raise

    def _lost_error(self, id: int, reason: str) -> errors.Error:
        """What became of a request whose connection is gone."""
        if self._refusal is not None and self._refusal.code == "too_large":
            return self._refusal
        return errors.lost(reason, self._talk.is_handed_over(id))
