"""Connections of the asyncio module: sessions over a few shared sockets, which move to another gate when theirs goes away."""

from __future__ import annotations

import contextlib
import logging
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import errors
from ..adapt import adapt
from ..batches import Tally
from ..hooks import Listeners, QueryListener
from ..placeholders import Parameters, rewrite
from ..results import Outcome, ResultReader
from ..session import NO_OPTIONS, Deadline, Message, Options, begin_message, checked_target
from .bulk import run_all
from .cursor import Cursor
from .links import Links
from .record import Record
from .running import Runner
from .stream import Stream
from .transaction import Transaction

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ..session import BeginOptions, StatementOptions

logger = logging.getLogger("vitrail")

TerminationListener = Callable[["Connection"], None]

_CLOSE_TIMEOUT = 5.0


class Connection(Runner):
    """A session at a gate, for one task at a time. Each statement is a transaction of its own outside :meth:`transaction`.

    Statements take ``%s`` placeholders with as many arguments, or ``%(name)s`` with one mapping; without arguments a statement is
    sent as it is. ``timeout`` is a deadline in seconds that the server keeps, too; other options: :class:`vitrail.Options`.
    Cancelling the task (or ``asyncio.timeout``) cancels the statement at the server and leaves the connection usable.
    """

    def __init__(self, links: Links, owns_links: bool, listeners: Listeners | None = None) -> None:
        super().__init__(links, listeners)
        self._owns_links = owns_links
        self._termination: list[TerminationListener] = []

    # === statements ===

    async def execute(self, query: str, *args: Any, **options: Unpack[StatementOptions]) -> Outcome:
        """Runs a statement and tells what it did; rows are dropped.

        Raises:
            errors.Error: it has failed; the class says why.
        """
        return await (await self._query(query, args, options)).finish()

    async def executemany(self, query: str, args: Iterable[Parameters], **options: Unpack[StatementOptions]) -> Outcome:
        """Runs a statement once per set of parameters, many in one request: all or nothing, as far as a commit over several
        shards goes. Rows of an INSERT or REPLACE share statements where that changes nothing. The outcome has the sum of
        ``affected``, and the ``insert_id`` of the last statement that made one.

        Raises:
            errors.Error: one has failed; ``item`` says which.
        """
        return await run_all(self, query, args, Options(**options) if options else NO_OPTIONS)

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

    @property
    def autocommit(self) -> bool:
        """Whether each statement outside :meth:`transaction` is a transaction of its own; ``SET autocommit = 0`` changes that."""
        return bool(self._session.state.get("autocommit", True))

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

    # === for transactions, cursors and batches ===

    @property
    def is_strict(self) -> bool:
        """Whether rows of an INSERT may share a statement: see :attr:`Session.is_strict`."""
        return self._session.is_strict

    def deadline(self, timeout: float | None) -> Deadline:
        """When a statement must have ended that begins now."""
        return self._deadline(timeout)

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

    # === how they are sent ===

    async def _query(self, query: str, args: tuple[Any, ...], options: StatementOptions) -> Stream:
        chosen = Options(**options) if options else NO_OPTIONS
        deadline = self._deadline(chosen.timeout)
        sql, binds = rewrite(query, _parameters(args))
        held = self._links.fields.get(sql)
        message = {"op": "execute", "sql": sql, "binds": adapt(binds) if binds else {}, **chosen.fields()}
        if held is not None:
            message["fh"] = held.hash
        with self._operation():
            stream = await self._run(message, deadline)
        self._leftover = stream.slot
        return stream.reads(ResultReader(self._links.fields, sql, held))

    async def run_batch(self, message: Message, deadline: Deadline, meanwhile: Callable[[], None], tally: Tally) -> None:
        """Runs the request of a batch and adds up its replies. ``meanwhile`` is called while it runs."""
        with self._operation():
            stream = await self._run(message, deadline, meanwhile=meanwhile)
            while (reply := await stream.reply()) is not None:
                tally.take(reply)

    async def _finish(self, message: Message, deadline: Deadline, ignore_loss: bool = False) -> Outcome:
        with self._operation():
            stream = await self._run(message, deadline, ignore_loss)
            return await stream.reads(ResultReader(self._links.fields, "", None)).finish()

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
