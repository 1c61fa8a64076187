"""How a session of the blocking client gets its requests answered: opening, moving, and trying again where that is safe."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from . import errors
from .attempts import Attempts
from .config import Config, Hosts
from .hooks import Listeners
from .link import Link
from .protocol.events import Failed, Reply
from .protocol.urls import Host
from .reaching import connect
from .results import FieldCache
from .session import Deadline, Message, Session, may_commit

if TYPE_CHECKING:
    from .cursor import Cursor

#: There is one session for each socket.
SESSION_ID = 1


class Pending:
    """A request under way, from its first reply on."""

    def __init__(self, link: Link, id: int, deadline: Deadline, first: Reply) -> None:
        self.link = link
        self.id = id
        self._deadline = deadline
        self._first: Reply | None = first
        self._last: Reply | None = None
        self.done = False

    def next(self) -> Mapping[str, Any] | None:
        """The next reply; None after the last. Taking it says that the one before was consumed.

        Raises:
            errors.Error: the request has failed; what it has answered before is void.
        """
        if self.link.process != os.getpid():
            raise errors.interface("the result belongs to the process that this one was forked from")
        if self._last is not None:
            if self._last.last:
                self.done = True
                self._last = None
            else:
                self.link.consume(self._last)
        if self.done:
            return None
        reply, self._first = self._first, None
        if reply is None:
            try:
                event = self.link.next(self.id, self._deadline)
            except BaseException:
                # The application was interrupted in its wait: the statement must not go on.
                self.drop()
                raise
            if isinstance(event, Failed):
                self.done = True
                raise event.error
            reply = event
        self._last = reply
        return reply.message

    @property
    def last_size(self) -> int:
        """Bytes of the reply that was taken last."""
        return 0 if self._last is None else self._last.size

    def drop(self) -> None:
        """Nobody wants the rest."""
        if not self.done and not (self._last is not None and self._last.last):
            self.link.abandon(self.id)
        self.done = True


class Runner:
    """A session and the socket that it is at, which may change."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._hosts = Hosts(config.hosts)
        self._session = Session(config.state)
        self._fields = FieldCache()
        self._listeners = Listeners()
        self._closed = False
        self._opened = False
        self._avoid: Host | None = None
        self._current: tuple[Link, int] | None = None
        self._streaming: weakref.ref[Cursor] | None = None
        self._stream: Pending | None = None
        self._depth = 0
        self._link: Link | None = connect(config, self._hosts)
        self._link.observer = self._session

    # === for cursors ===

    @property
    def fields(self) -> FieldCache:
        """Columns by statement."""
        return self._fields

    @property
    def is_strict(self) -> bool:
        """Whether rows of an INSERT may share a statement: see :attr:`Session.is_strict`."""
        return self._session.is_strict

    def deadline(self, timeout: float | None) -> Deadline:
        """When a statement must have ended that begins now."""
        return self._deadline(timeout)

    def run_to_end(self, message: Message, deadline: Deadline, ignore_loss: bool = False) -> None:
        """Runs a request whose answer says nothing."""
        pending = self.run(message, deadline, ignore_loss=ignore_loss)
        while pending.next() is not None:
            pass
        self._current = None

    def run(
        self,
        message: Message,
        deadline: Deadline,
        cursor: Cursor | None = None,
        ignore_loss: bool = False,
        meanwhile: Callable[[], None] | None = None,
    ) -> Pending:
        """Sends a request and waits for its first reply; opens the session where it is needed, and tries again where that is safe.
        ``meanwhile`` is called between sending and waiting.

        Raises:
            errors.Error: it has failed.
        """
        self._check_open()
        self._settle()
        attempts = Attempts(message, deadline, self._config, self._listeners)
        while True:
            bound = False
            try:
                loss = self._check_link()
                if loss is not None and not ignore_loss:
                    raise loss
                bound = self._session.bound
                link = self._connected()
                pending = self._attempt(link, message, deadline, cursor, meanwhile)
            except errors.Error as error:
                failure, moves = self._after_failure(error, bound, message)
                pause = None if self._link is None and not moves else attempts.pause(failure, bound, moves)
                if pause is None:
                    self._current = None
                    attempts.end(failure)
                    if failure is error:
                        raise
                    raise failure from error
                time.sleep(pause)
            else:
                attempts.end(None)
                return pending

    def finished(self, pending: Pending) -> None:
        """A cursor has taken all of it, or does not want the rest."""
        if self._stream is pending:
            self._streaming = self._stream = None
            self._current = None

    # === how a request is run ===

    def _attempt(
        self,
        link: Link,
        message: Message,
        deadline: Deadline,
        cursor: Cursor | None,
        meanwhile: Callable[[], None] | None,
    ) -> Pending:
        message["s"] = SESSION_ID
        milliseconds = deadline.milliseconds()
        if milliseconds is not None:
            message["deadline_ms"] = milliseconds
        opening: int | None = None
        id: int | None = None
        under_way = link.in_flight
        try:
            if self._opened:
                message.pop("chain", None)
                [id] = link.send([message], deadline)
            else:
                # Where the session could not be opened, the statement must not run.
                message["chain"] = True
                opening, id = link.send([{"op": "open", "s": SESSION_ID, "state": self._session.state}, message], deadline)
                self._opened = True
            self._current = (link, id)
            if meanwhile is not None:
                meanwhile()
            event = link.next(id, deadline)
            if isinstance(event, Failed):
                if opening is not None and event.error.code == "skipped":
                    # Answers come in order, so that of `open` is there, with the reason.
                    reason = link.next(opening, deadline)
                    if isinstance(reason, Failed):
                        self._opened = False
                        raise reason.error
                raise event.error
            if opening is not None:
                link.detach(opening)
            self._stream = pending = Pending(link, id, deadline, event)
            self._streaming = None if cursor is None else weakref.ref(cursor)
            return pending
        except BaseException:
            # Whoever interrupts here leaves requests of which nobody wants the answers, or not even the numbers are known.
            if id is not None and self._opened:
                link.abandon(id)
            elif link.in_flight > under_way:
                link.close("interrupted while it was sent to")
            raise

    def _connected(self) -> Link:
        if self._link is None:
            self._link = connect(self._config, self._hosts, self._avoid, persistent=True)
            self._link.observer = self._session
            self._opened = False
            self._avoid = None
        return self._link

    def _check_link(self) -> errors.Error | None:
        """Leaves a connection that is gone or drains; gives the error of what was lost with it."""
        link = self._link
        if link is not None:
            if link.process != os.getpid():
                # The parent's: this process may close its copy, and say nothing over it.
                self._drop_link()
            else:
                link.look()
                if link.closed is not None:
                    self._drop_link()
                elif link.draining and not self._session.bound and not link.in_flight:
                    self._leave()
        return self._session.loss

    def _after_failure(self, error: errors.Error, bound: bool, message: Message) -> tuple[errors.Error, bool]:
        """The error to report, and whether the next attempt goes over another connection."""
        link = self._link
        if link is None:
            return error, False
        if link.closed is not None:
            self._drop_link()
            loss = self._session.loss
            committed = error.executed != "no" and may_commit(message)
            return (loss if bound and loss is not None and not committed else error), True
        if error.code in ("draining", "session_lost") and not self._session.bound:
            self._avoid = link.host if error.code == "draining" else None
            self._leave()
            return error, True
        return error, False

    def _leave(self) -> None:
        """Ends the session where it lives; the next statement opens it anew."""
        link = self._link
        if link is not None:
            if link.draining:
                self._avoid = link.host
            link.close("the session moves")
            self._link = None
            self._opened = False

    def _drop_link(self) -> None:
        """The connection is gone, and what the session had there."""
        if self._link is not None:
            self._link.close("dropped")
            self._link = None
            self._opened = False
            self._session.lose()

    def _settle(self) -> None:
        """Another request comes: a result that a cursor still reads is taken into its memory."""
        cursor = self._streaming() if self._streaming is not None else None
        stream = self._stream
        if stream is None:
            return
        if stream.link.process != os.getpid() or cursor is None or not cursor.reads(stream):
            self._drop_stream()
        else:
            cursor.read_ahead()
        self._streaming = self._stream = None

    def _drop_stream(self) -> None:
        stream, self._stream, self._streaming = self._stream, None, None
        if stream is not None:
            if stream.link.process == os.getpid():
                stream.drop()
            stream.done = True

    def _is_busy(self) -> bool:
        """Requests are under way that may change what is known."""
        return self._link is not None and self._link.in_flight > 0

    def _execute(self, sql: str) -> None:
        self.run_to_end({"op": "execute", "sql": sql}, self._deadline(None))

    def _deadline(self, timeout: float | None) -> Deadline:
        return Deadline(self._config.query_timeout if timeout is None else timeout)

    def _check_open(self) -> None:
        if self._closed:
            raise errors.interface(errors.CONNECTION_IS_CLOSED)
