"""Vitrail for Python: SQL over BSON-RPC on sharded MySQL.

This module is a database module as PEP 249 has it; :mod:`vitrail.aio` is its like for asyncio. Values travel apart from the
statement, rows stream, and sessions outlive the gate that they are at.
"""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING

from .adapt import Bit, CharsetText, Geometry, Json
from .config import ConnectOptions, configure
from .connection import Connection
from .convert import BINARY_TYPE as BINARY
from .convert import DATETIME_TYPE as DATETIME
from .convert import NUMBER_TYPE as NUMBER
from .convert import ROWID_TYPE as ROWID
from .convert import STRING_TYPE as STRING
from .cursor import Cursor
from .errors import (
    CancelledError,
    DatabaseError,
    DataError,
    DeadlineError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    OutcomeUnknown,
    ProgrammingError,
    TransactionLost,
    UnansweredDeadline,
    Warning,
)
from .hooks import QueryRecord
from .results import Outcome, WarningText
from .session import BeginOptions, Options, StatementOptions
from .version import __version__

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "BeginOptions",
    "Binary",
    "Bit",
    "CancelledError",
    "CharsetText",
    "ConnectOptions",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "DeadlineError",
    "Error",
    "Geometry",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "Json",
    "NotSupportedError",
    "OperationalError",
    "Options",
    "Outcome",
    "OutcomeUnknown",
    "ProgrammingError",
    "QueryRecord",
    "StatementOptions",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "TransactionLost",
    "UnansweredDeadline",
    "Warning",
    "WarningText",
    "__version__",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]

apilevel = "2.0"
#: Threads may share the module, but not connections.
threadsafety = 1
paramstyle = "pyformat"

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> datetime.date:  # noqa: N802
    """The local date of a time in seconds since 1970."""
    return datetime.date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:  # noqa: N802
    """The local time of day of a time in seconds since 1970."""
    return datetime.time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:  # noqa: N802
    """The local date and time of a time in seconds since 1970."""
    return datetime.datetime(*time.localtime(ticks)[:6])


def connect(url: str | None = None, *, autocommit: bool = False, **options: Unpack[ConnectOptions]) -> Connection:
    """Connects to a gate.

    Arguments:
        url: ``vitrail://user:password@host:15300,host2/keyspace:-80@replica?tls=verify-full``; without it the environment's
            ``VITRAIL_URL``. Options below count more than the URL.
        autocommit: whether each statement is a transaction of its own.
        user, password, target: as in the URL.
        tls: ``disable``, ``prefer``, ``require``, ``verify-ca`` or ``verify-full``; by default none on this machine, else
            ``verify-full``.
        ca, cert, key: PEM files: authorities to trust, the client's certificate and its key.
        connect_timeout: seconds for connecting and authenticating, all hosts included.
        query_timeout: deadline in seconds of statements that name none; by default none.
        app_name: shown to people who look at the server.
        found_rows: ``rowcount`` of an UPDATE counts matched rows, not changed ones.
        variables: system variables of the session, each with the text of an SQL literal: ``{"sql_mode": "'ANSI'"}``.
        retries: how often a statement is sent again that the server says it has not executed and that may be repeated.
        traceparent: called for each statement; its W3C ``traceparent`` goes along.

    Raises:
        InterfaceError: the URL or an option cannot be used.
        OperationalError: no host can be reached, or the login is refused.
    """
    return Connection(configure(url, autocommit=autocommit, **options))
