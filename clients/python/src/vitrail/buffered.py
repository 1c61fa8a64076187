"""A cursor with its rows in memory, as frameworks expect that know no other."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .cursor import Cursor

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .placeholders import Parameters
    from .session import StatementOptions


class BufferedCursor(Cursor):
    """A cursor that has all rows before :meth:`execute` returns: whatever fails has failed by then, and a rollback leaves the
    rows."""

    def execute(self, operation: str, parameters: Parameters | None = None, **options: Unpack[StatementOptions]) -> Self:
        """Runs a statement and takes the rows of its first result into memory."""
        super().execute(operation, parameters, **options)
        if self.description is not None:
            self._rows = deque(self.fetchall())
            self.rownumber = 0
        return self
