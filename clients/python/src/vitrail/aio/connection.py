"""Connections of the asyncio module: sessions over a few shared sockets, which move to another gate when theirs goes away."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import errors
from ..adapt import adapt_all
from ..batches import Batch, batches
from ..hooks import Listeners, QueryListener
from ..placeholders import Parameters, rewrite
from ..protocol import conversation as talk
from ..protocol.urls import Host
from ..results import Outcome, ResultReader
from ..session import Deadline, Message, Options, Retry, Session, begin_message, checked_target, may_commit
from .cursor import Cursor
from .link import Link, Slot
from .links import Links
from .record import Record
from .stream import Stream
from .transaction import Transaction

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ..session import BeginOptions, StatementOptions

logger = logging.getLogger("vitrail")

TerminationListener = Callable[["Connection"], None]

_CLOSE_TIMEOUT = 5.0


class Connection:
    """A session at a gate, for one task at a time. Each statement is a transaction of its own outside :meth:`transaction`.

    Statements take ``%s`` placeholders with as many arguments, or ``%(name)s`` with one mapping; without arguments a statement is
    sent as it is. ``timeout`` is a deadline in seconds that the server keeps, too; other options: :class:`vitrail.Options`.
    Cancelling the task (or ``asyncio.timeout``) cancels the statement at the server and leaves the connection usable.
    """

    def __init__(self, links: Links, owns_links: bool, listeners: Listeners | None = None) -> None:
        self._links = links
        self._owns_links = owns_links
        self._config = links.config
        self._session = Session(links.config.state)
        self._listeners = listeners if listeners is not None else Listeners()
        self._termination: list[TerminationListener] = []
        self._link: Link | None = None
        self._id = 0
        self._opened = False
        self._closed = False
        self._busy = False
        self._avoid: Host | None = None
        self._leftover: Slot | None = None
        self._stream: weakref.ref[Stream] | None = None
        self._stream_slot: Slot | None = None
        self._depth = 0
        self._undo = False
        self._current: Slot | None = None

    # === statements ===

    async def execute(self, query: str, *args: Any, **options: Unpack[StatementOptions]) -> Outcome:
        """Runs a statement and tells what it did; rows are dropped.

        Raises:
            errors.Error: it has failed; the class says why.
        """
        return await (await self._query(query, args, options)).finish()

    async def executemany(self, query: str, args: Iterable[Parameters], **options: Unpack[StatementOptions]) -> Outcome:
        """Runs a statement once per set of parameters, many in one request: all or nothing, as far as a commit over several
        shards goes. The outcome has the sum of ``affected`` and the last ``insert_id``.

        Raises:
            errors.Error: one has failed; ``item`` says which.
        """
        chosen = Options(**options)
        deadline = self._deadline(chosen.timeout)
        requests = batches(query, args)
        first = next(requests, None)
        if first is None:
            return Outcome()
        second = next(requests, None)
        if second is None:
            return await self._batch(first, chosen, deadline, atomic=not self.is_in_transaction())
        if self.is_in_transaction():
            return await self._batches(itertools.chain((first, second), requests), chosen, deadline)
        async with self.transaction():
            return await self._batches(itertools.chain((first, second), requests), chosen, deadline)

    async def fetch(self, query: str, *args: Any, **options: Unpack[StatementOptions]) -> list[Record]:
        """All rows.

        Raises:
            errors.Error: the statement has failed.
        """
        stream = await self._query(query, args, options)
        found: list[Record] = []
        while (records := await stream.records()) is not None:
            found += records
        return found

    async def fetchrow(self, query: str, *args: Any, **options: Unpack[StatementOptions]) -> Record | None:
        """The first row; None if there is none. The rest is not waited for.

        Raises:
            errors.Error: the statement has failed.
        """
        stream = await self._query(query, args, options)
        first: Record | None = None
        while first is None and (records := await stream.records()) is not None:
            first = records[0] if records else None
        if stream.outcome is None or stream.outcome.more:
            stream.drop()
            self._leftover = stream.slot
        else:
            await stream.finish()
        return first

    async def fetchval(self, query: str, *args: Any, column: int | str = 0, **options: Unpack[StatementOptions]) -> Any:
        """One value of the first row; None if there is no row.

        Raises:
            errors.Error: the statement has failed.
        """
        row = await self.fetchrow(query, *args, **options)
        return None if row is None else row[column]

    def cursor(self, query: str, *args: Any, **options: Unpack[StatementOptions]) -> Cursor:
        """A cursor that streams: ``async for row in connection.cursor(…)``, or ``async with`` to fetch in pieces. The server sends
        no further ahead than the window."""
        return Cursor(self, query, args, options)

    def transaction(self, **options: Unpack[BeginOptions]) -> Transaction:
        """A transaction for ``async with``: committed at the end of the block, rolled back after an exception. One inside another
        is a savepoint. Options: :class:`vitrail.BeginOptions`."""
        return Transaction(self, options)

    # === the session ===

    def cancel(self) -> None:
        """Stops the statement that runs, from another task; nothing happens if none does. It fails with
        :class:`vitrail.CancelledError`, or ends with its result if the cancel came late."""
        if self._current is not None and not self._current.ended:
            self._current.link.cancel(self._current.id)

    def is_in_transaction(self) -> bool:
        """Inside a transaction, as far as the server has told."""
        return self._session.in_transaction

    def is_closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def is_pinned(self) -> bool:
        """Pinned to one MySQL connection, by a temporary table or a lock, as far as the server has told."""
        return self._session.pinned

    @property
    def target(self) -> str:
        """Where statements go."""
        return str(self._session.state.get("target", ""))

    async def set_target(self, target: str) -> None:
        """Changes where statements go; outside a transaction."""
        target = checked_target(target)
        if self.is_in_transaction():
            raise errors.ProgrammingError("the target cannot change inside a transaction; commit or roll back first")
        with self._operation():
            await self._settle(self._deadline(None))
            self._session.state["target"] = target
            self._leave()

    def get_server(self) -> Mapping[str, Any]:
        """What the gate said of itself: ``flavour``, ``mysql_version``, ``gates`` and so on; empty before the first statement."""
        return {} if self._link is None else dict(self._link.hello)

    async def reset(self, *, timeout: float | None = None) -> None:
        """Takes the session back to how it was opened: rolls back; forgets settings, variables, temporary tables and locks."""
        deadline = self._deadline(timeout)
        if self._link is not None and self._link.closed is None and self._opened:
            self._session.forget_lost_transaction()
            await self._finish({"op": "reset"}, deadline, ignore_loss=True)
        self._session.restore()

    async def close(self, *, timeout: float = _CLOSE_TIMEOUT) -> None:
        """Rolls back and ends the session; waits for it where locks are held. Closing twice is no error."""
        if self._closed:
            return
        self._closed = True
        bound = self._session.bound
        link, opened, id = self._link, self._opened, self._id
        self._forget_link()
        if link is not None and link.closed is None:
            with contextlib.suppress(errors.Error):
                self._drop_stream()
                if opened:
                    [slot] = link.send_now([{"op": "close", "s": id}], [None])
                    if bound:
                        await slot.next(Deadline(timeout))
                    slot.detach()
        if self._owns_links:
            await self._links.close()
        self._tell_termination()

    def terminate(self) -> None:
        """Ends the session without waiting."""
        if self._closed:
            return
        self._closed = True
        if self._owns_links:
            self._links.abort()
        else:
            self._leave()
        self._tell_termination()

    def add_query_logger(self, listener: QueryListener) -> None:
        """Calls ``listener`` with a :class:`vitrail.QueryRecord` after each statement."""
        self._listeners.add(listener)

    def remove_query_logger(self, listener: QueryListener) -> None:
        """Calls it no more."""
        self._listeners.remove(listener)

    def add_termination_listener(self, listener: TerminationListener) -> None:
        """Calls ``listener`` with this connection when it is closed."""
        self._termination.append(listener)

    def remove_termination_listener(self, listener: TerminationListener) -> None:
        """Calls it no more."""
        if listener in self._termination:
            self._termination.remove(listener)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    # === for transactions and cursors ===

    async def begin(self, options: BeginOptions) -> None:
        """Begins a transaction."""
        message = begin_message(options)
        self._session.forget_lost_transaction()
        with self._undone_if_cancelled():
            await self._finish(message, self._deadline(None))

    async def commit(self) -> Outcome:
        """Commits. One that was lost fails, and is concluded."""
        try:
            return await self._finish({"op": "commit"}, self._deadline(None))
        except errors.TransactionLost:
            self._session.forget_lost_transaction()
            raise

    async def rollback(self) -> None:
        """Rolls back. Acknowledges that a transaction was lost."""
        with self._operation(), self._undone_if_cancelled():
            await self._settle(self._deadline(None))
            self._check_link()
            if self._session.forget_lost_transaction() or self._link is None:
                return
        try:
            with self._undone_if_cancelled():
                await self._finish({"op": "rollback"}, self._deadline(None))
        except errors.Error:
            if self._link is not None and self._link.closed is None:
                raise
            # A session dies with its connection, and its transaction is rolled back.
            self._check_link()
            self._session.forget_lost_transaction()

    async def open_stream(self, query: str, args: tuple[Any, ...], options: StatementOptions) -> Stream:
        """A statement whose rows are read bit by bit; other statements may come in between."""
        stream = await self._query(query, args, options)
        if not stream.slot.ended:
            self._stream, self._stream_slot = weakref.ref(stream), stream.slot
        return stream

    # === how a request is run ===

    async def _query(self, query: str, args: tuple[Any, ...], options: StatementOptions) -> Stream:
        chosen = Options(**options)
        deadline = self._deadline(chosen.timeout)
        sql, binds = rewrite(query, _parameters(args))
        held = self._links.fields.get(sql)
        message = {"op": "execute", "sql": sql, "binds": adapt_all(binds), **chosen.fields()}
        if held is not None:
            message["fh"] = held.hash
        with self._operation():
            stream = await self._run(message, deadline)
        self._leftover = stream.slot
        return stream.reads(ResultReader(self._links.fields, sql, held))

    async def _batches(self, requests: Iterable[Batch], chosen: Options, deadline: Deadline) -> Outcome:
        affected = insert_id = 0
        for batch in requests:
            done = await self._batch(batch, chosen, deadline, atomic=False)
            affected, insert_id = affected + done.affected, done.insert_id or insert_id
        return Outcome(affected=affected, insert_id=insert_id)

    async def _batch(self, batch: Batch, chosen: Options, deadline: Deadline, atomic: bool) -> Outcome:
        offset, items = batch
        affected = insert_id = 0
        try:
            with self._operation():
                stream = await self._run({"op": "batch", "items": items, "atomic": atomic, **chosen.fields()}, deadline)
                while (reply := await stream.reply()) is not None:
                    end = reply.get("end", {})
                    affected += end.get("affected", 0)
                    insert_id = end.get("insert_id", 0) or insert_id
        except errors.Error as error:
            if error.item is not None:
                error.item += offset
            raise
        return Outcome(affected=affected, insert_id=insert_id)

    async def _finish(self, message: Message, deadline: Deadline, ignore_loss: bool = False) -> Outcome:
        with self._operation():
            stream = await self._run(message, deadline, ignore_loss)
            return await stream.reads(ResultReader(self._links.fields, "", None)).finish()

    async def _run(self, message: Message, deadline: Deadline, ignore_loss: bool = False) -> Stream:
        """Sends a request and waits for its first reply; opens the session where needed, and tries again where that is safe."""
        await self._settle(deadline)
        retry = Retry(self._config.retries, deadline)
        started = time.monotonic()
        attempts = 0
        sql = str(message.get("sql", message["op"]))
        trace = None if self._config.traceparent is None else self._config.traceparent()
        if trace is not None:
            message["trace"] = trace
        while True:
            attempts += 1
            bound = False
            try:
                loss = self._check_link()
                if loss is not None and not ignore_loss:
                    raise loss
                bound = self._session.bound
                link = await self._connected()
                stream = await self._attempt(link, message, deadline)
            except errors.Error as error:
                failure, moves = self._after_failure(error, bound, message)
                pause = None if self._link is None and not moves else retry.pause(failure, bound, moves)
                if pause is None:
                    self._listeners.tell(sql, time.monotonic() - started, attempts, failure)
                    if failure is error:
                        raise
                    raise failure from error
            else:
                self._listeners.tell(sql, time.monotonic() - started, attempts, None)
                return stream
            await asyncio.sleep(pause)

    async def _attempt(self, link: Link, message: Message, deadline: Deadline) -> Stream:
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
        try:
            event = await slot.next(deadline)
        except BaseException:
            self._leftover = slot
            raise
        if isinstance(event, talk.Failed):
            if opening is not None and event.error.code == "skipped":
                # Answers come in order, so that of `open` is there, with the reason.
                reason = await opening.next(deadline)
                if isinstance(reason, talk.Failed):
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

    @contextlib.contextmanager
    def _operation(self) -> Iterator[None]:
        if self._closed:
            raise errors.interface("the connection is closed")
        if self._busy:
            raise errors.interface("another task runs a statement on this connection; take one of the pool for each task")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

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

    def _tell_termination(self) -> None:
        for listener in list(self._termination):
            try:
                listener(self)
            except Exception:
                logger.exception("a termination listener failed")


def _parameters(args: tuple[Any, ...]) -> Parameters | None:
    if not args:
        return None
    if len(args) == 1 and isinstance(args[0], Mapping):
        return args[0]
    return args
