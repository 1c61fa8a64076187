"""Cursors for Django: TIME is a time of day, and what was run is remembered, for its log of queries."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from .. import convert
from ..buffered import BufferedCursor
from ..cursor import Cursor
from ..results import ResultReader

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ..placeholders import Parameters
    from ..protocol.rows import Column
    from ..session import StatementOptions


class TimeOfDayReader(ResultReader):
    """Reads TIME as the time of day that it stands for, if it is one from 0 to 24 hours."""

    def reader(self, column: Column) -> convert.Reader:
        """How to read the cells of a column."""
        read = super().reader(column)
        return (lambda cells: [_time_of_day(value) for value in read(cells)]) if column.type == convert.TIME else read


def _time_of_day(duration: datetime.timedelta | None) -> datetime.time | datetime.timedelta | None:
    if duration is None or duration.days != 0:
        return duration
    return (datetime.datetime.min + duration).time()


class StreamingCursor(Cursor):
    """A cursor that streams, for ``iterator()``.

    Attributes:
        executed: the statement that was run last, and its parameters.
    """

    _reader_class = TimeOfDayReader
    executed: tuple[str, Parameters | None] = ("", None)

    def execute(self, operation: str, parameters: Parameters | None = None, **options: Unpack[StatementOptions]) -> Self:
        """Runs a statement."""
        self.executed = (operation, parameters)
        return super().execute(operation, parameters, **options)


class MemoryCursor(BufferedCursor, StreamingCursor):
    """A cursor that has all rows before ``execute`` returns, for all else."""
