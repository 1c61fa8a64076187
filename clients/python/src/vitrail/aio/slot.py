"""A request under way in the asyncio module."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from .. import errors
from ..protocol.events import Failed, Reply
from ..session import Deadline, Session

if TYPE_CHECKING:
    from .link import Link

#: A connection is closed when so many seconds have passed since the deadline of a request without an answer.
GRACE = 1.0


class Slot:
    """A request under way, seen by who waits for its answer."""

    def __init__(self, link: Link, id: int, observer: Session | None) -> None:
        self.link = link
        self.id = id
        self.observer = observer
        self.ended = False
        self.abandoned = False
        self._events: deque[Reply | Failed] = deque()
        #: Whether an event has come, or the time is up.
        self._waiter: asyncio.Future[bool] | None = None

    async def next(self, deadline: Deadline) -> Reply | Failed:
        """The next event. A deadline without an answer closes the connection; whoever is cancelled here cancels the request."""
        while not self._events:
            left = deadline.remaining()
            waiter = self._waiter = self.link.loop.create_future()
            timer = None if left is None else self.link.loop.call_later(left + GRACE, _resolve, waiter, False)
            try:
                arrived = await waiter
            except BaseException:
                self.abandon()
                raise
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
            if not arrived and not self._events:
                handed = self.link.is_handed_over(self.id)
                self.abandoned = True
                self.link.abort("a deadline has passed without an answer")
                return Failed(self.id, errors.unanswered(handed))
        return self._events.popleft()

    async def wait_for_end(self, deadline: Deadline) -> None:
        """Waits until the request has ended, with all of its answer dropped."""
        self._events.clear()
        while not self.ended:
            await self.next(deadline)

    def put(self, event: Reply | Failed) -> None:
        """An event has arrived."""
        self.ended = isinstance(event, Failed) or event.last
        if self.abandoned and not self.ended and isinstance(event, Reply):
            self.link.consume(event)
        else:
            self._events.append(event)
        if self._waiter is not None:
            _resolve(self._waiter, True)

    @property
    def arrived(self) -> int:
        """Bytes of replies that nobody has taken."""
        return sum(event.size for event in self._events if isinstance(event, Reply))

    def abandon(self) -> None:
        """Cancels the request; what still comes of it is dropped."""
        if self.abandoned:
            return
        self.abandoned = True
        for event in self._events:
            if isinstance(event, Reply) and not event.last:
                self.link.consume(event)
        self._events.clear()
        if not self.ended:
            self.link.cancel(self.id)

    def detach(self) -> None:
        """Lets the request run to its end with nobody waiting."""
        self.abandoned = True


def _resolve(waiter: asyncio.Future[bool], arrived: bool) -> None:
    if not waiter.done():
        waiter.set_result(arrived)
