"""What is measured: a workload does something on a side, tells how long it took, and compares what came with what is true."""

from __future__ import annotations

import datetime
import decimal
import inspect
import random
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sides import COUNT, EMPTY, Blocking, Row, Side

ACCOUNTS = 10_000
ITEMS = 10_000
ENTRIES = 10_000
_SELECTS = 1_000
_FETCHES = 5


def account(id: int) -> Row:
    """The row of an account."""
    return (id, f"customer {id:06}", decimal.Decimal(id * 7 % 100_003) / 100)


def item(id: int) -> Row:
    """A row of the large table: six types, some NULLs, some text that is not ASCII."""
    made = datetime.datetime(2026, 1, 1) + datetime.timedelta(minutes=id)
    name = f"thing no. {id}" if id % 10 else f"Größe № {id}"
    return (id, name, decimal.Decimal(id * 37 % 99_991) / 100, made, None if id % 7 == 0 else id % 1_000, id / 8)


def entry(id: int) -> Row:
    """A row for the bulk insert."""
    return (id, id * 13 % ACCOUNTS, f"payment {id} of it's kind", decimal.Decimal(id * 11 % 10_007) / 100)


SCHEMA = (
    "CREATE TABLE account (id BIGINT PRIMARY KEY, name VARCHAR(64) NOT NULL, balance DECIMAL(12, 2) NOT NULL)",
    "CREATE TABLE item (id BIGINT PRIMARY KEY, name VARCHAR(64) NOT NULL, price DECIMAL(10, 2) NOT NULL, made DATETIME NOT NULL,"
    " stock INT, weight DOUBLE NOT NULL)",
    "CREATE TABLE entry (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, note VARCHAR(64) NOT NULL,"
    " amount DECIMAL(10, 2) NOT NULL)",
)


def fill(side: Blocking) -> None:
    """Fills the tables that are read."""
    side.fill("INSERT INTO account VALUES (%s, %s, %s)", [account(id) for id in range(ACCOUNTS)])
    side.fill("INSERT INTO item VALUES (%s, %s, %s, %s, %s, %s)", [item(id) for id in range(ITEMS)])


class Spent(NamedTuple):
    """Seconds that passed, and those that this process computed."""

    seconds: float
    computing: float


@dataclass(frozen=True)
class Workload:
    """``run`` gives what ``count`` things named ``unit`` took; ``aim``: Vitrail's rate / that of the driver beside it."""

    name: str
    unit: str
    count: int
    aim: float
    run: Callable[[Side, random.Random], Awaitable[Spent]]


async def _value(result: Any) -> Any:
    """The result of a side that blocks, or of one for asyncio."""
    return await result if inspect.isawaitable(result) else result


async def _timed(call: Callable[[], Any]) -> tuple[Any, Spent]:
    """What a call gives, and what it took."""
    started, computed = time.perf_counter(), time.process_time()
    result = await _value(call())
    return result, Spent(time.perf_counter() - started, time.process_time() - computed)


async def _select(side: Side, chance: random.Random) -> Spent:
    ids = [chance.randrange(ACCOUNTS) for _ in range(_SELECTS)]
    rows, spent = await _timed(lambda: side.select(ids))
    _check([tuple(row) for row in rows], [account(id) for id in ids])
    return spent


async def _fetch(side: Side, _: random.Random) -> Spent:
    whole = Spent(0.0, 0.0)
    for _round in range(_FETCHES):
        rows, spent = await _timed(side.fetch)
        whole = Spent(whole.seconds + spent.seconds, whole.computing + spent.computing)
        _check([tuple(row) for row in rows], [item(id) for id in range(ITEMS)])
    return whole


async def _insert(side: Side, _: random.Random) -> Spent:
    rows = [entry(id) for id in range(ENTRIES)]
    await _value(side.one(EMPTY))
    _, spent = await _timed(lambda: side.insert(rows))
    sums = [sum(row[place] for row in rows) for place in (0, 1, 3)]
    notes = sum(zlib.crc32(row[2].encode()) for row in rows)
    _check(await _value(side.one(COUNT)), (len(rows), *sums, notes))
    return spent


def _check(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise AssertionError(f"wrong rows: {str(found)[:200]} in place of {str(wanted)[:200]}")


WORKLOADS = (
    Workload("point select", "statements", _SELECTS, 0.8, _select),
    Workload(f"fetch of {ITEMS:,} rows", "rows", _FETCHES * ITEMS, 1.0, _fetch),
    Workload(f"bulk insert of {ENTRIES:,} rows", "rows", ENTRIES, 1.0, _insert),
)
