"""One statement with many sets of parameters over a connection of the asyncio module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import errors
from ..batches import Ahead, Batch, Tally, batches
from ..placeholders import Parameters
from ..results import Outcome
from ..session import Deadline, Options

if TYPE_CHECKING:
    from .connection import Connection


async def run_all(connection: Connection, query: str, parameters: Iterable[Parameters], chosen: Options) -> Outcome:
    """Runs a statement once per set of parameters: all or nothing outside a transaction.

    Raises:
        errors.Error: one has failed; ``item`` says which.
    """
    deadline = connection.deadline(chosen.timeout)
    requests = Ahead(batches(query, parameters, connection.is_strict))
    first = requests.take()
    if first is None:
        return Outcome()
    alone = connection.autocommit and not connection.is_in_transaction()
    # One request is a transaction by itself; more of them need one around.
    if not alone or requests.is_empty:
        return await _run(connection, first, requests, chosen, deadline, atomic=alone)
    async with connection.transaction():
        return await _run(connection, first, requests, chosen, deadline, atomic=False)


async def _run(connection: Connection, first: Batch, further: Ahead, chosen: Options, deadline: Deadline, atomic: bool) -> Outcome:
    tally = Tally()
    batch: Batch | None = first
    while batch is not None:
        try:
            await _send(connection, batch, further, tally, chosen, deadline, atomic)
        except errors.Error as error:
            apart = batch.apart(error, atomic)
            if apart is None:
                raise
            if atomic:
                tally.reset()
            await _send(connection, apart, further, tally, chosen, deadline, atomic)
        batch = further.take()
    return Outcome(affected=tally.affected, insert_id=tally.insert_id)


async def _send(
    connection: Connection, batch: Batch, further: Ahead, tally: Tally, chosen: Options, deadline: Deadline, atomic: bool
) -> None:
    try:
        await connection.run_batch(batch.message(atomic, chosen), deadline, further.prepare, tally)
    except errors.Error as error:
        batch.blame(error)
        raise
