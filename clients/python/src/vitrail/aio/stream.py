"""A request under way in the asyncio module, as results and rows."""

from __future__ import annotations

from functools import partial
from typing import Any

from .. import errors
from ..protocol.events import Failed, Reply
from ..protocol.rows import Column
from ..results import READ_AHEAD, READ_AHEAD_TEXT, Description, Fields, Outcome, Part, ResultReader
from ..session import Deadline
from .record import Record
from .slot import Slot


class Stream:
    """The answer to one request, from its first reply on. ``columns``, ``description`` and ``outcome`` are there once they have
    been read."""

    def __init__(self, slot: Slot, deadline: Deadline, first: Reply) -> None:
        self.slot = slot
        self.done = False
        self.outcome: Outcome | None = None
        self._deadline = deadline
        self._first: Reply | None = first
        self._last: Reply | None = None
        self._reader: ResultReader | None = None
        self._fields: Fields | None = None
        self._kept: list[Record] = []
        self._failure: errors.Error | None = None

    @property
    def columns(self) -> list[Column] | None:
        """The columns of the result; None without one."""
        return None if self._fields is None else self._fields.columns

    @property
    def description(self) -> list[Description] | None:
        """The columns as PEP 249 describes them."""
        return None if self._fields is None else list(self._fields.description)

    def reads(self, reader: ResultReader) -> Stream:
        """Rows are read by ``reader``."""
        self._reader = reader
        return self

    async def reply(self) -> dict[str, Any] | None:
        """The next reply; None after the last. Taking it says that the one before was consumed.

        Raises:
            errors.Error: the request has failed; what it has answered before is void.
        """
        if self._last is not None:
            if self._last.last:
                self.done = True
            else:
                self.slot.link.consume(self._last)
            self._last = None
        if self.done:
            return None
        event: Reply | Failed | None = self._first
        self._first = None
        if event is None:
            event = await self.slot.next(self._deadline)
        if isinstance(event, Failed):
            self.done = True
            raise event.error
        self._last = event
        return event.message

    async def records(self) -> list[Record] | None:
        """The rows of the next reply; None after the last. Of a CALL with several results, all have their turn.

        Raises:
            errors.Error: the request has failed; what it has answered before is void.
        """
        if self._failure is not None:
            raise self._failure
        if self._kept:
            kept, self._kept = self._kept, []
            return kept
        try:
            part = await self._part()
        except errors.Error as error:
            self._failure = error
            self.drop()
            raise
        except BaseException:
            # What the cancelled task would have got is gone: no later row may look like the next one.
            self._failure = errors.local("cancelled", "a task was cancelled while it read this result")
            self.drop()
            raise
        if part is None:
            return None
        if self._fields is None:
            return []
        return list(map(partial(Record, self._fields.places), part.rows))

    async def _part(self) -> Part | None:
        reply = await self.reply()
        if reply is None:
            return None
        assert self._reader is not None
        part = self._reader.read(reply)
        if part.fields is not None:
            self._fields = part.fields
        if part.outcome is not None:
            self.outcome = part.outcome
        return part

    async def finish(self) -> Outcome:
        """Drops the rows that are left and gives the outcome."""
        while await self.records() is not None:
            pass
        return self.outcome if self.outcome is not None else Outcome()

    async def read_ahead(self) -> None:
        """Takes what is left into memory, as another statement comes; a failure is told to who reads on."""
        size = 0
        kept: list[Record] = []
        try:
            while (records := await self.records()) is not None:
                kept += records
                size += 0 if self._last is None else self._last.size
                if size > READ_AHEAD:
                    self.drop()
                    raise errors.local("too_large", READ_AHEAD_TEXT)
        except errors.Error as error:
            self._failure = error
        else:
            self._kept = kept

    def drop(self) -> None:
        """Nobody wants the rest."""
        if not self.done:
            self.slot.abandon()
        self.done = True
        self._last = self._first = None
