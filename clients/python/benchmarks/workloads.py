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
from typing import Any

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


@dataclass(frozen=True)
class Workload:
    """``run`` gives the seconds for ``count`` things named ``unit``; ``aim``: Vitrail's rate / that of the driver beside it."""

    name: str
    unit: str
    count: int
    aim: float
    run: Callable[[Side, random.Random], Awaitable[float]]


async def _value(result: Any) -> Any:
    """The result of a side that blocks, or of one for asyncio."""
    return await result if inspect.isawaitable(result) else result


async def _select(side: Side, chance: random.Random) -> float:
    ids = [chance.randrange(ACCOUNTS) for _ in range(_SELECTS)]
    started = time.perf_counter()
    rows = await _value(side.select(ids))
    elapsed = time.perf_counter() - started
    _check([tuple(row) for row in rows], [account(id) for id in ids])
    return elapsed


async def _fetch(side: Side, _: random.Random) -> float:
    elapsed = 0.0
    for _round in range(_FETCHES):
        started = time.perf_counter()
        rows = await _value(side.fetch())
        elapsed += time.perf_counter() - started
        _check([tuple(row) for row in rows], [item(id) for id in range(ITEMS)])
    return elapsed


async def _insert(side: Side, _: random.Random) -> float:
    rows = [entry(id) for id in range(ENTRIES)]
    await _value(side.one(EMPTY))
    started = time.perf_counter()
    await _value(side.insert(rows))
    elapsed = time.perf_counter() - started
    sums = [sum(row[place] for row in rows) for place in (0, 1, 3)]
    notes = sum(zlib.crc32(row[2].encode()) for row in rows)
    _check(await _value(side.one(COUNT)), (len(rows), *sums, notes))
    return elapsed


def _check(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise AssertionError(f"wrong rows: {str(found)[:200]} in place of {str(wanted)[:200]}")


WORKLOADS = (
    Workload("point select", "statements", _SELECTS, 0.8, _select),
    Workload(f"fetch of {ITEMS:,} rows", "rows", _FETCHES * ITEMS, 1.0, _fetch),
    Workload(f"bulk insert of {ENTRIES:,} rows", "rows", ENTRIES, 1.0, _insert),
)
