"""Exceptions: the tree of PEP 249, each with what the server said about the failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Warning(Exception):
    """An important warning. Not raised: warnings of MySQL are counted and fetched by cursors."""


class Error(Exception):
    """Base of all errors of this package.

    Attributes:
        message: what happened and what to do.
        code: what it means, independent of MySQL's numbers: ``conflict``, ``deadline``, … (an open set).
        errno: MySQL's number where the meaning is equal, else 61000 to 61999.
        sqlstate: five characters.
        executed: whether an effect remains: ``no``, ``partial`` or ``unknown``.
        retryable: nothing was executed, and the same may succeed when sent again: the statement, or all of the
            transaction where it was a part of one.
        in_transaction: the session is inside a transaction after this error.
        retry_after: wait at least so many seconds before the next attempt; None: no matter.
        shard: the shard that it concerns, where there is one.
        item: index of the parameters that failed, in a batch; of several that share a statement, the first.
        items: indexes of all that share that statement; None outside of batches.
    """

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "invalid",
        errno: int | None = None,
        sqlstate: str | None = None,
        executed: str = "no",
        retryable: bool = False,
        in_transaction: bool = False,
        retry_after: float | None = None,
        shard: str | None = None,
        item: int | None = None,
    ) -> None:
        super().__init__(message)
        default = CODES.get(code, CODES["internal"])
        self.message = message
        self.code = code
        self.errno: int = default.errno if errno is None else errno
        self.sqlstate = default.sqlstate if sqlstate is None else sqlstate
        self.executed = executed
        self.retryable = retryable and executed == "no"
        self.in_transaction = in_transaction
        self.retry_after = retry_after
        self.shard = shard
        self.item = item
        self.items: range | None = None

    def __str__(self) -> str:
        return f"{self.message} ({self.code}, {self.errno}, {self.sqlstate})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, {**self.__dict__, "errno": self.errno}))


class InterfaceError(Error):
    """Wrong use of this package: a closed cursor, a URL that cannot be read."""


class DatabaseError(Error):
    """An error of the database."""


class DataError(DatabaseError):
    """A value does not fit."""


class OperationalError(DatabaseError):
    """Not the statement's fault: connections, locks, deadlines, limits, permissions."""


class IntegrityError(DatabaseError):
    """A key or check refused the change."""


class InternalError(DatabaseError):
    """A bug of the server."""


class ProgrammingError(DatabaseError):
    """The statement is wrong: syntax, unknown tables or columns, wrong parameters."""


class NotSupportedError(DatabaseError):
    """Understood, not supported."""


class DeadlineError(OperationalError, TimeoutError):  # type: ignore[misc]  # errno is ours, always a number
    """A deadline has passed. Also a :class:`TimeoutError`."""


class CancelledError(OperationalError):
    """The statement was cancelled on request."""


class TransactionLost(OperationalError):
    """The transaction was lost; roll back, then run all of it again."""


class OutcomeUnknown(OperationalError):
    """Nobody can say whether the statement or commit was executed."""


class UnansweredDeadline(DeadlineError, OutcomeUnknown):  # type: ignore[misc]  # as above
    """A deadline has passed and the server did not answer: nobody can say whether the statement was executed."""


class Code(NamedTuple):
    """Defaults of an error code."""

    errno: int
    sqlstate: str
    retryable: bool
    type: type[Error]


CODES: Mapping[str, Code] = {
    "invalid": Code(1064, "42000", False, ProgrammingError),
    "data": Code(1366, "HY000", False, DataError),
    "constraint": Code(1062, "23000", False, IntegrityError),
    "not_found": Code(1146, "42S02", False, ProgrammingError),
    "unsupported": Code(1235, "42000", False, NotSupportedError),
    "unauthenticated": Code(1045, "28000", False, OperationalError),
    "denied": Code(1142, "42000", False, OperationalError),
    "too_large": Code(1153, "08S01", False, OperationalError),
    "exhausted": Code(1203, "42000", True, OperationalError),
    "throttled": Code(61001, "HY000", True, OperationalError),
    "unavailable": Code(61002, "08S01", True, OperationalError),
    "draining": Code(1053, "08S01", True, OperationalError),
    "deadline": Code(3024, "HY000", False, DeadlineError),
    "cancelled": Code(1317, "70100", False, CancelledError),
    "skipped": Code(61003, "HY000", False, OperationalError),
    "conflict": Code(1213, "40001", True, OperationalError),
    "tx_lost": Code(61004, "40000", False, TransactionLost),
    "session_lost": Code(61005, "08S01", True, OperationalError),
    "outcome_unknown": Code(61006, "08007", False, OutcomeUnknown),
    "protocol": Code(61007, "08S01", False, OperationalError),
    "internal": Code(61000, "HY000", False, InternalError),
}

_SPECIFIC = frozenset({"deadline", "cancelled", "tx_lost", "outcome_unknown"})

_BY_ERRNO: Mapping[int, type[Error]] = {
    **dict.fromkeys((1048, 1062, 1169, 1215, 1216, 1217, 1364, 1451, 1452, 1557, 1586, 3819, 4025), IntegrityError),
    **dict.fromkeys((1264, 1265, 1292, 1366, 1406, 1411, 1426, 1441, 1690), DataError),
    **dict.fromkeys((1007, 1050, 1051, 1054, 1064, 1091, 1102, 1103, 1110, 1146, 1149, 1305), ProgrammingError),
    **dict.fromkeys((1040, 1044, 1045, 1142, 1143, 1203, 1205, 1213, 1317, 3024), OperationalError),
    **dict.fromkeys((1235, 1286, 1289), NotSupportedError),
}

_BY_SQLSTATE: Mapping[str, type[Error]] = {
    "08": OperationalError,
    "0A": NotSupportedError,
    "22": DataError,
    "23": IntegrityError,
    "40": OperationalError,
    "42": ProgrammingError,
}


def class_for(code: str, errno: int, sqlstate: str) -> type[Error]:
    """The exception class of an error: by its number, then its code, then its SQLSTATE."""
    known = CODES.get(code)
    if known is not None and code in _SPECIFIC:
        return known.type
    by_errno = _BY_ERRNO.get(errno)
    if by_errno is not None:
        return by_errno
    if known is not None:
        return known.type
    return _BY_SQLSTATE.get(sqlstate[:2], DatabaseError)


def from_message(message: Mapping[str, Any]) -> Error:
    """The exception for an ERROR of the server."""
    code, errno, sqlstate = message["code"], message["errno"], message["sqlstate"]
    after = message.get("retry_after_ms")
    return class_for(code, errno, sqlstate)(
        message["message"],
        code=code,
        errno=errno,
        sqlstate=sqlstate,
        executed=message["executed"],
        retryable=message.get("retryable", False),
        in_transaction=message.get("in_tx", False),
        retry_after=None if after is None else after / 1000,
        shard=message.get("shard"),
        item=message.get("item"),
    )


def local(code: str, message: str, executed: str | None = None, retryable: bool | None = None) -> Error:
    """An exception that arises here, with the meaning of a code."""
    known = CODES[code]
    if executed is None:
        executed = "unknown" if code == "outcome_unknown" else "no"
    return known.type(message, code=code, executed=executed, retryable=known.retryable if retryable is None else retryable)


def lost(reason: str, handed_over: bool) -> Error:
    """What became of a request whose connection is gone. A server runs what it has whole, and nothing else."""
    if not handed_over:
        return local("unavailable", f"connection lost before the request was sent: {reason}")
    return local("outcome_unknown", f"connection lost before the answer came: {reason}; the statement may have been executed")


def unanswered(handed_over: bool) -> Error:
    """The error of a request whose deadline has passed without an answer."""
    if not handed_over:
        return local("deadline", "the deadline has passed before all of the request was sent")
    text = "the deadline has passed and the server did not answer; the statement may have been executed"
    return UnansweredDeadline(text, code="outcome_unknown", executed="unknown")


def interface(message: str, errno: int | None = None) -> InterfaceError:
    """Wrong use of this package."""
    return InterfaceError(message, code="invalid", errno=61008 if errno is None else errno, sqlstate="HY000")


#: The text of an error of a connection that was closed.
CONNECTION_IS_CLOSED = "the connection is closed"

#: The errno of a URL or option that cannot be used.
BAD_CONFIGURATION = 61009


def _rebuild(kind: type[Error], message: str, attributes: dict[str, Any]) -> Error:
    error = kind(message)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error
