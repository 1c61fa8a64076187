"""Connections of PEP 249: one session over one socket, which moves to another gate when its own goes away."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import errors
from .cursor import Cursor
from .hooks import QueryListener
from .running import SESSION_ID, Runner
from .session import BeginOptions, Deadline, begin_message, checked_target

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

_CLOSE_TIMEOUT = 5.0


class Connection(Runner):
    """A session at a gate. Threads may share the module, but not a connection; only :meth:`cancel` is for other threads.

    Outside a transaction, and unless a temporary table or a lock pins it, the session outlives its socket and its gate: it is
    opened elsewhere with the settings that it had.

    As a context manager it commits at the end of the block, or rolls back after an exception, and closes.
    """

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    # === PEP 249 ===

    def cursor(self) -> Cursor:
        """A new cursor.

        Raises:
            InterfaceError: the connection is closed.
        """
        self._check_open()
        return Cursor(self)

    def commit(self) -> None:
        """Commits the transaction; nothing happens outside of one.

        Raises:
            TransactionLost: it was lost before; nothing of it remains.
            OutcomeUnknown: the connection broke before the answer; nobody can say.
            OperationalError: it did not succeed; ``executed`` says whether an effect remains.
        """
        self._check_open()
        self._settle()
        loss = self._check_link()
        if loss is not None:
            self._session.forget_lost_transaction()
            raise loss
        if self.in_transaction or self._is_busy():
            self.run_to_end({"op": "commit"}, self._deadline(None))

    def rollback(self) -> None:
        """Rolls the transaction back; nothing happens outside of one. Acknowledges that a transaction was lost."""
        self._check_open()
        self._drop_stream()
        self._check_link()
        if self._session.forget_lost_transaction():
            return
        if self.in_transaction or self._is_busy():
            try:
                self.run_to_end({"op": "rollback"}, self._deadline(None))
            except errors.Error:
                if self._link is not None and self._link.closed is None:
                    raise
                # A session dies with its connection, and its transaction is rolled back.
                self._drop_link()
                self._session.forget_lost_transaction()

    def close(self) -> None:
        """Rolls back and ends the session.

        Raises:
            InterfaceError: it is closed already. PEP 249's compliance suite asks for that.
        """
        self._check_open()
        self._closed = True
        link, self._link = self._link, None
        if link is None:
            return
        if link.process == os.getpid() and link.closed is None and self._opened:
            with contextlib.suppress(errors.Error):
                self._drop_stream()
                deadline = Deadline(_CLOSE_TIMEOUT)
                ids = link.send([{"op": "close", "s": SESSION_ID}], deadline)
                # Who closes expects that locks are gone then.
                if self.in_transaction or self._session.pinned:
                    link.next(ids[0], deadline)
        link.close("closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._closed:
            return
        try:
            if kind is None:
                self.commit()
            else:
                with contextlib.suppress(errors.Error):
                    self.rollback()
        finally:
            self.close()

    def __del__(self) -> None:
        link = getattr(self, "_link", None)
        if link is not None:
            link.close("the connection was dropped")

    # === transactions ===

    @property
    def autocommit(self) -> bool:
        """Whether each statement is a transaction of its own; False at first, as PEP 249 asks. May be set outside a transaction."""
        return bool(self._session.state.get("autocommit", True))

    @autocommit.setter
    def autocommit(self, on: bool) -> None:
        self._check_open()
        if on == self.autocommit:
            return
        if self.in_transaction:
            raise errors.ProgrammingError("`autocommit` cannot change inside a transaction; commit or roll back first")
        self.run_to_end({"op": "execute", "sql": f"SET autocommit = {int(on)}"}, self._deadline(None))

    @property
    def in_transaction(self) -> bool:
        """Inside a transaction, as far as the server has told."""
        return self._session.in_transaction

    def begin(self, **options: Unpack[BeginOptions]) -> None:
        """Begins a transaction; one that is open is committed by MySQL. Options: see :class:`vitrail.BeginOptions`."""
        self._check_open()
        self._session.forget_lost_transaction()
        self.run_to_end(begin_message(options), self._deadline(None))

    @contextlib.contextmanager
    def transaction(self, **options: Unpack[BeginOptions]) -> Iterator[None]:
        """A transaction as a block: committed at its end, rolled back after an exception. A block inside a block is a savepoint."""
        if self._depth == 0:
            self.begin(**options)
            undo, end = self.rollback, self.commit
        else:
            name = f"block_{self._depth}"
            self._execute(f"SAVEPOINT {name}")

            def undo() -> None:
                self._execute(f"ROLLBACK TO SAVEPOINT {name}")

            def end() -> None:
                self._execute(f"RELEASE SAVEPOINT {name}")

        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            # The exception of the block says more than one of the rollback.
            with contextlib.suppress(errors.Error):
                undo()
            raise
        else:
            self._depth -= 1
            end()

    # === the session ===

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    @property
    def target(self) -> str:
        """Where statements go. May be set outside a transaction."""
        return str(self._session.state.get("target", ""))

    @target.setter
    def target(self, target: str) -> None:
        target = checked_target(target)
        if self.in_transaction:
            raise errors.ProgrammingError("the target cannot change inside a transaction; commit or roll back first")
        self._check_open()
        self._settle()
        self._session.state["target"] = target
        self._leave()

    @property
    def server(self) -> Mapping[str, Any]:
        """What the gate said of itself: ``flavour``, ``mysql_version``, ``connection_id``, ``gates`` and so on."""
        return {} if self._link is None else dict(self._link.hello)

    @property
    def pinned(self) -> bool:
        """Pinned to one MySQL connection, by a temporary table or a lock, as far as the server has told."""
        return self._session.pinned

    def reset(self) -> None:
        """Takes the session back to how it was opened: rolls back; forgets settings, variables, temporary tables and locks."""
        self._check_open()
        self._drop_stream()
        self._check_link()
        if self._link is not None and self._opened:
            self._session.forget_lost_transaction()
            self.run_to_end({"op": "reset"}, self._deadline(None), ignore_loss=True)
        self._session.restore()

    def cancel(self) -> None:
        """Stops the statement that runs, from any thread; nothing happens if none does. It fails with :class:`CancelledError`,
        or ends with its result if the cancel came late."""
        current = self._current
        if current is not None:
            link, id = current
            link.interrupt(id)

    def add_query_listener(self, listener: QueryListener) -> None:
        """Calls ``listener`` with a :class:`vitrail.QueryRecord` after each statement."""
        self._listeners.add(listener)

    def remove_query_listener(self, listener: QueryListener) -> None:
        """Calls it no more."""
        self._listeners.remove(listener)
