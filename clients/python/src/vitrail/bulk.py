"""One statement with many sets of parameters over a blocking connection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import errors
from .batches import Ahead, Batch, Tally, batches
from .placeholders import Parameters
from .session import Deadline, Options

if TYPE_CHECKING:
    from .connection import Connection


def run_all(connection: Connection, operation: str, parameters: Iterable[Parameters], chosen: Options) -> Tally:
    """Runs a statement once per set of parameters: all or nothing outside a transaction.

    Raises:
        errors.Error: one has failed; ``item`` says which.
    """
    deadline = connection.deadline(chosen.timeout)
    requests = Ahead(batches(operation, parameters, connection.is_strict))
    tally = Tally()
    batch = requests.take()
    alone = connection.autocommit and not connection.in_transaction
    # One request is a transaction by itself; more of them need one around.
    around = alone and not requests.is_empty
    if around:
        connection.begin()
    try:
        while batch is not None:
            _run(connection, batch, requests, tally, alone and not around, chosen, deadline)
            batch = requests.take()
    except BaseException:
        if around:
            with contextlib.suppress(errors.Error):
                connection.rollback()
        raise
    if around:
        connection.commit()
    return tally


def _run(
    connection: Connection, batch: Batch, further: Ahead, tally: Tally, atomic: bool, chosen: Options, deadline: Deadline
) -> None:
    try:
        _send(connection, batch, further, tally, atomic, chosen, deadline)
    except errors.Error as error:
        apart = batch.apart(error, atomic)
        if apart is None:
            raise
        if atomic:
            tally.reset()
        _send(connection, apart, further, tally, atomic, chosen, deadline)


def _send(
    connection: Connection, batch: Batch, further: Ahead, tally: Tally, atomic: bool, chosen: Options, deadline: Deadline
) -> None:
    try:
        pending = connection.run(batch.message(atomic, chosen), deadline, meanwhile=further.prepare)
        while (reply := pending.next()) is not None:
            tally.take(reply)
    except errors.Error as error:
        batch.blame(error)
        raise
