"""What a client knows of its session, and when a statement may be sent again. Without I/O; shared by both clients."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from . import errors
from .protocol.messages import COMMIT_MODES, ISOLATIONS
from .protocol.targets import canonical, target_problem

Message = dict[str, Any]

_WORD = re.compile(r"\s*([A-Za-z]*)")
_PLAIN = frozenset({"select", "insert", "update", "delete", "replace", "with", "values", "table", "do"})
_MOST_MILLISECONDS = 0xFFFF_FFFF


class StatementOptions(TypedDict, total=False):
    """Keyword arguments of everything that runs a statement; :class:`Options` says what they mean."""

    timeout: float | None
    target: str | None
    read_only: bool
    max_rows: int | None
    position: bytes | None
    warnings: int
    share: str | None


class BeginOptions(TypedDict, total=False):
    """Keyword arguments of what begins a transaction.

    ``isolation``: ``READ COMMITTED`` and its like. ``read_only``: refuse writes. ``snapshot``: ``WITH CONSISTENT SNAPSHOT``.
    ``mode``: what a commit over several shards does: ``single`` refuses a second shard, ``multi`` commits one after the other,
    ``twopc`` is atomic. ``max_seconds``: rolled back when older.
    """

    isolation: str | None
    read_only: bool | None
    snapshot: bool
    mode: str | None
    max_seconds: float | None


def begin_message(options: BeginOptions) -> Message:
    """The request that begins a transaction.

    Raises:
        ProgrammingError: an option cannot be used.
    """
    begin: Message = {"snapshot": options.get("snapshot", False)}
    isolation, mode, seconds = options.get("isolation"), options.get("mode"), options.get("max_seconds")
    if isolation is not None:
        if isolation.upper() not in ISOLATIONS:
            raise errors.ProgrammingError(f"`isolation` must be one of {', '.join(ISOLATIONS)}")
        begin["isolation"] = isolation.upper()
    read_only = options.get("read_only")
    if read_only is not None:
        begin["read_only"] = read_only
    if mode is not None:
        if mode not in COMMIT_MODES:
            raise errors.ProgrammingError(f"`mode` must be one of {', '.join(COMMIT_MODES)}")
        begin["mode"] = mode
    if seconds is not None:
        begin["max_ms"] = max(1, int(seconds * 1000))
    return {"op": "begin", "begin": begin}


@dataclass(frozen=True)
class Options:
    """How one statement is to run.

    Attributes:
        timeout: deadline in seconds, queueing and streaming included; None: that of the connection.
        target: overrides the session's target; not inside a transaction.
        read_only: refuse anything that writes.
        max_rows: at most so many rows; the result says that it was capped.
        position: not older than this position, as a write answered it.
        warnings: fetch the texts of at most so many warnings.
        share: whether a read may share one execution with identical ones: ``off``, ``next`` or ``running``.
    """

    timeout: float | None = None
    target: str | None = None
    read_only: bool = False
    max_rows: int | None = None
    position: bytes | None = None
    warnings: int = 0
    share: str | None = None

    def fields(self) -> Message:
        """Fields of the request.

        Raises:
            ProgrammingError: an option cannot be used.
        """
        fields: Message = {}
        if self.warnings:
            fields["warnings"] = self.warnings
        if self.read_only:
            fields["!read_only"] = True
        if self.target is not None:
            fields["!target"] = checked_target(self.target)
        if self.max_rows is not None:
            if self.max_rows < 1:
                raise errors.ProgrammingError("`max_rows` is at least 1")
            fields["!max_rows"] = self.max_rows
        if self.position is not None:
            fields["!position"] = self.position
        if self.share is not None:
            fields["share"] = self.share
        return fields


#: Those of a statement that is given none.
NO_OPTIONS = Options()


def checked_target(target: str) -> str:
    """A target in its canonical form.

    Raises:
        ProgrammingError: it is none.
    """
    problem = target_problem(target)
    if problem:
        raise errors.ProgrammingError(problem)
    return canonical(target)


class Session:
    """What the ends of requests have told of a session, from which it can be opened anew elsewhere."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._opened_with = dict(state)
        self.restore()

    def restore(self) -> None:
        """As just opened."""
        self.state: Message = {**self._opened_with}
        self.in_transaction = False
        self.pinned = False
        self._lost: str | None = None

    @property
    def bound(self) -> bool:
        """In a transaction or pinned: it cannot be opened elsewhere."""
        return self.in_transaction or self.pinned

    @property
    def is_strict(self) -> bool:
        """Whether ``sql_mode`` is strict, as far as is known. Unless it is, a NULL that a column may not have is an error in a
        statement of one row, and a default in one of several."""
        mode = self.state.get("variables", {}).get("sql_mode")
        return mode is None or "STRICT_" in mode.upper() or "TRADITIONAL" in mode.upper()

    def ended(self, end: Mapping[str, Any]) -> None:
        """Learns from the end of a result."""
        self.in_transaction = end.get("in_tx", False)
        self.pinned = end.get("pinned", False)
        for name, change in end.get("state", {}).items():
            if name in ("variables", "user_variables", "prepared"):
                gone = {"user_variables": "NULL", "prepared": ""}.get(name)
                merged = {**self.state.get(name, {}), **change}
                self.state[name] = {key: text for key, text in merged.items() if text != gone}
            else:
                self.state[name] = change

    def failed(self, error: errors.Error) -> None:
        """Learns from an ERROR of the server."""
        if error.code != "skipped":
            self.in_transaction = error.in_transaction
            self.pinned = self.pinned and error.code != "session_lost"

    def lose(self) -> None:
        """The connection is gone: remembers what went with it."""
        if self.pinned:
            self._lost = "session"
        elif self.in_transaction:
            self._lost = "transaction"
        self.in_transaction = self.pinned = False

    @property
    def loss(self) -> errors.Error | None:
        """The error of every statement until the application has taken note of a loss."""
        if self._lost == "transaction":
            text = "the connection was lost and the transaction with it; roll back, then run all of it again"
            return errors.local("tx_lost", text, retryable=True)
        if self._lost == "session":
            text = "the connection was lost, and with it temporary tables and locks of the session; reset it, build them again"
            return errors.local("session_lost", text, retryable=False)
        return None

    def forget_lost_transaction(self) -> bool:
        """The application begins or rolls back. Whether a transaction had been lost."""
        lost = self._lost == "transaction"
        if lost:
            self._lost = None
        return lost


def may_commit(message: Mapping[str, Any]) -> bool:
    """Whether a request may have ended the transaction with its effects kept."""
    if message["op"] == "execute":
        word = _WORD.match(message["sql"])
        return word is None or word[1].lower() not in _PLAIN
    return message["op"] not in ("begin", "rollback", "describe")


class Deadline:
    """When a statement must have ended; ``seconds`` None: never."""

    def __init__(self, seconds: float | None) -> None:
        self.until = None if seconds is None else time.monotonic() + seconds

    def remaining(self) -> float | None:
        """Seconds that are left, from 0."""
        return None if self.until is None else max(0.0, self.until - time.monotonic())

    def milliseconds(self) -> int | None:
        """What is left, for the request; at least 1."""
        left = self.remaining()
        return None if left is None else max(1, min(_MOST_MILLISECONDS, int(left * 1000)))
