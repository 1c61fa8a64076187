"""Cursors of PEP 249. Rows stream: the server sends no further ahead than the window that the client has room for."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import errors
from .adapt import adapt
from .bulk import run_all
from .placeholders import Parameters, rewrite
from .protocol.rows import Column
from .results import READ_AHEAD, READ_AHEAD_TEXT, Description, Outcome, ResultReader, WarningText
from .session import NO_OPTIONS, Options

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .connection import Connection
    from .running import Pending
    from .session import StatementOptions

Row = tuple[Any, ...]
_PROCEDURE = re.compile(r"[\w$]+(?:\.[\w$]+)?")


class Cursor:
    """Runs statements and hands out their rows.

    A result is read while it arrives. When another statement is run on the same connection meanwhile, what is left of the result
    is taken into memory first, up to 64 MiB. Closing the cursor ends the statement at the server; the connection stays usable.

    Attributes:
        arraysize: how many rows :meth:`fetchmany` takes if it is not told.
        description: columns of the result, seven items each as PEP 249 has them; None without a result.
        rowcount: rows affected, or rows of the result once its end has arrived; -1 before.
        lastrowid: ``LAST_INSERT_ID`` of the statement; None if it made none.
        rownumber: index of the next row in the result; None without a result.
    """

    _reader_class = ResultReader

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._closed = False
        self._pending: Pending | None = None
        self.arraysize = 1
        self._clear()

    def _clear(self) -> None:
        self._reader: ResultReader | None = None
        self._rows: deque[Row] = deque()
        self._columns: list[Column] | None = None
        self._outcome: Outcome | None = None
        self._failure: errors.Error | None = None
        self.description: list[Description] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.rownumber: int | None = None

    # === running ===

    def execute(self, operation: str, parameters: Parameters | None = None, **options: Unpack[StatementOptions]) -> Self:
        """Runs a statement. Without ``parameters`` it is sent as it is; else ``%s`` or ``%(name)s`` stand for values, a list for
        ``IN %s``, and ``%%`` for a percent sign. Options, as ``timeout`` in seconds: see :class:`vitrail.Options`.

        Raises:
            errors.Error: it has failed, or its rows so far are void; the class says why.
        """
        chosen = self._begin(options)
        sql, binds = rewrite(operation, parameters)
        held = self._connection.fields.get(sql)
        message = {"op": "execute", "sql": sql, "binds": adapt(binds) if binds else {}, **chosen.fields()}
        if held is not None:
            message["fh"] = held.hash
        self._reader = self._reader_class(self._connection.fields, sql, held)
        self._pending = self._connection.run(message, self._connection.deadline(chosen.timeout), self)
        self._next_result()
        return self

    def executemany(self, operation: str, seq_of_parameters: Iterable[Parameters], **options: Unpack[StatementOptions]) -> Self:
        """Runs a statement once per set of parameters, many in one request: all or nothing, as far as a commit over several
        shards goes. Rows of an INSERT or REPLACE share statements where that changes nothing. Rows that a statement returns are
        dropped. ``timeout`` is that of the whole. ``lastrowid`` is the insert id of the last statement, as other clients have it.

        Raises:
            errors.Error: one has failed; ``item`` says which. Inside a transaction those before it remain in that.
        """
        chosen = self._begin(options)
        tally = run_all(self._connection, operation, seq_of_parameters, chosen)
        self.rowcount = tally.affected
        self.lastrowid = tally.insert_id or None
        return self

    def callproc(self, procname: str, parameters: Sequence[Any] = ()) -> Sequence[Any]:
        """Calls a procedure and returns its parameters as they are. Its results follow by the fetch methods and :meth:`nextset`.
        OUT parameters are user variables: name them in a ``CALL`` of your own."""
        if not _PROCEDURE.fullmatch(procname):
            raise errors.ProgrammingError(f"`{procname[:64]}` is no name of a procedure")
        marks = ", ".join(["%s"] * len(parameters))
        self.execute(f"CALL {procname}({marks})", parameters)
        return parameters

    # === fetching ===

    def fetchone(self) -> Row | None:
        """The next row; None after the last.

        Raises:
            errors.Error: the statement failed meanwhile, which voids the rows before; or there is no result.
        """
        self._check_result()
        if not self._rows and not self._fill():
            return None
        self.rownumber = (self.rownumber or 0) + 1
        return self._rows.popleft()

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next rows, ``arraysize`` or ``size`` of them unless there are fewer."""
        self._check_result()
        wanted = self.arraysize if size is None else size
        found: list[Row] = []
        while len(found) < wanted and (self._rows or self._fill()):
            found.append(self._rows.popleft())
        self.rownumber = (self.rownumber or 0) + len(found)
        return found

    def fetchall(self) -> list[Row]:
        """All rows that are left, in memory."""
        self._check_result()
        found: list[Row] = []
        while self._rows or self._fill():
            found.extend(self._rows)
            self._rows.clear()
        self.rownumber = (self.rownumber or 0) + len(found)
        return found

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def nextset(self) -> bool | None:
        """Goes on to the next result of a CALL; None if there is none. What is left of this one is dropped."""
        self._check_open()
        if self._columns is not None:
            while self._fill():
                self._rows.clear()
        self._rows.clear()
        if self._outcome is None or not self._outcome.more or self._pending is None:
            return None
        self._next_result()
        return True if self._columns is not None else None

    # === what is known of the statement ===

    @property
    def connection(self) -> Connection:
        """The connection of the cursor."""
        return self._connection

    @property
    def outcome(self) -> Outcome | None:
        """What the statement did: warnings, position, info, and whether rows are missing. None before its end."""
        return self._outcome

    @property
    def warnings(self) -> tuple[WarningText, ...]:
        """Texts of warnings, as many as ``warnings=`` asked for."""
        return () if self._outcome is None else self._outcome.warnings

    @property
    def columns(self) -> list[Column] | None:
        """Columns of the result with all that MySQL says of them; None without a result."""
        return self._columns

    # === the rest of PEP 249 ===

    def close(self) -> None:
        """Ends the statement at the server if it still sends. Closing twice is no error."""
        if not self._closed:
            self._drop()
            self._closed = True

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Does nothing: values travel with their types."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing: rows are as long as they are."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # === for the connection ===

    def reads(self, pending: Pending) -> bool:
        """Whether its result comes from this request."""
        return self._pending is pending

    def read_ahead(self) -> None:
        """Takes the rest of the results into memory; a failure is told by the next fetch."""
        pending = self._pending
        if pending is None or self._reader is None:
            return
        size = 0
        try:
            while self._columns is not None and self._outcome is None and self._take_reply():
                size += pending.last_size
                if size > READ_AHEAD:
                    pending.drop()
                    raise errors.local("too_large", READ_AHEAD_TEXT)
        except errors.Error as error:
            self._rows.clear()
            self._failure = error
        if self._pending is not None:
            # Further results of a CALL would have to be kept apart; nobody may still ask for them.
            pending.drop()
            self._done()

    # === reading ===

    def _begin(self, options: StatementOptions) -> Options:
        self._check_open()
        self._drop()
        self._clear()
        return Options(**options) if options else NO_OPTIONS

    def _next_result(self) -> None:
        """Reads on until it is known whether a result follows; one without columns is read to its end."""
        self._columns = None
        self._outcome = None
        self.description = None
        self.rowcount = -1
        self.rownumber = None
        while self._columns is None and self._outcome is None:
            if not self._take_reply():
                raise errors.local("protocol", "a request ended without an end", "unknown")

    def _fill(self) -> bool:
        """Waits for rows of the current result; False: there are no more."""
        while not self._rows:
            if self._failure is not None:
                raise self._failure
            if self._outcome is not None or not self._take_reply():
                return False
        return True

    def _take_reply(self) -> bool:
        """Takes one reply; False: there was none left."""
        pending, reader = self._pending, self._reader
        if pending is None or reader is None:
            return False
        try:
            reply = pending.next()
            part = None if reply is None else reader.read(reply)
        except BaseException:
            # What was read before is void, and what an interrupt has lost does not come again.
            self._rows.clear()
            self._columns = self.description = None
            pending.drop()
            self._done()
            raise
        if part is None:
            self._done()
            return False
        if part.fields is not None:
            self._columns = part.fields.columns
            self.description = list(part.fields.description)
            self.rownumber = 0
        self._rows.extend(part.rows)
        if part.outcome is not None:
            self._outcome = part.outcome
            if self._columns is None:
                self.rowcount = part.outcome.affected
                self.lastrowid = part.outcome.insert_id or None
            else:
                self.rowcount = part.outcome.rows
            if not part.outcome.more:
                pending.next()
                self._done()
        return True

    def _done(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            self._connection.finished(pending)

    def _drop(self) -> None:
        if self._pending is not None:
            self._pending.drop()
            self._done()
        self._rows.clear()

    def _check_open(self) -> None:
        if self._closed or self._connection.closed:
            raise errors.interface("the cursor is closed" if self._closed else errors.CONNECTION_IS_CLOSED)

    def _check_result(self) -> None:
        self._check_open()
        if self._columns is None and self._failure is None:
            raise errors.ProgrammingError("there is no result to fetch from: the last statement returned no rows, or none was run")
