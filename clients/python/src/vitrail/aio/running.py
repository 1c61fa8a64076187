"""How a session of the asyncio module gets its requests answered: opening, moving, and trying again where that is safe."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Iterator

from .. import errors
from ..attempts import Attempts
from ..hooks import Listeners
from ..protocol.events import Failed
from ..protocol.urls import Host
from ..session import Deadline, Message, Session, may_commit
from .link import Link
from .links import Links
from .slot import Slot
from .stream import Stream


class Runner:
    """A session and the socket that it is at, which may change."""

    def __init__(self, links: Links, listeners: Listeners | None) -> None:
        self._links = links
        self._config = links.config
        self._session = Session(links.config.state)
        self._listeners = listeners if listeners is not None else Listeners()
        self._link: Link | None = None
        self._id = 0
        self._opened = False
        self._closed = False
        self._operates = _Operation()
        self._avoid: Host | None = None
        self._leftover: Slot | None = None
        self._stream: weakref.ref[Stream] | None = None
        self._stream_slot: Slot | None = None
        self._depth = 0
        self._undo = False
        self._current: Slot | None = None

    async def _run(
        self, message: Message, deadline: Deadline, ignore_loss: bool = False, meanwhile: Callable[[], None] | None = None
    ) -> Stream:
        """Sends a request and waits for its first reply; opens the session where needed, and tries again where that is safe.
        ``meanwhile`` is called between sending and waiting."""
        await self._settle(deadline)
        attempts = Attempts(message, deadline, self._config, self._listeners)
        while True:
            bound = False
            try:
                loss = self._check_link()
                if loss is not None and not ignore_loss:
                    raise loss
                bound = self._session.bound
                link = await self._connected()
                stream = await self._attempt(link, message, deadline, meanwhile)
            except errors.Error as error:
                failure, moves = self._after_failure(error, bound, message)
                pause = None if self._link is None and not moves else attempts.pause(failure, bound, moves)
                if pause is None:
                    attempts.end(failure)
                    if failure is error:
                        raise
                    raise failure from error
            else:
                attempts.end(None)
                return stream
            await asyncio.sleep(pause)

    async def _attempt(
        self, link: Link, message: Message, deadline: Deadline, meanwhile: Callable[[], None] | None = None
    ) -> Stream:
        milliseconds = deadline.milliseconds()
        if milliseconds is not None:
            message["deadline_ms"] = milliseconds
        message["s"] = self._id
        opening: Slot | None = None
        if self._opened:
            message.pop("chain", None)
            [slot] = await link.send([message], [self._session])
        else:
            # Where the session could not be opened, the statement must not run.
            message["chain"] = True
            opener = {"op": "open", "s": self._id, "state": self._session.state}
            opening, slot = await link.send([opener, message], [None, self._session])
            self._opened = True
        self._current = slot
        if meanwhile is not None:
            meanwhile()
        try:
            event = await slot.next(deadline)
        except BaseException:
            self._leftover = slot
            raise
        if isinstance(event, Failed):
            if opening is not None and event.error.code == "skipped":
                # Answers come in order, so that of `open` is there, with the reason.
                reason = await opening.next(deadline)
                if isinstance(reason, Failed):
                    self._opened = False
                    raise reason.error
            raise event.error
        if opening is not None:
            opening.detach()
        return Stream(slot, deadline, event)

    async def _connected(self) -> Link:
        if self._link is None:
            link = await self._links.acquire(self._avoid)
            link.sessions += 1
            self._link, self._id, self._opened, self._avoid = link, link.new_session(), False, None
        return self._link

    def _check_link(self) -> errors.Error | None:
        """Leaves a connection that is gone or drains; gives the error of what was lost with it."""
        link = self._link
        if link is not None:
            if link.closed is not None:
                self._session.lose()
                self._forget_link()
            elif link.draining and not self._session.bound:
                self._leave()
        return self._session.loss

    def _after_failure(self, error: errors.Error, bound: bool, message: Message) -> tuple[errors.Error, bool]:
        """The error to report, and whether the next attempt goes over another connection."""
        link = self._link
        if link is None:
            return error, False
        if link.closed is not None:
            self._session.lose()
            self._forget_link()
            loss = self._session.loss
            committed = error.executed != "no" and may_commit(message)
            return (loss if bound and loss is not None and not committed else error), True
        if error.code in ("draining", "session_lost") and not self._session.bound:
            self._leave()
            return error, True
        return error, False

    def _leave(self) -> None:
        """Ends the session where it lives, with nobody waiting; the next statement opens it anew."""
        link = self._link
        if link is None:
            return
        if link.draining:
            self._avoid = link.host
        if link.closed is None and self._opened:
            with contextlib.suppress(errors.Error):
                [slot] = link.send_now([{"op": "close", "s": self._id}], [None])
                slot.detach()
        self._forget_link()

    def _forget_link(self) -> None:
        if self._link is not None:
            self._link.sessions -= 1
        self._link, self._opened = None, False

    async def _settle(self, deadline: Deadline) -> None:
        """Another request comes. One that was cancelled ends first; what a cursor still reads is taken into its memory."""
        stream = self._stream() if self._stream is not None else None
        if stream is None:
            self._drop_stream()
        elif stream.done:
            self._leftover = stream.slot
        else:
            await stream.read_ahead()
            if not stream.slot.ended:
                self._leftover = stream.slot
        self._stream = self._stream_slot = None
        leftover = self._leftover
        if leftover is not None and leftover.abandoned and not leftover.ended and leftover.link.closed is None:
            await leftover.wait_for_end(deadline)
        self._leftover = None
        if self._undo:
            await self._roll_back_unfinished(deadline)

    async def _roll_back_unfinished(self, deadline: Deadline) -> None:
        """A transaction whose begin or rollback was cancelled: nobody knows of it any more."""
        self._check_link()
        self._session.forget_lost_transaction()
        if self._link is not None and self._session.in_transaction:
            stream = await self._attempt(self._link, {"op": "rollback"}, deadline)
            while await stream.reply() is not None:
                pass
        self._undo = False

    def _drop_stream(self) -> None:
        slot, self._stream, self._stream_slot = self._stream_slot, None, None
        if slot is not None and not slot.ended:
            slot.abandon()
            self._leftover = slot

    def _operation(self) -> _Operation:
        if self._closed:
            raise errors.interface(errors.CONNECTION_IS_CLOSED)
        if self._operates.busy:
            raise errors.interface("another task runs a statement on this connection; take one of the pool for each task")
        return self._operates

    @contextlib.contextmanager
    def _undone_if_cancelled(self) -> Iterator[None]:
        """Whoever is cancelled here leaves no transaction behind."""
        try:
            yield
        except errors.Error:
            raise
        except BaseException:
            self._undo = True
            raise

    def _deadline(self, timeout: float | None) -> Deadline:
        return Deadline(self._config.query_timeout if timeout is None else timeout)


class _Operation:
    """Whether a task uses the connection; a block under it does. A class, as that is quicker than a generator."""

    def __init__(self) -> None:
        self.busy = False

    def __enter__(self) -> None:
        self.busy = True

    def __exit__(self, *error: object) -> None:
        self.busy = False
